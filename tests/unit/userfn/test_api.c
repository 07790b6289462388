#include "src/userfn/api.h"

#include <stdio.h>
#include <string.h>

#include "proto/wire.h"
#include "src/base/error.h"
#include "tests/fakes/fake_spec.h"
#include "tests/unit/unit.h"

static const struct fake_field by_string[] = {
	{.name = "id", .number = 1, .type = FIELD_STRING, .is_key = true}, {0}};
static const struct fake_field no_key[] = {{.name = "id", .number = 1, .type = FIELD_STRING}, {0}};
static const struct fake_field by_bytes[] = {
	{.name = "id", .number = 1, .type = FIELD_BYTES, .is_key = true}, {0}};
static const struct fake_field by_double[] = {
	{.name = "id", .number = 1, .type = FIELD_DOUBLE, .is_key = true}, {0}};
static const struct fake_field by_message[] = {{.name = "id",
						.number = 1,
						.type = FIELD_MESSAGE,
						.type_name = ".t.ByString",
						.is_key = true},
					       {0}};
static const struct fake_field by_repeated[] = {
	{.name = "id", .number = 1, .type = FIELD_STRING, .is_repeated = true, .is_key = true},
	{0}};
static const struct fake_field by_legacy[] = {
	{.name = "id", .number = 1, .type = FIELD_STRING, .is_legacy_key = true}, {0}};
static const struct fake_message messages[] = {
	{"ByString", by_string},
	{"NoKey", no_key},
	{"ByBytes", by_bytes},
	{"ByDouble", by_double},
	{"ByMessage", by_message},
	{"ByRepeated", by_repeated},
	{"ByLegacy", by_legacy},
	{"Out", NULL},
	{0},
};

#define METHODS(name, ...) static const struct fake_method name[] = {__VA_ARGS__, {0}}
METHODS(good, {"Do", ".t.ByString", ".t.Out", false, false},
	{"Old", ".t.ByLegacy", ".t.Out", false, false});
METHODS(streamed, {"In", ".t.ByString", ".t.Out", true, false},
	{"Plain", ".t.ByString", ".t.Out", false, false},
	{"Out", ".t.ByString", ".t.Out", false, true});
METHODS(keyless, {"A", ".t.NoKey", ".t.Out", false, false},
	{"Fine", ".t.ByString", ".t.Out", false, false}, {"B", ".t.NoKey", ".t.Out", false, false});
/* An action may have all that entities must not. */
METHODS(action, {"In", ".t.NoKey", ".t.Out", true, false},
	{"Out", ".t.ByBytes", ".t.Out", false, true}, {"Both", ".t.NoKey", ".t.Out", true, true},
	{"One", ".t.NoKey", ".t.Out", false, false});
METHODS(bytes_key, {"A", ".t.ByBytes", ".t.Out", false, false});
METHODS(double_key, {"A", ".t.ByDouble", ".t.Out", false, false});
METHODS(message_key, {"A", ".t.ByMessage", ".t.Out", false, false});
METHODS(repeated_key, {"A", ".t.ByRepeated", ".t.Out", false, false});

static const struct fake_service services[] = {
	{"Good", good},
	{"Second", good},
	{"Streamed", streamed},
	{"Keyless", keyless},
	{"BytesKey", bytes_key},
	{"DoubleKey", double_key},
	{"MessageKey", message_key},
	{"RepeatedKey", repeated_key},
	{"Action", action},
	{"Deed", action},
	{0},
};
static const struct fake_file files[] = {
	{.name = "t.proto", .package = "t", .messages = messages, .services = services}, {0}};
static const struct fake_file no_files[] = {{0}};
static const struct fake_file missing_import[] = {
	{.name = "t.proto", .package = "t", .import = "nowhere.proto"}, {0}};
static const struct fake_file circular[] = {
	{.name = "a.proto", .package = "a", .import = "b.proto"},
	{.name = "b.proto", .package = "b", .import = "a.proto"},
	{0}};

#define ENTITIES(...) ((const struct fake_entity[]){__VA_ARGS__, {0}})
#define UNSUPPORTED(service, type)                                                                 \
	"Service [" service "] has declared an unsupported entity type [" type                     \
	"]. Supported types "                                                                      \
	"are cloudstate.action.ActionProtocol,cloudstate.eventsourced.EventSourced,"               \
	"cloudstate.valueentity.ValueEntity,cloudstate.crdt.Crdt"
#define CRDT "cloudstate.crdt.Crdt"
#define VALUE "cloudstate.valueentity.ValueEntity"
#define NO_KEY_TEXT                                                                                \
	"Event sourced entities do not support methods whose parameters do not have at least one " \
	"field marked as entity_key, but "
#define BAD_KEY(field)                                                                             \
	"Field [" field                                                                            \
	"] cannot be an entity_key: keys are single strings, integers, booleans or "               \
	"enums"

static enum status build(const struct fake_spec *spec, struct buf *reasons, struct api **ret_api,
			 struct error *err)
{
	struct buf wire;
	enum status status;

	buf_init(&wire, 1 << 20);
	fake_spec_write(spec, &wire);
	status = api_new(buf_span(&wire), reasons, ret_api, err);
	buf_fini(&wire);
	return status;
}

static void every_finding_is_named(void **state)
{
	const struct {
		const char *name;
		int32_t major;
		int32_t minor;
		const struct fake_file *files;
		const struct fake_entity *entities;
		const char *text; /* NULL: only part is looked for */
		const char *part;
	} rows[] = {
		{"D-20 newer minor", 0, 3, files, ENTITIES({NULL, "t.Good", "p", 0}),
		 "Incompatible protocol version 0.3, only 0.2 is supported", NULL},
		{"D-20 newer major", 1, 0, files, ENTITIES({NULL, "t.Good", "p", 0}),
		 "Incompatible protocol version 1.0, only 0.2 is supported", NULL},
		{"D-20 negative", 0, -1, files, ENTITIES({NULL, "t.Good", "p", 0}),
		 "Incompatible protocol version 0.-1, only 0.2 is supported", NULL},
		{"D-21", 0, 2, files, ENTITIES({0}),
		 "No entities were reported by the discover call!", NULL},
		{"D-22", 0, 2, files, ENTITIES({NULL, "t.Bad", "p", 0}),
		 "Service [t.Bad] not found in descriptors!", NULL},
		{"D-22 other package", 0, 2, files, ENTITIES({NULL, "u.Good", "p", 0}),
		 "Service [u.Good] not found in descriptors!", NULL},
		{"D-23", 0, 2, circular, ENTITIES({NULL, "t.Good", "p", 0}), NULL, "a.proto"},
		{"D-24", 0, 2, missing_import, ENTITIES({NULL, "t.Good", "p", 0}), NULL,
		 "nowhere.proto"},
		{"D-26", 0, 2, files, ENTITIES({"cloudstate.odd.Odd", "t.Good", "p", 0}),
		 UNSUPPORTED("t.Good", "cloudstate.odd.Odd"), NULL},
		{"D-27", 0, 2, files, ENTITIES({NULL, "t.Streamed", "p", 0}),
		 "Event sourced entities do not support streamed methods, but t.Streamed has the "
		 "following streamed methods: In,Out",
		 NULL},
		{"D-28", 0, 2, files, ENTITIES({NULL, "t.Keyless", "p", 0}),
		 NO_KEY_TEXT "t.Keyless has the following methods without keys: A,B", NULL},
		{"D-27 value", 0, 2, files, ENTITIES({VALUE, "t.Streamed", "p", 0}),
		 "Value entities do not support streamed methods, but t.Streamed has the "
		 "following streamed methods: In,Out",
		 NULL},
		{"D-28 value", 0, 2, files, ENTITIES({VALUE, "t.Keyless", "p", 0}),
		 "Value entities do not support methods whose parameters do not have at least one "
		 "field marked as entity_key, but t.Keyless has the following methods without "
		 "keys: A,B",
		 NULL},
		{"D-29", 0, 2, files, ENTITIES({CRDT, "t.Streamed", "p", 0}),
		 "CRDT entities do not support streaming in from the client, but t.Streamed has "
		 "the following streamed in methods: In",
		 NULL},
		{"D-30", 0, 2, files, ENTITIES({CRDT, "t.Keyless", "p", 0}),
		 "CRDT entities do not support methods whose parameters do not have at least one "
		 "field marked as entity_key, but t.Keyless has the following methods without "
		 "keys: A,B",
		 NULL},
		{"D-37 of two kinds", 0, 2, files,
		 ENTITIES({NULL, "t.Good", "p", 0}, {VALUE, "t.Second", "p", 0}),
		 "Services [t.Good] and [t.Second] have the same persistence id [p]", NULL},
		{"key of bytes", 0, 2, files, ENTITIES({NULL, "t.BytesKey", "p", 0}), NULL,
		 BAD_KEY("t.ByBytes.id")},
		{"key of double", 0, 2, files, ENTITIES({NULL, "t.DoubleKey", "p", 0}), NULL,
		 BAD_KEY("t.ByDouble.id")},
		{"key of message", 0, 2, files, ENTITIES({NULL, "t.MessageKey", "p", 0}), NULL,
		 BAD_KEY("t.ByMessage.id")},
		{"repeated key", 0, 2, files, ENTITIES({NULL, "t.RepeatedKey", "p", 0}), NULL,
		 BAD_KEY("t.ByRepeated.id")},
		{"D-37", 0, 2, files,
		 ENTITIES({NULL, "t.Good", "p", 0}, {NULL, "t.Second", "p", 0}),
		 "Services [t.Good] and [t.Second] have the same persistence id [p]", NULL},
		{"service twice", 0, 2, files,
		 ENTITIES({NULL, "t.Good", "p", 0}, {NULL, "t.Good", "q", 0}),
		 "Service [t.Good] is declared more than once", NULL},
		{"no persistence id", 0, 2, files, ENTITIES({NULL, "t.Good", "", 0}),
		 "Service [t.Good] has no persistence id", NULL},
		{"all at once", 0, 9, files,
		 ENTITIES({NULL, "t.Bad", "p", 0}, {"x.Y", "t.Second", "q", 0},
			  {NULL, "t.Streamed", "r", 0}),
		 "Incompatible protocol version 0.9, only 0.2 is supported\n"
		 "Service [t.Bad] not found in descriptors!\n" UNSUPPORTED(
			 "t.Second", "x.Y") "\n"
					    "Event sourced entities do not support streamed "
					    "methods, but t.Streamed has the "
					    "following streamed methods: In,Out",
		 NULL},
		{"no descriptors", 0, 2, no_files, ENTITIES({NULL, "t.Good", "p", 0}),
		 "Service [t.Good] not found in descriptors!", NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct fake_spec spec = {.files = rows[i].files,
					 .entities = rows[i].entities,
					 .major = rows[i].major,
					 .minor = rows[i].minor};
		struct api *api = NULL;
		struct buf reasons;
		struct error err;
		size_t line;

		buf_init(&reasons, 4096);
		UNIT_ROW(rows[i].name, build(&spec, &reasons, &api, &err) == ST_INVALID_ARGUMENT);
		UNIT_ROW(rows[i].name, !api || api->service_count > 0);
		api_unref(api);
		line = span_find(buf_span(&reasons), '\n');
		UNIT_ROW_SPAN(rows[i].name, span_head(buf_span(&reasons), line), err.message);
		if (rows[i].text)
			UNIT_ROW_SPAN(rows[i].name, buf_span(&reasons), rows[i].text);
		else
			UNIT_ROW(rows[i].name, memmem(buf_span(&reasons).data, buf_len(&reasons),
						      rows[i].part, strlen(rows[i].part)));
		buf_fini(&reasons);
	}
}

static void malformed_bytes_are_refused(void **state)
{
	static const struct {
		const char *name;
		struct span bytes;
	} rows[] = {
		{"cut varint", SPAN_LIT("\x80")},
		{"length beyond the end", SPAN_LIT("\x0a\x7f")},
		{"entity cut", SPAN_LIT("\x12\x02\x0a\x05")},
		{"entity name not UTF-8", SPAN_LIT("\x12\x03\x12\x01\xff")},
		{"passivation cut", SPAN_LIT("\x12\x04\x22\x02\x0a\x05")},
		{"service info cut", SPAN_LIT("\x1a\x02\x0a\x05")},
		{"descriptors are rubbish", SPAN_LIT("\x0a\x02\x0a\x7f\x12\x00")},
		{"empty", SPAN_LIT("")},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct api *api = NULL;
		struct buf reasons;
		struct error err;

		buf_init(&reasons, 4096);
		UNIT_ROW(rows[i].name,
			 api_new(rows[i].bytes, &reasons, &api, &err) == ST_INVALID_ARGUMENT);
		UNIT_ROW(rows[i].name, !api && buf_len(&reasons) > 0);
		buf_fini(&reasons);
	}
}

static void versions_select_the_generation(void **state)
{
	static const struct {
		int32_t minor;
		enum api_generation generation;
	} rows[] = {{0, API_0_1}, {1, API_0_1}, {2, API_0_2}};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct fake_spec spec = {.files = files,
					 .entities = ENTITIES({NULL, "t.Good", "p", 100}),
					 .minor = rows[i].minor};
		struct api *api;
		struct buf reasons;

		buf_init(&reasons, 4096);
		assert_int_equal(build(&spec, &reasons, &api, NULL), ST_OK);
		assert_int_equal(buf_len(&reasons), 0);
		assert_int_equal(api->generation, rows[i].generation);
		api_unref(api_ref(api));
		api_unref(api);
		buf_fini(&reasons);
	}
}

/* Spec: D-35. */
static void actions_are_taken_as_they_are(void **state)
{
	static const char type[] = "cloudstate.action.ActionProtocol";
	struct fake_spec spec = {
		.files = files,
		.entities = ENTITIES({type, "t.Action", "", 0}, {NULL, "t.Good", "p", 0},
				     {type, "t.Deed", "p", 0}),
		.minor = 2,
	};
	static const char *const paths[] = {"/t.Action/In", "/t.Action/Out", "/t.Action/Both",
					    "/t.Deed/One"};
	struct api *api;
	struct buf reasons;

	(void)state;
	buf_init(&reasons, 4096);
	assert_int_equal(build(&spec, &reasons, &api, NULL), ST_OK);
	assert_true(api->has_actions);
	for (size_t i = 0; i < COUNT_OF(paths); i++) {
		const struct api_method *method = api_find(api, span_from_str(paths[i]));

		UNIT_ROW(paths[i], method && method->service->kind == ENTITY_ACTION);
		UNIT_ROW(paths[i], method->key_field_count == 0);
	}
	assert_int_equal(api_find(api, SPAN_LIT("/t.Good/Do"))->service->kind,
			 ENTITY_EVENT_SOURCED);
	api_unref(api);
	api = NULL;
	spec.entities = ENTITIES({type, "t.Action", "", 0}, {type, "t.Action", "", 0});
	assert_int_equal(build(&spec, &reasons, &api, NULL), ST_INVALID_ARGUMENT);
	UNIT_ROW_SPAN("twice", buf_span(&reasons), "Service [t.Action] is declared more than once");
	api_unref(api); /* given to be looked at */
	buf_fini(&reasons);
}

static void methods_are_found_by_path(void **state)
{
	struct fake_spec spec = {
		.files = files,
		.entities = ENTITIES({NULL, "t.Good", "cart", 100}, {NULL, "t.Second", "two", -5}),
		.minor = 2};
	const struct api_method *method;
	struct api *api;
	struct buf reasons;

	(void)state;
	buf_init(&reasons, 4096);
	assert_int_equal(build(&spec, &reasons, &api, NULL), ST_OK);
	method = api_find(api, SPAN_LIT("/t.Good/Do"));
	assert_non_null(method);
	UNIT_ROW_SPAN("name", method->schema->name, "Do");
	UNIT_ROW_SPAN("persistence id", method->service->persistence_id, "cart");
	assert_int_equal(method->service->passivation_ms, 100);
	assert_ptr_equal(method->service->api, api);
	method = api_find(api, SPAN_LIT("/t.Second/Old"));
	assert_non_null(method);
	assert_int_equal(method->service->passivation_ms, 0);
	assert_null(api_find(api, SPAN_LIT("/t.Streamed/In"))); /* in the schema, not declared */
	assert_null(api_find(api, SPAN_LIT("t.Good/Do")));
	UNIT_ROW_SPAN("function", api->function_name, "test-function");
	UNIT_ROW_SPAN("version", api->function_version, "1.2.3");
	UNIT_ROW_SPAN("runtime", api->runtime, "c");
	UNIT_ROW_SPAN("library", api->library, "test-support");
	api_unref(api);
	buf_fini(&reasons);
}

/* ---- keys ----------------------------------------------------------------------------------- */

/* One method per key type: K0 has a field of type number_type[0], and so on. */
static const struct {
	const char *message;
	struct fake_field fields[4];
} key_rows[] = {
	{"String", {{.name = "id", .number = 1, .type = FIELD_STRING, .is_key = true}, {0}}},
	{"Int32", {{.name = "id", .number = 1, .type = FIELD_INT32, .is_key = true}, {0}}},
	{"Uint64", {{.name = "id", .number = 1, .type = FIELD_UINT64, .is_key = true}, {0}}},
	{"Uint32", {{.name = "id", .number = 1, .type = FIELD_UINT32, .is_key = true}, {0}}},
	{"Sint32", {{.name = "id", .number = 1, .type = FIELD_SINT32, .is_key = true}, {0}}},
	{"Sint64", {{.name = "id", .number = 1, .type = FIELD_SINT64, .is_key = true}, {0}}},
	{"Fixed32", {{.name = "id", .number = 1, .type = FIELD_FIXED32, .is_key = true}, {0}}},
	{"Sfixed64", {{.name = "id", .number = 1, .type = FIELD_SFIXED64, .is_key = true}, {0}}},
	{"Bool", {{.name = "id", .number = 1, .type = FIELD_BOOL, .is_key = true}, {0}}},
	{"Enum",
	 {{.name = "id", .number = 1, .type = FIELD_ENUM, .type_name = ".k.Colour", .is_key = true},
	  {0}}},
	/* declared in another order than numbered */
	{"Pair",
	 {{.name = "b", .number = 2, .type = FIELD_STRING, .is_key = true},
	  {.name = "a", .number = 1, .type = FIELD_INT64, .is_legacy_key = true},
	  {0}}},
	{"Default",
	 {{.name = "id", .number = 1, .type = FIELD_STRING, .is_key = true, .default_text = "d"},
	  {0}}},
};

static struct api *key_api(void)
{
	static struct fake_message key_messages[COUNT_OF(key_rows) + 1];
	static struct fake_method key_methods[COUNT_OF(key_rows) + 1];
	static char types[COUNT_OF(key_rows)][16];
	const struct fake_service key_services[] = {{"S", key_methods}, {0}};
	const struct fake_file key_files[] = {{.name = "k.proto",
					       .package = "k",
					       .is_proto2 = true,
					       .messages = key_messages,
					       .services = key_services},
					      {0}};
	struct fake_spec spec = {
		.files = key_files, .entities = ENTITIES({NULL, "k.S", "p", 0}), .minor = 2};
	struct api *api = NULL;
	struct buf reasons;

	for (size_t i = 0; i < COUNT_OF(key_rows); i++) {
		(void)snprintf(types[i], sizeof(types[i]), ".k.%s", key_rows[i].message);
		key_messages[i] = (struct fake_message){key_rows[i].message, key_rows[i].fields};
		key_methods[i] =
			(struct fake_method){key_rows[i].message, types[i], types[i], false, false};
	}
	buf_init(&reasons, 4096);
	if (build(&spec, &reasons, &api, NULL) != ST_OK)
		fail_msg("%.*s", SPAN_FMT(buf_span(&reasons)));
	buf_fini(&reasons);
	return api;
}

#define TEN "0123456789"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

static void keys_come_from_the_wire(void **state)
{
	static const struct {
		const char *name;
		const char *path;
		struct span message;
		const char *key;  /* NULL: refused */
		const char *text; /* of the refusal */
	} rows[] = {
		{"string", "/k.S/String",
		 SPAN_LIT("\x0a\x03"
			  "abc"),
		 "abc", NULL},
		{"last value wins", "/k.S/String",
		 SPAN_LIT("\x0a\x01"
			  "a\x0a\x01"
			  "b"),
		 "b", NULL},
		{"other fields are skipped", "/k.S/String",
		 SPAN_LIT("\x10\x05\x0a\x01"
			  "a\x1a\x02xy"),
		 "a", NULL},
		{"another wire type is another field", "/k.S/String",
		 SPAN_LIT("\x0a\x01"
			  "a\x08\x05"),
		 "a", NULL},
		{"unset string", "/k.S/String", SPAN_LIT(""), NULL,
		 "the entity key \"id\" is empty"},
		{"empty string", "/k.S/String", SPAN_LIT("\x0a\x00"), NULL,
		 "the entity key \"id\" is empty"},
		{"not UTF-8", "/k.S/String", SPAN_LIT("\x0a\x01\xff"), NULL,
		 "the entity key \"id\" is not valid UTF-8"},
		{"malformed", "/k.S/String",
		 SPAN_LIT("\x0a\x05"
			  "ab"),
		 NULL, "the message is not a well-formed k.String"},
		{"malformed after the key", "/k.S/String",
		 SPAN_LIT("\x0a\x01"
			  "a\x80"),
		 NULL, "the message is not a well-formed k.String"},
		{"int32", "/k.S/Int32", SPAN_LIT("\x08\x2a"), "42", NULL},
		{"int32 negative", "/k.S/Int32",
		 SPAN_LIT("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "-1", NULL},
		{"unset number", "/k.S/Int32", SPAN_LIT(""), "0", NULL},
		{"uint64 prints signed", "/k.S/Uint64",
		 SPAN_LIT("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "-1", NULL},
		{"uint32 prints signed", "/k.S/Uint32", SPAN_LIT("\x08\xff\xff\xff\xff\x0f"), "-1",
		 NULL},
		{"sint32", "/k.S/Sint32", SPAN_LIT("\x08\x03"), "-2", NULL},
		{"sint64", "/k.S/Sint64", SPAN_LIT("\x08\x04"), "2", NULL},
		{"fixed32", "/k.S/Fixed32", SPAN_LIT("\x0d\x07\x00\x00\x00"), "7", NULL},
		{"sfixed64", "/k.S/Sfixed64", SPAN_LIT("\x09\xfe\xff\xff\xff\xff\xff\xff\xff"),
		 "-2", NULL},
		{"bool", "/k.S/Bool", SPAN_LIT("\x08\x01"), "true", NULL},
		{"unset bool", "/k.S/Bool", SPAN_LIT(""), "false", NULL},
		{"enum", "/k.S/Enum", SPAN_LIT("\x08\x05"), "GREEN", NULL},
		{"unset enum", "/k.S/Enum", SPAN_LIT(""), "RED", NULL},
		{"unknown enum number", "/k.S/Enum", SPAN_LIT("\x08\x09"), "9", NULL},
		{"two keys in order of declaration", "/k.S/Pair",
		 SPAN_LIT("\x08\x07\x12\x01"
			  "x"),
		 "x-7", NULL},
		{"one of two empty", "/k.S/Pair", SPAN_LIT("\x08\x07"), NULL,
		 "the entity key \"b\" is empty"},
		{"proto2 default", "/k.S/Default", SPAN_LIT(""), "d", NULL},
		{"as long as the journal takes", "/k.S/String",
		 SPAN_LIT("\x0a\xe8\x07" HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED
				  HUNDRED HUNDRED HUNDRED),
		 HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED,
		 NULL},
		{"too long", "/k.S/String",
		 SPAN_LIT("\x0a\xcc\x08" HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED
				  HUNDRED HUNDRED HUNDRED HUNDRED),
		 NULL, "the entity key \"id\" is longer than 1024 bytes"},
	};
	struct api *api = key_api();

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct api_method *method = api_find(api, span_from_str(rows[i].path));
		struct error err;
		struct buf key;
		enum status status;

		UNIT_ROW(rows[i].name, method);
		buf_init(&key, 4096);
		assert_true(buf_append_str(&key, "before "));
		status = api_entity_key(method, rows[i].message, &key, &err);
		UNIT_ROW(rows[i].name, status == (rows[i].key ? ST_OK : ST_INVALID_ARGUMENT));
		if (!rows[i].key)
			UNIT_ROW_SPAN(rows[i].name, span_from_str(err.message), rows[i].text);
		UNIT_ROW_SPAN(rows[i].name, span_skip(buf_span(&key), 7),
			      rows[i].key ? rows[i].key : "");
		buf_fini(&key);
	}
	api_unref(api);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_finding_is_named),
		cmocka_unit_test(malformed_bytes_are_refused),
		cmocka_unit_test(versions_select_the_generation),
		cmocka_unit_test(actions_are_taken_as_they_are),
		cmocka_unit_test(methods_are_found_by_path),
		cmocka_unit_test(keys_come_from_the_wire),
	};

	return cmocka_run_group_tests_name("userfn/api", tests, NULL, NULL);
}

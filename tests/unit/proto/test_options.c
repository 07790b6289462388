#include "proto/options.h"

#include <stdio.h>

#include "proto/wire.h"
#include "tests/unit/proto/sample.h"

#define ARENA_BYTES ((size_t)1 << 20)

static void rules_are_read_from_methods(void **state)
{
	static const struct {
		const char *method;
		const char *verb; /* NULL: no rule */
		const char *path;
		const char *body;
		const char *response_body;
		size_t additional;
		bool is_custom;
	} rows[] = {
		{"Get", "GET", "/shapes/{id}", "", "", 0, false},
		{"PutAll", "PUT", "/shapes/{id}", "*", "", 0, false},
		{"PatchNested", "PATCH", "/shapes/{id}", "nested", "", 0, false},
		{"Remove", "DELETE", "/shapes/{id}", "", "", 0, false},
		{"Activate", "POST", "/shapes/{id}:activate", "*", "", 0, false},
		{"Purge", "PURGE", "/shapes/{id}", "", "", 0, true},
		{"Anything", "*", "/shapes/{id}/anything", "", "", 0, true},
		{"BodyMap", "POST", "/shapes/{id}/counts", "counts", "counts", 0, false},
		{"ManyRules", "GET", "/many/{id}", "", "", 3, false},
		{"NoRule", NULL, "", "", "", 0, false},
	};
	struct schema *schema = sample_schema();
	struct arena arena;

	(void)state;
	arena_init(&arena, ARENA_BYTES);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct options_http_rule *rule;
		const struct method *method;
		struct error err;
		char path[128];

		(void)snprintf(path, sizeof(path), "/headgate.test.Transcoding/%s", rows[i].method);
		method = schema_find_method(schema, span_from_str(path));
		assert_non_null(method);
		assert_int_equal(options_http_rule(method, &arena, &rule, &err), ST_OK);
		UNIT_ROW(rows[i].method, (rule != NULL) == (rows[i].verb != NULL));
		if (!rule)
			continue;
		UNIT_ROW_SPAN(rows[i].method, rule->verb, rows[i].verb);
		UNIT_ROW_SPAN(rows[i].method, rule->path, rows[i].path);
		UNIT_ROW_SPAN(rows[i].method, rule->body, rows[i].body);
		UNIT_ROW_SPAN(rows[i].method, rule->response_body, rows[i].response_body);
		UNIT_ROW(rows[i].method, rule->additional_count == rows[i].additional);
		UNIT_ROW(rows[i].method, rule->is_custom == rows[i].is_custom);
		if (rows[i].additional != 3)
			continue;
		UNIT_ROW_SPAN(rows[i].method, rule->additional[0].path, "/many/{id}/named/{name}");
		UNIT_ROW_SPAN(rows[i].method, rule->additional[2].verb, "PUT");
		UNIT_ROW_SPAN(rows[i].method, rule->additional[2].response_body, "nested");
	}
	arena_fini(&arena);
	schema_unref(schema);
}

/* A method with these MethodOptions. */
static struct method with_options(struct buf *bytes, const char *hex)
{
	buf_init(bytes, 4096);
	sample_hex(bytes, hex);
	return (struct method){.full_name = SPAN_LIT("p.S.M"), .options = buf_span(bytes)};
}

/* 72295728 << 3 | 2 as a varint. */
#define HTTP_TAG "82 d3 e4 93 02 "

static void occurrences_of_a_rule_are_merged(void **state)
{
	static const struct {
		const char *name;
		const char *hex;
		const char *verb;
		const char *path;
		const char *body;
		size_t additional;
	} rows[] = {
		{"one", HTTP_TAG "04 12 02 2f 61", "GET", "/a", "", 0},
		{"path, then body", HTTP_TAG "04 12 02 2f 61" HTTP_TAG "03 3a 01 2a", "GET", "/a",
		 "*", 0},
		{"a later pattern wins", HTTP_TAG "04 12 02 2f 61" HTTP_TAG "04 22 02 2f 62",
		 "POST", "/b", "", 0},
		{"custom after a plain one", HTTP_TAG "0d 12 02 2f 61 42 07 0a 01 58 12 02 2f 62",
		 "X", "/b", "", 0},
		{"custom in two parts", HTTP_TAG "0a 42 03 0a 01 58 42 03 12 01 2f", "X", "/", "",
		 0},
		{"a plain one after custom", HTTP_TAG "0d 42 07 0a 01 58 12 02 2f 62 12 02 2f 61",
		 "GET", "/a", "", 0},
		{"bindings add up",
		 HTTP_TAG "06 5a 04 12 02 2f 62" HTTP_TAG "0a 12 02 2f 61 5a 04 12 02 2f 63", "GET",
		 "/a", "", 2},
		{"unknown fields are nothing", HTTP_TAG "06 12 02 2f 61 70 01", "GET", "/a", "", 0},
	};
	struct arena arena;

	(void)state;
	arena_init(&arena, ARENA_BYTES);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct options_http_rule *rule = NULL;
		struct error err = {0};
		struct buf bytes;
		struct method method = with_options(&bytes, rows[i].hex);

		UNIT_ROW(rows[i].name, options_http_rule(&method, &arena, &rule, &err) == ST_OK);
		UNIT_ROW_SPAN(rows[i].name, rule->verb, rows[i].verb);
		UNIT_ROW_SPAN(rows[i].name, rule->path, rows[i].path);
		UNIT_ROW_SPAN(rows[i].name, rule->body, rows[i].body);
		UNIT_ROW(rows[i].name, rule->additional_count == rows[i].additional);
		buf_fini(&bytes);
	}
	arena_fini(&arena);
}

static void bad_rules_are_refused(void **state)
{
	static const struct {
		const char *name;
		const char *hex;
		size_t arena_bytes;
		enum status want;
	} rows[] = {
		{"malformed", HTTP_TAG "02 12 05", ARENA_BYTES, ST_INVALID_ARGUMENT},
		{"malformed further in", HTTP_TAG "04 5a 02 12 05", ARENA_BYTES,
		 ST_INVALID_ARGUMENT},
		{"nested twice is kept", HTTP_TAG "04 5a 02 5a 00", ARENA_BYTES, ST_OK},
		{"nested three times", HTTP_TAG "06 5a 04 5a 02 5a 00", ARENA_BYTES,
		 ST_INVALID_ARGUMENT},
		{"no memory", HTTP_TAG "04 12 02 2f 61", 1, ST_RESOURCE_EXHAUSTED},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct options_http_rule *rule;
		struct error err = {0};
		struct arena arena;
		struct buf bytes;
		struct method method = with_options(&bytes, rows[i].hex);

		arena_init(&arena, rows[i].arena_bytes);
		UNIT_ROW(rows[i].name,
			 options_http_rule(&method, &arena, &rule, &err) == rows[i].want);
		if (rows[i].want != ST_OK)
			UNIT_ROW(rows[i].name, strstr(err.message, "p.S.M") != NULL);
		arena_fini(&arena);
		buf_fini(&bytes);
	}
}

static void too_many_bindings_are_refused(void **state)
{
	struct options_http_rule rule;
	struct wire_writer writer;
	struct arena arena;
	struct error err;
	struct buf bytes;

	(void)state;
	buf_init(&bytes, 1 << 16);
	arena_init(&arena, ARENA_BYTES);
	wire_writer_init(&writer, &bytes);
	for (int i = 0; i < OPTIONS_BINDINGS_MAX; i++)
		wire_put_bytes_field(&writer, 11, SPAN_EMPTY);
	assert_true(wire_finish(&writer));
	assert_int_equal(options_http_rule_decode(buf_span(&bytes), &arena, &rule, &err), ST_OK);
	wire_put_bytes_field(&writer, 11, SPAN_EMPTY);
	assert_true(wire_finish(&writer));
	assert_int_equal(options_http_rule_decode(buf_span(&bytes), &arena, &rule, &err),
			 ST_RESOURCE_EXHAUSTED);
	wire_writer_fini(&writer);
	arena_fini(&arena);
	buf_fini(&bytes);
}

static void entity_keys_have_two_numbers(void **state)
{
	static const struct {
		const char *name;
		const char *hex;
		bool want;
	} rows[] = {
		{"no options", "", false},
		{"another option", "10 01", false},
		{"1080", "c0 43 01", true},
		{"1080 false", "c0 43 00", false},
		{"1080 true, then false", "c0 43 01 c0 43 00", false},
		{"50002", "90 b5 18 01", true},
		{"1080 false, 50002 true", "c0 43 00 90 b5 18 01", true},
		{"1080 of another wire type", "c2 43 01 01", false},
	};
	struct schema *schema = sample_schema();
	const struct message *shape = sample_message(schema, "headgate.test.Shape");

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct buf bytes;
		struct method method = with_options(&bytes, rows[i].hex);
		struct field field = {.options = method.options};

		UNIT_ROW(rows[i].name, options_is_entity_key(&field) == rows[i].want);
		buf_fini(&bytes);
	}
	assert_true(options_is_entity_key(&shape->fields[0]));
	assert_false(options_is_entity_key(&shape->fields[1]));
	schema_unref(schema);
}

static void eventing_is_read(void **state)
{
	static const struct {
		const char *name;
		const char *hex;
		enum status status;
		bool is_present;
		bool has_in;
		bool has_out;
		enum options_source_kind kind;
		const char *source;
		const char *group;
		const char *out;
	} rows[] = {
		{"none", "", ST_OK, false, false, false, OPTIONS_SOURCE_NONE, "", "", ""},
		{"empty", "ca 43 00", ST_OK, true, false, false, OPTIONS_SOURCE_NONE, "", "", ""},
		{"topic and group", "ca 43 08 0a 06 0a 01 67 12 01 74", ST_OK, true, true, false,
		 OPTIONS_SOURCE_TOPIC, "t", "g", ""},
		{"event log", "ca 43 05 0a 03 1a 01 6c", ST_OK, true, true, false,
		 OPTIONS_SOURCE_EVENT_LOG, "l", "", ""},
		{"a later source wins", "ca 43 08 0a 06 12 01 74 1a 01 6c", ST_OK, true, true,
		 false, OPTIONS_SOURCE_EVENT_LOG, "l", "", ""},
		{"out", "ca 43 05 12 03 0a 01 6f", ST_OK, true, false, true, OPTIONS_SOURCE_NONE,
		 "", "", "o"},
		{"both, in two occurrences", "ca 43 05 12 03 0a 01 6f ca 43 05 0a 03 12 01 74",
		 ST_OK, true, true, true, OPTIONS_SOURCE_TOPIC, "t", "", "o"},
		{"malformed", "ca 43 03 0a 03 12", ST_INVALID_ARGUMENT, false, false, false,
		 OPTIONS_SOURCE_NONE, "", "", ""},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct options_eventing eventing = {0};
		bool is_present = false;
		struct error err;
		struct buf bytes;
		struct method method = with_options(&bytes, rows[i].hex);

		UNIT_ROW(rows[i].name,
			 options_eventing(&method, &eventing, &is_present, &err) == rows[i].status);
		UNIT_ROW(rows[i].name, is_present == rows[i].is_present);
		UNIT_ROW(rows[i].name, eventing.has_in == rows[i].has_in);
		UNIT_ROW(rows[i].name, eventing.has_out == rows[i].has_out);
		UNIT_ROW(rows[i].name, eventing.source_kind == rows[i].kind);
		UNIT_ROW_SPAN(rows[i].name, eventing.source, rows[i].source);
		UNIT_ROW_SPAN(rows[i].name, eventing.consumer_group, rows[i].group);
		UNIT_ROW_SPAN(rows[i].name, eventing.topic_out, rows[i].out);
		buf_fini(&bytes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_are_read_from_methods),
		cmocka_unit_test(occurrences_of_a_rule_are_merged),
		cmocka_unit_test(bad_rules_are_refused),
		cmocka_unit_test(too_many_bindings_are_refused),
		cmocka_unit_test(entity_keys_have_two_numbers),
		cmocka_unit_test(eventing_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

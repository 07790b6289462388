#include "proto/schema.h"

#include "proto/wire.h"
#include "tests/unit/proto/sample.h"

/* ---- what a schema says ---- */

static void fields_are_as_declared(void **state)
{
	static const struct {
		const char *name;
		const char *json_name;
		uint32_t number;
		enum field_type type;
		const char *flags; /* r repeated, m map, p packed, P presence, o oneof */
	} rows[] = {
		{"id", "id", 1, FIELD_STRING, ""},
		{"int32_value", "int32Value", 3, FIELD_INT32, ""},
		{"bytes_value", "bytesValue", 16, FIELD_BYTES, ""},
		{"strings", "strings", 18, FIELD_STRING, "r"},
		{"numbers", "numbers", 19, FIELD_INT32, "rp"},
		{"colours", "colours", 20, FIELD_ENUM, "rp"},
		{"nesteds", "nesteds", 21, FIELD_MESSAGE, "r"},
		{"nested", "nested", 22, FIELD_MESSAGE, "P"},
		{"counts", "counts", 23, FIELD_MESSAGE, "rm"},
		{"choice_text", "choiceText", 25, FIELD_STRING, "Po"},
		{"choice_nested", "choiceNested", 27, FIELD_MESSAGE, "Po"},
		{"maybe_number", "maybeNumber", 28, FIELD_INT32, "P"},
		{"renamed", "otherName", 39, FIELD_STRING, ""},
		{"camel_case_name", "camelCaseName", 40, FIELD_STRING, ""},
	};
	struct schema *schema = sample_schema();
	const struct message *shape = sample_message(schema, "headgate.test.Shape");

	(void)state;
	assert_int_equal(shape->field_count, 40);
	assert_int_equal(shape->oneof_count, 1);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct field *field = schema_field_by_number(shape, rows[i].number);
		const char *flags = rows[i].flags;

		UNIT_ROW(rows[i].name, field != NULL);
		UNIT_ROW_SPAN(rows[i].name, field->name, rows[i].name);
		UNIT_ROW_SPAN(rows[i].name, field->json_name, rows[i].json_name);
		UNIT_ROW(rows[i].name, field->type == rows[i].type && field->parent == shape);
		UNIT_ROW(rows[i].name, field->is_repeated == (strchr(flags, 'r') != NULL));
		UNIT_ROW(rows[i].name, field->is_map == (strchr(flags, 'm') != NULL));
		UNIT_ROW(rows[i].name, field->is_packed == (strchr(flags, 'p') != NULL));
		UNIT_ROW(rows[i].name, field->has_presence == (strchr(flags, 'P') != NULL));
		UNIT_ROW(rows[i].name, (field->oneof != NULL) == (strchr(flags, 'o') != NULL));
		UNIT_ROW(rows[i].name, field == &shape->fields[field->index]);
		UNIT_ROW(rows[i].name, schema_field_by_name(shape, field->name) == field);
		UNIT_ROW(rows[i].name, schema_field_by_key(shape, field->json_name) == field);
		UNIT_ROW(rows[i].name, schema_field_by_key(shape, field->name) == field);
	}
	assert_null(schema_field_by_number(shape, 41));
	assert_null(schema_field_by_number(shape, UINT32_MAX));
	assert_null(schema_field_by_key(shape, SPAN_LIT("nothing")));
	assert_null(schema_field_by_name(shape, SPAN_LIT("otherName")));
	assert_int_equal(shape->oneofs[0].field_count, 3);
	schema_unref(schema);
}

static void types_are_found_by_name(void **state)
{
	struct schema *schema = schema_ref(sample_schema());
	const struct message *nested = sample_message(schema, "headgate.test.Nested");
	const struct enum_type *colour = schema_find_enum(schema, SPAN_LIT("headgate.test.Colour"));
	const struct method *method =
		schema_find_method(schema, SPAN_LIT("/headgate.test.Transcoding/BodyMap"));

	(void)state;
	schema_unref(schema); /* the other reference holds it */
	assert_non_null(colour);
	assert_true(schema_field_by_number(nested, 4)->enum_type == colour);
	assert_true(schema_field_by_number(nested, 5)->message == nested);
	assert_int_equal(schema_enum_by_name(colour, SPAN_LIT("NEGATIVE"))->number, -1);
	assert_true(span_eq_str(schema_enum_by_number(colour, 2)->name, "GREEN"));
	assert_null(schema_enum_by_number(colour, 3));
	assert_null(schema_enum_by_name(colour, SPAN_LIT("green")));
	assert_non_null(method);
	assert_true(span_eq_str(method->full_name, "headgate.test.Transcoding.BodyMap"));
	assert_false(method->client_streaming || method->server_streaming);
	assert_true(method->service ==
		    schema_find_service(schema, SPAN_LIT("headgate.test.Transcoding")));
	assert_null(schema_find_message(schema, SPAN_LIT("headgate.test.Colour")));
	assert_null(schema_find_method(schema, SPAN_LIT("headgate.test.Transcoding/BodyMap")));
	assert_true(schema_find_type_url(schema, SPAN_LIT("x/y/headgate.test.Nested")) == nested);
	assert_null(schema_find_type_url(schema, SPAN_LIT("headgate.test.Nested")));
	assert_true(schema_find_symbol(schema, SPAN_LIT("headgate.test.Shape.id")) ==
		    schema_find_file(schema, SPAN_LIT("headgate/test/transcoding.proto")));
	schema_unref(schema);
}

static void well_known_types_are_known(void **state)
{
	static const struct {
		const char *name;
		enum known_type known;
	} rows[] = {
		{"google.protobuf.Any", KNOWN_ANY},
		{"google.protobuf.Timestamp", KNOWN_TIMESTAMP},
		{"google.protobuf.Duration", KNOWN_DURATION},
		{"google.protobuf.FieldMask", KNOWN_FIELD_MASK},
		{"google.protobuf.Struct", KNOWN_STRUCT},
		{"google.protobuf.Value", KNOWN_VALUE},
		{"google.protobuf.ListValue", KNOWN_LIST_VALUE},
		{"google.protobuf.Empty", KNOWN_EMPTY},
		{"google.protobuf.BytesValue", KNOWN_WRAPPER},
		{"google.protobuf.UInt32Value", KNOWN_WRAPPER},
		{"google.api.HttpBody", KNOWN_HTTP_BODY},
		{"google.rpc.Status", KNOWN_NONE},     /* not imported, here for Any */
		{"google.rpc.BadRequest", KNOWN_NONE}, /* likewise */
		{"headgate.test.Shape", KNOWN_NONE},
	};
	struct schema *schema = sample_schema();

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		UNIT_ROW(rows[i].name,
			 sample_message(schema, rows[i].name)->known == rows[i].known);
	schema_unref(schema);
}

/* ---- sets made by hand ---- */

static void put_str(struct wire_writer *writer, uint32_t number, const char *text)
{
	wire_put_bytes_field(writer, number, span_from_str(text));
}

struct file_spec {
	const char *name;
	const char *package;
	const char *imports[3];
	const char *message;
	const char *field_type; /* of a field 1 named f; NULL: no field */
	const char *syntax;
};

static void put_file(struct wire_writer *writer, const struct file_spec *spec)
{
	struct wire_nest file = wire_begin(writer, 1);
	struct wire_nest message;
	struct wire_nest field;

	put_str(writer, 1, spec->name);
	if (spec->package)
		put_str(writer, 2, spec->package);
	for (size_t i = 0; i < COUNT_OF(spec->imports) && spec->imports[i]; i++)
		put_str(writer, 3, spec->imports[i]);
	if (spec->message) {
		message = wire_begin(writer, 4);
		put_str(writer, 1, spec->message);
		if (spec->field_type) {
			field = wire_begin(writer, 2);
			put_str(writer, 1, "f");
			wire_put_uint_field(writer, 3, 1);
			wire_put_uint_field(writer, 4, 1);
			put_str(writer, 6, spec->field_type);
			wire_end(writer, field);
		}
		wire_end(writer, message);
	}
	put_str(writer, 12, spec->syntax ? spec->syntax : "proto3");
	wire_end(writer, file);
}

static enum status build(const struct file_spec *specs, size_t count, struct schema **ret_schema,
			 struct error *err)
{
	struct wire_writer writer;
	struct buf set;
	enum status status;

	buf_init(&set, 1 << 20);
	wire_writer_init(&writer, &set);
	for (size_t i = 0; i < count && specs[i].name; i++)
		put_file(&writer, &specs[i]);
	assert_true(wire_finish(&writer));
	wire_writer_fini(&writer);
	status = schema_new(buf_span(&set), ret_schema, err);
	buf_fini(&set);
	return status;
}

static void bad_sets_are_named(void **state)
{
	static const struct {
		const char *name;
		struct file_spec files[4];
		const char *want; /* part of the message; NULL: the set is good */
	} rows[] = {
		{"in any order",
		 {{"a.proto", "p", {"b.proto"}, "A", ".q.B"}, {"b.proto", "q", {NULL}, "B", NULL}},
		 NULL},
		{"the same file twice is one",
		 {{"a.proto", "p", {NULL}, "A", NULL}, {"a.proto", "p", {NULL}, "A", NULL}},
		 NULL},
		{"built-in import that is not in the set",
		 {{"a.proto",
		   "p",
		   {"google/api/annotations.proto", "cloudstate/eventing.proto"},
		   "A",
		   ".google.protobuf.FieldOptions"}},
		 NULL},
		{"own copy of a built-in file",
		 {{"google/rpc/status.proto", "google.rpc", {NULL}, "Status", NULL}},
		 NULL},
		{"own copy of a well-known type under another name",
		 {{"mine.proto", "google.protobuf", {NULL}, "Timestamp", NULL}},
		 NULL},
		{"relative type name",
		 {{"a.proto", "p.q", {"b.proto"}, "A", "r.B"},
		  {"b.proto", "p.r", {NULL}, "B", NULL}},
		 NULL},
		{"missing import",
		 {{"a.proto", "p", {"b.proto"}, "A", NULL},
		  {"b.proto", "p", {"no.proto"}, "B", NULL}},
		 "missing import no.proto (imports: a.proto -> b.proto -> no.proto)"},
		{"circular import",
		 {{"x.proto", "p", {"a.proto"}, "X", NULL},
		  {"a.proto", "p", {"b.proto"}, "A", NULL},
		  {"b.proto", "p", {"a.proto"}, "B", NULL}},
		 "circular import of a.proto (imports: a.proto -> b.proto -> a.proto)"},
		{"import of itself",
		 {{"a.proto", "p", {"a.proto"}, "A", NULL}},
		 "(imports: a.proto -> a.proto)"},
		{"unknown type",
		 {{"a.proto", "p", {NULL}, "A", ".p.Gone"}},
		 "a.proto: p.A.f: unknown type .p.Gone"},
		{"two files of one name",
		 {{"a.proto", "p", {NULL}, "A", NULL}, {"a.proto", "p", {NULL}, "B", NULL}},
		 "two different files are named a.proto"},
		{"one type in two files",
		 {{"a.proto", "p", {NULL}, "A", NULL}, {"b.proto", "p", {NULL}, "A", NULL}},
		 "p.A is declared in a.proto and again in b.proto"},
		{"a name that is none", {{"a.proto", "p", {NULL}, "A b", NULL}}, "no valid name"},
		{"a package that is none", {{"a.proto", "p..q", {NULL}, "A", NULL}}, "package"},
		{"unknown syntax",
		 {{"a.proto", "p", {NULL}, "A", NULL, "proto9"}},
		 "unknown syntax proto9"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct schema *schema = NULL;
		struct error err = {0};
		enum status status = build(rows[i].files, COUNT_OF(rows[i].files), &schema, &err);

		if (status != ST_OK && (!rows[i].want || !strstr(err.message, rows[i].want)))
			fail_msg("row \"%s\": %s", rows[i].name, err.message);
		UNIT_ROW(rows[i].name, (status == ST_OK) == (rows[i].want == NULL));
		schema_unref(schema);
	}
}

static void own_well_known_types_of_another_shape_are_ordinary(void **state)
{
	static const struct file_spec files[] = {
		{"mine.proto", "google.protobuf", {NULL}, "Timestamp", NULL}};
	struct schema *schema;
	struct error err;

	(void)state;
	assert_int_equal(build(files, 1, &schema, &err), ST_OK);
	assert_int_equal(sample_message(schema, "google.protobuf.Timestamp")->known, KNOWN_NONE);
	schema_unref(schema);
}

static void every_cut_of_a_set_is_refused_or_read(void **state)
{
	struct error err;

	(void)state;
	for (size_t len = 0; len < sizeof(sample_set); len += 7) {
		struct schema *schema = NULL;

		if (schema_new(span_make(sample_set, len), &schema, &err) == ST_OK)
			schema_unref(schema);
		else
			assert_int_equal(err.status, ST_INVALID_ARGUMENT);
	}
}

static void too_large_sets_are_refused(void **state)
{
	static uint8_t bytes[SCHEMA_BYTES_MAX + 1];
	struct schema *schema;
	struct error err;

	(void)state;
	assert_int_equal(schema_new(span_make(bytes, sizeof(bytes)), &schema, &err),
			 ST_INVALID_ARGUMENT);
}

static void proto2_differs_where_it_should(void **state)
{
	static const struct file_spec files[] = {{"two.proto",
						  "p",
						  {"google/protobuf/descriptor.proto"},
						  "A",
						  ".google.protobuf.FieldDescriptorProto.Type",
						  "proto2"},
						 {"three.proto",
						  "p",
						  {"google/protobuf/struct.proto"},
						  "B",
						  ".google.protobuf.NullValue",
						  "proto3"}};
	struct schema *schema;
	struct error err;
	const struct field *two;
	const struct field *three;

	(void)state;
	assert_int_equal(build(files, 2, &schema, &err), ST_OK);
	two = &sample_message(schema, "p.A")->fields[0];
	three = &sample_message(schema, "p.B")->fields[0];
	assert_int_equal(two->type, FIELD_ENUM); /* the descriptor left it to the name */
	assert_true(two->has_presence);
	assert_false(three->has_presence);
	assert_true(two->enum_type->is_closed);
	assert_false(three->enum_type->is_closed);
	assert_true(three->enum_type->is_null_value);
	schema_unref(schema);
}

static void put_field(struct wire_writer *writer, const char *name, uint32_t number,
		      enum field_type type, const char *type_name)
{
	struct wire_nest field = wire_begin(writer, 2);

	put_str(writer, 1, name);
	wire_put_uint_field(writer, 3, number);
	wire_put_uint_field(writer, 4, *name == 'm' ? 3 : 1); /* repeated or optional */
	wire_put_uint_field(writer, 5, type);
	if (type_name)
		put_str(writer, 6, type_name);
	wire_end(writer, field);
}

/* File x of edition 2023 that wants its messages delimited: message A with a message and a map. */
static void put_delimited(struct wire_writer *writer)
{
	struct wire_nest file = wire_begin(writer, 1);
	struct wire_nest outer;
	struct wire_nest inner;
	struct wire_nest options;

	put_str(writer, 1, "x");
	put_str(writer, 12, "editions");
	wire_put_uint_field(writer, 14, 1000);
	outer = wire_begin(writer, 8);
	inner = wire_begin(writer, 50);
	wire_put_uint_field(writer, 5, 2);
	wire_end(writer, inner);
	wire_end(writer, outer);
	outer = wire_begin(writer, 4);
	put_str(writer, 1, "A");
	put_field(writer, "a", 1, FIELD_MESSAGE, ".A");
	put_field(writer, "map", 2, FIELD_MESSAGE, ".A.MapEntry");
	inner = wire_begin(writer, 3);
	put_str(writer, 1, "MapEntry");
	put_field(writer, "key", 1, FIELD_STRING, NULL);
	put_field(writer, "value", 2, FIELD_MESSAGE, ".A");
	options = wire_begin(writer, 7);
	wire_put_uint_field(writer, 7, 1);
	wire_end(writer, options);
	wire_end(writer, inner);
	wire_end(writer, outer);
	wire_end(writer, file);
}

static void delimited_messages_are_groups_but_maps_are_not(void **state)
{
	struct wire_writer writer;
	const struct message *message;
	struct schema *schema;
	struct error err = {0};
	struct buf set;

	(void)state;
	buf_init(&set, 4096);
	wire_writer_init(&writer, &set);
	put_delimited(&writer);
	assert_true(wire_finish(&writer));
	wire_writer_fini(&writer);
	if (schema_new(buf_span(&set), &schema, &err) != ST_OK)
		fail_msg("%s", err.message);
	message = sample_message(schema, "A");
	assert_int_equal(message->fields[0].type, FIELD_GROUP);
	assert_int_equal(message->fields[1].type, FIELD_MESSAGE);
	assert_true(message->fields[1].is_map);
	assert_int_equal(message->fields[1].message->map_value->type, FIELD_MESSAGE);
	schema_unref(schema);
	buf_fini(&set);
}

static void comments_are_found_by_path(void **state)
{
	static const uint32_t path[] = {4, 0, 2, 1};
	struct wire_writer writer;
	struct wire_nest location;
	struct wire_nest packed;
	struct proto_file file = {0};
	struct buf info;

	(void)state;
	buf_init(&info, 1024);
	wire_writer_init(&writer, &info);
	for (uint32_t last = 0; last < 2; last++) {
		location = wire_begin(&writer, 1);
		packed = wire_begin(&writer, 1);
		for (size_t i = 0; i < 3; i++)
			wire_put_varint(&writer, path[i]);
		wire_put_varint(&writer, last);
		wire_end(&writer, packed);
		put_str(&writer, 3, last ? " the second\n" : " the first\n");
		wire_end(&writer, location);
	}
	assert_true(wire_finish(&writer));
	wire_writer_fini(&writer);
	file.source_info = buf_span(&info);
	assert_true(span_eq_str(schema_comment(&file, path, 4), " the second\n"));
	assert_int_equal(schema_comment(&file, path, 3).len, 0);
	buf_fini(&info);
}

/* ---- checking of messages ---- */

static void check_sees_all_levels(void **state)
{
	static const struct {
		const char *name;
		const char *hex;
		enum status want;
		const char *field;
	} rows[] = {
		{"nothing", "", ST_OK, ""},
		{"text", "0a 02 c3 a4", ST_OK, ""},
		{"text that is not UTF-8", "0a 02 c3 28", ST_INVALID_ARGUMENT, "id"},
		{"text further in that is not UTF-8", "b2 01 04 0a 02 c3 28", ST_INVALID_ARGUMENT,
		 "name"},
		{"bytes may be anything", "82 01 02 c3 28", ST_OK, ""},
		{"malformed further in", "b2 01 02 0a 05", ST_INVALID_ARGUMENT, ""},
		{"unknown field", "a2 06 02 c3 28", ST_OK, ""},
		{"known field of another type", "08 01", ST_OK, ""},
		{"packed list", "9a 01 03 01 96 01", ST_OK, ""},
		{"packed list cut short", "9a 01 02 01 96", ST_INVALID_ARGUMENT, "numbers"},
	};
	struct schema *schema = sample_schema();
	const struct message *shape = sample_message(schema, "headgate.test.Shape");

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct error err = {0};
		struct buf bytes;

		buf_init(&bytes, 256);
		sample_hex(&bytes, rows[i].hex);
		UNIT_ROW(rows[i].name, schema_check(shape, buf_span(&bytes), &err) == rows[i].want);
		UNIT_ROW_SPAN(rows[i].name, span_from_str(err.field), rows[i].field);
		buf_fini(&bytes);
	}
	schema_unref(schema);
}

static void check_bounds_depth(void **state)
{
	struct schema *schema = sample_schema();
	const struct message *nested = sample_message(schema, "headgate.test.Nested");

	(void)state;
	for (unsigned depth = WIRE_DEPTH_MAX; depth <= WIRE_DEPTH_MAX + 1; depth++) {
		struct wire_nest nests[WIRE_DEPTH_MAX + 1];
		struct wire_writer writer;
		struct error err;
		struct buf bytes;

		buf_init(&bytes, 4096);
		wire_writer_init(&writer, &bytes);
		for (unsigned i = 1; i < depth; i++)
			nests[i] = wire_begin(&writer, 5);
		for (unsigned i = depth - 1; i >= 1; i--)
			wire_end(&writer, nests[i]);
		assert_true(wire_finish(&writer));
		wire_writer_fini(&writer);
		assert_int_equal(schema_check(nested, buf_span(&bytes), &err) == ST_OK,
				 depth <= WIRE_DEPTH_MAX);
		buf_fini(&bytes);
	}
	schema_unref(schema);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_are_as_declared),
		cmocka_unit_test(types_are_found_by_name),
		cmocka_unit_test(well_known_types_are_known),
		cmocka_unit_test(bad_sets_are_named),
		cmocka_unit_test(own_well_known_types_of_another_shape_are_ordinary),
		cmocka_unit_test(every_cut_of_a_set_is_refused_or_read),
		cmocka_unit_test(too_large_sets_are_refused),
		cmocka_unit_test(proto2_differs_where_it_should),
		cmocka_unit_test(delimited_messages_are_groups_but_maps_are_not),
		cmocka_unit_test(comments_are_found_by_path),
		cmocka_unit_test(check_sees_all_levels),
		cmocka_unit_test(check_bounds_depth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

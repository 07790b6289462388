/* Printing ProtoJSON from wire bytes that come as no encoder would write them. */
#include "proto/json.h"
#include "tests/unit/proto/sample.h"

struct group {
	struct schema *schema;
	const struct message *shape;
};

static int set_up(void **state)
{
	static struct group group;

	group.schema = sample_schema();
	group.shape = sample_message(group.schema, "headgate.test.Shape");
	*state = &group;
	return 0;
}

static int tear_down(void **state)
{
	schema_unref(((struct group *)*state)->schema);
	return 0;
}

static void check(const char *name, const struct group *group, const char *hex,
		  const struct json_print_options *options, const char *want)
{
	struct json_print_options with_schema = options ? *options : (struct json_print_options){0};
	struct error err = {0};
	struct buf wire;
	struct buf out;

	with_schema.schema = group->schema;
	buf_init(&wire, 4096);
	buf_init(&out, 1 << 16);
	sample_hex(&wire, hex);
	if (json_from_wire(group->shape, buf_span(&wire), &with_schema, &out, &err) != ST_OK)
		fail_msg("row \"%s\": %s [%s]", name, err.message, err.field);
	UNIT_ROW_SPAN(name, buf_span(&out), want);
	buf_fini(&wire);
	buf_fini(&out);
}

static void any_order_and_any_number_of_records(void **state)
{
	static const struct {
		const char *name;
		const char *hex;
		const char *want;
	} rows[] = {
		{"nothing", "", "{}"},
		{"out of order", "18 05 0a 01 61", "{\"id\":\"a\",\"int32Value\":5}"},
		{"the last singular counts", "18 05 18 06", "{\"int32Value\":6}"},
		{"the last is the default", "18 05 18 00", "{}"},
		{"the last, not side by side", "18 05 0a 01 61 18 06",
		 "{\"id\":\"a\",\"int32Value\":6}"},
		{"messages are merged",
		 "b2 01 03 0a 01 61 b2 01 04 12 02 08 01 b2 01 04 12 02 08 02",
		 "{\"nested\":{\"name\":\"a\",\"inner\":{\"number\":2}}}"},
		{"lists of merged messages add up",
		 "b2 01 05 12 03 12 01 61 18 01 b2 01 05 12 03 12 01 62",
		 "{\"int32Value\":1,\"nested\":{\"inner\":{\"tags\":[\"a\",\"b\"]}}}"},
		{"lists in pieces", "92 01 01 61 0a 01 78 92 01 01 62",
		 "{\"id\":\"x\",\"strings\":[\"a\",\"b\"]}"},
		{"packed and unpacked", "9a 01 02 01 02 98 01 03 9a 01 01 04",
		 "{\"numbers\":[1,2,3,4]}"},
		{"empty packed list", "9a 01 00", "{}"},
		{"the last of a oneof counts", "ca 01 01 61 d0 01 05", "{\"choiceNumber\":5}"},
		{"back to the first of a oneof", "ca 01 01 61 d0 01 05 ca 01 01 62",
		 "{\"choiceText\":\"b\"}"},
		{"a oneof message is merged", "da 01 03 0a 01 61 da 01 02 20 01",
		 "{\"choiceNested\":{\"name\":\"a\",\"colour\":\"RED\"}}"},
		{"but not over another member", "da 01 03 0a 01 61 d0 01 05 da 01 02 20 01",
		 "{\"choiceNested\":{\"colour\":\"RED\"}}"},
		{"map entries: the last of a key counts",
		 "ba 01 05 0a 01 61 10 01 ba 01 05 0a 01 62 10 02 ba 01 05 0a 01 61 10 03",
		 "{\"counts\":{\"a\":3,\"b\":2}}"},
		{"map entries: fields in any order, missing or twice",
		 "ba 01 05 10 01 0a 01 61 ba 01 02 10 07 ba 01 03 0a 01 62 ba 01 07 0a 01 63 10 01 "
		 "10 09",
		 "{\"counts\":{\"a\":1,\"\":7,\"b\":0,\"c\":9}}"},
		{"map of messages without value", "c2 01 02 08 01",
		 "{\"nestedsByNumber\":{\"1\":{}}}"},
		{"map entry whose message comes in parts",
		 "c2 01 0b 08 01 12 03 0a 01 61 12 02 20 01",
		 "{\"nestedsByNumber\":{\"1\":{\"name\":\"a\",\"colour\":\"RED\"}}}"},
		{"unknown fields", "a2 06 01 61 0a 01 61 f8 07 01", "{\"id\":\"a\"}"},
		{"unknown group", "0b 10 01 0c 12 01 61", "{\"name\":\"a\"}"},
		{"known field of another wire type", "08 01 12 01 61", "{\"name\":\"a\"}"},
		{"int32 keeps its low half", "18 80 80 80 80 10", "{}"},
		{"int32 with its high half set", "18 ff ff ff ff 0f", "{\"int32Value\":-1}"},
		{"bool of any number", "78 02", "{\"boolValue\":true}"},
		{"timestamp in pieces", "f2 01 02 08 01 f2 01 03 10 c0 3e",
		 "{\"timestamp\":\"1970-01-01T00:00:01.000008Z\"}"},
		{"wrapper of the default", "a2 02 00", "{\"stringWrapper\":\"\"}"},
		{"empty struct", "8a 02 00", "{\"struct\":{}}"},
		{"empty any", "9a 02 00", "{\"any\":{}}"},
		{"any of Empty",
		 "9a 02 1b 0a 17 78 2f 67 6f 6f 67 6c 65 2e 70 72 6f 74 6f 62 75 66 2e "
		 "45 6d 70 74 79 12 00",
		 "{\"any\":{\"@type\":\"x/google.protobuf.Empty\"}}"},
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		check(rows[i].name, *state, rows[i].hex, NULL, rows[i].want);
}

static void bad_wire_and_values_without_form_are_refused(void **state)
{
	static const struct {
		const char *name;
		const char *hex;
		const char *want;
		const char *field;
	} rows[] = {
		{"malformed", "0a 05 61", "malformed", ""},
		{"malformed further in", "b2 01 03 12 01 08", "malformed", "nested.inner"},
		{"malformed in a list", "aa 01 00 aa 01 02 0a 05", "malformed", "nesteds[1]"},
		{"malformed map entry", "ba 01 02 0a 05", "malformed", "counts"},
		{"packed list cut short", "9a 01 02 01 96", "cut short", "numbers"},
		{"not UTF-8", "b2 01 04 0a 02 c3 28", "UTF-8", "nested.name"},
		{"timestamp out of range", "f2 01 07 08 ff ff ff ff ff 7f", "years 1 to 9999",
		 "timestamp"},
		{"nanos out of range", "f2 01 06 10 80 94 eb dc 03", "years 1 to 9999",
		 "timestamp"},
		{"negative nanos", "f2 01 0b 10 ff ff ff ff ff ff ff ff ff 01", "years 1 to 9999",
		 "timestamp"},
		{"duration of two signs", "fa 01 0d 08 01 10 ff ff ff ff ff ff ff ff ff 01",
		 "differ in sign", "duration"},
		{"mask that does not come back", "82 02 05 0a 03 61 42 63", "field mask", "mask"},
		{"value without a kind", "92 02 00", "without a value", "value"},
		{"value that is infinite", "92 02 09 11 00 00 00 00 00 00 f0 7f",
		 "no finite number", "value"},
		{"any of an unknown type", "9a 02 05 0a 03 78 2f 79", "known type", "any"},
		{"any with a value and no type", "9a 02 03 12 01 00", "known type", "any"},
	};
	const struct group *group = *state;
	struct json_print_options options = {.schema = group->schema};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct error err = {0};
		struct buf wire;
		struct buf out;

		buf_init(&wire, 4096);
		buf_init(&out, 4096);
		assert_true(buf_append_str(&out, "kept"));
		sample_hex(&wire, rows[i].hex);
		UNIT_ROW(rows[i].name, json_from_wire(group->shape, buf_span(&wire), &options, &out,
						      &err) == ST_INVALID_ARGUMENT);
		if (!strstr(err.message, rows[i].want))
			fail_msg("row \"%s\": %s", rows[i].name, err.message);
		UNIT_ROW_SPAN(rows[i].name, span_from_str(err.field), rows[i].field);
		UNIT_ROW_SPAN(rows[i].name, buf_span(&out), "kept");
		buf_fini(&wire);
		buf_fini(&out);
	}
}

static void options_change_the_print(void **state)
{
	static const struct {
		const char *name;
		const char *hex;
		struct json_print_options options;
		const char *want;
	} rows[] = {
		{"proto names",
		 "ba 02 01 62 c2 02 01 61",
		 {.preserve_proto_field_names = true},
		 "{\"renamed\":\"b\",\"camel_case_name\":\"a\"}"},
		{"enums as numbers",
		 "88 01 02 a2 01 02 00 01",
		 {.always_print_enums_as_ints = true},
		 "{\"colour\":2,\"colours\":[0,1]}"},
		{"64 bits as numbers",
		 "20 01 30 02 aa 02 02 08 03",
		 {.int64_as_number = true},
		 "{\"int64Value\":1,\"uint64Value\":2,\"int64Wrapper\":3}"},
		{"white space",
		 "0a 01 61 92 01 01 62 ba 01 05 0a 01 61 10 01 b2 01 00",
		 {.add_whitespace = true},
		 "{\n  \"id\": \"a\",\n  \"strings\": [\n    \"b\"\n  ],\n  \"nested\": {},\n"
		 "  \"counts\": {\n    \"a\": 1\n  }\n}"},
		{"any of an unknown type as base64",
		 "9a 02 08 0a 03 78 2f 79 12 01 ff",
		 {.unknown_any_as_base64 = true},
		 "{\"any\":{\"@type\":\"x/y\",\"value\":\"/w==\"}}"},
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		check(rows[i].name, *state, rows[i].hex, &rows[i].options, rows[i].want);
}

static void defaults_are_printed_when_asked_for(void **state)
{
	const struct json_print_options options = {.always_print_primitive_fields = true};

	check("all of them", *state, "b2 01 02 12 00", &options,
	      "{\"id\":\"\",\"name\":\"\",\"int32Value\":0,\"int64Value\":\"0\",\"uint32Value\":0,"
	      "\"uint64Value\":\"0\",\"sint32Value\":0,\"sint64Value\":\"0\",\"fixed32Value\":0,"
	      "\"fixed64Value\":\"0\",\"sfixed32Value\":0,\"sfixed64Value\":\"0\",\"floatValue\":0,"
	      "\"doubleValue\":0,\"boolValue\":false,\"bytesValue\":\"\","
	      "\"colour\":\"COLOUR_UNSPECIFIED\",\"strings\":[],\"numbers\":[],\"colours\":[],"
	      "\"nesteds\":[],\"nested\":{\"name\":\"\",\"inner\":{\"number\":0,\"tags\":[]},"
	      "\"inners\":[],\"colour\":\"COLOUR_UNSPECIFIED\"},\"counts\":{},\"nestedsByNumber\":{"
	      "},"
	      "\"otherName\":\"\",\"camelCaseName\":\"\"}");
}

static void one_field_prints_alone(void **state)
{
	static const struct {
		const char *field;
		const char *hex;
		const char *want;
	} rows[] = {
		{"name", "12 01 61", "\"a\""},
		{"name", "", "\"\""},
		{"int64_value", "", "\"0\""},
		{"colour", "", "\"COLOUR_UNSPECIFIED\""},
		{"strings", "92 01 01 61 92 01 01 62", "[\"a\",\"b\"]"},
		{"strings", "", "[]"},
		{"counts", "ba 01 05 0a 01 61 10 01", "{\"a\":1}"},
		{"counts", "", "{}"},
		{"nested", "b2 01 03 0a 01 61", "{\"name\":\"a\"}"},
		{"nested", "b2 01 00", "{}"},
		{"nested", "", "null"},
		{"string_wrapper", "", "null"},
		{"timestamp", "f2 01 00", "\"1970-01-01T00:00:00Z\""},
		{"choice_text", "ca 01 01 61", "\"a\""},
		{"choice_text", "ca 01 01 61 d0 01 01", "\"\""},
	};
	const struct group *group = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct field *field =
			schema_field_by_name(group->shape, span_from_str(rows[i].field));
		struct error err = {0};
		struct buf wire;
		struct buf out;

		buf_init(&wire, 4096);
		buf_init(&out, 4096);
		sample_hex(&wire, rows[i].hex);
		UNIT_ROW(rows[i].field,
			 json_field_from_wire(field, buf_span(&wire), NULL, &out, &err) == ST_OK);
		UNIT_ROW_SPAN(rows[i].field, buf_span(&out), rows[i].want);
		buf_fini(&wire);
		buf_fini(&out);
	}
}

static void depth_and_output_are_bounded(void **state)
{
	const struct group *group = *state;
	const struct message *nested = sample_message(group->schema, "headgate.test.Nested");

	for (unsigned depth = WIRE_DEPTH_MAX; depth <= WIRE_DEPTH_MAX + 1; depth++) {
		struct wire_nest nests[WIRE_DEPTH_MAX + 1];
		struct wire_writer writer;
		struct error err;
		struct buf wire;
		struct buf out;
		struct buf small;

		buf_init(&wire, 4096);
		buf_init(&out, 4096);
		buf_init(&small, 100);
		wire_writer_init(&writer, &wire);
		for (unsigned i = 1; i < depth; i++)
			nests[i] = wire_begin(&writer, 5);
		for (unsigned i = depth - 1; i >= 1; i--)
			wire_end(&writer, nests[i]);
		assert_true(wire_finish(&writer));
		wire_writer_fini(&writer);
		assert_int_equal(json_from_wire(nested, buf_span(&wire), NULL, &out, &err),
				 depth <= WIRE_DEPTH_MAX ? ST_OK : ST_INVALID_ARGUMENT);
		if (depth <= WIRE_DEPTH_MAX)
			assert_int_equal(
				json_from_wire(nested, buf_span(&wire), NULL, &small, &err),
				ST_RESOURCE_EXHAUSTED);
		assert_int_equal(buf_len(&small), 0);
		buf_fini(&wire);
		buf_fini(&out);
		buf_fini(&small);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_order_and_any_number_of_records),
		cmocka_unit_test(bad_wire_and_values_without_form_are_refused),
		cmocka_unit_test(options_change_the_print),
		cmocka_unit_test(defaults_are_printed_when_asked_for),
		cmocka_unit_test(one_field_prints_alone),
		cmocka_unit_test(depth_and_output_are_bounded),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

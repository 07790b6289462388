/* Text values of paths and queries. */
#include "proto/json.h"
#include "tests/unit/proto/sample.h"

static void texts_become_values(void **state)
{
	static const struct {
		const char *field;
		const char *text;
		const char *want; /* as JSON of the whole message; NULL: refused */
	} rows[] = {
		{"bool_value", "true", "{\"boolValue\":true}"},
		{"bool_value", "false", "{}"},
		{"bool_value", "1", NULL},
		{"bool_value", "TRUE", NULL},
		{"bool_value", "", NULL},
		{"int32_value", "-5", "{\"int32Value\":-5}"},
		{"int32_value", "1e3", "{\"int32Value\":1000}"},
		{"int32_value", "1.0", "{\"int32Value\":1}"},
		{"int32_value", "0x10", NULL},
		{"int32_value", " 1", NULL},
		{"int32_value", "2147483648", NULL},
		{"int32_value", "", NULL},
		{"uint64_value", "18446744073709551615",
		 "{\"uint64Value\":\"18446744073709551615\"}"},
		{"uint64_value", "-1", NULL},
		{"double_value", "1.5", "{\"doubleValue\":1.5}"},
		{"double_value", "NaN", "{\"doubleValue\":\"NaN\"}"},
		{"double_value", "-Infinity", "{\"doubleValue\":\"-Infinity\"}"},
		{"double_value", "inf", NULL},
		{"float_value", "1e39", NULL},
		{"id", "", "{}"},
		{"id", "a \"quoted\" one", "{\"id\":\"a \\\"quoted\\\" one\"}"},
		{"id", "\xC3\x28", NULL},
		{"maybe_text", "", "{\"maybeText\":\"\"}"},
		{"maybe_number", "0", "{\"maybeNumber\":0}"},
		{"bytes_value", "-_8", "{\"bytesValue\":\"+/8=\"}"},
		{"bytes_value", "+/8=", "{\"bytesValue\":\"+/8=\"}"},
		{"bytes_value", "!", NULL},
		{"colour", "RED", "{\"colour\":\"RED\"}"},
		{"colour", "2", "{\"colour\":\"GREEN\"}"},
		{"colour", "99", "{\"colour\":99}"},
		{"colour", "red", NULL},
		{"string_wrapper", "", "{\"stringWrapper\":\"\"}"},
		{"int64_wrapper", "7", "{\"int64Wrapper\":\"7\"}"},
		{"int64_wrapper", "x", NULL},
		{"timestamp", "1970-01-01T00:00:01Z", "{\"timestamp\":\"1970-01-01T00:00:01Z\"}"},
		{"timestamp", "yesterday", NULL},
		{"duration", "1.5s", "{\"duration\":\"1.500s\"}"},
		{"mask", "foo_bar,bazQux", "{\"mask\":\"fooBar,bazQux\"}"},
		{"mask", "", "{\"mask\":\"\"}"},
		{"struct", "{\"a\":1}", "{\"struct\":{\"a\":1}}"},
		{"struct", "[]", NULL},
		{"value", "null", "{\"value\":null}"},
		{"value", "[1,2]", "{\"value\":[1,2]}"},
		{"value", "x", NULL},
		{"strings", "a,b", "{\"strings\":[\"a,b\"]}"},
		{"numbers", "0", "{\"numbers\":[0]}"},
		{"colours", "GREEN", "{\"colours\":[\"GREEN\"]}"},
		{"nested", "{}", NULL},
		{"nesteds", "{}", NULL},
		{"counts", "a", NULL},
		{"any", "{}", NULL},
	};
	struct schema *schema = sample_schema();
	const struct message *shape = sample_message(schema, "headgate.test.Shape");

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct field *field =
			schema_field_by_name(shape, span_from_str(rows[i].field));
		struct wire_writer writer;
		struct error err = {0};
		struct buf wire;
		struct buf out;
		enum status status;

		buf_init(&wire, 1024);
		buf_init(&out, 1024);
		wire_writer_init(&writer, &wire);
		status = json_text_to_wire(field, span_from_str(rows[i].text), NULL, &writer, &err);
		if ((status == ST_OK) != (rows[i].want != NULL))
			fail_msg("%s=%s: %s", rows[i].field, rows[i].text, err.message);
		assert_true(status != ST_OK || wire_finish(&writer));
		if (status == ST_OK) {
			assert_int_equal(json_from_wire(shape, buf_span(&wire), NULL, &out, &err),
					 ST_OK);
			UNIT_ROW_SPAN(rows[i].field, buf_span(&out), rows[i].want);
		}
		wire_writer_fini(&writer);
		buf_fini(&wire);
		buf_fini(&out);
	}
	schema_unref(schema);
}

static void enum_case_can_be_ignored(void **state)
{
	const struct json_read_options options = {.ignore_enum_case = true};
	struct schema *schema = sample_schema();
	const struct message *shape = sample_message(schema, "headgate.test.Shape");
	struct wire_writer writer;
	struct error err;
	struct buf wire;

	(void)state;
	buf_init(&wire, 64);
	wire_writer_init(&writer, &wire);
	assert_int_equal(json_text_to_wire(schema_field_by_name(shape, SPAN_LIT("colour")),
					   SPAN_LIT("gReEn"), &options, &writer, &err),
			 ST_OK);
	assert_true(wire_finish(&writer));
	sample_check_hex("colour", buf_span(&wire), "88 01 02");
	wire_writer_fini(&writer);
	buf_fini(&wire);
	schema_unref(schema);
}

static void a_refused_value_leaves_nothing(void **state)
{
	struct schema *schema = sample_schema();
	const struct message *shape = sample_message(schema, "headgate.test.Shape");
	struct wire_writer writer;
	struct error err;
	struct buf wire;

	(void)state;
	buf_init(&wire, 64);
	wire_writer_init(&writer, &wire);
	assert_int_equal(json_text_to_wire(schema_field_by_name(shape, SPAN_LIT("duration")),
					   SPAN_LIT("x"), NULL, &writer, &err),
			 ST_INVALID_ARGUMENT);
	assert_int_equal(wire_position(&writer), 0);
	assert_true(wire_finish(&writer));
	wire_writer_fini(&writer);
	buf_fini(&wire);
	schema_unref(schema);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_become_values),
		cmocka_unit_test(enum_case_can_be_ignored),
		cmocka_unit_test(a_refused_value_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

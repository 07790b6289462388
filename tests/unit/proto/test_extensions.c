/* Extensions of proto2 messages: as fields of the schema, and in JSON both ways. */
#include "proto/json.h"
#include "tests/unit/proto/sample.h"

static const uint8_t extended_set[] = {
#include "tests/unit/proto/gen/extended.inc"
};

struct group {
	struct schema *schema;
	const struct message *base;
};

static int set_up(void **state)
{
	static struct group group;
	struct error err;

	if (schema_new(span_make(extended_set, sizeof(extended_set)), &group.schema, &err) != ST_OK)
		fail_msg("%s", err.message);
	group.base = sample_message(group.schema, "headgate.test.extended.Base");
	*state = &group;
	return 0;
}

static int tear_down(void **state)
{
	schema_unref(((struct group *)*state)->schema);
	return 0;
}

static void extensions_are_fields(void **state)
{
	static const struct {
		uint32_t number;
		enum field_type type;
		const char *name;
	} rows[] = {
		{100, FIELD_INT32, "[headgate.test.extended.level]"},
		{101, FIELD_MESSAGE, "[headgate.test.extended.Elsewhere.inside]"},
		{102, FIELD_INT32, "[headgate.test.extended.numbers]"},
		{103, FIELD_STRING, "[headgate.test.extended.text]"},
		{104, FIELD_ENUM, "[headgate.test.extended.kind]"},
		{105, FIELD_GROUP, "[headgate.test.extended.part]"},
	};
	const struct group *group = *state;

	assert_int_equal(group->base->field_count, 1 + COUNT_OF(rows));
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct field *field = schema_field_by_number(group->base, rows[i].number);

		UNIT_ROW(rows[i].name,
			 field && field->is_extension && field->parent == group->base);
		UNIT_ROW(rows[i].name, field->type == rows[i].type);
		UNIT_ROW(rows[i].name, field->has_presence == !field->is_repeated);
		UNIT_ROW_SPAN(rows[i].name, field->name, rows[i].name);
		UNIT_ROW_SPAN(rows[i].name, field->json_name, rows[i].name);
		UNIT_ROW(rows[i].name, schema_field_by_key(group->base, field->json_name) == field);
		UNIT_ROW(rows[i].name,
			 schema_find_symbol(group->schema, field->full_name) == group->base->file);
	}
	assert_false(schema_field_by_number(group->base, 1)->is_extension);
	assert_null(schema_field_by_key(group->base, SPAN_LIT("level")));
}

static void sets_keep_theirs_to_themselves(void **state)
{
	const struct group *group = *state;

	assert_int_equal(sample_message(group->schema, "headgate.test.extended.Set")->field_count,
			 0);
	assert_non_null(
		schema_find_symbol(group->schema, SPAN_LIT("headgate.test.extended.in_set")));
}

static void json_goes_both_ways(void **state)
{
	static const struct {
		const char *name;
		const char *json;
		const char *hex;
	} rows[] = {
		{"number, zero is a value", "{\"[headgate.test.extended.level]\":0}", "a0 06 00"},
		{"beside a field", "{\"name\":\"a\",\"[headgate.test.extended.text]\":\"b\"}",
		 "0a 01 61 ba 06 01 62"},
		{"packed list", "{\"[headgate.test.extended.numbers]\":[1,-1]}",
		 "b2 06 0b 01 ff ff ff ff ff ff ff ff ff 01"},
		{"enum", "{\"[headgate.test.extended.kind]\":\"NONE\"}", "c0 06 00"},
		{"groups", "{\"[headgate.test.extended.part]\":[{\"size\":1},{}]}",
		 "cb 06 08 01 cc 06 cb 06 cc 06"},
		{"message that holds the extended one",
		 "{\"[headgate.test.extended.Elsewhere.inside]\":"
		 "{\"base\":{\"[headgate.test.extended.level]\":7}}}",
		 "aa 06 05 0a 03 a0 06 07"},
	};
	const struct group *group = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct json_print_options print = {.schema = group->schema};
		struct json_read_options read = {.schema = group->schema};
		struct wire_writer writer;
		struct error err = {0};
		struct buf wire;
		struct buf json;

		buf_init(&wire, 4096);
		buf_init(&json, 4096);
		wire_writer_init(&writer, &wire);
		if (json_to_wire(group->base, span_from_str(rows[i].json), &read, &writer, &err) !=
			    ST_OK ||
		    !wire_finish(&writer))
			fail_msg("row \"%s\": %s", rows[i].name, err.message);
		wire_writer_fini(&writer);
		sample_check_hex(rows[i].name, buf_span(&wire), rows[i].hex);
		if (json_from_wire(group->base, buf_span(&wire), &print, &json, &err) != ST_OK)
			fail_msg("row \"%s\": %s", rows[i].name, err.message);
		UNIT_ROW_SPAN(rows[i].name, buf_span(&json), rows[i].json);
		buf_fini(&wire);
		buf_fini(&json);
	}
}

/* A number that a closed enum does not know is an unknown field, which leaves an earlier value. */
static void unknown_number_of_closed_enum(void **state)
{
	static const uint8_t wire[] = {0xc0, 0x06, 0x00, 0xc0, 0x06, 0x07};
	static const struct {
		const char *name;
		struct span wire;
		const char *json;
	} rows[] = {
		{"alone", {wire + 3, 3}, "{}"},
		{"after a known one", {wire, 6}, "{\"[headgate.test.extended.kind]\":\"NONE\"}"},
	};
	const struct group *group = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct json_print_options print = {.schema = group->schema};
		struct error err = {0};
		struct buf json;

		buf_init(&json, 4096);
		UNIT_ROW(rows[i].name,
			 json_from_wire(group->base, rows[i].wire, &print, &json, &err) == ST_OK);
		UNIT_ROW_SPAN(rows[i].name, buf_span(&json), rows[i].json);
		buf_fini(&json);
	}
}

static void other_names_are_unknown(void **state)
{
	static const char *const rows[] = {
		"{\"[headgate.test.extended.gone]\":1}",
		"{\"[headgate.test.extended.in_set]\":{}}", /* extends another message */
		"{\"headgate.test.extended.level\":1}",
		"{\"[headgate.test.extended.level] \":1}",
		"{\"[headgate.test.extended.level]\":1,\"[headgate.test.extended.level]\":1}",
	};
	const struct group *group = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct json_read_options read = {.schema = group->schema};
		struct wire_writer writer;
		struct error err = {0};
		struct buf wire;

		buf_init(&wire, 4096);
		wire_writer_init(&writer, &wire);
		UNIT_ROW(rows[i], json_to_wire(group->base, span_from_str(rows[i]), &read, &writer,
					       &err) == ST_INVALID_ARGUMENT);
		wire_writer_fini(&writer);
		buf_fini(&wire);
	}
}

/* A set with one file, one.proto: a message A with field 1, and one extension. */
static void put_bad_set(struct buf *set, const char *extendee, uint32_t number)
{
	struct wire_writer writer;
	struct wire_nest file;
	struct wire_nest part;
	struct wire_nest field;

	wire_writer_init(&writer, set);
	file = wire_begin(&writer, 1);
	wire_put_bytes_field(&writer, 1, SPAN_LIT("one.proto"));
	part = wire_begin(&writer, 4);
	wire_put_bytes_field(&writer, 1, SPAN_LIT("A"));
	field = wire_begin(&writer, 2);
	wire_put_bytes_field(&writer, 1, SPAN_LIT("f"));
	wire_put_uint_field(&writer, 3, 1);
	wire_put_uint_field(&writer, 5, FIELD_INT32);
	wire_end(&writer, field);
	wire_end(&writer, part);
	part = wire_begin(&writer, 7);
	wire_put_bytes_field(&writer, 1, SPAN_LIT("x"));
	if (extendee)
		wire_put_bytes_field(&writer, 2, span_from_str(extendee));
	wire_put_uint_field(&writer, 3, number);
	wire_put_uint_field(&writer, 5, FIELD_INT32);
	wire_end(&writer, part);
	wire_end(&writer, file);
	assert_true(wire_finish(&writer));
	wire_writer_fini(&writer);
}

static void bad_extensions_are_named(void **state)
{
	static const struct {
		const char *name;
		const char *extendee;
		uint32_t number;
		const char *want; /* NULL: the set is good */
	} rows[] = {
		{"good", "A", 2, NULL},
		{"extends nothing known", "Gone", 2,
		 "one.proto: x extends the unknown message Gone"},
		{"extends a field", ".A.f", 2, "extends the unknown message"},
		{"extends nothing", NULL, 2, "extends the unknown message"},
		{"number of a field", "A", 1, "used twice"},
		{"no number", "A", 0, "out of range"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct schema *schema = NULL;
		struct error err = {0};
		struct buf set;
		enum status status;

		buf_init(&set, 4096);
		put_bad_set(&set, rows[i].extendee, rows[i].number);
		status = schema_new(buf_span(&set), &schema, &err);
		UNIT_ROW(rows[i].name, (status == ST_OK) == (rows[i].want == NULL));
		if (rows[i].want && !strstr(err.message, rows[i].want))
			fail_msg("row \"%s\": %s", rows[i].name, err.message);
		schema_unref(schema);
		buf_fini(&set);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(extensions_are_fields),
		cmocka_unit_test(sets_keep_theirs_to_themselves),
		cmocka_unit_test(json_goes_both_ways),
		cmocka_unit_test(unknown_number_of_closed_enum),
		cmocka_unit_test(other_names_are_unknown),
		cmocka_unit_test(bad_extensions_are_named),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

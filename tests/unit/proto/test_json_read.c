/* Reading ProtoJSON. What is expected is written as the JSON that comes out again, or as wire bytes
 * where those matter. */
#include <stdio.h>

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

/* JSON to wire in wire, which is initialised here. */
static enum status read_json(const struct message *message, const char *json,
			     const struct json_read_options *options, struct buf *wire,
			     struct error *err)
{
	struct wire_writer writer;
	enum status status;

	buf_init(wire, (size_t)1 << 20);
	wire_writer_init(&writer, wire);
	status = json_to_wire(message, span_from_str(json), options, &writer, err);
	if (status == ST_OK)
		assert_true(wire_finish(&writer));
	wire_writer_fini(&writer);
	return status;
}

struct row {
	const char *name;
	const char *json;
	const char *want; /* printed again; NULL: the same text */
};

/* The accepted texts; each is read whole and byte by byte. */
static const struct row good[] = {
	{"empty", "{}", NULL},
	{"white space anywhere", " {\t\"id\" :\r\n \"a\" } \n", "{\"id\":\"a\"}"},
	{"all integers at their ends",
	 "{\"int32Value\":-2147483648,\"int64Value\":\"-9223372036854775808\","
	 "\"uint32Value\":4294967295,\"uint64Value\":\"18446744073709551615\","
	 "\"sint32Value\":-2147483648,\"sint64Value\":\"9223372036854775807\","
	 "\"fixed32Value\":4294967295,\"fixed64Value\":\"18446744073709551615\","
	 "\"sfixed32Value\":-1,\"sfixed64Value\":\"-9223372036854775808\"}",
	 NULL},
	{"64-bit number unquoted", "{\"uint64Value\":18446744073709551615}",
	 "{\"uint64Value\":\"18446744073709551615\"}"},
	{"32-bit number quoted", "{\"int32Value\":\"12\"}", "{\"int32Value\":12}"},
	{"whole numbers with fraction or exponent",
	 "{\"int32Value\":1.0,\"int64Value\":1e5,\"uint32Value\":1200e-2,\"uint64Value\":\"0."
	 "5e1\"}",
	 "{\"int32Value\":1,\"int64Value\":\"100000\",\"uint32Value\":12,\"uint64Value\":\"5\"}"},
	{"minus zero", "{\"int32Value\":-0,\"doubleValue\":-0}", "{\"doubleValue\":-0}"},
	{"floats", "{\"floatValue\":0.1,\"doubleValue\":0.1}", NULL},
	{"floats that are none", "{\"floatValue\":\"NaN\",\"doubleValue\":\"-Infinity\"}", NULL},
	{"numbers of floats quoted", "{\"floatValue\":\"1.5\",\"doubleValue\":\"1e300\"}",
	 "{\"floatValue\":1.5,\"doubleValue\":1e+300}"},
	{"bool", "{\"boolValue\":true}", NULL},
	{"default values are not kept without presence",
	 "{\"boolValue\":false,\"int32Value\":0,\"id\":\"\",\"colour\":0,\"bytesValue\":\"\"}",
	 "{}"},
	{"default values are kept with presence", "{\"maybeNumber\":0,\"maybeText\":\"\"}",
	 "{\"maybeNumber\":0,\"maybeText\":\"\"}"},
	{"escapes", "{\"id\":\"\\u0041\\n\\t\\\"\\\\\\/\\u00e4\\ud83d\\ude00\"}",
	 "{\"id\":\"A\\n\\t\\\"\\\\/\xC3\xA4\xF0\x9F\x98\x80\"}"},
	{"a NUL in a string", "{\"id\":\"a\\u0000b\"}", NULL},
	{"base64 of both alphabets, padded or not", "{\"bytesValue\":\"-_8\"}",
	 "{\"bytesValue\":\"+/8=\"}"},
	{"enum by name", "{\"colour\":\"GREEN\"}", NULL},
	{"enum by number", "{\"colour\":-1}", "{\"colour\":\"NEGATIVE\"}"},
	{"enum by a number nobody knows", "{\"colour\":77}", NULL},
	{"proto names", "{\"camel_case_name\":\"a\",\"renamed\":\"b\"}",
	 "{\"otherName\":\"b\",\"camelCaseName\":\"a\"}"},
	{"escaped key", "{\"\\u0069d\":\"a\"}", "{\"id\":\"a\"}"},
	{"null is unset",
	 "{\"id\":null,\"nested\":null,\"strings\":null,\"counts\":null,\"colour\":null,"
	 "\"timestamp\":null,\"stringWrapper\":null,\"any\":null,\"struct\":null}",
	 "{}"},
	{"null is a value of Value", "{\"value\":null}", NULL},
	{"lists", "{\"strings\":[\"a\",\"\",\"b\"],\"numbers\":[1,0,-1],\"colours\":[\"RED\",0]}",
	 "{\"strings\":[\"a\",\"\",\"b\"],\"numbers\":[1,0,-1],"
	 "\"colours\":[\"RED\",\"COLOUR_UNSPECIFIED\"]}"},
	{"empty lists and maps", "{\"strings\":[],\"numbers\":[],\"counts\":{}}", "{}"},
	{"maps",
	 "{\"counts\":{\"b\":1,\"a\":0,\"\":2},\"nestedsByNumber\":{\"-3\":{\"name\":\"x\"},\"0\":{"
	 "}}}",
	 NULL},
	{"nested",
	 "{\"nested\":{\"inner\":{\"number\":1,\"tags\":[\"t\"]},\"deeper\":{\"deeper\":{}}}}",
	 NULL},
	{"one member of a oneof", "{\"choiceNumber\":0}", NULL},
	{"two members of a oneof, one null", "{\"choiceNumber\":null,\"choiceText\":\"a\"}",
	 "{\"choiceText\":\"a\"}"},
	{"timestamp", "{\"timestamp\":\"2023-01-02T03:04:05.678Z\"}", NULL},
	{"timestamp with offset", "{\"timestamp\":\"2023-01-02T03:04:05.1+01:30\"}",
	 "{\"timestamp\":\"2023-01-02T01:34:05.100Z\"}"},
	{"duration", "{\"duration\":\"-1.5s\"}", "{\"duration\":\"-1.500s\"}"},
	{"field mask", "{\"mask\":\"fooBar.baz,qux\"}", NULL},
	{"struct", "{\"struct\":{\"a\":[1,\"x\",null,true,{\"b\":{}}],\"c\":-0.5}}", NULL},
	{"struct in value", "{\"value\":{\"k\":[[],{}]}}", NULL},
	{"wrappers", "{\"stringWrapper\":\"\",\"int64Wrapper\":\"5\",\"boolWrapper\":false}", NULL},
	{"any, type first", "{\"any\":{\"@type\":\"t/headgate.test.Inner\",\"number\":3}}", NULL},
	{"any, type last",
	 "{\"any\":{\"number\":3,\"tags\":[\"x\",\"y\"],\"@type\":\"t/headgate.test.Inner\"}}",
	 "{\"any\":{\"@type\":\"t/headgate.test.Inner\",\"number\":3,\"tags\":[\"x\",\"y\"]}}"},
	{"any of a well-known type",
	 "{\"any\":{\"value\":\"1s\",\"@type\":\"t/google.protobuf.Duration\"}}",
	 "{\"any\":{\"@type\":\"t/google.protobuf.Duration\",\"value\":\"1s\"}}"},
	{"any in any, both types last",
	 "{\"any\":{\"value\":{\"value\":[1],\"@type\":\"t/google.protobuf.Value\"},"
	 "\"@type\":\"t/google.protobuf.Any\"}}",
	 "{\"any\":{\"@type\":\"t/google.protobuf.Any\",\"value\":{\"@type\":\"t/"
	 "google.protobuf.Value\","
	 "\"value\":[1]}}}"},
	{"any of nothing", "{\"any\":{}}", NULL},
	{"any of Empty", "{\"any\":{\"@type\":\"t/google.protobuf.Empty\",\"value\":{}}}",
	 "{\"any\":{\"@type\":\"t/google.protobuf.Empty\"}}"},
};

static void check_good(const struct group *group, const struct row *row, struct span wire)
{
	struct json_print_options print = {.schema = group->schema};
	struct error err = {0};
	struct buf out;

	buf_init(&out, 1 << 16);
	if (json_from_wire(group->shape, wire, &print, &out, &err) != ST_OK)
		fail_msg("row \"%s\": printing: %s", row->name, err.message);
	UNIT_ROW_SPAN(row->name, buf_span(&out), row->want ? row->want : row->json);
	buf_fini(&out);
}

static void good_texts_are_read(void **state)
{
	const struct group *group = *state;
	struct json_read_options options = {.schema = group->schema};

	for (size_t i = 0; i < COUNT_OF(good); i++) {
		struct error err = {0};
		struct buf wire;

		if (read_json(group->shape, good[i].json, &options, &wire, &err) != ST_OK)
			fail_msg("row \"%s\": %s [%s]", good[i].name, err.message, err.field);
		check_good(group, &good[i], buf_span(&wire));
		buf_fini(&wire);
	}
}

/* Every way of cutting the text into chunks of one size gives the same bytes. */
static void chunks_make_no_difference(void **state)
{
	const struct group *group = *state;
	struct json_read_options options = {.schema = group->schema};

	for (size_t i = 0; i < COUNT_OF(good); i++) {
		struct span json = span_from_str(good[i].json);

		for (size_t size = 1; size < 8; size++) {
			struct wire_writer writer;
			struct json_reader *reader;
			enum parse_result result = PARSE_MORE;
			struct error err = {0};
			size_t at = 0;
			struct buf wire;

			buf_init(&wire, 1 << 16);
			wire_writer_init(&writer, &wire);
			reader = json_reader_new(group->shape, &options, &writer);
			while (result == PARSE_MORE && at < json.len) {
				/* On the heap, so that a look behind the chunk is found. */
				struct span chunk = span_head(span_skip(json, at), size);
				uint8_t *copy = malloc(chunk.len);
				size_t used = 0;

				memcpy(copy, chunk.data, chunk.len);
				result = json_reader_feed(reader, span_make(copy, chunk.len), &used,
							  &err);
				free(copy);
				at += used;
			}
			if (result != PARSE_DONE)
				fail_msg("row \"%s\", chunks of %zu: %s", good[i].name, size,
					 err.message);
			assert_int_equal(json_reader_position(reader).offset, at);
			json_reader_free(reader);
			assert_true(wire_finish(&writer));
			wire_writer_fini(&writer);
			check_good(group, &good[i], buf_span(&wire));
			buf_fini(&wire);
		}
	}
}

static void bad_texts_are_refused_with_their_field(void **state)
{
	static const struct {
		const char *name;
		const char *json;
		const char *want;  /* part of the message */
		const char *field; /* whole */
	} rows[] = {
		{"nothing", "", "ends too early", ""},
		{"only white space", " \n", "ends too early", ""},
		{"cut short", "{\"id\":\"a\"", "ends too early", "id"},
		{"cut short in a string", "{\"id\":\"a", "ends too early", "id"},
		{"null", "null", "expected an object", ""},
		{"a list", "[]", "expected an object", ""},
		{"text behind", "{} {}", "text after the value", ""},
		{"trailing comma in an object", "{\"id\":\"a\",}", "expected a key", "id"},
		{"trailing comma in a list", "{\"strings\":[\"a\",]}", "not a JSON value",
		 "strings[1]"},
		{"single quotes", "{'id':'a'}", "expected a key", ""},
		{"comment", "{/*x*/}", "expected a key", ""},
		{"byte order mark", "\xEF\xBB\xBF{}", "not a JSON value", ""},
		{"no colon", "{\"id\" \"a\"}", "expected a colon", "id"},
		{"wrong bracket", "{\"strings\":[\"a\"}}", "expected a comma or ]", "strings[1]"},
		{"capital literal", "{\"boolValue\":True}", "not a JSON value", "boolValue"},
		{"place of the error", "{\n  \"id\":\n 5}", "(line 3, column 3, byte 12)", "id"},
		{"unknown field", "{\"nested\":{\"nmae\":1}}", "no such field", "nested.nmae"},
		{"key twice", "{\"id\":\"a\",\"id\":\"b\"}", "given twice", "id"},
		{"both names of a field", "{\"otherName\":\"a\",\"renamed\":\"b\"}", "given twice",
		 "renamed"},
		{"key twice, one null", "{\"id\":null,\"id\":\"b\"}", "given twice", "id"},
		{"map key twice", "{\"counts\":{\"a\":1,\"a\":2}}", "given twice", "counts[a]"},
		{"two members of a oneof", "{\"choiceText\":\"a\",\"choiceNumber\":1}",
		 "oneof choice", "choiceNumber"},
		{"int32 too large", "{\"int32Value\":2147483648}", "out of range of type int32",
		 "int32Value"},
		{"int32 too small", "{\"int32Value\":-2147483649}", "out of range", "int32Value"},
		{"uint32 negative", "{\"uint32Value\":-1}", "out of range", "uint32Value"},
		{"uint64 too large", "{\"uint64Value\":18446744073709551616}", "out of range",
		 "uint64Value"},
		{"int64 too small", "{\"int64Value\":\"-9223372036854775809\"}", "out of range",
		 "int64Value"},
		{"a fraction", "{\"int32Value\":0.5}", "out of range", "int32Value"},
		{"a huge exponent", "{\"int64Value\":1e99999999999}", "out of range", "int64Value"},
		{"plus sign", "{\"int32Value\":\"+1\"}", "not a value of type int32", "int32Value"},
		{"leading zero", "{\"int32Value\":01}", "not a JSON number", "int32Value"},
		{"leading zero, quoted", "{\"int32Value\":\"01\"}", "not a value", "int32Value"},
		{"space", "{\"int32Value\":\" 1\"}", "not a value", "int32Value"},
		{"hexadecimal", "{\"int32Value\":\"0x1\"}", "not a value", "int32Value"},
		{"bare fraction", "{\"doubleValue\":.5}", "not a JSON value", "doubleValue"},
		{"number without end", "{\"doubleValue\":1.}", "not a JSON number", "doubleValue"},
		{"float too large", "{\"floatValue\":3.5e38}", "out of range", "floatValue"},
		{"double too large", "{\"doubleValue\":1.8e308}", "out of range", "doubleValue"},
		{"bare NaN", "{\"doubleValue\":NaN}", "not a JSON value", "doubleValue"},
		{"number for a string", "{\"id\":1}", "not a value of type string", "id"},
		{"string for a bool", "{\"boolValue\":\"true\"}", "not a value of type bool",
		 "boolValue"},
		{"object for a number", "{\"int32Value\":{}}", "not a value of type int32",
		 "int32Value"},
		{"value for a list", "{\"strings\":\"a\"}", "expected an array", "strings"},
		{"list for a value", "{\"id\":[\"a\"]}", "not a value of type string", "id"},
		{"null in a list", "{\"strings\":[\"a\",null]}", "not a value", "strings[1]"},
		{"null in a list of messages", "{\"nesteds\":[null]}", "expected an object",
		 "nesteds[0]"},
		{"null in a map", "{\"counts\":{\"a\":null}}", "not a value", "counts[a]"},
		{"map key that is no number", "{\"nestedsByNumber\":{\"x\":{}}}", "not a value",
		 "nestedsByNumber[x]"},
		{"map key in another spelling", "{\"nestedsByNumber\":{\"1.0\":{}}}", "not a value",
		 "nestedsByNumber[1.0]"},
		{"deep path", "{\"nesteds\":[{},{\"inners\":[{\"tags\":[\"a\",5]}]}]}",
		 "not a value", "nesteds[1].inners[0].tags[1]"},
		{"unknown enum name", "{\"colour\":\"BLUE\"}", "\"BLUE\" is not a value of enum",
		 "colour"},
		{"enum in another case", "{\"colour\":\"red\"}", "is not a value of enum",
		 "colour"},
		{"bad base64", "{\"bytesValue\":\"a\"}", "not base64", "bytesValue"},
		{"not UTF-8", "{\"id\":\"\xC3\x28\"}", "not valid UTF-8", "id"},
		{"half a surrogate pair", "{\"id\":\"\\ud83d\"}", "surrogate", "id"},
		{"the wrong half", "{\"id\":\"\\ude00\"}", "surrogate", "id"},
		{"half, then text", "{\"id\":\"\\ud83dx\"}", "surrogate", "id"},
		{"half, then another escape", "{\"id\":\"\\ud83d\\n\"}", "surrogate", "id"},
		{"control character", "{\"id\":\"a\nb\"}", "control character", "id"},
		{"unknown escape", "{\"id\":\"\\x\"}", "escape", "id"},
		{"short \\u", "{\"id\":\"\\u12\"}", "hexadecimal", "id"},
		{"bad timestamp", "{\"timestamp\":\"2023-02-29T00:00:00Z\"}", "timestamp",
		 "timestamp"},
		{"number for a timestamp", "{\"timestamp\":0}", "expected a string", "timestamp"},
		{"bad duration", "{\"duration\":\"1\"}", "duration", "duration"},
		{"snake in a mask", "{\"mask\":\"foo_bar\"}", "field mask", "mask"},
		{"infinite number in a Value", "{\"value\":1e999}", "out of range", "value"},
		{"any without type", "{\"any\":{\"number\":1}}", "@type", "any"},
		{"any of an unknown type", "{\"any\":{\"@type\":\"t/no.Such\"}}", "known type",
		 "any.@type"},
		{"type URL without slash", "{\"any\":{\"@type\":\"headgate.test.Inner\"}}",
		 "known type", "any.@type"},
		{"any with two types",
		 "{\"any\":{\"@type\":\"t/headgate.test.Inner\",\"@type\":\"t/"
		 "headgate.test.Inner\"}}",
		 "no such field", "any.@type"},
		{"any with a bad field inside",
		 "{\"any\":{\"number\":\"x\",\"@type\":\"t/headgate.test.Inner\"}}", "not a value",
		 "any.number"},
		{"any of a well-known type without value",
		 "{\"any\":{\"@type\":\"t/google.protobuf.Duration\"}}", "needs a \"value\"",
		 "any"},
		{"any of a well-known type with more",
		 "{\"any\":{\"@type\":\"t/google.protobuf.Duration\",\"value\":\"1s\",\"x\":1}}",
		 "has only \"value\"", "any.x"},
	};
	const struct group *group = *state;
	struct json_read_options options = {.schema = group->schema};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct error err = {0};
		struct buf wire;

		UNIT_ROW(rows[i].name, read_json(group->shape, rows[i].json, &options, &wire,
						 &err) == ST_INVALID_ARGUMENT);
		if (!strstr(err.message, rows[i].want))
			fail_msg("row \"%s\": %s", rows[i].name, err.message);
		UNIT_ROW_SPAN(rows[i].name, span_from_str(err.field), rows[i].field);
		buf_fini(&wire);
	}
}

static void unknown_parts_can_be_ignored(void **state)
{
	static const struct row rows[] = {
		{"unknown field", "{\"x\":{\"y\":[1,{\"z\":null}]},\"id\":\"a\",\"w\":1}",
		 "{\"id\":\"a\"}"},
		{"unknown field further in", "{\"nested\":{\"x\":[[]],\"name\":\"n\"}}",
		 "{\"nested\":{\"name\":\"n\"}}"},
		{"unknown enum name", "{\"colour\":\"BLUE\",\"id\":\"a\"}", "{\"id\":\"a\"}"},
		{"unknown enum name in a list", "{\"colours\":[\"RED\",\"BLUE\",\"GREEN\"]}",
		 "{\"colours\":[\"RED\",\"GREEN\"]}"},
		{"unknown field in any", "{\"any\":{\"x\":1,\"@type\":\"t/headgate.test.Inner\"}}",
		 "{\"any\":{\"@type\":\"t/headgate.test.Inner\"}}"},
		{"unknown field beside a value",
		 "{\"any\":{\"@type\":\"t/google.protobuf.Value\",\"x\":{},\"value\":1}}",
		 "{\"any\":{\"@type\":\"t/google.protobuf.Value\",\"value\":1}}"},
	};
	const struct group *group = *state;
	struct json_read_options options = {.schema = group->schema, .ignore_unknown = true};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct error err = {0};
		struct buf wire;

		if (read_json(group->shape, rows[i].json, &options, &wire, &err) != ST_OK)
			fail_msg("row \"%s\": %s", rows[i].name, err.message);
		check_good(group, &rows[i], buf_span(&wire));
		buf_fini(&wire);
	}
}

static void wire_bytes_are_the_short_ones(void **state)
{
	static const struct {
		const char *name;
		const char *json;
		const char *hex;
	} rows[] = {
		{"negative int32 takes ten bytes", "{\"int32Value\":-1}",
		 "18 ff ff ff ff ff ff ff ff ff 01"},
		{"sint32 is zigzag", "{\"sint32Value\":-1}", "38 01"},
		{"packed list", "{\"numbers\":[1,2,300]}", "9a 01 04 01 02 ac 02"},
		{"strings are not packed", "{\"strings\":[\"a\",\"\"]}", "92 01 01 61 92 01 00"},
		{"map entries have key and value", "{\"counts\":{\"\":0}}", "ba 01 04 0a 00 10 00"},
		{"empty wrapper", "{\"stringWrapper\":\"\"}", "a2 02 00"},
	};
	const struct group *group = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct error err = {0};
		struct buf wire;

		assert_int_equal(read_json(group->shape, rows[i].json, NULL, &wire, &err), ST_OK);
		sample_check_hex(rows[i].name, buf_span(&wire), rows[i].hex);
		buf_fini(&wire);
	}
}

/* ---- limits ---- */

static void repeat(struct buf *out, const char *text, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		assert_true(buf_append_str(out, text));
}

static void depth_is_bounded(void **state)
{
	static const struct {
		const char *name;
		const char *before;
		const char *open;
		const char *middle;
		const char *close;
		const char *after;
		unsigned good; /* repetitions that are still allowed */
		bool ignore_unknown;
	} rows[] = {
		{"messages", "{\"nested\":", "{\"deeper\":", "{}", "}", "}", 98, false},
		{"lists in Value", "{\"value\":", "[", "", "]", "}", 49, false},
		{"objects in Value", "{\"value\":", "{\"a\":", "1", "}", "}", 32, false},
		{"skipped values", "{\"x\":", "[", "", "]", "}", 255, true},
	};
	const struct group *group = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct json_read_options options = {.schema = group->schema,
						    .ignore_unknown = rows[i].ignore_unknown};

		const unsigned counts[] = {rows[i].good, rows[i].good + 1, 4000};

		for (size_t k = 0; k < COUNT_OF(counts); k++) {
			unsigned count = counts[k];
			struct error err = {0};
			struct buf json;
			struct buf wire;
			enum status status;

			buf_init(&json, 1 << 20);
			repeat(&json, rows[i].before, 1);
			repeat(&json, rows[i].open, count);
			repeat(&json, rows[i].middle, 1);
			repeat(&json, rows[i].close, count);
			repeat(&json, rows[i].after, 1);
			assert_true(buf_append_byte(&json, 0));
			status = read_json(group->shape, (const char *)buf_span(&json).data,
					   &options, &wire, &err);
			if ((status == ST_OK) != (count == rows[i].good))
				fail_msg("row \"%s\", %u levels: %s", rows[i].name, count,
					 err.message);
			buf_fini(&json);
			buf_fini(&wire);
		}
	}
}

static void any_is_reread_only_so_deep(void **state)
{
	const struct group *group = *state;
	struct json_read_options options = {.schema = group->schema};

	for (unsigned count = JSON_ANY_REREAD_MAX; count <= JSON_ANY_REREAD_MAX + 1; count++) {
		struct error err = {0};
		struct buf json;
		struct buf wire;
		enum status status;

		buf_init(&json, 1 << 20);
		repeat(&json, "{\"any\":", 1);
		repeat(&json, "{\"value\":", count - 1);
		repeat(&json, "{\"number\":1,\"@type\":\"t/headgate.test.Inner\"}", 1);
		repeat(&json, ",\"@type\":\"t/google.protobuf.Any\"}", count - 1);
		repeat(&json, "}", 1);
		assert_true(buf_append_byte(&json, 0));
		status = read_json(group->shape, (const char *)buf_span(&json).data, &options,
				   &wire, &err);
		assert_int_equal(status == ST_OK, count == JSON_ANY_REREAD_MAX);
		buf_fini(&json);
		buf_fini(&wire);
	}
}

static void many_map_keys_are_told_apart(void **state)
{
	const struct group *group = *state;
	struct error err = {0};
	struct buf json;
	struct buf wire;

	for (int twice = 0; twice < 2; twice++) {
		buf_init(&json, 1 << 20);
		repeat(&json, "{\"counts\":{", 1);
		for (int i = 0; i < 5000; i++)
			assert_true(buf_printf(&json, "%s\"k%d\":%d", i ? "," : "", i, i));
		repeat(&json, twice ? ",\"k17\":1}}" : "}}", 1);
		assert_true(buf_append_byte(&json, 0));
		assert_int_equal(read_json(group->shape, (const char *)buf_span(&json).data, NULL,
					   &wire, &err) == ST_OK,
				 !twice);
		buf_fini(&json);
		buf_fini(&wire);
	}
	assert_string_equal(err.field, "counts[k17]");
}

static void a_full_output_says_so(void **state)
{
	const struct group *group = *state;
	struct wire_writer writer;
	struct error err = {0};
	struct buf wire;

	buf_init(&wire, 8);
	wire_writer_init(&writer, &wire);
	assert_int_equal(json_to_wire(group->shape, SPAN_LIT("{\"id\":\"more than eight bytes\"}"),
				      NULL, &writer, &err),
			 ST_RESOURCE_EXHAUSTED);
	wire_writer_fini(&writer);
	buf_fini(&wire);
}

/* ---- what a transcoder needs ---- */

static void one_field_can_be_the_body(void **state)
{
	static const struct {
		const char *name;
		const char *field;
		const char *json;
		const char *want; /* NULL: refused */
	} rows[] = {
		{"scalar", "name", "\"a\"", "{\"name\":\"a\"}"},
		{"number", "int32_value", " 5 ", "{\"int32Value\":5}"},
		{"list", "strings", "[\"a\",\"b\"]", "{\"strings\":[\"a\",\"b\"]}"},
		{"packed list", "numbers", "[1]", "{\"numbers\":[1]}"},
		{"map", "counts", "{\"a\":1}", "{\"counts\":{\"a\":1}}"},
		{"message", "nested", "{\"name\":\"n\"}", "{\"nested\":{\"name\":\"n\"}}"},
		{"well-known", "timestamp", "\"1970-01-01T00:00:00Z\"",
		 "{\"timestamp\":\"1970-01-01T00:00:00Z\"}"},
		{"null", "nested", "null", "{}"},
		{"null for a Value", "value", "null", "{\"value\":null}"},
		{"wrong kind", "strings", "{}", NULL},
		{"text behind", "name", "\"a\" 1", NULL},
		{"member of a oneof", "choice_number", "0", "{\"choiceNumber\":0}"},
	};
	const struct group *group = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct field *field =
			schema_field_by_name(group->shape, span_from_str(rows[i].field));
		const struct row row = {rows[i].name, rows[i].json, rows[i].want};
		struct wire_writer writer;
		struct error err = {0};
		struct buf wire;
		enum status status;

		buf_init(&wire, 1024);
		wire_writer_init(&writer, &wire);
		status =
			json_field_to_wire(field, span_from_str(rows[i].json), NULL, &writer, &err);
		UNIT_ROW(rows[i].name, (status == ST_OK) == (rows[i].want != NULL));
		if (rows[i].want) {
			assert_true(wire_finish(&writer));
			check_good(group, &row, buf_span(&wire));
		}
		wire_writer_fini(&writer);
		buf_fini(&wire);
	}
}

static void set_fields_are_remembered(void **state)
{
	static const char json[] = "{\"id\":\"\",\"nested\":{\"name\":\"x\"},\"name\":null,"
				   "\"strings\":[],\"value\":null} tail";
	static const struct {
		const char *field;
		bool want;
	} rows[] = {{"id", true},      {"nested", true}, {"name", false},
		    {"strings", true}, {"value", true},	 {"colour", false}};
	const struct group *group = *state;
	struct wire_writer writer;
	struct json_reader *reader;
	size_t used = 0;
	struct error err;
	struct buf wire;

	buf_init(&wire, 1024);
	wire_writer_init(&writer, &wire);
	reader = json_reader_new(group->shape, NULL, &writer);
	assert_int_equal(json_reader_feed(reader, span_from_str(json), &used, &err), PARSE_DONE);
	assert_int_equal(used, sizeof(json) - 1 - 5);
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		UNIT_ROW(rows[i].field,
			 json_reader_has(reader,
					 schema_field_by_name(group->shape,
							      span_from_str(rows[i].field))) ==
				 rows[i].want);
	json_reader_reset(reader);
	assert_false(json_reader_has(reader, &group->shape->fields[0]));
	json_reader_free(reader);
	wire_writer_fini(&writer);
	buf_fini(&wire);
}

static void mask_paths_name_what_is_present(void **state)
{
	static const struct {
		const char *name;
		const char *json;
		const char *want;
	} rows[] = {
		{"nothing", "{}", ""},
		{"leaves", "{\"id\":\"a\",\"otherName\":\"b\"}", "id,renamed,"},
		{"null counts", "{\"camelCaseName\":null,\"nested\":null}",
		 "camel_case_name,nested,"},
		{"into messages",
		 "{\"nested\":{\"name\":\"n\",\"inner\":{\"number\":1},\"colour\":1},\"id\":\"\"}",
		 "nested.name,nested.inner.number,nested.colour,id,"},
		{"empty message", "{\"nested\":{\"inner\":{}},\"id\":\"\"}", "nested.inner,id,"},
		{"not into lists and maps",
		 "{\"nesteds\":[{\"name\":\"a\"},{}],\"nestedsByNumber\":{\"1\":{\"name\":\"b\"}}}",
		 "nesteds,nesteds_by_number,"},
		{"not into well-known types",
		 "{\"struct\":{\"a\":{\"b\":1}},\"any\":{\"@type\":\"t/"
		 "headgate.test.Inner\",\"number\":1},"
		 "\"int64Wrapper\":1}",
		 "struct,any,int64_wrapper,"},
	};
	const struct group *group = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct json_read_options options = {.schema = group->schema};
		struct error err = {0};
		struct buf paths;
		struct buf wire;

		buf_init(&paths, 1024);
		options.mask_paths = &paths;
		assert_int_equal(read_json(group->shape, rows[i].json, &options, &wire, &err),
				 ST_OK);
		UNIT_ROW_SPAN(rows[i].name, buf_span(&paths), rows[i].want);
		buf_fini(&paths);
		buf_fini(&wire);
	}
}

/* A stream of values: each is whole by itself, what is behind it is left alone. */
static void a_reader_reads_one_value_after_another(void **state)
{
	const struct group *group = *state;
	const struct field *number = schema_field_by_name(group->shape, SPAN_LIT("int32_value"));
	struct span json = SPAN_LIT("1 22\n333");
	struct wire_writer writer;
	struct json_reader *reader;
	struct error err;
	struct buf wire;
	size_t used;

	buf_init(&wire, 1024);
	wire_writer_init(&writer, &wire);
	reader = json_reader_new_field(number, NULL, &writer);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(json_reader_feed(reader, json, &used, &err), PARSE_DONE);
		json = span_skip(json, used);
		json_reader_reset(reader);
	}
	assert_int_equal(json_reader_feed(reader, json, &used, &err), PARSE_MORE);
	assert_int_equal(json_reader_end(reader, &err), PARSE_DONE);
	json_reader_free(reader);
	assert_true(wire_finish(&writer));
	sample_check_hex("three numbers", buf_span(&wire), "18 01 18 16 18 cd 02");
	wire_writer_fini(&writer);
	buf_fini(&wire);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_texts_are_read),
		cmocka_unit_test(chunks_make_no_difference),
		cmocka_unit_test(bad_texts_are_refused_with_their_field),
		cmocka_unit_test(unknown_parts_can_be_ignored),
		cmocka_unit_test(wire_bytes_are_the_short_ones),
		cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(any_is_reread_only_so_deep),
		cmocka_unit_test(many_map_keys_are_told_apart),
		cmocka_unit_test(a_full_output_says_so),
		cmocka_unit_test(one_field_can_be_the_body),
		cmocka_unit_test(set_fields_are_remembered),
		cmocka_unit_test(mask_paths_name_what_is_present),
		cmocka_unit_test(a_reader_reads_one_value_after_another),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

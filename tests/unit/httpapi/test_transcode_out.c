#include "httpapi/transcode_out.h"

#include <stdio.h>
#include <string.h>

#include "httpapi/route_table.h"
#include "proto/json.h"
#include "src/base/mem.h"
#include "tests/unit/httpapi/types.h"
#include "tests/unit/unit.h"

#define OUT_BYTES ((size_t)64 * 1024)

struct fixture {
	struct schema *schema;
	struct route_table *table;
	struct route_report report;
	struct buf wire;
	struct buf scratch;
};

#define PRINTER(f, settings) (&(struct transcode_printer){(f)->schema, (settings)})

static int set_up(void **state)
{
	struct fixture *f = mem_new(struct fixture);
	struct error err = {0};

	f->schema = types_schema();
	route_report_init(&f->report);
	f->table = types_table(f->schema, "hg.test.Things", NULL, &f->report, &err);
	assert_non_null(f->table);
	buf_init(&f->wire, OUT_BYTES);
	buf_init(&f->scratch, OUT_BYTES);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	buf_fini(&f->wire);
	buf_fini(&f->scratch);
	route_table_free(f->table);
	route_report_fini(&f->report);
	schema_unref(f->schema);
	mem_free(f);
	return 0;
}

static const struct http_rule *rule_of(struct fixture *f, const char *request)
{
	struct span text = span_from_str(request);
	size_t space = span_find(text, ' ');
	struct route_match match;

	if (route_table_match(f->table, span_head(text, space), span_skip(text, space + 1),
			      &match) != ROUTE_FOUND)
		fail_msg("no route %s", request);
	return &match.route->rule;
}

/* The wire bytes of a reply given as JSON. */
static void reply_from_json(struct fixture *f, const struct http_rule *rule, const char *json)
{
	struct json_read_options options = {.schema = f->schema};
	struct wire_writer writer;
	struct error err = {0};

	buf_reset(&f->wire);
	wire_writer_init(&writer, &f->wire);
	if (json_to_wire(rule->method->output, span_from_str(json), &options, &writer, &err))
		fail_msg("%s: %s", json, err.message);
	assert_true(wire_finish(&writer));
	wire_writer_fini(&writer);
}

#define R "GET /v1/respond"

static void replies_are_printed(void **state)
{
	static const struct {
		const char *name;
		const char *request;
		const char *reply;
		bool is_bare; /* without defaults */
		const char *want;
	} rows[] = {
		{"empty", "POST /hg.test.Things/Ping", "{}", false, "{}"},
		{"set fields only", R, "{\"str\":\"a\",\"i64\":\"5\"}", true,
		 "{\"str\":\"a\",\"i64\":\"5\"}"},
		{"string", R "/str", "{\"str\":\"a\\u0000\xc3\xa9\"}", false,
		 "\"a\\u0000\xc3\xa9\""},
		{"string, unset", R "/str", "{}", false, "\"\""},
		{"int64", R "/i64", "{\"i64\":\"9007199254740993\"}", false,
		 "\"9007199254740993\""},
		{"int64, unset", R "/i64", "{}", false, "\"0\""},
		{"enum", R "/color", "{\"color\":2}", false, "\"DARK_GREEN\""},
		{"enum, unset", R "/color", "{}", false, "\"COLOR_UNSPECIFIED\""},
		{"list", R "/list", "{\"list\":[\"a\",\"b\"]}", false, "[\"a\",\"b\"]"},
		{"list, empty", R "/list", "{}", false, "[]"},
		{"map", R "/labels", "{\"labels\":{\"k\":\"v\"}}", false, "{\"k\":\"v\"}"},
		{"map, empty", R "/labels", "{}", false, "{}"},
		{"message", R "/inner", "{\"inner\":{\"name\":\"n\"}}", true, "{\"name\":\"n\"}"},
		{"message, unset", R "/inner", "{}", false, "null"},
		{"list of messages", R "/items", "{\"items\":[{\"size\":7},{}]}", true,
		 "[{\"size\":7},{}]"},
		{"list of messages with defaults", R "/items", "{\"items\":[{\"size\":7}]}", false,
		 "[{\"name\":\"\",\"size\":7,\"tags\":[],\"notes\":{}}]"},
		{"wrapper", R "/sval", "{\"sval\":\"x\"}", false, "\"x\""},
		{"wrapper, unset", R "/sval", "{}", false, "null"},
		{"timestamp", R "/at", "{\"at\":\"2020-01-01T00:00:00Z\"}", false,
		 "\"2020-01-01T00:00:00Z\""},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct http_rule *rule = rule_of(f, rows[i].request);
		struct transcode_options options = TRANSCODE_OPTIONS_DEFAULT;
		struct transcode_reply reply;
		struct error err = {0};

		options.always_print_primitive_fields = !rows[i].is_bare;
		reply_from_json(f, rule, rows[i].reply);
		buf_reset(&f->scratch);
		(void)buf_append_str(&f->scratch, "["); /* what was there stays */
		if (transcode_out(rule, buf_span(&f->wire), PRINTER(f, &options), &f->scratch,
				  &reply, &err))
			fail_msg("row \"%s\": %s", rows[i].name, err.message);
		UNIT_ROW_SPAN(rows[i].name, reply.body, rows[i].want);
		UNIT_ROW_SPAN(rows[i].name, reply.content_type, "application/json");
		UNIT_ROW(rows[i].name, !reply.is_raw);
		UNIT_ROW(rows[i].name, buf_len(&f->scratch) == reply.body.len + 1);
	}
}

static void options_reach_the_printer(void **state)
{
	static const struct {
		const char *name;
		struct transcode_options options;
		const char *want;
	} rows[] = {
		{"enums as numbers",
		 {.always_print_enums_as_ints = true},
		 "{\"i64\":\"5\",\"color\":1,\"twoWords\":\"w\"}"},
		{"proto names",
		 {.preserve_proto_field_names = true},
		 "{\"i64\":\"5\",\"color\":\"RED\",\"two_words\":\"w\"}"},
		{"numbers",
		 {.int64_as_number = true},
		 "{\"i64\":5,\"color\":\"RED\",\"twoWords\":\"w\"}"},
	};
	struct fixture *f = *state;
	const struct http_rule *rule = rule_of(f, R);

	reply_from_json(f, rule, "{\"i64\":5,\"color\":\"RED\",\"twoWords\":\"w\"}");
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct transcode_reply reply;
		struct error err = {0};

		buf_reset(&f->scratch);
		assert_int_equal(transcode_out(rule, buf_span(&f->wire),
					       PRINTER(f, &rows[i].options), &f->scratch, &reply,
					       &err),
				 ST_OK);
		UNIT_ROW_SPAN(rows[i].name, reply.body, rows[i].want);
	}
}

static void raw_replies_are_not_looked_at(void **state)
{
	static const struct {
		const char *name;
		const char *request;
		const char *reply;
		const char *type; /* NULL: refused */
		const char *want;
	} rows[] = {
		{"whole", "POST /v1/upload", "{\"contentType\":\"text/x\",\"data\":\"e2FiYw==\"}",
		 "text/x", "{abc"},
		{"no type", "POST /v1/upload", "{\"data\":\"e2FiYw==\"}",
		 "application/octet-stream", "{abc"},
		{"empty", "POST /v1/upload", "{}", "application/octet-stream", ""},
		{"field", "POST /v1/blob/x",
		 "{\"str\":\"s\",\"blob\":{\"contentType\":\"text/x\",\"data\":\"e2FiYw==\"}}",
		 "text/x", "{abc"},
		{"field, unset", "POST /v1/blob/x", "{}", "application/octet-stream", ""},
		{"header injection", "POST /v1/upload", "{\"contentType\":\"a/b\\r\\nx: y\"}", NULL,
		 NULL},
		{"type not ASCII", "POST /v1/upload", "{\"contentType\":\"\xc3\xa9\"}", NULL, NULL},
	};
	struct fixture *f = *state;
	struct transcode_options options = TRANSCODE_OPTIONS_DEFAULT;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct http_rule *rule = rule_of(f, rows[i].request);
		struct transcode_reply reply;
		struct error err = {0};
		enum status status;

		reply_from_json(f, rule, rows[i].reply);
		buf_reset(&f->scratch);
		status = transcode_out(rule, buf_span(&f->wire), PRINTER(f, &options), &f->scratch,
				       &reply, &err);
		if (!rows[i].type) {
			UNIT_ROW(rows[i].name, status == ST_INTERNAL);
			continue;
		}
		UNIT_ROW(rows[i].name, status == ST_OK);
		UNIT_ROW_SPAN(rows[i].name, reply.content_type, rows[i].type);
		UNIT_ROW_SPAN(rows[i].name, reply.body, rows[i].want);
		UNIT_ROW(rows[i].name, reply.is_raw);
	}
}

/* Parts of one message are read as if they were joined. */
static void a_raw_field_in_two_parts_is_one(void **state)
{
	struct fixture *f = *state;
	struct transcode_options options = TRANSCODE_OPTIONS_DEFAULT;
	struct transcode_reply reply;
	struct error err = {0};
	struct span wire = SPAN_LIT("\xa2\x02\x05\x0a\x03"
				    "a/b"
				    "\xa2\x02\x03\x12\x01"
				    "x");

	assert_int_equal(transcode_out(rule_of(f, "POST /v1/blob/x"), wire, PRINTER(f, &options),
				       &f->scratch, &reply, &err),
			 ST_OK);
	UNIT_ROW_SPAN("type", reply.content_type, "a/b");
	UNIT_ROW_SPAN("data", reply.body, "x");
}

static void bad_replies_are_internal(void **state)
{
	static const struct {
		const char *name;
		const char *request;
		struct span wire;
		const char *field;
	} rows[] = {
		{"cut", R,
		 SPAN_LIT("\x0a\x05"
			  "a"),
		 ""},
		{"cut, raw", "POST /v1/upload",
		 SPAN_LIT("\x12\x05"
			  "a"),
		 ""},
		{"cut, raw field", "POST /v1/blob/x",
		 SPAN_LIT("\xa2\x02\x05"
			  "a"),
		 ""},
		{"timestamp out of range", R,
		 SPAN_LIT("\xa2\x01\x0c\x08\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x10\x00"), "at"},
		{"text not UTF-8", R, SPAN_LIT("\x0a\x01\xff"), "str"},
	};
	struct fixture *f = *state;
	struct transcode_options options = TRANSCODE_OPTIONS_DEFAULT;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct transcode_reply reply;
		struct error err = {0};

		UNIT_ROW(rows[i].name, transcode_out(rule_of(f, rows[i].request), rows[i].wire,
						     PRINTER(f, &options), &f->scratch, &reply,
						     &err) == ST_INTERNAL);
		UNIT_ROW(rows[i].name, err.status == ST_INTERNAL);
		UNIT_ROW(rows[i].name,
			 strncmp(err.message, "the reply of hg.test.Things.", 28) == 0);
		UNIT_ROW_SPAN(rows[i].name, span_from_str(err.field), rows[i].field);
	}
}

static void a_full_buffer_is_told_apart(void **state)
{
	struct fixture *f = *state;
	struct transcode_options options = TRANSCODE_OPTIONS_DEFAULT;
	struct transcode_reply reply;
	struct error err = {0};

	buf_fini(&f->scratch);
	buf_init(&f->scratch, 20);
	assert_int_equal(transcode_out(rule_of(f, R), SPAN_EMPTY, PRINTER(f, &options), &f->scratch,
				       &reply, &err),
			 ST_RESOURCE_EXHAUSTED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(replies_are_printed),	     TEST(options_reach_the_printer),
		TEST(raw_replies_are_not_looked_at), TEST(a_raw_field_in_two_parts_is_one),
		TEST(bad_replies_are_internal),	     TEST(a_full_buffer_is_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "httpapi/status_map.h"

#include <string.h>

#include "proto/json.h"
#include "proto/wire.h"
#include "tests/unit/httpapi/types.h"
#include "tests/unit/unit.h"

#define OUT_BYTES ((size_t)16 * 1024)

struct fixture {
	struct schema *schema;
	struct status_map *map;
	struct buf details;
	struct buf out;
};

static struct fixture fixture;

static int set_up(void **state)
{
	struct error err = {0};

	fixture.schema = types_schema();
	if (status_map_new(&fixture.map, &err))
		fail_msg("%s", err.message);
	buf_init(&fixture.details, OUT_BYTES);
	buf_init(&fixture.out, OUT_BYTES);
	*state = &fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	buf_fini(&f->details);
	buf_fini(&f->out);
	status_map_free(f->map);
	schema_unref(f->schema);
	return 0;
}

/* One detail: type and value bytes; type NULL ends a list. */
struct part {
	const char *type;
	struct span value;
};

static void write_details(struct fixture *f, const struct part *parts)
{
	struct wire_writer writer;

	buf_reset(&f->details);
	wire_writer_init(&writer, &f->details);
	wire_put_uint_field(&writer, 1, 99);
	wire_put_bytes_field(&writer, 2, SPAN_LIT("the trailers win"));
	for (; parts->type; parts++) {
		struct wire_nest any = wire_begin(&writer, 3);

		wire_put_bytes_field(&writer, 1, span_from_str(parts->type));
		wire_put_bytes_field(&writer, 2, parts->value);
		wire_end(&writer, any);
	}
	assert_true(wire_finish(&writer));
	wire_writer_fini(&writer);
}

#define URL "type.googleapis.com/"
#define REASON(text) SPAN_LIT("\x0a" text)

static void bodies_are_a_status(void **state)
{
	static const struct {
		const char *name;
		enum status code;
		const char *message;
		struct part parts[4];
		const char *want;
	} rows[] = {
		{"bare",
		 ST_NOT_FOUND,
		 "no cart",
		 {{0}},
		 "{\"code\":5,\"message\":\"no cart\",\"details\":[]}"},
		{"text is escaped",
		 ST_UNKNOWN,
		 "a \"b\"\n\xff",
		 {{0}},
		 "{\"code\":2,\"message\":\"a \\\"b\\\"\\n\xef\xbf\xbd\",\"details\":[]}"},
		{"known",
		 ST_INTERNAL,
		 "",
		 {{URL "google.rpc.ErrorInfo", REASON("\x03WHY")}},
		 "{\"code\":13,\"message\":\"\",\"details\":[{\"@type\":\"type.googleapis.com/"
		 "google.rpc.ErrorInfo\",\"reason\":\"WHY\"}]}"},
		{"well-known",
		 ST_INTERNAL,
		 "",
		 {{URL "google.protobuf.Duration", SPAN_LIT("\x08\x05")}},
		 "{\"code\":13,\"message\":\"\",\"details\":[{\"@type\":\"type.googleapis.com/"
		 "google.protobuf.Duration\",\"value\":\"5s\"}]}"},
		{"the function's own",
		 ST_INTERNAL,
		 "",
		 {{URL "hg.test.Deep", REASON("\x01x")}},
		 "{\"code\":13,\"message\":\"\",\"details\":[{\"@type\":\"type.googleapis.com/"
		 "hg.test.Deep\",\"leaf\":\"x\"}]}"},
		{"unknown",
		 ST_INTERNAL,
		 "",
		 {{URL "some.Other", SPAN_LIT("\x08\x05\xff")}},
		 "{\"code\":13,\"message\":\"\",\"details\":[{\"@type\":\"type.googleapis.com/"
		 "some.Other\",\"value\":\"CAX/\"}]}"},
		{"no slash",
		 ST_INTERNAL,
		 "",
		 {{"hg.test.Deep", REASON("\x01x")}},
		 "{\"code\":13,\"message\":\"\",\"details\":[{\"@type\":\"hg.test.Deep\",\"value\":"
		 "\"CgF4\"}]}"},
		{"a bad one does not cost the others",
		 ST_INTERNAL,
		 "",
		 {{URL "google.rpc.ErrorInfo", SPAN_LIT("\x0a\x09")},
		  {URL "google.rpc.ErrorInfo", REASON("\x03WHY")}},
		 "{\"code\":13,\"message\":\"\",\"details\":[{\"@type\":\"type.googleapis.com/"
		 "google.rpc.ErrorInfo\",\"value\":\"Cgk=\"},{\"@type\":\"type.googleapis.com/"
		 "google.rpc.ErrorInfo\",\"reason\":\"WHY\"}]}"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct status_failure failure = {rows[i].code, span_from_str(rows[i].message),
						 SPAN_EMPTY};

		write_details(f, rows[i].parts);
		failure.details = buf_span(&f->details);
		buf_reset(&f->out);
		UNIT_ROW(rows[i].name, status_map_json(f->map, f->schema, &failure, &f->out));
		UNIT_ROW_SPAN(rows[i].name, buf_span(&f->out), rows[i].want);
	}
}

static void malformed_details_are_left_out(void **state)
{
	static const struct span rows[] = {
		SPAN_LIT("\xff\xff"),
		SPAN_LIT("\x1a\x05"
			 "a"),
		SPAN_LIT("\x1a\x02\x0a\x05"),
		SPAN_LIT("\x18\x05"),
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct status_failure failure = {ST_INTERNAL, SPAN_EMPTY, rows[i]};

		buf_reset(&f->out);
		assert_true(status_map_json(f->map, NULL, &failure, &f->out));
		UNIT_ROW_SPAN("malformed", buf_span(&f->out),
			      "{\"code\":13,\"message\":\"\",\"details\":[]}");
	}
}

static void a_full_buffer_is_cut_back(void **state)
{
	static const struct part parts[] = {{URL "google.rpc.ErrorInfo", REASON("\x03WHY")}, {0}};
	struct fixture *f = *state;

	write_details(f, parts);
	for (size_t room = 2; room < 110; room += 7) {
		struct status_failure failure = {ST_INTERNAL, SPAN_LIT("text"),
						 buf_span(&f->details)};
		struct buf out;

		buf_init(&out, room);
		(void)buf_append_str(&out, "ab");
		assert_false(status_map_json(f->map, NULL, &failure, &out));
		assert_int_equal(buf_len(&out), 2);
		buf_fini(&out);
	}
}

static void codes_have_their_http_status(void **state)
{
	static const struct {
		const char *name;
		enum status code;
		int http;
	} rows[] = {
		{"OK", ST_OK, 200},
		{"CANCELLED", ST_CANCELLED, 499},
		{"UNKNOWN", ST_UNKNOWN, 500},
		{"INVALID_ARGUMENT", ST_INVALID_ARGUMENT, 400},
		{"DEADLINE_EXCEEDED", ST_DEADLINE_EXCEEDED, 504},
		{"NOT_FOUND", ST_NOT_FOUND, 404},
		{"ALREADY_EXISTS", ST_ALREADY_EXISTS, 409},
		{"PERMISSION_DENIED", ST_PERMISSION_DENIED, 403},
		{"RESOURCE_EXHAUSTED", ST_RESOURCE_EXHAUSTED, 429},
		{"FAILED_PRECONDITION", ST_FAILED_PRECONDITION, 400},
		{"ABORTED", ST_ABORTED, 409},
		{"OUT_OF_RANGE", ST_OUT_OF_RANGE, 400},
		{"UNIMPLEMENTED", ST_UNIMPLEMENTED, 501},
		{"INTERNAL", ST_INTERNAL, 500},
		{"UNAVAILABLE", ST_UNAVAILABLE, 503},
		{"DATA_LOSS", ST_DATA_LOSS, 500},
		{"UNAUTHENTICATED", ST_UNAUTHENTICATED, 401},
		{"beyond the table", (enum status)17, 500},
		{"far beyond the table", (enum status)100000, 500},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct status_failure failure = {.code = rows[i].code};

		UNIT_ROW(rows[i].name, status_map_http(&failure) == rows[i].http);
	}
}

static void a_reused_key_is_422(void **state)
{
	static const struct {
		const char *name;
		struct part parts[3];
		int http;
	} rows[] = {
		{"reused",
		 {{URL "google.rpc.ErrorInfo", REASON("\x16IDEMPOTENCY_KEY_REUSED")}},
		 422},
		{"other reason", {{URL "google.rpc.ErrorInfo", REASON("\x03WHY")}}, 400},
		{"other type",
		 {{URL "google.rpc.DebugInfo", REASON("\x16IDEMPOTENCY_KEY_REUSED")}},
		 400},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct status_failure failure = {.code = ST_INVALID_ARGUMENT};

		write_details(f, rows[i].parts);
		failure.details = buf_span(&f->details);
		UNIT_ROW(rows[i].name, status_map_http(&failure) == rows[i].http);
	}
}

static void retry_info_gives_seconds(void **state)
{
	static const struct {
		const char *name;
		struct part parts[3];
		bool is_there;
		uint64_t seconds;
	} rows[] = {
		{"none", {{0}}, false, 0},
		{"seconds", {{URL "google.rpc.RetryInfo", SPAN_LIT("\x0a\x02\x08\x05")}}, true, 5},
		{"rounded up",
		 {{URL "google.rpc.RetryInfo", SPAN_LIT("\x0a\x04\x08\x05\x10\x01")}},
		 true,
		 6},
		{"less than one",
		 {{URL "google.rpc.RetryInfo", SPAN_LIT("\x0a\x02\x10\x01")}},
		 true,
		 1},
		{"at once", {{URL "google.rpc.RetryInfo", SPAN_LIT("\x0a\x00")}}, true, 0},
		{"behind another",
		 {{URL "google.rpc.ErrorInfo", REASON("\x03WHY")},
		  {URL "google.rpc.RetryInfo", SPAN_LIT("\x0a\x02\x08\x05")}},
		 true,
		 5},
		{"negative",
		 {{URL "google.rpc.RetryInfo",
		   SPAN_LIT("\x0a\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")}},
		 false,
		 0},
		{"no delay", {{URL "google.rpc.RetryInfo", SPAN_EMPTY}}, false, 0},
		{"malformed", {{URL "google.rpc.RetryInfo", SPAN_LIT("\x0a\x09")}}, false, 0},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct status_failure failure = {.code = ST_UNAVAILABLE};
		uint64_t seconds = 0;

		write_details(f, rows[i].parts);
		failure.details = buf_span(&f->details);
		UNIT_ROW(rows[i].name,
			 status_map_retry_after(&failure, &seconds) == rows[i].is_there);
		UNIT_ROW(rows[i].name, seconds == rows[i].seconds);
	}
}

static void our_own_errors_name_the_field(void **state)
{
	struct fixture *f = *state;
	struct error err;
	struct status_failure failure;

	(void)error_set(&err, ST_INVALID_ARGUMENT, "not a number");
	error_set_field(&err, "?size");
	assert_true(status_details_from_error(&err, &f->details));
	failure = (struct status_failure){err.status, span_from_str(err.message),
					  buf_span(&f->details)};
	assert_true(status_map_json(f->map, NULL, &failure, &f->out));
	UNIT_ROW_SPAN("with field", buf_span(&f->out),
		      "{\"code\":3,\"message\":\"not a number\",\"details\":[{\"@type\":"
		      "\"type.googleapis.com/google.rpc.BadRequest\",\"fieldViolations\":[{"
		      "\"field\":\"?size\",\"description\":\"not a number\"}]}]}");

	(void)error_set(&err, ST_NOT_FOUND, "no such path");
	buf_reset(&f->details);
	buf_reset(&f->out);
	assert_true(status_details_from_error(&err, &f->details));
	failure = (struct status_failure){err.status, span_from_str(err.message),
					  buf_span(&f->details)};
	assert_true(status_map_json(f->map, NULL, &failure, &f->out));
	UNIT_ROW_SPAN("without field", buf_span(&f->out),
		      "{\"code\":5,\"message\":\"no such path\",\"details\":[]}");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(bodies_are_a_status),	     TEST(malformed_details_are_left_out),
		TEST(a_full_buffer_is_cut_back),     TEST(codes_have_their_http_status),
		TEST(a_reused_key_is_422),	     TEST(retry_info_gives_seconds),
		TEST(our_own_errors_name_the_field),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

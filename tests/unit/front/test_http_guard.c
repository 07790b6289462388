#include "httpapi/front/http_guard.h"

#include "tests/unit/unit.h"

static struct h2_header header(const char *name, const char *value)
{
	return (struct h2_header){span_from_str(name), span_from_str(value)};
}

static void heads_are_judged(void **state)
{
	const struct {
		const char *name;
		const char *target;
		bool is_http_1_0;
		struct h2_header headers[4];
		const char *fault; /* NULL: sound */
	} rows[] = {
		{"plain", "/a", false, {header("Host", "h")}, NULL},
		{"query", "/a?b=c%20d&e", false, {header("host", "h")}, NULL},
		{"length", "/a", false, {header("host", "h"), header("content-length", "7")}, NULL},
		{"chunked",
		 "/a",
		 false,
		 {header("host", "h"), header("Transfer-Encoding", "Chunked")},
		 NULL},
		{"HTTP/1.0 without host", "/a", true, {{SPAN_EMPTY, SPAN_EMPTY}}, NULL},
		{"no host", "/a", false, {header("x", "y")}, "there must be one Host header"},
		{"two hosts",
		 "/a",
		 false,
		 {header("host", "h"), header("HOST", "h")},
		 "there must be one Host header"},
		{"two hosts in HTTP/1.0",
		 "/a",
		 true,
		 {header("host", "h"), header("host", "h")},
		 "there must be one Host header"},
		{"two equal lengths",
		 "/a",
		 false,
		 {header("host", "h"), header("content-length", "7"),
		  header("Content-Length", "7")},
		 "more than one Content-Length"},
		{"length beside chunked",
		 "/a",
		 false,
		 {header("host", "h"), header("content-length", "7"),
		  header("transfer-encoding", "chunked")},
		 "Content-Length beside Transfer-Encoding"},
		{"two encodings",
		 "/a",
		 false,
		 {header("host", "h"), header("transfer-encoding", "chunked"),
		  header("transfer-encoding", "chunked")},
		 "more than one Transfer-Encoding"},
		{"gzip, chunked",
		 "/a",
		 false,
		 {header("host", "h"), header("transfer-encoding", "gzip, chunked")},
		 "only chunked is known as Transfer-Encoding"},
		{"identity",
		 "/a",
		 false,
		 {header("host", "h"), header("transfer-encoding", "identity")},
		 "only chunked is known as Transfer-Encoding"},
		{"chunked in HTTP/1.0",
		 "/a",
		 true,
		 {header("transfer-encoding", "chunked")},
		 "Transfer-Encoding in HTTP/1.0"},
		{"sign in a length",
		 "/a",
		 false,
		 {header("host", "h"), header("content-length", "+7")},
		 "malformed Content-Length"},
		{"list in a length",
		 "/a",
		 false,
		 {header("host", "h"), header("content-length", "7, 7")},
		 "malformed Content-Length"},
		{"huge length",
		 "/a",
		 false,
		 {header("host", "h"), header("content-length", "18446744073709551616")},
		 "malformed Content-Length"},
		{"space before the colon",
		 "/a",
		 false,
		 {header("host", "h"), header("transfer-encoding ", "chunked")},
		 "malformed header name"},
		{"control in a name",
		 "/a",
		 false,
		 {header("host", "h"), header("a\x01", "b")},
		 "malformed header name"},
		{"control in a value",
		 "/a",
		 false,
		 {header("host", "h"), header("a", "b\x0b")},
		 "control character in a header value"},
		{"escaped NUL",
		 "/a%00b",
		 false,
		 {header("host", "h")},
		 "the request target holds an escaped NUL"},
		{"escaped NUL in the query",
		 "/a?b=%00",
		 false,
		 {header("host", "h")},
		 "the request target holds an escaped NUL"},
		{"raw UTF-8",
		 "/\xC3\xA4",
		 false,
		 {header("host", "h")},
		 "the request target holds a character that must be escaped"},
		{"fragment",
		 "/a#b",
		 false,
		 {header("host", "h")},
		 "the request target holds a character that must be escaped"},
		{"empty target", "", false, {header("host", "h")}, "the request target is empty"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct http_guard_head head = {.method = SPAN_LIT("GET"),
					       .target = span_from_str(rows[i].target),
					       .is_http_1_0 = rows[i].is_http_1_0};
		struct http_framing framing = {.content_length = 99};
		const char *fault;

		head.headers.items = rows[i].headers;
		while (head.headers.count < 4 && rows[i].headers[head.headers.count].name.len)
			head.headers.count++;
		fault = http_guard_http1(&head, &framing);
		UNIT_ROW_SPAN(rows[i].name, span_from_str(fault ? fault : "sound"),
			      rows[i].fault ? rows[i].fault : "sound");
		UNIT_ROW(rows[i].name, !rows[i].fault || framing.content_length == 99);
	}
}

static void framing_is_told(void **state)
{
	const struct h2_header chunked[] = {header("host", "h"),
					    header("transfer-encoding", "chunked")};
	const struct h2_header length[] = {header("host", "h"), header("content-length", "4096")};
	struct http_framing framing;

	(void)state;
	assert_null(http_guard_http1(
		&(struct http_guard_head){SPAN_LIT("POST"), SPAN_LIT("/"), {chunked, 2}, false},
		&framing));
	assert_true(framing.is_chunked);
	assert_null(http_guard_http1(
		&(struct http_guard_head){SPAN_LIT("POST"), SPAN_LIT("/"), {length, 2}, false},
		&framing));
	assert_false(framing.is_chunked);
	assert_int_equal(framing.content_length, 4096);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(heads_are_judged),
		cmocka_unit_test(framing_is_told),
	};

	return cmocka_run_group_tests_name("front/http_guard", tests, NULL, NULL);
}

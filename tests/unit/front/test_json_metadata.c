#include "httpapi/front/json_metadata.h"

#include <stdio.h>
#include <string.h>

#include "httpapi/front/http_request.h"
#include "src/base/clock.h"
#include "src/config/call_options.h"
#include "src/config/config.h"
#include "src/grpc/metadata.h"
#include "tests/unit/unit.h"

static struct h2_header header(const char *name, const char *value)
{
	return (struct h2_header){span_from_str(name), span_from_str(value)};
}

static void print(const struct metadata *metadata, char *text, size_t size)
{
	size_t at = 0;

	text[0] = '\0';
	for (size_t i = 0; i < metadata->count; i++)
		at += (size_t)snprintf(text + at, size - at, "%.*s=%.*s;",
				       SPAN_FMT(metadata->items[i].key),
				       SPAN_FMT(metadata->items[i].value));
}

#define FORWARDED "x-forwarded-for=10.0.0.1;x-forwarded-host=h;x-forwarded-proto=http;"

static void headers_become_metadata(void **state)
{
	const struct {
		const char *name;
		struct h2_header headers[6];
		const char *metadata; /* NULL: refused */
	} rows[] = {
		{"end-to-end",
		 {header("host", "h"), header("authorization", "b"), header("x-a", "1"),
		  header("x-a", "2")},
		 "authorization=b;x-a=1;x-a=2;" FORWARDED},
		{"transport",
		 {header("host", "h"), header("content-length", "1"), header("te", "trailers"),
		  header("upgrade", "h2c"), header("grpc-timeout", "1S")},
		 FORWARDED},
		{"named by Connection",
		 {header("host", "h"), header("connection", "X-Hop , keep-alive"),
		  header("x-hop", "1"), header("x-end", "2")},
		 "x-end=2;" FORWARDED},
		{"named by two Connection lines",
		 {header("host", "h"), header("connection", "close"), header("connection", "x-hop"),
		  header("x-hop", "1"), header("x-end", "2")},
		 "x-end=2;" FORWARDED},
		{"grpc-metadata-",
		 {header("host", "h"), header("grpc-metadata-x", "1"),
		  header("grpc-metadata-te", "2")},
		 "x=1;" FORWARDED},
		{"binary",
		 {header("host", "h"), header("x-bin", "aGk=, eW8")},
		 "x-bin=hi;x-bin=yo;" FORWARDED},
		{"bad binary", {header("host", "h"), header("x-bin", "!")}, NULL},
		{"chain of proxies",
		 {header("host", "h"), header("x-forwarded-for", "1.1.1.1"),
		  header("x-forwarded-host", "o"), header("x-forwarded-proto", "https")},
		 "x-forwarded-host=o;x-forwarded-proto=https;x-forwarded-for=1.1.1.1, 10.0.0.1;"},
		/* The second line is what the proxy adds to the one that the client made up. */
		{"chain of proxies in lines",
		 {header("host", "h"), header("x-forwarded-for", "9.9.9.9"),
		  header("x-forwarded-for", ""), header("x-forwarded-for", "1.1.1.1, 2.2.2.2"),
		  header("x-forwarded-host", "o"), header("x-forwarded-proto", "https")},
		 "x-forwarded-host=o;x-forwarded-proto=https;"
		 "x-forwarded-for=9.9.9.9, 1.1.1.1, 2.2.2.2, 10.0.0.1;"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct http_head head = {.headers = {rows[i].headers, 0}, .peer = "10.0.0.1:4711"};
		struct metadata metadata = {0};
		struct arena arena;
		struct error err;
		char text[512];

		while (head.headers.count < 6 && rows[i].headers[head.headers.count].name.len)
			head.headers.count++;
		arena_init(&arena, 100000);
		if (json_metadata_read(&head, &arena, &metadata, &err)) {
			UNIT_ROW(rows[i].name, !rows[i].metadata);
		} else {
			print(&metadata, text, sizeof(text));
			UNIT_ROW_SPAN(rows[i].name, span_from_str(text), rows[i].metadata);
		}
		arena_fini(&arena);
	}
}

static void peers_are_printed_without_port(void **state)
{
	static const struct {
		const char *peer;
		const char *metadata;
	} rows[] = {
		{"10.0.0.1:80", "x-forwarded-for=10.0.0.1;x-forwarded-proto=http;"},
		{"[::1]:80", "x-forwarded-for=::1;x-forwarded-proto=http;"},
		{"unix", "x-forwarded-proto=http;"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct http_head head = {.peer = rows[i].peer};
		struct metadata metadata = {0};
		struct arena arena;
		struct error err;
		char text[512];

		arena_init(&arena, 100000);
		assert_int_equal(json_metadata_read(&head, &arena, &metadata, &err), ST_OK);
		print(&metadata, text, sizeof(text));
		UNIT_ROW_SPAN(rows[i].peer, span_from_str(text), rows[i].metadata);
		arena_fini(&arena);
	}
}

static void timeouts_are_read(void **state)
{
	static const struct {
		const char *grpc;
		const char *server;
		uint64_t ns; /* 0: refused */
	} rows[] = {
		{NULL, NULL, DEADLINE_NEVER},
		{"2S", NULL, 2 * NS_PER_S},
		{NULL, "2", 2 * NS_PER_S},
		{NULL, "0.25", 250 * NS_PER_MS},
		{NULL, "1.000000001", NS_PER_S + 1},
		{"1S", "2", NS_PER_S},
		{"3S", "2", 2 * NS_PER_S},
		{NULL, "99999999999999", DEADLINE_NEVER},
		{"99999999H", NULL, DEADLINE_NEVER},
		{"2s", NULL, 0},
		{NULL, "0", 0},
		{NULL, "0.0", 0},
		{NULL, "-1", 0},
		{NULL, "1e3", 0},
		{NULL, "inf", 0},
		{NULL, "1.", 0},
		{NULL, ".5", 0},
		{NULL, "", 0},
		{NULL, "1.0000000001", 0},
		{"x", "2", 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct h2_header headers[2];
		struct http_head head = {.headers = {headers, 0}};
		struct error err;
		uint64_t ns = 0;
		char name[64];

		if (rows[i].grpc)
			headers[head.headers.count++] = header("grpc-timeout", rows[i].grpc);
		if (rows[i].server)
			headers[head.headers.count++] = header("x-server-timeout", rows[i].server);
		snprintf(name, sizeof(name), "%s and %s", rows[i].grpc ? rows[i].grpc : "none",
			 rows[i].server ? rows[i].server : "none");
		UNIT_ROW(name,
			 (json_metadata_timeout(&head, &ns, &err) == ST_OK) == (rows[i].ns > 0));
		UNIT_ROW(name, ns == rows[i].ns);
	}
}

static void waits_have_a_default_and_a_bound(void **state)
{
	static const struct {
		const char *name;
		uint64_t timeout_ms;
		uint64_t max_timeout_ms;
		uint64_t asked_ns;
		uint64_t wait_ns;
	} rows[] = {
		{"nothing at all", 0, 0, DEADLINE_NEVER, DEADLINE_NEVER},
		{"the default", 5, 0, DEADLINE_NEVER, 5 * NS_PER_MS},
		{"the client's", 5, 0, 9, 9},
		{"longer than the default", 5, 0, 7 * NS_PER_MS, 7 * NS_PER_MS},
		{"bounded", 5, 6, 7 * NS_PER_MS, 6 * NS_PER_MS},
		{"under the bound", 5, 6, 1, 1},
		{"the bound of the default", 5, 3, DEADLINE_NEVER, 3 * NS_PER_MS},
		{"the bound alone", 0, 3, DEADLINE_NEVER, 3 * NS_PER_MS},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct call_options options = {.timeout_ms = rows[i].timeout_ms,
						     .max_timeout_ms = rows[i].max_timeout_ms};

		UNIT_ROW(rows[i].name,
			 json_metadata_wait(&options, rows[i].asked_ns) == rows[i].wait_ns);
	}
}

static void lists_let_names_through(void **state)
{
	static const struct {
		const char *allow;
		const char *deny;
		const char *name;
		bool is_taken;
	} rows[] = {
		{"", "", "x-a", true},
		{"x-a", "", "x-a", true},
		{"X-A", "", "x-a", true},
		{"x-b , x-a", "", "x-a", true},
		{"x-b", "", "x-a", false},
		{"x-*", "", "x-a", true},
		{"x-*", "", "x-", true},
		{"x-*", "", "x", false},
		{"x-a", "", "x-ab", false},
		{"x-ab", "", "x-a", false},
		{"", "x-a", "x-a", false},
		{"", "x-a", "x-b", true},
		{"*", "x-s*", "x-secret", false},
		{"*", "x-s*", "x-a", true},
		{" , ,", "", "x-a", false},
		{"", " , ,", "x-a", true},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct json_metadata_lists lists = {span_from_str(rows[i].allow),
							  span_from_str(rows[i].deny)};

		UNIT_ROW(rows[i].name, json_metadata_takes(&lists, span_from_str(rows[i].name)) ==
					       rows[i].is_taken);
	}
}

static void prefixes_are_put_before_names(void **state)
{
	struct metadata_item items[] = {{SPAN_LIT("x-a"), SPAN_LIT("1")},
					{SPAN_LIT("x-b-bin"), SPAN_LIT("\x01")}};
	const struct metadata metadata = {.items = items, .count = 2};
	struct config config = {.http_metadata_response_allow = "",
				.http_metadata_response_deny = ""};
	struct h2_header headers[4];
	struct arena arena;

	(void)state;
	arena_init(&arena, 4096);
	for (int i = 0; i < 2; i++) {
		enum json_metadata_part part = i ? JSON_METADATA_TRAILING : JSON_METADATA_LEADING;

		config.http_grpc_metadata_prefix = false;
		assert_int_equal(
			json_metadata_headers(&config, part, &metadata, &arena, headers, 4), 2);
		UNIT_ROW_SPAN("plain", headers[0].name, "x-a");
		config.http_grpc_metadata_prefix = true;
		assert_int_equal(
			json_metadata_headers(&config, part, &metadata, &arena, headers, 4), 2);
		UNIT_ROW_SPAN("name", headers[0].name,
			      i ? "grpc-trailer-x-a" : "grpc-metadata-x-a");
		UNIT_ROW_SPAN("value", headers[1].value, "AQ");
	}
	arena_fini(&arena);
}

static void the_function_may_choose_a_good_status(void **state)
{
	static const struct {
		const char *value; /* NULL: none */
		bool is_on;
		int status;
		size_t left;
	} rows[] = {
		{"201", true, 201, 1},	{"302", true, 302, 1}, {"399", true, 399, 1},
		{"400", true, 200, 1},	{"500", true, 200, 1}, {"199", true, 200, 1},
		{"x", true, 200, 1},	{"", true, 200, 1},    {NULL, true, 200, 1},
		{"201", false, 200, 2},
	};
	struct config config = {0};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct metadata_item items[] = {
			{SPAN_LIT("location"), SPAN_LIT("/a")},
			{SPAN_LIT("x-http-code"),
			 span_from_str(rows[i].value ? rows[i].value : "")}};
		struct metadata metadata = {.items = items, .count = rows[i].value ? 2 : 1};
		const char *name = rows[i].value ? rows[i].value : "none";

		config.http_status_from_metadata = rows[i].is_on;
		UNIT_ROW(name, json_metadata_status(&config, &metadata, 200) == rows[i].status);
		UNIT_ROW(name, metadata.count == rows[i].left);
		UNIT_ROW_SPAN(name, metadata.items[0].key, "location");
	}
}

static void clients_say_that_they_take_trailers(void **state)
{
	static const struct {
		const char *value;
		bool is_taken;
	} rows[] = {
		{"trailers", true}, {"Trailers", true}, {"gzip, trailers", true},
		{"gzip", false},    {"", false},	{"trailersx", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct h2_header header = {SPAN_LIT("te"), span_from_str(rows[i].value)};
		const struct h2_headers headers = {&header, 1};

		UNIT_ROW(rows[i].value, json_metadata_takes_trailers(&headers) == rows[i].is_taken);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers_become_metadata),
		cmocka_unit_test(peers_are_printed_without_port),
		cmocka_unit_test(timeouts_are_read),
		cmocka_unit_test(waits_have_a_default_and_a_bound),
		cmocka_unit_test(lists_let_names_through),
		cmocka_unit_test(prefixes_are_put_before_names),
		cmocka_unit_test(the_function_may_choose_a_good_status),
		cmocka_unit_test(clients_say_that_they_take_trailers),
	};

	return cmocka_run_group_tests_name("front/json_metadata", tests, NULL, NULL);
}

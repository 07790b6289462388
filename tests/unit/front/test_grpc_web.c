#include "httpapi/front/grpc_web.h"

#include "src/base/error.h"
#include "src/base/text.h"
#include "src/grpc/grpc_call.h"
#include "src/h2/h2.h"
#include "tests/unit/unit.h"

#define LIMIT ((size_t)1000)

/* What a reader made of a body: "message|message|", then how it ended. */
struct outcome {
	struct buf text;
	enum status status;
};

static void take_all(struct grpc_web_reader *reader, struct outcome *outcome)
{
	struct span message;
	struct error err;
	enum grpc_frame_state state;

	while ((state = grpc_web_reader_next(reader, &message, &err)) == GRPC_FRAME_DONE) {
		assert_true(buf_append(&outcome->text, message));
		assert_true(buf_append_str(&outcome->text, "|"));
		grpc_web_reader_take(reader);
	}
	if (state == GRPC_FRAME_BAD)
		outcome->status = err.status;
}

/* The body in two pieces, cut at one place; or byte by byte. */
static void read_body(enum grpc_web_form form, struct span body, size_t cut,
		      struct outcome *outcome)
{
	struct grpc_web_reader reader;
	struct error err;

	buf_init(&outcome->text, 64 * LIMIT);
	outcome->status = ST_OK;
	grpc_web_reader_init(&reader, form, LIMIT);
	while (body.len && !outcome->status) {
		size_t n = cut == 0 ? 1 : cut < body.len ? cut : body.len;

		outcome->status = grpc_web_reader_feed(&reader, span_head(body, n), &err);
		body = span_skip(body, n);
		cut = cut == 0 ? 0 : body.len;
		if (!outcome->status)
			take_all(&reader, outcome);
	}
	if (!outcome->status)
		outcome->status = grpc_web_reader_end(&reader, &err);
	if (!outcome->status)
		take_all(&reader, outcome);
	if (!outcome->status && grpc_web_reader_waiting(&reader))
		outcome->status = ST_INTERNAL;
	grpc_web_reader_fini(&reader);
}

struct body_row {
	const char *name;
	enum grpc_web_form form;
	struct span body;
	const char *messages;
	enum status status;
};

static void bodies_are_read_wherever_they_are_cut(void **state)
{
	static const struct body_row rows[] = {
		{"nothing", GRPC_WEB_BINARY, {0}, "", ST_OK},
		{"no letters", GRPC_WEB_TEXT, {0}, "", ST_OK},
		{"one", GRPC_WEB_BINARY, SPAN_LIT("\0\0\0\0\3abc"), "abc|", ST_OK},
		{"two and an empty one", GRPC_WEB_BINARY,
		 SPAN_LIT("\0\0\0\0\3abc\0\0\0\0\0\0\0\0\0\1d"), "abc||d|", ST_OK},
		{"within a head", GRPC_WEB_BINARY, SPAN_LIT("\0\0\0"), "", ST_INTERNAL},
		{"within a message", GRPC_WEB_BINARY, SPAN_LIT("\0\0\0\0\1a\0\0\0\0\3ab"), "a|",
		 ST_INTERNAL},
		{"compressed", GRPC_WEB_BINARY, SPAN_LIT("\1\0\0\0\1a"), "", ST_INTERNAL},
		{"trailers in a request", GRPC_WEB_BINARY, SPAN_LIT("\0\0\0\0\1a\x80\0\0\0\0"),
		 "a|", ST_INTERNAL},
		{"too large", GRPC_WEB_BINARY, SPAN_LIT("\0\0\0\3\xe9"), "", ST_RESOURCE_EXHAUSTED},
		/* 00 00 00 00 03 61 62 63 */
		{"letters, padded", GRPC_WEB_TEXT, SPAN_LIT("AAAAAANhYmM="), "abc|", ST_OK},
		{"letters, not padded", GRPC_WEB_TEXT, SPAN_LIT("AAAAAANhYmM"), "abc|", ST_OK},
		{"head and message apart", GRPC_WEB_TEXT, SPAN_LIT("AAAAAAM=YWJj"), "abc|", ST_OK},
		{"a part for each byte", GRPC_WEB_TEXT,
		 SPAN_LIT("AA==AA==AA==AA==Aw==YQ==Yg==Yw=="), "abc|", ST_OK},
		{"two messages, each padded", GRPC_WEB_TEXT, SPAN_LIT("AAAAAANhYmM=AAAAAAFk"),
		 "abc|d|", ST_OK},
		{"the other alphabet", GRPC_WEB_TEXT, SPAN_LIT("AAAAAAL_-w"), "\xff\xfb|", ST_OK},
		{"a letter too many", GRPC_WEB_TEXT, SPAN_LIT("AAAAAAFhA"), "a|",
		 ST_INVALID_ARGUMENT},
		{"padding too early", GRPC_WEB_TEXT, SPAN_LIT("A===AAAA"), "", ST_INVALID_ARGUMENT},
		{"padding alone", GRPC_WEB_TEXT, SPAN_LIT("===="), "", ST_INVALID_ARGUMENT},
		{"padding within a part", GRPC_WEB_TEXT, SPAN_LIT("AA=A"), "", ST_INVALID_ARGUMENT},
		{"half a padding", GRPC_WEB_TEXT, SPAN_LIT("AAAAAAFhAA="), "a|",
		 ST_INVALID_ARGUMENT},
		{"a space", GRPC_WEB_TEXT, SPAN_LIT("AAAA AAFh"), "", ST_INVALID_ARGUMENT},
		{"no letters at all", GRPC_WEB_TEXT, SPAN_LIT("\0\0\0\0\1a"), "",
		 ST_INVALID_ARGUMENT},
		{"letters, too large", GRPC_WEB_TEXT, SPAN_LIT("AAAAA+k="), "",
		 ST_RESOURCE_EXHAUSTED},
		{"letters, cut", GRPC_WEB_TEXT, SPAN_LIT("AAAAAANhYg=="), "", ST_INTERNAL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		for (size_t cut = 0; cut <= rows[i].body.len; cut++) {
			struct outcome outcome;

			read_body(rows[i].form, rows[i].body, cut, &outcome);
			UNIT_ROW(rows[i].name, outcome.status == rows[i].status);
			UNIT_ROW_SPAN(rows[i].name, buf_span(&outcome.text), rows[i].messages);
			buf_fini(&outcome.text);
		}
}

static void what_waits_is_bounded(void **state)
{
	static const uint8_t piece[4096];
	struct grpc_web_reader reader;
	struct error err;
	size_t fed = 0;

	(void)state;
	grpc_web_reader_init(&reader, GRPC_WEB_BINARY, LIMIT);
	while (!grpc_web_reader_feed(&reader, span_make(piece, sizeof(piece)), &err))
		fed += sizeof(piece);
	assert_int_equal(err.status, ST_RESOURCE_EXHAUSTED);
	assert_true(fed <= LIMIT + 5 + GRPC_WEB_PIECE_BYTES_MAX);
	grpc_web_reader_fini(&reader);
	grpc_web_reader_init(&reader, GRPC_WEB_TEXT, LIMIT);
	while (!grpc_web_reader_feed(&reader, SPAN_LIT("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
				     &err))
		;
	assert_int_equal(err.status, ST_RESOURCE_EXHAUSTED);
	grpc_web_reader_fini(&reader);
}

static void content_types_are_known(void **state)
{
	static const struct {
		const char *type;
		enum grpc_web_form form;
	} rows[] = {
		{"application/grpc-web", GRPC_WEB_BINARY},
		{"application/grpc-web+proto", GRPC_WEB_BINARY},
		{"Application/gRPC-Web+Proto ; charset=utf-8", GRPC_WEB_BINARY},
		{"application/grpc-web-text", GRPC_WEB_TEXT},
		{"application/grpc-web-text+proto", GRPC_WEB_TEXT},
		{"application/grpc-web+json", GRPC_WEB_NONE},
		{"application/grpc-web-text+thrift", GRPC_WEB_NONE},
		{"application/grpc-webx", GRPC_WEB_NONE},
		{"application/grpc", GRPC_WEB_NONE},
		{"application/json", GRPC_WEB_NONE},
		{"", GRPC_WEB_NONE},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		UNIT_ROW(rows[i].type, grpc_web_form(span_from_str(rows[i].type)) == rows[i].form);
}

static void accept_chooses_the_form_of_the_reply(void **state)
{
	static const struct {
		const char *accept;
		enum grpc_web_form request;
		enum grpc_web_form reply;
	} rows[] = {
		{"*/*", GRPC_WEB_BINARY, GRPC_WEB_BINARY},
		{"*/*", GRPC_WEB_TEXT, GRPC_WEB_TEXT},
		{"application/grpc-web-text", GRPC_WEB_BINARY, GRPC_WEB_TEXT},
		{"application/grpc-web-text;q=1, */*", GRPC_WEB_BINARY, GRPC_WEB_TEXT},
		{"application/grpc-web+proto", GRPC_WEB_TEXT, GRPC_WEB_BINARY},
		{"application/json, application/grpc-web-text+proto", GRPC_WEB_BINARY,
		 GRPC_WEB_TEXT},
		{"application/json", GRPC_WEB_TEXT, GRPC_WEB_TEXT},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct h2_header item = {SPAN_LIT("accept"), span_from_str(rows[i].accept)};

		UNIT_ROW(rows[i].accept, grpc_web_reply_form(&(struct h2_headers){&item, 1},
							     rows[i].request) == rows[i].reply);
	}
	assert_int_equal(grpc_web_reply_form(&(struct h2_headers){NULL, 0}, GRPC_WEB_TEXT),
			 GRPC_WEB_TEXT);
}

static void messages_are_written(void **state)
{
	static const struct {
		const char *name;
		enum grpc_web_form form;
		const char *message;
		struct span frame;
	} rows[] = {
		{"empty", GRPC_WEB_BINARY, "", SPAN_LIT("\0\0\0\0\0")},
		{"one", GRPC_WEB_BINARY, "abc", SPAN_LIT("\0\0\0\0\3abc")},
		{"empty, letters", GRPC_WEB_TEXT, "", SPAN_LIT("AAAAAAA=")},
		{"1, letters", GRPC_WEB_TEXT, "a", SPAN_LIT("AAAAAAFh")},
		{"2, letters", GRPC_WEB_TEXT, "ab", SPAN_LIT("AAAAAAJhYg==")},
		{"3, letters", GRPC_WEB_TEXT, "abc", SPAN_LIT("AAAAAANhYmM=")},
		{"4, letters", GRPC_WEB_TEXT, "abcd", SPAN_LIT("AAAAAARhYmNk")},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct buf out;

		buf_init(&out, 100);
		assert_true(
			grpc_web_write_message(rows[i].form, span_from_str(rows[i].message), &out));
		UNIT_ROW(rows[i].name, span_eq(buf_span(&out), rows[i].frame));
		buf_fini(&out);
		/* All or nothing. */
		for (size_t room = 0; room < rows[i].frame.len; room++) {
			buf_init(&out, room);
			UNIT_ROW(rows[i].name,
				 !grpc_web_write_message(rows[i].form,
							 span_from_str(rows[i].message), &out));
			UNIT_ROW(rows[i].name, buf_len(&out) == 0 && !out.is_full);
			buf_fini(&out);
		}
	}
}

static void a_status_is_the_last_frame(void **state)
{
	struct metadata_item items[] = {{SPAN_LIT("x-last"), SPAN_LIT("1")},
					{SPAN_LIT("x-raw-bin"), SPAN_LIT("\0\xff")},
					{SPAN_LIT("x-evil"), SPAN_LIT("a\r\nb: c")}};
	struct metadata trailers = {.items = items, .count = COUNT_OF(items)};
	struct grpc_status status = {
		.code = ST_NOT_FOUND,
		.message = SPAN_LIT("no \xc3\xa4\n"),
		.details = SPAN_LIT("\x08\x05"),
		.trailers = &trailers,
	};
	const char *lines = "grpc-status: 5\r\ngrpc-message: no %C3%A4%0A\r\n"
			    "grpc-status-details-bin: CAU\r\nx-last: 1\r\nx-raw-bin: AP8\r\n";
	struct buf out;
	struct buf raw;

	(void)state;
	buf_init(&out, 1000);
	buf_init(&raw, 1000);
	assert_true(grpc_web_write_status(GRPC_WEB_BINARY, &status, &out));
	assert_true(span_starts_with(buf_span(&out), SPAN_LIT("\x80\0\0\0")));
	assert_int_equal(buf_span(&out).data[4], strlen(lines));
	UNIT_ROW_SPAN("lines", span_skip(buf_span(&out), 5), lines);
	assert_true(grpc_web_write_status(GRPC_WEB_TEXT, &status, &raw));
	buf_reset(&out);
	assert_true(text_base64_decode(buf_span(&raw), &out));
	UNIT_ROW_SPAN("letters", span_skip(buf_span(&out), 5), lines);
	buf_fini(&out);
	buf_fini(&raw);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bodies_are_read_wherever_they_are_cut),
		cmocka_unit_test(what_waits_is_bounded),
		cmocka_unit_test(content_types_are_known),
		cmocka_unit_test(accept_chooses_the_form_of_the_reply),
		cmocka_unit_test(messages_are_written),
		cmocka_unit_test(a_status_is_the_last_frame),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

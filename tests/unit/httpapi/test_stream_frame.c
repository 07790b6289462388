#include "httpapi/stream_frame.h"

#include "tests/unit/unit.h"

#define BROKEN "(broken)"

/* "+" a value, "~" a heartbeat, "." the end, "!" an error. */
static void play(struct stream_frame *frame, const char *script, struct buf *out)
{
	for (; *script; script++) {
		bool is_told = true;
		size_t start;

		if (*script == '+') {
			assert_true(stream_frame_open(frame, out, &start));
			assert_true(buf_append_str(out, "{\"a\":1}"));
			assert_true(stream_frame_close(frame, out, start));
		} else if (*script == '~') {
			(void)stream_frame_heartbeat(frame, out); /* not in every framing */
		} else if (*script == '.') {
			assert_true(stream_frame_end(frame, out));
		} else {
			assert_true(
				stream_frame_error(frame, SPAN_LIT("{\"code\":5}"), out, &is_told));
			assert_true(is_told || buf_append_str(out, BROKEN));
		}
	}
}

static void bodies_are_laid_out(void **state)
{
	static const struct {
		const char *name;
		struct stream_frame frame;
		const char *script;
		const char *body;
	} rows[] = {
		{"empty array", {FRAMING_ARRAY, 0}, ".", "[]"},
		{"array", {FRAMING_ARRAY, 0}, "++.", "[{\"a\":1},{\"a\":1}]"},
		{"array has no heartbeat", {FRAMING_ARRAY, 0}, "+~.", "[{\"a\":1}]"},
		{"array breaks", {FRAMING_ARRAY, 0}, "+!", "[{\"a\":1}" BROKEN},
		{"array with error element",
		 {FRAMING_ARRAY, .has_error_element = true},
		 "+!",
		 "[{\"a\":1},{\"@error\":{\"code\":5}}]"},
		{"array of an error",
		 {FRAMING_ARRAY, .has_error_element = true},
		 "!",
		 "[{\"@error\":{\"code\":5}}]"},
		{"no lines", {FRAMING_LINES, 0}, ".", ""},
		{"lines", {FRAMING_LINES, 0}, "+~+.", "{\"a\":1}\n{\"a\":1}\n"},
		{"lines fail", {FRAMING_LINES, 0}, "+!", "{\"a\":1}\n{\"error\":{\"code\":5}}\n"},
		{"events", {FRAMING_SSE, 0}, "+~+.", "data: {\"a\":1}\n\n:\n\ndata: {\"a\":1}\n\n"},
		{"events end",
		 {FRAMING_SSE, .has_end_event = true},
		 "+.",
		 "data: {\"a\":1}\n\nevent: end\ndata: {}\n\n"},
		{"events fail",
		 {FRAMING_SSE, .has_end_event = true},
		 "+!",
		 "data: {\"a\":1}\n\nevent: error\ndata: {\"code\":5}\n\n"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct stream_frame frame = rows[i].frame;
		struct buf out;

		buf_init(&out, 1000);
		play(&frame, rows[i].script, &out);
		UNIT_ROW_SPAN(rows[i].name, buf_span(&out), rows[i].body);
		buf_fini(&out);
	}
}

static void a_value_that_does_not_fit_leaves_nothing(void **state)
{
	struct stream_frame frame = {.framing = FRAMING_SSE};
	struct buf out;
	size_t start;

	(void)state;
	buf_init(&out, 8);
	assert_true(stream_frame_open(&frame, &out, &start));
	assert_true(buf_append_str(&out, "1"));
	assert_false(stream_frame_close(&frame, &out, start));
	assert_int_equal(buf_len(&out), 0);
	assert_int_equal(frame.count, 0);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bodies_are_laid_out),
		cmocka_unit_test(a_value_that_does_not_fit_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "httpapi/accept.h"

#include "tests/unit/unit.h"

#define NONE FRAMING_COUNT_

static void framings_are_chosen(void **state)
{
	static const struct {
		const char *text;
		enum framing framing; /* NONE: 406 */
		const char *type;
		enum framing preferred;
	} rows[] = {
		{"", FRAMING_ARRAY, "application/json", FRAMING_ARRAY},
		{"", FRAMING_LINES, "application/x-ndjson", FRAMING_LINES},
		{"*/*", FRAMING_ARRAY, "application/json", FRAMING_ARRAY},
		{"*/*", FRAMING_LINES, "application/x-ndjson", FRAMING_LINES},
		{"application/*", FRAMING_ARRAY, "application/json", FRAMING_ARRAY},
		{"application/*", FRAMING_LINES, "application/x-ndjson", FRAMING_LINES},
		{"text/*", FRAMING_SSE, "text/event-stream", FRAMING_ARRAY},
		{"application/json", FRAMING_ARRAY, "application/json", FRAMING_LINES},
		{"application/x-ndjson", FRAMING_LINES, "application/x-ndjson", FRAMING_ARRAY},
		{"application/jsonl", FRAMING_LINES, "application/jsonl", FRAMING_ARRAY},
		{"application/ndjson", FRAMING_LINES, "application/ndjson", FRAMING_ARRAY},
		{"text/event-stream", FRAMING_SSE, "text/event-stream", FRAMING_ARRAY},
		{"Text/Event-Stream", FRAMING_SSE, "text/event-stream", FRAMING_ARRAY},
		{"application/json; charset=utf-8", FRAMING_ARRAY, "application/json",
		 FRAMING_LINES},
		/* q-values */
		{"application/json;q=0.5, text/event-stream", FRAMING_SSE, "text/event-stream",
		 FRAMING_ARRAY},
		{"application/json;q=0.5,application/x-ndjson;q=0.9,text/event-stream;q=0.899",
		 FRAMING_LINES, "application/x-ndjson", FRAMING_ARRAY},
		{"text/event-stream ; Q=0.3 , */* ; q=0.2", FRAMING_SSE, "text/event-stream",
		 FRAMING_ARRAY},
		{"application/json;q=0, */*", FRAMING_LINES, "application/x-ndjson", FRAMING_ARRAY},
		{"application/*;q=0, */*", FRAMING_SSE, "text/event-stream", FRAMING_ARRAY},
		{"*/*;q=0.1, application/*;q=0.2, application/x-ndjson;q=0.05", FRAMING_ARRAY,
		 "application/json", FRAMING_LINES},
		{"application/json;q=1.000, text/event-stream;q=0.999", FRAMING_ARRAY,
		 "application/json", FRAMING_LINES},
		{"application/json;q=nonsense, text/event-stream;q=0.9", FRAMING_ARRAY,
		 "application/json", FRAMING_LINES},
		{"application/jsonl;q=0.2, application/x-ndjson;q=0.8", FRAMING_LINES,
		 "application/x-ndjson", FRAMING_ARRAY},
		{"application/x-ndjson;q=0.8, application/jsonl;q=0.2", FRAMING_LINES,
		 "application/x-ndjson", FRAMING_ARRAY},
		/* equal: the named one before a range, then the preferred one, then in order */
		{"*/*, text/event-stream", FRAMING_SSE, "text/event-stream", FRAMING_ARRAY},
		{"application/json, text/plain, */*", FRAMING_ARRAY, "application/json",
		 FRAMING_LINES},
		{"application/json, text/event-stream", FRAMING_ARRAY, "application/json",
		 FRAMING_LINES},
		{"text/event-stream, application/x-ndjson", FRAMING_LINES, "application/x-ndjson",
		 FRAMING_ARRAY},
		{"application/x-ndjson, application/json", FRAMING_LINES, "application/x-ndjson",
		 FRAMING_LINES},
		{"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", FRAMING_ARRAY,
		 "application/json", FRAMING_ARRAY},
		/* what is no media range is left out */
		{"nonsense", FRAMING_ARRAY, "application/json", FRAMING_ARRAY},
		{", ,,text/event-stream,", FRAMING_SSE, "text/event-stream", FRAMING_ARRAY},
		{"a/b;x=\"text/event-stream,q=\\\"\", text/event-stream", FRAMING_SSE,
		 "text/event-stream", FRAMING_ARRAY},
		/* none fits */
		{"text/html", NONE, "", FRAMING_ARRAY},
		{"application/xml, image/*", NONE, "", FRAMING_ARRAY},
		{"*/*;q=0", NONE, "", FRAMING_ARRAY},
		{"application/json;q=0", NONE, "", FRAMING_ARRAY},
		{"application/json;q=0.000, text/event-stream;q=0", NONE, "", FRAMING_LINES},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct accept accept = {0};
		enum framing framing = NONE;

		accept_add(&accept, span_from_str(rows[i].text));
		UNIT_ROW(rows[i].text, accept_choose(&accept, rows[i].preferred, &framing) ==
					       (rows[i].framing != NONE));
		UNIT_ROW(rows[i].text, framing == rows[i].framing);
		if (framing != NONE)
			UNIT_ROW_SPAN(rows[i].text,
				      span_from_str(accept_content_type(&accept, framing)),
				      rows[i].type);
	}
}

static void one_type_is_taken_or_not(void **state)
{
	static const struct {
		const char *text;
		const char *type;
		bool is_taken;
	} rows[] = {
		{"", "application/json", true},
		{"nonsense", "application/json", true},
		{"*/*", "application/json", true},
		{"application/*", "application/json", true},
		{"APPLICATION/JSON;q=0.1", "application/json", true},
		{"text/html", "application/json", false},
		{"text/*, image/png", "application/json", false},
		{"*/*, application/json;q=0", "application/json", false},
		{"*/*;q=0, image/*", "image/png", true},
		{"image/*;q=0, image/png", "image/png", true},
		{"image/*;q=0, image/png", "image/gif", false},
		{"applicatio/*", "application/json", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct accept_type accept = {.type = span_from_str(rows[i].type)};

		accept_type_add(&accept, span_from_str(rows[i].text));
		UNIT_ROW(rows[i].text, accept_type_takes(&accept) == rows[i].is_taken);
	}
}

static void several_headers_are_one_list(void **state)
{
	struct accept accept = {0};
	enum framing framing = NONE;

	(void)state;
	accept_add(&accept, SPAN_LIT("application/json;q=0.5"));
	accept_add(&accept, SPAN_LIT("text/event-stream"));
	assert_true(accept_choose(&accept, FRAMING_ARRAY, &framing));
	assert_int_equal(framing, FRAMING_SSE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(framings_are_chosen),
		cmocka_unit_test(one_type_is_taken_or_not),
		cmocka_unit_test(several_headers_are_one_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

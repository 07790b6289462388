#include "src/server/merge_metrics.h"

#include "tests/unit/unit.h"

#define WORKERS 3

#define CALLS "# HELP calls_total Calls, all\n# TYPE calls_total counter\n"
#define CALLS_MORE "# HELP calls_total_more More\n# TYPE calls_total_more gauge\n"
#define TIME "# HELP t_seconds Time\n# TYPE t_seconds histogram\n"

static void texts_are_merged(void **state)
{
	static const struct {
		const char *name;
		const char *texts[WORKERS];
		const char *merged;
	} rows[] = {
		{"nobody answered", {"", "", ""}, ""},
		{"without labels",
		 {CALLS "calls_total 1\n", CALLS "calls_total 2\n", ""},
		 CALLS "calls_total{worker=\"0\"} 1\ncalls_total{worker=\"1\"} 2\n"},
		{"with labels",
		 {CALLS "calls_total{kind=\"a b\"} 1\n", "", ""},
		 CALLS "calls_total{worker=\"0\",kind=\"a b\"} 1\n"},
		{"a brace in a value of another sample",
		 {CALLS "calls_total 1\ncalls_total{kind=\"{\"} 3\n", "", ""},
		 CALLS "calls_total{worker=\"0\"} 1\ncalls_total{worker=\"0\",kind=\"{\"} 3\n"},
		{"in one block each, also when one lacks the first",
		 {CALLS_MORE "calls_total_more 5\n",
		  CALLS "calls_total 1\n" CALLS_MORE "calls_total_more 6\n", ""},
		 CALLS_MORE
		 "calls_total_more{worker=\"0\"} 5\ncalls_total_more{worker=\"1\"} 6\n" CALLS
		 "calls_total{worker=\"1\"} 1\n"},
		{"a histogram",
		 {"", "",
		  TIME "t_seconds_bucket{le=\"1\"} 1\nt_seconds_sum 0.5\nt_seconds_count 1\n"},
		 TIME "t_seconds_bucket{worker=\"2\",le=\"1\"} 1\nt_seconds_sum{worker=\"2\"} 0.5\n"
		      "t_seconds_count{worker=\"2\"} 1\n"},
		{"broken off in the middle of a line",
		 {CALLS "calls_to", CALLS "calls_total 2\n", ""},
		 CALLS "calls_to{worker=\"0\"}calls_total{worker=\"1\"} 2\n"},
		{"a comment alone", {"# HELP", "# HELP x", "nonsense\n"}, "# HELP x"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct span texts[WORKERS];
		struct buf out;

		for (size_t w = 0; w < WORKERS; w++)
			texts[w] = span_from_str(rows[i].texts[w]);
		buf_init(&out, 4096);
		UNIT_ROW(rows[i].name, merge_metrics(texts, WORKERS, &out));
		UNIT_ROW(rows[i].name, span_eq_str(buf_span(&out), rows[i].merged));
		buf_fini(&out);
	}
}

static void a_full_buffer_is_told(void **state)
{
	const struct span text = span_from_str(CALLS "calls_total 1\n");
	struct buf out;

	(void)state;
	buf_init(&out, 40);
	assert_false(merge_metrics(&text, 1, &out));
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_are_merged),
		cmocka_unit_test(a_full_buffer_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

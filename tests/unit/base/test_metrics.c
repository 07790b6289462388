#include "src/base/metrics.h"

#include <stdio.h>

#include "tests/unit/unit.h"

#define OUT_MAX ((size_t)4 * 1024 * 1024)

/* The exposition as a C string; freed by buf_fini. */
static const char *printed(const struct metrics *metrics, struct buf *out)
{
	buf_init(out, OUT_MAX);
	assert_true(metrics_print(metrics, out));
	assert_true(buf_append_byte(out, 0));
	return (const char *)buf_span(out).data;
}

static void nothing_is_printed_before_use(void **state)
{
	struct metrics *metrics = metrics_new();
	struct buf out;

	(void)state;
	assert_string_equal(printed(metrics, &out), "");
	buf_fini(&out);
	metrics_free(metrics);
	metrics_free(NULL);
}

static void counters_and_gauges_in_the_text_format(void **state)
{
	struct metrics *metrics = metrics_new();
	struct metrics_label labels[] = {{"method", SPAN_LIT("AddItem")},
					 {"code", SPAN_LIT("a\"b\\c\nd")}};
	struct metrics_series *requests =
		metrics_series(metrics, METRIC_REQUESTS, labels, COUNT_OF(labels));
	struct metrics_series *active = metrics_series(metrics, METRIC_REQUESTS_ACTIVE, NULL, 0);
	struct buf out;

	(void)state;
	metrics_add(requests, 2);
	metrics_add(requests, 1);
	metrics_set(active, 7);
	metrics_set(active, -3);
	assert_int_equal(metrics_value(requests), 3);
	assert_int_equal(metrics_value(active), -3);
	assert_string_equal(
		printed(metrics, &out),
		"# HELP headgate_requests_total Finished calls by method, protocol and gRPC code\n"
		"# TYPE headgate_requests_total counter\n"
		"headgate_requests_total{method=\"AddItem\",code=\"a\\\"b\\\\c\\nd\"} 3\n"
		"# HELP headgate_requests_active Calls in progress\n"
		"# TYPE headgate_requests_active gauge\n"
		"headgate_requests_active -3\n");
	buf_fini(&out);
	metrics_free(metrics);
}

static void same_labels_same_series(void **state)
{
	struct metrics *metrics = metrics_new();
	struct metrics_label a = {"code", SPAN_LIT("OK")};
	struct metrics_label b = {"code", SPAN_LIT("ABORTED")};

	(void)state;
	assert_ptr_equal(metrics_series(metrics, METRIC_REQUESTS, &a, 1),
			 metrics_series(metrics, METRIC_REQUESTS, &a, 1));
	assert_ptr_not_equal(metrics_series(metrics, METRIC_REQUESTS, &a, 1),
			     metrics_series(metrics, METRIC_REQUESTS, &b, 1));
	assert_ptr_not_equal(metrics_series(metrics, METRIC_REQUESTS, &a, 1),
			     metrics_series(metrics, METRIC_JOURNAL_APPENDS, &a, 1));
	metrics_free(metrics);
}

static void histograms_count_below_their_bounds(void **state)
{
	static const uint64_t observed_ns[] = {
		0, 100000, 100001, 999999, 3000000000ULL, 10000000000ULL, 10000000001ULL};
	struct metrics *metrics = metrics_new();
	struct metrics_label label = {"method", SPAN_LIT("Get")};
	struct metrics_series *series = metrics_series(metrics, METRIC_REQUEST_SECONDS, &label, 1);
	struct metrics_series *bare = metrics_series(metrics, METRIC_REQUEST_SECONDS, NULL, 0);
	const char *text;
	struct buf out;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(observed_ns); i++)
		metrics_observe_ns(series, observed_ns[i]);
	metrics_observe_ns(bare, 200000);
	assert_int_equal(metrics_value(series), 7);
	text = printed(metrics, &out);
#define HAS(line) assert_non_null(strstr(text, "\nheadgate_request_seconds" line "\n"))
	HAS("_bucket{method=\"Get\",le=\"0.0001\"} 2");
	HAS("_bucket{method=\"Get\",le=\"0.00025\"} 3");
	HAS("_bucket{method=\"Get\",le=\"0.0005\"} 3");
	HAS("_bucket{method=\"Get\",le=\"0.001\"} 4");
	HAS("_bucket{method=\"Get\",le=\"2.5\"} 4");
	HAS("_bucket{method=\"Get\",le=\"5\"} 5");
	HAS("_bucket{method=\"Get\",le=\"10\"} 6");
	HAS("_bucket{method=\"Get\",le=\"+Inf\"} 7");
	HAS("_sum{method=\"Get\"} 23.001200001");
	HAS("_count{method=\"Get\"} 7");
	HAS("_bucket{le=\"0.0001\"} 0");
	HAS("_bucket{le=\"0.00025\"} 1");
	HAS("_sum 0.000200000");
	HAS("_count 1");
#undef HAS
	buf_fini(&out);
	metrics_free(metrics);
}

static void too_many_series_share_one(void **state)
{
	struct metrics *metrics = metrics_new();
	struct metrics_series *extra[3] = {NULL};
	struct metrics_label first = {"method", SPAN_LIT("m0")};
	struct metrics_series *kept;
	struct buf out;

	(void)state;
	for (int i = 0; i < METRICS_SERIES_MAX + 3; i++) {
		char name[16];
		struct metrics_label label = {"method", SPAN_EMPTY};
		struct metrics_series *series;

		(void)snprintf(name, sizeof(name), "m%d", i);
		label.value = span_from_str(name);
		series = metrics_series(metrics, METRIC_REQUESTS, &label, 1);
		metrics_add(series, 1);
		if (i >= METRICS_SERIES_MAX)
			extra[i - METRICS_SERIES_MAX] = series;
	}
	assert_ptr_equal(extra[0], extra[1]);
	assert_ptr_equal(extra[0], extra[2]);
	kept = metrics_series(metrics, METRIC_REQUESTS, &first, 1);
	assert_ptr_not_equal(kept, extra[0]);
	assert_int_equal(metrics_value(kept), 1);
	assert_non_null(
		strstr(printed(metrics, &out), "\nheadgate_requests_total{overflow=\"true\"} 3\n"));
	buf_fini(&out);
	metrics_free(metrics);
}

static void overlong_labels_share_the_overflow_series(void **state)
{
	static char big[5000];
	struct metrics *metrics = metrics_new();
	struct metrics_label label = {"method", span_make(big, sizeof(big))};
	struct metrics_label other = {"path", span_make(big, sizeof(big))};

	(void)state;
	memset(big, 'x', sizeof(big));
	assert_ptr_equal(metrics_series(metrics, METRIC_REQUESTS, &label, 1),
			 metrics_series(metrics, METRIC_REQUESTS, &other, 1));
	metrics_free(metrics);
}

static void full_output_is_reported(void **state)
{
	struct metrics *metrics = metrics_new();
	struct buf out;

	(void)state;
	metrics_set(metrics_series(metrics, METRIC_REQUESTS_ACTIVE, NULL, 0), 1);
	buf_init(&out, 20);
	assert_false(metrics_print(metrics, &out));
	buf_fini(&out);
	metrics_free(metrics);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_printed_before_use),
		cmocka_unit_test(counters_and_gauges_in_the_text_format),
		cmocka_unit_test(same_labels_same_series),
		cmocka_unit_test(histograms_count_below_their_bounds),
		cmocka_unit_test(too_many_series_share_one),
		cmocka_unit_test(overlong_labels_share_the_overflow_series),
		cmocka_unit_test(full_output_is_reported),
	};

	return cmocka_run_group_tests_name("base/metrics", tests, NULL, NULL);
}

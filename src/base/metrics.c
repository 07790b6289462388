#include "src/base/metrics.h"

#include <inttypes.h>

#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/list.h"
#include "src/base/map.h"
#include "src/base/mem.h"

/* A series is found by its labels as they are printed ("{code=\"OK\"}"), so printing is copying.
 * Series are never removed: handles stay good, and METRICS_SERIES_MAX bounds them. */

/* Labels are a few short names; a series whose labels are longer joins the overflow series. */
#define METRICS_LABELS_MAX ((size_t)2048)

enum metric_kind { METRIC_KIND_counter, METRIC_KIND_gauge, METRIC_KIND_histogram };

static const struct {
	const char *name;
	const char *help;
	enum metric_kind kind;
	const char *kind_name;
} metric_rows[] = {
#define MT(name, kind, text, unit, help) {text, help, METRIC_KIND_##kind, #kind},
#include "src/base/metrics.def"
#undef MT
};

/* From a hit in memory (100 us) to a call that is nearly given up (10 s). */
static const struct {
	uint64_t upper_ns;
	const char *text;
} buckets[] = {
	{100000, "0.0001"},  {250000, "0.00025"}, {500000, "0.0005"},  {1000000, "0.001"},
	{2500000, "0.0025"}, {5000000, "0.005"},  {10000000, "0.01"},  {25000000, "0.025"},
	{50000000, "0.05"},  {100000000, "0.1"},  {250000000, "0.25"}, {500000000, "0.5"},
	{1000000000, "1"},   {2500000000, "2.5"}, {5000000000, "5"},   {10000000000, "10"},
};
#define BUCKET_COUNT (sizeof(buckets) / sizeof(buckets[0]))

struct metrics_series {
	struct map_node by_labels;
	struct list in_order;
	enum metric metric;
	char *labels; /* owned; "" or "{...}" */
	int64_t value;
	/* histograms only; value is the count */
	uint64_t *per_bucket;
	uint64_t sum_ns;
};

struct metrics_family {
	struct map by_labels;
	struct list in_order;
};

struct metrics {
	struct metrics_family families[METRIC_COUNT_];
};

struct metrics *metrics_new(void)
{
	struct metrics *metrics = mem_new(struct metrics);

	for (size_t i = 0; i < METRIC_COUNT_; i++) {
		map_init(&metrics->families[i].by_labels);
		list_init(&metrics->families[i].in_order);
	}
	return metrics;
}

void metrics_free(struct metrics *metrics)
{
	if (!metrics)
		return;
	for (size_t i = 0; i < METRIC_COUNT_; i++) {
		list_for_each_safe (it, &metrics->families[i].in_order) {
			struct metrics_series *series =
				list_entry(it, struct metrics_series, in_order);

			mem_free(series->labels);
			mem_free(series->per_bucket);
			mem_free(series);
		}
		map_fini(&metrics->families[i].by_labels);
	}
	mem_free(metrics);
}

static void metrics_append_value(struct buf *out, struct span value)
{
	for (size_t i = 0; i < value.len; i++) {
		uint8_t c = value.data[i];

		if (c == '\\' || c == '"' || c == '\n')
			(void)buf_append_byte(out, '\\'); /* is_full is sticky */
		(void)buf_append_byte(out, c == '\n' ? 'n' : c);
	}
}

/* False when the labels do not fit. */
static bool metrics_print_labels(const struct metrics_label *labels, size_t count, struct buf *out)
{
	for (size_t i = 0; i < count; i++) {
		(void)buf_printf(out, "%c%s=\"", i == 0 ? '{' : ',', labels[i].name);
		metrics_append_value(out, labels[i].value);
		(void)buf_append_byte(out, '"');
	}
	if (count)
		(void)buf_append_byte(out, '}');
	return !out->is_full;
}

static struct metrics_series *metrics_series_new(struct metrics *metrics, enum metric metric,
						 struct span labels)
{
	struct metrics_family *family = &metrics->families[metric];
	struct metrics_series *series = mem_new(struct metrics_series);

	series->metric = metric;
	series->labels = mem_strndup(labels.data, labels.len);
	if (metric_rows[metric].kind == METRIC_KIND_histogram)
		series->per_bucket = mem_new_array(uint64_t, BUCKET_COUNT);
	series->by_labels.key = span_make(series->labels, labels.len);
	BUG_ON(!map_insert(&family->by_labels, &series->by_labels));
	list_push_back(&family->in_order, &series->in_order);
	return series;
}

struct metrics_series *metrics_series(struct metrics *metrics, enum metric metric,
				      const struct metrics_label *labels, size_t count)
{
	struct metrics_family *family = &metrics->families[metric];
	struct metrics_series *series;
	struct map_node *node;
	struct buf text;
	struct span key = SPAN_LIT("{overflow=\"true\"}");
	bool is_printed;

	buf_init(&text, METRICS_LABELS_MAX);
	is_printed = metrics_print_labels(labels, count, &text);
	node = is_printed ? map_find(&family->by_labels, buf_span(&text)) : NULL;
	if (!node && is_printed && family->by_labels.count < METRICS_SERIES_MAX)
		key = buf_span(&text);
	if (!node)
		node = map_find(&family->by_labels, key);
	series = node ? container_of(node, struct metrics_series, by_labels)
		      : metrics_series_new(metrics, metric, key);
	buf_fini(&text);
	return series;
}

void metrics_add(struct metrics_series *series, uint64_t amount)
{
	series->value += (int64_t)amount;
}

void metrics_set(struct metrics_series *series, int64_t value)
{
	series->value = value;
}

void metrics_observe_ns(struct metrics_series *series, uint64_t elapsed_ns)
{
	size_t i = 0;

	BUG_ON(!series->per_bucket);
	while (i < BUCKET_COUNT && elapsed_ns > buckets[i].upper_ns)
		i++;
	if (i < BUCKET_COUNT)
		series->per_bucket[i]++;
	series->value++;
	series->sum_ns += elapsed_ns;
}

int64_t metrics_value(const struct metrics_series *series)
{
	return series->value;
}

static void metrics_print_histogram(const struct metrics_series *series, struct buf *out)
{
	const char *name = metric_rows[series->metric].name;
	struct span labels = span_from_str(series->labels);
	uint64_t below = 0;

	/* The bucket's bound is one more label: open the list again. */
	labels = labels.len ? span_make(labels.data + 1, labels.len - 2) : labels;
	for (size_t i = 0; i <= BUCKET_COUNT; i++) {
		uint64_t count = (uint64_t)series->value;

		if (i < BUCKET_COUNT) {
			below += series->per_bucket[i];
			count = below;
		}
		(void)buf_printf(out, "%s_bucket{%.*s%sle=\"%s\"} %" PRIu64 "\n", name,
				 SPAN_FMT(labels), labels.len ? "," : "",
				 i < BUCKET_COUNT ? buckets[i].text : "+Inf", count);
	}
	(void)buf_printf(out, "%s_sum%s %" PRIu64 ".%09" PRIu64 "\n", name, series->labels,
			 series->sum_ns / NS_PER_S, series->sum_ns % NS_PER_S);
	(void)buf_printf(out, "%s_count%s %" PRId64 "\n", name, series->labels, series->value);
}

bool metrics_print(const struct metrics *metrics, struct buf *out)
{
	for (size_t i = 0; i < METRIC_COUNT_; i++) {
		if (list_is_empty(&metrics->families[i].in_order))
			continue;
		(void)buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", metric_rows[i].name,
				 metric_rows[i].help, metric_rows[i].name,
				 metric_rows[i].kind_name);
		list_for_each (it, &metrics->families[i].in_order) {
			struct metrics_series *series =
				list_entry(it, struct metrics_series, in_order);

			if (metric_rows[i].kind == METRIC_KIND_histogram)
				metrics_print_histogram(series, out);
			else
				(void)buf_printf(out, "%s%s %" PRId64 "\n", metric_rows[i].name,
						 series->labels, series->value);
		}
	}
	return !out->is_full;
}

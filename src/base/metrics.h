#ifndef HEADGATE_SRC_BASE_METRICS_H
#define HEADGATE_SRC_BASE_METRICS_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/buf.h"
#include "src/base/span.h"

/* Counters, gauges and histograms in the Prometheus text format 0.0.4. What exists stands in
 * metrics.def: MT(NAME, kind, "headgate_name", "unit", "help"). A series is one metric with one set
 * of label values; callers look it up once and keep the handle. Histograms take nanoseconds and are
 * printed in seconds with fixed buckets. */
enum metric {
#define MT(name, kind, text, unit, help) METRIC_##name,
#include "src/base/metrics.def"
#undef MT
	METRIC_COUNT_
};

/* At most this many series per metric; later ones share one series labelled overflow="true". Label
 * values may come from a peer only through a bounded set (method names of the schema, codes). */
#define METRICS_SERIES_MAX 4096

struct metrics;
struct metrics_series;

struct metrics *metrics_new(void);
void metrics_free(struct metrics *metrics);

/* One label of a series; name is a literal, value is copied and escaped. */
struct metrics_label {
	const char *name;
	struct span value;
};

/* The series of a metric with these labels, made on first use; borrowed until metrics_free. */
struct metrics_series *metrics_series(struct metrics *metrics, enum metric metric,
				      const struct metrics_label *labels, size_t count);

void metrics_add(struct metrics_series *series, uint64_t amount);
void metrics_set(struct metrics_series *series, int64_t value);
void metrics_observe_ns(struct metrics_series *series, uint64_t elapsed_ns);

/* The value of a counter or gauge, the count of a histogram (tests, /status). */
int64_t metrics_value(const struct metrics_series *series);

/* Appends the exposition text; false when out is full. Metrics without a series are left out. */
bool metrics_print(const struct metrics *metrics, struct buf *out);

#endif

#ifndef HEADGATE_SRC_SERVER_MERGE_METRICS_H
#define HEADGATE_SRC_SERVER_MERGE_METRICS_H

#include <stdbool.h>
#include <stddef.h>

#include "src/base/buf.h"
#include "src/base/span.h"

/* Makes one exposition of those of several workers: every sample gets the label worker, every
 * metric stands once with its HELP and TYPE. texts[i] is what metrics_print of worker i gave, empty
 * when it did not answer. False when out is full. */
bool merge_metrics(const struct span *texts, size_t count, struct buf *out);

#endif

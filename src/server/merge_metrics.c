/* Works on text alone, and on what metrics_print writes: each metric is one block that begins with
 * its HELP line. */
#include "src/server/merge_metrics.h"

#include <stdint.h>

#include "src/base/mem.h"
#include "src/base/metrics.h"

#define HELP SPAN_LIT("# HELP ")

/* Where a metric's block is taken from: the first worker that has it names it. */
struct family {
	struct span name;
	struct span header; /* HELP and TYPE, with their line ends */
};

static struct span line_of(struct span text)
{
	size_t len = span_find(text, '\n');

	return span_head(text, len < text.len ? len + 1 : len);
}

static struct span name_of(struct span line)
{
	struct span name = span_skip(line, HELP.len);

	return span_head(name, span_find(name, ' '));
}

/* The comment lines that a text begins with. */
static struct span header_of(struct span text)
{
	size_t len = 0;

	while (len < text.len && text.data[len] == '#')
		len += line_of(span_skip(text, len)).len;
	return span_head(text, len);
}

/* The text from the next HELP line on. */
static struct span next_block(struct span text)
{
	while (text.len && !span_starts_with(text, HELP))
		text = span_skip(text, line_of(text).len);
	return text;
}

static size_t collect(struct span text, struct family *families, size_t count)
{
	for (text = next_block(text); text.len && count < METRIC_COUNT_;
	     text = next_block(span_skip(text, line_of(text).len))) {
		struct span name = name_of(text);
		size_t i = 0;

		while (i < count && !span_eq(families[i].name, name))
			i++;
		if (i == count)
			families[count++] = (struct family){name, header_of(text)};
	}
	return count;
}

static void put_sample(struct span line, size_t worker, struct buf *out)
{
	size_t brace = span_find(line, '{');
	size_t end = span_find(line, ' ');

	if (brace < end) {
		(void)buf_append(out, span_head(line, brace));
		(void)buf_printf(out, "{worker=\"%zu\",", worker);
		(void)buf_append(out, span_skip(line, brace + 1));
	} else {
		(void)buf_append(out, span_head(line, end));
		(void)buf_printf(out, "{worker=\"%zu\"}", worker);
		(void)buf_append(out, span_skip(line, end));
	}
}

static void put_samples(struct span text, struct span name, size_t worker, struct buf *out)
{
	text = next_block(text);
	while (text.len && !span_eq(name_of(text), name))
		text = next_block(span_skip(text, line_of(text).len));
	text = span_skip(text, header_of(text).len);
	while (text.len && text.data[0] != '#') {
		struct span line = line_of(text);

		put_sample(line, worker, out);
		text = span_skip(text, line.len);
	}
}

bool merge_metrics(const struct span *texts, size_t count, struct buf *out)
{
	struct family families[METRIC_COUNT_];
	size_t family_count = 0;

	for (size_t i = 0; i < count; i++)
		family_count = collect(texts[i], families, family_count);
	for (size_t f = 0; f < family_count; f++) {
		(void)buf_append(out, families[f].header);
		for (size_t i = 0; i < count; i++)
			put_samples(texts[i], families[f].name, i, out);
	}
	return !out->is_full;
}

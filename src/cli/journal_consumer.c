/* headgate journal consumer: how far a consumer is, and going on after a regression. */
#include <inttypes.h>

#include "journal/feed.h"
#include "journal/redis/redis_feed.h"
#include "src/base/clock.h"
#include "src/base/text.h"
#include "src/cli/journal.h"
#include "src/runtime/loop.h"

/* Each question is answered or given up within so long. */
#define QUESTION_MS ((uint64_t)5000)

struct watch_of_consumer {
	struct tool *tool;
	struct feed *feed;
	struct feed_source source;
	struct span consumer;
	struct feed_checkpoint checkpoint;
	uint64_t head;
	uint64_t skipped;
	bool is_regressed;
	bool is_answered;
	enum status status;
};

static void answered(struct watch_of_consumer *w, const struct error *error)
{
	w->is_answered = true;
	w->status = error ? error->status : ST_OK;
	if (error)
		w->tool->err = *error;
}

static void on_checkpoint(void *data, const struct feed_checkpoint *checkpoint,
			  const struct error *error)
{
	struct watch_of_consumer *w = data;

	if (checkpoint)
		w->checkpoint = *checkpoint;
	answered(w, error);
}

static void on_page(void *data, const struct feed_page *page, const struct error *error)
{
	struct watch_of_consumer *w = data;

	if (page) {
		w->head = page->head;
		w->skipped = page->skipped;
		w->is_regressed = page->is_regressed;
	}
	answered(w, error);
}

static void on_accepted(void *data, const struct error *error)
{
	answered(data, error);
}

static bool is_answered(void *data)
{
	return ((const struct watch_of_consumer *)data)->is_answered;
}

static enum status await(struct watch_of_consumer *w, struct feed_request *request)
{
	/* the feed's own limit comes first */
	if (loop_run_until(w->tool->loop, is_answered, w,
			   clock_deadline(clock_mono_ns(), 2 * QUESTION_MS * NS_PER_MS))) {
		w->is_answered = false;
		return w->status;
	}
	feed_cancel(w->feed, request);
	return error_set(&w->tool->err, ST_UNAVAILABLE, "the journal does not answer");
}

static enum status look(struct watch_of_consumer *w)
{
	enum status st =
		await(w, feed_load_checkpoint(w->feed, &w->source, w->consumer, on_checkpoint, w));

	return st == ST_OK ? await(w, feed_read(w->feed, &w->source, &w->checkpoint, 1, on_page, w))
			   : st;
}

static void print(struct watch_of_consumer *w, const char *what)
{
	struct buf *out = &w->tool->out;
	uint64_t behind = w->head > w->checkpoint.position ? w->head - w->checkpoint.position : 0;

	if (w->tool->args->is_json)
		(void)buf_printf(out,
				 "{\"partition\":%u,\"position\":%" PRIu64 ",\"newest\":%" PRIu64
				 ",\"behind\":%" PRIu64 ",\"trimmed\":%" PRIu64
				 ",\"regressed\":%s,\"accepted\":%s}\n",
				 w->source.partition, w->checkpoint.position, w->head, behind,
				 w->skipped, w->is_regressed ? "true" : "false",
				 what[0] ? "true" : "false");
	else
		(void)buf_printf(out,
				 "partition %-2u  done %-8" PRIu64 " newest %-8" PRIu64 "%s%s\n",
				 w->source.partition, w->checkpoint.position, w->head,
				 w->is_regressed ? " REGRESSED" : "", what);
}

/* One partition, when the consumer or the feed has anything there. */
static enum status tell_one(struct watch_of_consumer *w, size_t *regressed)
{
	bool wants = w->tool->args->accepts;
	enum status st = look(w);

	if (st != ST_OK || (w->head == 0 && w->checkpoint.position == 0))
		return st;
	if (w->is_regressed && wants)
		st = await(w, feed_accept_regression(w->feed, &w->source, w->consumer, on_accepted,
						     w));
	if (st != ST_OK)
		return st;
	*regressed += w->is_regressed && !wants;
	print(w, w->is_regressed && wants ? " accepted: goes on behind the newest" : "");
	return tool_flush(w->tool) ? ST_OK : ST_INTERNAL;
}

int journal_consumer(struct tool *tool)
{
	const struct journal_args *args = tool->args;
	struct watch_of_consumer w = {
		.tool = tool,
		.feed = redis_feed_open(tool->loop, tool->journal, QUESTION_MS),
		.source = {.name = span_from_str(args->words[1])},
		.consumer = span_from_str(args->words[0]),
	};
	unsigned first = 0;
	unsigned end = FEED_PARTITIONS;
	size_t regressed = 0;
	enum status st = ST_OK;

	if (args->is_topic) {
		w.source.kind = FEED_TOPIC;
		first = feed_topic_partition(w.source.name);
		end = first + 1;
	}
	for (unsigned p = first; st == ST_OK && p < end; p++) {
		w.source.partition = p;
		w.checkpoint = (struct feed_checkpoint){0};
		w.head = w.skipped = 0;
		w.is_regressed = false;
		st = tell_one(&w, &regressed);
	}
	feed_close(w.feed);
	if (st != ST_OK)
		return tool_fail(tool);
	return regressed ? CLI_REFUSED : CLI_OK;
}

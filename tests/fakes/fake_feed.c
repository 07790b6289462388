#include "tests/fakes/fake_feed.h"

#include <stdio.h>
#include <string.h>

#include "src/base/error.h"
#include "src/base/mem.h"
#include "src/runtime/loop.h"

enum fake_kind { FAKE_READ, FAKE_FETCH, FAKE_LOAD, FAKE_STORE, FAKE_ADD };

struct feed_request {
	struct loop_task task;
	struct fake_feed *fake;
	enum fake_kind kind;
	struct feed_checkpoint checkpoint;
	size_t count;
	uint64_t position;
	feed_page_fn on_page;
	feed_message_fn on_message;
	feed_checkpoint_fn on_loaded;
	feed_done_fn on_done;
	void *data;
	char letter[128];
};

static struct fake_feed *fake_of(struct feed *feed)
{
	return container_of(feed, struct fake_feed, base);
}

static void request_free(struct feed_request *q)
{
	q->fake->requests--;
	mem_free(q);
}

static void answer_read(struct feed_request *q, const struct error *error)
{
	struct feed_entry entries[FEED_PAGE_MAX];
	struct fake_feed *fake = q->fake;
	struct feed_page page = {.head = fake->count, .entries = entries};
	uint64_t at = q->checkpoint.position;

	fake->reads++;
	page.is_regressed = at > fake->count || (at && q->checkpoint.mark &&
						 fake->entries[at - 1].mark != q->checkpoint.mark);
	for (; at < fake->count && page.count < q->count; at++) {
		const struct fake_entry *e = &fake->entries[at];

		entries[page.count++] = (struct feed_entry){
			.position = at + 1,
			.mark = e->mark,
			.entity = span_from_str(e->entity),
			.last = e->sequence,
			.count = 1,
		};
	}
	q->on_page(q->data, error ? NULL : &page, error);
}

static void answer_fetch(struct feed_request *q, const struct error *error)
{
	const struct fake_entry *e = &q->fake->entries[q->position - 1];
	char text[32];
	struct feed_message message = {.found = e->found, .type_url = SPAN_LIT("t/Event")};

	(void)snprintf(text, sizeof(text), "%s%u", e->entity, (unsigned)e->sequence);
	message.data = span_from_str(text);
	q->on_message(q->data, error ? NULL : &message, error);
}

static void answer_done(struct feed_request *q, const struct error *error)
{
	struct fake_feed *fake = q->fake;

	if (!error && q->kind == FAKE_STORE) {
		fake->stored = q->checkpoint;
		fake->stores++;
	} else if (!error &&
		   fake->letter_count < sizeof(fake->letters) / sizeof(fake->letters[0])) {
		memcpy(fake->letters[fake->letter_count++], q->letter, sizeof(q->letter));
	}
	q->on_done(q->data, error);
}

static void on_task(void *data)
{
	struct feed_request *q = data;
	struct error away;
	const struct error *error = NULL;

	(void)error_set(&away, ST_UNAVAILABLE, "away");
	if (q->fake->is_away || (q->kind == FAKE_LOAD && q->fake->is_load_failing))
		error = &away;
	if (q->kind == FAKE_READ)
		answer_read(q, error);
	else if (q->kind == FAKE_FETCH)
		answer_fetch(q, error);
	else if (q->kind == FAKE_LOAD)
		q->on_loaded(q->data, error ? NULL : &q->fake->stored, error);
	else
		answer_done(q, error);
	request_free(q);
}

static struct feed_request *request_new(struct feed *feed, enum fake_kind kind, void *data)
{
	struct feed_request *q = mem_new(struct feed_request);

	q->fake = fake_of(feed);
	q->fake->requests++;
	q->kind = kind;
	q->data = data;
	loop_task_init(&q->task, on_task, q);
	loop_task_schedule(q->fake->loop, &q->task);
	return q;
}

static struct feed_request *fake_read(struct feed *feed, const struct feed_source *source,
				      const struct feed_checkpoint *after, size_t count,
				      feed_page_fn on_page, void *data)
{
	struct feed_request *q = request_new(feed, FAKE_READ, data);

	(void)source;
	q->checkpoint = *after;
	q->count = count;
	q->on_page = on_page;
	return q;
}

static struct feed_request *fake_fetch(struct feed *feed, const struct feed_source *source,
				       const struct feed_entry *entry, uint64_t sequence,
				       feed_message_fn on_message, void *data)
{
	struct feed_request *q = request_new(feed, FAKE_FETCH, data);

	(void)source;
	(void)sequence;
	q->position = entry->position;
	q->on_message = on_message;
	return q;
}

static struct feed_request *fake_load(struct feed *feed, const struct feed_source *source,
				      struct span consumer, feed_checkpoint_fn on_loaded,
				      void *data)
{
	struct feed_request *q = request_new(feed, FAKE_LOAD, data);

	(void)source;
	(void)consumer;
	q->on_loaded = on_loaded;
	return q;
}

static struct feed_request *fake_store(struct feed *feed, const struct feed_source *source,
				       struct span consumer,
				       const struct feed_checkpoint *checkpoint,
				       feed_done_fn on_done, void *data)
{
	struct feed_request *q = request_new(feed, FAKE_STORE, data);

	(void)source;
	(void)consumer;
	q->checkpoint = *checkpoint;
	q->on_done = on_done;
	return q;
}

static struct span attribute(const struct feed_addition *addition, const char *name)
{
	for (size_t i = 0; i < addition->attribute_count; i++) {
		if (span_eq_str(addition->attributes[i].name, name))
			return addition->attributes[i].value;
	}
	return SPAN_EMPTY;
}

static struct feed_request *fake_add(struct feed *feed, const struct feed_addition *addition,
				     feed_done_fn on_done, void *data)
{
	struct feed_request *q = request_new(feed, FAKE_ADD, data);

	(void)snprintf(q->letter, sizeof(q->letter), "%.*s:%.*s:%.*s", SPAN_FMT(addition->data),
		       SPAN_FMT(attribute(addition, "dl.attempts")),
		       SPAN_FMT(attribute(addition, "dl.reason")));
	q->on_done = on_done;
	return q;
}

static void fake_cancel(struct feed *feed, struct feed_request *q)
{
	(void)feed;
	loop_task_cancel(&q->task);
	request_free(q);
}

static const struct feed_ops fake_ops = {
	.read = fake_read,
	.fetch = fake_fetch,
	.load_checkpoint = fake_load,
	.store_checkpoint = fake_store,
	.add = fake_add,
	.cancel = fake_cancel,
};

void fake_feed_init(struct fake_feed *fake, struct loop *loop)
{
	*fake = (struct fake_feed){.base.ops = &fake_ops, .loop = loop};
}

void fake_feed_add(struct fake_feed *fake, const char *entity, uint64_t sequence)
{
	struct fake_entry *e = &fake->entries[fake->count];

	BUG_ON(fake->count == FAKE_FEED_MAX);
	*e = (struct fake_entry){.sequence = sequence, .mark = ++fake->count * 7};
	(void)snprintf(e->entity, sizeof(e->entity), "%s", entity);
}

struct feed *fake_feed_base(struct fake_feed *fake)
{
	return &fake->base;
}

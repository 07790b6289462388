/* An entry's way: fetched, delivered, and when that failed too often fetched once more and put with
 * the dead letters. */
#include <stdio.h>
#include <string.h>

#include "src/base/clock.h"
#include "src/base/hash.h"
#include "src/base/log.h"
#include "src/base/mem.h"
#include "src/base/text.h"
#include "src/eventing/consumer_internal.h"

/* After an error of the journal. */
#define ERROR_WAIT_NS ((uint64_t)250 * NS_PER_MS)
/* Attributes of a dead letter beside those of the message. */
#define LETTER_ATTRIBUTES ((size_t)10)

struct lane_delivery {
	struct list node;
	struct lane *lane;
	struct window_entry *entry;
	struct feed_request *request; /* fetching or burying */
	void *delivery;		      /* whoever delivers has it */
	enum status failure;	      /* the last one, for the dead letter */
	char text[ERROR_MESSAGE_MAX];
};

static void fetch(struct lane_delivery *d);

static void delivery_free(struct lane_delivery *d)
{
	list_remove(&d->node);
	mem_free(d);
}

void lane_cancel_deliveries(struct lane *lane)
{
	const struct consumer_params *params = &lane->consumer->params;

	list_for_each_safe (node, &lane->deliveries) {
		struct lane_delivery *d = list_entry(node, struct lane_delivery, node);

		feed_cancel(params->feed, d->request);
		if (d->delivery)
			params->ops->cancel(params->data, d->delivery);
		delivery_free(d);
		consumer_give(lane->consumer);
	}
}

/* ---- the end of one ---------------------------------------------------------------------------
 */
static void finish(struct lane_delivery *d)
{
	struct lane *lane = d->lane;

	delivery_free(d);
	consumer_give(lane->consumer);
	lane_pump(lane);
}

static void pass(struct lane_delivery *d)
{
	(void)window_done(&d->lane->window, d->entry); /* more of it comes by window_take */
	finish(d);
}

static void put_back(struct lane_delivery *d)
{
	struct lane *lane = d->lane;

	window_put_back(&lane->window, d->entry,
			clock_deadline(loop_now_ns(lane->consumer->params.loop), ERROR_WAIT_NS));
	finish(d);
}

static void keep_failure(struct lane_delivery *d, enum status status, struct span message)
{
	struct span text = span_head(message, sizeof(d->text) - 1);

	d->failure = status;
	if (text.len)
		memcpy(d->text, text.data, text.len);
	d->text[text.len] = 0;
}

static void fail(struct lane_delivery *d, enum status status, struct span message, bool is_final)
{
	struct lane *lane = d->lane;
	struct consumer *c = lane->consumer;
	uint64_t random;

	keep_failure(d, status, message);
	hash_random(&random, sizeof(random));
	if (!window_fail(&lane->window, d->entry, &c->params.policy, is_final,
			 loop_now_ns(c->params.loop), random)) {
		fetch(d);
		return;
	}
	consumer_count(c->retried, 1);
	LOG_LIMITED(WARN, EVENTING_FAILED, LOG_STR("consumer", c->group),
		    LOG_STR("source", c->source), LOG_UINT("partition", lane->source.partition),
		    LOG_UINT("position", d->entry->entry.position),
		    LOG_UINT("attempts", d->entry->attempts), LOG_STR("code", status_name(status)),
		    LOG_STR("reason", d->text));
	finish(d);
}

/* ---- dead letters -----------------------------------------------------------------------------
 */
static void on_buried(void *data, const struct error *error)
{
	struct lane_delivery *d = data;
	struct consumer *c = d->lane->consumer;

	d->request = NULL;
	if (error) {
		put_back(d); /* it is still to be buried */
		return;
	}
	consumer_count(c->dead, 1);
	LOG(ERROR, EVENTING_DEAD, LOG_STR("consumer", c->group), LOG_STR("source", c->source),
	    LOG_UINT("partition", d->lane->source.partition),
	    LOG_UINT("position", d->entry->entry.position),
	    LOG_SPAN("entity", d->entry->entry.entity), LOG_UINT("sequence", d->entry->sequence),
	    LOG_UINT("attempts", d->entry->attempts), LOG_STR("code", status_name(d->failure)),
	    LOG_STR("reason", d->text));
	pass(d);
}

struct letter {
	struct feed_attribute attributes[FEED_ATTRIBUTES_MAX];
	size_t count;
};

static void put(struct letter *letter, const char *name, struct span value)
{
	if (letter->count < FEED_ATTRIBUTES_MAX)
		letter->attributes[letter->count++] =
			(struct feed_attribute){span_from_str(name), value};
}

static void bury(struct lane_delivery *d, const struct feed_message *message)
{
	const struct feed_entry *entry = &d->entry->entry;
	struct lane *lane = d->lane;
	struct consumer *c = lane->consumer;
	char digits[4][TEXT_U64_DIGITS];
	struct letter letter = {0};
	struct feed_addition addition = {
		.target = FEED_TO_DEAD_LETTERS,
		.name = span_from_str(c->group),
		.partition = lane->source.partition,
		.length_max = c->params.dead_letters_max,
		.attributes = letter.attributes,
		.data = message->data,
	};

	put(&letter, lane->source.kind == FEED_TOPIC ? "dl.topic" : "dl.event_log",
	    lane->source.name);
	put(&letter, "dl.position", text_from_u64(entry->position, digits[0]));
	put(&letter, "dl.attempts", text_from_u64(d->entry->attempts, digits[1]));
	put(&letter, "dl.code", span_from_str(status_name(d->failure)));
	put(&letter, "dl.reason", span_from_str(d->text));
	put(&letter, "dl.time", text_from_u64(clock_wall_ms(), digits[2]));
	if (lane->source.kind == FEED_EVENT_LOG) {
		put(&letter, "dl.entity", entry->entity);
		put(&letter, "dl.sequence", text_from_u64(d->entry->sequence, digits[3]));
		put(&letter, "type", message->type_url);
	}
	for (size_t i = 0;
	     i < message->attribute_count && i < FEED_ATTRIBUTES_MAX - LETTER_ATTRIBUTES; i++)
		letter.attributes[letter.count++] = message->attributes[i];
	addition.attribute_count = letter.count;
	d->request = feed_add(c->params.feed, &addition, on_buried, d);
}

/* ---- delivering -------------------------------------------------------------------------------
 */
static void on_delivered(void *cookie, enum status status, struct span message)
{
	struct lane_delivery *d = cookie;

	d->delivery = NULL;
	if (status != ST_OK) {
		fail(d, status, message, false);
		return;
	}
	consumer_count(d->lane->consumer->delivered, 1);
	pass(d);
}

static void deliver(struct lane_delivery *d, const struct feed_message *message)
{
	const struct consumer_params *params = &d->lane->consumer->params;
	const struct consumer_event event = {
		.source = &d->lane->source,
		.entity = d->entry->entry.entity,
		.position = d->entry->entry.position,
		.sequence = d->entry->sequence,
		.message = message,
	};
	struct error err;

	d->delivery = params->ops->deliver(params->data, &event, on_delivered, d, &err);
	if (!d->delivery)
		fail(d, err.status, span_from_str(err.message), true);
}

/* There is nothing to deliver; whatever else the entry stands for is passed over with it. */
static void pass_over(struct lane_delivery *d, enum feed_found found)
{
	struct lane *lane = d->lane;
	struct consumer *c = lane->consumer;

	d->entry->sequence = d->entry->entry.last;
	if (found == FEED_ERASED)
		LOG(INFO, EVENTING_ERASED, LOG_STR("consumer", c->group),
		    LOG_STR("source", c->source), LOG_SPAN("entity", d->entry->entry.entity));
	if (found == FEED_TRIMMED) {
		LOG_LIMITED(WARN, EVENTING_SKIPPED, LOG_STR("consumer", c->group),
			    LOG_STR("source", c->source),
			    LOG_UINT("partition", lane->source.partition), LOG_UINT("entries", 1));
		consumer_count(c->skipped, 1);
	}
	pass(d);
}

/* What is damaged stays so; all else is asked for again. */
static bool is_damage(const struct error *error)
{
	return error->status == ST_DATA_LOSS || error->status == ST_INTERNAL ||
	       error->status == ST_FAILED_PRECONDITION;
}

static void on_message(void *data, const struct feed_message *message, const struct error *error)
{
	static const struct feed_message nothing;
	struct lane_delivery *d = data;

	d->request = NULL;
	if (error && !is_damage(error))
		put_back(d);
	else if (error && !d->entry->is_to_be_buried)
		fail(d, error->status, span_from_str(error->message), false);
	else if (d->entry->is_to_be_buried)
		bury(d, error || message->found != FEED_FOUND ? &nothing : message);
	else if (message->found != FEED_FOUND)
		pass_over(d, message->found);
	else
		deliver(d, message);
}

static void fetch(struct lane_delivery *d)
{
	d->request = feed_fetch(d->lane->consumer->params.feed, &d->lane->source, &d->entry->entry,
				d->entry->sequence, on_message, d);
}

void lane_deliver(struct lane *lane)
{
	struct consumer *c = lane->consumer;
	uint64_t now_ns = loop_now_ns(c->params.loop);

	lane->is_starved = false;
	if (!c->params.ops->is_ready(c->params.data))
		return;
	while (consumer_take(c)) {
		struct window_entry *entry = window_take(&lane->window, now_ns);
		struct lane_delivery *d;

		if (!entry) {
			c->running--;
			return;
		}
		d = mem_new(struct lane_delivery);
		d->lane = lane;
		d->entry = entry;
		list_init(&d->node);
		list_push_back(&lane->deliveries, &d->node);
		fetch(d);
	}
	lane->is_starved = true;
}

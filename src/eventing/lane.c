/* Reading: page after page while there is room, then with growing waits while the source is quiet;
 * and checkpoints, one on its way at a time. */
#include <inttypes.h>

#include "src/base/clock.h"
#include "src/base/log.h"
#include "src/eventing/consumer_internal.h"

/* First wait after something was found; it doubles up to poll_max_ms. */
#define POLL_MIN_MS ((uint64_t)1)
/* After an error of the journal, and between looks at a checkpoint that a person has to mend. */
#define ERROR_WAIT_MS ((uint64_t)250)
#define REGRESSED_WAIT_MS ((uint64_t)1000)

static void on_timer(void *data)
{
	struct lane *lane = data;

	lane_pump(lane);
}

void lane_init(struct lane *lane, struct consumer *consumer, unsigned partition)
{
	*lane = (struct lane){.consumer = consumer, .page = FEED_PAGE_MAX};
	lane->source = (struct feed_source){consumer->params.kind, span_from_str(consumer->source),
					    partition};
	window_init(&lane->window, &lane->read);
	list_init(&lane->deliveries);
	timer_init(&lane->timer, consumer->params.loop, on_timer, lane);
}

static void cancel_all(struct lane *lane)
{
	struct feed *feed = lane->consumer->params.feed;

	lane_cancel_deliveries(lane);
	feed_cancel(feed, lane->reading);
	feed_cancel(feed, lane->writing);
	lane->reading = NULL;
	lane->writing = NULL;
	timer_stop(&lane->timer);
	window_fini(&lane->window);
}

void lane_fini(struct lane *lane)
{
	cancel_all(lane);
}

static void say(struct lane *lane, enum log_event event, uint64_t number)
{
	if (event == EV_EVENTING_REGRESSED)
		LOG(ERROR, EVENTING_REGRESSED, LOG_STR("consumer", lane->consumer->group),
		    LOG_STR("source", lane->consumer->source),
		    LOG_UINT("partition", lane->source.partition),
		    LOG_UINT("checkpoint", lane->stored.position), LOG_UINT("head", number));
	else
		LOG(WARN, EVENTING_SKIPPED, LOG_STR("consumer", lane->consumer->group),
		    LOG_STR("source", lane->consumer->source),
		    LOG_UINT("partition", lane->source.partition), LOG_UINT("entries", number));
}

static void look_in(struct lane *lane, uint64_t wait_ms)
{
	lane->look_ns =
		clock_deadline(loop_now_ns(lane->consumer->params.loop), wait_ms * NS_PER_MS);
}

/* ---- the checkpoint ---------------------------------------------------------------------------
 */
static void load(struct lane *lane);

static void on_loaded(void *data, const struct feed_checkpoint *checkpoint,
		      const struct error *error)
{
	struct lane *lane = data;

	lane->reading = NULL;
	if (lane->state == LANE_LEAVING || error) {
		look_in(lane, ERROR_WAIT_MS);
		lane_pump(lane);
		return;
	}
	window_fini(&lane->window);
	window_init(&lane->window, checkpoint);
	lane->read = *checkpoint;
	lane->stored = *checkpoint;
	lane->head = checkpoint->position;
	lane->is_fresh = true;
	lane->wait_ms = POLL_MIN_MS;
	lane->look_ns = 0;
	lane->state = LANE_RUNNING;
	lane_pump(lane);
}

static void load(struct lane *lane)
{
	struct consumer *c = lane->consumer;

	lane->state = LANE_LOADING;
	lane->reading = feed_load_checkpoint(c->params.feed, &lane->source, span_from_str(c->group),
					     on_loaded, lane);
}

static void on_stored(void *data, const struct error *error)
{
	struct lane *lane = data;

	lane->writing = NULL;
	if (error)
		look_in(lane, ERROR_WAIT_MS); /* the next pump tries again */
	else
		lane->stored = lane->storing;
	lane_pump(lane);
}

/* Whether there is nothing left to store. */
static bool store(struct lane *lane, uint64_t now_ns)
{
	struct consumer *c = lane->consumer;

	if (lane->writing || lane->window.done.position == lane->stored.position)
		return !lane->writing;
	if (lane->look_ns > now_ns && lane->storing.position == lane->window.done.position)
		return false; /* it has failed, and waits */
	lane->storing = lane->window.done;
	lane->writing =
		feed_store_checkpoint(c->params.feed, &lane->source, span_from_str(c->group),
				      &lane->storing, on_stored, lane);
	return false;
}

/* ---- reading ----------------------------------------------------------------------------------
 */
static void regress(struct lane *lane, uint64_t head)
{
	struct consumer *c = lane->consumer;

	if (!lane->is_fresh) {
		/* What was read and not stored may be what was lost: begin at the checkpoint. */
		cancel_all(lane);
		/* Whoever takes the partition over now must not begin behind its end. */
		lane->window.done = lane->stored;
		load(lane);
		return;
	}
	if (!lane->is_said) {
		say(lane, EV_EVENTING_REGRESSED, head);
		consumer_count(c->regressions, 1);
	}
	lane->is_said = true;
	cancel_all(lane);
	lane->state = LANE_REGRESSED;
	look_in(lane, REGRESSED_WAIT_MS);
}

static void take_page(struct lane *lane, const struct feed_page *page)
{
	lane->is_fresh = false;
	lane->is_said = false;
	lane->head = page->head;
	if (page->skipped) {
		say(lane, EV_EVENTING_SKIPPED, page->skipped);
		consumer_count(lane->consumer->skipped, page->skipped);
	}
	for (size_t i = 0; i < page->count; i++) {
		(void)window_push(&lane->window, &page->entries[i]);
		lane->read =
			(struct feed_checkpoint){page->entries[i].position, page->entries[i].mark};
	}
	if (page->count) {
		lane->wait_ms = POLL_MIN_MS;
		lane->look_ns = 0;
		return;
	}
	look_in(lane, lane->wait_ms);
	lane->wait_ms *= 2;
	if (lane->wait_ms > lane->consumer->params.poll_max_ms)
		lane->wait_ms = lane->consumer->params.poll_max_ms;
}

static void on_page(void *data, const struct feed_page *page, const struct error *error)
{
	struct lane *lane = data;

	lane->reading = NULL;
	if (lane->state != LANE_RUNNING)
		; /* it is another's now */
	else if (error)
		look_in(lane, ERROR_WAIT_MS);
	else if (page->is_regressed)
		regress(lane, page->head);
	else
		take_page(lane, page);
	lane_pump(lane);
}

static void read_more(struct lane *lane, uint64_t now_ns)
{
	struct consumer *c = lane->consumer;
	size_t room = WINDOW_ENTRIES_MAX - lane->window.count;

	if (lane->reading || lane->look_ns > now_ns || room < lane->page)
		return;
	lane->reading =
		feed_read(c->params.feed, &lane->source, &lane->read, lane->page, on_page, lane);
}

/* ---- the whole --------------------------------------------------------------------------------
 */
static void leave(struct lane *lane)
{
	/* What waits is left to its next owner; what is being delivered is waited for. */
	if (lane->window.busy || !store(lane, loop_now_ns(lane->consumer->params.loop)))
		return;
	cancel_all(lane);
	lane->state = LANE_IDLE;
	lane->head = 0;
	if (lane->is_ours)
		load(lane);
}

static void set_timer(struct lane *lane, uint64_t now_ns)
{
	uint64_t wake_ns = DEADLINE_NEVER;

	if (lane->state == LANE_RUNNING)
		wake_ns = window_wake_ns(&lane->window, now_ns);
	if (lane->state != LANE_IDLE && lane->look_ns > now_ns && lane->look_ns < wake_ns)
		wake_ns = lane->look_ns;
	timer_start(&lane->timer, wake_ns);
}

void lane_pump(struct lane *lane)
{
	uint64_t now_ns = loop_now_ns(lane->consumer->params.loop);

	switch (lane->state) {
	case LANE_IDLE:
		break;
	case LANE_LOADING:
	case LANE_REGRESSED:
		if (!lane->reading && lane->look_ns <= now_ns)
			load(lane);
		break;
	case LANE_LEAVING:
		leave(lane);
		break;
	case LANE_RUNNING:
		if (!lane->consumer->is_stopping) {
			lane_deliver(lane);
			read_more(lane, now_ns);
		}
		(void)store(lane, now_ns);
		break;
	}
	set_timer(lane, now_ns);
}

void lane_share(struct lane *lane, bool is_ours)
{
	if (lane->is_ours == is_ours)
		return;
	lane->is_ours = is_ours;
	if (is_ours && lane->state == LANE_IDLE) {
		load(lane);
	} else if (!is_ours && lane->state != LANE_IDLE) {
		lane->state = LANE_LEAVING;
		lane_pump(lane);
	}
}

bool lane_is_idle(const struct lane *lane)
{
	return lane->state == LANE_IDLE;
}

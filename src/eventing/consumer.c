#include "src/eventing/consumer.h"

#include "journal/key.h"
#include "src/base/mem.h"
#include "src/base/metrics.h"
#include "src/eventing/consumer_internal.h"

void consumer_count(struct metrics_series *series, uint64_t amount)
{
	if (series)
		metrics_add(series, amount);
}

bool consumer_take(struct consumer *c)
{
	if (c->running >= c->params.parallel_max)
		return false;
	c->running++;
	return true;
}

/* Lanes that had nothing free are asked in turn, at the end of this turn of the loop. */
void consumer_give(struct consumer *c)
{
	c->running--;
	loop_task_schedule(c->params.loop, &c->pump_task);
}

static void on_pump(void *data)
{
	struct consumer *c = data;
	size_t first = c->next_lane;

	c->next_lane = (c->next_lane + 1) % c->lane_count;
	for (size_t i = 0; i < c->lane_count; i++) {
		struct lane *lane = &c->lanes[(first + i) % c->lane_count];

		if (lane->is_starved)
			lane_pump(lane);
	}
}

static void make_metrics(struct consumer *c)
{
	const struct metrics_label labels[] = {
		{"consumer", span_from_str(c->group)},
		{"source", span_from_str(c->source)},
	};
	struct metrics *metrics = c->params.metrics;

	c->delivered = metrics_series(metrics, METRIC_EVENTING_DELIVERED, labels, 2);
	c->retried = metrics_series(metrics, METRIC_EVENTING_RETRIED, labels, 2);
	c->dead = metrics_series(metrics, METRIC_EVENTING_DEAD, labels, 2);
	c->skipped = metrics_series(metrics, METRIC_EVENTING_SKIPPED, labels, 2);
	c->lag = metrics_series(metrics, METRIC_EVENTING_LAG, labels, 2);
	c->regressions = metrics_series(metrics, METRIC_EVENTING_REGRESSIONS, labels, 2);
}

struct consumer *consumer_new(const struct consumer_params *params)
{
	struct consumer *c = mem_new(struct consumer);
	bool is_topic = params->kind == FEED_TOPIC;

	c->params = *params;
	c->source = mem_strndup(params->source.data, params->source.len);
	c->group = mem_strndup(params->group.data, params->group.len);
	c->lane_count = is_topic ? 1 : FEED_PARTITIONS;
	c->lanes = mem_new_array(struct lane, c->lane_count);
	loop_task_init(&c->pump_task, on_pump, c);
	for (size_t i = 0; i < c->lane_count; i++)
		lane_init(&c->lanes[i], c,
			  is_topic ? feed_topic_partition(params->source) : (unsigned)i);
	if (params->metrics)
		make_metrics(c);
	return c;
}

void consumer_share(struct consumer *c, uint64_t partitions)
{
	if (c->is_stopping)
		return;
	for (size_t i = 0; i < c->lane_count; i++)
		lane_share(&c->lanes[i], partitions >> c->lanes[i].source.partition & 1);
}

void consumer_wake(struct consumer *c)
{
	for (size_t i = 0; i < c->lane_count; i++)
		lane_pump(&c->lanes[i]);
}

void consumer_stop(struct consumer *c)
{
	c->is_stopping = true;
	for (size_t i = 0; i < c->lane_count; i++)
		lane_share(&c->lanes[i], false);
}

bool consumer_is_idle(const struct consumer *c)
{
	for (size_t i = 0; i < c->lane_count; i++) {
		if (!lane_is_idle(&c->lanes[i]))
			return false;
	}
	return true;
}

void consumer_state(const struct consumer *c, struct consumer_state *ret_state)
{
	struct consumer_state state = {
		.kind = c->params.kind,
		.source = span_from_str(c->source),
		.group = span_from_str(c->group),
		.busy = c->running,
	};

	for (size_t i = 0; i < c->lane_count; i++) {
		const struct lane *lane = &c->lanes[i];

		state.partitions += lane->state != LANE_IDLE;
		if (lane->state == LANE_RUNNING && lane->head > lane->window.done.position)
			state.lag += lane->head - lane->window.done.position;
		if (lane->state == LANE_REGRESSED || lane->is_said)
			state.regressed |= (uint64_t)1 << lane->source.partition;
	}
	if (c->lag)
		metrics_set(c->lag, (int64_t)state.lag);
	*ret_state = state;
}

void consumer_free(struct consumer *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->lane_count; i++)
		lane_fini(&c->lanes[i]);
	loop_task_cancel(&c->pump_task);
	mem_free(c->lanes);
	mem_free(c->source);
	mem_free(c->group);
	mem_free(c);
}

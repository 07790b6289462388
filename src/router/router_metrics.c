#include "src/router/router_metrics.h"

#include <string.h>

#include "src/base/mem.h"
#include "src/base/metrics.h"

/* Protocols whose series are kept per method: gRPC, JSON, gRPC-Web, forward, effect. Others are
 * looked up each time. */
#define PROTOCOLS_KEPT 5

struct protocol {
	const char *name;
	struct metrics_series *by_code[ST_COUNT_];
};

struct router_method {
	struct map_node node;
	char *path;
	struct metrics_series *seconds;
	struct protocol protocols[PROTOCOLS_KEPT];
};

void router_metrics_init(struct router_metrics *m, struct metrics *metrics)
{
	*m = (struct router_metrics){.metrics = metrics};
	map_init(&m->methods);
	if (!metrics)
		return;
	m->active = metrics_series(metrics, METRIC_REQUESTS_ACTIVE, NULL, 0);
	for (unsigned i = 0; i < 2 * FOLLOWUP_KINDS; i++) {
		bool is_started = i % 2;
		struct metrics_label labels[] = {
			{"kind",
			 i / 2 == FOLLOWUP_FORWARD ? SPAN_LIT("forward") : SPAN_LIT("effect")},
			{"outcome", is_started ? SPAN_LIT("started") : SPAN_LIT("refused")},
		};

		m->followups[i / 2][is_started] =
			metrics_series(metrics, METRIC_FOLLOWUPS, labels, 2);
	}
	m->followups_running = metrics_series(metrics, METRIC_FOLLOWUPS_RUNNING, NULL, 0);
	m->metadata_dropped = metrics_series(metrics, METRIC_METADATA_DROPPED, NULL, 0);
	m->effects_failed = metrics_series(metrics, METRIC_EFFECTS_FAILED, NULL, 0);
	m->crdt_overflown = metrics_series(metrics, METRIC_CRDT_STREAMS_OVERFLOWN, NULL, 0);
	m->action_calls = metrics_series(metrics, METRIC_ACTION_CALLS_ACTIVE, NULL, 0);
	m->action_refused = metrics_series(metrics, METRIC_ACTION_CALLS_REFUSED, NULL, 0);
	for (unsigned i = 0; i < ROUTER_DIRECTIONS; i++) {
		struct metrics_label label = {"direction", i == ROUTER_REQUEST ? SPAN_LIT("request")
									       : SPAN_LIT("reply")};

		m->action_messages[i] = metrics_series(metrics, METRIC_ACTION_MESSAGES, &label, 1);
		m->action_holds[i] = metrics_series(metrics, METRIC_ACTION_HOLDS, &label, 1);
	}
}

void router_metrics_fini(struct router_metrics *m)
{
	struct map_node *node;

	while ((node = map_next(&m->methods, NULL))) {
		struct router_method *method = container_of(node, struct router_method, node);

		map_remove(&m->methods, node);
		mem_free(method->path);
		mem_free(method);
	}
	map_fini(&m->methods);
}

static struct router_method *method_new(struct router_metrics *m, struct span path)
{
	struct router_method *method = mem_new(struct router_method);
	struct metrics_label label = {"method", path};

	method->path = mem_strndup(path.data, path.len);
	method->node.key = span_make(method->path, path.len);
	method->seconds = metrics_series(m->metrics, METRIC_REQUEST_SECONDS, &label, 1);
	(void)map_insert(&m->methods, &method->node); /* it was not found */
	return method;
}

struct router_method *router_metrics_begin(struct router_metrics *m, struct span path)
{
	struct map_node *node;

	if (!m->metrics)
		return NULL;
	metrics_set(m->active, (int64_t)++m->active_count);
	node = map_find(&m->methods, path);
	return node ? container_of(node, struct router_method, node) : method_new(m, path);
}

static struct metrics_series *find_series(struct router_metrics *m,
					  const struct router_method *method, const char *protocol,
					  enum status code)
{
	struct metrics_label labels[] = {
		{"method", method->node.key},
		{"protocol", span_from_str(protocol)},
		{"code", span_from_str(status_name(code))},
	};

	return metrics_series(m->metrics, METRIC_REQUESTS, labels, 3);
}

static struct metrics_series *requests_series(struct router_metrics *m,
					      struct router_method *method, const char *protocol,
					      enum status code)
{
	for (size_t i = 0; i < PROTOCOLS_KEPT; i++) {
		struct protocol *kept = &method->protocols[i];

		if (!kept->name)
			kept->name = protocol; /* a literal of the front */
		if (strcmp(kept->name, protocol) != 0)
			continue;
		if (!kept->by_code[code])
			kept->by_code[code] = find_series(m, method, protocol, code);
		return kept->by_code[code];
	}
	return find_series(m, method, protocol, code);
}

void router_metrics_end(struct router_metrics *m, struct router_method *method,
			const char *protocol, enum status code, uint64_t elapsed_ns)
{
	if (!m->metrics)
		return;
	metrics_set(m->active, (int64_t)--m->active_count);
	metrics_observe_ns(method->seconds, elapsed_ns);
	metrics_add(requests_series(m, method, protocol, code < ST_COUNT_ ? code : ST_UNKNOWN), 1);
}

void router_metrics_followup(struct router_metrics *m, enum followup_kind kind, bool is_started)
{
	if (m->metrics)
		metrics_add(m->followups[kind][is_started], 1);
}

void router_metrics_followups_running(struct router_metrics *m, size_t count)
{
	if (m->metrics)
		metrics_set(m->followups_running, (int64_t)count);
}

void router_metrics_effect_failed(struct router_metrics *m)
{
	if (m->metrics)
		metrics_add(m->effects_failed, 1);
}

void router_metrics_crdt_overflow(struct router_metrics *m)
{
	if (m->crdt_overflown)
		metrics_add(m->crdt_overflown, 1);
}

void router_metrics_action_calls(struct router_metrics *m, size_t count)
{
	if (m->action_calls)
		metrics_set(m->action_calls, (int64_t)count);
}

void router_metrics_action_refused(struct router_metrics *m)
{
	if (m->action_refused)
		metrics_add(m->action_refused, 1);
}

void router_metrics_action_message(struct router_metrics *m, enum router_direction direction)
{
	if (m->action_messages[direction])
		metrics_add(m->action_messages[direction], 1);
}

void router_metrics_action_hold(struct router_metrics *m, enum router_direction direction)
{
	if (m->action_holds[direction])
		metrics_add(m->action_holds[direction], 1);
}

void router_metrics_metadata_dropped(struct router_metrics *m, size_t count)
{
	if (m->metrics && count)
		metrics_add(m->metadata_dropped, count);
}

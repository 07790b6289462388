#ifndef HEADGATE_SRC_ROUTER_ROUTER_METRICS_H
#define HEADGATE_SRC_ROUTER_ROUTER_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/map.h"
#include "src/base/span.h"
#include "src/base/status.h"

/* Counts calls. The series of a method are looked up once and kept, so that a call costs one
 * look-up of its path. Internal to src/router. */
struct metrics;
struct metrics_series;
struct router_method;

enum followup_kind { FOLLOWUP_FORWARD, FOLLOWUP_EFFECT, FOLLOWUP_KINDS };

enum router_direction { ROUTER_REQUEST, ROUTER_REPLY, ROUTER_DIRECTIONS };

struct router_metrics {
	struct metrics *metrics; /* borrowed; NULL: nothing is counted */
	struct map methods;	 /* struct router_method by path */
	struct metrics_series *active;
	struct metrics_series *followups[FOLLOWUP_KINDS][2]; /* refused, started */
	struct metrics_series *followups_running;
	struct metrics_series *effects_failed;
	struct metrics_series *metadata_dropped;
	struct metrics_series *crdt_overflown;
	struct metrics_series *action_calls;
	struct metrics_series *action_refused;
	struct metrics_series *action_messages[ROUTER_DIRECTIONS];
	struct metrics_series *action_holds[ROUTER_DIRECTIONS];
	size_t active_count;
};

void router_metrics_init(struct router_metrics *m, struct metrics *metrics);
void router_metrics_fini(struct router_metrics *m);

/* A call begins; path is one of the schema. NULL without metrics. */
struct router_method *router_metrics_begin(struct router_metrics *m, struct span path);
void router_metrics_end(struct router_metrics *m, struct router_method *method,
			const char *protocol, enum status code, uint64_t elapsed_ns);

/* A forward or effect was started, or refused; how many run now; an effect failed. */
void router_metrics_followup(struct router_metrics *m, enum followup_kind kind, bool is_started);
void router_metrics_followups_running(struct router_metrics *m, size_t count);
void router_metrics_effect_failed(struct router_metrics *m);

/* Metadata of a reply that cannot be headers. */
void router_metrics_metadata_dropped(struct router_metrics *m, size_t count);

/* A streamed call of a CRDT entity failed because its client did not read. */
void router_metrics_crdt_overflow(struct router_metrics *m);

/* Actions: calls in progress now; one refused; a message passed on; a wait for the other side. */
void router_metrics_action_calls(struct router_metrics *m, size_t count);
void router_metrics_action_refused(struct router_metrics *m);
void router_metrics_action_message(struct router_metrics *m, enum router_direction direction);
void router_metrics_action_hold(struct router_metrics *m, enum router_direction direction);

#endif

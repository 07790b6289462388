#ifndef HEADGATE_SRC_EVENTING_CONSUMER_INTERNAL_H
#define HEADGATE_SRC_EVENTING_CONSUMER_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/error.h"
#include "src/base/list.h"
#include "src/eventing/consumer.h"
#include "src/runtime/loop.h"
#include "src/runtime/timer.h"

/* What consumer.c and lane.c share. A lane is a consumer's reading of one partition:
 *
 *   IDLE --share--> LOADING (the checkpoint) --> RUNNING --not our share--> LEAVING --> IDLE
 *                      ^                            |
 *                      +------- REGRESSED <---------+  looks at the checkpoint every second
 */
struct metrics_series;

enum lane_state { LANE_IDLE, LANE_LOADING, LANE_RUNNING, LANE_REGRESSED, LANE_LEAVING };

struct lane {
	struct consumer *consumer;
	struct feed_source source;
	enum lane_state state;
	bool is_ours;	 /* our share; LEAVING and IDLE lanes are let in again when it is */
	bool is_fresh;	 /* nothing was read since the checkpoint was loaded */
	bool is_starved; /* had something to deliver when no delivery was free */
	bool is_said;	 /* the regression was logged */
	struct window window;
	struct feed_checkpoint read; /* up to where it was read */
	struct feed_checkpoint stored;
	struct feed_checkpoint storing;
	uint64_t head;
	uint64_t wait_ms;	/* until the next look */
	uint64_t look_ns;	/* when that is */
	size_t page;		/* entries to ask for */
	struct list deliveries; /* struct lane_delivery */
	struct feed_request *reading;
	struct feed_request *writing; /* of the checkpoint */
	struct timer timer;
};

struct consumer {
	struct consumer_params params;
	char *source;
	char *group;
	struct lane *lanes;
	size_t lane_count;
	size_t running; /* deliveries, those being fetched and buried too */
	bool is_stopping;
	size_t next_lane; /* who is asked first when a delivery is free */
	struct loop_task pump_task;
	/* all NULL without metrics */
	struct metrics_series *delivered;
	struct metrics_series *retried;
	struct metrics_series *dead;
	struct metrics_series *skipped;
	struct metrics_series *lag;
	struct metrics_series *regressions;
};

/* lane.c */
void lane_init(struct lane *lane, struct consumer *consumer, unsigned partition);
void lane_fini(struct lane *lane);
void lane_share(struct lane *lane, bool is_ours);
/* Delivers and reads what it can. */
void lane_pump(struct lane *lane);
/* Nothing is in progress and everything done is stored. */
bool lane_is_idle(const struct lane *lane);

/* delivery of entries, lane_deliver.c */
void lane_deliver(struct lane *lane);
void lane_cancel_deliveries(struct lane *lane);

/* consumer.c: a delivery is free, or may be taken. */
bool consumer_take(struct consumer *consumer);
void consumer_give(struct consumer *consumer);
void consumer_count(struct metrics_series *series, uint64_t amount);

#endif

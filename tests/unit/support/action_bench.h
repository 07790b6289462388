#ifndef HEADGATE_TESTS_UNIT_SUPPORT_ACTION_BENCH_H
#define HEADGATE_TESTS_UNIT_SUPPORT_ACTION_BENCH_H

#include "cloudstate/action.pb-c.h"
#include "support/c/action.h"

/* One call of an action without a network: what gives it messages and looks at its responses. */

#define SERVICE "headgate.test.Actions"
#define STEP_URL "type.googleapis.com/headgate.test.Step"
#define MESSAGE_BYTES_MAX ((size_t)64 * 1024)

typedef Cloudstate__Action__ActionResponse Response;

#define IS(NAME) CLOUDSTATE__ACTION__ACTION_RESPONSE__RESPONSE_##NAME

/* Allocations of the library that still succeed; negative = all. */
extern long bench_allocations_left;

struct bench {
	struct hg_action_type *type;
	const struct hg_action_type *types[1];
	struct hg_worker worker;
	struct hg_action action;
	Response *response; /* the last one taken */
};

/* Returns 0, or -1 for want of memory; close is safe in both cases. */
int bench_open(struct bench *bench, const struct headgate_action *action, bool client, bool server);
void bench_close(struct bench *bench);

/* Gives it a message, packed by protobuf-c, in memory of its exact size. name NULL: a later
 * message; text NULL: without a payload. */
void bench_give(struct bench *bench, const char *name, const char *text);

/* The next response, read by protobuf-c; NULL: there is none. The test's own allocations never
 * fail. */
const Response *bench_take(struct bench *bench);

/* What the next response is; a failure is the last. */
void bench_assert_reply(struct bench *bench, const char *text);
void bench_assert_failure(struct bench *bench, enum headgate_code code, const char *text);

/* Nothing more, and the call is over or not. */
void bench_assert_no_more(struct bench *bench, bool is_over);

#endif

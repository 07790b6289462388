#ifndef HEADGATE_TESTS_FAKES_ACTION_WORLD_H
#define HEADGATE_TESTS_FAKES_ACTION_WORLD_H

/* Calls of actions between an exchange and a function that the test plays itself, both step by
 * step, over a real connection in one loop. For cmocka tests. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/buf.h"
#include "src/base/clock.h"
#include "src/base/span.h"
#include "src/base/status.h"
#include "src/router/action.h"
#include "src/router/exchange.h"
#include "src/router/followup.h"
#include "src/router/router_metrics.h"
#include "src/runtime/timer.h"
#include "tests/fakes/fake_function.h"

struct api;
struct grpc_server_call;
struct userfn;

#define ACTION_WORLD_WAIT_NS (10 * NS_PER_S)
#define ACTION_WORLD_MESSAGE_MAX ((size_t)1024 * 1024)

/* The client's side of a call. */
struct action_client {
	struct exchange base;
	unsigned reads; /* asked for and not given yet */
	size_t unsent;
	enum status send_status;
	unsigned sends;
	struct buf last; /* message */
	size_t header_count;
	char header[32]; /* value of x-a */
	unsigned finishes;
	enum status code;
	char text[128];
	size_t details_len;
	char trailer[32]; /* value of x-t */
};

/* The function's side. */
struct action_callee {
	struct grpc_server_call *call;
	char path[64];
	bool has_deadline;
	unsigned messages;
	struct buf last;
	bool is_reading;
	bool has_half_close;
	unsigned cancels;
	unsigned ends;
};

struct action_world {
	struct loop *loop;
	struct metrics *metrics;
	struct router_metrics router_metrics;
	struct fake_function function;
	struct userfn *userfn;
	struct actions *actions;
	struct followups *followups;
	struct action_client client;
	struct action_callee callee;
	bool keeps_followups;	   /* what a reply asks for comes to the test instead */
	struct exchange *followup; /* such a call; NULL: none, or it is over */
	unsigned followup_cancels;
	unsigned calls; /* that reached the function */
	unsigned want;
	const struct api *api_before; /* of action_world_redescribe */
	struct timer turn;
	unsigned turns; /* to go */
};

void action_world_client_call(struct action_world *f, struct action_client *c, const char *path,
			      uint64_t deadline_ns);
void action_world_client_give(struct action_client *c, struct span message);
void action_world_client_half_close(struct action_client *c);
void action_world_client_cancel(struct action_client *c);
void action_world_callee_read(struct action_callee *s);
void action_world_callee_finish(struct action_callee *s, enum status code);
void action_world_callee_reply(struct action_callee *s, struct span payload, const char *header);
void action_world_callee_fail(struct action_callee *s, uint64_t code);
void action_world_callee_forward(struct action_callee *s);
void action_world_callee_effects(struct action_callee *s);
/* A call of one of its own methods: as a forward, or as an effect to be waited for beside a reply.
 */
void action_world_callee_follow(struct action_callee *s, const char *method, bool is_forward);
/* How it goes, with keeps_followups. */
void action_world_followup_reply(struct action_world *f, struct span message);
void action_world_followup_finish(struct action_world *f, enum status code);
struct span action_world_callee_payload(const struct action_callee *s);
void action_world_wait_until(struct action_world *f, bool (*is_done)(void *));
bool action_world_is_ready(void *data);
bool action_world_is_called(void *data);
bool action_world_has_received(void *data);
bool action_world_has_half_close(void *data);
bool action_world_is_cancelled(void *data);
bool action_world_has_ended(void *data);
bool action_world_has_replies(void *data);
bool action_world_is_finished(void *data);
bool action_world_is_asked(void *data);
bool action_world_has_reports(void *data);
void action_world_settle(struct action_world *f);
void action_world_wait_for_message(struct action_world *f);
void action_world_wait_for_reply(struct action_world *f, unsigned count);
/* The function comes back with another description, its running calls go on; calls that began
 * before need a reference on their API. Waits until it is known. */
void action_world_redescribe(struct action_world *f);
void action_world_client_init(struct action_client *c);
int action_world_set_up(void **state);
int action_world_tear_down(void **state);
void action_world_is_over(struct action_world *f, enum status code, const char *text);
void action_world_begin(struct action_world *f, const char *path);
int64_t action_world_holds(struct action_world *f, const char *direction);

#endif

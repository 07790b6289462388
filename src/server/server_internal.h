#ifndef HEADGATE_SRC_SERVER_SERVER_INTERNAL_H
#define HEADGATE_SRC_SERVER_SERVER_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/error.h"
#include "src/runtime/loop.h"
#include "src/runtime/timer.h"

/* What the files of this folder share. */
struct buf;
struct config;
struct crdt_log;
struct crdt_table;
struct entity_budget;
struct entity_table;
struct eventing;
struct feed;
struct front;
struct journal;
struct members;
struct metrics;
struct owners;
struct redis_secret;
struct publisher;
struct router;
struct signals;
struct userfn;

/* The phases of the end, in order; each has a deadline within shutdown.grace. */
enum server_phase {
	SERVER_SERVING,
	SERVER_DRAINING_CALLS,	  /* no new connections; running calls finish */
	SERVER_DRAINING_EVENTS,	  /* deliveries end, checkpoints are stored; effects finish */
	SERVER_DRAINING_ENTITIES, /* entities are passivated */
	SERVER_LEAVING,		  /* the other gateways are told */
	SERVER_STOPPED,
};

struct server {
	const struct config *config;
	uint64_t started_ns;
	struct loop *loop;
	struct metrics *metrics;
	struct signals *signals;
	struct journal *journal;
	struct members *members;
	struct crdt_log *crdt_log;
	struct userfn *userfn;
	struct entity_budget *entity_budget;
	struct entity_table *entities;
	struct crdt_table *crdts;
	struct owners *owners; /* NULL: nobody else can share the journal */
	struct redis_secret *secret;
	struct router *router;
	struct feed *feed;
	struct publisher *publisher;
	struct eventing *eventing;
	struct front *front;
	struct loop_task change_task;
	struct timer tick_timer;
	struct timer grace_timer;
	enum server_phase phase;
	bool was_ready;
	char reason[ERROR_MESSAGE_MAX];
	int exit_code;
};

/* True when calls can be served; otherwise reason gets a sentence. */
bool server_is_ready(struct server *server, const char **reason);

/* membership.c: opens members and the log of CRDTs. */
MUST_CHECK enum status server_open_members(struct server *server, void (*on_change)(void *data),
					   struct error *err);

/* membership.c, too: only workers of this gateway can be members beside it. */
bool server_has_near_peers(const struct config *config);

/* membership.c, too: after the router, who owns what among several gateways. */
MUST_CHECK enum status server_open_owners(struct server *server, struct error *err);

/* crdts.c: after members, log and function. */
void server_open_crdts(struct server *server);
void server_crdts_on_change(struct server *server);

/* eventing.c: after the router. */
void server_open_eventing(struct server *server);
void server_note_eventing(struct server *server);

/* shutdown.c: data is the server. */
void server_on_signal(void *data, int signal_number);
void server_on_grace_over(void *data);

/* Ends with exit code 1 because something is broken that waiting does not mend. */
void server_give_up(struct server *server, const char *reason);

/* status_page.c: the JSON of /status; data is the server. */
void server_status_page(void *data, struct buf *out);

#endif

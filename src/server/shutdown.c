/* The ordered end: readiness goes first, then the fronts finish what runs, the consumers of
 * events what they deliver, and the router what the function asked for beside the answers (side
 * effects), then the entities are passivated, so that
 * their streams end in order, then the other gateways are told; journal and function are closed
 * last, by server_free. Each phase ends by itself or when shutdown.grace is
 * over; a second signal ends at once. Spec: cloudstate-protocol D-61. */
#include <signal.h>

#include "httpapi/front/front.h"
#include "journal/members.h"
#include "src/base/clock.h"
#include "src/base/log.h"
#include "src/config/config.h"
#include "src/entity/crdt_table.h"
#include "src/entity/entity_table.h"
#include "src/eventing/eventing.h"
#include "src/router/owners.h"
#include "src/router/router.h"
#include "src/server/server_internal.h"

static size_t server_entities(const struct server *server)
{
	return entity_table_active(server->entities) + crdt_table_active(server->crdts);
}

static void server_stop(struct server *server, int exit_code)
{
	server->phase = SERVER_STOPPED;
	server->exit_code = exit_code;
	LOG(INFO, STOPPED, LOG_INT("exit_code", exit_code),
	    LOG_UINT("calls_cut", router_active(server->router)),
	    LOG_UINT("effects_cut", router_effects(server->router)),
	    LOG_UINT("entities_cut", server_entities(server)));
	loop_stop(server->loop);
}

void server_give_up(struct server *server, const char *reason)
{
	LOG(ERROR, FATAL, LOG_STR("reason", reason));
	server_stop(server, 1);
}

static void server_on_left(void *data)
{
	server_stop(data, 0);
}

static void server_leave(struct server *server)
{
	if (server->phase == SERVER_LEAVING)
		return;
	server->phase = SERVER_LEAVING;
	members_leave(server->members, server_on_left, server);
}

static void server_on_crdts_done(void *data)
{
	server_leave(data);
}

static void server_on_entities_done(void *data)
{
	struct server *server = data;

	crdt_table_drain(server->crdts, server_on_crdts_done, server);
}

static void server_on_effects_done(void *data)
{
	struct server *server = data;

	if (server->phase != SERVER_DRAINING_EVENTS)
		return; /* the grace was over first */
	server->phase = SERVER_DRAINING_ENTITIES;
	entity_table_drain(server->entities, server_on_entities_done, server);
}

static void server_on_events_done(void *data)
{
	struct server *server = data;

	router_drain(server->router, server_on_effects_done, server);
}

static void server_on_calls_done(void *data)
{
	struct server *server = data;

	if (server->phase != SERVER_DRAINING_CALLS)
		return; /* the grace was over first */
	server->phase = SERVER_DRAINING_EVENTS;
	eventing_drain(server->eventing, server_on_events_done, server);
}

void server_on_grace_over(void *data)
{
	server_leave(data);
}

void server_on_signal(void *data, int signal_number)
{
	struct server *server = data;

	if (signal_number == SIGHUP)
		return; /* the terminal is gone; a gateway serves on */
	if (server->phase != SERVER_SERVING) {
		server_stop(server, 1);
		return;
	}
	server->phase = SERVER_DRAINING_CALLS;
	LOG(INFO, SHUTTING_DOWN, LOG_INT("signal", signal_number),
	    LOG_UINT("calls", router_active(server->router)),
	    LOG_UINT("entities", server_entities(server)));
	members_set_state(server->members, MEMBER_LEAVING);
	if (server->owners)
		owners_leave(server->owners);
	router_view_changed(server->router);
	timer_start_in(&server->grace_timer, server->config->shutdown_grace_ms);
	router_end_streams(server->router);
	front_drain(server->front, server_on_calls_done, server);
}

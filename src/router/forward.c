#include "src/router/forward.h"

#include <string.h>

#include "journal/members.h"
#include "src/base/arena.h"
#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/list.h"
#include "src/base/log.h"
#include "src/base/map.h"
#include "src/base/mem.h"
#include "src/base/metrics.h"
#include "src/grpc/grpc_call.h"
#include "src/grpc/grpc_trailers.h"
#include "src/h2/channel.h"
#include "src/router/ownership.h"
#include "src/runtime/address.h"
#include "src/runtime/loop.h"

/* A connection carries the commands of all clients of a gateway, so it may hold more than one of a
 * client's. */
#define PEER_CONNECTION_WINDOW_BYTES ((uint32_t)16 * 1024 * 1024)
#define PEER_RESETS_MAX 100000U

/* Of one attempt: the caller's metadata with ours, and the headers of the reply. */
#define FORWARD_ARENA_BYTES (2 * GRPC_METADATA_BYTES_MAX)

enum forward_result {
	FORWARD_ANSWERED, /* by the owner */
	FORWARD_RETRIED,  /* the member did not answer; sent to another */
	FORWARD_HERE,	  /* executed here for want of another */
	FORWARD_UNKNOWN,  /* the owner does not know the method; executed here */
	FORWARD_RESULTS
};

struct peer {
	struct map_node node; /* key: address */
	struct list retired_node;
	struct forwards *forwards;
	char *address;
	uint64_t incarnation; /* of the process there */
	struct channel *channel;
	size_t calls;
};

struct forwards {
	struct forwards_params params;
	struct peer_auth *auth; /* NULL: not known yet */
	struct map peers;
	struct list retired; /* whose process is another now, and calls are not over */
	struct list calls;   /* struct forward */
	struct loop_task tidy;
	struct metrics_series *results[FORWARD_RESULTS]; /* all NULL without metrics */
	struct metrics_series *suspicions;
};

struct forward {
	struct list node;
	struct forwards *forwards;
	struct forward_request request;
	forward_done_fn on_done;
	void *data;
	struct peer *peer;
	struct grpc_client_call *client;
	unsigned attempts;
	bool is_resent;	    /* another member may have executed it */
	struct arena arena; /* what the present attempt sends and gets */
	struct metadata headers;
	struct buf message;
	bool has_message;
};

/* ---- members --------------------------------------------------------------------------------- */
static void on_state(void *data, enum channel_state state, const struct error *error)
{
	struct peer *peer = data;

	if (state == CHANNEL_READY)
		LOG(INFO, PEER_CONNECTED, LOG_STR("peer", peer->address));
	else if (state == CHANNEL_BACKOFF)
		LOG_LIMITED(WARN, PEER_LOST, LOG_STR("peer", peer->address),
			    LOG_STR("reason", error->message));
}

static struct channel_params channel_params_of(const struct forwards_params *params)
{
	struct channel_params channel = {
		.connect_timeout_ms = params->dead_after_ms,
		.limits = h2_limits_default(),
	};
	uint64_t silent_ms = params->ping_interval_ms;

	channel.limits.connection_window_bytes = PEER_CONNECTION_WINDOW_BYTES;
	channel.limits.max_resets = PEER_RESETS_MAX;
	channel.limits.settings_timeout_ms = params->dead_after_ms;
	channel.limits.keepalive_needs_stream = true;
	channel.limits.keepalive_idle_ms = silent_ms;
	channel.limits.keepalive_timeout_ms =
		params->dead_after_ms > silent_ms ? params->dead_after_ms - silent_ms : 1;
	return channel;
}

/* Another process is there now: how the old connection ends says nothing of it. */
static void retire(struct peer *peer)
{
	map_remove(&peer->forwards->peers, &peer->node);
	list_push_back(&peer->forwards->retired, &peer->retired_node);
	forwards_tidy(peer->forwards);
}

static struct peer *find_peer(struct forwards *forwards, const char *address, uint64_t incarnation)
{
	struct map_node *node = map_find(&forwards->peers, span_from_str(address));
	struct peer *peer = node ? container_of(node, struct peer, node) : NULL;

	if (!peer || peer->incarnation == incarnation)
		return peer;
	retire(peer);
	return NULL;
}

/* NULL: nobody can be reached under such an address. */
static struct peer *peer_of(struct forwards *forwards, const char *address)
{
	struct channel_params params = channel_params_of(&forwards->params);
	uint64_t incarnation = ownership_incarnation(forwards->params.ownership, address);
	struct peer *peer = find_peer(forwards, address, incarnation);
	struct address where;
	struct error err;

	if (peer)
		return peer;
	if (address_parse(span_from_str(address), "127.0.0.1", &where, &err) != ST_OK)
		return NULL;
	peer = mem_new(struct peer);
	peer->forwards = forwards;
	peer->incarnation = incarnation;
	list_init(&peer->retired_node);
	peer->address = mem_strdup(address);
	peer->node.key = span_from_str(peer->address);
	BUG_ON(!map_insert(&forwards->peers, &peer->node));
	peer->channel = channel_open(forwards->params.loop, &where, &params, on_state, peer);
	return peer;
}

static void peer_free(struct peer *peer)
{
	if (list_is_linked(&peer->retired_node))
		list_remove(&peer->retired_node);
	else
		map_remove(&peer->forwards->peers, &peer->node);
	channel_close(peer->channel);
	mem_free(peer->address);
	mem_free(peer);
}

static void on_tidy(void *data)
{
	struct forwards *forwards = data;
	struct map_node *node = map_next(&forwards->peers, NULL);

	while (node) {
		struct map_node *next = map_next(&forwards->peers, node);
		struct peer *peer = container_of(node, struct peer, node);

		if (peer->calls == 0 &&
		    !ownership_has_member(forwards->params.ownership, peer->address))
			peer_free(peer);
		node = next;
	}
	list_for_each_safe (it, &forwards->retired) {
		struct peer *peer = list_entry(it, struct peer, retired_node);

		if (peer->calls == 0)
			peer_free(peer);
	}
}

void forwards_tidy(struct forwards *forwards)
{
	loop_task_schedule(forwards->params.loop, &forwards->tidy);
}

static void leave_peer(struct forward *forward)
{
	if (forward->peer && --forward->peer->calls == 0)
		forwards_tidy(forward->forwards);
	forward->peer = NULL;
}

/* ---- the end of a forward -------------------------------------------------------------------- */
static void count(struct forwards *forwards, enum forward_result result)
{
	if (forwards->results[result])
		metrics_add(forwards->results[result], 1);
}

static void forward_free(struct forward *forward)
{
	leave_peer(forward);
	list_remove(&forward->node);
	arena_fini(&forward->arena);
	buf_fini(&forward->message);
	mem_free(forward);
}

static void execute_here(struct forward *forward, enum forward_result result)
{
	forward_done_fn on_done = forward->on_done;
	void *data = forward->data;
	bool is_resent = forward->is_resent;

	count(forward->forwards, result);
	forward_free(forward);
	on_done(data, NULL, is_resent);
}

/* Without the signature. */
static void strip(const struct metadata *from, struct metadata *ret_metadata,
		  struct metadata_item items[METADATA_ITEMS_MAX])
{
	ret_metadata->items = items;
	ret_metadata->count = 0;
	for (size_t i = 0; from && i < from->count; i++)
		if (!span_eq_str(from->items[i].key, FORWARD_MEMBER_KEY))
			items[ret_metadata->count++] = from->items[i];
}

static void pass_on(struct forward *forward, const struct grpc_status *status)
{
	struct metadata_item items[METADATA_ITEMS_MAX];
	struct metadata trailers = {0};
	struct grpc_status shown = *status;
	struct span message = buf_span(&forward->message);
	struct forward_reply reply = {
		.headers = forward->headers.count ? &forward->headers : NULL,
		.message = forward->has_message ? &message : NULL,
		.status = &shown,
	};

	strip(status->trailers, &trailers, items);
	shown.trailers = trailers.count ? &trailers : NULL;
	count(forward->forwards, FORWARD_ANSWERED);
	forward->on_done(forward->data, &reply, false);
	forward_free(forward);
}

/* ---- attempts -------------------------------------------------------------------------------- */
static bool attempt(struct forward *forward, const char *address);

/* The member does not answer: it is passed over for a while, by everybody who is waiting too. */
static void try_next(struct forward *forward, const struct grpc_status *status, bool was_sent)
{
	struct forwards *forwards = forward->forwards;
	struct ownership *ownership = forwards->params.ownership;
	uint64_t now_ns = loop_now_ns(forwards->params.loop);
	const struct forward_request *request = &forward->request;
	const char *address;

	if (ownership_incarnation(ownership, forward->peer->address) ==
		    forward->peer->incarnation &&
	    ownership_suspect(ownership, forward->peer->address, now_ns)) {
		LOG(WARN, PEER_SUSPECTED, LOG_STR("peer", forward->peer->address),
		    LOG_STR("code", status_name(status->code)),
		    LOG_SPAN("reason", status->message));
		if (forwards->suspicions)
			metrics_add(forwards->suspicions, 1);
	}
	forward->is_resent |= was_sent;
	leave_peer(forward);
	address = ownership_owner(ownership, request->type, request->id, now_ns);
	if (!address || forward->attempts >= FORWARD_ATTEMPTS_MAX || !attempt(forward, address))
		execute_here(forward, FORWARD_HERE);
	else
		count(forwards, FORWARD_RETRIED);
}

static bool is_answer(const struct grpc_status *status)
{
	if (status->trailers && metadata_get(status->trailers, FORWARD_MEMBER_KEY).len)
		return true;
	/* a limit, there or on the way there: to go round it would only move the load */
	return status->code == ST_RESOURCE_EXHAUSTED;
}

static void on_status(void *data, const struct grpc_status *status, bool was_sent)
{
	struct forward *forward = data;
	struct loop *loop = forward->forwards->params.loop;

	forward->client = NULL;
	if (is_answer(status) || forward->request.deadline_ns <= loop_now_ns(loop))
		pass_on(forward, status);
	else if (status->trailers && status->code == ST_UNIMPLEMENTED)
		execute_here(forward, FORWARD_UNKNOWN);
	else
		try_next(forward, status, was_sent);
}

static void on_headers(void *data, const struct metadata *headers)
{
	struct forward *forward = data;

	for (size_t i = 0; i < headers->count; i++) {
		const struct metadata_item *item = &headers->items[i];

		/* a list that came fits */
		(void)!metadata_add(&forward->headers, &forward->arena, item->key, item->value);
	}
}

static void on_message(void *data, struct span message)
{
	struct forward *forward = data;

	buf_reset(&forward->message);
	forward->has_message = buf_append(&forward->message, message); /* it was let through */
	grpc_client_read(forward->client);
}

static bool make_metadata(struct forward *forward, const char *address,
			  struct metadata *ret_metadata)
{
	struct forward_request *request = &forward->request;

	for (size_t i = 0; i < request->metadata->count; i++) {
		const struct metadata_item *item = &request->metadata->items[i];

		if (metadata_add(ret_metadata, &forward->arena, item->key, item->value) != ST_OK)
			return false;
	}
	request->call.view_version = ownership_version(forward->forwards->params.ownership);
	return peer_call_write(forward->forwards->auth, &request->call,
			       &(struct peer_occasion){
				       .target = span_from_str(address),
				       .path = request->path,
				       .wall_ms = clock_wall_ms(),
			       },
			       &forward->arena, ret_metadata);
}

/* False: it cannot even be sent. */
static bool attempt(struct forward *forward, const char *address)
{
	static const struct grpc_client_ops ops = {
		.on_headers = on_headers,
		.on_message = on_message,
		.on_status = on_status,
	};
	struct forwards *forwards = forward->forwards;
	const struct forwards_params *params = &forwards->params;
	struct metadata metadata = {0};
	struct grpc_client_params call = {
		.metadata = &metadata,
		.deadline_ns = forward->request.deadline_ns,
		.open_deadline_ns = clock_deadline(loop_now_ns(params->loop),
						   params->dead_after_ms * NS_PER_MS),
		.max_message_bytes = params->max_message_bytes,
	};
	struct peer *peer = peer_of(forwards, address);

	forward->attempts++;
	forward->headers = (struct metadata){0};
	forward->has_message = false;
	arena_reset(&forward->arena);
	call.path = arena_strndup(&forward->arena, forward->request.path.data,
				  forward->request.path.len);
	if (!peer || !call.path || !make_metadata(forward, address, &metadata))
		return false;
	forward->peer = peer;
	peer->calls++;
	forward->client = grpc_client_start(params->loop, peer->channel, &call, &ops, forward);
	grpc_client_read(forward->client);
	if (grpc_client_send(forward->client, forward->request.message) != ST_OK) {
		grpc_client_cancel(forward->client);
		forward->client = NULL;
		leave_peer(forward);
		return false;
	}
	grpc_client_half_close(forward->client);
	return true;
}

struct forward *forward_start(struct forwards *forwards, const char *address,
			      const struct forward_request *request, forward_done_fn on_done,
			      void *data)
{
	struct forward *forward;

	if (!forwards->auth)
		return NULL;
	forward = mem_new(struct forward);
	list_init(&forward->node);
	list_push_back(&forwards->calls, &forward->node);
	forward->forwards = forwards;
	forward->request = *request;
	forward->on_done = on_done;
	forward->data = data;
	arena_init(&forward->arena, FORWARD_ARENA_BYTES);
	buf_init(&forward->message, forwards->params.max_message_bytes);
	if (attempt(forward, address))
		return forward;
	count(forwards, FORWARD_HERE);
	forward_free(forward);
	return NULL;
}

void forward_cancel(struct forward *forward)
{
	if (!forward)
		return;
	grpc_client_cancel(forward->client);
	forward_free(forward);
}

/* ---- the whole ------------------------------------------------------------------------------- */
struct forwards *forwards_new(const struct forwards_params *params)
{
	static const char *const names[FORWARD_RESULTS] = {"answered", "retried", "here",
							   "unknown_method"};
	struct forwards *forwards = mem_new(struct forwards);

	forwards->params = *params;
	map_init(&forwards->peers);
	list_init(&forwards->calls);
	list_init(&forwards->retired);
	loop_task_init(&forwards->tidy, on_tidy, forwards);
	if (!params->metrics)
		return forwards;
	forwards->suspicions = metrics_series(params->metrics, METRIC_SUSPICIONS, NULL, 0);
	for (size_t i = 0; i < FORWARD_RESULTS; i++) {
		const struct metrics_label label = {"result", span_from_str(names[i])};

		forwards->results[i] = metrics_series(params->metrics, METRIC_FORWARDS, &label, 1);
	}
	return forwards;
}

void forwards_set_auth(struct forwards *forwards, struct peer_auth *auth)
{
	forwards->auth = auth;
}

void forwards_free(struct forwards *forwards)
{
	struct map_node *node;

	if (!forwards)
		return;
	while (!list_is_empty(&forwards->calls))
		forward_cancel(list_entry(forwards->calls.next, struct forward, node));
	while ((node = map_next(&forwards->peers, NULL)))
		peer_free(container_of(node, struct peer, node));
	while (!list_is_empty(&forwards->retired))
		peer_free(list_entry(forwards->retired.next, struct peer, retired_node));
	loop_task_cancel(&forwards->tidy);
	map_fini(&forwards->peers);
	mem_free(forwards);
}

/* A call has up to four things under way, each with its own tag: the end (always), a read, a write,
 * a wait. Threads that bring their results take turns by the call's mutex, handle what came and
 * then pump: send what waits; else end; else read, and ask for more replies. So at most one write
 * is under way, nothing is produced while one is, and a slow reader is waited for.
 *
 *   OPEN --action is over and sent--> ENDING --all results are in--> gone
 *      \--cancelled--> DEAD ------------------^
 */

#include "support/c/action_call.h"

#include <grpc/byte_buffer.h>
#include <grpc/slice.h>
#include <pthread.h>
#include <stdlib.h>

#include "support/c/action.h"
#include "support/c/message.h"

enum tag_kind { TAG_CLOSE, TAG_READ, TAG_WRITE, TAG_KINDS };

enum action_call_state { ACTION_CALL_OPEN, ACTION_CALL_ENDING, ACTION_CALL_DEAD };

struct tag {
	uint32_t magic;
	enum tag_kind kind;
	struct hg_action_call *call;
};

struct hg_action_call {
	pthread_mutex_t mutex;
	struct hg_server *server;
	grpc_call *grpc;
	struct hg_action action;
	enum action_call_state state;
	unsigned pending; /* results that will still come */
	bool is_reading;
	bool is_writing;
	int is_cancelled; /* gRPC wants a place to write it to */
	grpc_byte_buffer *in;
	grpc_byte_buffer *out;
	struct hg_timer timer;
	struct tag tags[TAG_KINDS];
};

bool hg_action_call_shape(grpc_slice method, bool *ret_client_streaming, bool *ret_server_streaming)
{
	static const struct {
		const char *path;
		bool client_streaming;
		bool server_streaming;
	} shapes[] = {
		{"/cloudstate.action.ActionProtocol/handleUnary", false, false},
		{"/cloudstate.action.ActionProtocol/handleStreamedIn", true, false},
		{"/cloudstate.action.ActionProtocol/handleStreamedOut", false, true},
		{"/cloudstate.action.ActionProtocol/handleStreamed", true, true},
	};

	for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
		if (grpc_slice_str_cmp(method, shapes[i].path) != 0)
			continue;
		*ret_client_streaming = shapes[i].client_streaming;
		*ret_server_streaming = shapes[i].server_streaming;
		return true;
	}
	return false;
}

static void free_call(struct hg_action_call *call)
{
	struct hg_server *server = call->server;

	hg_action_fini(&call->action);
	grpc_byte_buffer_destroy(call->in);
	grpc_byte_buffer_destroy(call->out);
	grpc_call_unref(call->grpc);
	(void)pthread_mutex_destroy(&call->mutex); /* nobody holds it any more */
	free(call);
	hg_server_release(server);
}

/* ---- Batches ----------------------------------------------------------------------------------
 */

/* A batch that cannot start brings no result: the call is over. */
static bool start(struct hg_action_call *call, const grpc_op *ops, size_t count, enum tag_kind kind)
{
	if (grpc_call_start_batch(call->grpc, ops, count, &call->tags[kind], NULL) !=
	    GRPC_CALL_OK) {
		call->state = ACTION_CALL_DEAD;
		return false;
	}
	call->pending++;
	return true;
}

static void start_close(struct hg_action_call *call)
{
	grpc_op op = {.op = GRPC_OP_RECV_CLOSE_ON_SERVER};

	op.data.recv_close_on_server.cancelled = &call->is_cancelled;
	(void)start(call, &op, 1, TAG_CLOSE); /* a failure shows in the state */
}

static void start_head(struct hg_action_call *call)
{
	grpc_op op = {.op = GRPC_OP_SEND_INITIAL_METADATA};

	call->is_writing = start(call, &op, 1, TAG_WRITE);
}

static void start_read(struct hg_action_call *call)
{
	grpc_op op = {.op = GRPC_OP_RECV_MESSAGE};

	op.data.recv_message.recv_message = &call->in;
	call->is_reading = start(call, &op, 1, TAG_READ);
}

static void start_write(struct hg_action_call *call, struct headgate_bytes response)
{
	grpc_op op = {.op = GRPC_OP_SEND_MESSAGE};

	call->out = hg_message_make(&response, 1);
	op.data.send_message.send_message = call->out;
	call->is_writing = start(call, &op, 1, TAG_WRITE);
}

static void start_end(struct hg_action_call *call)
{
	bool is_aborted = call->action.is_aborted;
	grpc_op op = {.op = GRPC_OP_SEND_STATUS_FROM_SERVER};
	grpc_slice text =
		grpc_slice_from_static_string(is_aborted ? "call aborted by the function" : "");

	op.data.send_status_from_server.status = is_aborted ? GRPC_STATUS_INTERNAL : GRPC_STATUS_OK;
	op.data.send_status_from_server.status_details = &text;
	call->state = ACTION_CALL_ENDING;
	call->is_writing = start(call, &op, 1, TAG_WRITE);
}

/* ---- The pump ---------------------------------------------------------------------------------
 */

static void stop_wait(struct hg_action_call *call)
{
	if (hg_timers_cancel(&call->server->timers, &call->timer))
		call->pending--;
}

static void start_wait(struct hg_action_call *call)
{
	stop_wait(call);
	if (call->action.wait_ms < 0)
		return;
	if (hg_timers_set(&call->server->timers, &call->timer, call->action.wait_ms))
		call->pending++;
	else
		call->action.wants_ready = true; /* too early rather than never */
	call->action.wait_ms = -1;
}

/* One step; false when there is nothing to do but wait for results. */
static bool pump_once(struct hg_action_call *call, struct hg_worker *worker)
{
	struct headgate_bytes response;

	if (call->state != ACTION_CALL_OPEN || call->is_writing)
		return false;
	if (hg_action_next(&call->action, &response)) {
		start_write(call, response);
		return false;
	}
	if (call->action.is_over) {
		stop_wait(call);
		start_end(call);
		return false;
	}
	if (!call->is_reading && hg_action_wants_message(&call->action))
		start_read(call);
	if (call->action.wait_ms >= 0)
		start_wait(call);
	if (!call->action.wants_ready)
		return false;
	stop_wait(call); /* a message came first */
	hg_action_ready(&call->action, worker);
	return true;
}

/* The caller holds the mutex, and the call may be gone afterwards. */
static void pump(struct hg_action_call *call, struct hg_worker *worker)
{
	bool is_gone;

	while (pump_once(call, worker))
		continue;
	is_gone = call->pending == 0;
	(void)pthread_mutex_unlock(&call->mutex);
	if (is_gone)
		free_call(call);
}

/* ---- Results ----------------------------------------------------------------------------------
 */

static void on_close(struct hg_action_call *call)
{
	stop_wait(call);
	if (call->state == ACTION_CALL_OPEN) {
		hg_action_cancel(&call->action);
		call->state = ACTION_CALL_DEAD;
	}
}

static void on_read(struct hg_action_call *call, struct hg_worker *worker, bool is_ok)
{
	grpc_slice joined;

	call->is_reading = false;
	if (call->state != ACTION_CALL_OPEN || !is_ok || !call->in) {
		if (call->state == ACTION_CALL_OPEN)
			hg_action_half_close(&call->action, worker);
	} else {
		struct headgate_bytes message = hg_message_read(call->in, &joined);
		hg_action_receive(&call->action, worker, message);
		grpc_slice_unref(joined);
	}
	grpc_byte_buffer_destroy(call->in);
	call->in = NULL;
}

static void on_written(struct hg_action_call *call)
{
	call->is_writing = false;
	grpc_byte_buffer_destroy(call->out);
	call->out = NULL;
	/* that it failed is told by the close, which is on its way then */
}

void hg_action_call_step(void *tag_pointer, struct hg_worker *worker, bool is_ok)
{
	struct tag *tag = tag_pointer;
	struct hg_action_call *call = tag->call;

	(void)pthread_mutex_lock(&call->mutex); /* fails only when misused, here and below */
	call->pending--;
	switch (tag->kind) {
	case TAG_CLOSE:
		on_close(call);
		break;
	case TAG_READ:
		on_read(call, worker, is_ok);
		break;
	case TAG_WRITE:
		on_written(call);
		break;
	case TAG_KINDS:
		break;
	}
	pump(call, worker);
}

void hg_action_call_due(void *data, struct hg_worker *worker)
{
	struct hg_action_call *call = data;

	(void)pthread_mutex_lock(&call->mutex);
	call->pending--;
	if (call->state == ACTION_CALL_OPEN)
		call->action.wants_ready = true;
	pump(call, worker);
}

/* ---- Beginning --------------------------------------------------------------------------------
 */

bool hg_action_call_start(struct hg_server *server, grpc_call *grpc, bool client_streaming,
			  bool server_streaming)
{
	struct hg_action_call *call = calloc(1, sizeof *call);

	if (!call)
		return false;
	call->server = server;
	call->grpc = grpc;
	call->timer.data = call;
	for (unsigned kind = 0; kind < TAG_KINDS; kind++)
		call->tags[kind] = (struct tag){HG_ACTION_TAG_MAGIC, (enum tag_kind)kind, call};
	hg_action_init(&call->action, server->params.action_types,
		       server->params.action_type_count);
	call->action.client_streaming = client_streaming;
	call->action.server_streaming = server_streaming;
	(void)pthread_mutex_init(&call->mutex, NULL); /* cannot fail with default attributes */
	hg_server_hold(server);
	(void)pthread_mutex_lock(&call->mutex);
	start_close(call);
	if (call->state == ACTION_CALL_OPEN)
		start_head(call);
	if (call->state == ACTION_CALL_OPEN)
		start_read(call);
	bool is_gone = call->pending == 0;
	(void)pthread_mutex_unlock(&call->mutex);
	if (is_gone)
		free_call(call);
	return true;
}

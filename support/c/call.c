/* The states of a call and what each waits for:
 *
 *   AWAITED --a stream---> READING <--> (small answer: sent and the next read in one batch)
 *      |                    |   ^
 *      |                    v   |
 *      |                   SENDING   (large answer: freed as soon as it is out; or of a CRDT, with
 *      |                    |        more to follow)
 *      |                    |
 *      |--a unary call--> UNARY
 *      |--an action-----> gone, and an hg_action_call goes on
 *      |                    |
 *      \--unknown method--> FINISHING --> gone
 *
 * One batch per command keeps the completion queue, which is most of the cost, at one turn per
 * command. */

#include "support/c/call.h"

#include <grpc/byte_buffer.h>
#include <grpc/slice.h>
#include <stdlib.h>

#include "support/c/action_call.h"
#include "support/c/crdt_stream.h"
#include "support/c/discovery.h"
#include "support/c/message.h"

/* A sent answer is kept until the next command comes, which for an idle entity is long: larger
 * ones are waited for and freed. */
#define SMALL_ANSWER_MAX ((size_t)16 * 1024)

#define CALL_MAGIC 0x68674341

enum call_state { CALL_AWAITED, CALL_READING, CALL_SENDING, CALL_UNARY, CALL_FINISHING };

struct hg_call {
	uint32_t magic;
	enum call_state state;
	struct hg_server *server;
	grpc_call *grpc;
	struct hg_stream *stream;    /* of a handle call of an event sourced entity */
	struct hg_crdt_stream *crdt; /* of a CRDT */
	bool is_discover;	     /* of unary calls: discover, else reportError */
	grpc_byte_buffer *in;
	grpc_byte_buffer *out;
	int is_cancelled; /* gRPC wants a place to write it to */
	grpc_call_details details;
	grpc_metadata_array metadata;
};

#define OPS_MAX 4

struct batch {
	grpc_op ops[OPS_MAX];
	size_t count;
};

static grpc_op *add_op(struct batch *batch, grpc_op_type type)
{
	grpc_op *op = &batch->ops[batch->count++];

	op->op = type;
	return op;
}

static void free_call(struct hg_call *call)
{
	struct hg_server *server = call->server;

	call->magic = 0;
	hg_stream_free(call->stream);
	hg_crdt_stream_free(call->crdt);
	grpc_byte_buffer_destroy(call->in);
	grpc_byte_buffer_destroy(call->out);
	grpc_call_details_destroy(&call->details);
	grpc_metadata_array_destroy(&call->metadata);
	if (call->grpc)
		grpc_call_unref(call->grpc);
	free(call);
	hg_server_release(server);
}

/* A batch that cannot start leaves no completion behind: the call is over. */
static void start(struct hg_call *call, struct batch *batch, enum call_state state)
{
	call->state = state;
	if (grpc_call_start_batch(call->grpc, batch->ops, batch->count, call, NULL) != GRPC_CALL_OK)
		free_call(call);
}

bool hg_call_await(struct hg_server *server)
{
	struct hg_call *call = calloc(1, sizeof *call);

	if (!call)
		return false;
	call->magic = CALL_MAGIC;
	call->state = CALL_AWAITED;
	call->server = server;
	grpc_call_details_init(&call->details);
	grpc_metadata_array_init(&call->metadata);
	hg_server_hold(server);
	if (grpc_server_request_call(server->grpc, &call->grpc, &call->details, &call->metadata,
				     server->queue, server->queue, call) != GRPC_CALL_OK) {
		free_call(call);
		return false;
	}
	return true;
}

static void add_receive(struct batch *batch, struct hg_call *call)
{
	add_op(batch, GRPC_OP_RECV_MESSAGE)->data.recv_message.recv_message = &call->in;
}

static void add_send(struct batch *batch, struct hg_call *call)
{
	add_op(batch, GRPC_OP_SEND_MESSAGE)->data.send_message.send_message = call->out;
}

/* Sends the status, after call->out if there is one. The text must be static. */
static void finish(struct hg_call *call, struct batch *batch, grpc_status_code code,
		   const char *text)
{
	grpc_slice details = grpc_slice_from_static_string(text);

	if (call->out)
		add_send(batch, call);
	grpc_op *status = add_op(batch, GRPC_OP_SEND_STATUS_FROM_SERVER);
	status->data.send_status_from_server.status = code;
	status->data.send_status_from_server.status_details = &details;
	add_op(batch, GRPC_OP_RECV_CLOSE_ON_SERVER)->data.recv_close_on_server.cancelled =
		&call->is_cancelled;
	start(call, batch, CALL_FINISHING);
}

static void drop_buffers(struct hg_call *call)
{
	grpc_byte_buffer_destroy(call->in);
	grpc_byte_buffer_destroy(call->out);
	call->in = NULL;
	call->out = NULL;
}

static bool has_more(const struct hg_call *call)
{
	return call->crdt && hg_crdt_stream_has_more(call->crdt);
}

static void answer(struct hg_call *call, enum hg_verdict verdict, const struct hg_out *out)
{
	struct batch batch = {0};

	if (verdict == HG_SEND || (verdict == HG_END && out->size > 0))
		call->out = hg_message_make(out->parts, out->part_count);
	switch (verdict) {
	case HG_READ_ON:
		add_receive(&batch, call);
		start(call, &batch, CALL_READING);
		return;
	case HG_SEND:
		add_send(&batch, call);
		if (out->size > SMALL_ANSWER_MAX || has_more(call)) {
			start(call, &batch, CALL_SENDING);
			return;
		}
		add_receive(&batch, call);
		start(call, &batch, CALL_READING);
		return;
	case HG_END:
		finish(call, &batch, GRPC_STATUS_OK, "");
		return;
	case HG_ABORT:
		finish(call, &batch, GRPC_STATUS_INTERNAL, "stream aborted by the function");
		return;
	}
}

static void on_stream_message(struct hg_call *call, struct hg_worker *worker, bool is_ok)
{
	struct batch batch = {0};
	struct hg_out out;
	grpc_slice joined;

	grpc_byte_buffer_destroy(call->out);
	call->out = NULL;
	if (!is_ok || !call->in) { /* the proxy has closed its side, or is gone */
		finish(call, &batch, GRPC_STATUS_OK, "");
		return;
	}
	struct headgate_bytes message = hg_message_read(call->in, &joined);
	enum hg_verdict verdict =
		call->crdt ? hg_crdt_stream_receive(call->crdt, worker, message, &out)
			   : hg_stream_receive(call->stream, worker, message, &out);
	grpc_byte_buffer_destroy(call->in);
	call->in = NULL;
	answer(call, verdict, &out);
	grpc_slice_unref(joined);
}

static void on_sent(struct hg_call *call, struct hg_worker *worker, bool is_ok)
{
	struct batch batch = {0};
	struct hg_out out;

	drop_buffers(call);
	if (is_ok && has_more(call)) {
		enum hg_verdict verdict = hg_crdt_stream_next(call->crdt, worker, &out);
		answer(call, verdict, &out);
	} else if (is_ok) {
		add_receive(&batch, call);
		start(call, &batch, CALL_READING);
	} else {
		finish(call, &batch, GRPC_STATUS_OK, "");
	}
}

static void on_unary_message(struct hg_call *call, bool is_ok)
{
	struct hg_server *server = call->server;
	struct batch batch = {0};
	struct hg_out out = {0};
	grpc_slice joined;

	add_op(&batch, GRPC_OP_SEND_INITIAL_METADATA);
	if (!is_ok || !call->in) {
		finish(call, &batch, GRPC_STATUS_INVALID_ARGUMENT, "request message missing");
		return;
	}
	struct headgate_bytes message = hg_message_read(call->in, &joined);
	bool is_good = call->is_discover ? hg_log_proxy_info(&server->params.log, message)
					 : hg_log_reported_error(&server->params.log, message);
	grpc_slice_unref(joined);
	if (!is_good) {
		finish(call, &batch, GRPC_STATUS_INVALID_ARGUMENT, "request cannot be decoded");
		return;
	}
	if (call->is_discover) {
		out.parts[out.part_count++] = server->params.entity_spec;
		out.size = server->params.entity_spec.size;
	}
	call->out = hg_message_make(out.parts, out.part_count);
	finish(call, &batch, GRPC_STATUS_OK, "");
}

/* ---- Calls arriving ---------------------------------------------------------------------------
 */

static bool is_method(const struct hg_call *call, const char *path)
{
	return grpc_slice_str_cmp(call->details.method, path) == 0;
}

enum entity_kind { KIND_EVENTS, KIND_VALUE, KIND_CRDT };

static void accept_stream(struct hg_call *call, enum entity_kind kind)
{
	const struct hg_server_params *params = &call->server->params;
	struct batch batch = {0};

	add_op(&batch, GRPC_OP_SEND_INITIAL_METADATA);
	if (kind == KIND_CRDT)
		call->crdt = hg_crdt_stream_new(params->crdt_types, params->crdt_type_count);
	else
		call->stream = hg_stream_new(params->types, params->type_count, kind == KIND_VALUE);
	if (!call->stream && !call->crdt) {
		finish(call, &batch, GRPC_STATUS_RESOURCE_EXHAUSTED, "out of memory");
		return;
	}
	add_receive(&batch, call);
	start(call, &batch, CALL_READING);
}

static void accept_unary(struct hg_call *call)
{
	struct batch batch = {0};

	add_receive(&batch, call);
	start(call, &batch, CALL_UNARY);
}

static void accept_action(struct hg_call *call, bool client_streaming, bool server_streaming)
{
	struct batch batch = {0};

	if (hg_action_call_start(call->server, call->grpc, client_streaming, server_streaming)) {
		call->grpc = NULL; /* taken */
		free_call(call);
		return;
	}
	add_op(&batch, GRPC_OP_SEND_INITIAL_METADATA);
	finish(call, &batch, GRPC_STATUS_RESOURCE_EXHAUSTED, "out of memory");
}

static void accept_call(struct hg_call *call, bool is_ok)
{
	struct hg_server *server = call->server;
	struct batch batch = {0};

	if (!is_ok) { /* the server shuts down */
		free_call(call);
		return;
	}
	(void)hg_call_await(server); /* without memory there is one less from here on */
	bool is_handle = is_method(call, "/cloudstate.eventsourced.EventSourced/handle");
	bool is_crdt = is_method(call, "/cloudstate.crdt.Crdt/handle");
	bool is_value = is_method(call, "/cloudstate.valueentity.ValueEntity/handle");
	bool is_report = is_method(call, "/cloudstate.EntityDiscovery/reportError");
	bool client_streaming = false;
	bool server_streaming = false;
	bool is_action =
		hg_action_call_shape(call->details.method, &client_streaming, &server_streaming);
	call->is_discover = is_method(call, "/cloudstate.EntityDiscovery/discover");
	grpc_call_details_destroy(&call->details);
	grpc_call_details_init(&call->details);
	grpc_metadata_array_destroy(&call->metadata);
	grpc_metadata_array_init(&call->metadata);
	if (is_handle || is_value || is_crdt) {
		accept_stream(call, is_crdt ? KIND_CRDT : is_value ? KIND_VALUE : KIND_EVENTS);
	} else if (is_action) {
		accept_action(call, client_streaming, server_streaming);
	} else if (call->is_discover || is_report) {
		accept_unary(call);
	} else {
		add_op(&batch, GRPC_OP_SEND_INITIAL_METADATA);
		finish(call, &batch, GRPC_STATUS_UNIMPLEMENTED, "no such method");
	}
}

void hg_call_step(void *tag, struct hg_worker *worker, bool is_ok)
{
	struct hg_call *call = tag;

	if (call->magic == HG_ACTION_TAG_MAGIC) {
		hg_action_call_step(tag, worker, is_ok);
		return;
	}
	if (call->magic != CALL_MAGIC) {
		hg_log(&worker->log, HEADGATE_LOG_ERROR, "bug: a completion of no call");
		return;
	}
	switch (call->state) {
	case CALL_AWAITED:
		accept_call(call, is_ok);
		return;
	case CALL_READING:
		on_stream_message(call, worker, is_ok);
		return;
	case CALL_SENDING:
		on_sent(call, worker, is_ok);
		return;
	case CALL_UNARY:
		on_unary_message(call, is_ok);
		return;
	case CALL_FINISHING:
		free_call(call);
		return;
	}
}

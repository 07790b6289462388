#include "src/base/buf.h"
#include "src/base/mem.h"
#include "src/grpc/grpc_call.h"
#include "src/runtime/loop.h"

struct grpc_unary {
	struct grpc_client_call *call;
	grpc_unary_fn on_done;
	void *data;
	struct buf reply;
	struct loop_task failed; /* the request itself cannot be sent */
	bool has_reply;
};

static void grpc_unary_free(struct grpc_unary *unary)
{
	loop_task_cancel(&unary->failed);
	buf_fini(&unary->reply);
	mem_free(unary);
}

static void grpc_unary_finish(struct grpc_unary *unary, const struct grpc_status *status)
{
	unary->on_done(unary->data, status,
		       status->code == ST_OK ? buf_span(&unary->reply) : SPAN_EMPTY);
	grpc_unary_free(unary);
}

static void grpc_unary_fail(struct grpc_unary *unary, enum status code, const char *message)
{
	grpc_unary_finish(unary,
			  &(struct grpc_status){.code = code, .message = span_from_str(message)});
}

static void grpc_unary_on_message(void *data, struct span message)
{
	struct grpc_unary *unary = data;

	if (unary->has_reply) {
		grpc_client_cancel(unary->call);
		unary->call = NULL;
		grpc_unary_fail(unary, ST_INTERNAL, "more than one message in a unary reply");
		return;
	}
	unary->has_reply = true;
	(void)buf_append(&unary->reply, message); /* the call has the same limit */
	grpc_client_read(unary->call);
}

static void grpc_unary_on_status(void *data, const struct grpc_status *status, bool was_sent)
{
	struct grpc_unary *unary = data;

	(void)was_sent;
	unary->call = NULL;
	if (status->code == ST_OK && !unary->has_reply)
		grpc_unary_fail(unary, ST_INTERNAL, "no message in a unary reply");
	else
		grpc_unary_finish(unary, status);
}

static const struct grpc_client_ops grpc_unary_ops = {
	.on_message = grpc_unary_on_message,
	.on_status = grpc_unary_on_status,
};

static void grpc_unary_on_failed(void *data)
{
	grpc_unary_fail(data, ST_RESOURCE_EXHAUSTED, "the request is too large to send");
}

struct grpc_unary *grpc_unary_start(struct loop *loop, struct channel *channel,
				    const struct grpc_client_params *params, struct span request,
				    grpc_unary_fn on_done, void *data)
{
	struct grpc_unary *unary = mem_new(struct grpc_unary);

	unary->on_done = on_done;
	unary->data = data;
	buf_init(&unary->reply, params->max_message_bytes);
	loop_task_init(&unary->failed, grpc_unary_on_failed, unary);
	unary->call = grpc_client_start(loop, channel, params, &grpc_unary_ops, unary);
	if (grpc_client_send(unary->call, request)) {
		grpc_client_cancel(unary->call);
		unary->call = NULL;
		loop_task_schedule(loop, &unary->failed);
		return unary;
	}
	grpc_client_half_close(unary->call);
	grpc_client_read(unary->call);
	return unary;
}

void grpc_unary_cancel(struct grpc_unary *unary)
{
	if (!unary)
		return;
	grpc_client_cancel(unary->call);
	grpc_unary_free(unary);
}

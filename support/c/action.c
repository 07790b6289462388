/* Every handler runs the same way: into a fresh context, with the worker's buffers for its answer;
 * afterwards the answer moves into the queue, and what the call waits for is decided in one place
 * for calls with one reply (settle_one) and one for those with many (settle_many). */

#include "support/c/action.h"

#include <stdlib.h>
#include <string.h>

/* Which handler ran. */
enum moment { ON_MESSAGE, ON_END, ON_READY };

void hg_action_init(struct hg_action *action, const struct hg_action_type *const *types,
		    size_t type_count)
{
	*action = (struct hg_action){.types = types, .type_count = type_count, .wait_ms = -1};
}

void hg_action_fini(struct hg_action *action)
{
	if (action->state && action->method->row->destroy)
		action->method->row->destroy(action->state);
	free(action->state);
	free(action->metadata);
	hg_buf_fini(&action->reply);
	hg_buf_fini(&action->effects);
	hg_buf_fini(&action->queue);
}

/* ---- The queue --------------------------------------------------------------------------------
 */

static bool append(struct hg_buf *buf, const void *data, size_t size)
{
	uint8_t *to = size > 0 ? hg_buf_reserve(buf, size) : NULL;

	if (to)
		memcpy(to, data, size);
	return !buf->has_failed;
}

/* Without memory for an answer not even a failure can be told. */
static void abort_call(struct hg_action *action)
{
	action->is_over = true;
	action->is_aborted = true;
	hg_buf_reset(&action->queue, HG_KEEP_BYTES);
	action->queue_at = 0;
}

static void enqueue(struct hg_action *action, const struct headgate_bytes *parts, size_t count)
{
	uint32_t size = 0;
	bool is_good;

	for (size_t i = 0; i < count; i++)
		size += (uint32_t)parts[i].size; /* bounded by max_message_bytes */
	is_good = append(&action->queue, &size, sizeof size);
	for (size_t i = 0; i < count; i++)
		is_good = is_good && append(&action->queue, parts[i].data, parts[i].size);
	if (!is_good)
		abort_call(action);
}

bool hg_action_next(struct hg_action *action, struct headgate_bytes *ret_response)
{
	struct hg_buf *queue = &action->queue;
	uint32_t size;

	if (action->queue_at == queue->size) {
		hg_buf_reset(queue, HG_KEEP_BYTES);
		action->queue_at = 0;
		return false;
	}
	memcpy(&size, queue->data + action->queue_at, sizeof size);
	*ret_response = (struct headgate_bytes){
		.data = queue->data + action->queue_at + sizeof size,
		.size = size,
	};
	action->queue_at += sizeof size + size;
	return true;
}

static struct headgate_bytes bytes_of(const struct hg_buf *buf)
{
	return (struct headgate_bytes){.data = buf->data, .size = buf->size};
}

static void fail_call(struct hg_action *action, const struct headgate_context *context)
{
	struct hg_worker *worker = context->worker;
	struct hg_failure failure = {
		.code = context->code,
		.description = hg_text(context->text),
	};
	struct headgate_bytes parts[3];

	hg_buf_reset(&worker->failure, SIZE_MAX);
	hg_append_failure(&worker->failure, HG_OF_ACTION, &failure);
	parts[0] = bytes_of(&worker->failure);
	parts[1] = bytes_of(&action->effects);
	parts[2] = bytes_of(&worker->effects);
	action->is_over = true;
	bool has_room = !worker->effects.has_failed && !action->effects.has_failed &&
			parts[0].size + parts[1].size + parts[2].size <= worker->max_message_bytes;
	enqueue(action, parts, has_room ? 3 : 1);
	hg_worker_drop_answer(worker);
}

/* ---- After a handler --------------------------------------------------------------------------
 */

static void settle_override(struct hg_action *action, const struct headgate_context *context)
{
	struct headgate_bytes raw = bytes_of(&context->worker->action);

	action->wants_ready = false;
	action->wait_ms = -1;
	if (context->override == HG_ABORT)
		abort_call(action);
	else if (context->override == HG_SEND || raw.size > 0)
		enqueue(action, &raw, 1);
	if (context->override == HG_END)
		action->is_over = true;
}

/* Returns -1 when the context has failed. */
static int finish_one(struct hg_action *action, struct headgate_context *context)
{
	struct hg_worker *worker = context->worker;
	struct headgate_bytes parts[2];

	hg_buf_reset(&worker->effects, HG_KEEP_BYTES); /* they are in action->effects */
	if (action->reply.size == 0 && !context->has_no_reply) {
		struct hg_any empty = hg_any_of_type(context->output_type);
		context->is_ended = false;
		hg_buf_reset(&worker->action, HG_KEEP_BYTES);
		if (hg_context_reply(context, &empty))
			return -1;
	}
	parts[0] = bytes_of(action->reply.size > 0 ? &action->reply : &worker->action);
	parts[1] = bytes_of(&action->effects);
	if (parts[0].size + parts[1].size > worker->max_message_bytes)
		return headgate_fail(context, HEADGATE_RESOURCE_EXHAUSTED, "Reply is too large");
	action->is_over = true;
	enqueue(action, parts, 2);
	return 0;
}

static int settle_one(struct hg_action *action, struct headgate_context *context)
{
	struct hg_worker *worker = context->worker;
	bool is_waiting = context->is_waiting && action->method->row->on_ready;

	if (worker->action.size > 0 || context->has_no_reply) {
		hg_buf_reset(&action->reply, HG_KEEP_BYTES);
		(void)append(&action->reply, worker->action.data, worker->action.size);
	}
	(void)append(&action->effects, worker->effects.data, worker->effects.size);
	if (action->reply.has_failed || action->effects.has_failed)
		return headgate_fail(context, HEADGATE_RESOURCE_EXHAUSTED, "Out of memory");
	action->wait_ms = is_waiting ? context->wait_ms : -1;
	if (context->is_ended || (action->has_request && !is_waiting))
		return finish_one(action, context);
	return 0;
}

static int settle_many(struct hg_action *action, struct headgate_context *context,
		       enum moment moment)
{
	struct hg_buf *responses = &context->worker->responses;

	if (hg_context_flush_effects(context))
		return -1;
	if (!append(&action->queue, responses->data, responses->size)) {
		abort_call(action);
		return 0;
	}
	action->wait_ms = context->is_waiting ? context->wait_ms : -1;
	if (!action->method->row->on_ready)
		action->is_over = context->is_ended || action->has_request;
	else
		action->is_over = context->is_ended;
	action->wants_ready = action->method->row->on_ready && !context->is_waiting &&
			      (moment != ON_READY || responses->size > 0);
	return 0;
}

static void settle(struct hg_action *action, struct headgate_context *context, enum moment moment)
{
	int result = 0;

	if (context->is_overridden) {
		settle_override(action, context);
		return;
	}
	if (!context->has_failed)
		result = action->server_streaming ? settle_many(action, context, moment)
						  : settle_one(action, context);
	if (result || context->has_failed)
		fail_call(action, context);
}

static void begin_context(const struct hg_action *action, struct hg_worker *worker,
			  struct headgate_context *context)
{
	hg_scratch_reset(&worker->scratch);
	hg_worker_drop_answer(worker);
	*context = (struct headgate_context){
		.worker = worker,
		.metadata = {.data = action->metadata, .size = action->metadata_size},
		.is_streaming = action->server_streaming,
		.envelope = HG_OF_ACTION,
	};
	if (!action->method)
		return;
	context->name = action->method->row->name;
	context->output_type = action->method->output_type;
}

static void check_handler(struct headgate_context *context, int result)
{
	if (result != 0)
		(void)headgate_fail(context, HEADGATE_UNKNOWN, "Error handling command '%s'",
				    context->name);
}

/* ---- What happens -----------------------------------------------------------------------------
 */

static void refuse(struct hg_action *action, struct hg_worker *worker, enum headgate_code code,
		   const char *text)
{
	struct headgate_context context;

	begin_context(action, worker, &context);
	(void)headgate_fail(&context, code, "%s", text);
	hg_log(&worker->log, HEADGATE_LOG_ERROR, "action: %s", text);
	fail_call(action, &context);
}

/* Whoever calls a shape knows the service: the shape of the method is the one of the call. */
static const char *find_method(struct hg_action *action, const struct hg_action_command *command)
{
	const struct hg_action_type *type = NULL;
	const struct hg_action_method *method;

	for (size_t i = 0; i < action->type_count; i++)
		if (hg_bytes_equal(command->service_name, action->types[i]->action->service_name))
			type = action->types[i];
	if (!type)
		return "Service unknown";
	method = hg_action_type_find(type, command->name);
	if (!method)
		return "Command unknown";
	if (method->client_streaming != action->client_streaming ||
	    method->server_streaming != action->server_streaming)
		return "Command is of another shape";
	action->method = method;
	return NULL;
}

static bool start_call(struct hg_action *action, struct hg_worker *worker,
		       const struct hg_action_command *command)
{
	const char *problem = find_method(action, command);

	if (problem) {
		refuse(action, worker, HEADGATE_UNIMPLEMENTED, problem);
		return false;
	}
	action->state = calloc(1, action->method->row->state_size + 1);
	action->metadata = malloc(command->metadata.size + 1);
	if (!action->state || !action->metadata) {
		refuse(action, worker, HEADGATE_RESOURCE_EXHAUSTED, "Out of memory");
		return false;
	}
	if (command->metadata.size > 0)
		memcpy(action->metadata, command->metadata.data, command->metadata.size);
	action->metadata_size = command->metadata.size;
	action->wants_ready = action->client_streaming && action->server_streaming &&
			      action->method->row->on_ready;
	return true;
}

static void handle_message(struct hg_action *action, struct hg_worker *worker,
			   const struct hg_any_view *payload)
{
	const struct headgate_action_method *row = action->method->row;
	struct headgate_context context;

	begin_context(action, worker, &context);
	const void *message = hg_context_decode_payload(&context, row->type, payload);
	if (message)
		check_handler(&context, row->on_message(&context, action->state, message));
	settle(action, &context, ON_MESSAGE);
}

void hg_action_receive(struct hg_action *action, struct hg_worker *worker,
		       struct headgate_bytes message)
{
	struct hg_action_command command;
	bool is_first = !action->method;

	if (action->is_over)
		return;
	if (!hg_action_command_parse(message, &command)) {
		refuse(action, worker, HEADGATE_INVALID_ARGUMENT, "Message cannot be decoded");
		return;
	}
	if (is_first && !start_call(action, worker, &command))
		return;
	if (!action->client_streaming)
		action->has_request = true;
	/* the first message of a stream only names it */
	if (!is_first || !action->client_streaming || command.has_payload)
		handle_message(action, worker, &command.payload);
}

void hg_action_half_close(struct hg_action *action, struct hg_worker *worker)
{
	struct headgate_context context;

	if (action->is_over || action->has_request)
		return;
	action->has_request = true;
	if (!action->method) {
		refuse(action, worker, HEADGATE_INVALID_ARGUMENT, "Call without a message");
		return;
	}
	begin_context(action, worker, &context);
	if (action->method->row->on_end)
		check_handler(&context, action->method->row->on_end(&context, action->state));
	settle(action, &context, ON_END);
}

void hg_action_ready(struct hg_action *action, struct hg_worker *worker)
{
	struct headgate_context context;

	action->wants_ready = false;
	action->wait_ms = -1;
	if (action->is_over || !action->method || !action->method->row->on_ready)
		return;
	begin_context(action, worker, &context);
	check_handler(&context, action->method->row->on_ready(&context, action->state));
	settle(action, &context, ON_READY);
}

void hg_action_cancel(struct hg_action *action)
{
	if (!action->is_over && action->state && action->method->row->on_cancelled)
		action->method->row->on_cancelled(action->state);
	action->is_over = true;
	action->wants_ready = false;
	action->wait_ms = -1;
	hg_buf_reset(&action->queue, HG_KEEP_BYTES);
	action->queue_at = 0;
}

bool hg_action_wants_message(const struct hg_action *action)
{
	return !action->is_over && !action->has_request;
}

/* The life of one stream:
 *
 *   new --init--> live --deleted by a command--> deleted (answers only that)
 *                  |  \--deleted by the proxy, anything against the protocol--> over
 *
 *   a command         reply --> then a streamed message for each other call that has something to
 * say a delta                     the same a cancelled call  response --> the same
 *
 * Every handler runs between enter() and leave(); what it changed is committed when its answer
 * stands, else reverted. */

#include "support/c/crdt_stream.h"

#include <stdlib.h>
#include <string.h>

#include "support/c/crdt.h"
#include "support/c/crdt_delta.h"
#include "support/c/crdt_protocol.h"

/* Each stands for a client of one entity at one member; calls are found one by one. */
#define CALLS_MAX 16384

/* A command, and when it subscribed, its stream. */
struct hg_crdt_call {
	struct hg_crdt_call *next;
	int64_t id;
	const struct hg_crdt_method *method;
	bool is_due; /* on_change is to be called */
	max_align_t state[];
};

struct hg_crdt_stream {
	const struct hg_crdt_type *const *types;
	size_t type_count;
	const struct hg_crdt_type *type; /* NULL until init */
	char *entity_id;
	size_t entity_id_size;
	struct hg_crdt_root root;
	struct headgate_crdt *crdt; /* the value; NULL = none */
	bool is_published;	    /* the proxy has a value of that kind */
	bool is_deleted;
	bool is_over;
	struct hg_crdt_call *calls; /* those that subscribed, in order */
	struct hg_crdt_call **calls_end;
	size_t call_count;
	struct hg_crdt_call *due; /* none before it is due */
};

/* One run of a handler: what it may, and what it wants. */
struct hg_crdt_run {
	struct hg_crdt_stream *stream;
	bool is_streamed;
	bool is_subscribed;
	bool is_created;
	bool is_deleting;
	enum headgate_consistency consistency;
};

static enum hg_verdict break_stream(struct hg_crdt_stream *stream, struct hg_worker *worker,
				    struct hg_out *out, int64_t command_id, const char *text)
{
	struct hg_failure failure = {
		.command_id = command_id,
		.code = HEADGATE_UNKNOWN,
		.description = hg_text(text),
	};

	stream->is_over = true;
	hg_worker_drop_answer(worker);
	hg_append_failure_field(&worker->failure, HG_CRDT_OUT_FAILURE, &failure);
	*out = (struct hg_out){0};
	hg_out_add(out, worker->failure.data, worker->failure.size);
	hg_log(&worker->log, HEADGATE_LOG_ERROR, "entity %s: %s",
	       stream->entity_id ? stream->entity_id : "(none)", text);
	return HG_END;
}

/* ---- Calls ------------------------------------------------------------------------------------
 */

static struct hg_crdt_call *make_call(const struct hg_crdt_method *method, int64_t id)
{
	struct hg_crdt_call *call = calloc(1, sizeof *call + method->row->state_size);

	if (!call)
		return NULL;
	call->method = method;
	call->id = id;
	return call;
}

static void free_call(struct hg_crdt_call *call)
{
	if (call && call->method->row->destroy)
		call->method->row->destroy(call->state);
	free(call);
}

static void add_call(struct hg_crdt_stream *stream, struct hg_crdt_call *call)
{
	*stream->calls_end = call;
	stream->calls_end = &call->next;
	stream->call_count++;
}

/* Takes it out; NULL when there is none. */
static struct hg_crdt_call *take_call(struct hg_crdt_stream *stream, int64_t id)
{
	struct hg_crdt_call **place = &stream->calls;

	while (*place && (*place)->id != id)
		place = &(*place)->next;
	struct hg_crdt_call *call = *place;
	if (!call)
		return NULL;
	*place = call->next;
	if (!*place)
		stream->calls_end = place;
	if (stream->due == call)
		stream->due = call->next;
	call->next = NULL;
	stream->call_count--;
	return call;
}

static void drop_calls(struct hg_crdt_stream *stream)
{
	while (stream->calls) {
		struct hg_crdt_call *call = stream->calls;
		stream->calls = call->next;
		free_call(call);
	}
	stream->calls_end = &stream->calls;
	stream->call_count = 0;
	stream->due = NULL;
}

static void mark_due(struct hg_crdt_stream *stream)
{
	for (struct hg_crdt_call *call = stream->calls; call; call = call->next)
		call->is_due = call->method->row->on_change != NULL;
	stream->due = stream->calls;
}

/* ---- The value --------------------------------------------------------------------------------
 */

static void drop_value(struct hg_crdt_stream *stream)
{
	hg_crdt_root_sweep(&stream->root);
	hg_crdt_free(stream->crdt);
	stream->crdt = NULL;
	stream->is_published = false;
}

static void become_deleted(struct hg_crdt_stream *stream)
{
	drop_value(stream);
	drop_calls(stream);
	stream->is_deleted = true;
}

static void enter(struct headgate_context *context, bool may_change)
{
	struct hg_crdt_root *root = &context->crdt->stream->root;

	root->context = context;
	root->may_change = may_change;
}

static void leave(struct hg_crdt_run *run)
{
	run->stream->root.context = NULL;
	run->stream->root.may_change = false;
}

static void tell_state_set(struct headgate_context *context)
{
	struct hg_crdt_stream *stream = context->crdt->stream;
	bool may_change = stream->root.may_change;

	if (!stream->type->entity->on_state_set)
		return;
	enter(context, false);
	stream->type->entity->on_state_set(context, stream->crdt);
	stream->root.may_change = may_change;
}

/* The proxy's value; NULL, or why it cannot be. */
static const char *set_received(struct hg_crdt_stream *stream, struct hg_worker *worker,
				const struct hg_delta *delta)
{
	struct hg_crdt_run run = {.stream = stream};
	struct headgate_context context = {
		.worker = worker, .crdt = &run, .name = "", .envelope = HG_OF_CRDT_CANCELLED};
	const char *problem;

	drop_value(stream);
	stream->crdt = hg_crdt_new(&stream->root, NULL, delta->kind);
	if (!stream->crdt)
		return "out of memory";
	problem = hg_crdt_apply(stream->crdt, delta->body);
	hg_crdt_root_sweep(&stream->root);
	if (problem)
		return problem;
	stream->is_published = true;
	tell_state_set(&context);
	leave(&run);
	return NULL;
}

/* A value of another kind is given up when nobody but this stream has seen it. */
static const char *apply_received(struct hg_crdt_stream *stream, struct hg_worker *worker,
				  struct headgate_bytes bytes)
{
	struct hg_delta delta = hg_delta_parse(bytes);
	const char *problem;

	if (!delta.kind)
		return "a delta of no known kind";
	if (!stream->crdt || (stream->crdt->kind != delta.kind && !stream->is_published))
		return set_received(stream, worker, &delta);
	if (stream->crdt->kind != delta.kind)
		return "a delta of another kind than the data";
	problem = hg_crdt_apply(stream->crdt, delta.body);
	hg_crdt_root_sweep(&stream->root);
	stream->is_published = true;
	return problem;
}

/* ---- What handlers call -----------------------------------------------------------------------
 */

const char *hg_crdt_entity_id(const struct headgate_context *context)
{
	return context->crdt->stream->entity_id;
}

static bool is_crdt(struct headgate_context *context)
{
	if (!context->crdt)
		(void)headgate_fail(context, HEADGATE_INTERNAL, "This is no CRDT entity");
	return context->crdt != NULL;
}

static bool may_change(struct headgate_context *context)
{
	if (!is_crdt(context))
		return false;
	if (!context->crdt->stream->root.may_change)
		(void)headgate_fail(context, HEADGATE_INTERNAL, "Nothing may be changed here");
	return !context->has_failed;
}

struct headgate_crdt *headgate_crdt_state(struct headgate_context *context)
{
	return is_crdt(context) ? context->crdt->stream->crdt : NULL;
}

struct headgate_crdt *headgate_crdt_create(struct headgate_context *context,
					   enum headgate_crdt_kind kind)
{
	struct hg_crdt_stream *stream;

	if (!may_change(context))
		return NULL;
	stream = context->crdt->stream;
	if (stream->crdt || kind < HEADGATE_GCOUNTER || kind > HEADGATE_VOTE) {
		(void)headgate_fail(context, HEADGATE_INTERNAL,
				    stream->crdt ? "The entity has been created already"
						 : "There is no such kind of data");
		return NULL;
	}
	stream->crdt = hg_crdt_new(&stream->root, NULL, kind);
	if (!stream->crdt) {
		(void)headgate_fail(context, HEADGATE_RESOURCE_EXHAUSTED, "Out of memory");
		return NULL;
	}
	context->crdt->is_created = true;
	tell_state_set(context);
	return stream->crdt;
}

struct headgate_crdt *headgate_crdt_at(struct headgate_context *context,
				       enum headgate_crdt_kind kind)
{
	struct headgate_crdt *crdt = headgate_crdt_state(context);

	if (!crdt)
		return headgate_crdt_create(context, kind);
	if (crdt->kind == kind)
		return crdt;
	(void)headgate_fail(context, HEADGATE_INTERNAL, "The data is of another kind");
	return NULL;
}

int headgate_crdt_delete(struct headgate_context *context)
{
	if (!may_change(context))
		return -1;
	if (!context->crdt->stream->crdt)
		return headgate_fail(context, HEADGATE_INTERNAL,
				     "An entity without a value cannot be deleted");
	context->crdt->is_deleting = true;
	return 0;
}

int headgate_crdt_consistency(struct headgate_context *context,
			      enum headgate_consistency consistency)
{
	if (!may_change(context))
		return -1;
	if ((unsigned)consistency > HEADGATE_CONSISTENCY_ALL)
		return headgate_fail(context, HEADGATE_INTERNAL, "There is no such consistency");
	context->crdt->consistency = consistency;
	return 0;
}

bool headgate_is_streamed(const struct headgate_context *context)
{
	return context->crdt && context->crdt->is_streamed;
}

static bool is_first_reply(struct headgate_context *context)
{
	if (!is_crdt(context))
		return false;
	if (!context->crdt->is_streamed || context->envelope != HG_OF_CRDT_REPLY)
		(void)headgate_fail(context, HEADGATE_INTERNAL, "The command is not streamed");
	return !context->has_failed;
}

int headgate_subscribe(struct headgate_context *context)
{
	if (!is_first_reply(context))
		return -1;
	if (context->crdt->stream->call_count == CALLS_MAX)
		return headgate_fail(context, HEADGATE_RESOURCE_EXHAUSTED,
				     "Too many streams of one entity");
	context->crdt->is_subscribed = true;
	return 0;
}

/* ---- Answers ----------------------------------------------------------------------------------
 */

static void append_varint(struct hg_buf *buf, uint32_t number, uint64_t value)
{
	size_t size = hg_varint_field_size(number, value);
	uint8_t *to = size > 0 ? hg_buf_reserve(buf, size) : NULL;

	if (to)
		(void)hg_put_varint_field(to, number, value); /* as much as was reserved */
}

/* What becomes of the value, as that field; nothing when it stays as it was. */
static void append_state_action(struct headgate_context *context, uint32_t number)
{
	const struct hg_crdt_run *run = context->crdt;
	const struct headgate_crdt *crdt = run->stream->crdt;
	struct hg_buf *buf = &context->worker->crdt;

	if (run->is_deleting)
		hg_buf_wrap(buf, HG_CRDT_STATE_DELETE, 0);
	else if (crdt && hg_crdt_has_delta(crdt))
		hg_crdt_append_delta(buf, HG_CRDT_STATE_UPDATE, crdt);
	else
		return;
	append_varint(buf, HG_CRDT_STATE_CONSISTENCY, run->consistency);
	hg_buf_wrap(buf, number, 0);
	if (buf->has_failed)
		(void)headgate_fail(context, HEADGATE_RESOURCE_EXHAUSTED, "Out of memory");
}

static void check_size(struct headgate_context *context)
{
	const struct hg_worker *worker = context->worker;

	if (worker->action.size + worker->effects.size + worker->crdt.size + HG_REPLY_HEAD_MAX >
	    worker->max_message_bytes)
		(void)headgate_fail(context, HEADGATE_RESOURCE_EXHAUSTED, "Reply is too large");
}

/* Puts the answer together; tail_number: a true field of that number at the end, 0 = none. */
static enum hg_verdict put_answer(struct headgate_context *context, uint32_t number,
				  uint32_t tail_number, struct hg_out *out)
{
	struct hg_worker *worker = context->worker;
	size_t rest = worker->action.size + worker->effects.size + worker->crdt.size +
		      worker->failure.size + (tail_number > 0 ? sizeof worker->tail : 0);
	size_t head = hg_put_out_head(worker->head, number, context->command_id, rest);

	*out = (struct hg_out){0};
	hg_out_add(out, worker->head, head);
	hg_out_add(out, worker->action.data, worker->action.size);
	hg_out_add(out, worker->failure.data, worker->failure.size);
	hg_out_add(out, worker->effects.data, worker->effects.size);
	hg_out_add(out, worker->crdt.data, worker->crdt.size);
	if (tail_number > 0) {
		(void)hg_put_varint_field(worker->tail, tail_number, 1); /* two bytes */
		hg_out_add(out, worker->tail, sizeof worker->tail);
	}
	return HG_SEND;
}

/* In place of what was collected. */
static void put_failure(struct headgate_context *context)
{
	struct hg_failure failure = {
		.command_id = context->command_id,
		.code = context->code,
		.description = hg_text(context->text),
	};

	hg_worker_drop_answer(context->worker);
	hg_append_failure(&context->worker->failure, HG_OF_ENTITY, &failure);
}

/* True when others have something new to look at. */
static bool commit(struct headgate_context *context)
{
	struct hg_crdt_run *run = context->crdt;
	struct hg_crdt_stream *stream = run->stream;
	bool is_update = context->worker->crdt.size > 0;

	leave(run);
	hg_crdt_root_sweep(&stream->root);
	if (run->is_deleting) {
		become_deleted(stream);
		return false;
	}
	if (stream->crdt)
		hg_crdt_commit(stream->crdt);
	stream->is_published = stream->is_published || is_update;
	return is_update;
}

static void undo(struct hg_crdt_run *run)
{
	struct hg_crdt_stream *stream = run->stream;

	leave(run);
	hg_crdt_root_sweep(&stream->root);
	if (run->is_created)
		drop_value(stream);
	else if (stream->crdt)
		hg_crdt_revert(stream->crdt);
}

static enum hg_verdict put_override(struct headgate_context *context, struct hg_out *out)
{
	*out = (struct hg_out){0};
	hg_out_add(out, context->worker->action.data, context->worker->action.size);
	return context->override;
}

/* ---- Commands ---------------------------------------------------------------------------------
 */

static void run_command(struct headgate_context *context, struct hg_crdt_call *call,
			const struct hg_command *command)
{
	const struct hg_crdt_stream *stream = context->crdt->stream;
	const struct headgate_crdt_entity *entity = stream->type->entity;
	const struct headgate_crdt_command *row = call->method->row;
	const void *message = hg_context_decode_payload(context, row->type, &command->payload);

	if (!message)
		return;
	if (!stream->crdt && entity->default_value && entity->default_value(context) != 0)
		(void)headgate_fail(context, HEADGATE_UNKNOWN, "Error making the default value");
	if (!context->has_failed && row->handle(context, call->state, message) != 0)
		(void)headgate_fail(context, HEADGATE_UNKNOWN, "Error handling command '%s'",
				    row->name);
}

static void complete_reply(struct headgate_context *context)
{
	struct hg_any empty = hg_any_of_type(context->output_type);

	if (context->worker->action.size == 0 && !context->has_no_reply)
		(void)hg_context_reply(context, &empty); /* the context knows */
	append_state_action(context, HG_CRDT_REPLY_STATE);
	check_size(context);
}

/* Takes the call. */
static enum hg_verdict settle_command(struct headgate_context *context, struct hg_crdt_call *call,
				      struct hg_out *out)
{
	struct hg_crdt_run *run = context->crdt;
	struct hg_crdt_stream *stream = run->stream;

	if (!context->has_failed && !context->is_overridden)
		complete_reply(context);
	if (context->has_failed || context->is_overridden) {
		undo(run);
		free_call(call);
		if (context->is_overridden)
			return put_override(context, out);
		put_failure(context);
		return put_answer(context, HG_CRDT_OUT_REPLY, 0, out);
	}
	if (commit(context))
		mark_due(stream);
	bool stays = run->is_subscribed && !stream->is_deleted;
	if (stays)
		add_call(stream, call);
	else
		free_call(call);
	return put_answer(context, HG_CRDT_OUT_REPLY, stays ? HG_CRDT_REPLY_STREAMED : 0, out);
}

static bool is_own_id(const struct hg_crdt_stream *stream, struct headgate_bytes id)
{
	return id.size == stream->entity_id_size &&
	       (id.size == 0 || memcmp(id.data, stream->entity_id, id.size) == 0);
}

static enum hg_verdict on_command(struct hg_crdt_stream *stream, struct hg_worker *worker,
				  const struct hg_command *command, struct hg_out *out)
{
	struct hg_crdt_run run = {.stream = stream, .is_streamed = command->is_streamed};
	struct headgate_context context = {
		.crdt = &run,
		.worker = worker,
		.command_id = command->id,
		.name = "",
		.envelope = HG_OF_CRDT_REPLY,
	};
	struct hg_crdt_call *call = NULL;
	size_t shown = command->name.size;

	if (!is_own_id(stream, command->entity_id))
		return break_stream(stream, worker, out, command->id,
				    "Command is for another entity");
	const struct hg_crdt_method *method = hg_crdt_type_find(stream->type, command->name);
	if (shown > HG_FAILURE_TEXT_MAX)
		shown = HG_FAILURE_TEXT_MAX;
	if (method)
		call = make_call(method, command->id);
	enter(&context, true);
	if (stream->is_deleted) {
		(void)headgate_fail(&context, HEADGATE_UNKNOWN, "Entity deleted");
	} else if (!method) {
		(void)headgate_fail(&context, HEADGATE_UNIMPLEMENTED, "Unknown command named %.*s",
				    (int)shown, (const char *)command->name.data);
	} else if (!call) {
		(void)headgate_fail(&context, HEADGATE_RESOURCE_EXHAUSTED, "Out of memory");
	} else {
		context.name = method->row->name;
		context.output_type = method->output_type;
		run_command(&context, call, command);
	}
	return settle_command(&context, call, out);
}

/* ---- Others who listen ------------------------------------------------------------------------
 */

/* HG_READ_ON: the call has nothing to say. */
static enum hg_verdict tell_change(struct hg_crdt_stream *stream, struct hg_worker *worker,
				   struct hg_crdt_call *call, struct hg_out *out)
{
	struct hg_crdt_run run = {.stream = stream, .is_streamed = true};
	struct headgate_context context = {
		.crdt = &run,
		.worker = worker,
		.command_id = call->id,
		.name = call->method->row->name,
		.output_type = call->method->output_type,
		.envelope = HG_OF_CRDT_MESSAGE,
	};

	call->is_due = false;
	enter(&context, false);
	if (call->method->row->on_change(&context, call->state) != 0)
		(void)headgate_fail(&context, HEADGATE_UNKNOWN, "Error handling command '%s'",
				    context.name);
	leave(&run);
	if (context.is_overridden)
		return put_override(&context, out);
	if (!context.has_failed)
		check_size(&context);
	if (context.has_failed)
		put_failure(&context);
	bool is_ended = context.is_ended || context.has_failed;
	if (is_ended)
		free_call(take_call(stream, call->id));
	else if (worker->action.size == 0 && worker->effects.size == 0)
		return HG_READ_ON;
	return put_answer(&context, HG_CRDT_OUT_MESSAGE, is_ended ? HG_CRDT_MESSAGE_END : 0, out);
}

static struct hg_crdt_call *next_due(const struct hg_crdt_stream *stream)
{
	struct hg_crdt_call *call = stream->due;

	while (call && !call->is_due)
		call = call->next;
	return call;
}

bool hg_crdt_stream_has_more(const struct hg_crdt_stream *stream)
{
	return !stream->is_over && next_due(stream) != NULL;
}

enum hg_verdict hg_crdt_stream_next(struct hg_crdt_stream *stream, struct hg_worker *worker,
				    struct hg_out *ret_out)
{
	struct hg_crdt_call *call;

	*ret_out = (struct hg_out){0};
	while (!stream->is_over && (call = next_due(stream))) {
		hg_scratch_reset(&worker->scratch);
		hg_worker_drop_answer(worker);
		stream->due = call->next;
		enum hg_verdict verdict = tell_change(stream, worker, call, ret_out);
		if (verdict != HG_READ_ON)
			return verdict;
	}
	return HG_READ_ON;
}

/* Always answered: the proxy holds deltas back until then. */
static enum hg_verdict on_cancelled(struct hg_crdt_stream *stream, struct hg_worker *worker,
				    const struct hg_crdt_cancelled *cancelled, struct hg_out *out)
{
	struct hg_crdt_call *call = take_call(stream, cancelled->id);
	struct hg_crdt_run run = {.stream = stream, .is_streamed = true};
	struct headgate_context context = {
		.crdt = &run,
		.worker = worker,
		.command_id = cancelled->id,
		.name = call ? call->method->row->name : "",
		.envelope = HG_OF_CRDT_CANCELLED,
	};

	if (call && call->method->row->on_cancel) {
		enter(&context, true);
		if (call->method->row->on_cancel(&context, call->state) != 0)
			(void)headgate_fail(&context, HEADGATE_UNKNOWN, "the handler failed");
		hg_buf_reset(&worker->action, HG_KEEP_BYTES); /* nobody is there to read it */
		append_state_action(&context, HG_CRDT_CANCELLED_STATE);
		check_size(&context);
	}
	free_call(call);
	if (context.has_failed || context.is_overridden) {
		undo(&run);
		hg_worker_drop_answer(worker);
		hg_log(&worker->log, HEADGATE_LOG_ERROR, "entity %s: %s when %s was cancelled: %s",
		       stream->entity_id, "nothing is changed", context.name, context.text);
	} else if (commit(&context)) {
		mark_due(stream);
	}
	return put_answer(&context, HG_CRDT_OUT_CANCELLED, 0, out);
}

/* ---- The stream -------------------------------------------------------------------------------
 */

static const char *start_entity(struct hg_crdt_stream *stream, struct hg_worker *worker,
				const struct hg_crdt_init *init)
{
	for (size_t i = 0; i < stream->type_count; i++)
		if (hg_bytes_equal(init->service_name, stream->types[i]->entity->service_name))
			stream->type = stream->types[i];
	if (!stream->type)
		return "Service unknown";
	stream->entity_id = calloc(1, init->entity_id.size + 1);
	if (!stream->entity_id)
		return "out of memory";
	stream->entity_id_size = init->entity_id.size;
	if (init->entity_id.size > 0)
		memcpy(stream->entity_id, init->entity_id.data, init->entity_id.size);
	return init->has_delta ? apply_received(stream, worker, init->delta) : NULL;
}

static enum hg_verdict on_delta(struct hg_crdt_stream *stream, struct hg_worker *worker,
				struct headgate_bytes delta, struct hg_out *out)
{
	const char *problem;

	if (stream->is_deleted) /* it was under way */
		return HG_READ_ON;
	problem = apply_received(stream, worker, delta);
	if (problem)
		return break_stream(stream, worker, out, 0, problem);
	mark_due(stream);
	return hg_crdt_stream_next(stream, worker, out);
}

static enum hg_verdict on_init(struct hg_crdt_stream *stream, struct hg_worker *worker,
			       const struct hg_crdt_init *init, struct hg_out *out)
{
	const char *problem =
		stream->type ? "Init message received twice." : start_entity(stream, worker, init);

	return problem ? break_stream(stream, worker, out, 0, problem) : HG_READ_ON;
}

enum hg_verdict hg_crdt_stream_receive(struct hg_crdt_stream *stream, struct hg_worker *worker,
				       struct headgate_bytes message, struct hg_out *ret_out)
{
	struct hg_crdt_in in;

	*ret_out = (struct hg_out){0};
	hg_scratch_reset(&worker->scratch);
	hg_worker_drop_answer(worker);
	if (stream->is_over)
		return HG_END;
	if (!hg_crdt_in_parse(message, &in))
		return break_stream(stream, worker, ret_out, 0, "Message cannot be decoded");
	if (in.kind == HG_CRDT_IN_NONE)
		return break_stream(stream, worker, ret_out, 0, "Message holds nothing known");
	if (in.kind == HG_CRDT_IN_DELETE) {
		become_deleted(stream);
		stream->is_over = true;
		return HG_END;
	}
	if (in.kind == HG_CRDT_IN_INIT)
		return on_init(stream, worker, &in.init, ret_out);
	if (!stream->type)
		return break_stream(stream, worker, ret_out, 0, "Message received before init");
	if (in.kind == HG_CRDT_IN_DELTA)
		return on_delta(stream, worker, in.delta, ret_out);
	if (in.kind == HG_CRDT_IN_COMMAND)
		return on_command(stream, worker, &in.command, ret_out);
	if (!is_own_id(stream, in.cancelled.entity_id))
		return break_stream(stream, worker, ret_out, 0,
				    "Cancelled stream of another entity");
	return on_cancelled(stream, worker, &in.cancelled, ret_out);
}

struct hg_crdt_stream *hg_crdt_stream_new(const struct hg_crdt_type *const *types,
					  size_t type_count)
{
	struct hg_crdt_stream *stream = calloc(1, sizeof *stream);

	if (!stream)
		return NULL;
	stream->types = types;
	stream->type_count = type_count;
	stream->calls_end = &stream->calls;
	return stream;
}

void hg_crdt_stream_free(struct hg_crdt_stream *stream)
{
	if (!stream)
		return;
	drop_value(stream);
	drop_calls(stream);
	free(stream->entity_id);
	free(stream);
}

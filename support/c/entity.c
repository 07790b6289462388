/* The life of one stream:
 *
 *   new --init--> live --command--> live
 *                  |  \--command fails after events were applied--> stale
 *                  |                                (answers only "restart me" from here on)
 *                  \--anything against the protocol, an event that does not apply--> over
 *
 * A command's answer is collected field by field in the worker's buffers and put together at the
 * end, so that a failure can drop what was collected. */

#include "support/c/entity.h"

#include <stdlib.h>
#include <string.h>

#include "support/c/crdt_stream.h"
#include "support/c/stream.h"
#include "support/c/wire.h"

/* Says that the stream is broken and closes it; command_id 0 = not the fault of a command. */
static enum hg_verdict break_stream(struct hg_stream *stream, struct hg_worker *worker,
				    struct hg_out *out, int64_t command_id, const char *text)
{
	struct hg_failure failure = {
		.command_id = command_id,
		.code = HEADGATE_UNKNOWN,
		.description = hg_text(text),
	};

	stream->is_over = true;
	hg_worker_drop_answer(worker);
	hg_append_stream_failure(&worker->failure, &failure);
	*out = (struct hg_out){0};
	hg_out_add(out, worker->failure.data, worker->failure.size);
	hg_log(&worker->log, HEADGATE_LOG_ERROR, "entity %s: %s",
	       stream->entity_id ? stream->entity_id : "(none)", text);
	return HG_END;
}

/* ---- Handlers ---------------------------------------------------------------------------------
 */

/* Returns NULL, or why the event did not apply. */
static const char *apply_received(struct hg_stream *stream, struct hg_worker *worker,
				  const struct hg_any_view *payload)
{
	const struct headgate_event *row = hg_type_find_event(stream->type, payload->type_url);

	if (!row)
		return "no event handler for an event's type";
	const void *message = hg_context_decode(worker, row->type, &payload->value);
	if (!message)
		return worker->scratch.has_failed ? "out of memory" : "an event cannot be decoded";
	return row->apply(stream->state, message) ? "an event handler failed" : NULL;
}

/* Written before it is applied: an event may point into the state that its handler changes. */
static int emit(struct headgate_context *context, const struct headgate_event *row,
		const struct hg_any *event, const void *message)
{
	struct hg_buf *events = &context->worker->events;

	hg_append_any(events, HG_REPLY_EVENTS, event);
	if (events->has_failed)
		return headgate_fail(context, HEADGATE_RESOURCE_EXHAUSTED, "Out of memory");
	context->stream->sequence++;
	if (row->apply(context->stream->state, message) != 0)
		return headgate_fail(context, HEADGATE_INTERNAL, "Event handler failed");
	return 0;
}

static bool may_emit(struct headgate_context *context)
{
	if (!context->stream || context->stream->is_value)
		(void)headgate_fail(context, HEADGATE_INTERNAL, "%s has no events",
				    context->stream ? "A value entity"
				    : context->crdt ? "A CRDT"
						    : "An action");
	return !context->has_failed && !context->is_snapshotting;
}

int headgate_emit(struct headgate_context *context, const ProtobufCMessage *event)
{
	const struct headgate_event *row;

	if (!may_emit(context))
		return -1;
	row = hg_type_find_event_type(context->stream->type, event->descriptor);
	if (!row)
		return headgate_fail(context, HEADGATE_INTERNAL, "No event handler for %s",
				     event->descriptor->name);
	struct hg_any any = hg_any_of_message(event, row->type_url);
	return emit(context, row, &any, event);
}

int headgate_emit_any(struct headgate_context *context, const char *type_url,
		      struct headgate_bytes value)
{
	const struct headgate_event *row;

	if (!may_emit(context))
		return -1;
	row = hg_type_find_event(context->stream->type, hg_text(type_url));
	if (!row)
		return headgate_fail(context, HEADGATE_INTERNAL, "No event handler for %s",
				     type_url);
	const void *message = hg_context_decode(context->worker, row->type, &value);
	if (!message)
		return headgate_fail(context, HEADGATE_INTERNAL, "Cannot decode %s", type_url);
	struct hg_any any = hg_any_of_bytes(type_url, value);
	return emit(context, row, &any, message);
}

static int set_snapshot(struct headgate_context *context, const struct hg_any *any)
{
	struct hg_buf *snapshot = &context->worker->snapshot;

	if (!context->is_snapshotting)
		return -1;
	hg_buf_reset(snapshot, HG_KEEP_BYTES);
	hg_append_any(snapshot, HG_REPLY_SNAPSHOT, any);
	return snapshot->has_failed ? -1 : 0;
}

int headgate_snapshot(struct headgate_context *context, const ProtobufCMessage *message)
{
	struct hg_any any = hg_any_of_message(message, NULL);

	return set_snapshot(context, &any);
}

int headgate_snapshot_any(struct headgate_context *context, const char *type_url,
			  struct headgate_bytes value)
{
	struct hg_any any = hg_any_of_bytes(type_url, value);

	return set_snapshot(context, &any);
}

const char *headgate_entity_id(const struct headgate_context *context)
{
	if (context->crdt)
		return hg_crdt_entity_id(context);
	return context->stream ? context->stream->entity_id : "";
}

int64_t headgate_sequence(const struct headgate_context *context)
{
	return context->stream ? context->stream->sequence : 0;
}

/* ---- Commands ---------------------------------------------------------------------------------
 */

static enum hg_verdict answer_failure(struct headgate_context *context, struct hg_out *out)
{
	struct hg_worker *worker = context->worker;
	struct hg_stream *stream = context->stream;

	if (stream->sequence != context->sequence_before)
		stream->is_stale = true;
	struct hg_failure failure = {
		.command_id = context->command_id,
		.code = context->code,
		.description = hg_text(context->text),
		.is_restart = stream->is_stale,
	};
	hg_worker_drop_answer(worker);
	hg_append_failure(&worker->failure, HG_OF_ENTITY, &failure);
	size_t head = hg_put_reply_head(worker->head, context->command_id, worker->failure.size);
	*out = (struct hg_out){0};
	hg_out_add(out, worker->head, head);
	hg_out_add(out, worker->failure.data, worker->failure.size);
	return HG_SEND;
}

static bool is_snapshot_due(const struct headgate_context *context)
{
	int64_t every = context->stream->type->snapshot_every;

	return every > 0 && context->sequence_before / every != context->stream->sequence / every;
}

/* A snapshot only saves time later: without one the reply is as good. */
static void add_snapshot(struct headgate_context *context)
{
	struct hg_stream *stream = context->stream;

	context->is_snapshotting = true;
	if (stream->type->entity->write_snapshot(context, stream->state) != 0 ||
	    context->worker->snapshot.has_failed) {
		hg_buf_reset(&context->worker->snapshot, HG_KEEP_BYTES);
		hg_log(&context->worker->log, HEADGATE_LOG_ERROR,
		       "entity %s: no snapshot at sequence %lld", stream->entity_id,
		       (long long)stream->sequence);
	}
	context->is_snapshotting = false;
}

static enum hg_verdict answer_success(struct headgate_context *context, struct hg_out *out)
{
	struct hg_worker *worker = context->worker;

	if (worker->action.size == 0 && !context->has_no_reply) {
		struct hg_any empty = hg_any_of_type(context->output_type);
		if (hg_context_reply(context, &empty))
			return answer_failure(context, out);
	}
	if (is_snapshot_due(context))
		add_snapshot(context);
	size_t rest = worker->action.size + worker->effects.size + worker->events.size;
	if (rest + worker->snapshot.size + HG_REPLY_HEAD_MAX > worker->max_message_bytes)
		hg_buf_reset(&worker->snapshot, HG_KEEP_BYTES);
	if (rest + HG_REPLY_HEAD_MAX > worker->max_message_bytes) {
		(void)headgate_fail(context, HEADGATE_RESOURCE_EXHAUSTED, "Reply is too large");
		return answer_failure(context, out);
	}
	if (context->stream->is_value && hg_value_commit(context))
		return answer_failure(context, out);
	rest += worker->snapshot.size;
	size_t head = hg_put_reply_head(worker->head, context->command_id, rest);
	*out = (struct hg_out){0};
	hg_out_add(out, worker->head, head);
	hg_out_add(out, worker->action.data, worker->action.size);
	hg_out_add(out, worker->effects.data, worker->effects.size);
	hg_out_add(out, worker->events.data, worker->events.size);
	hg_out_add(out, worker->snapshot.data, worker->snapshot.size);
	return HG_SEND;
}

/* Decodes the command and lets its handler run; the context tells how it went. */
static void run_handler(struct headgate_context *context, const struct headgate_command *row,
			const struct hg_command *command)
{
	const void *message = hg_context_decode_payload(context, row->type, &command->payload);
	void *state = context->stream->state;

	if (message && context->stream->is_value && !hg_value_decode(context, &state))
		return;
	if (message && row->handle(context, state, message) != 0)
		(void)headgate_fail(context, HEADGATE_UNKNOWN, "Error handling command '%s'",
				    row->name);
}

static enum hg_verdict on_command(struct hg_stream *stream, struct hg_worker *worker,
				  const struct hg_command *command, struct hg_out *out)
{
	struct headgate_context context = {
		.stream = stream,
		.worker = worker,
		.metadata = command->metadata,
		.command_id = command->id,
		.sequence_before = stream->sequence,
	};

	if (command->entity_id.size != stream->entity_id_size ||
	    memcmp(command->entity_id.data ? command->entity_id.data : "", stream->entity_id,
		   stream->entity_id_size) != 0)
		return break_stream(stream, worker, out, command->id,
				    "Command is for another entity");
	const struct hg_method *method = hg_type_find_method(stream->type, command->name);
	if (method) {
		context.name = method->command->name;
		context.output_type = method->output_type;
	}
	if (stream->is_stale)
		(void)headgate_fail(&context, HEADGATE_UNAVAILABLE, "Entity waits for its restart");
	else if (!method)
		(void)headgate_fail(&context, HEADGATE_UNIMPLEMENTED, "Unknown command named %.*s",
				    (int)(command->name.size < HG_FAILURE_TEXT_MAX
						  ? command->name.size
						  : HG_FAILURE_TEXT_MAX),
				    (const char *)command->name.data);
	else
		run_handler(&context, method->command, command);
	if (context.is_overridden) {
		*out = (struct hg_out){0};
		hg_out_add(out, worker->action.data, worker->action.size);
		return context.override;
	}
	return context.has_failed ? answer_failure(&context, out) : answer_success(&context, out);
}

/* ---- Init and events --------------------------------------------------------------------------
 */

static void *make_state(const struct headgate_entity *entity, const char *entity_id)
{
	return entity->create ? entity->create(entity_id, entity->data)
			      : calloc(1, entity->state_size);
}

static const char *read_snapshot(struct hg_stream *stream, struct hg_worker *worker,
				 const struct hg_init *init)
{
	const struct headgate_entity *entity = stream->type->entity;
	const ProtobufCMessageDescriptor *type = entity->snapshot_type;

	if (!entity->read_snapshot)
		return "there is a snapshot, but nothing that reads it";
	if (type && !hg_type_url_names(init->snapshot.type_url, type->name))
		return "the snapshot is of another type";
	const void *message = hg_context_decode(worker, type, &init->snapshot.value);
	if (!message)
		return worker->scratch.has_failed ? "out of memory"
						  : "the snapshot cannot be decoded";
	stream->sequence = init->snapshot_sequence;
	return entity->read_snapshot(stream->state, message) ? "the snapshot handler failed" : NULL;
}

static const char *start_entity(struct hg_stream *stream, struct hg_worker *worker,
				const struct hg_init *init)
{
	for (size_t i = 0; i < stream->type_count; i++)
		if (!stream->types[i]->value == !stream->is_value &&
		    hg_bytes_equal(init->service_name, stream->types[i]->entity->service_name))
			stream->type = stream->types[i];
	if (!stream->type)
		return "Service unknown";
	stream->entity_id = calloc(1, init->entity_id.size + 1);
	if (!stream->entity_id)
		return "out of memory";
	stream->entity_id_size = init->entity_id.size;
	if (init->entity_id.size > 0)
		memcpy(stream->entity_id, init->entity_id.data, init->entity_id.size);
	if (stream->is_value)
		return hg_value_begin(stream, init);
	stream->state = make_state(stream->type->entity, stream->entity_id);
	if (!stream->state)
		return "out of memory";
	return init->has_snapshot ? read_snapshot(stream, worker, init) : NULL;
}

static enum hg_verdict on_init(struct hg_stream *stream, struct hg_worker *worker,
			       const struct hg_init *init, struct hg_out *out)
{
	if (stream->type)
		return break_stream(stream, worker, out, 0, "Init message received twice.");
	const char *problem = start_entity(stream, worker, init);
	return problem ? break_stream(stream, worker, out, 0, problem) : HG_READ_ON;
}

static enum hg_verdict on_event(struct hg_stream *stream, struct hg_worker *worker,
				const struct hg_event *event, struct hg_out *out)
{
	if (event->sequence <= stream->sequence)
		return break_stream(stream, worker, out, 0, "Event received out of order");
	stream->sequence = event->sequence;
	const char *problem = apply_received(stream, worker, &event->payload);
	return problem ? break_stream(stream, worker, out, 0, problem) : HG_READ_ON;
}

/* ---- The stream -------------------------------------------------------------------------------
 */

struct hg_stream *hg_stream_new(const struct hg_type *const *types, size_t type_count,
				bool is_value)
{
	struct hg_stream *stream = calloc(1, sizeof *stream);

	if (!stream)
		return NULL;
	stream->types = types;
	stream->type_count = type_count;
	stream->is_value = is_value;
	return stream;
}

void hg_stream_free(struct hg_stream *stream)
{
	if (!stream)
		return;
	if (stream->state) {
		const struct headgate_entity *entity = stream->type->entity;
		if (entity->destroy)
			entity->destroy(stream->state);
		if (!entity->create)
			free(stream->state);
	}
	hg_buf_fini(&stream->value);
	free(stream->entity_id);
	free(stream);
}

enum hg_verdict hg_stream_receive(struct hg_stream *stream, struct hg_worker *worker,
				  struct headgate_bytes message, struct hg_out *ret_out)
{
	struct hg_in in;

	*ret_out = (struct hg_out){0};
	hg_scratch_reset(&worker->scratch);
	hg_worker_drop_answer(worker);
	if (stream->is_over)
		return HG_END;
	if (!(stream->is_value ? hg_in_parse_value : hg_in_parse)(message, &in))
		return break_stream(stream, worker, ret_out, 0, "Message cannot be decoded");
	if (in.kind == HG_IN_NONE)
		return break_stream(stream, worker, ret_out, 0, "Message holds nothing known");
	if (in.kind == HG_IN_INIT)
		return on_init(stream, worker, &in.init, ret_out);
	if (!stream->type)
		return break_stream(stream, worker, ret_out, 0, "Message received before init");
	if (in.kind == HG_IN_EVENT)
		return on_event(stream, worker, &in.event, ret_out);
	return on_command(stream, worker, &in.command, ret_out);
}

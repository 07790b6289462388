/* Value entities. The state is kept as bytes and decoded for each command: so a command that fails
 * leaves nothing behind, and the proxy need not begin again. */

#include <stdint.h>
#include <string.h>

#include "support/c/stream.h"
#include "support/c/wire.h"

static int keep(struct hg_stream *stream, struct headgate_bytes value)
{
	struct hg_buf fresh = {0};

	if (value.size > 0) {
		uint8_t *to = hg_buf_reserve(&fresh, value.size);
		if (!to)
			return -1;
		memcpy(to, value.data, value.size);
	}
	hg_buf_fini(&stream->value);
	stream->value = fresh;
	stream->has_value = true;
	return 0;
}

const char *hg_value_begin(struct hg_stream *stream, const struct hg_init *init)
{
	const ProtobufCMessageDescriptor *type = stream->type->value->state_type;

	if (!init->has_snapshot)
		return NULL;
	if (type && !hg_type_url_names(init->snapshot.type_url, type->name))
		return "the state is of another type";
	return keep(stream, init->snapshot.value) ? "out of memory" : NULL;
}

bool hg_value_decode(struct headgate_context *context, void **ret_state)
{
	struct hg_stream *stream = context->stream;
	struct hg_worker *worker = context->worker;

	if (!stream->has_value) {
		*ret_state = NULL;
		return true;
	}
	struct headgate_bytes *value = headgate_alloc(context, 1, sizeof *value);
	if (!value)
		return false;
	*value = (struct headgate_bytes){stream->value.data, stream->value.size};
	const void *state = hg_context_decode(worker, stream->type->value->state_type, value);
	*ret_state = (void *)(uintptr_t)state;
	if (state)
		return true;
	if (worker->scratch.has_failed)
		(void)headgate_fail(context, HEADGATE_RESOURCE_EXHAUSTED, "Out of memory");
	else
		(void)headgate_fail(context, HEADGATE_INTERNAL, "The state cannot be decoded");
	return false;
}

int hg_value_commit(struct headgate_context *context)
{
	const struct hg_buf *written = &context->worker->events;
	size_t size = context->written_size;

	if (context->write == HG_WRITE_DELETE) {
		hg_buf_fini(&context->stream->value);
		context->stream->value = (struct hg_buf){0};
		context->stream->has_value = false;
	} else if (context->write == HG_WRITE_UPDATE &&
		   keep(context->stream,
			(struct headgate_bytes){(uint8_t *)written->data + written->size - size,
						size})) {
		return headgate_fail(context, HEADGATE_RESOURCE_EXHAUSTED, "Out of memory");
	}
	return 0;
}

static bool may_write(struct headgate_context *context)
{
	if (!context->stream || !context->stream->is_value)
		(void)headgate_fail(context, HEADGATE_INTERNAL,
				    "Only a value entity has a state to update");
	return !context->has_failed;
}

static int update(struct headgate_context *context, const struct hg_any *any)
{
	struct hg_buf *written = &context->worker->events;

	hg_buf_reset(written, HG_KEEP_BYTES);
	hg_append_update(written, any);
	if (written->has_failed)
		return headgate_fail(context, HEADGATE_RESOURCE_EXHAUSTED, "Out of memory");
	context->write = HG_WRITE_UPDATE;
	context->written_size = any->value.size;
	return 0;
}

int headgate_update(struct headgate_context *context, const ProtobufCMessage *state)
{
	struct hg_any any;

	if (!may_write(context))
		return -1;
	const ProtobufCMessageDescriptor *type = context->stream->type->value->state_type;
	if (type && state->descriptor != type)
		return headgate_fail(context, HEADGATE_INTERNAL, "The state is no %s", type->name);
	any = hg_any_of_message(state, NULL);
	return update(context, &any);
}

int headgate_update_any(struct headgate_context *context, const char *type_url,
			struct headgate_bytes value)
{
	struct hg_any any = hg_any_of_bytes(type_url, value);

	if (!may_write(context))
		return -1;
	const ProtobufCMessageDescriptor *type = context->stream->type->value->state_type;
	if (type && !hg_type_url_names(hg_text(type_url), type->name))
		return headgate_fail(context, HEADGATE_INTERNAL, "The state is no %s", type->name);
	return update(context, &any);
}

int headgate_delete(struct headgate_context *context)
{
	struct hg_buf *written = &context->worker->events;

	if (!may_write(context))
		return -1;
	hg_buf_reset(written, HG_KEEP_BYTES);
	hg_append_delete(written);
	if (written->has_failed)
		return headgate_fail(context, HEADGATE_RESOURCE_EXHAUSTED, "Out of memory");
	context->write = HG_WRITE_DELETE;
	return 0;
}

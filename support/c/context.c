#include "support/c/context.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Two copies of the text (description and status) and the rest of a failure. */
#define FAILURE_CAPACITY ((size_t)2 * HG_FAILURE_TEXT_MAX + 128)

/* ---- The worker -------------------------------------------------------------------------------
 */

int hg_worker_init(struct hg_worker *worker, const struct hg_log *log, size_t max_message_bytes)
{
	*worker = (struct hg_worker){.log = *log, .max_message_bytes = max_message_bytes};
	if (!hg_scratch_init(&worker->scratch))
		return -1;
	return hg_buf_reserve(&worker->failure, FAILURE_CAPACITY) ? 0 : -1;
}

void hg_worker_fini(struct hg_worker *worker)
{
	hg_scratch_fini(&worker->scratch);
	hg_buf_fini(&worker->action);
	hg_buf_fini(&worker->effects);
	hg_buf_fini(&worker->events);
	hg_buf_fini(&worker->snapshot);
	hg_buf_fini(&worker->crdt);
	hg_buf_fini(&worker->metadata);
	hg_buf_fini(&worker->responses);
	hg_buf_fini(&worker->failure);
}

void hg_worker_drop_answer(struct hg_worker *worker)
{
	hg_buf_reset(&worker->action, HG_KEEP_BYTES);
	hg_buf_reset(&worker->effects, HG_KEEP_BYTES);
	hg_buf_reset(&worker->events, HG_KEEP_BYTES);
	hg_buf_reset(&worker->snapshot, HG_KEEP_BYTES);
	hg_buf_reset(&worker->crdt, HG_KEEP_BYTES);
	hg_buf_reset(&worker->metadata, HG_KEEP_BYTES);
	hg_buf_reset(&worker->responses, HG_KEEP_BYTES);
	hg_buf_reset(&worker->failure, SIZE_MAX);
}

void hg_out_add(struct hg_out *out, const void *data, size_t size)
{
	if (size == 0)
		return;
	out->parts[out->part_count++] = (struct headgate_bytes){.data = data, .size = size};
	out->size += size;
}

/* ---- Failures ---------------------------------------------------------------------------------
 */

/* vsnprintf may cut inside a character, and then it is no protobuf string any more. */
static void drop_cut_character(char *text)
{
	size_t size = strlen(text);
	size_t start = size;

	if (size + 1 < HG_FAILURE_TEXT_MAX)
		return;
	while (start > 0 && size - start < 4 && ((uint8_t)text[start - 1] & 0xc0) == 0x80)
		start--;
	if (start > 0 && (uint8_t)text[start - 1] >= 0xc0)
		text[start - 1] = '\0';
}

static int vfail(struct headgate_context *context, enum headgate_code code, const char *format,
		 va_list args)
{
	if (context->has_failed || context->is_snapshotting)
		return -1;
	context->has_failed = true;
	context->code = code > 0 && code <= HEADGATE_UNAUTHENTICATED ? code : HEADGATE_UNKNOWN;
	(void)vsnprintf(context->text, sizeof context->text, format, args); /* cut on purpose */
	drop_cut_character(context->text);
	return -1;
}

int headgate_fail(struct headgate_context *context, enum headgate_code code, const char *format,
		  ...)
{
	va_list args;

	va_start(args, format);
	(void)vfail(context, code, format, args); /* always -1 */
	va_end(args);
	return -1;
}

static int fail_memory(struct headgate_context *context)
{
	return headgate_fail(context, HEADGATE_RESOURCE_EXHAUSTED, "Out of memory");
}

/* ---- Messages ---------------------------------------------------------------------------------
 */

const void *hg_context_decode(struct hg_worker *worker, const ProtobufCMessageDescriptor *type,
			      const struct headgate_bytes *value)
{
	if (!type)
		return value;
	if (!hg_depth_is_sane(type, *value))
		return NULL;
	return protobuf_c_message_unpack(type, &worker->scratch.allocator, value->size,
					 value->size > 0 ? value->data : (const uint8_t *)"");
}

const void *hg_context_decode_payload(struct headgate_context *context,
				      const ProtobufCMessageDescriptor *type,
				      const struct hg_any_view *payload)
{
	if (type && !hg_type_url_names(payload->type_url, type->name)) {
		(void)headgate_fail(context, HEADGATE_INVALID_ARGUMENT, "Command %s wants a %s",
				    context->name, type->name);
		return NULL;
	}
	const void *message = hg_context_decode(context->worker, type, &payload->value);
	if (message)
		return message;
	if (context->worker->scratch.has_failed)
		(void)fail_memory(context);
	else
		(void)headgate_fail(context, HEADGATE_INVALID_ARGUMENT, "Cannot decode %s",
				    type ? type->name : "");
	return NULL;
}

void *headgate_alloc(struct headgate_context *context, size_t count, size_t size)
{
	size_t total;
	void *memory = NULL;

	if (!__builtin_mul_overflow(count, size, &total))
		memory = hg_scratch_alloc(&context->worker->scratch, total);
	if (!memory) {
		(void)fail_memory(context);
		return NULL;
	}
	return memset(memory, 0, total);
}

/* ---- The answer -------------------------------------------------------------------------------
 */

static bool is_done(const struct headgate_context *context)
{
	return context->has_failed || context->is_snapshotting || context->is_ended;
}

/* One more response of an action that streams: the reply at hand, if any, and its effects. */
static int add_response(struct headgate_context *context)
{
	struct hg_worker *worker = context->worker;
	size_t size = worker->action.size + worker->effects.size;
	uint32_t size32 = (uint32_t)size;

	if (size > worker->max_message_bytes)
		return headgate_fail(context, HEADGATE_RESOURCE_EXHAUSTED, "Reply is too large");
	uint8_t *to = hg_buf_reserve(&worker->responses, sizeof size32 + size);
	if (!to)
		return fail_memory(context);
	memcpy(to, &size32, sizeof size32);
	to += sizeof size32;
	if (worker->action.size > 0)
		memcpy(to, worker->action.data, worker->action.size);
	if (worker->effects.size > 0)
		memcpy(to + worker->action.size, worker->effects.data, worker->effects.size);
	hg_buf_reset(&worker->action, HG_KEEP_BYTES);
	hg_buf_reset(&worker->effects, HG_KEEP_BYTES);
	return 0;
}

int hg_context_flush_effects(struct headgate_context *context)
{
	return context->worker->effects.size > 0 ? add_response(context) : 0;
}

static int action_is_set(struct headgate_context *context)
{
	if (context->worker->action.has_failed)
		return fail_memory(context);
	return context->is_streaming ? add_response(context) : 0;
}

int hg_context_reply(struct headgate_context *context, const struct hg_any *payload)
{
	struct hg_worker *worker = context->worker;

	if (is_done(context))
		return -1;
	hg_buf_reset(&worker->action, HG_KEEP_BYTES);
	hg_append_reply(&worker->action, context->envelope, payload,
			(struct headgate_bytes){worker->metadata.data, worker->metadata.size});
	return action_is_set(context);
}

int headgate_reply(struct headgate_context *context, const ProtobufCMessage *message)
{
	struct hg_any any = hg_any_of_message(message, NULL);

	return hg_context_reply(context, &any);
}

int headgate_reply_any(struct headgate_context *context, const char *type_url,
		       struct headgate_bytes value)
{
	struct hg_any any = hg_any_of_bytes(type_url, value);

	return hg_context_reply(context, &any);
}

int headgate_reply_metadata(struct headgate_context *context, const char *key,
			    struct headgate_bytes value)
{
	if (is_done(context))
		return -1;
	hg_append_metadata(&context->worker->metadata, key, value);
	return context->worker->metadata.has_failed ? fail_memory(context) : 0;
}

static struct hg_target target_of(const char *service_name, const char *command_name,
				  const ProtobufCMessage *message)
{
	return (struct hg_target){
		.service_name = hg_text(service_name),
		.command_name = hg_text(command_name),
		.payload = hg_any_of_message(message, NULL),
	};
}

int headgate_forward(struct headgate_context *context, const char *service_name,
		     const char *command_name, const ProtobufCMessage *message)
{
	struct hg_target target = target_of(service_name, command_name, message);
	struct hg_buf *action = &context->worker->action;

	if (is_done(context))
		return -1;
	hg_buf_reset(action, HG_KEEP_BYTES);
	hg_append_forward(action, context->envelope, &target);
	return action_is_set(context);
}

int headgate_reply_failure(struct headgate_context *context, enum headgate_code code,
			   const char *format, ...)
{
	struct headgate_context told = {.command_id = context->command_id};
	struct hg_failure failure = {.command_id = context->command_id};
	struct hg_buf *action = &context->worker->action;
	va_list args;

	if (is_done(context))
		return -1;
	if (!context->is_streaming)
		return headgate_fail(context, HEADGATE_INTERNAL,
				     "headgate_reply_failure is not for this handler");
	va_start(args, format);
	(void)vfail(&told, code, format, args); /* always -1 */
	va_end(args);
	failure.code = told.code;
	failure.description = hg_text(told.text);
	hg_buf_reset(action, HG_KEEP_BYTES);
	hg_append_failure(action, context->envelope, &failure);
	return action_is_set(context);
}

int headgate_no_reply(struct headgate_context *context)
{
	if (is_done(context))
		return -1;
	context->has_no_reply = true;
	hg_buf_reset(&context->worker->action, HG_KEEP_BYTES);
	return context->is_streaming ? add_response(context) : 0;
}

int headgate_effect(struct headgate_context *context, const char *service_name,
		    const char *command_name, const ProtobufCMessage *message, bool is_synchronous)
{
	struct hg_target target = target_of(service_name, command_name, message);
	struct hg_buf *effects = &context->worker->effects;

	if (is_done(context))
		return -1;
	hg_append_effect(effects, context->envelope, &target, is_synchronous);
	return effects->has_failed ? fail_memory(context) : 0;
}

/* ---- Metadata, and only actions ---------------------------------------------------------------
 */

bool headgate_metadata_at(const struct headgate_context *context, size_t index,
			  struct headgate_metadata *ret_entry)
{
	struct hg_reader reader;
	struct headgate_metadata entry;

	hg_reader_init(&reader, context->metadata);
	while (hg_metadata_next(&reader, &entry)) {
		if (index-- > 0)
			continue;
		*ret_entry = entry;
		return true;
	}
	return false;
}

bool headgate_metadata_find(const struct headgate_context *context, const char *key,
			    struct headgate_bytes *ret_value)
{
	struct hg_reader reader;
	struct headgate_metadata entry;

	hg_reader_init(&reader, context->metadata);
	while (hg_metadata_next(&reader, &entry)) {
		if (!hg_bytes_equal(entry.key, key))
			continue;
		*ret_value = entry.value;
		return true;
	}
	return false;
}

static int fail_entity(struct headgate_context *context, const char *function)
{
	return headgate_fail(context, HEADGATE_INTERNAL, "%s is not for this handler", function);
}

int headgate_end(struct headgate_context *context)
{
	if (context->stream || (context->crdt && context->envelope != HG_OF_CRDT_MESSAGE))
		return fail_entity(context, "headgate_end");
	if (is_done(context))
		return -1;
	context->is_ended = true;
	return 0;
}

int headgate_wait(struct headgate_context *context, int64_t wait_ms)
{
	if (context->stream || context->crdt)
		return fail_entity(context, "headgate_wait");
	if (is_done(context))
		return -1;
	context->is_waiting = true;
	context->wait_ms = wait_ms;
	return 0;
}

/* ---- Both -------------------------------------------------------------------------------------
 */

const char *headgate_command_name(const struct headgate_context *context)
{
	return context->name;
}

int64_t hg_context_command_id(const struct headgate_context *context)
{
	return context->command_id;
}

void hg_context_override(struct headgate_context *context, enum hg_verdict verdict,
			 struct headgate_bytes raw)
{
	struct hg_buf *action = &context->worker->action;

	context->is_overridden = true;
	context->override = verdict;
	hg_buf_reset(action, HG_KEEP_BYTES);
	uint8_t *to = hg_buf_reserve(action, raw.size);
	if (to && raw.size > 0)
		memcpy(to, raw.data, raw.size);
}

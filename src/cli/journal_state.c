/* headgate journal state: what an entity was at some event, asked by a command. The function gets a
 * stream of its own, as if an entity were activated: snapshot, events up to then, one command. What
 * it emits is shown and goes nowhere. */
#include <inttypes.h>
#include <string.h>

#include "proto/json.h"
#include "proto/schema.h"
#include "src/base/clock.h"
#include "src/base/text.h"
#include "src/cli/journal.h"
#include "src/entity/entity_codec.h"
#include "src/entity/entity_stream.h"
#include "src/grpc/grpc_call.h"
#include "src/runtime/loop.h"
#include "src/userfn/api.h"
#include "src/userfn/userfn.h"

/* The function starts, and answers within that. */
#define STATE_DISCOVER_MS ((uint64_t)5000)
#define STATE_WAIT_MS ((uint64_t)60000)
#define STATE_COMMAND_ID 1

struct shadow {
	struct tool *tool;
	const struct api_service *service;
	const struct api_method *method;
	struct journal_key key;
	struct entity_stream stream;
	bool is_open;
	bool is_drained;
	bool is_done;
	struct buf answer;
	struct buf head;
};

/* ---- the function's side -------------------------------------------------------------------- */
static void on_open(void *data)
{
	((struct shadow *)data)->is_open = true;
}

static void on_message(void *data, struct span message)
{
	struct shadow *s = data;

	s->is_done = true;
	(void)buf_append(&s->answer, message); /* looked at where it is read */
}

static void on_drained(void *data)
{
	((struct shadow *)data)->is_drained = true;
}

static void on_status(void *data, const struct grpc_status *status)
{
	struct shadow *s = data;

	s->is_done = true;
	(void)error_set(&s->tool->err, ST_UNKNOWN, "the function ended the stream: %.*s",
			SPAN_FMT(span_head(status->message, 300)));
}

static const struct entity_stream_ops stream_ops = {
	.on_open = on_open,
	.on_message = on_message,
	.on_drained = on_drained,
	.on_status = on_status,
};

static bool can_go_on(void *data)
{
	struct shadow *s = data;

	return s->is_done || (s->is_open && entity_stream_is_drained(&s->stream));
}

static bool is_answered(void *data)
{
	return ((struct shadow *)data)->is_done;
}

static enum status await(struct shadow *s, bool (*is_done)(void *data))
{
	if (!loop_run_until(s->tool->loop, is_done, s,
			    clock_deadline(clock_mono_ns(), STATE_WAIT_MS * NS_PER_MS)))
		return error_set(&s->tool->err, ST_UNAVAILABLE,
				 "the function did not answer in %" PRIu64 " s",
				 STATE_WAIT_MS / 1000);
	return s->is_done && !buf_len(&s->answer) ? s->tool->err.status : ST_OK;
}

static enum status send(struct shadow *s, bool is_put, struct span tail)
{
	if (!is_put || !entity_stream_send(&s->stream, buf_span(&s->head), tail))
		return error_set(&s->tool->err, ST_RESOURCE_EXHAUSTED,
				 "the entity is too large for the function's stream");
	return ST_OK;
}

/* ---- the entity ----------------------------------------------------------------------------- */
static enum status send_value(struct shadow *s, const struct admin_hash *hash)
{
	const struct journal_any state = {admin_hash_get(hash, "zt"), admin_hash_get(hash, "zp")};
	bool has_state = state.value.data;

	return send(s,
		    entity_put_value_init(&s->head, s->service->schema->full_name, s->key.id,
					  has_state ? &state : NULL),
		    has_state ? state.value : SPAN_EMPTY);
}

static enum status send_events(struct shadow *s, uint64_t first, uint64_t last)
{
	struct tool *tool = s->tool;

	while (first <= last) {
		struct admin_entries page;
		struct arena arena;
		enum status st;

		arena_init(&arena, ADMIN_ARENA_BYTES);
		st = admin_entries(tool->admin,
				   &(struct admin_stretch){ADMIN_EVENTS, &s->key, first, last},
				   &arena, &page, &tool->err);
		if (st == ST_OK && page.count == 0)
			st = error_set(&tool->err, ST_DATA_LOSS, "event %" PRIu64 " is missing",
				       first);
		for (size_t i = 0; st == ST_OK && i < page.count; i++, first++) {
			const struct journal_any event = {admin_entry_get(&page.entries[i], "t"),
							  admin_entry_get(&page.entries[i], "p")};

			st = send(s, entity_put_event(&s->head, first, &event), event.value);
		}
		arena_fini(&arena);
		if (st == ST_OK)
			st = await(s, can_go_on);
		if (st != ST_OK)
			return st;
	}
	return ST_OK;
}

/* The newest snapshot is the only one: what is older is made of all events. */
static enum status send_entity(struct shadow *s, const struct admin_hash *hash, uint64_t at)
{
	uint64_t snapshot_at = admin_hash_number(hash, "zs");
	const struct journal_any snapshot = {admin_hash_get(hash, "zt"),
					     admin_hash_get(hash, "zp")};
	bool has_snapshot = snapshot_at && snapshot_at <= at;
	uint64_t first = has_snapshot ? snapshot_at + 1 : 1;
	enum status st;

	if (admin_hash_number(hash, "b") > first)
		return error_set(&s->tool->err, ST_FAILED_PRECONDITION,
				 "the events before %" PRIu64 " were removed, and the snapshot is "
				 "of %" PRIu64,
				 admin_hash_number(hash, "b"), snapshot_at);
	st = send(s,
		  entity_put_init(&s->head, s->service->schema->full_name, s->key.id,
				  has_snapshot ? snapshot_at : 0, has_snapshot ? &snapshot : NULL),
		  has_snapshot ? snapshot.value : SPAN_EMPTY);
	return st == ST_OK ? send_events(s, first, at) : st;
}

static enum status send_command(struct shadow *s)
{
	const struct message *input = s->method->schema->input;
	const char *json = s->tool->args->word_count > 1 ? s->tool->args->words[1] : "{}";
	const struct json_read_options options = {.schema = s->service->api->schema};
	struct wire_writer writer;
	struct buf payload;
	enum status st;

	buf_init(&payload, WIRE_BYTES_MAX);
	wire_writer_init(&writer, &payload);
	st = json_to_wire(input, span_from_str(json), &options, &writer, &s->tool->err);
	if (st != ST_OK && s->tool->err.field[0])
		st = error_wrap(&s->tool->err, "%s", s->tool->err.field);
	if (st == ST_OK && !wire_finish(&writer))
		st = error_set(&s->tool->err, ST_RESOURCE_EXHAUSTED, "the command is too large");
	if (st == ST_OK) {
		const struct entity_put_command command = {
			.is_value = s->service->kind == ENTITY_VALUE,
			.entity_id = s->key.id,
			.id = STATE_COMMAND_ID,
			.name = s->method->schema->name,
			.input_name = input->full_name,
			.payload_len = buf_len(&payload),
		};

		st = send(s, entity_put_command(&s->head, &command), buf_span(&payload));
	}
	wire_writer_fini(&writer);
	buf_fini(&payload);
	return st;
}

/* ---- the answer ----------------------------------------------------------------------------- */
static void print_any(struct shadow *s, const char *name, const struct journal_any *any)
{
	(void)buf_printf(&s->tool->out, ",\"%s\":", name);
	put_any(s->tool, &s->tool->out, any->type_url, any->value);
}

static int print_answer(struct shadow *s, uint64_t at)
{
	static struct journal_any events[ENTITY_REPLY_EVENTS_MAX]; /* of one answer */
	struct buf *out = &s->tool->out;
	struct entity_out answer;
	size_t count;

	if (s->service->kind == ENTITY_VALUE)
		entity_out_parse_value(buf_span(&s->answer), &answer);
	else
		entity_out_parse(buf_span(&s->answer), &answer);
	if (answer.kind == ENTITY_OUT_GARBAGE)
		return command_fail(CLI_REFUSED, "the function's answer cannot be read");
	put_name(out, &s->key);
	(void)buf_printf(out, ",\"at\":%" PRIu64, at);
	if (answer.kind == ENTITY_OUT_FAILURE || answer.action == ENTITY_FAILURE) {
		(void)buf_append_str(out, ",\"failure\":");
		put_text(out, answer.description);
	} else if (answer.payload.type_url.data) {
		print_any(s, "reply", &answer.payload);
	}
	count = entity_out_events(&answer, events, ENTITY_REPLY_EVENTS_MAX);
	(void)buf_append_str(out, ",\"events\":[");
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			(void)buf_append_byte(out, ',');
		put_any(s->tool, out, events[i].type_url, events[i].value);
	}
	(void)buf_append_byte(out, ']');
	if (answer.write == ENTITY_WRITE_UPDATE)
		print_any(s, "state", &answer.state);
	(void)buf_append_str(out, "}\n");
	return tool_flush(s->tool) ? CLI_OK : tool_fail(s->tool);
}

/* ---- the command ---------------------------------------------------------------------------- */
static bool is_method(const struct method *method, struct span name)
{
	return span_eq(method->name, name) || span_eq(method->full_name, name) ||
	       span_eq(span_skip(method->path, 1), name);
}

static enum status find_method(struct shadow *s)
{
	const struct api *api = userfn_api(s->tool->userfn);
	struct span name = span_from_str(s->tool->args->call);

	for (size_t i = 0; i < api->service_count; i++) {
		const struct api_service *service = &api->services[i];

		if (!span_eq(service->persistence_id, s->key.type) ||
		    (service->kind != ENTITY_EVENT_SOURCED && service->kind != ENTITY_VALUE))
			continue;
		s->service = service;
		for (size_t j = 0; j < service->method_count; j++)
			if (is_method(service->methods[j].schema, name))
				s->method = &service->methods[j];
	}
	if (!s->service)
		return error_set(&s->tool->err, ST_NOT_FOUND,
				 "the function has no event sourced or value entity %.*s",
				 SPAN_FMT(span_head(s->key.type, 100)));
	if (!s->method)
		return error_set(&s->tool->err, ST_NOT_FOUND, "it has no method %.100s",
				 s->tool->args->call);
	return ST_OK;
}

static enum status talk(struct shadow *s, const struct admin_hash *hash, uint64_t at)
{
	bool is_value = s->service->kind == ENTITY_VALUE;
	const struct entity_stream_params params = {
		.loop = s->tool->loop,
		.channel = userfn_channel(s->tool->userfn),
		.path = is_value ? "/" API_VALUE_TYPE "/handle"
				 : "/" API_EVENT_SOURCED_TYPE "/handle",
		.open_deadline_ns = clock_deadline(clock_mono_ns(), STATE_WAIT_MS * NS_PER_MS),
		.max_message_bytes = s->tool->config.function_max_message_bytes,
	};
	enum status st;

	entity_stream_open(&s->stream, &params, &stream_ops, s);
	st = await(s, can_go_on);
	if (st == ST_OK)
		st = is_value ? send_value(s, hash) : send_entity(s, hash, at);
	if (st == ST_OK)
		st = send_command(s);
	if (st != ST_OK)
		return st;
	entity_stream_read(&s->stream);
	return await(s, is_answered);
}

/* The head, and until where it is asked for. */
static enum status look(struct shadow *s, struct admin_hash *hash, uint64_t *at)
{
	struct tool *tool = s->tool;
	uint64_t last;
	enum status st =
		admin_hash(tool->admin, ADMIN_HEAD, &s->key, &tool->page, hash, &tool->err);

	if (st != ST_OK)
		return st;
	last = admin_hash_number(hash, "s");
	if (admin_hash_get(hash, "x").data)
		return error_set(&tool->err, ST_FAILED_PRECONDITION, "the entity was erased");
	if (!tool_number(tool->args->at, last, at) || *at > last)
		return error_set(&tool->err, ST_OUT_OF_RANGE, "--at is 0 to %" PRIu64, last);
	if (s->service->kind == ENTITY_VALUE && *at != last)
		return error_set(&tool->err, ST_FAILED_PRECONDITION,
				 "of a value entity only the newest state is kept");
	return ST_OK;
}

int journal_state(struct tool *tool)
{
	struct shadow s = {.tool = tool};
	struct admin_hash hash;
	uint64_t at = 0;
	bool has_id;
	int code;

	if (!tool_key(tool->args->words[0], &s.key, &has_id) || !has_id || !tool->args->call)
		return command_fail(CLI_USAGE, "state takes TYPE/ID --call METHOD [JSON]");
	if (!tool_discover(tool, STATE_DISCOVER_MS))
		return command_fail(CLI_REFUSED, tool->err.message);
	if (tool_load_schema(tool) != ST_OK)
		return command_fail(CLI_USAGE, tool->err.message);
	if (find_method(&s) != ST_OK || look(&s, &hash, &at) != ST_OK)
		return tool_fail(tool);
	buf_init(&s.answer, WIRE_BYTES_MAX);
	buf_init(&s.head, WIRE_BYTES_MAX);
	code = talk(&s, &hash, at) == ST_OK ? print_answer(&s, at) : tool_fail(tool);
	entity_stream_reset(&s.stream);
	buf_fini(&s.answer);
	buf_fini(&s.head);
	return code;
}

#include "tests/fakes/crdt_function.h"

#include <stdio.h>
#include <string.h>

#include "proto/wire.h"
#include "src/base/error.h"
#include "src/base/mem.h"
#include "src/grpc/grpc_call.h"
#include "src/h2/h2.h"
#include "tests/fakes/fake_spec.h"

#define BYTES_MAX ((size_t)16 * 1024 * 1024)
#define FLOOD_MESSAGES 300
#define FLOOD_BYTES ((size_t)8 * 1024)

struct watcher {
	uint64_t id;
	int64_t until; /* 0: for ever */
	bool is_connection;
};

struct crdt_stream {
	struct list node;
	struct crdt_function *f;
	struct grpc_server_call *call;
	char entity[64];
	bool has_init;
	bool is_over;
	int64_t value; /* of a vote: votes_for */
	bool has_vote;
	bool self;
	struct watcher watchers[CRDT_FUNCTION_WATCHERS];
	size_t watcher_count;
	uint64_t hanging; /* id of a command */
	uint64_t cancelled[CRDT_FUNCTION_WATCHERS];
	size_t cancelled_count;
	bool is_unanswered; /* something hangs */
};

/* One command as it came. */
struct command {
	uint64_t id;
	char name[16];
	int64_t amount;
	bool is_streamed;
};

static bool is_vote(const struct crdt_stream *s)
{
	return strncmp(s->entity, "vote", 4) == 0;
}

static bool is(const struct crdt_stream *s, const char *behaviour)
{
	return strncmp(s->entity + (is_vote(s) ? 4 : 0), behaviour, strlen(behaviour)) == 0;
}

/* ---- out ------------------------------------------------------------------------------------ */

static void send_written(struct crdt_stream *s, struct wire_writer *w, struct buf *out)
{
	BUG_ON(!wire_finish(w));
	if (!s->is_over)
		BUG_ON(grpc_server_send(s->call, buf_span(out)) != ST_OK);
	wire_writer_fini(w);
	buf_fini(out);
}

static void put_payload(struct wire_writer *w, uint32_t number, const struct crdt_stream *s)
{
	static const uint8_t padding[FLOOD_BYTES];
	struct wire_nest any = wire_begin(w, number);
	struct wire_nest value;

	wire_put_bytes_field(w, 1, SPAN_LIT("type.googleapis.com/test.Amount"));
	value = wire_begin(w, 2);
	if (is(s, "flood"))
		wire_put_bytes_field(w, 1, span_make(padding, sizeof(padding)));
	if (s->value)
		wire_put_uint_field(w, 2, (uint64_t)s->value);
	wire_end(w, value);
	wire_end(w, any);
}

/* ClientAction at 2. */
static void put_action(struct wire_writer *w, const struct crdt_stream *s, bool is_failure)
{
	struct wire_nest action = wire_begin(w, 2);
	struct wire_nest inner = wire_begin(w, is_failure ? 3 : 1);

	if (is_failure)
		wire_put_bytes_field(w, 2, SPAN_LIT("no"));
	else
		put_payload(w, 1, s);
	wire_end(w, inner);
	wire_end(w, action);
}

static void put_effect(struct wire_writer *w, uint32_t number, const char *command)
{
	struct wire_nest effect = wire_begin(w, number);
	struct wire_nest any;

	wire_put_bytes_field(w, 1, SPAN_LIT("test.Shared"));
	wire_put_bytes_field(w, 2, span_from_str(command));
	any = wire_begin(w, 3);
	wire_put_bytes_field(w, 1, SPAN_LIT("type.googleapis.com/test.Amount"));
	wire_put_bytes_field(w, 2, SPAN_LIT("\x0a\x05other"));
	wire_end(w, any);
	wire_end(w, effect);
}

/* CrdtStateAction. kind: the number of the delta's field; 0: delete. */
static void put_state(struct wire_writer *w, uint32_t number, const struct crdt_stream *s,
		      uint32_t kind, uint64_t value)
{
	struct wire_nest state = wire_begin(w, number);
	struct wire_nest inner = wire_begin(w, kind ? 1 : 2);
	struct wire_nest delta;

	if (kind) {
		delta = wire_begin(w, kind);
		if (value)
			wire_put_uint_field(w, 1, value);
		wire_end(w, delta);
	}
	wire_end(w, inner);
	if (is(s, "all"))
		wire_put_uint_field(w, 3, 2);
	wire_end(w, state);
}

static void tell_watcher(struct crdt_stream *s, const struct watcher *watcher, bool is_end)
{
	struct wire_writer w;
	struct wire_nest nest;
	struct buf out;

	buf_init(&out, BYTES_MAX);
	wire_writer_init(&w, &out);
	nest = wire_begin(&w, 2);
	wire_put_uint_field(&w, 1, watcher->id);
	put_action(&w, s, false);
	if (is(s, "effect"))
		put_effect(&w, 3, "Get");
	if (is_end)
		wire_put_uint_field(&w, 4, 1);
	wire_end(&w, nest);
	send_written(s, &w, &out);
}

static void forget_watcher(struct crdt_stream *s, size_t i)
{
	s->watcher_count--;
	memmove(&s->watchers[i], &s->watchers[i + 1],
		(s->watcher_count - i) * sizeof(struct watcher));
}

static void tell_watchers(struct crdt_stream *s)
{
	for (size_t i = 0; i < s->watcher_count; i++) {
		struct watcher watcher = s->watchers[i];
		bool is_end = watcher.until && s->value >= watcher.until;

		if (watcher.is_connection)
			continue;
		tell_watcher(s, &watcher, is_end);
		if (is_end)
			forget_watcher(s, i--);
	}
}

/* What a reply has beside its id. */
struct answer {
	uint32_t kind; /* of the change; 0: none */
	uint64_t change;
	bool is_delete;
	bool is_empty;
	bool is_failure;
	bool is_streamed;
	bool has_effect;
};

static void reply(struct crdt_stream *s, uint64_t id, struct answer answer)
{
	struct wire_writer w;
	struct wire_nest nest;
	struct buf out;

	buf_init(&out, BYTES_MAX);
	wire_writer_init(&w, &out);
	nest = wire_begin(&w, 1);
	wire_put_uint_field(&w, 1, id);
	if (!answer.is_empty)
		put_action(&w, s, answer.is_failure);
	if (answer.has_effect)
		put_effect(&w, 4, "Get");
	if (answer.kind || answer.is_delete)
		put_state(&w, 5, s, answer.kind, answer.change);
	if (answer.is_streamed)
		wire_put_uint_field(&w, 6, 1);
	wire_end(&w, nest);
	send_written(s, &w, &out);
}

/* ---- commands ------------------------------------------------------------------------------- */

static void finish(struct crdt_stream *s, enum status code)
{
	struct grpc_status status = {.code = code, .message = SPAN_LIT("fake")};

	if (!s->is_over)
		grpc_server_finish(s->call, &status);
	s->is_over = true;
}

static void fail_message(struct crdt_stream *s, uint64_t id)
{
	struct wire_writer w;
	struct wire_nest nest;
	struct buf out;

	buf_init(&out, BYTES_MAX);
	wire_writer_init(&w, &out);
	nest = wire_begin(&w, 4);
	wire_put_uint_field(&w, 1, id);
	wire_put_bytes_field(&w, 2, SPAN_LIT("broken"));
	wire_end(&w, nest);
	send_written(s, &w, &out);
}

static void increase(struct crdt_stream *s, const struct command *command)
{
	struct answer answer = {.kind = 2, .change = 2, .has_effect = is(s, "effect")};

	if (is(s, "fail")) {
		reply(s, command->id, (struct answer){.is_failure = true});
		return;
	}
	if (is(s, "flag") && s->value > 0) {
		answer.kind = 6; /* a flag that is on */
		answer.change = 1;
	}
	s->value++;
	if (is(s, "early"))
		tell_watchers(s);
	reply(s, is(s, "wrong") ? command->id + 7 : command->id, answer);
	if (!is(s, "early"))
		tell_watchers(s);
}

static void misbehave_or_increase(struct crdt_stream *s, const struct command *command)
{
	if (is(s, "hang")) {
		s->hanging = command->id;
		s->is_unanswered = true;
	} else if (is(s, "end")) {
		finish(s, ST_OK);
	} else if (is(s, "garbage")) {
		BUG_ON(grpc_server_send(s->call, SPAN_LIT("\xff")) != ST_OK);
	} else if (is(s, "broken")) {
		fail_message(s, command->id);
	} else {
		increase(s, command);
	}
}

static void set_vote(struct crdt_stream *s, bool is_yes)
{
	if (s->self != is_yes)
		s->value += is_yes ? 1 : -1;
	s->self = is_yes;
	s->has_vote = true;
}

static size_t connections(const struct crdt_stream *s)
{
	size_t count = 0;

	for (size_t i = 0; i < s->watcher_count; i++)
		count += s->watchers[i].is_connection;
	return count;
}

static void watch(struct crdt_stream *s, const struct command *command)
{
	struct answer answer = {.is_streamed = true};
	struct watcher *watcher = &s->watchers[s->watcher_count++];

	BUG_ON(s->watcher_count > CRDT_FUNCTION_WATCHERS || !command->is_streamed);
	*watcher = (struct watcher){
		.id = command->id,
		.until = is_vote(s) ? 0 : command->amount,
		.is_connection = is_vote(s) && command->amount > 0,
	};
	if (watcher->is_connection) {
		answer.is_empty = true;
		if (connections(s) == 1) {
			set_vote(s, true);
			answer.kind = 8;
			answer.change = 1;
		}
	} else if (is_vote(s) && !s->has_vote) {
		answer.kind = 8; /* the first reading makes the vote */
		s->has_vote = true;
	}
	reply(s, command->id, answer);
	if (answer.kind)
		tell_watchers(s);
	for (int i = 0; is(s, "flood") && i < FLOOD_MESSAGES; i++)
		tell_watcher(s, watcher, false);
}

static void on_command(struct crdt_stream *s, struct span bytes)
{
	struct command command = {0};
	struct wire_field field;

	if (wire_find_last(bytes, 2, WIRE_VARINT, &field))
		command.id = field.integer;
	if (wire_find_last(bytes, 3, WIRE_BYTES, &field))
		(void)snprintf(command.name, sizeof(command.name), "%.*s", SPAN_FMT(field.bytes));
	if (wire_find_last(bytes, 5, WIRE_VARINT, &field))
		command.is_streamed = field.integer != 0;
	if (wire_find_last(bytes, 4, WIRE_BYTES, &field) &&
	    wire_find_last(field.bytes, 2, WIRE_BYTES, &field) &&
	    wire_find_last(field.bytes, 2, WIRE_VARINT, &field))
		command.amount = (int64_t)field.integer;
	s->f->commands++;
	s->f->last_id = command.id;
	s->f->was_last_streamed = command.is_streamed;
	if (strcmp(command.name, "Increase") == 0)
		misbehave_or_increase(s, &command);
	else if (strcmp(command.name, "Watch") == 0)
		watch(s, &command);
	else if (strcmp(command.name, "Remove") == 0)
		reply(s, command.id, (struct answer){.is_delete = true});
	else
		reply(s, command.id, (struct answer){0});
}

static void answer_cancel(struct crdt_stream *s, uint64_t id, bool is_vote_off)
{
	struct wire_writer w;
	struct wire_nest nest;
	struct buf out;

	buf_init(&out, BYTES_MAX);
	wire_writer_init(&w, &out);
	nest = wire_begin(&w, 3);
	wire_put_uint_field(&w, 1, id);
	if (is(s, "goodbye"))
		put_effect(&w, 2, "Increase");
	if (is_vote_off)
		put_state(&w, 3, s, 8, 0);
	wire_end(&w, nest);
	send_written(s, &w, &out);
}

static void on_stream_cancelled(struct crdt_stream *s, struct span bytes)
{
	struct wire_field field;
	uint64_t id = wire_find_last(bytes, 2, WIRE_VARINT, &field) ? field.integer : 0;
	bool is_vote_off = false;
	size_t i = 0;

	s->f->cancels++;
	for (size_t k = 0; k < s->cancelled_count; k++)
		s->f->is_out_of_order = s->f->is_out_of_order || s->cancelled[k] == id;
	s->cancelled[s->cancelled_count++ % CRDT_FUNCTION_WATCHERS] = id;
	while (i < s->watcher_count && s->watchers[i].id != id)
		i++;
	if (i < s->watcher_count) {
		is_vote_off = s->watchers[i].is_connection && connections(s) == 1;
		forget_watcher(s, i);
	}
	if (is_vote_off)
		set_vote(s, false);
	if (is(s, "deaf"))
		return;
	answer_cancel(s, id, is_vote_off);
	if (is_vote_off)
		tell_watchers(s);
}

/* ---- in ------------------------------------------------------------------------------------- */

static int64_t unzigzag(uint64_t value)
{
	return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

static void apply(struct crdt_stream *s, struct span delta)
{
	struct wire_field field;
	struct wire_field number;

	if (wire_find_last(delta, 2, WIRE_BYTES, &field) &&
	    wire_find_last(field.bytes, 1, WIRE_VARINT, &number))
		s->value += unzigzag(number.integer);
	if (!wire_find_last(delta, 8, WIRE_BYTES, &field))
		return;
	s->has_vote = true;
	s->self = wire_find_last(field.bytes, 1, WIRE_VARINT, &number) && number.integer;
	s->value =
		wire_find_last(field.bytes, 2, WIRE_VARINT, &number) ? (int64_t)number.integer : 0;
}

static void on_init(struct crdt_stream *s, struct span init)
{
	struct wire_field field;

	s->f->is_out_of_order = s->f->is_out_of_order || s->has_init;
	s->has_init = true;
	s->f->inits++;
	if (wire_find_last(init, 2, WIRE_BYTES, &field))
		(void)snprintf(s->entity, sizeof(s->entity), "%.*s",
			       SPAN_FMT(span_head(field.bytes, sizeof(s->entity) - 1)));
	if (wire_find_last(init, 3, WIRE_BYTES, &field)) {
		s->f->inits_with_value++;
		apply(s, field.bytes);
	}
}

static void on_message(void *data, struct span message)
{
	struct crdt_stream *s = data;
	struct crdt_function *f = s->f;
	struct wire_field field;

	if (wire_find_last(message, 1, WIRE_BYTES, &field)) {
		on_init(s, field.bytes);
	} else if (wire_find_last(message, 2, WIRE_BYTES, &field)) {
		f->deltas++;
		f->is_out_of_order = f->is_out_of_order || !s->has_init || s->is_unanswered;
		apply(s, field.bytes);
		tell_watchers(s);
	} else if (wire_find_last(message, 3, WIRE_BYTES, &field)) {
		f->is_out_of_order = f->is_out_of_order || !s->has_init;
		f->deletes++;
	} else if (wire_find_last(message, 4, WIRE_BYTES, &field)) {
		f->is_out_of_order = f->is_out_of_order || !s->has_init;
		on_command(s, field.bytes);
	} else if (wire_find_last(message, 5, WIRE_BYTES, &field)) {
		on_stream_cancelled(s, field.bytes);
	}
	if (!s->is_over)
		grpc_server_read(s->call);
}

static void on_half_close(void *data)
{
	struct crdt_stream *s = data;

	s->f->stream_ends++;
	finish(s, ST_OK);
}

static void on_cancelled(void *data, enum status why)
{
	struct crdt_stream *s = data;

	(void)why;
	s->is_over = true;
}

static void on_finished(void *data)
{
	struct crdt_stream *s = data;

	list_remove(&s->node);
	mem_free(s);
}

static const struct grpc_server_ops call_ops = {
	.on_message = on_message,
	.on_half_close = on_half_close,
	.on_cancelled = on_cancelled,
	.on_finished = on_finished,
};

static void on_stream(void *data, struct h2_stream *stream, const struct h2_headers *headers)
{
	struct crdt_function *f = data;
	struct crdt_stream *s = mem_new(struct crdt_stream);

	s->f = f;
	f->stream_count++;
	list_init(&s->node);
	list_push_back(&f->streams, &s->node);
	s->call = grpc_server_accept(f->base.loop, stream, headers, BYTES_MAX, &call_ops, s);
	BUG_ON(!s->call);
	grpc_server_read(s->call);
}

void crdt_function_answer(struct crdt_function *f)
{
	list_for_each_safe (node, &f->streams) {
		struct crdt_stream *s = list_entry(node, struct crdt_stream, node);

		if (!s->hanging)
			continue;
		s->is_unanswered = false;
		increase(s, &(struct command){.id = s->hanging});
		s->hanging = 0;
	}
}

void crdt_function_init(struct crdt_function *f, struct loop *loop, int64_t passivation_ms)
{
	static const struct fake_field fields[] = {
		{.name = "id", .number = 1, .type = FIELD_STRING, .is_key = true},
		{.name = "amount", .number = 2, .type = FIELD_INT64},
		{0},
	};
	static const struct fake_message messages[] = {{"Amount", fields}, {0}};
	static const struct fake_method methods[] = {
		{.name = "Increase", .input = ".test.Amount", .output = ".test.Amount"},
		{.name = "Get", .input = ".test.Amount", .output = ".test.Amount"},
		{.name = "Remove", .input = ".test.Amount", .output = ".test.Amount"},
		{.name = "Watch",
		 .input = ".test.Amount",
		 .output = ".test.Amount",
		 .server_streaming = true},
		{0},
	};
	static const struct fake_service services[] = {{"Shared", methods}, {0}};
	static const struct fake_file files[] = {
		{.name = "shared.proto",
		 .package = "test",
		 .messages = messages,
		 .services = services},
		{0},
	};
	struct fake_entity entities[] = {
		{.type = "cloudstate.crdt.Crdt",
		 .service = "test.Shared",
		 .persistence_id = "shared",
		 .passivation_ms = passivation_ms},
		{0},
	};
	struct fake_spec spec = {.files = files, .entities = entities, .minor = 2};

	*f = (struct crdt_function){0};
	list_init(&f->streams);
	fake_function_init(&f->base, loop, 2, 0);
	buf_reset(&f->base.spec);
	fake_spec_write(&spec, &f->base.spec);
	f->base.on_crdt = on_stream;
	f->base.crdt_data = f;
}

void crdt_function_fini(struct crdt_function *f)
{
	list_for_each_safe (node, &f->streams) {
		struct crdt_stream *s = list_entry(node, struct crdt_stream, node);

		grpc_server_cancel(s->call);
		list_remove(&s->node);
		mem_free(s);
	}
	fake_function_fini(&f->base);
}

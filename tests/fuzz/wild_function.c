/* What the function sends, move by move, and what it gets. */
#include "tests/fuzz/wild_function.h"

#include "proto/wire.h"
#include "src/base/error.h"
#include "src/base/mem.h"
#include "src/grpc/grpc_call.h"
#include "src/h2/h2.h"
#include "src/userfn/api.h"
#include "tests/fakes/fake_crdt_log.h"
#include "tests/fakes/fake_journal.h"
#include "tests/fakes/fake_spec.h"

#define FLOOD_MESSAGES 300U
#define FLOOD_BYTES 4096U

#define MOVE_MORE 0x80
#define MOVE_BITS 0x0F
enum move {
	MOVE_REPLY,	   /* two bytes: enum part, enum answer over the target */
	MOVE_REPLY_WRONG,  /* with an id that nobody asked for; a CRDT's: of the command before */
	MOVE_REPLY_DOUBLE, /* twice */
	MOVE_FAILURE,	   /* one byte: 0: no id, 1: the right one, else another */
	MOVE_SILENCE,
	MOVE_MESSAGE,	/* length, bytes: any message */
	MOVE_FRAME,	/* length, bytes: any bytes within the body */
	MOVE_FLOOD,	/* length, bytes: many of them */
	MOVE_FLOOD_BIG, /* many large ones */
	MOVE_TOO_LARGE, /* one over the limit */
	MOVE_FINISH,	/* one byte: the code */
	MOVE_RESET,	/* one byte: the code */
	MOVE_DROP,	/* all connections */
	MOVE_DRAIN,	/* no new streams on them */
	MOVE_STREAMED,	/* of CRDTs, three bytes: enum streamed, part, answer. Others get one too */
	MOVE_BEHAVE,
};

/* Low bits of the first byte of a streamed message. */
enum streamed {
	STREAMED_MESSAGE,
	STREAMED_FLOOD,
	STREAMED_CANCELLED,	  /* the answer to a cancellation */
	STREAMED_CANCELLED_WRONG, /* of another command */
	STREAMED_BITS = 3
};

/* What a reply has, bit by bit. Those of a CRDT: streamed or the end of it; a change of another
 * kind of value; and wanted at all members, in place of many events. */
enum part {
	PART_EVENT = 1,
	PART_STREAMED = 1,
	PART_SNAPSHOT = 2,
	PART_WRONG_KIND = 2,
	PART_UPDATE = 4,
	PART_DELETE = 8,
	PART_EFFECT = 16,
	PART_EFFECT_WAITED = 32,
	PART_MANY_EVENTS = 64,
	PART_ALL = 64,
	PART_METADATA = 128,
};

/* Low bits of the second byte of a reply; those above pick where a forward or effect goes. */
enum answer {
	ANSWER_REPLY,
	ANSWER_FORWARD,
	ANSWER_FAILURE,
	ANSWER_RESTART,
	ANSWER_NONE,
	ANSWER_EMPTY,
	ANSWER_BITS = 7
};

static const struct {
	const char *service;
	const char *command;
} kinds[WILD_KINDS_] = {
	{"test.Counter", "Do"},
	{"test.Value", "Do"},
	{"test.Deed", "Do"},
	{"test.Shared", "Do"},
};

/* One call of the function. */
struct stream {
	struct list node;
	struct wild *w;
	struct grpc_server_call *call;
	struct h2_stream *h2;
	enum wild_kind kind;
	bool is_good;
	bool is_over;
	bool is_cancelled; /* its last command, a CRDT's */
	uint64_t id;	   /* of the last command */
};

/* ---- what the function sends ---------------------------------------------------------------- */

static uint8_t take_byte(struct wild *w)
{
	uint8_t byte = w->rest.len ? w->rest.data[0] : 0;

	w->rest = span_skip(w->rest, 1);
	return byte;
}

static struct span take_bytes(struct wild *w)
{
	size_t len = take_byte(w);
	struct span bytes = span_head(w->rest, len);

	w->rest = span_skip(w->rest, len);
	return bytes;
}

static const char *key_of(const struct stream *s)
{
	return s->is_good ? "good" : "wild";
}

/* What cannot be sent any more is lost, as with any function. */
static void send(struct stream *s, struct span message)
{
	if (!s->is_over && grpc_server_send(s->call, message) != ST_OK)
		return;
}

static void finish(struct stream *s, enum status code)
{
	if (!s->is_over)
		grpc_server_finish(s->call,
				   &(struct grpc_status){.code = code, .message = SPAN_LIT("no")});
	s->is_over = true;
}

/* test.Amount: the key; the sequence that the journal has to be at when a client sees this; and
 * of which entity. */
static void put_amount(struct wire_writer *w, uint32_t number, const struct stream *s,
		       uint64_t claim)
{
	struct wire_nest any = wire_begin(w, number);
	struct wire_nest value;

	wire_put_bytes_field(w, 1, SPAN_LIT("type.googleapis.com/test.Amount"));
	value = wire_begin(w, 2);
	wire_put_bytes_field(w, 1, span_from_str(key_of(s)));
	wire_put_uint_field(w, 2, claim);
	wire_put_uint_field(w, 3, s->kind);
	wire_end(w, value);
	wire_end(w, any);
}

static void put_target(struct wire_writer *w, uint32_t number, const struct stream *s,
		       uint8_t answer, bool is_waited)
{
	size_t target = (size_t)(answer >> 3) % WILD_KINDS_;
	struct wire_nest nest = wire_begin(w, number);

	wire_put_bytes_field(w, 1, span_from_str(kinds[target].service));
	wire_put_bytes_field(w, 2, span_from_str(kinds[target].command));
	put_amount(w, 3, s, 0);
	if (is_waited)
		wire_put_uint_field(w, 4, 1);
	wire_end(w, nest);
}

static void put_answer(struct wire_writer *w, const struct stream *s, uint8_t part, uint8_t answer,
		       uint64_t claim)
{
	bool is_action = s->kind == WILD_ACTION; /* whose numbers are others */
	struct wire_nest nest;

	switch (answer & ANSWER_BITS) {
	case ANSWER_FORWARD:
		put_target(w, is_action ? 3 : 2, s, answer, false);
		return;
	case ANSWER_FAILURE:
	case ANSWER_RESTART:
		nest = wire_begin(w, is_action ? 1 : 3);
		wire_put_bytes_field(w, 2, SPAN_LIT("no"));
		wire_put_uint_field(w, 3, (answer & ANSWER_BITS) == ANSWER_RESTART);
		wire_end(w, nest);
		return;
	case ANSWER_NONE:
		return;
	default:
		nest = wire_begin(w, is_action ? 2 : 1);
		if ((answer & ANSWER_BITS) != ANSWER_EMPTY)
			put_amount(w, 1, s, claim);
		if (part & PART_METADATA)
			wire_put_bytes_field(w, 2, SPAN_LIT("\x0a\x06\x0a\x01\x61\x12\x01\x62"));
		wire_end(w, nest);
	}
}

/* Also state actions of the wrong kind: an update is field 4 of value entities, an event field 4
 * of event sourced ones. */
static void put_state(struct wire_writer *w, const struct stream *s, uint8_t part, uint64_t claim)
{
	unsigned events = part & PART_MANY_EVENTS ? 1001 : 1;
	struct wire_nest nest;

	for (unsigned i = 0; (part & PART_EVENT) && i < events; i++)
		put_amount(w, 4, s, claim);
	if (part & PART_SNAPSHOT)
		put_amount(w, 5, s, claim);
	if (!(part & (PART_UPDATE | PART_DELETE)))
		return;
	nest = wire_begin(w, 4);
	if (part & PART_UPDATE) {
		struct wire_nest update = wire_begin(w, 1);

		put_amount(w, 1, s, claim);
		wire_end(w, update);
	}
	if (part & PART_DELETE)
		wire_end(w, wire_begin(w, 2));
	wire_end(w, nest);
}

/* Surely a change of a CRDT, of whatever comes of it in time. */
static bool is_change(uint8_t part)
{
	return (part & (PART_UPDATE | PART_DELETE | PART_WRONG_KIND)) == PART_UPDATE;
}

static uint64_t claim_of(const struct stream *s, uint8_t part)
{
	struct journal_key key = wild_key(s->kind, span_from_str(key_of(s)));
	uint64_t now;

	if (s->kind == WILD_ACTION)
		return 0;
	if (s->kind == WILD_CRDT)
		return fake_crdt_appends(s->w->store) + is_change(part);
	now = fake_journal_head(s->w->journal, &key).sequence;
	if (s->kind == WILD_EVENTS)
		return now + (part & PART_EVENT ? 1 : 0);
	/* Whether more than an update is one is not for this side to say. */
	return now + (part == PART_UPDATE ? 1 : 0);
}

/* Where the parts of a CRDT's messages stand; 0: not there. */
struct crdt_layout {
	uint32_t message;
	uint32_t action;
	uint32_t effects;
	uint32_t state;
	uint32_t flag;
};

static const struct crdt_layout crdt_reply = {1, 2, 4, 5, 6};
static const struct crdt_layout crdt_streamed = {2, 2, 3, 0, 4};
static const struct crdt_layout crdt_cancelled = {3, 0, 2, 3, 0};

static void put_crdt_state(struct wire_writer *w, uint32_t number, uint8_t part)
{
	bool is_set = part & PART_WRONG_KIND;
	struct wire_nest nest;

	if (!number || !(part & (PART_UPDATE | PART_DELETE)))
		return;
	nest = wire_begin(w, number);
	if (part & PART_UPDATE) /* a PNCounter goes up by one; or a GSet gets something */
		wire_put_bytes_field(w, 1,
				     is_set ? SPAN_LIT("\x1a\x05\x0a\x03\x0a\x01x")
					    : SPAN_LIT("\x12\x02\x08\x02"));
	if (part & PART_DELETE)
		wire_put_bytes_field(w, 2, SPAN_EMPTY);
	if (part & PART_ALL)
		wire_put_uint_field(w, 3, 2);
	wire_end(w, nest);
}

static void send_crdt(struct stream *s, const struct crdt_layout *layout, uint64_t id, uint8_t part,
		      uint8_t answer)
{
	uint64_t claim = claim_of(s, layout == &crdt_reply ? part : 0);
	struct wire_writer w;
	struct wire_nest nest;
	struct buf out;

	buf_init(&out, 1024);
	wire_writer_init(&w, &out);
	nest = wire_begin(&w, layout->message);
	wire_put_uint_field(&w, 1, id);
	if (layout->action) {
		struct wire_nest action = wire_begin(&w, layout->action);

		put_answer(&w, s, part, answer, claim);
		wire_end(&w, action);
	}
	put_crdt_state(&w, layout->state, part);
	if (layout->flag && (part & PART_STREAMED))
		wire_put_uint_field(&w, layout->flag, 1);
	if (part & (PART_EFFECT | PART_EFFECT_WAITED))
		put_target(&w, layout->effects, s, answer, part & PART_EFFECT_WAITED);
	wire_end(&w, nest);
	BUG_ON(!wire_finish(&w));
	send(s, buf_span(&out));
	wire_writer_fini(&w);
	buf_fini(&out);
}

static void reply(struct stream *s, uint64_t id, uint8_t part, uint8_t answer)
{
	uint64_t claim = claim_of(s, part);
	struct wire_nest nest = {0};
	struct wire_nest action = {0};
	struct wire_writer w;
	struct buf out;

	if (s->kind == WILD_CRDT) {
		send_crdt(s, &crdt_reply, id, part, answer);
		return;
	}
	buf_init(&out, (size_t)1024 * 1024);
	wire_writer_init(&w, &out);
	if (s->kind != WILD_ACTION) {
		nest = wire_begin(&w, 1);
		wire_put_uint_field(&w, 1, id);
		put_state(&w, s, part, claim);
		action = wire_begin(&w, 2);
	}
	put_answer(&w, s, part, answer, claim);
	if (s->kind != WILD_ACTION)
		wire_end(&w, action);
	if (part & (PART_EFFECT | PART_EFFECT_WAITED))
		put_target(&w, s->kind == WILD_ACTION ? 4 : 3, s, answer,
			   part & PART_EFFECT_WAITED);
	if (s->kind != WILD_ACTION)
		wire_end(&w, nest);
	BUG_ON(!wire_finish(&w));
	send(s, buf_span(&out));
	wire_writer_fini(&w);
	buf_fini(&out);
}

static void move_streamed(struct stream *s)
{
	enum streamed which = take_byte(s->w) & STREAMED_BITS;
	uint8_t part = take_byte(s->w);
	uint8_t answer = take_byte(s->w);
	unsigned count = which == STREAMED_FLOOD ? FLOOD_MESSAGES : 1;

	for (unsigned i = 0; which <= STREAMED_FLOOD && i < count; i++)
		send_crdt(s, &crdt_streamed, s->id, part, answer);
	if (which > STREAMED_FLOOD)
		send_crdt(s, &crdt_cancelled, s->id + (which == STREAMED_CANCELLED_WRONG), part,
			  answer);
}

static void behave(struct stream *s)
{
	static const uint8_t part[WILD_KINDS_] = {PART_EVENT, PART_UPDATE, 0, PART_UPDATE};

	if (s->is_cancelled) {
		send_crdt(s, &crdt_cancelled, s->id, PART_UPDATE, 0);
		return;
	}
	reply(s, s->id, part[s->kind], ANSWER_REPLY);
	if (s->kind == WILD_ACTION)
		finish(s, ST_OK);
}

static void failure(struct stream *s, uint8_t which)
{
	uint64_t id = which == 0 ? 0 : which == 1 ? s->id : s->id + which;
	struct wire_writer w;
	struct wire_nest nest;
	struct buf out;

	buf_init(&out, 1024);
	wire_writer_init(&w, &out);
	nest = wire_begin(&w, s->kind == WILD_ACTION ? 1 : s->kind == WILD_CRDT ? 4 : 2);
	wire_put_uint_field(&w, 1, id);
	wire_put_bytes_field(&w, 2, SPAN_LIT("no"));
	wire_end(&w, nest);
	BUG_ON(!wire_finish(&w));
	send(s, buf_span(&out));
	wire_writer_fini(&w);
	buf_fini(&out);
}

/* Half of them raw, behind a message that opens the answer. */
static void send_frame(struct stream *s, struct span bytes)
{
	if (s->is_over)
		return;
	send(s, SPAN_EMPTY);
	if (h2_stream_write(s->h2, bytes) != ST_OK)
		return; /* the stream is closing */
}

static void flood(struct stream *s, struct span message)
{
	for (unsigned i = 0; i < FLOOD_MESSAGES; i++)
		send(s, message);
}

static void send_large(struct stream *s, size_t size, bool is_flood)
{
	uint8_t *bytes = mem_new_array(uint8_t, size);

	if (is_flood)
		flood(s, span_make(bytes, size));
	else
		send(s, span_make(bytes, size));
	mem_free(bytes);
}

static void move_reply(struct stream *s, enum move move)
{
	uint8_t part = take_byte(s->w);
	uint8_t answer = take_byte(s->w);
	uint64_t id = s->id;

	if (move == MOVE_REPLY_WRONG)
		id += s->kind == WILD_CRDT ? (uint64_t)-1 : 1;
	reply(s, id, part, answer);
	if (move == MOVE_REPLY_DOUBLE)
		reply(s, s->id, part, answer);
}

/* Moves of bytes that are the input's own. */
static void move_bytes(struct stream *s, enum move move)
{
	struct span bytes = take_bytes(s->w);

	s->w->is_free = true;
	if (move == MOVE_MESSAGE)
		send(s, bytes);
	else if (move == MOVE_FRAME)
		send_frame(s, bytes);
	else
		flood(s, bytes);
}

static void move_end(struct stream *s, enum move move)
{
	s->w->is_unsettled |= move == MOVE_DROP || move == MOVE_DRAIN;
	if (move == MOVE_FINISH)
		finish(s, take_byte(s->w) % (ST_UNAUTHENTICATED + 1));
	else if (move == MOVE_DROP)
		fake_function_drop(&s->w->function);
	else if (move == MOVE_DRAIN)
		fake_function_drain(&s->w->function);
	else if (!s->is_over)
		h2_stream_reset(s->h2, take_byte(s->w) % (H2_ENHANCE_YOUR_CALM + 3));
	s->is_over = s->is_over || move == MOVE_RESET;
}

static void move(struct stream *s, enum move move)
{
	switch (move) {
	case MOVE_REPLY:
	case MOVE_REPLY_WRONG:
	case MOVE_REPLY_DOUBLE:
		move_reply(s, move);
		return;
	case MOVE_FAILURE:
		failure(s, take_byte(s->w));
		return;
	case MOVE_SILENCE:
		return;
	case MOVE_MESSAGE:
	case MOVE_FRAME:
	case MOVE_FLOOD:
		move_bytes(s, move);
		return;
	case MOVE_FLOOD_BIG:
		send_large(s, FLOOD_BYTES, true);
		return;
	case MOVE_TOO_LARGE:
		send_large(s, WILD_MESSAGE_BYTES_MAX + 1, false);
		return;
	case MOVE_STREAMED:
		if (s->kind == WILD_CRDT)
			move_streamed(s);
		else
			send(s, SPAN_LIT("\x12\x02\x08\x01"));
		return;
	case MOVE_BEHAVE:
		behave(s);
		return;
	case MOVE_FINISH:
	case MOVE_RESET:
	case MOVE_DROP:
	case MOVE_DRAIN:
		move_end(s, move);
		return;
	}
}

static void play(struct stream *s)
{
	uint8_t byte;

	if (s->is_good || !s->w->rest.len) {
		behave(s);
		return;
	}
	do {
		byte = take_byte(s->w);
		move(s, byte & MOVE_BITS);
	} while ((byte & MOVE_MORE) && s->w->rest.len);
}

/* ---- what the function gets ----------------------------------------------------------------- */

static void on_init(struct stream *s, struct span init)
{
	struct wire_field id;

	s->is_good = wire_find_last(init, 2, WIRE_BYTES, &id) && span_eq_str(id.bytes, "good");
	if (!s->is_good && s->w->moves_at_init && s->w->rest.len)
		play(s);
}

static void on_crdt_message(struct stream *s, struct span message)
{
	struct wire_field field;
	struct wire_field id;

	if (wire_find_last(message, 1, WIRE_BYTES, &field)) {
		on_init(s, field.bytes);
		return;
	}
	s->is_cancelled = wire_find_last(message, 5, WIRE_BYTES, &field);
	if (s->is_cancelled || wire_find_last(message, 4, WIRE_BYTES, &field)) {
		if (wire_find_last(field.bytes, 2, WIRE_VARINT, &id))
			s->id = id.integer;
		play(s);
	} else if (!s->is_good && s->w->rest.len) {
		play(s); /* a change or a deletion asks for no answer */
	}
}

static void on_message(void *data, struct span message)
{
	struct stream *s = data;
	struct wire_field field;

	if (s->kind == WILD_ACTION) {
		play(s);
	} else if (s->kind == WILD_CRDT) {
		on_crdt_message(s, message);
	} else if (wire_find_last(message, 1, WIRE_BYTES, &field)) {
		on_init(s, field.bytes);
	} else if (wire_find_last(message, s->kind == WILD_VALUE ? 2 : 3, WIRE_BYTES, &field)) {
		if (wire_find_last(field.bytes, 2, WIRE_VARINT, &field))
			s->id = field.integer;
		play(s);
	}
	if (!s->is_over)
		grpc_server_read(s->call);
}

static void on_half_close(void *data)
{
	finish(data, ST_OK);
}

static void on_cancelled(void *data, enum status why)
{
	struct stream *s = data;

	(void)why;
	s->is_over = true;
}

static void on_finished(void *data)
{
	struct stream *s = data;

	list_remove(&s->node);
	mem_free(s);
}

static const struct grpc_server_ops stream_ops = {
	.on_message = on_message,
	.on_half_close = on_half_close,
	.on_cancelled = on_cancelled,
	.on_finished = on_finished,
};

static void on_stream(void *data, struct h2_stream *h2, const struct h2_headers *headers)
{
	struct wild *w = data;
	struct span path = h2_headers_get(headers, ":path");
	struct stream *s = mem_new(struct stream);

	s->w = w;
	s->h2 = h2;
	s->kind = span_starts_with(path, SPAN_LIT("/cloudstate.event"))	  ? WILD_EVENTS
		  : span_starts_with(path, SPAN_LIT("/cloudstate.value")) ? WILD_VALUE
		  : span_starts_with(path, SPAN_LIT("/cloudstate.crdt"))  ? WILD_CRDT
									  : WILD_ACTION;
	list_push_back(&w->streams, &s->node);
	s->call = grpc_server_accept(w->loop, h2, headers, (size_t)1024 * 1024, &stream_ops, s);
	BUG_ON(!s->call);
	grpc_server_read(s->call);
}

/* ---- start and stop ------------------------------------------------------------------------- */

static void write_spec(struct buf *out)
{
	static const struct fake_field fields[] = {
		{.name = "id", .number = 1, .type = FIELD_STRING, .is_key = true},
		{.name = "claim", .number = 2, .type = FIELD_INT64},
		{.name = "kind", .number = 3, .type = FIELD_INT64},
		{0},
	};
	static const struct fake_message messages[] = {{"Amount", fields}, {0}};
	static const struct fake_method methods[] = {
		{"Do", ".test.Amount", ".test.Amount", false, false},
		{0},
	};
	static const struct fake_method deeds[] = {
		{"Do", ".test.Amount", ".test.Amount", false, false},
		{"Out", ".test.Amount", ".test.Amount", false, true},
		{"In", ".test.Amount", ".test.Amount", true, false},
		{"Both", ".test.Amount", ".test.Amount", true, true},
		{0},
	};
	static const struct fake_method shared[] = {
		{"Do", ".test.Amount", ".test.Amount", false, false},
		{"Watch", ".test.Amount", ".test.Amount", false, true},
		{0},
	};
	static const struct fake_service services[] = {
		{"Counter", methods}, {"Value", methods}, {"Deed", deeds}, {"Shared", shared}, {0}};
	static const struct fake_file files[] = {{.name = "wild.proto",
						  .package = "test",
						  .messages = messages,
						  .services = services},
						 {0}};
	static const struct fake_entity entities[] = {
		{.service = "test.Counter", .persistence_id = "counter"},
		{.type = "cloudstate.valueentity.ValueEntity",
		 .service = "test.Value",
		 .persistence_id = "value"},
		{.type = API_ACTION_TYPE, .service = "test.Deed"},
		{.type = "cloudstate.crdt.Crdt",
		 .service = "test.Shared",
		 .persistence_id = "shared"},
		{0},
	};
	struct fake_spec spec = {.files = files, .entities = entities, .minor = 2};

	buf_reset(out);
	fake_spec_write(&spec, out);
}

struct journal_key wild_key(enum wild_kind kind, struct span id)
{
	return (struct journal_key){kind == WILD_EVENTS ? SPAN_LIT("counter") : SPAN_LIT("value"),
				    id};
}

void wild_start(struct wild *w, struct loop *loop, struct span moves)
{
	*w = (struct wild){.loop = loop, .rest = moves};
	list_init(&w->streams);
	fake_function_init(&w->function, loop, 2, 0);
	write_spec(&w->function.spec);
	w->function.on_action = w->function.on_entity = w->function.on_crdt = on_stream;
	w->function.action_data = w->function.entity_data = w->function.crdt_data = w;
}

void wild_stop(struct wild *w)
{
	struct list *node;

	while ((node = list_pop_front(&w->streams))) {
		struct stream *s = list_entry(node, struct stream, node);

		grpc_server_cancel(s->call);
		mem_free(s);
	}
	fake_function_fini(&w->function);
}

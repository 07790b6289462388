#include "tests/fakes/fake_function.h"

#include <stdio.h>
#include <string.h>

#include "proto/wire.h"
#include "src/base/error.h"
#include "src/base/mem.h"
#include "src/grpc/grpc_call.h"
#include "src/h2/h2.h"
#include "src/runtime/address.h"
#include "src/runtime/listen.h"
#include "src/runtime/loop.h"
#include "tests/fakes/fake_spec.h"

#define FAKE_BYTES_MAX ((size_t)16 * 1024 * 1024)

struct fake_session {
	struct list node;
	struct fake_function *f;
	struct h2_session *session;
};

/* One call, whichever method. */
struct fake_stream {
	struct list node;
	struct fake_function *f;
	struct grpc_server_call *call;
	char method[16];
	char entity[64];
	bool is_value;
	bool has_init;
	bool has_command;
	uint64_t seen; /* events, replayed and emitted */
};

static bool is(const struct fake_stream *s, const char *behaviour)
{
	return strncmp(s->entity, behaviour, strlen(behaviour)) == 0;
}

static void finish(struct fake_stream *s, enum status code)
{
	struct grpc_status status = {.code = code, .message = SPAN_LIT("fake")};

	grpc_server_finish(s->call, &status);
}

static void send_written(struct fake_stream *s, struct wire_writer *w, const struct buf *out)
{
	BUG_ON(!wire_finish(w));
	BUG_ON(grpc_server_send(s->call, buf_span(out)) != ST_OK);
}

/* ---- unary ---------------------------------------------------------------------------------- */

static void on_unary(struct fake_stream *s, struct span message)
{
	struct fake_function *f = s->f;
	struct wire_field field;

	if (strcmp(s->method, "discover") == 0) {
		f->discovers++;
		buf_reset(&f->proxy_info);
		BUG_ON(!buf_append(&f->proxy_info, message));
		if (f->discover_code == ST_OK)
			BUG_ON(grpc_server_send(s->call, buf_span(&f->spec)) != ST_OK);
		finish(s, f->discover_code);
		return;
	}
	f->reports++;
	if (wire_find_last(message, 1, WIRE_BYTES, &field))
		(void)snprintf(f->last_report, sizeof(f->last_report), "%.*s",
			       SPAN_FMT(span_head(field.bytes, sizeof(f->last_report) - 1)));
	BUG_ON(grpc_server_send(s->call, SPAN_EMPTY) != ST_OK);
	finish(s, ST_OK);
}

/* ---- commands ------------------------------------------------------------------------------- */

static void put_any(struct wire_writer *w, uint32_t number, const char *url, struct span value)
{
	struct wire_nest nest = wire_begin(w, number);

	wire_put_bytes_field(w, 1, span_from_str(url));
	wire_put_bytes_field(w, 2, value);
	wire_end(w, nest);
}

/* test.Amount with the number of events seen. */
static void put_amount(struct wire_writer *w, const struct fake_stream *s, uint32_t number)
{
	uint8_t value[12] = {0x10};
	size_t n = 1;
	uint64_t rest = s->seen;

	for (; rest >= 0x80; rest >>= 7)
		value[n++] = (uint8_t)(rest | 0x80);
	value[n++] = (uint8_t)rest;
	put_any(w, number,
		is(s, "type") ? "type.googleapis.com/test.Other"
			      : "type.googleapis.com/test.Amount",
		span_make(value, n));
}

static void put_metadata(struct wire_writer *w)
{
	struct wire_nest nest = wire_begin(w, 2);
	struct wire_nest entry = wire_begin(w, 1);

	wire_put_bytes_field(w, 1, SPAN_LIT("X-A"));
	wire_put_bytes_field(w, 2, SPAN_LIT("one"));
	wire_end(w, entry);
	entry = wire_begin(w, 1);
	wire_put_bytes_field(w, 1, SPAN_LIT("x-b-bin"));
	wire_put_bytes_field(w, 3, SPAN_LIT("\x01\x02"));
	wire_end(w, entry);
	entry = wire_begin(w, 1);
	wire_put_bytes_field(w, 1, SPAN_LIT("Content-Type"));
	wire_put_bytes_field(w, 2, SPAN_LIT("text/evil"));
	wire_end(w, entry);
	entry = wire_begin(w, 1);
	wire_put_bytes_field(w, 1, SPAN_LIT("x-line"));
	wire_put_bytes_field(w, 2, SPAN_LIT("a\r\nb: c"));
	wire_end(w, entry);
	wire_end(w, nest);
}

static void put_failure(struct wire_writer *w, const struct fake_stream *s, bool is_restart)
{
	struct wire_nest nest = wire_begin(w, 3);
	struct wire_nest status;

	if (is(s, "coded")) {
		status = wire_begin(w, 100);
		wire_put_uint_field(w, 1, ST_NOT_FOUND);
		wire_put_bytes_field(w, 2, SPAN_LIT("who"));
		wire_end(w, status);
	} else {
		wire_put_bytes_field(w, 2, SPAN_LIT("no"));
	}
	if (is_restart)
		wire_put_uint_field(w, 3, 1);
	wire_end(w, nest);
}

static void put_action(struct wire_writer *w, const struct fake_stream *s, bool is_write)
{
	struct wire_nest nest = wire_begin(w, 2);
	struct wire_nest inner;

	if (is(s, "coded") || (is_write && (is(s, "fail") || is(s, "restart")))) {
		put_failure(w, s, is(s, "restart"));
	} else if (is(s, "forward")) {
		inner = wire_begin(w, 2);
		wire_put_bytes_field(w, 1, SPAN_LIT("test.Counter"));
		wire_put_bytes_field(w, 2, SPAN_LIT("Get"));
		wire_end(w, inner);
	} else if (!is(s, "empty")) {
		inner = wire_begin(w, 1);
		put_amount(w, s, 1);
		if (is(s, "meta"))
			put_metadata(w);
		wire_end(w, inner);
	}
	wire_end(w, nest);
}

static void put_state(struct wire_writer *w, struct fake_stream *s)
{
	struct wire_nest action = wire_begin(w, 4);
	struct wire_nest inner;

	if (is(s, "delete")) {
		s->seen = 0;
		inner = wire_begin(w, 2);
		wire_end(w, inner);
	} else if (!is(s, "nothing")) {
		s->seen++;
		inner = wire_begin(w, 1);
		put_amount(w, s, 1);
		wire_end(w, inner);
	}
	wire_end(w, action);
}

static void put_events(struct wire_writer *w, struct fake_stream *s, struct span payload)
{
	size_t count = is(s, "many") ? 1001 : 1;

	if (is(s, "fail"))
		return;
	for (size_t i = 0; i < count; i++)
		put_any(w, 4, "json.cloudstate.io/added", payload);
	if (!is(s, "restart"))
		s->seen += count;
	if (is(s, "snap") && s->seen % 2 == 0)
		put_any(w, 5, "json.cloudstate.io/state", SPAN_LIT("state"));
}

static void reply(struct fake_stream *s, uint64_t id, bool is_write, struct span payload)
{
	struct wire_writer w;
	struct wire_nest nest;
	struct wire_nest effect;
	struct buf out;

	buf_init(&out, FAKE_BYTES_MAX);
	wire_writer_init(&w, &out);
	nest = wire_begin(&w, 1);
	wire_put_uint_field(&w, 1, is(s, "wrong") ? id + 1 : id);
	if (is_write && s->is_value)
		put_state(&w, s);
	else if (is_write)
		put_events(&w, s, payload);
	put_action(&w, s, is_write);
	for (int i = 0; is(s, "effect") && i < 2; i++) {
		effect = wire_begin(&w, 3);
		wire_put_bytes_field(&w, 1, SPAN_LIT("test.Counter"));
		wire_end(&w, effect);
	}
	wire_end(&w, nest);
	send_written(s, &w, &out);
	wire_writer_fini(&w);
	buf_fini(&out);
}

static void broken(struct fake_stream *s, uint64_t id)
{
	struct wire_writer w;
	struct wire_nest nest;
	struct buf out;

	buf_init(&out, 1024);
	wire_writer_init(&w, &out);
	nest = wire_begin(&w, 2);
	wire_put_uint_field(&w, 1, id);
	wire_put_bytes_field(&w, 2, SPAN_LIT("broken"));
	wire_end(&w, nest);
	send_written(s, &w, &out);
	wire_writer_fini(&w);
	buf_fini(&out);
}

static void on_command(struct fake_stream *s, struct span command)
{
	struct wire_field field;
	struct span payload = SPAN_EMPTY;
	uint64_t id = 0;
	bool is_write;

	s->has_command = true;
	s->f->is_out_of_order = s->f->is_out_of_order || !s->has_init;
	s->f->commands++;
	if (wire_find_last(command, 2, WIRE_VARINT, &field))
		id = field.integer;
	s->f->last_id = id;
	buf_reset(&s->f->metadata);
	if (wire_find_last(command, 6, WIRE_BYTES, &field))
		BUG_ON(!buf_append(&s->f->metadata, field.bytes));
	is_write = wire_find_last(command, 3, WIRE_BYTES, &field) &&
		   span_eq_str(field.bytes, "Increase");
	if (wire_find_last(command, 4, WIRE_BYTES, &field) &&
	    wire_find_last(field.bytes, 2, WIRE_BYTES, &field))
		payload = field.bytes;
	if (is(s, "hang"))
		return;
	if (is(s, "end") || is(s, "break"))
		finish(s, is(s, "end") ? ST_OK : ST_DATA_LOSS);
	else if (is(s, "garbage"))
		BUG_ON(grpc_server_send(s->call, SPAN_LIT("\xff")) != ST_OK);
	else if (is(s, "broken") && is_write)
		broken(s, id);
	else
		reply(s, id, is_write, payload);
}

/* The wrapper is always there; the state may not be. */
static void read_state(struct fake_stream *s, struct span init)
{
	struct wire_field field;

	if (!wire_find_last(init, 3, WIRE_BYTES, &field))
		s->f->is_out_of_order = true;
	else if (wire_find_last(field.bytes, 1, WIRE_BYTES, &field) &&
		 wire_find_last(field.bytes, 2, WIRE_BYTES, &field) &&
		 wire_find_last(field.bytes, 2, WIRE_VARINT, &field))
		s->seen = field.integer;
}

static void on_init(struct fake_stream *s, struct span init)
{
	struct wire_field field;

	s->f->is_out_of_order = s->f->is_out_of_order || s->has_init;
	s->has_init = true;
	s->f->inits++;
	s->f->last_snapshot = 0;
	if (wire_find_last(init, 2, WIRE_BYTES, &field))
		(void)snprintf(s->entity, sizeof(s->entity), "%.*s",
			       SPAN_FMT(span_head(field.bytes, sizeof(s->entity) - 1)));
	if (s->is_value)
		read_state(s, init);
	else if (wire_find_last(init, 3, WIRE_BYTES, &field) &&
		 wire_find_last(field.bytes, 1, WIRE_VARINT, &field)) {
		s->f->last_snapshot = field.integer;
		s->seen = field.integer;
	}
}

static void on_event(struct fake_stream *s, struct span event)
{
	struct wire_field field;

	s->f->events++;
	s->seen++;
	if (s->has_command || !s->has_init || !wire_find_last(event, 1, WIRE_VARINT, &field) ||
	    field.integer != s->seen)
		s->f->is_out_of_order = true;
}

static void on_message(void *data, struct span message)
{
	struct fake_stream *s = data;
	struct wire_field field;

	if (strcmp(s->method, "handle") != 0) {
		on_unary(s, message);
		return;
	}
	if (wire_find_last(message, 1, WIRE_BYTES, &field))
		on_init(s, field.bytes);
	else if (s->is_value && wire_find_last(message, 2, WIRE_BYTES, &field))
		on_command(s, field.bytes);
	else if (wire_find_last(message, 2, WIRE_BYTES, &field))
		on_event(s, field.bytes);
	else if (wire_find_last(message, 3, WIRE_BYTES, &field))
		on_command(s, field.bytes);
	if (!is(s, "end") && !is(s, "break"))
		grpc_server_read(s->call);
	else if (!s->has_command)
		grpc_server_read(s->call);
}

static void on_half_close(void *data)
{
	struct fake_stream *s = data;

	if (strcmp(s->method, "handle") != 0 || is(s, "stubborn"))
		return;
	s->f->stream_ends++;
	finish(s, ST_OK);
}

static void on_cancelled(void *data, enum status why)
{
	(void)data;
	(void)why;
}

static void on_finished(void *data)
{
	struct fake_stream *s = data;

	list_remove(&s->node);
	mem_free(s);
}

static const struct grpc_server_ops call_ops = {
	.on_message = on_message,
	.on_half_close = on_half_close,
	.on_cancelled = on_cancelled,
	.on_finished = on_finished,
};

/* ---- connections ---------------------------------------------------------------------------- */

static void on_request(void *data, struct h2_stream *stream, const struct h2_headers *headers)
{
	struct fake_session *session = data;
	struct span path = h2_headers_get(headers, ":path");
	struct fake_stream *s;

	if (session->f->on_action &&
	    span_starts_with(path, SPAN_LIT("/cloudstate.action.ActionProtocol/"))) {
		session->f->on_action(session->f->action_data, stream, headers);
		return;
	}
	if (session->f->on_crdt && span_starts_with(path, SPAN_LIT("/cloudstate.crdt.Crdt/"))) {
		session->f->on_crdt(session->f->crdt_data, stream, headers);
		return;
	}
	if (session->f->on_entity &&
	    (span_starts_with(path, SPAN_LIT("/cloudstate.eventsourced.")) ||
	     span_starts_with(path, SPAN_LIT("/cloudstate.valueentity.")))) {
		session->f->on_entity(session->f->entity_data, stream, headers);
		return;
	}
	s = mem_new(struct fake_stream);
	s->f = session->f;
	s->is_value = span_starts_with(path, SPAN_LIT("/cloudstate.valueentity.ValueEntity/"));
	s->f->streams_of_value += s->is_value;
	while (span_find(path, '/') < path.len)
		path = span_skip(path, span_find(path, '/') + 1);
	(void)snprintf(s->method, sizeof(s->method), "%.*s", SPAN_FMT(path));
	list_push_back(&s->f->streams, &s->node);
	s->call = grpc_server_accept(s->f->loop, stream, headers, FAKE_BYTES_MAX, &call_ops, s);
	BUG_ON(!s->call);
	s->f->stream_count += strcmp(s->method, "handle") == 0;
	grpc_server_read(s->call);
}

static void on_closed(void *data, struct h2_session *h2, const struct error *error)
{
	struct fake_session *session = data;

	(void)h2;
	(void)error;
	list_remove(&session->node);
	mem_free(session);
}

static const struct h2_session_ops session_ops = {
	.on_request = on_request,
	.on_closed = on_closed,
};

static void on_accept(void *data, int fd, const struct sockaddr *peer, unsigned peer_len)
{
	struct fake_function *f = data;
	struct fake_session *session = mem_new(struct fake_session);
	struct h2_limits limits = h2_limits_default();

	(void)peer;
	(void)peer_len;
	limits.max_concurrent_streams = f->max_streams;
	session->f = f;
	list_push_back(&f->sessions, &session->node);
	session->session = h2_server_new(f->loop, fd, &limits, &session_ops, session);
}

void fake_function_init(struct fake_function *f, struct loop *loop, int32_t minor,
			int64_t passivation_ms)
{
	struct address address;
	struct error err;

	*f = (struct fake_function){.loop = loop, .max_streams = 20000};
	list_init(&f->sessions);
	list_init(&f->streams);
	buf_init(&f->spec, FAKE_BYTES_MAX);
	buf_init(&f->proxy_info, FAKE_BYTES_MAX);
	buf_init(&f->metadata, FAKE_BYTES_MAX);
	fake_spec_counter(minor, passivation_ms, &f->spec);
	BUG_ON(address_parse(SPAN_LIT("127.0.0.1:0"), "", &address, &err) != ST_OK);
	BUG_ON(listen_open(loop, &address, on_accept, f, &f->listen, &err) != ST_OK);
	f->port = listen_port(f->listen);
}

void fake_function_drain(struct fake_function *f)
{
	list_for_each (node, &f->sessions) {
		h2_session_drain(list_entry(node, struct fake_session, node)->session);
	}
}

void fake_function_drop(struct fake_function *f)
{
	list_for_each (node, &f->sessions) {
		h2_session_close(list_entry(node, struct fake_session, node)->session);
	}
}

void fake_function_fini(struct fake_function *f)
{
	struct list *node;

	listen_close(f->listen);
	while ((node = list_pop_front(&f->streams))) {
		struct fake_stream *s = list_entry(node, struct fake_stream, node);

		grpc_server_cancel(s->call);
		mem_free(s);
	}
	while ((node = list_pop_front(&f->sessions))) {
		struct fake_session *session = list_entry(node, struct fake_session, node);

		h2_session_free(session->session);
		mem_free(session);
	}
	buf_fini(&f->spec);
	buf_fini(&f->proxy_info);
	buf_fini(&f->metadata);
}

#include "tests/fakes/h2_server.h"

#include <stdio.h>
#include <string.h>

#include "src/base/error.h"
#include "src/base/mem.h"
#include "src/runtime/address.h"
#include "src/runtime/listen.h"
#include "src/runtime/loop.h"

enum fake_kind { FAKE_ECHO, FAKE_HOLD, FAKE_SILENT, FAKE_DEAF, FAKE_BIG };

struct fake_session {
	struct list node;
	struct h2_fake *fake;
	struct h2_session *session;
};

struct fake_stream {
	struct list node;
	struct h2_fake *fake;
	struct h2_stream *stream;
	enum fake_kind kind;
	size_t left; /* FAKE_BIG */
};

static const struct h2_header ok_items[] = {{SPAN_LIT(":status"), SPAN_LIT("200")}};
static const struct h2_headers ok_head = {ok_items, 1};
static const struct h2_header done_items[] = {{SPAN_LIT("done"), SPAN_LIT("yes")}};
static const struct h2_headers done_trailers = {done_items, 1};

static void fill(struct fake_stream *fs)
{
	uint8_t bytes[4096];

	memset(bytes, 'b', sizeof(bytes));
	while (fs->left > 0) {
		size_t n = fs->left < sizeof(bytes) ? fs->left : sizeof(bytes);

		if (h2_stream_unsent(fs->stream) > (size_t)128 * 1024)
			return; /* on_drained comes back */
		BUG_ON(h2_stream_write(fs->stream, span_make(bytes, n)) != ST_OK);
		fs->left -= n;
	}
	h2_stream_end(fs->stream);
}

static void on_data(void *data, struct h2_stream *stream)
{
	struct fake_stream *fs = data;
	struct span bytes = h2_stream_peek(stream);

	if (fs->kind == FAKE_DEAF)
		return;
	fs->fake->received += bytes.len;
	if (fs->kind == FAKE_ECHO)
		BUG_ON(h2_stream_write(stream, bytes) != ST_OK);
	h2_stream_consume(stream, bytes.len);
}

static void on_trailers(void *data, struct h2_stream *stream, const struct h2_headers *headers)
{
	struct fake_stream *fs = data;
	struct span sum = h2_headers_get(headers, "sum");

	(void)stream;
	snprintf(fs->fake->last_trailer, sizeof(fs->fake->last_trailer), "%.*s", SPAN_FMT(sum));
}

static void on_end(void *data, struct h2_stream *stream)
{
	struct fake_stream *fs = data;

	fs->fake->ends++;
	if (fs->kind == FAKE_ECHO)
		h2_stream_end_with_trailers(stream, &done_trailers);
}

static void on_drained(void *data, struct h2_stream *stream)
{
	struct fake_stream *fs = data;

	(void)stream;
	fs->fake->drained++;
	if (fs->kind == FAKE_BIG)
		fill(fs);
}

static void on_stream_closed(void *data, struct h2_stream *stream, bool is_clean, bool lost_session,
			     uint32_t h2_code)
{
	struct fake_stream *fs = data;
	struct h2_fake *fake = fs->fake;

	BUG_ON(fs->stream != stream);
	if (is_clean)
		fake->clean++;
	else if (lost_session)
		fake->lost++;
	else
		fake->unclean++;
	fake->last_code = h2_code;
	fake->stream_count--;
	list_remove(&fs->node);
	mem_free(fs);
}

static const struct h2_stream_ops stream_ops = {
	.on_data = on_data,
	.on_trailers = on_trailers,
	.on_end = on_end,
	.on_drained = on_drained,
	.on_closed = on_stream_closed,
};

static void on_request(void *data, struct h2_stream *stream, const struct h2_headers *headers)
{
	struct fake_session *session = data;
	struct h2_fake *fake = session->fake;
	struct span path = h2_headers_get(headers, ":path");
	struct fake_stream *fs;

	fake->requests++;
	if (span_eq_str(path, "/refuse"))
		return;
	fs = mem_new(struct fake_stream);
	fs->fake = fake;
	fs->stream = stream;
	fs->kind = FAKE_ECHO;
	list_push_back(&fake->streams, &fs->node);
	fake->stream_count++;
	h2_stream_set_ops(stream, &stream_ops, fs);
	if (span_eq_str(path, "/silent")) {
		fs->kind = FAKE_SILENT;
		return;
	}
	if (span_eq_str(path, "/reset")) {
		h2_stream_reset(stream, H2_CANCEL);
		return;
	}
	h2_stream_respond(stream, &ok_head, span_eq_str(path, "/short"));
	if (span_eq_str(path, "/hold") || span_eq_str(path, "/short"))
		fs->kind = FAKE_HOLD;
	if (span_eq_str(path, "/deaf"))
		fs->kind = FAKE_DEAF;
	if (span_eq_str(path, "/big")) {
		fs->kind = FAKE_BIG;
		fs->left = fake->big_bytes;
		fill(fs);
	}
}

static void on_session_closed(void *data, struct h2_session *session, const struct error *error)
{
	struct fake_session *fs = data;

	BUG_ON(fs->session != session);
	fs->fake->session_count--;
	fs->fake->last_session_status = error->status;
	snprintf(fs->fake->last_message, sizeof(fs->fake->last_message), "%.127s",
		 error->status ? error->message : "");
	list_remove(&fs->node);
	mem_free(fs);
}

static const struct h2_session_ops session_ops = {
	.on_request = on_request,
	.on_closed = on_session_closed,
};

static void on_accept(void *data, int fd, const struct sockaddr *peer, unsigned peer_len)
{
	struct h2_fake *fake = data;
	struct fake_session *fs = mem_new(struct fake_session);

	(void)peer;
	(void)peer_len;
	fs->fake = fake;
	fs->session = h2_server_new(fake->loop, fd, &fake->limits, &session_ops, fs);
	list_push_back(&fake->sessions, &fs->node);
	fake->session_count++;
	fake->accepted++;
}

void h2_fake_init(struct h2_fake *fake, struct loop *loop, const struct h2_limits *limits)
{
	struct address address = {.port = fake->port, .host = "127.0.0.1"};

	*fake = (struct h2_fake){.loop = loop, .limits = *limits};
	list_init(&fake->sessions);
	list_init(&fake->streams);
	BUG_ON(listen_open(loop, &address, on_accept, fake, &fake->listen, NULL) != ST_OK);
	fake->port = listen_port(fake->listen);
}

void h2_fake_stop_listening(struct h2_fake *fake)
{
	listen_close(fake->listen);
	fake->listen = NULL;
}

void h2_fake_fini(struct h2_fake *fake)
{
	h2_fake_stop_listening(fake);
	list_for_each_safe (it, &fake->sessions) {
		struct fake_session *fs = list_entry(it, struct fake_session, node);

		h2_session_free(fs->session);
		list_remove(&fs->node);
		mem_free(fs);
	}
	list_for_each_safe (jt, &fake->streams) {
		struct fake_stream *fs = list_entry(jt, struct fake_stream, node);

		list_remove(&fs->node);
		mem_free(fs);
	}
}

void h2_fake_drain_all(struct h2_fake *fake)
{
	list_for_each (it, &fake->sessions)
		h2_session_drain(list_entry(it, struct fake_session, node)->session);
}

void h2_fake_close_all(struct h2_fake *fake)
{
	list_for_each (it, &fake->sessions)
		h2_session_close(list_entry(it, struct fake_session, node)->session);
}

void h2_fake_end_all(struct h2_fake *fake)
{
	list_for_each (it, &fake->streams)
		h2_stream_end_with_trailers(list_entry(it, struct fake_stream, node)->stream,
					    &done_trailers);
}

size_t h2_fake_unsent(const struct h2_fake *fake)
{
	size_t sum = 0;

	list_for_each (it, (struct list *)&fake->streams)
		sum += h2_stream_unsent(list_entry(it, struct fake_stream, node)->stream);
	return sum;
}

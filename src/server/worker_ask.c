#include "src/server/worker_ask.h"

#include <stdio.h>

#include "src/base/buf.h"
#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/mem.h"
#include "src/base/text.h"
#include "src/runtime/address.h"
#include "src/runtime/loop.h"
#include "src/runtime/stream.h"
#include "src/runtime/timer.h"

/* As large as the largest page of a worker, /metrics, with its head. */
#define ASK_BYTES_MAX ((size_t)17 * 1024 * 1024)

struct worker_ask {
	struct stream *stream; /* NULL: over */
	struct timer deadline;
	struct buf bytes;
	const char *target;
	bool is_sent;
	bool is_silent;
	int http_status;
	struct span body;
	struct error error;
	worker_ask_fn on_done;
	void *data;
};

static void ask_done(struct worker_ask *ask)
{
	timer_stop(&ask->deadline);
	ask->on_done(ask->data);
}

static bool is_content_length(struct span line, uint64_t *ret_length)
{
	size_t colon = span_find(line, ':');
	struct span value = span_skip(line, colon + 1);

	if (!span_eq_nocase(span_head(line, colon), SPAN_LIT("content-length")))
		return false;
	while (value.len && value.data[0] == ' ')
		value = span_skip(value, 1);
	return text_to_u64(value, ret_length);
}

/* "HTTP/1.1 200 OK", headers, an empty line, the body up to the end. The peer is ourselves: what is
 * read strictly is only whether all came. */
static bool ask_parse(struct worker_ask *ask)
{
	struct span rest = buf_span(&ask->bytes);
	struct span line = span_head(rest, span_find(rest, '\r'));
	struct span code = span_head(span_skip(line, strlen("HTTP/1.1 ")), 3);
	uint64_t status = 0;
	uint64_t length = UINT64_MAX;

	if (!span_starts_with(line, SPAN_LIT("HTTP/1.1 ")) || !text_to_u64(code, &status))
		return false;
	while (line.len) {
		rest = span_skip(rest, line.len + 2);
		line = span_head(rest, span_find(rest, '\r'));
		(void)is_content_length(line, &length);
	}
	ask->body = span_skip(rest, 2);
	if (ask->body.len != length)
		return false;
	ask->http_status = (int)status;
	return true;
}

static void on_connected(void *data)
{
	struct worker_ask *ask = data;

	stream_want_write(ask->stream);
}

static void on_produce(void *data, struct buf *out)
{
	struct worker_ask *ask = data;

	if (ask->is_sent)
		return;
	ask->is_sent = true;
	(void)buf_printf(out, "GET %s HTTP/1.1\r\nHost: worker\r\nConnection: close\r\n\r\n",
			 ask->target); /* fits */
}

static void on_read(void *data, struct span bytes)
{
	struct worker_ask *ask = data;

	(void)buf_append(&ask->bytes, bytes); /* sticky: seen at the end */
}

static void on_closed(void *data, const struct error *error)
{
	struct worker_ask *ask = data;

	ask->stream = NULL;
	if (error->status != ST_OK && !ask->is_sent)
		ask->error = *error;
	else if (ask->bytes.is_full || !ask_parse(ask))
		(void)error_set(&ask->error, ST_UNAVAILABLE, "its answer broke off");
	ask_done(ask);
}

static void on_deadline(void *data)
{
	struct worker_ask *ask = data;

	stream_close(ask->stream);
	ask->stream = NULL;
	ask->is_silent = true;
	(void)error_set(&ask->error, ST_DEADLINE_EXCEEDED, "no answer in time");
	ask_done(ask);
}

struct worker_ask *worker_ask_start(struct loop *loop, const char *socket_path, const char *target,
				    uint64_t wait_ms, worker_ask_fn on_done, void *data)
{
	static const struct stream_ops ops = {
		.on_connected = on_connected,
		.on_read = on_read,
		.on_produce = on_produce,
		.on_closed = on_closed,
	};
	struct worker_ask *ask = mem_new(struct worker_ask);
	struct address address = {.is_unix = true};

	(void)snprintf(address.path, sizeof(address.path), "%s", socket_path); /* one of ours */
	ask->target = target;
	ask->on_done = on_done;
	ask->data = data;
	buf_init(&ask->bytes, ASK_BYTES_MAX);
	timer_init(&ask->deadline, loop, on_deadline, ask);
	timer_start_in(&ask->deadline, wait_ms);
	ask->stream = stream_connect(loop, &address, DEADLINE_NEVER, &ops, ask);
	return ask;
}

void worker_ask_answer(const struct worker_ask *ask, struct worker_answer *ret_answer)
{
	*ret_answer = (struct worker_answer){
		.http_status = ask->http_status,
		.is_silent = ask->is_silent,
		.body = ask->body,
		.reason = ask->error.message,
	};
}

void worker_ask_free(struct worker_ask *ask)
{
	if (!ask)
		return;
	stream_close(ask->stream);
	timer_stop(&ask->deadline);
	buf_fini(&ask->bytes);
	mem_free(ask);
}

/* The request of a streamed call. Body bytes are parsed when the handler wants a message, and asked
 * for when all are parsed: so a slow function holds its client back. A call whose request is one
 * message is the same with a stream of one. */
#include "httpapi/front/json_stream.h"

#include "httpapi/front/http_reply.h"
#include "httpapi/front/http_request.h"
#include "httpapi/http_rule.h"
#include "httpapi/status_map.h"
#include "src/config/config.h"

/* A failure in what the client sent. */
void json_stream_refuse(struct json_stream *self, const struct error *err)
{
	struct json_stream_failure failure = {
		.code = err->status,
		.http_status = self->in.http_status,
		.message = span_from_str(err->message),
		.is_of_request = true,
	};
	struct buf *violations = self->in.violations;
	struct buf details;

	front_count_refused(self->base.front, failure.http_status == 413 ? FRONT_REFUSED_SIZE
					      : failure.http_status == 415
						      ? FRONT_REFUSED_TYPE
						      : FRONT_REFUSED_MALFORMED);
	buf_init(&details, HTTP_REPLY_ERROR_BYTES_MAX);
	/* Details that do not fit are left out; the message says the first of them. */
	if (violations && buf_len(violations))
		(void)status_details_write(err->status, failure.message, buf_span(violations),
					   &details);
	else if (err->field[0])
		(void)status_details_from_error(err, &details);
	failure.details = buf_span(&details);
	json_stream_stop(self, &failure);
	buf_fini(&details);
}

void json_stream_start_silence(struct json_stream *self)
{
	const struct config *config = self->base.front->params.config;
	uint64_t wait_ms = self->rule->method->client_streaming
				   ? config->http_stream_idle_timeout_ms
				   : config->http_body_timeout_ms;

	if (wait_ms)
		timer_start_in(&self->silence, wait_ms);
}

static void json_stream_ask(struct json_stream *self)
{
	if (self->is_reading)
		return;
	self->is_reading = true;
	json_stream_start_silence(self);
	http_request_read(self->request);
}

/* The next message, or the end of them. */
static enum parse_result json_stream_parse(struct json_stream *self, struct error *err)
{
	enum parse_result result;
	size_t used;

	if (buf_len(&self->rest)) {
		result = transcode_in_feed(&self->in, buf_span(&self->rest), &used, err);
		buf_consume(&self->rest, used);
		if (result != PARSE_MORE)
			return result;
		buf_fini(&self->rest); /* an idle stream holds no buffer */
	}
	return self->has_body_ended ? transcode_in_end(&self->in, err) : PARSE_MORE;
}

static void json_stream_give(struct json_stream *self)
{
	const struct exchange_handler_ops *handler = self->exchange.handler;

	self->is_wanted = false;
	if (!self->has_message) {
		handler->on_half_close(&self->exchange, self->exchange.handler_data);
		return;
	}
	self->has_message = false;
	handler->on_message(&self->exchange, self->exchange.handler_data, buf_span(&self->message));
	buf_reset(&self->message);
}

/* Gets the next message ready; false when that must wait, or never will. */
static bool json_stream_prepare(struct json_stream *self)
{
	struct error err;

	switch (json_stream_parse(self, &err)) {
	case PARSE_DONE:
		self->has_message = true;
		return true;
	case PARSE_MORE:
		self->is_parsed = self->has_body_ended;
		if (!self->is_parsed)
			json_stream_ask(self);
		return self->is_parsed;
	case PARSE_BAD:
		break;
	}
	json_stream_refuse(self, &err);
	return false;
}

void json_stream_pump(struct json_stream *self)
{
	self->is_pumping = true;
	while (self->state == JSON_STREAM_BODY ||
	       (self->state == JSON_STREAM_RUNNING && self->is_wanted)) {
		if (!self->has_message && !self->is_parsed && !json_stream_prepare(self))
			break;
		if (self->state == JSON_STREAM_BODY)
			json_stream_accept(self);
		else
			json_stream_give(self);
	}
	self->is_pumping = false;
}

static void json_stream_on_body(void *data, struct span bytes)
{
	struct json_stream *self = data;

	self->is_reading = false;
	timer_stop(&self->silence);
	if (self->state == JSON_STREAM_ENDING)
		return; /* what is not read holds the client back */
	/* Nothing is asked for before the rest is parsed. */
	BUG_ON(!buf_append(&self->rest, bytes));
	json_stream_pump(self);
}

static void json_stream_on_body_end(void *data)
{
	struct json_stream *self = data;

	self->is_reading = false;
	timer_stop(&self->silence);
	self->has_body_ended = true;
	if (self->state == JSON_STREAM_ENDING)
		return;
	json_stream_pump(self);
	json_stream_flush(self); /* HTTP/1.1: what had to wait for this */
}

const struct http_handler_ops json_stream_handler = {
	.on_body = json_stream_on_body,
	.on_body_end = json_stream_on_body_end,
	.on_drained = json_stream_on_drained,
	.on_gone = json_stream_on_gone,
};

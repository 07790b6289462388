#include "httpapi/front/reply_body.h"

#include "httpapi/front/http_request.h"
#include "src/base/span.h"
#include "src/router/exchange.h"

/* As over gRPC. */
#define REPLY_BODY_UNSENT_MAX ((size_t)16 * 1024 * 1024)

/* What the function may say over HTTP/1.1 before the client has said all. */
#define REPLY_BODY_EARLY_MAX ((size_t)4 * 1024 * 1024)

void reply_body_init(struct reply_body *body, size_t max_bytes)
{
	buf_init(&body->out, max_bytes);
}

void reply_body_fini(struct reply_body *body)
{
	buf_fini(&body->out);
}

enum reply_body_state reply_body_push(struct reply_body *body, struct http_request *request,
				      enum status *ret_why)
{
	while (buf_len(&body->out) && http_request_unsent(request) <= REPLY_BODY_HIGH) {
		struct span piece = span_head(buf_span(&body->out), REPLY_BODY_PIECE_BYTES);
		enum status status = http_request_write(request, piece);

		if (status) {
			*ret_why = status;
			return REPLY_BODY_BROKEN;
		}
		buf_consume(&body->out, piece.len);
	}
	if (buf_len(&body->out))
		return REPLY_BODY_WAITS;
	buf_fini(&body->out); /* an idle stream holds no buffer */
	return REPLY_BODY_EMPTY;
}

void reply_body_wake(const struct reply_body *body, const struct http_request *request,
		     struct exchange *exchange)
{
	const struct exchange_handler_ops *handler = exchange->handler;

	if (reply_body_waiting(body, request) <= REPLY_BODY_HIGH && handler->on_drained)
		handler->on_drained(exchange, exchange->handler_data);
}

size_t reply_body_waiting(const struct reply_body *body, const struct http_request *request)
{
	return buf_len(&body->out) + (request ? http_request_unsent(request) : 0);
}

size_t reply_body_unsent(const struct reply_body *body, const struct http_request *request,
			 bool is_held)
{
	return is_held ? 0 : reply_body_waiting(body, request); /* reply_body_is_early bounds it */
}

bool reply_body_is_full(const struct reply_body *body, const struct http_request *request,
			bool is_held)
{
	return reply_body_unsent(body, request, is_held) > REPLY_BODY_UNSENT_MAX;
}

bool reply_body_is_early(const struct reply_body *body, bool is_held)
{
	return is_held && buf_len(&body->out) > REPLY_BODY_EARLY_MAX;
}

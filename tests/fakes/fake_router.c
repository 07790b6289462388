#include "tests/fakes/fake_router.h"

#include <stdio.h>
#include <string.h>

#include "proto/schema.h"
#include "src/base/error.h"
#include "src/grpc/grpc_call.h"
#include "src/router/exchange.h"
#include "src/router/router.h"
#include "src/userfn/api.h"

void fake_router_init(struct fake_router *fake)
{
	*fake = (struct fake_router){.mode = FAKE_ROUTER_ECHO};
	buf_init(&fake->message, (size_t)16 * 1024 * 1024);
}

void fake_router_fini(struct fake_router *fake)
{
	buf_fini(&fake->message);
}

static void fake_router_reply(struct fake_router *fake, struct exchange *exchange,
			      struct span message)
{
	static const struct grpc_status ok = {.code = ST_OK};

	if (fake->headers)
		exchange->front->set_headers(exchange, fake->headers);
	BUG_ON(exchange->front->send(exchange, message) != ST_OK);
	exchange_finish(exchange, &ok);
}

static void fake_router_on_message(struct exchange *exchange, void *data, struct span message)
{
	static const struct grpc_status ok = {.code = ST_OK};
	struct fake_router *fake = data;

	buf_reset(&fake->message);
	BUG_ON(!buf_append(&fake->message, message));
	switch (fake->mode) {
	case FAKE_ROUTER_ECHO:
		fake_router_reply(fake, exchange, message);
		return;
	case FAKE_ROUTER_REPLY:
		fake_router_reply(fake, exchange, fake->reply);
		return;
	case FAKE_ROUTER_HOLD:
		BUG_ON(fake->held_count == FAKE_ROUTER_HELD_MAX);
		fake->held[fake->held_count++] = exchange;
		return;
	case FAKE_ROUTER_FAIL:
		exchange_finish(exchange, fake->failure);
		return;
	case FAKE_ROUTER_NO_REPLY:
		exchange_finish(exchange, &ok);
		return;
	case FAKE_ROUTER_STREAM:
		BUG_ON(exchange->front->send(exchange, message) != ST_OK);
		exchange_read(exchange);
		return;
	case FAKE_ROUTER_CUSTOM:
		BUG_ON(true); /* has a handler of its own */
	}
}

static void fake_router_on_half_close(struct exchange *exchange, void *data)
{
	static const struct grpc_status ok = {.code = ST_OK};

	(void)data;
	exchange_finish(exchange, &ok);
}

static void fake_router_on_cancelled(struct exchange *exchange, void *data, enum status why)
{
	struct fake_router *fake = data;

	fake->cancelled++;
	fake->cancelled_why = why;
	for (size_t i = 0; i < fake->held_count; i++)
		if (fake->held[i] == exchange)
			fake->held[i] = fake->held[--fake->held_count];
}

static const struct exchange_handler_ops fake_router_ops = {
	.on_message = fake_router_on_message,
	.on_half_close = fake_router_on_half_close,
	.on_cancelled = fake_router_on_cancelled,
};

static void fake_router_note(struct fake_router *fake, const struct exchange *exchange)
{
	size_t at = 0;

	fake->accepted++;
	fake->deadline_ns = exchange->deadline_ns;
	(void)snprintf(fake->method, sizeof(fake->method), "%.*s",
		       SPAN_FMT(exchange->method->schema->full_name));
	(void)snprintf(fake->protocol, sizeof(fake->protocol), "%s", exchange->protocol);
	fake->metadata[0] = '\0';
	for (size_t i = 0; i < exchange->metadata->count && at < sizeof(fake->metadata); i++)
		at += (size_t)snprintf(fake->metadata + at, sizeof(fake->metadata) - at,
				       "%.*s=%.*s;", SPAN_FMT(exchange->metadata->items[i].key),
				       SPAN_FMT(exchange->metadata->items[i].value));
}

void router_accept(struct router *router, struct exchange *exchange)
{
	struct fake_router *fake = (struct fake_router *)router;

	exchange->handler = &fake_router_ops;
	exchange->handler_data = fake;
	fake_router_note(fake, exchange);
	if (fake->mode == FAKE_ROUTER_CUSTOM) {
		fake->on_accept(exchange, fake->on_accept_data);
		return;
	}
	exchange_read(exchange);
}

void fake_router_release(struct fake_router *fake)
{
	while (fake->held_count) {
		struct exchange *exchange = fake->held[--fake->held_count];

		fake_router_reply(fake, exchange, buf_span(&fake->message));
	}
}

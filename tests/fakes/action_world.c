#include "tests/fakes/action_world.h"

#include <stdio.h>
#include <string.h>

#include "proto/schema.h"
#include "proto/wire.h"
#include "src/base/buf.h"
#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/log.h"
#include "src/base/mem.h"
#include "src/base/metrics.h"
#include "src/grpc/grpc_call.h"
#include "src/h2/h2.h"
#include "src/router/exchange.h"
#include "src/router/followup.h"
#include "src/router/router_metrics.h"
#include "src/runtime/address.h"
#include "src/runtime/loop.h"
#include "src/runtime/timer.h"
#include "src/userfn/api.h"
#include "src/userfn/userfn.h"
#include "tests/fakes/fake_function.h"
#include "tests/fakes/fake_spec.h"
#include "tests/unit/unit.h"

/* ---- the client ----------------------------------------------------------------------------- */

static struct action_client *client_of(const struct exchange *exchange)
{
	return container_of(exchange, struct action_client, base);
}

static void client_read(struct exchange *exchange)
{
	assert_int_equal(client_of(exchange)->reads++, 0);
}

static void client_set_headers(struct exchange *exchange, const struct metadata *headers)
{
	struct action_client *c = client_of(exchange);

	assert_int_equal(c->sends, 0);
	c->header_count = headers->count;
	(void)snprintf(c->header, sizeof(c->header), "%.*s",
		       SPAN_FMT(metadata_get(headers, "x-a")));
}

static enum status client_send(struct exchange *exchange, struct span message)
{
	struct action_client *c = client_of(exchange);

	if (c->send_status != ST_OK)
		return c->send_status;
	c->sends++;
	buf_reset(&c->last);
	assert_true(buf_append(&c->last, message));
	return ST_OK;
}

static size_t client_unsent(const struct exchange *exchange)
{
	return client_of(exchange)->unsent;
}

static void client_finish(struct exchange *exchange, const struct grpc_status *status)
{
	struct action_client *c = client_of(exchange);

	c->finishes++;
	c->code = status->code;
	c->details_len = status->details.len;
	(void)snprintf(c->text, sizeof(c->text), "%.*s", SPAN_FMT(status->message));
	if (status->trailers)
		(void)snprintf(c->trailer, sizeof(c->trailer), "%.*s",
			       SPAN_FMT(metadata_get(status->trailers, "x-t")));
}

static const struct exchange_front_ops front_ops = {
	.read = client_read,
	.set_headers = client_set_headers,
	.send = client_send,
	.unsent = client_unsent,
	.finish = client_finish,
};

void action_world_client_call(struct action_world *f, struct action_client *c, const char *path,
			      uint64_t deadline_ns)
{
	static const struct metadata_item item = {SPAN_LIT("x-q"), SPAN_LIT("query")};
	static const struct metadata metadata = {.items = (struct metadata_item *)(uintptr_t)&item,
						 .count = 1};

	c->base = (struct exchange){
		.front = &front_ops,
		.method = api_find(userfn_api(f->userfn), span_from_str(path)),
		.metadata = &metadata,
		.deadline_ns = deadline_ns,
		.protocol = "grpc",
		.peer = "test",
	};
	assert_non_null(c->base.method);
	actions_accept(f->actions, &c->base);
	assert_int_equal(c->finishes, 0); /* never from inside */
}

void action_world_client_give(struct action_client *c, struct span message)
{
	assert_int_equal(c->reads--, 1);
	c->base.handler->on_message(&c->base, c->base.handler_data, message);
}

void action_world_client_half_close(struct action_client *c)
{
	assert_int_equal(c->reads--, 1);
	c->base.handler->on_half_close(&c->base, c->base.handler_data);
}

void action_world_client_cancel(struct action_client *c)
{
	c->base.handler->on_cancelled(&c->base, c->base.handler_data, ST_CANCELLED);
}

/* ---- the function --------------------------------------------------------------------------- */

static void callee_on_message(void *data, struct span message)
{
	struct action_callee *s = data;

	s->messages++;
	s->is_reading = false;
	buf_reset(&s->last);
	assert_true(buf_append(&s->last, message));
}

static void callee_on_half_close(void *data)
{
	struct action_callee *s = data;

	s->has_half_close = true;
}

static void callee_on_cancelled(void *data, enum status why)
{
	struct action_callee *s = data;

	(void)why;
	s->cancels++;
}

static void callee_on_finished(void *data)
{
	struct action_callee *s = data;

	s->ends++;
	s->call = NULL;
}

static const struct grpc_server_ops callee_ops = {
	.on_message = callee_on_message,
	.on_half_close = callee_on_half_close,
	.on_cancelled = callee_on_cancelled,
	.on_finished = callee_on_finished,
};

static void callee_on_action(void *data, struct h2_stream *stream, const struct h2_headers *headers)
{
	struct action_world *f = data;
	struct action_callee *s = &f->callee;

	f->calls++;
	assert_null(s->call);
	(void)snprintf(s->path, sizeof(s->path), "%.*s",
		       SPAN_FMT(h2_headers_get(headers, ":path")));
	s->has_deadline = h2_headers_get(headers, "grpc-timeout").data != NULL;
	s->call = grpc_server_accept(f->loop, stream, headers, ACTION_WORLD_MESSAGE_MAX,
				     &callee_ops, s);
	assert_non_null(s->call);
}

void action_world_callee_read(struct action_callee *s)
{
	s->is_reading = true;
	grpc_server_read(s->call);
}

void action_world_callee_finish(struct action_callee *s, enum status code)
{
	struct metadata_item item = {SPAN_LIT("x-t"), SPAN_LIT("trailer")};
	struct metadata trailers = {.items = &item, .count = 1};
	struct grpc_status status = {
		.code = code, .message = SPAN_LIT("bye"), .trailers = &trailers};

	grpc_server_finish(s->call, &status);
}

/* An ActionResponse: what is put between action_world_begin and end of its field. */
static void callee_send(struct action_callee *s, struct wire_writer *w, const struct buf *out)
{
	assert_true(wire_finish(w));
	assert_int_equal(grpc_server_send(s->call, buf_span(out)), ST_OK);
	wire_writer_fini(w);
}

static void put_payload(struct wire_writer *w, uint32_t number, struct span payload)
{
	struct wire_nest any = wire_begin(w, number);

	wire_put_bytes_field(w, 1, SPAN_LIT("type.googleapis.com/test.Amount"));
	wire_put_bytes_field(w, 2, payload);
	wire_end(w, any);
}

void action_world_callee_reply(struct action_callee *s, struct span payload, const char *header)
{
	struct wire_writer w;
	struct buf out;
	struct wire_nest reply;

	buf_init(&out, ACTION_WORLD_MESSAGE_MAX);
	wire_writer_init(&w, &out);
	reply = wire_begin(&w, 2);
	put_payload(&w, 1, payload);
	if (header) {
		struct wire_nest metadata = wire_begin(&w, 2);
		struct wire_nest entry = wire_begin(&w, 1);

		wire_put_bytes_field(&w, 1, SPAN_LIT("X-A"));
		wire_put_bytes_field(&w, 2, span_from_str(header));
		wire_end(&w, entry);
		wire_end(&w, metadata);
	}
	wire_end(&w, reply);
	callee_send(s, &w, &out);
	buf_fini(&out);
}

/* code 0: a failure without one. */
void action_world_callee_fail(struct action_callee *s, uint64_t code)
{
	struct wire_writer w;
	struct buf out;
	struct wire_nest failure;

	buf_init(&out, ACTION_WORLD_MESSAGE_MAX);
	wire_writer_init(&w, &out);
	failure = wire_begin(&w, 1);
	wire_put_bytes_field(&w, 2, SPAN_LIT("no way"));
	if (code) {
		struct wire_nest status = wire_begin(&w, 100);

		wire_put_uint_field(&w, 1, code);
		wire_end(&w, status);
	}
	wire_end(&w, failure);
	callee_send(s, &w, &out);
	buf_fini(&out);
}

void action_world_callee_forward(struct action_callee *s)
{
	struct wire_writer w;
	struct buf out;
	struct wire_nest forward;

	buf_init(&out, ACTION_WORLD_MESSAGE_MAX);
	wire_writer_init(&w, &out);
	forward = wire_begin(&w, 3);
	wire_put_bytes_field(&w, 1, SPAN_LIT("test.Deed"));
	wire_end(&w, forward);
	callee_send(s, &w, &out);
	buf_fini(&out);
}

void action_world_callee_follow(struct action_callee *s, const char *method, bool is_forward)
{
	struct wire_writer w;
	struct wire_nest nest;
	struct buf out;

	buf_init(&out, ACTION_WORLD_MESSAGE_MAX);
	wire_writer_init(&w, &out);
	if (!is_forward) {
		nest = wire_begin(&w, 2);
		put_payload(&w, 1, SPAN_LIT("reply"));
		wire_end(&w, nest);
	}
	nest = wire_begin(&w, is_forward ? 3 : 4);
	wire_put_bytes_field(&w, 1, SPAN_LIT("test.Deed"));
	wire_put_bytes_field(&w, 2, span_from_str(method));
	put_payload(&w, 3, SPAN_LIT("followup"));
	if (!is_forward)
		wire_put_uint_field(&w, 4, 1);
	wire_end(&w, nest);
	callee_send(s, &w, &out);
	buf_fini(&out);
}

void action_world_followup_reply(struct action_world *f, struct span message)
{
	assert_int_equal(f->followup->front->send(f->followup, message), ST_OK);
}

void action_world_followup_finish(struct action_world *f, enum status code)
{
	struct exchange *exchange = f->followup;
	struct grpc_status status = {.code = code, .message = SPAN_LIT("followed")};

	f->followup = NULL;
	exchange_finish(exchange, &status);
}

/* Nothing for the client, but two side effects. */
void action_world_callee_effects(struct action_callee *s)
{
	assert_int_equal(grpc_server_send(s->call, SPAN_LIT("\x22\x00\x22\x00")), ST_OK);
}

/* The payload of the last message, or empty when it has none. */
struct span action_world_callee_payload(const struct action_callee *s)
{
	struct wire_field any;
	struct wire_field value;

	if (!wire_find_last(buf_span(&s->last), 4, WIRE_BYTES, &any) ||
	    !wire_find_last(any.bytes, 2, WIRE_BYTES, &value))
		return SPAN_EMPTY;
	return value.bytes;
}

/* ---- waiting -------------------------------------------------------------------------------- */

void action_world_wait_until(struct action_world *f, bool (*is_done)(void *))
{
	assert_true(loop_run_until(f->loop, is_done, f, clock_mono_ns() + ACTION_WORLD_WAIT_NS));
}

bool action_world_is_ready(void *data)
{
	return userfn_is_ready(((struct action_world *)data)->userfn, NULL);
}

bool action_world_is_called(void *data)
{
	return ((struct action_world *)data)->callee.call != NULL;
}

bool action_world_has_received(void *data)
{
	struct action_world *f = data;

	return f->callee.messages >= f->want;
}

bool action_world_has_half_close(void *data)
{
	return ((struct action_world *)data)->callee.has_half_close;
}

bool action_world_is_cancelled(void *data)
{
	return ((struct action_world *)data)->callee.cancels > 0;
}

bool action_world_has_ended(void *data)
{
	return ((struct action_world *)data)->callee.ends > 0;
}

bool action_world_has_replies(void *data)
{
	struct action_world *f = data;

	return f->client.sends >= f->want;
}

bool action_world_is_finished(void *data)
{
	return ((struct action_world *)data)->client.finishes > 0;
}

bool action_world_is_asked(void *data)
{
	return ((struct action_world *)data)->client.reads > 0;
}

bool action_world_has_reports(void *data)
{
	struct action_world *f = data;

	return f->function.reports >= f->want;
}

static void on_turn(void *data)
{
	struct action_world *f = data;

	if (--f->turns > 0)
		timer_start_in(&f->turn, 1);
}

static bool is_settled(void *data)
{
	return ((struct action_world *)data)->turns == 0;
}

/* Many turns of the loop: everything sent so far has then arrived, and everybody has had the chance
 * to do what must not happen. */
void action_world_settle(struct action_world *f)
{
	f->turns = 10;
	timer_init(&f->turn, f->loop, on_turn, f);
	timer_start_in(&f->turn, 1);
	action_world_wait_until(f, is_settled);
}

void action_world_wait_for_message(struct action_world *f)
{
	f->want = f->callee.messages + 1;
	action_world_callee_read(&f->callee);
	action_world_wait_until(f, action_world_has_received);
}

void action_world_wait_for_reply(struct action_world *f, unsigned count)
{
	f->want = count;
	action_world_wait_until(f, action_world_has_replies);
}

/* ---- set-up --------------------------------------------------------------------------------- */

static void write_spec(int32_t minor, struct buf *out)
{
	static const struct fake_field fields[] = {
		{.name = "id", .number = 1, .type = FIELD_STRING}, {0}};
	static const struct fake_message messages[] = {{"Amount", fields}, {0}};
	static const struct fake_method methods[] = {
		{"Unary", ".test.Amount", ".test.Amount", false, false},
		{"In", ".test.Amount", ".test.Amount", true, false},
		{"Out", ".test.Amount", ".test.Amount", false, true},
		{"Both", ".test.Amount", ".test.Amount", true, true},
		{0},
	};
	static const struct fake_service services[] = {{"Deed", methods}, {0}};
	static const struct fake_file files[] = {{.name = "deed.proto",
						  .package = "test",
						  .messages = messages,
						  .services = services},
						 {0}};
	static const struct fake_entity entities[] = {
		{.type = API_ACTION_TYPE, .service = "test.Deed"}, {0}};
	struct fake_spec spec = {.files = files, .entities = entities, .minor = minor};

	buf_reset(out);
	fake_spec_write(&spec, out);
}

static void on_change(void *data)
{
	(void)data;
}

static bool has_new_api(void *data)
{
	struct action_world *f = data;

	return userfn_api(f->userfn) != f->api_before;
}

void action_world_redescribe(struct action_world *f)
{
	f->api_before = userfn_api(f->userfn);
	write_spec(f->api_before->generation == API_0_2 ? 1 : 2, &f->function.spec);
	fake_function_drain(&f->function);
	action_world_wait_until(f, has_new_api);
	action_world_wait_until(f, action_world_is_ready);
}

void action_world_client_init(struct action_client *c)
{
	*c = (struct action_client){.send_status = ST_OK};
	buf_init(&c->last, ACTION_WORLD_MESSAGE_MAX);
}

static void followup_on_cancelled(struct exchange *exchange, void *data, enum status why)
{
	struct action_world *f = data;

	(void)why;
	assert_ptr_equal(exchange, f->followup);
	f->followup = NULL;
	f->followup_cancels++;
}

static void accept_inner(void *data, struct exchange *exchange)
{
	static const struct exchange_handler_ops kept_ops = {.on_cancelled = followup_on_cancelled};
	struct action_world *f = data;

	if (!f->keeps_followups) {
		actions_accept(f->actions, exchange);
		return;
	}
	assert_null(f->followup);
	f->followup = exchange;
	exchange->handler = &kept_ops;
	exchange->handler_data = f;
}

int action_world_set_up(void **state)
{
	struct action_world *f = mem_new(struct action_world);
	struct action_limits limits = {.calls_max = 2,
				       .message_bytes_max = ACTION_WORLD_MESSAGE_MAX};
	struct address address = {.host = "127.0.0.1"};
	struct userfn_params params = {
		.address = &address,
		.backoff_min_ms = 5,
		.backoff_max_ms = 20,
		.refused_retry_ms = 20,
		.discover_timeout_ms = 2000,
		.max_message_bytes = ACTION_WORLD_MESSAGE_MAX,
	};
	struct error err;

	log_set_level(LOG_OFF);
	assert_int_equal(loop_new(&f->loop, &err), ST_OK);
	f->metrics = metrics_new();
	router_metrics_init(&f->router_metrics, f->metrics);
	fake_function_init(&f->function, f->loop, 2, 0);
	write_spec(2, &f->function.spec);
	f->function.on_action = callee_on_action;
	f->function.action_data = f;
	address.port = f->function.port;
	action_world_client_init(&f->client);
	buf_init(&f->callee.last, ACTION_WORLD_MESSAGE_MAX);
	f->userfn = userfn_open(f->loop, &params, on_change, f);
	action_world_wait_until(f, action_world_is_ready);
	f->followups = followups_new(f->loop, f->userfn, &f->router_metrics, NULL, accept_inner, f);
	f->actions = actions_new(f->loop, f->userfn, &f->router_metrics, f->followups, &limits);
	*state = f;
	return 0;
}

int action_world_tear_down(void **state)
{
	struct action_world *f = *state;

	actions_free(f->actions);
	followups_free(f->followups);
	if (f->callee.call)
		grpc_server_cancel(f->callee.call);
	userfn_close(f->userfn);
	fake_function_fini(&f->function);
	router_metrics_fini(&f->router_metrics);
	metrics_free(f->metrics);
	loop_free(f->loop);
	assert_true(f->client.finishes <= 1);
	buf_fini(&f->client.last);
	buf_fini(&f->callee.last);
	mem_free(f);
	return 0;
}

void action_world_is_over(struct action_world *f, enum status code, const char *text)
{
	action_world_wait_until(f, action_world_is_finished);
	assert_string_equal(f->client.text, text);
	assert_int_equal(f->client.code, code);
	assert_int_equal(actions_active(f->actions), 0);
}

/* The function's part of a call until the request has come. */
void action_world_begin(struct action_world *f, const char *path)
{
	action_world_client_call(f, &f->client, path, DEADLINE_NEVER);
	if (!f->client.base.method->schema->client_streaming) {
		action_world_client_give(&f->client, SPAN_LIT("\x0a\x01x"));
		action_world_client_half_close(&f->client);
	}
	action_world_wait_until(f, action_world_is_called);
	action_world_wait_for_message(f);
}

int64_t action_world_holds(struct action_world *f, const char *direction)
{
	struct metrics_label label = {"direction", span_from_str(direction)};

	return metrics_value(metrics_series(f->metrics, METRIC_ACTION_HOLDS, &label, 1));
}

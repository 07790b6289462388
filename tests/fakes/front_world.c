#include "tests/fakes/front_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/wire.h"
#include "src/base/error.h"
#include "src/base/metrics.h"
#include "src/base/text.h"
#include "src/runtime/address.h"
#include "src/runtime/loop.h"
#include "src/runtime/stream.h"
#include "src/userfn/api.h"

static const uint8_t descriptor_set[] = {
#include "tests/fakes/gen/descriptor_set.inc"
};

static void must(bool condition, const char *what)
{
	if (condition)
		return;
	(void)fprintf(stderr, "front_world: %s\n", what);
	abort();
}

static void add_entity(struct wire_writer *writer, const char *type, const char *service,
		       const char *persistence_id)
{
	struct wire_nest entity = wire_begin(writer, 2);

	wire_put_bytes_field(writer, 1, span_from_str(type));
	wire_put_bytes_field(writer, 2, span_from_str(service));
	wire_put_bytes_field(writer, 3, span_from_str(persistence_id));
	wire_end(writer, entity);
}

/* cloudstate.EntitySpec with an entity and an action. Spec: cloudstate/entity.proto */
static struct api *make_api(void)
{
	struct buf spec;
	struct buf reasons;
	struct wire_writer writer;
	struct wire_nest info;
	struct api *api = NULL;
	struct error err = {0};

	buf_init(&spec, (size_t)1 << 20);
	buf_init(&reasons, 4096);
	wire_writer_init(&writer, &spec);
	wire_put_bytes_field(&writer, 1, span_make(descriptor_set, sizeof(descriptor_set)));
	add_entity(&writer, "cloudstate.eventsourced.EventSourced", "headgate.test.Entity",
		   "entity");
	add_entity(&writer, "cloudstate.action.ActionProtocol", "headgate.test.Streaming", "");
	info = wire_begin(&writer, 3);
	wire_put_uint_field(&writer, 7, 2);
	wire_end(&writer, info);
	must(wire_finish(&writer), "the spec does not fit");
	wire_writer_fini(&writer);
	if (api_new(buf_span(&spec), &reasons, &api, &err))
		must(false, err.message);
	buf_fini(&spec);
	buf_fini(&reasons);
	return api;
}

static bool is_ready(void *data, const char **reason)
{
	struct front_world *world = data;

	if (world->not_ready)
		*reason = world->not_ready;
	return !world->not_ready;
}

static void status_page(void *data, struct buf *out)
{
	(void)data;
	(void)buf_append_str(out, "{\"status\":\"of the test\"}");
}

void front_world_init(struct front_world *world, const char *const *flags)
{
	const char *all[32] = {"listen=127.0.0.1:0", "admin.listen=127.0.0.1:0"};
	struct config_params params = {.flags = all};
	struct error err = {0};
	size_t count = 2;

	*world = (struct front_world){0};
	for (; flags && *flags && count < 31; flags++)
		all[count++] = *flags;
	if (config_load(&world->config, &params, &err) || loop_new(&world->loop, &err))
		must(false, err.message);
	world->metrics = metrics_new();
	fake_router_init(&world->router);
	if (front_open(world->loop,
		       &(struct front_params){
			       .config = &world->config,
			       .router = (struct router *)&world->router,
			       .metrics = world->metrics,
			       .is_ready = is_ready,
			       .status_page = status_page,
			       .data = world,
		       },
		       &world->front, &err))
		must(false, err.message);
	world->api = make_api();
	front_set_api(world->front, world->api);
	must(front_is_ready(world->front, NULL), "the API is refused");
}

void front_world_fini(struct front_world *world)
{
	front_close(world->front);
	api_unref(world->api);
	fake_router_fini(&world->router);
	metrics_free(world->metrics);
	config_fini(&world->config);
	loop_free(world->loop);
}

void front_world_wait(struct front_world *world, bool (*is_done)(void *data), void *data)
{
	must(loop_run_until(world->loop, is_done, data, clock_mono_ns() + FRONT_WORLD_WAIT_NS),
	     "waited too long");
}

static bool never(void *data)
{
	(void)data;
	return false;
}

void front_world_pass(struct front_world *world, uint64_t wait_ms)
{
	(void)loop_run_until(world->loop, never, NULL, clock_mono_ns() + wait_ms * NS_PER_MS);
}

bool front_world_has(struct span bytes, const char *text)
{
	return bytes.data && memmem(bytes.data, bytes.len, text, strlen(text));
}

/* -- raw clients ------------------------------------------------------------------------------- */

static void raw_on_read(void *data, struct span bytes)
{
	struct raw_client *client = data;

	must(buf_append(&client->in, bytes), "too much was received");
}

static void raw_on_produce(void *data, struct buf *out)
{
	struct raw_client *client = data;

	size_t n = buf_len(&client->out);

	if (n > STREAM_CHUNK_BYTES)
		n = STREAM_CHUNK_BYTES;
	must(buf_append(out, span_head(buf_span(&client->out), n)), "too much is sent");
	buf_consume(&client->out, n);
}

static void raw_on_closed(void *data, const struct error *error)
{
	struct raw_client *client = data;

	(void)error;
	client->stream = NULL;
	client->is_closed = true;
}

static const struct stream_ops raw_ops = {
	.on_read = raw_on_read,
	.on_produce = raw_on_produce,
	.on_closed = raw_on_closed,
};

void raw_open(struct raw_client *client, struct front_world *world, enum front_listener which)
{
	struct address address = {.port = front_port(world->front, which)};

	(void)snprintf(address.host, sizeof(address.host), "127.0.0.1");
	*client = (struct raw_client){.world = world};
	buf_init(&client->in, (size_t)32 << 20);
	buf_init(&client->out, (size_t)32 << 20);
	client->stream = stream_connect(world->loop, &address,
					clock_mono_ns() + FRONT_WORLD_WAIT_NS, &raw_ops, client);
}

void raw_close(struct raw_client *client)
{
	stream_close(client->stream);
	client->stream = NULL;
	buf_fini(&client->in);
	buf_fini(&client->out);
}

void raw_send(struct raw_client *client, struct span bytes)
{
	if (!client->stream)
		return;
	must(buf_append(&client->out, bytes), "too much is sent");
	stream_want_write(client->stream);
}

static bool raw_is_closed(void *data)
{
	return ((struct raw_client *)data)->is_closed;
}

void raw_wait_closed(struct raw_client *client)
{
	front_world_wait(client->world, raw_is_closed, client);
}

static size_t raw_head_len(const struct raw_client *client)
{
	struct span in = buf_span(&client->in);
	const uint8_t *end = in.data ? memmem(in.data, in.len, "\r\n\r\n", 4) : NULL;

	return end ? (size_t)(end - in.data) + 4 : 0;
}

static size_t raw_body_len(struct span head)
{
	static const char name[] = "content-length: ";

	for (size_t i = 0; i + sizeof(name) - 1 <= head.len; i++)
		if (span_eq_nocase(span_make(head.data + i, sizeof(name) - 1),
				   SPAN_LIT("content-length: ")))
			return (size_t)strtoul((const char *)head.data + i + sizeof(name) - 1, NULL,
					       10);
	return 0;
}

static bool raw_has_head(void *data)
{
	struct raw_client *client = data;

	return client->is_closed || raw_head_len(client) > 0;
}

static bool raw_has_response(void *data)
{
	struct raw_client *client = data;
	size_t head = raw_head_len(client);

	if (client->is_closed)
		return true;
	return head &&
	       buf_len(&client->in) >= head + raw_body_len(span_head(buf_span(&client->in), head));
}

int raw_response_head(struct raw_client *client, struct span *ret_head)
{
	uint64_t status;
	size_t len;

	front_world_wait(client->world, raw_has_head, client);
	len = raw_head_len(client);
	*ret_head = span_head(buf_span(&client->in), len);
	client->wanted = len;
	if (!text_to_u64(span_head(span_skip(*ret_head, strlen("HTTP/1.1 ")), 3), &status))
		return 0;
	return (int)status;
}

int raw_response(struct raw_client *client, struct span *ret_head, struct span *ret_body)
{
	int status;

	front_world_wait(client->world, raw_has_response, client);
	status = raw_response_head(client, ret_head);
	*ret_body =
		span_head(span_skip(buf_span(&client->in), ret_head->len), raw_body_len(*ret_head));
	client->wanted = ret_head->len + ret_body->len;
	return status;
}

void raw_next(struct raw_client *client)
{
	buf_consume(&client->in, client->wanted);
}

int raw_ask(struct front_world *world, struct span request, struct buf *answer, bool *ret_closed)
{
	struct raw_client client;
	struct span head;
	struct span body;
	int status;

	raw_open(&client, world, FRONT_INGRESS);
	raw_send(&client, request);
	status = raw_response(&client, &head, &body);
	buf_reset(answer);
	must(buf_append(answer, span_make(head.data, head.len + body.len)), "too large an answer");
	if (ret_closed) {
		if (front_world_has(head, "onnection: close"))
			raw_wait_closed(&client);
		*ret_closed = client.is_closed;
	}
	raw_close(&client);
	return status;
}

#include <headgate/function.h>

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/support/function_client.h"
#include "tests/unit/support/stream_bytes.h"
#include "tests/unit/unit.h"

#define SERVICE "headgate.test.Entity"
#define PARALLEL_STREAMS 1000
#define BIG ((size_t)11 * 1024 * 1024)

typedef Headgate__Test__Request Request;
typedef Headgate__Test__Response Response;
typedef Cloudstate__Eventsourced__EventSourcedStreamOut StreamOut;

static const uint8_t descriptor_set[] = {
#include "tests/fakes/gen/descriptor_set.inc"
};

/* ---- The function under test: counts its events, and its living states ------------------------
 */

struct fixture {
	struct headgate_function *function;
	pthread_t thread;
	atomic_int states;
	pthread_mutex_t lock;
	char log[4096]; /* under lock */
};

struct counter {
	int64_t count;
	struct fixture *fixture;
};

static void *create(const char *entity_id, void *data)
{
	struct counter *counter = calloc(1, sizeof *counter);

	(void)entity_id;
	if (!counter)
		return NULL;
	counter->fixture = data;
	atomic_fetch_add(&counter->fixture->states, 1);
	return counter;
}

static void destroy(void *state)
{
	struct counter *counter = state;

	atomic_fetch_sub(&counter->fixture->states, 1);
	free(counter);
}

static int happened(void *state, const void *message)
{
	(void)message;
	((struct counter *)state)->count++;
	return 0;
}

static int read_snapshot(void *state, const void *message)
{
	((struct counter *)state)->count = ((const Headgate__Test__Snapshot *)message)->count;
	return 0;
}

static int write_snapshot(struct headgate_context *context, const void *state)
{
	Headgate__Test__Snapshot snapshot = HEADGATE__TEST__SNAPSHOT__INIT;

	snapshot.count = ((const struct counter *)state)->count;
	return headgate_snapshot(context, &snapshot.base);
}

static int process(struct headgate_context *context, void *state, const void *message)
{
	const Request *request = message;
	Headgate__Test__Happened event = HEADGATE__TEST__HAPPENED__INIT;
	Response response = HEADGATE__TEST__RESPONSE__INIT;

	for (int i = 0; i < request->emit; i++)
		if (headgate_emit(context, &event.base))
			return -1;
	response.id = request->id;
	response.count = ((struct counter *)state)->count;
	response.padding.len = (size_t)request->reply_bytes;
	response.padding.data = headgate_alloc(context, response.padding.len, 1);
	return response.padding.data ? headgate_reply(context, &response.base) : -1;
}

static const struct headgate_command commands[] = {
	{"Process", &headgate__test__request__descriptor, process},
	{0},
};

static const struct headgate_event events[] = {
	{.type = &headgate__test__happened__descriptor, .apply = happened},
	{0},
};

static void on_log(void *data, enum headgate_log_level level, const char *text)
{
	struct fixture *fixture = data;

	(void)level;
	(void)pthread_mutex_lock(&fixture->lock); /* cannot fail: a plain mutex */
	size_t used = strlen(fixture->log);
	(void)snprintf(fixture->log + used, sizeof fixture->log - used, "%s\n", text);
	(void)pthread_mutex_unlock(&fixture->lock);
}

static bool has_logged(struct fixture *fixture, const char *text)
{
	(void)pthread_mutex_lock(&fixture->lock);
	bool has = strstr(fixture->log, text) != NULL;
	(void)pthread_mutex_unlock(&fixture->lock);
	return has;
}

static void *run_main(void *data)
{
	struct fixture *fixture = data;
	struct headgate_error err = {""};

	return headgate_function_run(fixture->function, &err) ? fixture : NULL;
}

static int make(struct fixture *fixture, struct headgate_entity *entity, const char *listen,
		unsigned threads, struct headgate_error *err)
{
	const struct headgate_entity *entities[] = {entity};

	*entity = (struct headgate_entity){
		.service_name = SERVICE,
		.persistence_id = "counter",
		.commands = commands,
		.events = events,
		.create = create,
		.destroy = destroy,
		.data = fixture,
		.snapshot_every = 2,
		.snapshot_type = &headgate__test__snapshot__descriptor,
		.read_snapshot = read_snapshot,
		.write_snapshot = write_snapshot,
		.passivation_timeout_ms = 1234,
	};
	return headgate_function_new(
		&(struct headgate_function_params){
			.entities = entities,
			.entity_count = 1,
			.descriptor_set = {descriptor_set, sizeof descriptor_set},
			.service_name = "under-test",
			.service_version = "7",
			.listen = listen,
			.threads = threads,
			.stop_grace_ms = 100,
			.on_log = on_log,
			.log_data = fixture,
		},
		&fixture->function, err);
}

struct world {
	struct fixture fixture;
	struct headgate_entity entity;
	struct client client;
};

static void open_world(struct world *world, const char *listen, unsigned threads)
{
	char target[128];
	struct headgate_error err = {""};

	memset(world, 0, sizeof *world);
	assert_int_equal(pthread_mutex_init(&world->fixture.lock, NULL), 0);
	if (make(&world->fixture, &world->entity, listen, threads, &err))
		fail_msg("%s", err.text);
	assert_int_equal(pthread_create(&world->fixture.thread, NULL, run_main, &world->fixture),
			 0);
	int port = headgate_function_port(world->fixture.function);
	if (port > 0)
		(void)snprintf(target, sizeof target, "ipv4:127.0.0.1:%d", port);
	else
		(void)snprintf(target, sizeof target, "%s", listen);
	client_init(&world->client, target);
}

static void close_world(struct world *world)
{
	void *result;

	client_fini(&world->client);
	headgate_function_stop(world->fixture.function);
	assert_int_equal(pthread_join(world->fixture.thread, &result), 0);
	assert_null(result);
	headgate_function_free(world->fixture.function);
	assert_int_equal(atomic_load(&world->fixture.states), 0);
	(void)pthread_mutex_destroy(&world->fixture.lock); /* not locked any more */
}

static void open_entity(struct world *world, struct client_stream *stream)
{
	struct stream_bytes init = stream_init(SERVICE, "e1", NULL, 0);

	client_stream_open(&world->client, PATH_HANDLE, stream);
	client_stream_send(stream, init.data, init.size, false);
}

static void send_command(struct client_stream *stream, int64_t id, const Request *request)
{
	struct stream_bytes bytes = stream_command("e1", id, "Process", request);

	client_stream_send(stream, bytes.data, bytes.size, true);
}

static StreamOut *receive(struct client_stream *stream)
{
	struct received received = client_stream_receive(stream);

	assert_non_null(received.data);
	StreamOut *out = (StreamOut *)protobuf_c_message_unpack(
		&cloudstate__eventsourced__event_sourced_stream_out__descriptor, NULL,
		received.size, received.data);
	assert_non_null(out);
	received_fini(&received);
	return out;
}

/* Receives the reply to command `id` and returns the count it tells. */
static int64_t receive_count(struct client_stream *stream, int64_t id, size_t events_expected)
{
	StreamOut *out = receive(stream);

	assert_int_equal(out->message_case,
			 CLOUDSTATE__EVENTSOURCED__EVENT_SOURCED_STREAM_OUT__MESSAGE_REPLY);
	assert_int_equal(out->reply->command_id, id);
	assert_int_equal(out->reply->n_events, events_expected);
	const ProtobufCBinaryData *value = &out->reply->client_action->reply->payload->value;
	Response *response = headgate__test__response__unpack(NULL, value->len, value->data);
	assert_non_null(response);
	int64_t count = response->count;
	headgate__test__response__free_unpacked(response, NULL);
	protobuf_c_message_free_unpacked(&out->base, NULL);
	return count;
}

static void assert_states(struct world *world, int count)
{
	for (int i = 0; i < 3000 && atomic_load(&world->fixture.states) != count; i++)
		(void)poll(NULL, 0, 10); /* nothing to wait for; deadline 30 s */
	assert_int_equal(atomic_load(&world->fixture.states), count);
}

/* ---- Tests ------------------------------------------------------------------------------------
 */

static void test_discovery(void **state)
{
	struct world world;
	struct received reply;
	Cloudstate__ProxyInfo info = CLOUDSTATE__PROXY_INFO__INIT;
	uint8_t bytes[256];

	(void)state;
	open_world(&world, "127.0.0.1:0", 1);
	info.proxy_name = (char *)(uintptr_t) "tester";
	info.proxy_version = (char *)(uintptr_t) "1.2";
	size_t size = protobuf_c_message_pack(&info.base, bytes);
	assert_int_equal(client_unary(&world.client, PATH_DISCOVER, bytes, size, &reply), 0);
	Cloudstate__EntitySpec *spec =
		cloudstate__entity_spec__unpack(NULL, reply.size, reply.data);
	assert_non_null(spec);
	assert_int_equal(spec->proto.len, sizeof descriptor_set);
	assert_memory_equal(spec->proto.data, descriptor_set, sizeof descriptor_set);
	assert_int_equal(spec->n_entities, 1);
	assert_string_equal(spec->entities[0]->entity_type, "cloudstate.eventsourced.EventSourced");
	assert_string_equal(spec->entities[0]->service_name, SERVICE);
	assert_string_equal(spec->entities[0]->persistence_id, "counter");
	assert_int_equal(spec->entities[0]->passivation_strategy->timeout->timeout, 1234);
	assert_string_equal(spec->service_info->service_name, "under-test");
	assert_string_equal(spec->service_info->service_version, "7");
	assert_string_equal(spec->service_info->support_library_name, "headgate-function");
	assert_string_equal(spec->service_info->support_library_version, PACKAGE_VERSION);
	assert_int_equal(spec->service_info->protocol_major_version, 0);
	assert_int_equal(spec->service_info->protocol_minor_version, 2);
	assert_true(has_logged(&world.fixture, "discovered by tester 1.2"));
	cloudstate__entity_spec__free_unpacked(spec, NULL);
	received_fini(&reply);
	close_world(&world);
}

static void test_unary_errors(void **state)
{
	static const struct {
		const char *name;
		const char *path;
		const char *bytes;
		size_t size;
		grpc_status_code status;
	} rows[] = {
		{"reportError", PATH_REPORT_ERROR,
		 "\x0a\x05"
		 "wrong",
		 7, GRPC_STATUS_OK},
		{"reportError of nothing", PATH_REPORT_ERROR, "", 0, GRPC_STATUS_OK},
		{"reportError of garbage", PATH_REPORT_ERROR, "\xff", 1,
		 GRPC_STATUS_INVALID_ARGUMENT},
		{"discover by garbage", PATH_DISCOVER, "\xff", 1, GRPC_STATUS_INVALID_ARGUMENT},
		{"unknown method", "/cloudstate.EntityDiscovery/undiscover", "", 0,
		 GRPC_STATUS_UNIMPLEMENTED},
		{"unknown service", "/cloudstate.other.Other/handle", "", 0,
		 GRPC_STATUS_UNIMPLEMENTED},
	};
	struct world world;

	(void)state;
	open_world(&world, "127.0.0.1:0", 1);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct received reply;
		grpc_status_code status = client_unary(&world.client, rows[i].path, rows[i].bytes,
						       rows[i].size, &reply);
		UNIT_ROW(rows[i].name, status == rows[i].status);
		received_fini(&reply);
	}
	assert_true(has_logged(&world.fixture, "reported by the proxy: wrong"));
	close_world(&world);
}

static void converse(struct world *world)
{
	struct client_stream stream;
	Request request = HEADGATE__TEST__REQUEST__INIT;

	open_entity(world, &stream);
	for (int64_t id = 1; id <= 20; id++) {
		request.emit = id % 2 ? 3 : 0;
		send_command(&stream, id, &request);
		assert_int_equal(receive_count(&stream, id, (size_t)request.emit),
				 (id + 1) / 2 * 3);
	}
	assert_states(world, 1);
	client_stream_half_close(&stream);
	assert_int_equal(client_stream_close(&stream), GRPC_STATUS_OK);
	assert_states(world, 0);
}

static void test_conversation_and_half_close(void **state)
{
	struct world world;

	(void)state;
	open_world(&world, "127.0.0.1:0", 1);
	converse(&world);
	converse(&world);
	close_world(&world);
}

static void test_unix_socket(void **state)
{
	char dir[] = "/tmp/headgate-function-XXXXXX";
	char path[64];
	char listen[80];
	struct world world;

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof path, "%s/socket", dir);
	(void)snprintf(listen, sizeof listen, "unix:%s", path);
	open_world(&world, listen, 1);
	converse(&world);
	close_world(&world);
	(void)unlink(path); /* gRPC may have removed it */
	assert_int_equal(rmdir(dir), 0);
}

static void test_cancel_ends_the_entity(void **state)
{
	struct world world;
	struct client_stream stream;
	Request request = HEADGATE__TEST__REQUEST__INIT;

	(void)state;
	open_world(&world, "127.0.0.1:0", 1);
	open_entity(&world, &stream);
	send_command(&stream, 1, &request);
	assert_int_equal(receive_count(&stream, 1, 0), 0);
	assert_states(&world, 1);
	client_stream_cancel(&stream);
	assert_int_equal(client_stream_close(&stream), GRPC_STATUS_CANCELLED);
	assert_states(&world, 0);
	close_world(&world);
}

static void test_garbage_ends_the_stream_only(void **state)
{
	struct world world;
	struct client_stream stream;

	(void)state;
	open_world(&world, "127.0.0.1:0", 1);
	client_stream_open(&world.client, PATH_HANDLE, &stream);
	client_stream_send(&stream, "\xff\xff", 2, true);
	StreamOut *out = receive(&stream);
	assert_int_equal(out->message_case,
			 CLOUDSTATE__EVENTSOURCED__EVENT_SOURCED_STREAM_OUT__MESSAGE_FAILURE);
	assert_int_equal(out->failure->command_id, 0);
	protobuf_c_message_free_unpacked(&out->base, NULL);
	assert_int_equal(client_stream_close(&stream), GRPC_STATUS_OK);
	converse(&world);
	close_world(&world);
}

/* Large both ways: in flow-controlled pieces, so joined on arrival, and freed once sent. */
static void test_large_messages(void **state)
{
	struct world world;
	struct client_stream stream;
	Request request = HEADGATE__TEST__REQUEST__INIT;
	size_t prefix = 0;
	unsigned char *init = calloc(1, BIG + 64);

	(void)state;
	assert_non_null(init);
	open_world(&world, "127.0.0.1:0", 1);
	struct stream_bytes small = stream_init(SERVICE, "e1", NULL, 0);
	memcpy(init, small.data, small.size);
	prefix = small.size;
	/* an unknown length-delimited field 15 of BIG bytes behind the init: length in 4 bytes */
	init[prefix++] = 15 << 3 | 2;
	for (unsigned i = 0; i < 4; i++)
		init[prefix++] = (unsigned char)((BIG >> (7 * i) & 0x7f) | (i < 3 ? 0x80 : 0));
	client_stream_open(&world.client, PATH_HANDLE, &stream);
	client_stream_send(&stream, init, prefix + BIG, false);
	request.reply_bytes = (int32_t)BIG;
	for (int64_t id = 1; id <= 3; id++) {
		send_command(&stream, id, &request);
		assert_int_equal(receive_count(&stream, id, 0), 0);
	}
	client_stream_half_close(&stream);
	assert_int_equal(client_stream_close(&stream), GRPC_STATUS_OK);
	free(init);
	close_world(&world);
}

static void run_parallel(unsigned threads)
{
	struct world world;
	struct client_stream *streams = calloc(PARALLEL_STREAMS, sizeof *streams);
	Request request = HEADGATE__TEST__REQUEST__INIT;

	assert_non_null(streams);
	open_world(&world, "127.0.0.1:0", threads);
	for (size_t i = 0; i < PARALLEL_STREAMS; i++)
		open_entity(&world, &streams[i]);
	request.emit = 1;
	for (int64_t id = 1; id <= 5; id++) {
		for (size_t i = 0; i < PARALLEL_STREAMS; i++)
			send_command(&streams[i], id, &request);
		for (size_t i = 0; i < PARALLEL_STREAMS; i++)
			assert_int_equal(receive_count(&streams[i], id, 1), id);
	}
	assert_states(&world, PARALLEL_STREAMS);
	for (size_t i = 0; i < PARALLEL_STREAMS; i++) {
		client_stream_half_close(&streams[i]);
		assert_int_equal(client_stream_close(&streams[i]), GRPC_STATUS_OK);
	}
	assert_states(&world, 0);
	close_world(&world);
	free(streams);
}

static void test_parallel_streams(void **state)
{
	(void)state;
	run_parallel(1);
}

static void test_parallel_streams_on_four_threads(void **state)
{
	(void)state;
	run_parallel(4);
}

static void test_stop_with_open_streams(void **state)
{
	struct world world;
	struct client_stream streams[10];
	Request request = HEADGATE__TEST__REQUEST__INIT;
	void *result;

	(void)state;
	open_world(&world, "127.0.0.1:0", 1);
	for (size_t i = 0; i < COUNT_OF(streams); i++) {
		open_entity(&world, &streams[i]);
		send_command(&streams[i], 1, &request);
		assert_int_equal(receive_count(&streams[i], 1, 0), 0);
	}
	headgate_function_stop(world.fixture.function);
	headgate_function_stop(world.fixture.function);
	assert_int_equal(pthread_join(world.fixture.thread, &result), 0);
	assert_null(result);
	assert_int_equal(atomic_load(&world.fixture.states), 0);
	for (size_t i = 0; i < COUNT_OF(streams); i++)
		assert_int_not_equal(client_stream_close(&streams[i]), GRPC_STATUS_OK);
	headgate_function_free(world.fixture.function);
	client_fini(&world.client);
	(void)pthread_mutex_destroy(&world.fixture.lock); /* not locked any more */
}

static void test_stop_before_run(void **state)
{
	struct fixture fixture = {.lock = PTHREAD_MUTEX_INITIALIZER};
	struct headgate_entity entity;

	(void)state;
	assert_int_equal(make(&fixture, &entity, "127.0.0.1:0", 2, NULL), 0);
	headgate_function_stop(fixture.function);
	assert_int_equal(headgate_function_run(fixture.function, NULL), 0);
	headgate_function_free(fixture.function);
}

static void test_port_in_use(void **state)
{
	struct world world;
	struct fixture other = {.lock = PTHREAD_MUTEX_INITIALIZER};
	struct headgate_entity entity;
	struct headgate_error err = {""};
	char listen[64];

	(void)state;
	open_world(&world, "127.0.0.1:0", 1);
	(void)snprintf(listen, sizeof listen, "127.0.0.1:%d",
		       headgate_function_port(world.fixture.function));
	assert_int_equal(make(&other, &entity, listen, 1, &err), -1);
	assert_non_null(strstr(err.text, listen));
	close_world(&world);
}

static void test_free_without_run(void **state)
{
	struct fixture fixture = {.lock = PTHREAD_MUTEX_INITIALIZER};
	struct headgate_entity entity;

	(void)state;
	assert_int_equal(make(&fixture, &entity, "127.0.0.1:0", 1, NULL), 0);
	assert_true(headgate_function_port(fixture.function) > 0);
	headgate_function_free(fixture.function);
	headgate_function_free(NULL);
}

static int set_up(void **state)
{
	(void)state;
	grpc_init();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	grpc_shutdown_blocking();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_discovery),
		cmocka_unit_test(test_unary_errors),
		cmocka_unit_test(test_conversation_and_half_close),
		cmocka_unit_test(test_unix_socket),
		cmocka_unit_test(test_cancel_ends_the_entity),
		cmocka_unit_test(test_garbage_ends_the_stream_only),
		cmocka_unit_test(test_large_messages),
		cmocka_unit_test(test_parallel_streams),
		cmocka_unit_test(test_parallel_streams_on_four_threads),
		cmocka_unit_test(test_stop_with_open_streams),
		cmocka_unit_test(test_stop_before_run),
		cmocka_unit_test(test_port_in_use),
		cmocka_unit_test(test_free_without_run),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

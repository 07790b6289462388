/* CRDT entities over gRPC: one message in may have many answers, which come one after the other. */

#include <headgate/crdt.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "cloudstate/crdt.pb-c.h"
#include "headgate/test/crdt.pb-c.h"
#include "tests/fakes/test_crdts.h"
#include "tests/unit/support/function_client.h"
#include "tests/unit/unit.h"

#define PATH_CRDT "/cloudstate.crdt.Crdt/handle"
#define SERVICE "headgate.test.CrdtTags"
#define WATCHERS 20
#define BYTES_MAX 65536

/* Larger than the answers that gRPC may keep while the next message is read. */
#define LARGE 20000

typedef Headgate__Test__Change Change;
typedef Cloudstate__Crdt__CrdtStreamIn StreamIn;
typedef Cloudstate__Crdt__CrdtStreamOut StreamOut;

static const uint8_t descriptor_set[] = {
#include "tests/fakes/gen/descriptor_set.inc"
};

struct world {
	struct headgate_function *function;
	pthread_t thread;
	struct client client;
	struct client_stream stream;
	uint8_t bytes[BYTES_MAX];
};

static void on_log(void *data, enum headgate_log_level level, const char *text)
{
	(void)data;
	(void)level;
	(void)text;
}

static void *run_main(void *data)
{
	struct headgate_error err = {""};

	return headgate_function_run(data, &err) ? data : NULL;
}

static void open_world(struct world *world)
{
	static const struct headgate_crdt_entity *const crdts[] = {&test_tags};
	char target[64];
	struct headgate_error err = {""};
	const struct headgate_function_params params = {
		.crdts = crdts,
		.crdt_count = 1,
		.descriptor_set = {descriptor_set, sizeof descriptor_set},
		.listen = "127.0.0.1:0",
		.threads = 2,
		.stop_grace_ms = 100,
		.on_log = on_log,
	};

	if (headgate_function_new(&params, &world->function, &err))
		fail_msg("%s", err.text);
	assert_int_equal(pthread_create(&world->thread, NULL, run_main, world->function), 0);
	(void)snprintf(target, sizeof target, "ipv4:127.0.0.1:%d",
		       headgate_function_port(world->function));
	client_init(&world->client, target);
}

static void close_world(struct world *world)
{
	void *result;

	client_fini(&world->client);
	headgate_function_stop(world->function);
	assert_int_equal(pthread_join(world->thread, &result), 0);
	assert_null(result);
	headgate_function_free(world->function);
}

static void send_message(struct world *world, const StreamIn *in, bool is_answered)
{
	assert_true(protobuf_c_message_get_packed_size(&in->base) <= BYTES_MAX);
	client_stream_send(&world->stream, world->bytes,
			   protobuf_c_message_pack(&in->base, world->bytes), is_answered);
}

static void send_init(struct world *world)
{
	Cloudstate__Crdt__CrdtInit init = CLOUDSTATE__CRDT__CRDT_INIT__INIT;
	StreamIn in = CLOUDSTATE__CRDT__CRDT_STREAM_IN__INIT;

	client_stream_open(&world->client, PATH_CRDT, &world->stream);
	init.service_name = (char *)(uintptr_t)SERVICE;
	init.entity_id = (char *)(uintptr_t) "e1";
	in.message_case = CLOUDSTATE__CRDT__CRDT_STREAM_IN__MESSAGE_INIT;
	in.init = &init;
	send_message(world, &in, false);
}

static void send_command(struct world *world, int64_t id, bool is_streamed, const Change *change)
{
	static uint8_t bytes[BYTES_MAX];
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	Cloudstate__Command command = CLOUDSTATE__COMMAND__INIT;
	StreamIn in = CLOUDSTATE__CRDT__CRDT_STREAM_IN__INIT;

	any.type_url = (char *)(uintptr_t) "type.googleapis.com/headgate.test.Change";
	any.value.data = bytes;
	any.value.len = protobuf_c_message_pack(&change->base, bytes);
	command.entity_id = (char *)(uintptr_t) "e1";
	command.id = id;
	command.name = (char *)(uintptr_t)(is_streamed ? "Watch" : "Apply");
	command.streamed = is_streamed;
	command.payload = &any;
	in.message_case = CLOUDSTATE__CRDT__CRDT_STREAM_IN__MESSAGE_COMMAND;
	in.command = &command;
	send_message(world, &in, true);
}

static StreamOut *receive(struct world *world)
{
	struct received received = client_stream_receive(&world->stream);

	assert_non_null(received.data);
	StreamOut *out = (StreamOut *)protobuf_c_message_unpack(
		&cloudstate__crdt__crdt_stream_out__descriptor, NULL, received.size, received.data);
	assert_non_null(out);
	received_fini(&received);
	return out;
}

static void receive_reply(struct world *world, int64_t id, bool is_streamed)
{
	StreamOut *out = receive(world);

	assert_int_equal(out->message_case, CLOUDSTATE__CRDT__CRDT_STREAM_OUT__MESSAGE_REPLY);
	assert_int_equal(out->reply->command_id, id);
	assert_int_equal(out->reply->streamed, is_streamed);
	protobuf_c_message_free_unpacked(&out->base, NULL);
}

/* One for each watcher, in order. */
static void receive_messages(struct world *world)
{
	for (int64_t id = 1; id <= WATCHERS; id++) {
		client_stream_expect(&world->stream);
		StreamOut *out = receive(world);
		assert_int_equal(out->message_case,
				 CLOUDSTATE__CRDT__CRDT_STREAM_OUT__MESSAGE_STREAMED_MESSAGE);
		assert_int_equal(out->streamed_message->command_id, id);
		assert_non_null(out->streamed_message->client_action);
		protobuf_c_message_free_unpacked(&out->base, NULL);
	}
}

static void test_discovery(void **state)
{
	struct world world;
	struct received reply;
	Cloudstate__ProxyInfo info = CLOUDSTATE__PROXY_INFO__INIT;

	(void)state;
	open_world(&world);
	assert_int_equal(client_unary(&world.client, PATH_DISCOVER, world.bytes,
				      protobuf_c_message_pack(&info.base, world.bytes), &reply),
			 0);
	Cloudstate__EntitySpec *spec =
		cloudstate__entity_spec__unpack(NULL, reply.size, reply.data);
	assert_non_null(spec);
	assert_int_equal(spec->n_entities, 1);
	assert_string_equal(spec->entities[0]->entity_type, "cloudstate.crdt.Crdt");
	assert_string_equal(spec->entities[0]->service_name, SERVICE);
	assert_string_equal(spec->entities[0]->persistence_id, "test-tags");
	cloudstate__entity_spec__free_unpacked(spec, NULL);
	received_fini(&reply);
	close_world(&world);
}

static void test_many_answers(void **state)
{
	static const size_t sizes[] = {3, LARGE};
	static char text[LARGE + 1];
	char *elements[] = {text};
	struct world world;
	Change watch = HEADGATE__TEST__CHANGE__INIT;
	Change change = HEADGATE__TEST__CHANGE__INIT;

	(void)state;
	open_world(&world);
	send_init(&world);
	for (int64_t id = 1; id <= WATCHERS; id++) {
		send_command(&world, id, true, &watch);
		receive_reply(&world, id, true);
	}
	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		memset(text, 'x', sizes[i]);
		change.add = elements;
		change.n_add = 1;
		send_command(&world, 100, false, &change);
		receive_reply(&world, 100, false);
		receive_messages(&world);
	}
	client_stream_half_close(&world.stream);
	assert_int_equal(client_stream_close(&world.stream), GRPC_STATUS_OK);
	close_world(&world);
}

/* The proxy goes while answers are still to be sent. */
static void test_gone_among_answers(void **state)
{
	struct world world;
	char *elements[] = {(char *)(uintptr_t) "x"};
	Change watch = HEADGATE__TEST__CHANGE__INIT;
	Change change = HEADGATE__TEST__CHANGE__INIT;

	(void)state;
	open_world(&world);
	send_init(&world);
	for (int64_t id = 1; id <= WATCHERS; id++) {
		send_command(&world, id, true, &watch);
		receive_reply(&world, id, true);
	}
	change.add = elements;
	change.n_add = 1;
	send_command(&world, 100, false, &change);
	receive_reply(&world, 100, false);
	client_stream_cancel(&world.stream);
	assert_int_equal(client_stream_close(&world.stream), GRPC_STATUS_CANCELLED);
	close_world(&world);
}

static void test_deleted(void **state)
{
	struct world world;
	Cloudstate__Crdt__CrdtDelete deleted = CLOUDSTATE__CRDT__CRDT_DELETE__INIT;
	StreamIn in = CLOUDSTATE__CRDT__CRDT_STREAM_IN__INIT;

	(void)state;
	open_world(&world);
	send_init(&world);
	in.message_case = CLOUDSTATE__CRDT__CRDT_STREAM_IN__MESSAGE_DELETE;
	in.delete_ = &deleted;
	send_message(&world, &in, false);
	assert_int_equal(client_stream_close(&world.stream), GRPC_STATUS_OK);
	close_world(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_discovery),
		cmocka_unit_test(test_many_answers),
		cmocka_unit_test(test_gone_among_answers),
		cmocka_unit_test(test_deleted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Value entities of the library: bytes of a message in, bytes of the answer out. */
#include <stdlib.h>
#include <string.h>

#include "cloudstate/value_entity.pb-c.h"
#include "headgate/test/value.pb-c.h"
#include "support/c/discovery.h"
#include "support/c/entity.h"
#include "tests/fakes/test_value.h"
#include "tests/unit/unit.h"

#define BYTES_MAX 8192
#define MESSAGE_BYTES_MAX ((size_t)4096)
#define SERVICE "headgate.test.Register"
#define KEPT_URL "type.googleapis.com/headgate.test.Kept"

typedef Headgate__Test__ValueChange Change;
typedef Cloudstate__Valueentity__ValueEntityStreamIn StreamIn;
typedef Cloudstate__Valueentity__ValueEntityStreamOut StreamOut;
typedef Cloudstate__Valueentity__ValueEntityReply Reply;

#define IN_INIT CLOUDSTATE__VALUEENTITY__VALUE_ENTITY_STREAM_IN__INIT
#define IN_CASE(name) CLOUDSTATE__VALUEENTITY__VALUE_ENTITY_STREAM_IN__MESSAGE_##name
#define OUT_CASE(name) CLOUDSTATE__VALUEENTITY__VALUE_ENTITY_STREAM_OUT__MESSAGE_##name
#define DOES(name) CLOUDSTATE__VALUEENTITY__VALUE_ENTITY_ACTION__ACTION_##name

static const uint8_t descriptor_set[] = {
#include "tests/fakes/gen/descriptor_set.inc"
};

/* ---- Want of memory: the linker sends the library's allocations here (see Makefile.inc) --------
 */

/* NOLINTBEGIN(readability-identifier-naming) -- the linker's names */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
/* NOLINTEND(readability-identifier-naming) */

/* Allocations that still succeed; negative = all. */
static long allocations_left = -1;

static bool may_allocate(void)
{
	if (allocations_left > 0)
		allocations_left--;
	return allocations_left != 0;
}

void *__wrap_malloc(size_t size)
{
	return may_allocate() ? __real_malloc(size) : NULL;
}

void *__wrap_calloc(size_t count, size_t size)
{
	return may_allocate() ? __real_calloc(count, size) : NULL;
}

void *__wrap_realloc(void *memory, size_t size)
{
	return may_allocate() ? __real_realloc(memory, size) : NULL;
}

/* ---- The bench --------------------------------------------------------------------------------
 */

static void on_log(void *data, enum headgate_log_level level, const char *text)
{
	(void)data;
	(void)level;
	(void)text;
}

static const struct hg_log quiet = {.on_log = on_log};

struct bench {
	struct hg_type *type;
	struct hg_worker worker;
	struct hg_stream *stream;
	enum hg_verdict verdict;
	StreamOut *out; /* of the newest message; NULL = nothing */
	int64_t next_id;
};

static int bench_open(struct bench *bench, const struct headgate_value_entity *entity)
{
	struct headgate_bytes set = {descriptor_set, sizeof descriptor_set};

	*bench = (struct bench){.next_id = 1};
	if (hg_type_new_value(entity, set, &bench->type, NULL) ||
	    hg_worker_init(&bench->worker, &quiet, MESSAGE_BYTES_MAX))
		return -1;
	bench->stream = hg_stream_new((const struct hg_type *const *)&bench->type, 1, true);
	return bench->stream ? 0 : -1;
}

static void drop_out(struct bench *bench)
{
	if (bench->out)
		protobuf_c_message_free_unpacked(&bench->out->base, NULL);
	bench->out = NULL;
}

static void bench_close(struct bench *bench)
{
	drop_out(bench);
	hg_stream_free(bench->stream);
	hg_worker_fini(&bench->worker);
	hg_type_free(bench->type);
}

static void receive_bytes(struct bench *bench, struct headgate_bytes bytes)
{
	uint8_t joined[BYTES_MAX];
	struct hg_out out;
	long left;
	size_t size = 0;

	drop_out(bench);
	bench->verdict = hg_stream_receive(bench->stream, &bench->worker, bytes, &out);
	if (out.size == 0)
		return;
	assert_true(out.size <= sizeof joined);
	for (size_t i = 0; i < out.part_count; i++) {
		memcpy(joined + size, out.parts[i].data, out.parts[i].size);
		size += out.parts[i].size;
	}
	left = allocations_left; /* the test's own never fail */
	allocations_left = -1;
	bench->out = cloudstate__valueentity__value_entity_stream_out__unpack(NULL, size, joined);
	assert_non_null(bench->out);
	allocations_left = left;
}

static void receive(struct bench *bench, const StreamIn *in)
{
	uint8_t bytes[BYTES_MAX];
	size_t size = cloudstate__valueentity__value_entity_stream_in__get_packed_size(in);

	assert_true(size <= sizeof bytes);
	receive_bytes(bench,
		      (struct headgate_bytes){bytes, protobuf_c_message_pack(&in->base, bytes)});
}

/* count 0: nothing is stored. */
static void send_init(struct bench *bench, const char *service, const char *url, int64_t count)
{
	uint8_t bytes[64];
	StreamIn in = IN_INIT;
	Cloudstate__Valueentity__ValueEntityInit init =
		CLOUDSTATE__VALUEENTITY__VALUE_ENTITY_INIT__INIT;
	Cloudstate__Valueentity__ValueEntityInitState state =
		CLOUDSTATE__VALUEENTITY__VALUE_ENTITY_INIT_STATE__INIT;
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	Headgate__Test__Kept kept = HEADGATE__TEST__KEPT__INIT;

	kept.count = count;
	any.type_url = (char *)(uintptr_t)url;
	any.value.data = bytes;
	any.value.len = headgate__test__kept__pack(&kept, bytes);
	state.value = count ? &any : NULL;
	init.service_name = (char *)(uintptr_t)service;
	init.entity_id = (char *)(uintptr_t) "e1";
	init.state = &state;
	in.message_case = IN_CASE(INIT);
	in.init = &init;
	receive(bench, &in);
}

static void begin(struct bench *bench, int64_t count)
{
	assert_int_equal(bench_open(bench, &test_value), 0);
	send_init(bench, SERVICE, KEPT_URL, count);
	assert_int_equal(bench->verdict, HG_READ_ON);
	assert_null(bench->out);
}

static void send_command(struct bench *bench, const Change *change)
{
	static Cloudstate__MetadataEntry entry = CLOUDSTATE__METADATA_ENTRY__INIT;
	Cloudstate__MetadataEntry *entries[] = {&entry};
	Cloudstate__Metadata metadata = CLOUDSTATE__METADATA__INIT;
	Cloudstate__Command command = CLOUDSTATE__COMMAND__INIT;
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	StreamIn in = IN_INIT;
	uint8_t bytes[BYTES_MAX];

	entry.key = (char *)(uintptr_t) "x-who";
	entry.value_case = CLOUDSTATE__METADATA_ENTRY__VALUE_STRING_VALUE;
	entry.string_value = (char *)(uintptr_t) "me";
	metadata.n_entries = 1;
	metadata.entries = entries;
	any.type_url = (char *)(uintptr_t) "type.googleapis.com/headgate.test.ValueChange";
	any.value.data = bytes;
	any.value.len = headgate__test__value_change__pack(change, bytes);
	command.entity_id = (char *)(uintptr_t) "e1";
	command.id = bench->next_id++;
	command.name = (char *)(uintptr_t) "Process";
	command.payload = &any;
	command.metadata = &metadata;
	in.message_case = IN_CASE(COMMAND);
	in.command = &command;
	receive(bench, &in);
}

static const Reply *reply_to(struct bench *bench, const Change *change)
{
	send_command(bench, change);
	assert_int_equal(bench->verdict, HG_SEND);
	assert_non_null(bench->out);
	assert_int_equal(bench->out->message_case, OUT_CASE(REPLY));
	assert_int_equal(bench->out->reply->command_id, bench->next_id - 1);
	return bench->out->reply;
}

/* What the reply tells; count -1: that there is no state. */
static void is_answer(const Reply *reply, int64_t count, const char *metadata)
{
	const Google__Protobuf__Any *any = reply->client_action->reply->payload;
	Headgate__Test__Answer *answer =
		headgate__test__answer__unpack(NULL, any->value.len, any->value.data);

	assert_non_null(answer);
	assert_int_equal(answer->is_there, count >= 0);
	assert_int_equal(answer->count, count >= 0 ? count : 0);
	assert_string_equal(answer->metadata, metadata);
	headgate__test__answer__free_unpacked(answer, NULL);
}

static void is_update(const Reply *reply, int64_t count)
{
	const Google__Protobuf__Any *any;
	Headgate__Test__Kept *kept;

	assert_non_null(reply->state_action);
	assert_int_equal(reply->state_action->action_case, DOES(UPDATE));
	any = reply->state_action->update->value;
	assert_string_equal(any->type_url, KEPT_URL);
	kept = headgate__test__kept__unpack(NULL, any->value.len, any->value.data);
	assert_non_null(kept);
	assert_int_equal(kept->count, count);
	headgate__test__kept__free_unpacked(kept, NULL);
}

static void is_failure(const Reply *reply, const char *text)
{
	assert_null(reply->state_action);
	assert_int_equal(reply->n_side_effects, 0);
	assert_int_equal(reply->client_action->action_case,
			 CLOUDSTATE__CLIENT_ACTION__ACTION_FAILURE);
	assert_string_equal(reply->client_action->failure->description, text);
	assert_false(reply->client_action->failure->restart);
}

/* ---- Tests ------------------------------------------------------------------------------------
 */

static void updates_and_deletes(void **state)
{
	struct bench bench;
	Change none = HEADGATE__TEST__VALUE_CHANGE__INIT;
	Change add = HEADGATE__TEST__VALUE_CHANGE__INIT;
	Change both = HEADGATE__TEST__VALUE_CHANGE__INIT;
	const Reply *reply;

	(void)state;
	add.add = 2;
	both.add = 1;
	both.remove = true;
	begin(&bench, 0);
	reply = reply_to(&bench, &none);
	is_answer(reply, -1, "");
	assert_null(reply->state_action);
	reply = reply_to(&bench, &add);
	is_answer(reply, 2, "");
	is_update(reply, 2);
	is_update(reply_to(&bench, &add), 4);
	reply = reply_to(&bench, &both); /* the last one wins */
	assert_int_equal(reply->state_action->action_case, DOES(DELETE));
	is_answer(reply, -1, "");
	is_answer(reply_to(&bench, &none), -1, "");
	is_update(reply_to(&bench, &add), 2);
	bench_close(&bench);
}

static void begins_with_what_is_stored(void **state)
{
	struct bench bench;
	Change none = HEADGATE__TEST__VALUE_CHANGE__INIT;

	(void)state;
	none.metadata = (char *)(uintptr_t) "x-who";
	begin(&bench, 40);
	is_answer(reply_to(&bench, &none), 40, "me");
	none.metadata = (char *)(uintptr_t) "x-else";
	is_answer(reply_to(&bench, &none), 40, "");
	bench_close(&bench);
}

static void a_failure_changes_nothing(void **state)
{
	struct bench bench;
	Change none = HEADGATE__TEST__VALUE_CHANGE__INIT;
	Change fail = HEADGATE__TEST__VALUE_CHANGE__INIT;
	Change large = HEADGATE__TEST__VALUE_CHANGE__INIT;
	char text[MESSAGE_BYTES_MAX];

	(void)state;
	memset(text, 'x', sizeof text);
	text[sizeof text - 64] = '\0';
	fail.add = 1;
	fail.effect = (char *)(uintptr_t) "other";
	fail.fail = (char *)(uintptr_t) "no";
	large.add = 1;
	large.text = text;
	begin(&bench, 7);
	is_failure(reply_to(&bench, &fail), "no");
	is_answer(reply_to(&bench, &none), 7, "");
	is_failure(reply_to(&bench, &large), "Reply is too large");
	is_answer(reply_to(&bench, &none), 7, "");
	bench_close(&bench);
}

static void effects_and_forwards(void **state)
{
	struct bench bench;
	Change change = HEADGATE__TEST__VALUE_CHANGE__INIT;
	const Reply *reply;

	(void)state;
	change.add = 1;
	change.effect = (char *)(uintptr_t) "other";
	change.forward = true;
	begin(&bench, 0);
	reply = reply_to(&bench, &change);
	is_update(reply, 1);
	assert_int_equal(reply->n_side_effects, 1);
	assert_string_equal(reply->side_effects[0]->service_name, SERVICE);
	assert_int_equal(reply->client_action->action_case,
			 CLOUDSTATE__CLIENT_ACTION__ACTION_FORWARD);
	assert_string_equal(reply->client_action->forward->command_name, "Peek");
	bench_close(&bench);
}

/* Each breaks the stream. */
static void wrong_beginnings(void **state)
{
	static const struct {
		const char *name;
		const char *service;
		const char *url;
		const char *text;
	} rows[] = {
		{"service", "headgate.test.Entity", KEPT_URL, "Service unknown"},
		{"type", SERVICE, "type.googleapis.com/headgate.test.ValueChange",
		 "the state is of another type"},
	};
	struct bench bench;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_int_equal(bench_open(&bench, &test_value), 0);
		send_init(&bench, rows[i].service, rows[i].url, 1);
		UNIT_ROW(rows[i].name, bench.verdict == HG_END);
		UNIT_ROW(rows[i].name, bench.out->message_case == OUT_CASE(FAILURE));
		UNIT_ROW(rows[i].name, strcmp(bench.out->failure->description, rows[i].text) == 0);
		bench_close(&bench);
	}
	assert_int_equal(bench_open(&bench, &test_value), 0);
	receive_bytes(&bench, (struct headgate_bytes){"\x12\x00", 2});
	assert_string_equal(bench.out->failure->description, "Message received before init");
	bench_close(&bench);
}

static int try_everything(struct headgate_context *context, void *state, const void *message)
{
	Headgate__Test__Answer answer = HEADGATE__TEST__ANSWER__INIT;
	const struct headgate_bytes *bytes = state;

	(void)message;
	if (bytes && bytes->size == 2)
		return headgate_emit(context, &answer.base);
	return headgate_update_any(context, "json.cloudstate.io/x",
				   (struct headgate_bytes){"{}", 2});
}

static const struct headgate_command raw_commands[] = {
	{"Process", NULL, try_everything}, {"Peek", NULL, try_everything}, {0}};
static const struct headgate_value_entity raw = {
	.service_name = SERVICE,
	.persistence_id = "raw",
	.commands = raw_commands,
};

static void undecoded_states_and_no_events(void **state)
{
	struct bench bench;
	Change none = HEADGATE__TEST__VALUE_CHANGE__INIT;
	const Reply *reply;

	(void)state;
	assert_int_equal(bench_open(&bench, &raw), 0);
	send_init(&bench, SERVICE, "", 0);
	reply = reply_to(&bench, &none);
	assert_string_equal(reply->state_action->update->value->type_url, "json.cloudstate.io/x");
	is_failure(reply_to(&bench, &none), "A value entity has no events");
	bench_close(&bench);
}

/* With so little memory, commands fail or are answered, and a failed one changes nothing. */
static void want_of_memory(void **state)
{
	Change add = HEADGATE__TEST__VALUE_CHANGE__INIT;
	unsigned done = 0;

	(void)state;
	add.add = 1;
	for (long left = 1; left < 40; left++) {
		Change none = HEADGATE__TEST__VALUE_CHANGE__INIT;
		struct bench bench;
		bool is_done;

		begin(&bench, 7);
		allocations_left = left;
		send_command(&bench, &add);
		allocations_left = -1;
		assert_int_equal(bench.verdict, HG_SEND);
		is_done = bench.out->reply->state_action != NULL;
		done += is_done;
		is_answer(reply_to(&bench, &none), is_done ? 8 : 7, "");
		bench_close(&bench);
	}
	assert_true(done > 0 && done < 39);
}

static void any_bytes(void **state)
{
	uint64_t random = 7;
	struct bench bench;

	(void)state;
	for (unsigned i = 0; i < 3000; i++) {
		uint8_t bytes[24];
		size_t size;

		for (size_t j = 0; j < sizeof bytes; j++) {
			random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
			bytes[j] = (uint8_t)(random >> 56) & (j % 3 ? 0x1f : 0xff);
		}
		size = bytes[0] % sizeof bytes;
		begin(&bench, 1);
		bytes[0] = bytes[1] & 1 ? 0x12 : 0x0a;
		receive_bytes(&bench, (struct headgate_bytes){bytes, size});
		bench_close(&bench);
	}
}

static void declarations(void **state)
{
	static const struct {
		const char *name;
		struct headgate_value_entity entity;
		const char *text;
	} rows[] = {
		{"no persistence id",
		 {.service_name = SERVICE, .commands = raw_commands},
		 "an entity needs a service_name and a persistence_id"},
		{"no commands",
		 {.service_name = SERVICE, .persistence_id = "x"},
		 "entity headgate.test.Register has no commands"},
		{"another service",
		 {.service_name = "no.Such", .persistence_id = "x", .commands = raw_commands},
		 "service no.Such is not in the descriptor set"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct headgate_bytes set = {descriptor_set, sizeof descriptor_set};
		struct headgate_error err;
		struct hg_type *type;

		UNIT_ROW(rows[i].name, hg_type_new_value(&rows[i].entity, set, &type, &err) == -1);
		UNIT_ROW(rows[i].name, strcmp(err.text, rows[i].text) == 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(updates_and_deletes),
		cmocka_unit_test(begins_with_what_is_stored),
		cmocka_unit_test(a_failure_changes_nothing),
		cmocka_unit_test(effects_and_forwards),
		cmocka_unit_test(wrong_beginnings),
		cmocka_unit_test(undecoded_states_and_no_events),
		cmocka_unit_test(want_of_memory),
		cmocka_unit_test(any_bytes),
		cmocka_unit_test(declarations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

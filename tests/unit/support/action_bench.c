#include "tests/unit/support/action_bench.h"

#include <stdlib.h>

#include "headgate/test/action.pb-c.h"
#include "tests/unit/unit.h"

typedef Headgate__Test__Step Step;
typedef Headgate__Test__Result Result;
typedef Cloudstate__Action__ActionCommand Command;

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

long bench_allocations_left = -1;

static bool may_allocate(void)
{
	if (bench_allocations_left < 0)
		return true;
	if (bench_allocations_left == 0)
		return false;
	bench_allocations_left--;
	return true;
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

int bench_open(struct bench *bench, const struct headgate_action *action, bool client, bool server)
{
	static const struct hg_log quiet = {.on_log = on_log};
	struct headgate_error err;

	*bench = (struct bench){0};
	if (hg_action_type_new(action,
			       (struct headgate_bytes){descriptor_set, sizeof descriptor_set},
			       &bench->type, &err))
		return -1;
	bench->types[0] = bench->type;
	hg_action_init(&bench->action, bench->types, 1);
	bench->action.client_streaming = client;
	bench->action.server_streaming = server;
	return hg_worker_init(&bench->worker, &quiet, MESSAGE_BYTES_MAX);
}

void bench_close(struct bench *bench)
{
	if (bench->response)
		cloudstate__action__action_response__free_unpacked(bench->response, NULL);
	hg_action_fini(&bench->action);
	hg_worker_fini(&bench->worker);
	hg_action_type_free(bench->type);
}

void bench_give(struct bench *bench, const char *name, const char *text)
{
	Command command = CLOUDSTATE__ACTION__ACTION_COMMAND__INIT;
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	Cloudstate__Metadata metadata = CLOUDSTATE__METADATA__INIT;
	Cloudstate__MetadataEntry entries[2] = {CLOUDSTATE__METADATA_ENTRY__INIT,
						CLOUDSTATE__METADATA_ENTRY__INIT};
	Cloudstate__MetadataEntry *list[] = {&entries[0], &entries[1]};
	Step step = HEADGATE__TEST__STEP__INIT;
	uint8_t value[256];
	uint8_t raw[] = {0, 255};
	char strings[][40] = {SERVICE, STEP_URL, "x-k", "one", "x-bin"};

	entries[0].key = strings[2];
	entries[0].value_case = CLOUDSTATE__METADATA_ENTRY__VALUE_STRING_VALUE;
	entries[0].string_value = strings[3];
	entries[1].key = strings[4];
	entries[1].value_case = CLOUDSTATE__METADATA_ENTRY__VALUE_BYTES_VALUE;
	entries[1].bytes_value = (ProtobufCBinaryData){sizeof raw, raw};
	metadata.n_entries = 2;
	metadata.entries = list;
	command.metadata = &metadata;
	if (name) {
		command.service_name = strings[0];
		command.name = (char *)(uintptr_t)name;
	}
	if (text) {
		step.text = (char *)(uintptr_t)text;
		any.type_url = strings[1];
		any.value = (ProtobufCBinaryData){headgate__test__step__pack(&step, value), value};
		command.payload = &any;
	}
	size_t size = cloudstate__action__action_command__get_packed_size(&command);
	uint8_t *bytes = __real_malloc(size);
	(void)cloudstate__action__action_command__pack(&command, bytes); /* size bytes */
	hg_action_receive(&bench->action, &bench->worker, (struct headgate_bytes){bytes, size});
	free(bytes);
}

const Response *bench_take(struct bench *bench)
{
	struct headgate_bytes bytes;
	long left = bench_allocations_left;

	if (!hg_action_next(&bench->action, &bytes))
		return NULL;
	bench_allocations_left = -1;
	if (bench->response)
		cloudstate__action__action_response__free_unpacked(bench->response, NULL);
	bench->response = cloudstate__action__action_response__unpack(NULL, bytes.size, bytes.data);
	bench_allocations_left = left;
	assert_non_null(bench->response);
	return bench->response;
}

void bench_assert_reply(struct bench *bench, const char *text)
{
	const Response *response = bench_take(bench);

	assert_non_null(response);
	assert_int_equal(response->response_case, IS(REPLY));
	assert_string_equal(response->reply->payload->type_url,
			    "type.googleapis.com/headgate.test.Result");
	Result *result = headgate__test__result__unpack(NULL, response->reply->payload->value.len,
							response->reply->payload->value.data);
	assert_non_null(result);
	assert_string_equal(result->text, text);
	headgate__test__result__free_unpacked(result, NULL);
}

void bench_assert_no_more(struct bench *bench, bool is_over)
{
	assert_null(bench_take(bench));
	assert_int_equal(bench->action.is_over, is_over);
	assert_false(bench->action.is_aborted);
}

void bench_assert_failure(struct bench *bench, enum headgate_code code, const char *text)
{
	const Response *response = bench_take(bench);

	assert_non_null(response);
	assert_int_equal(response->response_case, IS(FAILURE));
	assert_string_equal(response->failure->description, text);
	if (code == HEADGATE_UNKNOWN)
		assert_null(response->failure->status);
	else
		assert_int_equal(response->failure->status->code, code);
	bench_assert_no_more(bench, true);
}

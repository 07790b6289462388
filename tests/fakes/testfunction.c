/* A user function for tests of a gateway: headgate.test.Entity does what its commands say, also
 * what no function should do; headgate.test.Transcoding answers with its requests;
 * headgate.test.Actions is in test_actions.c, headgate.test.Register in test_value.c, the CRDTs are
 * in test_crdts.c. With TESTFUNCTION_LIBRARY set it is the library of test_library.c and nothing
 * else. See the .proto files. */

#include <headgate/function.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "cloudstate/event_sourced.pb-c.h"
#include "headgate/test/entity.pb-c.h"
#include "support/c/entity.h"
#include "support/c/wire.h"
#include "tests/fakes/test_actions.h"
#include "tests/fakes/test_crdts.h"
#include "tests/fakes/test_library.h"
#include "tests/fakes/test_value.h"

#define INIT(NAME) HEADGATE__TEST__##NAME##__INIT
#define MISBEHAVIOUR(NAME) HEADGATE__TEST__MISBEHAVIOUR__##NAME

typedef Headgate__Test__Request Request;
typedef Headgate__Test__Response Response;
typedef Headgate__Test__Happened Happened;
typedef Cloudstate__Eventsourced__EventSourcedStreamOut StreamOut;
typedef Cloudstate__Eventsourced__EventSourcedReply Reply;
typedef Google__Protobuf__Any Any;

/* A test that asks for more has a mistake in it. */
#define EMIT_MAX 10000
#define PADDING_MAX (64 * 1024 * 1024)
#define MESSAGE_BYTES_MAX ((size_t)256 * 1024 * 1024)
#define TEXT_MAX 256

/* Delayed commands hold a thread each. */
#define THREADS 16

static const uint8_t descriptor_set[] = {
#include "tests/fakes/gen/descriptor_set.inc"
};

/* count and last come from events; commands is what no function should keep: forgotten with the
 * activation, it tells tests whether there was a new one. */
struct thing {
	int64_t count;
	int64_t commands;
	char last[TEXT_MAX];
};

/* ---- Good behaviour ---------------------------------------------------------------------------
 */

static int happened(void *state, const void *message)
{
	const Happened *event = message;
	struct thing *thing = state;

	thing->count++;
	(void)strncpy(thing->last, event->text, TEXT_MAX - 1); /* the last byte stays zero */
	return 0;
}

static int write_snapshot(struct headgate_context *context, const void *state)
{
	const struct thing *thing = state;
	Headgate__Test__Snapshot snapshot = INIT(SNAPSHOT);

	snapshot.count = thing->count;
	snapshot.last = (char *)(uintptr_t)thing->last;
	return headgate_snapshot(context, &snapshot.base);
}

static int read_snapshot(void *state, const void *message)
{
	const Headgate__Test__Snapshot *snapshot = message;
	struct thing *thing = state;

	thing->count = snapshot->count;
	(void)strncpy(thing->last, snapshot->last, TEXT_MAX - 1); /* the last byte stays zero */
	return 0;
}

static int make_padding(struct headgate_context *context, int32_t size,
			ProtobufCBinaryData *padding)
{
	if (size < 0 || size > PADDING_MAX)
		return headgate_fail(context, HEADGATE_INVALID_ARGUMENT, "padding out of range");
	if (size == 0)
		return 0;
	padding->data = headgate_alloc(context, (size_t)size, 1);
	padding->len = padding->data ? (size_t)size : 0;
	return padding->data ? 0 : -1;
}

static int fill_event(struct headgate_context *context, const Request *request, Happened *event)
{
	*event = (Happened)INIT(HAPPENED);
	event->text = request->text;
	return make_padding(context, request->event_bytes, &event->padding);
}

static int emit(struct headgate_context *context, const Request *request)
{
	Happened event;

	if (request->emit > EMIT_MAX)
		return headgate_fail(context, HEADGATE_INVALID_ARGUMENT, "too many events");
	if (fill_event(context, request, &event))
		return -1;
	for (int32_t i = 0; i < request->emit; i++)
		if (headgate_emit(context, &event.base))
			return -1;
	return 0;
}

static int fill_response(struct headgate_context *context, const struct thing *thing,
			 const Request *request, Response *response)
{
	*response = (Response)INIT(RESPONSE);
	response->id = request->id;
	response->text = request->text;
	response->count = thing->count;
	response->sequence = headgate_sequence(context);
	response->activation_commands = thing->commands;
	response->last = (char *)(uintptr_t)thing->last;
	return make_padding(context, request->reply_bytes, &response->padding);
}

/* ---- Bad behaviour ----------------------------------------------------------------------------
 */

static int send_raw(struct headgate_context *context, enum hg_verdict verdict, const void *data,
		    size_t size)
{
	hg_context_override(context, verdict, (struct headgate_bytes){data, size});
	return 0;
}

static int send_message(struct headgate_context *context, enum hg_verdict verdict,
			const StreamOut *out)
{
	size_t size = protobuf_c_message_get_packed_size(&out->base);
	uint8_t *data = headgate_alloc(context, 1, size);

	if (!data)
		return -1;
	return send_raw(context, verdict, data, protobuf_c_message_pack(&out->base, data));
}

static int wrap(struct headgate_context *context, const ProtobufCMessage *message, const char *url,
		Any *any)
{
	*any = (Any)GOOGLE__PROTOBUF__ANY__INIT;
	any->type_url = (char *)(uintptr_t)url;
	any->value.len = protobuf_c_message_get_packed_size(message);
	any->value.data = headgate_alloc(context, 1, any->value.len);
	if (!any->value.data)
		return -1;
	(void)protobuf_c_message_pack(message, any->value.data); /* as long as just measured */
	return 0;
}

/* The events that the command emitted and the state already holds, as the reply carries them. */
static int wrap_events(struct headgate_context *context, const Request *request, Reply *reply)
{
	size_t count = request->emit > 0 ? (size_t)request->emit : 0;
	Any *any = headgate_alloc(context, 1, sizeof *any);
	Happened event;

	reply->events = headgate_alloc(context, count, sizeof(Any *));
	if (!any || !reply->events || fill_event(context, request, &event) ||
	    wrap(context, &event.base, "type.googleapis.com/headgate.test.Happened", any))
		return -1;
	while (reply->n_events < count)
		reply->events[reply->n_events++] = any;
	return 0;
}

static int send_failure_message(struct headgate_context *context, int64_t command_id)
{
	Cloudstate__Failure failure = CLOUDSTATE__FAILURE__INIT;
	StreamOut out = CLOUDSTATE__EVENTSOURCED__EVENT_SOURCED_STREAM_OUT__INIT;

	failure.command_id = command_id;
	failure.description = (char *)(uintptr_t) "failure message on purpose";
	out.message_case = CLOUDSTATE__EVENTSOURCED__EVENT_SOURCED_STREAM_OUT__MESSAGE_FAILURE;
	out.failure = &failure;
	return send_message(context, HG_END, &out);
}

/* A reply with a failure and whatever else is wished for. */
static int send_failure_action(struct headgate_context *context, const Request *request,
			       bool is_restart, int32_t code)
{
	Google__Rpc__Status status = GOOGLE__RPC__STATUS__INIT;
	Cloudstate__Failure failure = CLOUDSTATE__FAILURE__INIT;
	Cloudstate__ClientAction action = CLOUDSTATE__CLIENT_ACTION__INIT;
	Reply reply = CLOUDSTATE__EVENTSOURCED__EVENT_SOURCED_REPLY__INIT;
	StreamOut out = CLOUDSTATE__EVENTSOURCED__EVENT_SOURCED_STREAM_OUT__INIT;

	failure.command_id = hg_context_command_id(context);
	failure.description = (char *)(uintptr_t) "failure on purpose";
	failure.restart = is_restart;
	status.code = code;
	failure.status = code != 0 ? &status : NULL;
	action.action_case = CLOUDSTATE__CLIENT_ACTION__ACTION_FAILURE;
	action.failure = &failure;
	reply.command_id = failure.command_id;
	reply.client_action = &action;
	out.message_case = CLOUDSTATE__EVENTSOURCED__EVENT_SOURCED_STREAM_OUT__MESSAGE_REPLY;
	out.reply = &reply;
	if (wrap_events(context, request, &reply))
		return -1;
	return send_message(context, HG_SEND, &out);
}

struct odd_reply {
	int64_t id_offset;
	bool has_action;
	bool has_snapshot;
};

static int send_odd_reply(struct headgate_context *context, const struct thing *thing,
			  const Request *request, const struct odd_reply *odd)
{
	Any payload;
	Any snapshot_any;
	Response response;
	Headgate__Test__Snapshot snapshot = INIT(SNAPSHOT);
	Cloudstate__Reply inner = CLOUDSTATE__REPLY__INIT;
	Cloudstate__ClientAction action = CLOUDSTATE__CLIENT_ACTION__INIT;
	Reply reply = CLOUDSTATE__EVENTSOURCED__EVENT_SOURCED_REPLY__INIT;
	StreamOut out = CLOUDSTATE__EVENTSOURCED__EVENT_SOURCED_STREAM_OUT__INIT;

	snapshot.count = thing->count;
	snapshot.last = (char *)(uintptr_t)thing->last;
	if (fill_response(context, thing, request, &response) ||
	    wrap(context, &response.base, "type.googleapis.com/headgate.test.Response", &payload) ||
	    wrap(context, &snapshot.base, "type.googleapis.com/headgate.test.Snapshot",
		 &snapshot_any) ||
	    wrap_events(context, request, &reply))
		return -1;
	inner.payload = &payload;
	action.action_case = CLOUDSTATE__CLIENT_ACTION__ACTION_REPLY;
	action.reply = &inner;
	reply.command_id = hg_context_command_id(context) + odd->id_offset;
	reply.client_action = odd->has_action ? &action : NULL;
	reply.snapshot = odd->has_snapshot ? &snapshot_any : NULL;
	out.message_case = CLOUDSTATE__EVENTSOURCED__EVENT_SOURCED_STREAM_OUT__MESSAGE_REPLY;
	out.reply = &reply;
	return send_message(context, HG_SEND, &out);
}

static int misbehave(struct headgate_context *context, const struct thing *thing,
		     const Request *request)
{
	switch ((int)request->misbehave) { /* proto3 enums are open */
	case MISBEHAVIOUR(ABORT_STREAM):
		return send_raw(context, HG_ABORT, "", 0);
	case MISBEHAVIOUR(END_STREAM):
		return send_raw(context, HG_END, "", 0);
	case MISBEHAVIOUR(WRONG_ID):
		return send_odd_reply(context, thing, request,
				      &(struct odd_reply){.id_offset = 1, .has_action = true});
	case MISBEHAVIOUR(EMPTY_MESSAGE):
		return send_raw(context, HG_SEND, "", 0);
	case MISBEHAVIOUR(GARBAGE):
		return send_raw(context, HG_SEND, "\xff\xff\xff\xff", 4);
	case MISBEHAVIOUR(HANG):
		return send_raw(context, HG_READ_ON, "", 0);
	case MISBEHAVIOUR(FAILURE_MESSAGE):
		return send_failure_message(context, hg_context_command_id(context));
	case MISBEHAVIOUR(FAILURE_ZERO):
		return send_failure_message(context, 0);
	case MISBEHAVIOUR(NO_ACTION):
		return send_odd_reply(context, thing, request, &(struct odd_reply){0});
	case MISBEHAVIOUR(FAIL_WITH_EVENTS):
		return send_failure_action(context, request, false, 0);
	case MISBEHAVIOUR(RESTART_WITH_EVENTS):
		return send_failure_action(context, request, true, 0);
	case MISBEHAVIOUR(BAD_CODE):
		return send_failure_action(context, request, false, 4711);
	case MISBEHAVIOUR(SNAPSHOT):
		return send_odd_reply(
			context, thing, request,
			&(struct odd_reply){.has_action = true, .has_snapshot = true});
	default:
		return headgate_fail(context, HEADGATE_INVALID_ARGUMENT, "no such misbehaviour");
	}
}

/* ---- The commands -----------------------------------------------------------------------------
 */

static int process(struct headgate_context *context, void *state, const void *message)
{
	const Request *request = message;
	struct thing *thing = state;
	Response response;

	thing->commands++;
	if (request->delay_ms > 0)
		(void)poll(NULL, 0, request->delay_ms); /* waits, nothing can come */
	if (emit(context, request))
		return -1;
	if (request->fail[0])
		return headgate_fail(context, (enum headgate_code)request->fail_code, "%s",
				     request->fail);
	if (request->effect[0] && headgate_effect(context, "headgate.test.Second", request->effect,
						  &request->base, request->synchronous))
		return -1;
	if (request->misbehave != MISBEHAVIOUR(NONE))
		return misbehave(context, thing, request);
	if (request->forward[0])
		return headgate_forward(context, "headgate.test.Second", request->forward,
					&request->base);
	if (fill_response(context, thing, request, &response))
		return -1;
	return headgate_reply(context, &response.base);
}

static int echo(struct headgate_context *context, void *state, const void *message)
{
	const struct headgate_bytes *shape = message;

	(void)state;
	return headgate_reply_any(context, "type.googleapis.com/headgate.test.Shape", *shape);
}

static int answer_empty(struct headgate_context *context, void *state, const void *message)
{
	(void)context;
	(void)state;
	(void)message;
	return 0;
}

/* Shape.name becomes HttpBody.content_type, Shape.bytes_value HttpBody.data. */
static int download(struct headgate_context *context, void *state, const void *message)
{
	const struct headgate_bytes *shape = message;
	struct headgate_bytes name = {"", 0};
	struct headgate_bytes data = {"", 0};
	struct hg_reader reader;
	struct hg_field field;

	(void)state;
	hg_reader_init(&reader, *shape);
	while (hg_reader_next(&reader, &field)) {
		if (hg_is_bytes(&field, 2))
			name = field.bytes;
		else if (hg_is_bytes(&field, 16))
			data = field.bytes;
	}
	size_t size = hg_bytes_field_size(1, name.size) + hg_bytes_field_size(2, data.size);
	uint8_t *body = headgate_alloc(context, 1, size);
	if (!body)
		return -1;
	(void)hg_put_bytes_field(hg_put_bytes_field(body, 1, name), 2, data); /* size bytes */
	return headgate_reply_any(context, "type.googleapis.com/google.api.HttpBody",
				  (struct headgate_bytes){body, size});
}

/* ---- The declarations -------------------------------------------------------------------------
 */

static const struct headgate_command commands[] = {
	{"Process", &headgate__test__request__descriptor, process},
	{0},
};

static const struct headgate_event events[] = {
	{.type = &headgate__test__happened__descriptor, .apply = happened},
	{0},
};

#define THING                                                                                      \
	.commands = commands, .events = events, .state_size = sizeof(struct thing),                \
	.snapshot_type = &headgate__test__snapshot__descriptor, .write_snapshot = write_snapshot,  \
	.read_snapshot = read_snapshot

static const struct headgate_entity entity = {
	.service_name = "headgate.test.Entity",
	.persistence_id = "test-entity",
	.snapshot_every = 5,
	THING,
};

static const struct headgate_entity second = {
	.service_name = "headgate.test.Second",
	.persistence_id = "test-second",
	THING,
};

static const struct headgate_entity short_lived = {
	.service_name = "headgate.test.ShortLived",
	.persistence_id = "test-short-lived",
	.passivation_timeout_ms = 100,
	THING,
};

static const struct headgate_command transcoding_commands[] = {
	{"Get", NULL, echo},	      {"PutAll", NULL, echo},
	{"PatchNested", NULL, echo},  {"Purge", NULL, echo},
	{"Anything", NULL, echo},     {"NestedPath", NULL, echo},
	{"EnumPath", NULL, echo},     {"OneStar", NULL, echo},
	{"TwoStars", NULL, echo},     {"Pattern", NULL, echo},
	{"Unnamed", NULL, echo},      {"Activate", NULL, echo},
	{"RunFile", NULL, echo},      {"Literal", NULL, echo},
	{"Variable", NULL, echo},     {"BodyField", NULL, echo},
	{"BodyList", NULL, echo},     {"BodyScalar", NULL, echo},
	{"BodyMap", NULL, echo},      {"ManyRules", NULL, echo},
	{"NoRule", NULL, echo},	      {"Remove", NULL, answer_empty},
	{"Download", NULL, download}, {0},
};

static const struct headgate_entity transcoding = {
	.service_name = "headgate.test.Transcoding",
	.persistence_id = "test-transcoding",
	.commands = transcoding_commands,
	.state_size = 1,
};

int main(void)
{
	static const struct headgate_entity *const entities[] = {&entity, &second, &short_lived,
								 &transcoding};
	static const struct headgate_value_entity *const value_entities[] = {&test_value};
	static const struct headgate_action *const actions[] = {&test_actions};
	static const struct headgate_crdt_entity *const crdts[] = {&test_counters, &test_tags,
								   &test_presence};
	static const struct headgate_action *const library[] = {&test_library};
	bool is_library = getenv("TESTFUNCTION_LIBRARY") != NULL;

	return headgate_function_main(&(struct headgate_function_params){
		.entities = entities,
		.entity_count = is_library ? 0 : sizeof entities / sizeof entities[0],
		.value_entities = value_entities,
		.value_entity_count =
			is_library ? 0 : sizeof value_entities / sizeof value_entities[0],
		.actions = is_library ? library : actions,
		.action_count = sizeof actions / sizeof actions[0],
		.crdts = crdts,
		.crdt_count = is_library ? 0 : sizeof crdts / sizeof crdts[0],
		.descriptor_set = {descriptor_set, sizeof descriptor_set},
		.service_name = "testfunction",
		.service_version = "1",
		.threads = THREADS,
		.max_message_bytes = MESSAGE_BYTES_MAX,
		.stop_grace_ms = 100,
	});
}

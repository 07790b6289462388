#include "tests/fakes/test_crdts.h"

#include <poll.h>
#include <string.h>

#include "cloudstate/crdt.pb-c.h"
#include "headgate/test/crdt.pb-c.h"
#include "support/c/context.h"

typedef Headgate__Test__Change Change;
typedef Headgate__Test__Replica Replica;
typedef Cloudstate__Crdt__CrdtStreamOut StreamOut;
typedef Cloudstate__Crdt__CrdtReply Reply;

#define MISBEHAVIOUR(NAME) HEADGATE__TEST__CRDT_MISBEHAVIOUR__CRDT_##NAME

/* A stream whose on_cancel is larger has a mistake in it. */
#define CANCEL_MAX 512

struct watch {
	int64_t messages;
	int64_t end_at;
	size_t cancel_size;
	uint8_t cancel[CANCEL_MAX]; /* a Change */
};

/* ---- Changes ----------------------------------------------------------------------------------
 */

static int requesttags(struct headgate_context *context, struct headgate_crdt *crdt,
		       const Change *change)
{
	if (change->clear && headgate_set_clear(crdt))
		return -1;
	for (size_t i = 0; i < change->n_remove; i++)
		if (headgate_set_remove(crdt, headgate_any_string(context, change->remove[i])))
			return -1;
	for (size_t i = 0; i < change->n_add; i++)
		if (headgate_set_add(crdt, headgate_any_string(context, change->add[i])))
			return -1;
	return 0;
}

static int apply(struct headgate_context *context, struct headgate_crdt *crdt, const Change *change)
{
	int result = 0;

	if (headgate_crdt_kind(crdt) == HEADGATE_PNCOUNTER)
		result = headgate_pncounter_change(crdt, change->by);
	else if (headgate_crdt_kind(crdt) == HEADGATE_ORSET)
		result = requesttags(context, crdt, change);
	else if (change->vote != 0)
		result = headgate_vote_set(crdt, change->vote > 0);
	if (result == 0 && change->delete_)
		result = headgate_crdt_delete(context);
	if (result == 0 && change->consistency != 0)
		result = headgate_crdt_consistency(context,
						   (enum headgate_consistency)change->consistency);
	return result;
}

static int64_t number_of(const struct headgate_crdt *crdt)
{
	if (headgate_crdt_kind(crdt) == HEADGATE_PNCOUNTER)
		return headgate_pncounter_value(crdt);
	if (headgate_crdt_kind(crdt) == HEADGATE_ORSET)
		return (int64_t)headgate_set_size(crdt);
	return headgate_vote_votes_for(crdt);
}

static char *copy_text(struct headgate_context *context, struct headgate_bytes bytes)
{
	char *text = headgate_alloc(context, bytes.size + 1, 1);

	if (text && bytes.size > 0)
		memcpy(text, bytes.data, bytes.size);
	return text;
}

static int fill_elements(struct headgate_context *context, const struct headgate_crdt *crdt,
			 Replica *replica)
{
	struct headgate_any element;
	struct headgate_bytes text;
	size_t cursor = 0;

	replica->elements = headgate_alloc(context, headgate_set_size(crdt), sizeof(char *));
	if (!replica->elements)
		return -1;
	while (headgate_set_next(crdt, &cursor, &element)) {
		if (!headgate_any_get_string(element, &text))
			return headgate_fail(context, HEADGATE_INTERNAL, "no string in a set");
		char *copy = copy_text(context, text);
		if (!copy)
			return -1;
		replica->elements[replica->n_elements++] = copy;
	}
	return 0;
}

static int fill_replica(struct headgate_context *context, const struct headgate_crdt *crdt,
			Replica *replica)
{
	*replica = (Replica)HEADGATE__TEST__REPLICA__INIT;
	replica->id = (char *)(uintptr_t)headgate_entity_id(context);
	replica->number = number_of(crdt);
	if (headgate_crdt_kind(crdt) == HEADGATE_ORSET)
		return fill_elements(context, crdt, replica);
	if (headgate_crdt_kind(crdt) == HEADGATE_VOTE) {
		replica->own_vote = headgate_vote_own(crdt);
		replica->voters = (int32_t)headgate_vote_voters(crdt);
	}
	return 0;
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
	uint8_t *data = headgate_alloc(context, size + 1, 1);

	if (!data)
		return -1;
	return send_raw(context, verdict, data, protobuf_c_message_pack(&out->base, data));
}

static int send_failure_message(struct headgate_context *context, int64_t command_id)
{
	Cloudstate__Failure failure = CLOUDSTATE__FAILURE__INIT;
	StreamOut out = CLOUDSTATE__CRDT__CRDT_STREAM_OUT__INIT;

	failure.command_id = command_id;
	failure.description = (char *)(uintptr_t) "failure message on purpose";
	out.message_case = CLOUDSTATE__CRDT__CRDT_STREAM_OUT__MESSAGE_FAILURE;
	out.failure = &failure;
	return send_message(context, HG_END, &out);
}

static int send_stray_message(struct headgate_context *context)
{
	Cloudstate__Crdt__CrdtStreamedMessage message =
		CLOUDSTATE__CRDT__CRDT_STREAMED_MESSAGE__INIT;
	StreamOut out = CLOUDSTATE__CRDT__CRDT_STREAM_OUT__INIT;

	message.command_id = hg_context_command_id(context) + 1000;
	message.end_stream = true;
	out.message_case = CLOUDSTATE__CRDT__CRDT_STREAM_OUT__MESSAGE_STREAMED_MESSAGE;
	out.streamed_message = &message;
	return send_message(context, HG_SEND, &out);
}

struct odd_reply {
	int64_t id_offset;
	bool has_action;
	bool has_set;
	bool has_empty_delta;
	bool is_streamed;
};

static int send_odd_reply(struct headgate_context *context, const struct odd_reply *odd)
{
	Google__Protobuf__Any payload = GOOGLE__PROTOBUF__ANY__INIT;
	Google__Protobuf__Any *elements[] = {&payload};
	Cloudstate__Reply inner = CLOUDSTATE__REPLY__INIT;
	Cloudstate__ClientAction action = CLOUDSTATE__CLIENT_ACTION__INIT;
	Cloudstate__Crdt__GSetDelta set = CLOUDSTATE__CRDT__GSET_DELTA__INIT;
	Cloudstate__Crdt__CrdtDelta delta = CLOUDSTATE__CRDT__CRDT_DELTA__INIT;
	Cloudstate__Crdt__CrdtStateAction state_action = CLOUDSTATE__CRDT__CRDT_STATE_ACTION__INIT;
	Reply reply = CLOUDSTATE__CRDT__CRDT_REPLY__INIT;
	StreamOut out = CLOUDSTATE__CRDT__CRDT_STREAM_OUT__INIT;

	payload.type_url = (char *)(uintptr_t) "type.googleapis.com/headgate.test.Replica";
	inner.payload = &payload;
	action.action_case = CLOUDSTATE__CLIENT_ACTION__ACTION_REPLY;
	action.reply = &inner;
	set.n_added = 1;
	set.added = elements;
	if (odd->has_set) {
		delta.delta_case = CLOUDSTATE__CRDT__CRDT_DELTA__DELTA_GSET;
		delta.gset = &set;
	}
	state_action.action_case = CLOUDSTATE__CRDT__CRDT_STATE_ACTION__ACTION_UPDATE;
	state_action.update = &delta;
	reply.command_id = hg_context_command_id(context) + odd->id_offset;
	reply.client_action = odd->has_action ? &action : NULL;
	reply.state_action = odd->has_set || odd->has_empty_delta ? &state_action : NULL;
	reply.streamed = odd->is_streamed;
	out.message_case = CLOUDSTATE__CRDT__CRDT_STREAM_OUT__MESSAGE_REPLY;
	out.reply = &reply;
	return send_message(context, HG_SEND, &out);
}

static int misbehave(struct headgate_context *context, const Change *change)
{
	struct odd_reply odd = {.has_action = true};

	switch ((int)change->misbehave) { /* proto3 enums are open */
	case MISBEHAVIOUR(ABORT):
		return send_raw(context, HG_ABORT, "", 0);
	case MISBEHAVIOUR(END):
		return send_raw(context, HG_END, "", 0);
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
	case MISBEHAVIOUR(STRAY_MESSAGE):
		return send_stray_message(context);
	case MISBEHAVIOUR(WRONG_ID):
		odd.id_offset = 1000;
		break;
	case MISBEHAVIOUR(NO_ACTION):
		odd.has_action = false;
		break;
	case MISBEHAVIOUR(WRONG_KIND):
		odd.has_set = true;
		break;
	case MISBEHAVIOUR(EMPTY_DELTA):
		odd.has_empty_delta = true;
		break;
	case MISBEHAVIOUR(STREAMED):
		odd.is_streamed = true;
		break;
	default:
		return headgate_fail(context, HEADGATE_INVALID_ARGUMENT, "no such misbehaviour");
	}
	return send_odd_reply(context, &odd);
}

/* ---- The commands -----------------------------------------------------------------------------
 */

static int call_others(struct headgate_context *context, const Change *change)
{
	Change one = HEADGATE__TEST__CHANGE__INIT;

	one.id = change->id;
	one.by = 1;
	if (change->effect[0] && headgate_effect(context, "headgate.test.CrdtCounter",
						 change->effect, &one.base, change->synchronous))
		return -1;
	if (change->forward[0])
		return headgate_forward(context, "headgate.test.CrdtCounter", change->forward,
					&one.base);
	return 0;
}

/* With the number of the message, if it is of a stream. */
static int reply(struct headgate_context *context, const struct headgate_crdt *crdt,
		 struct watch *watch)
{
	Replica replica;

	if (fill_replica(context, crdt, &replica))
		return -1;
	replica.message = watch ? ++watch->messages : 0;
	return headgate_reply(context, &replica.base);
}

static int default_value(struct headgate_context *context, enum headgate_crdt_kind kind)
{
	return headgate_crdt_create(context, kind) ? 0 : -1;
}

static int default_counter(struct headgate_context *context)
{
	return default_value(context, HEADGATE_PNCOUNTER);
}

static int default_tags(struct headgate_context *context)
{
	return default_value(context, HEADGATE_ORSET);
}

static int default_presence(struct headgate_context *context)
{
	return default_value(context, HEADGATE_VOTE);
}

static int change_value(struct headgate_context *context, const Change *request)
{
	if (request->delay_ms > 0)
		(void)poll(NULL, 0, request->delay_ms); /* waits, nothing can come */
	if (apply(context, headgate_crdt_state(context), request))
		return -1;
	if (request->fail[0])
		return headgate_fail(context, (enum headgate_code)request->fail_code, "%s",
				     request->fail);
	return call_others(context, request);
}

static int on_apply(struct headgate_context *context, void *state, const void *message)
{
	const Change *request = message;

	(void)state;
	if (change_value(context, request))
		return -1;
	if (request->misbehave != MISBEHAVIOUR(WELL))
		return misbehave(context, request);
	return request->forward[0] ? 0 : reply(context, headgate_crdt_state(context), NULL);
}

static int keep_cancel(struct headgate_context *context, struct watch *watch,
		       const Change *on_cancel)
{
	if (!on_cancel)
		return 0;
	watch->cancel_size = protobuf_c_message_get_packed_size(&on_cancel->base);
	if (watch->cancel_size > sizeof watch->cancel)
		return headgate_fail(context, HEADGATE_INVALID_ARGUMENT, "on_cancel is too large");
	(void)protobuf_c_message_pack(&on_cancel->base, watch->cancel); /* it fits */
	return 0;
}

static int on_watch(struct headgate_context *context, void *state, const void *message)
{
	const Change *request = message;
	struct watch *watch = state;

	if (change_value(context, request) || keep_cancel(context, watch, request->on_cancel))
		return -1;
	if (request->misbehave != MISBEHAVIOUR(WELL))
		return misbehave(context, request);
	watch->end_at = request->end_at;
	if (!request->once && headgate_subscribe(context))
		return -1;
	if (request->silent)
		return headgate_no_reply(context);
	return request->forward[0] ? 0 : reply(context, headgate_crdt_state(context), watch);
}

static int on_watched(struct headgate_context *context, void *state)
{
	const struct headgate_crdt *crdt = headgate_crdt_state(context);
	struct watch *watch = state;

	if (reply(context, crdt, watch))
		return -1;
	if (watch->end_at != 0 && number_of(crdt) == watch->end_at)
		return headgate_end(context);
	return 0;
}

static int on_unwatched(struct headgate_context *context, void *state)
{
	const struct watch *watch = state;
	struct headgate_any any = {
		.type_url = {"/headgate.test.Change", sizeof "/headgate.test.Change" - 1},
		.value = {watch->cancel, watch->cancel_size},
	};
	const Change *request =
		headgate_any_unpack(context, any, &headgate__test__change__descriptor);

	return request ? apply(context, headgate_crdt_state(context), request) : -1;
}

static const struct headgate_crdt_command commands[] = {
	{"Apply", &headgate__test__change__descriptor, on_apply},
	{"Watch", &headgate__test__change__descriptor, on_watch, .on_change = on_watched,
	 .on_cancel = on_unwatched, .state_size = sizeof(struct watch)},
	{0},
};

const struct headgate_crdt_entity test_counters = {
	.service_name = "headgate.test.CrdtCounter",
	.persistence_id = "test-counters",
	.commands = commands,
	.default_value = default_counter,
};

const struct headgate_crdt_entity test_tags = {
	.service_name = "headgate.test.CrdtTags",
	.persistence_id = "test-tags",
	.commands = commands,
	.default_value = default_tags,
};

const struct headgate_crdt_entity test_presence = {
	.service_name = "headgate.test.CrdtPresence",
	.persistence_id = "test-presence",
	.commands = commands,
	.default_value = default_presence,
};

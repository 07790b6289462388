#include <string.h>

#include "cloudstate/tck/model/crdt.pb-c.h"
#include "tests/tck/function-c/crdt_model.h"
#include "tests/tck/function-c/models.h"

#define MODEL "cloudstate.tck.model.crdt"
#define TWO MODEL ".CrdtTwo"

typedef Cloudstate__Tck__Model__Crdt__State State;
typedef Cloudstate__Tck__Model__Crdt__Update Update;
typedef Cloudstate__Tck__Model__Crdt__Request Request;
typedef Cloudstate__Tck__Model__Crdt__StreamedRequest StreamedRequest;
typedef Cloudstate__Tck__Model__Crdt__RequestAction Action;
typedef Cloudstate__Tck__Model__Crdt__Response Response;

#define IS(NAME) CLOUDSTATE__TCK__MODEL__CRDT__REQUEST_ACTION__ACTION_##NAME
#define REQUEST_TYPE (&cloudstate__tck__model__crdt__request__descriptor)
#define STREAMED_TYPE (&cloudstate__tck__model__crdt__streamed_request__descriptor)

static int make_value(struct headgate_context *context)
{
	enum headgate_crdt_kind kind = tck_kind_of(headgate_entity_id(context));
	struct headgate_crdt *crdt = headgate_crdt_create(context, kind);
	struct headgate_any empty;

	if (!crdt)
		return -1;
	if (kind != HEADGATE_LWWREGISTER)
		return 0;
	empty = headgate_any_string(context, "");
	return headgate_register_set(crdt, empty);
}

static int reply_state(struct headgate_context *context)
{
	Response response = CLOUDSTATE__TCK__MODEL__CRDT__RESPONSE__INIT;

	response.state = tck_crdt_state(context, headgate_crdt_state(context));
	return response.state ? headgate_reply(context, &response.base) : -1;
}

static int apply(struct headgate_context *context, const Update *update)
{
	if (tck_crdt_change(context, headgate_crdt_state(context), update))
		return -1;
	return headgate_crdt_consistency(context,
					 (enum headgate_consistency)update->write_consistency);
}

/* ---- Process ----------------------------------------------------------------------------------
 */

static int act(struct headgate_context *context, const Action *action, bool *has_answer)
{
	Request other = CLOUDSTATE__TCK__MODEL__CRDT__REQUEST__INIT;

	switch ((int)action->action_case) {
	case IS(UPDATE):
		return apply(context, action->update);
	case IS(DELETE):
		*has_answer = true; /* the empty response */
		return headgate_crdt_delete(context);
	case IS(FORWARD):
		*has_answer = true;
		other.id = action->forward->id;
		return headgate_forward(context, TWO, "Call", &other.base);
	case IS(EFFECT):
		other.id = action->effect->id;
		return headgate_effect(context, TWO, "Call", &other.base,
				       action->effect->synchronous);
	case IS(FAIL):
		return headgate_fail(context, HEADGATE_UNKNOWN, "%s", action->fail->message);
	default:
		return 0;
	}
}

static int process(struct headgate_context *context, void *state, const void *message)
{
	const Request *request = message;
	bool has_answer = false;

	(void)state;
	for (size_t i = 0; i < request->n_actions; i++)
		if (act(context, request->actions[i], &has_answer))
			return -1;
	return has_answer ? 0 : reply_state(context);
}

/* ---- ProcessStreamed --------------------------------------------------------------------------
 */

/* The call's own copy of its request. */
struct watcher {
	StreamedRequest *request;
};

static void destroy(void *state)
{
	StreamedRequest *request = ((struct watcher *)state)->request;

	if (request)
		cloudstate__tck__model__crdt__streamed_request__free_unpacked(request, NULL);
}

static uint8_t *pack(struct headgate_context *context, const ProtobufCMessage *message,
		     size_t *ret_size)
{
	size_t size = protobuf_c_message_get_packed_size(message);
	uint8_t *bytes = headgate_alloc(context, size + 1, 1);

	if (bytes)
		*ret_size = protobuf_c_message_pack(message, bytes);
	return bytes;
}

static int keep(struct headgate_context *context, struct watcher *watcher,
		const StreamedRequest *request)
{
	size_t size;
	const uint8_t *bytes = pack(context, &request->base, &size);

	if (!bytes)
		return -1;
	watcher->request =
		cloudstate__tck__model__crdt__streamed_request__unpack(NULL, size, bytes);
	return watcher->request
		       ? 0
		       : headgate_fail(context, HEADGATE_RESOURCE_EXHAUSTED, "out of memory");
}

static int process_streamed(struct headgate_context *context, void *state, const void *message)
{
	const StreamedRequest *request = message;

	if (request->initial_update && apply(context, request->initial_update))
		return -1;
	if (headgate_is_streamed(context) &&
	    (keep(context, state, request) || headgate_subscribe(context)))
		return -1;
	return request->empty ? headgate_no_reply(context) : reply_state(context);
}

static int end_if_reached(struct headgate_context *context, const State *wanted)
{
	const State *state = tck_crdt_state(context, headgate_crdt_state(context));
	size_t sizes[2];
	const uint8_t *bytes[2];

	if (!state)
		return -1;
	bytes[0] = pack(context, &state->base, &sizes[0]);
	bytes[1] = pack(context, &wanted->base, &sizes[1]);
	if (!bytes[0] || !bytes[1])
		return -1;
	return sizes[0] == sizes[1] && memcmp(bytes[0], bytes[1], sizes[0]) == 0
		       ? headgate_end(context)
		       : 0;
}

static int on_change(struct headgate_context *context, void *state)
{
	const StreamedRequest *request = ((struct watcher *)state)->request;
	Request other = CLOUDSTATE__TCK__MODEL__CRDT__REQUEST__INIT;

	for (size_t i = 0; i < request->n_effects; i++) {
		other.id = request->effects[i]->id;
		if (headgate_effect(context, TWO, "Call", &other.base,
				    request->effects[i]->synchronous))
			return -1;
	}
	if (!request->empty && reply_state(context))
		return -1;
	return request->end_state ? end_if_reached(context, request->end_state) : 0;
}

static int on_cancel(struct headgate_context *context, void *state)
{
	const StreamedRequest *request = ((struct watcher *)state)->request;

	return request->cancel_update ? apply(context, request->cancel_update) : 0;
}

static const struct headgate_crdt_command commands[] = {
	{.name = "Process", .type = REQUEST_TYPE, .handle = process},
	{.name = "ProcessStreamed",
	 .type = STREAMED_TYPE,
	 .handle = process_streamed,
	 .on_change = on_change,
	 .on_cancel = on_cancel,
	 .state_size = sizeof(struct watcher),
	 .destroy = destroy},
	{0},
};

const struct headgate_crdt_entity tck_crdt_model = {
	.service_name = MODEL ".CrdtTckModel",
	.persistence_id = "crdt-tck-model",
	.commands = commands,
	.default_value = make_value,
};

/* ---- The other services -----------------------------------------------------------------------
 */

static int call(struct headgate_context *context, void *state, const void *message)
{
	(void)context; /* the empty response */
	(void)state;
	(void)message;
	return 0;
}

static const struct headgate_crdt_command call_alone[] = {
	{.name = "Call", .type = REQUEST_TYPE, .handle = call},
	{0},
};

const struct headgate_crdt_entity tck_crdt_two = {
	.service_name = TWO,
	.persistence_id = "crdt-tck-model-two",
	.commands = call_alone,
};

const struct headgate_crdt_entity tck_crdt_configured = {
	.service_name = MODEL ".CrdtConfigured",
	.persistence_id = "crdt-configured",
	.commands = call_alone,
	.passivation_timeout_ms = TCK_PASSIVATION_MS,
};

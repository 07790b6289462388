#include "tests/tck/function-c/models.h"

#include "cloudstate/tck/model/valueentity.pb-c.h"

#define MODEL "cloudstate.tck.model.valueentity"
#define TWO MODEL ".ValueEntityTwo"

typedef Cloudstate__Tck__Model__Valueentity__Request Request;
typedef Cloudstate__Tck__Model__Valueentity__RequestAction Action;
typedef Cloudstate__Tck__Model__Valueentity__Response Response;
typedef Cloudstate__Tck__Model__Valueentity__Persisted Persisted;

#define IS(NAME) CLOUDSTATE__TCK__MODEL__VALUEENTITY__REQUEST_ACTION__ACTION_##NAME
#define REQUEST_TYPE (&cloudstate__tck__model__valueentity__request__descriptor)

/* What a command has come to. */
struct outcome {
	const char *value;
	bool is_forwarded;
};

static int act(struct headgate_context *context, const Action *action, struct outcome *outcome)
{
	Persisted persisted = CLOUDSTATE__TCK__MODEL__VALUEENTITY__PERSISTED__INIT;
	Request other = CLOUDSTATE__TCK__MODEL__VALUEENTITY__REQUEST__INIT;

	switch ((int)action->action_case) {
	case IS(UPDATE):
		persisted.value = action->update->value;
		outcome->value = persisted.value;
		return headgate_update(context, &persisted.base);
	case IS(DELETE):
		outcome->value = "";
		return headgate_delete(context);
	case IS(FORWARD):
		outcome->is_forwarded = true;
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
	const Persisted *persisted = state;
	const Request *request = message;
	Response response = CLOUDSTATE__TCK__MODEL__VALUEENTITY__RESPONSE__INIT;
	struct outcome outcome = {.value = persisted ? persisted->value : ""};

	for (size_t i = 0; i < request->n_actions; i++)
		if (act(context, request->actions[i], &outcome))
			return -1;
	if (outcome.is_forwarded)
		return 0;
	response.message = (char *)(uintptr_t)outcome.value;
	return headgate_reply(context, &response.base);
}

static int call(struct headgate_context *context, void *state, const void *message)
{
	(void)context; /* the empty response */
	(void)state;
	(void)message;
	return 0;
}

static const struct headgate_command commands[] = {{"Process", REQUEST_TYPE, process}, {0}};
static const struct headgate_command call_alone[] = {{"Call", REQUEST_TYPE, call}, {0}};

const struct headgate_value_entity tck_value_model = {
	.service_name = MODEL ".ValueEntityTckModel",
	.persistence_id = "value-entity-tck-model",
	.commands = commands,
	.state_type = &cloudstate__tck__model__valueentity__persisted__descriptor,
};

const struct headgate_value_entity tck_value_two = {
	.service_name = TWO,
	.persistence_id = "value-entity-tck-model-two",
	.commands = call_alone,
};

const struct headgate_value_entity tck_value_configured = {
	.service_name = MODEL ".ValueEntityConfigured",
	.persistence_id = "value-entity-configured",
	.commands = call_alone,
	.passivation_timeout_ms = TCK_PASSIVATION_MS,
};

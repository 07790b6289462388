#include "tests/tck/function-c/models.h"

#include <stdlib.h>
#include <string.h>

#include "cloudstate/tck/model/eventsourced.pb-c.h"

#define MODEL "cloudstate.tck.model.eventsourced"
#define TWO MODEL ".EventSourcedTwo"

typedef Cloudstate__Tck__Model__Eventsourced__Request Request;
typedef Cloudstate__Tck__Model__Eventsourced__RequestAction Action;
typedef Cloudstate__Tck__Model__Eventsourced__Response Response;
typedef Cloudstate__Tck__Model__Eventsourced__Persisted Persisted;

#define IS(NAME) CLOUDSTATE__TCK__MODEL__EVENTSOURCED__REQUEST_ACTION__ACTION_##NAME
#define REQUEST_TYPE (&cloudstate__tck__model__eventsourced__request__descriptor)
#define PERSISTED_TYPE (&cloudstate__tck__model__eventsourced__persisted__descriptor)

/* The values of all events in a row; text is NULL before the first. */
struct model {
	char *text;
};

static const char *text_of(const struct model *model)
{
	return model->text ? model->text : "";
}

static int append(void *state, const void *message)
{
	struct model *model = state;
	const Persisted *persisted = message;
	size_t old_size = strlen(text_of(model));
	char *text = realloc(model->text, old_size + strlen(persisted->value) + 1);

	if (!text)
		return -1;
	memcpy(text + old_size, persisted->value, strlen(persisted->value) + 1);
	model->text = text;
	return 0;
}

static int write_snapshot(struct headgate_context *context, const void *state)
{
	Persisted snapshot = CLOUDSTATE__TCK__MODEL__EVENTSOURCED__PERSISTED__INIT;

	snapshot.value = (char *)(uintptr_t)text_of(state);
	return headgate_snapshot(context, &snapshot.base);
}

static void destroy(void *state)
{
	free(((struct model *)state)->text);
}

static int act(struct headgate_context *context, const Action *action, bool *is_forwarded)
{
	Persisted event = CLOUDSTATE__TCK__MODEL__EVENTSOURCED__PERSISTED__INIT;
	Request other = CLOUDSTATE__TCK__MODEL__EVENTSOURCED__REQUEST__INIT;

	switch ((int)action->action_case) {
	case IS(EMIT):
		event.value = action->emit->value;
		return headgate_emit(context, &event.base);
	case IS(FORWARD):
		*is_forwarded = true;
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
	Response response = CLOUDSTATE__TCK__MODEL__EVENTSOURCED__RESPONSE__INIT;
	bool is_forwarded = false;

	for (size_t i = 0; i < request->n_actions; i++)
		if (act(context, request->actions[i], &is_forwarded))
			return -1;
	if (is_forwarded)
		return 0;
	response.message = (char *)(uintptr_t)text_of(state);
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
static const struct headgate_event events[] = {{.type = PERSISTED_TYPE, .apply = append}, {0}};

const struct headgate_entity tck_event_sourced_model = {
	.service_name = MODEL ".EventSourcedTckModel",
	.persistence_id = "event-sourced-tck-model",
	.commands = commands,
	.events = events,
	.state_size = sizeof(struct model),
	.destroy = destroy,
	.snapshot_every = 5,
	.snapshot_type = PERSISTED_TYPE,
	.read_snapshot = append,
	.write_snapshot = write_snapshot,
};

const struct headgate_entity tck_event_sourced_two = {
	.service_name = TWO,
	.persistence_id = "event-sourced-tck-model-two",
	.commands = call_alone,
	.events = events,
	.state_size = sizeof(struct model),
	.destroy = destroy,
};

const struct headgate_entity tck_event_sourced_configured = {
	.service_name = MODEL ".EventSourcedConfigured",
	.persistence_id = "event-sourced-configured",
	.commands = call_alone,
	.events = events,
	.state_size = sizeof(struct model),
	.destroy = destroy,
	.passivation_timeout_ms = TCK_PASSIVATION_MS,
};

#include "tests/tck/function-c/models.h"

#include <stdio.h>
#include <string.h>

#include "cloudstate/tck/model/eventlogeventing.pb-c.h"

#define MODEL "cloudstate.tck.model.eventlogeventing"
#define SUBSCRIBER MODEL ".EventLogSubscriberModel"
#define JSON_TYPE "JsonEvent"
#define JSON_URL "json.cloudstate.io/" JSON_TYPE
/* The texts of the kit are short. */
#define TEXT_MAX 1024

typedef Cloudstate__Tck__Model__Eventlogeventing__ProcessStep Step;
typedef Cloudstate__Tck__Model__Eventlogeventing__EventOne EventOne;
typedef Cloudstate__Tck__Model__Eventlogeventing__EventTwo EventTwo;
typedef Cloudstate__Tck__Model__Eventlogeventing__Response Response;
typedef Cloudstate__Tck__Model__Eventlogeventing__EffectRequest EffectRequest;
typedef Cloudstate__Tck__Model__Eventlogeventing__EmitEventRequest EmitEventRequest;
typedef Cloudstate__Tck__Model__Eventlogeventing__JsonEvent JsonEvent;

#define STEP(NAME) CLOUDSTATE__TCK__MODEL__EVENTLOGEVENTING__PROCESS_STEP__STEP_##NAME
#define EVENT(NAME) CLOUDSTATE__TCK__MODEL__EVENTLOGEVENTING__EMIT_EVENT_REQUEST__EVENT_##NAME
#define TYPE(name) (&cloudstate__tck__model__eventlogeventing__##name##__descriptor)

/* ---- The subscriber ---------------------------------------------------------------------------
 */

/* The entity that the event is of: the CloudEvent's subject. */
static const char *subject(struct headgate_context *context)
{
	struct headgate_bytes value;
	char *text;

	if (!headgate_metadata_find(context, "ce-subject", &value))
		return "";
	text = headgate_alloc(context, value.size + 1, 1);
	if (text)
		memcpy(text, value.data, value.size);
	return text ? text : "";
}

static int reply(struct headgate_context *context, const char *id, const char *message)
{
	Response response = CLOUDSTATE__TCK__MODEL__EVENTLOGEVENTING__RESPONSE__INIT;

	response.id = (char *)(uintptr_t)id;
	response.message = (char *)(uintptr_t)message;
	return headgate_reply(context, &response.base);
}

static int take(struct headgate_context *context, const Step *step)
{
	EffectRequest effect = CLOUDSTATE__TCK__MODEL__EVENTLOGEVENTING__EFFECT_REQUEST__INIT;

	if (step->step_case == STEP(REPLY))
		return reply(context, subject(context), step->reply->message);
	if (step->step_case != STEP(FORWARD))
		return headgate_fail(context, HEADGATE_UNKNOWN, "no step is given");
	effect.id = (char *)(uintptr_t)subject(context);
	effect.message = step->forward->message;
	return headgate_forward(context, SUBSCRIBER, "Effect", &effect.base);
}

static int process_one(struct headgate_context *context, void *state, const void *message)
{
	const EventOne *event = message;

	(void)state;
	return event->step ? take(context, event->step) : 0;
}

static int process_two(struct headgate_context *context, void *state, const void *message)
{
	const EventTwo *event = message;
	int result = 0;

	(void)state;
	for (size_t i = 0; i < event->n_step && result == 0; i++)
		result = take(context, event->step[i]);
	return result;
}

/* {"message":"..."} as the entity below writes it, with nothing to unescape. */
static int process_any(struct headgate_context *context, void *state, const void *message)
{
	static const char begin[] = "{\"message\":\"";
	const struct headgate_any event = {
		.type_url = {(const uint8_t *)JSON_URL, sizeof(JSON_URL) - 1},
		.value = *(const struct headgate_bytes *)message,
	};
	struct headgate_bytes json;
	size_t size;
	char *text;

	(void)state;
	if (!headgate_any_get_json(event, &json) || json.size < sizeof(begin) + 1 ||
	    memcmp(json.data, begin, sizeof(begin) - 1) != 0)
		return headgate_fail(context, HEADGATE_UNKNOWN, "the event is no JsonEvent");
	size = json.size - sizeof(begin) - 1;
	text = headgate_alloc(context, size + 1, 1);
	if (!text)
		return -1;
	memcpy(text, (const char *)json.data + sizeof(begin) - 1, size);
	return reply(context, subject(context), text);
}

static int effect(struct headgate_context *context, void *state, const void *message)
{
	const EffectRequest *request = message;

	(void)state;
	return reply(context, request->id, request->message);
}

static const struct headgate_action_method methods[] = {
	{.name = "ProcessEventOne", .type = TYPE(event_one), .on_message = process_one},
	{.name = "ProcessEventTwo", .type = TYPE(event_two), .on_message = process_two},
	{.name = "ProcessAnyEvent", .on_message = process_any},
	{.name = "Effect", .type = TYPE(effect_request), .on_message = effect},
	{0},
};

const struct headgate_action tck_event_subscriber = {
	.service_name = SUBSCRIBER,
	.methods = methods,
};

/* ---- The entities -----------------------------------------------------------------------------
 */

static int keep(void *state, const void *message)
{
	(void)state; /* nothing is kept */
	(void)message;
	return 0;
}

static int emit_event(struct headgate_context *context, void *state, const void *message)
{
	const EmitEventRequest *request = message;

	(void)state;
	if (request->event_case == EVENT(EVENT_ONE))
		return headgate_emit(context, &request->event_one->base);
	if (request->event_case == EVENT(EVENT_TWO))
		return headgate_emit(context, &request->event_two->base);
	return headgate_fail(context, HEADGATE_UNKNOWN, "no event is given");
}

static int emit_json(struct headgate_context *context, void *state, const void *message)
{
	const JsonEvent *request = message;
	char text[TEXT_MAX];
	struct headgate_any json;
	int size = snprintf(text, sizeof(text), "{\"message\":\"%s\"}", request->message);

	(void)state;
	if (size < 0 || (size_t)size >= sizeof(text) || strpbrk(request->message, "\"\\"))
		return headgate_fail(context, HEADGATE_UNKNOWN, "the message is not plain");
	json = headgate_any_json(context, JSON_TYPE, (struct headgate_bytes){text, (size_t)size});
	return headgate_emit_any(context, JSON_URL, json.value);
}

static const struct headgate_command commands_of_one[] = {
	{"EmitEvent", TYPE(emit_event_request), emit_event},
	{0},
};
static const struct headgate_event events_of_one[] = {
	{.type = TYPE(event_one), .apply = keep},
	{.type = TYPE(event_two), .apply = keep},
	{0},
};

const struct headgate_entity tck_event_entity_one = {
	.service_name = MODEL ".EventSourcedEntityOne",
	.persistence_id = "eventlogeventing-one",
	.commands = commands_of_one,
	.events = events_of_one,
	.state_size = 1,
};

static const struct headgate_command commands_of_two[] = {
	{"EmitJsonEvent", TYPE(json_event), emit_json},
	{0},
};
static const struct headgate_event events_of_two[] = {{.type_url = JSON_URL, .apply = keep}, {0}};

const struct headgate_entity tck_event_entity_two = {
	.service_name = MODEL ".EventSourcedEntityTwo",
	.persistence_id = "eventlogeventing-two",
	.commands = commands_of_two,
	.events = events_of_two,
	.state_size = 1,
};

#include "tests/tck/function-c/models.h"

#include <stdlib.h>
#include <string.h>

#include "cloudstate/tck/model/action.pb-c.h"

#define MODEL "cloudstate.tck.model.action"
#define TWO MODEL ".ActionTwo"

typedef Cloudstate__Tck__Model__Action__Request Request;
typedef Cloudstate__Tck__Model__Action__ProcessGroup Group;
typedef Cloudstate__Tck__Model__Action__ProcessStep Step;
typedef Cloudstate__Tck__Model__Action__Response Response;
typedef Cloudstate__Tck__Model__Action__OtherRequest OtherRequest;

#define IS(NAME) CLOUDSTATE__TCK__MODEL__ACTION__PROCESS_STEP__STEP_##NAME
#define REQUEST_TYPE (&cloudstate__tck__model__action__request__descriptor)

/* What a call with one response has to answer: the last reply, forward or failure. */
struct answer {
	int kind; /* IS(...) */
	char *text;
};

static void destroy(void *state)
{
	free(((struct answer *)state)->text);
}

static int keep(struct headgate_context *context, struct answer *answer, int kind, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		return headgate_fail(context, HEADGATE_RESOURCE_EXHAUSTED, "out of memory");
	free(answer->text);
	*answer = (struct answer){.kind = kind, .text = copy};
	return 0;
}

static int add_effect(struct headgate_context *context, const char *id, bool is_synchronous)
{
	OtherRequest other = CLOUDSTATE__TCK__MODEL__ACTION__OTHER_REQUEST__INIT;

	other.id = (char *)(uintptr_t)id;
	return headgate_effect(context, TWO, "Call", &other.base, is_synchronous);
}

static int take(struct headgate_context *context, struct answer *answer, const Group *group)
{
	int result = 0;

	for (size_t i = 0; i < group->n_steps && result == 0; i++) {
		const Step *step = group->steps[i];

		if (step->step_case == IS(REPLY))
			result = keep(context, answer, IS(REPLY), step->reply->message);
		else if (step->step_case == IS(FORWARD))
			result = keep(context, answer, IS(FORWARD), step->forward->id);
		else if (step->step_case == IS(FAIL))
			result = keep(context, answer, IS(FAIL), step->fail->message);
		else if (step->step_case == IS(EFFECT))
			result = add_effect(context, step->effect->id, step->effect->synchronous);
	}
	return result;
}

/* Everything but a failure, which is told in two ways. */
static int give(struct headgate_context *context, const struct answer *answer)
{
	Response response = CLOUDSTATE__TCK__MODEL__ACTION__RESPONSE__INIT;
	OtherRequest other = CLOUDSTATE__TCK__MODEL__ACTION__OTHER_REQUEST__INIT;

	if (answer->kind == IS(REPLY)) {
		response.message = answer->text;
		return headgate_reply(context, &response.base);
	}
	if (answer->kind == IS(FORWARD)) {
		other.id = answer->text;
		return headgate_forward(context, TWO, "Call", &other.base);
	}
	return headgate_no_reply(context);
}

/* ---- One response -----------------------------------------------------------------------------
 */

static int take_request(struct headgate_context *context, void *state, const void *message)
{
	const Request *request = message;
	int result = 0;

	for (size_t i = 0; i < request->n_groups && result == 0; i++)
		result = take(context, state, request->groups[i]);
	return result;
}

static int answer_once(struct headgate_context *context, void *state)
{
	const struct answer *answer = state;

	if (answer->kind == IS(FAIL))
		return headgate_fail(context, HEADGATE_UNKNOWN, "%s", answer->text);
	return give(context, answer);
}

static int process_unary(struct headgate_context *context, void *state, const void *message)
{
	int result = take_request(context, state, message);

	return result ? result : answer_once(context, state);
}

/* ---- A response for each group ----------------------------------------------------------------
 */

static int process_groups(struct headgate_context *context, void *state, const void *message)
{
	const Request *request = message;
	struct answer *answer = state;
	int result = 0;

	for (size_t i = 0; i < request->n_groups && result == 0; i++) {
		answer->kind = IS(_NOT_SET);
		result = take(context, answer, request->groups[i]);
		if (result == 0 && answer->kind == IS(FAIL))
			result = headgate_reply_failure(context, HEADGATE_UNKNOWN, "%s",
							answer->text);
		else if (result == 0)
			result = give(context, answer);
	}
	return result;
}

static const struct headgate_action_method methods[] = {
	{.name = "ProcessUnary",
	 .type = REQUEST_TYPE,
	 .on_message = process_unary,
	 .state_size = sizeof(struct answer),
	 .destroy = destroy},
	{.name = "ProcessStreamedIn",
	 .type = REQUEST_TYPE,
	 .on_message = take_request,
	 .on_end = answer_once,
	 .state_size = sizeof(struct answer),
	 .destroy = destroy},
	{.name = "ProcessStreamedOut",
	 .type = REQUEST_TYPE,
	 .on_message = process_groups,
	 .state_size = sizeof(struct answer),
	 .destroy = destroy},
	{.name = "ProcessStreamed",
	 .type = REQUEST_TYPE,
	 .on_message = process_groups,
	 .state_size = sizeof(struct answer),
	 .destroy = destroy},
	{0},
};

const struct headgate_action tck_action_model = {
	.service_name = MODEL ".ActionTckModel",
	.methods = methods,
};

/* ---- The second service -----------------------------------------------------------------------
 */

static int call(struct headgate_context *context, void *state, const void *message)
{
	(void)context; /* the empty response */
	(void)state;
	(void)message;
	return 0;
}

static const struct headgate_action_method methods_of_two[] = {
	{.name = "Call",
	 .type = &cloudstate__tck__model__action__other_request__descriptor,
	 .on_message = call},
	{0},
};

const struct headgate_action tck_action_two = {
	.service_name = TWO,
	.methods = methods_of_two,
};

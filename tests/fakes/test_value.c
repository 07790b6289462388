#include "tests/fakes/test_value.h"

#include <stddef.h>

#include "headgate/test/value.pb-c.h"
#include "support/c/context.h"

typedef Headgate__Test__ValueChange Change;
typedef Headgate__Test__Answer Answer;
typedef Headgate__Test__Kept Kept;

#define SERVICE "headgate.test.Register"

static int answer(struct headgate_context *context, const Change *change, const Kept *kept)
{
	Answer answer = HEADGATE__TEST__ANSWER__INIT;
	struct headgate_bytes value;

	answer.id = change->id;
	answer.is_there = kept != NULL;
	if (kept) {
		answer.count = kept->count;
		answer.text = kept->text;
	}
	if (change->metadata[0] && headgate_metadata_find(context, change->metadata, &value)) {
		answer.metadata = headgate_alloc(context, 1, value.size + 1);
		if (!answer.metadata)
			return -1;
		for (size_t i = 0; i < value.size; i++)
			answer.metadata[i] = ((const char *)value.data)[i];
	}
	return headgate_reply(context, &answer.base);
}

static int ask_effect(struct headgate_context *context, const Change *change)
{
	Change effect = HEADGATE__TEST__VALUE_CHANGE__INIT;

	effect.id = change->effect;
	effect.add = 1;
	return headgate_effect(context, SERVICE, "Process", &effect.base, false);
}

/* The state that was decoded for this command may be changed in place. */
static int process(struct headgate_context *context, void *state, const void *message)
{
	const Change *change = message;
	Kept fresh = HEADGATE__TEST__KEPT__INIT;
	Kept *kept = state;

	if (change->add != 0) {
		kept = kept ? kept : &fresh;
		kept->count += change->add;
		kept->text = change->text;
		if (headgate_update(context, &kept->base))
			return -1;
	}
	if (change->remove) {
		kept = NULL;
		if (headgate_delete(context))
			return -1;
	}
	if (change->end_stream) {
		hg_context_override(context, HG_END, (struct headgate_bytes){"", 0});
		return 0;
	}
	if (change->effect[0] && ask_effect(context, change))
		return -1;
	if (change->fail[0])
		return headgate_fail(context, (enum headgate_code)change->fail_code, "%s",
				     change->fail);
	if (change->forward)
		return headgate_forward(context, SERVICE, "Peek", &change->base);
	return answer(context, change, kept);
}

static int peek(struct headgate_context *context, void *state, const void *message)
{
	return answer(context, message, state);
}

static const struct headgate_command commands[] = {
	{"Process", &headgate__test__value_change__descriptor, process},
	{"Peek", &headgate__test__value_change__descriptor, peek},
	{0},
};

const struct headgate_value_entity test_value = {
	.service_name = SERVICE,
	.persistence_id = "test-register",
	.commands = commands,
	.state_type = &headgate__test__kept__descriptor,
};

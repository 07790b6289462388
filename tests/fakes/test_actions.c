#include "tests/fakes/test_actions.h"

#include <poll.h>
#include <stdatomic.h>
#include <string.h>

#include "headgate/test/action.pb-c.h"
#include "support/c/context.h"

typedef Headgate__Test__Step Step;
typedef Headgate__Test__Result Result;
typedef Headgate__Test__Entry Entry;

#define MISBEHAVIOUR(NAME) HEADGATE__TEST__ACTION_MISBEHAVIOUR__##NAME

/* A test that asks for more has a mistake in it. */
#define REPLIES_MAX 100000
#define PADDING_MAX (64 * 1024 * 1024)
#define TEXT_MAX 256

/* What a call keeps: of the step that its results follow, and how far it is. */
struct call {
	char text[TEXT_MAX];
	char fail[TEXT_MAX];
	int32_t fail_after;
	int32_t fail_code;
	int32_t replies;
	int32_t delay_ms;
	int32_t reply_bytes;
	bool show_metadata;
	bool is_counted;
	bool is_hanging;
	bool has_waited;
	int64_t messages;
	int64_t sent;
};

static struct {
	atomic_llong calls;
	atomic_llong messages;
	atomic_llong results;
	atomic_llong cancelled;
	atomic_llong active;
} counters;

/* ---- The steps --------------------------------------------------------------------------------
 */

static void keep(struct call *call, const Step *step)
{
	/* the last bytes of both stay zero */
	(void)strncpy(call->text, step->text, TEXT_MAX - 1);
	(void)strncpy(call->fail, step->fail, TEXT_MAX - 1);
	call->fail_after = step->fail_after;
	call->fail_code = step->fail_code;
	call->replies = step->replies;
	call->delay_ms = step->delay_ms;
	call->reply_bytes = step->reply_bytes;
	call->show_metadata = step->show_metadata;
}

static int misbehave(struct headgate_context *context, struct call *call, const Step *step)
{
	switch ((int)step->misbehave) { /* proto3 enums are open */
	case MISBEHAVIOUR(ABORT_CALL):
		hg_context_override(context, HG_ABORT, (struct headgate_bytes){"", 0});
		return 0;
	case MISBEHAVIOUR(END_CALL):
		hg_context_override(context, HG_END, (struct headgate_bytes){"", 0});
		return 0;
	case MISBEHAVIOUR(ONLY_EFFECT):
		hg_context_override(context, HG_END, (struct headgate_bytes){"\x22\x00", 2});
		return 0;
	case MISBEHAVIOUR(GARBAGE_RESPONSE):
		hg_context_override(context, HG_SEND, (struct headgate_bytes){"\xff\xff", 2});
		return 0;
	case MISBEHAVIOUR(HANG_CALL):
		call->is_hanging = true;
		hg_context_override(context, HG_READ_ON, (struct headgate_bytes){"", 0});
		return 0;
	default:
		return headgate_fail(context, HEADGATE_INVALID_ARGUMENT, "no such misbehaviour");
	}
}

/* What every message does first. Nonzero: that was all. */
static int take(struct headgate_context *context, struct call *call, const Step *step)
{
	if (!call->is_counted) {
		call->is_counted = true;
		atomic_fetch_add(&counters.calls, 1);
		atomic_fetch_add(&counters.active, 1);
	}
	call->messages++;
	atomic_fetch_add(&counters.messages, 1);
	keep(call, step);
	for (size_t i = 0; i < step->n_headers; i++) {
		const Entry *entry = step->headers[i];
		struct headgate_bytes value = {entry->text, strlen(entry->text)};

		if (entry->raw.len > 0)
			value = (struct headgate_bytes){entry->raw.data, entry->raw.len};
		if (headgate_reply_metadata(context, entry->key, value))
			return -1;
	}
	if (step->effect[0] &&
	    headgate_effect(context, "headgate.test.Actions", step->effect, &step->base, false))
		return -1;
	return step->misbehave != MISBEHAVIOUR(WELL);
}

static bool is_failing(const struct call *call)
{
	return call->fail[0] && call->sent >= call->fail_after;
}

static int fail(struct headgate_context *context, const struct call *call)
{
	return headgate_fail(context, (enum headgate_code)call->fail_code, "%s", call->fail);
}

/* ---- The results ------------------------------------------------------------------------------
 */

static char *copy_text(struct headgate_context *context, struct headgate_bytes bytes)
{
	char *text = headgate_alloc(context, bytes.size + 1, 1);

	if (text && bytes.size > 0)
		memcpy(text, bytes.data, bytes.size);
	return text;
}

static int fill_metadata(struct headgate_context *context, Result *result)
{
	struct headgate_metadata entry;
	size_t count = 0;

	while (headgate_metadata_at(context, count, &entry))
		count++;
	Entry *entries = headgate_alloc(context, count, sizeof(Entry));
	result->metadata = headgate_alloc(context, count, sizeof(Entry *));
	if (!entries || !result->metadata)
		return -1;
	for (size_t i = 0; i < count && headgate_metadata_at(context, i, &entry); i++) {
		bool is_raw =
			entry.key.size >= 4 &&
			memcmp((const char *)entry.key.data + entry.key.size - 4, "-bin", 4) == 0;

		entries[i] = (Entry)HEADGATE__TEST__ENTRY__INIT;
		entries[i].key = copy_text(context, entry.key);
		if (is_raw)
			entries[i].raw = (ProtobufCBinaryData){
				entry.value.size, (uint8_t *)(uintptr_t)entry.value.data};
		else
			entries[i].text = copy_text(context, entry.value);
		if (!entries[i].key || !entries[i].text)
			return -1;
		result->metadata[result->n_metadata++] = &entries[i];
	}
	return 0;
}

static int reply(struct headgate_context *context, struct call *call)
{
	Result result = HEADGATE__TEST__RESULT__INIT;

	if (call->reply_bytes < 0 || call->reply_bytes > PADDING_MAX)
		return headgate_fail(context, HEADGATE_INVALID_ARGUMENT, "padding out of range");
	result.text = call->text;
	result.number = ++call->sent;
	result.messages = call->messages;
	if (call->reply_bytes > 0) {
		result.padding.len = (size_t)call->reply_bytes;
		result.padding.data = headgate_alloc(context, result.padding.len, 1);
		if (!result.padding.data)
			return -1;
	}
	if (call->show_metadata && fill_metadata(context, &result))
		return -1;
	atomic_fetch_add(&counters.results, 1);
	return headgate_reply(context, &result.base);
}

/* ---- The methods ------------------------------------------------------------------------------
 */

static void on_cancelled(void *state)
{
	(void)state;
	atomic_fetch_add(&counters.cancelled, 1);
}

static void destroy(void *state)
{
	const struct call *call = state;

	if (call->is_counted)
		atomic_fetch_sub(&counters.active, 1);
}

static int answer_one(struct headgate_context *context, void *state)
{
	struct call *call = state;

	return is_failing(call) ? fail(context, call) : reply(context, call);
}

static int unary(struct headgate_context *context, void *state, const void *message)
{
	const Step *step = message;
	struct call *call = state;

	if (take(context, call, step))
		return misbehave(context, call, step);
	if (step->forward[0])
		return headgate_forward(context, "headgate.test.Actions", step->forward,
					&step->base);
	if (step->delay_ms > 0)
		return headgate_wait(context, step->delay_ms);
	return answer_one(context, call);
}

static int collect(struct headgate_context *context, void *state, const void *message)
{
	const Step *step = message;
	struct call *call = state;

	if (take(context, call, step))
		return misbehave(context, call, step);
	if (step->delay_ms > 0)
		(void)poll(NULL, 0, step->delay_ms); /* waits, nothing can come */
	return step->fail[0] && call->messages > step->fail_after ? fail(context, call) : 0;
}

static int collected(struct headgate_context *context, void *state)
{
	struct call *call = state;

	if (call->is_hanging) {
		hg_context_override(context, HG_READ_ON, (struct headgate_bytes){"", 0});
		return 0;
	}
	call->fail[0] = '\0';
	return reply(context, call);
}

static int expand(struct headgate_context *context, void *state, const void *message)
{
	const Step *step = message;
	struct call *call = state;

	if (step->replies > REPLIES_MAX)
		return headgate_fail(context, HEADGATE_INVALID_ARGUMENT, "too many replies");
	if (take(context, call, step))
		return misbehave(context, call, step);
	if (step->n_headers == 0 || step->replies == 0)
		return 0;
	return is_failing(call) ? fail(context, call) : reply(context, call);
}

static int expand_on(struct headgate_context *context, void *state)
{
	struct call *call = state;

	if (is_failing(call))
		return fail(context, call);
	if (call->replies >= 0 && call->sent >= call->replies)
		return headgate_end(context);
	call->has_waited = !call->has_waited;
	if (call->delay_ms > 0 && call->has_waited)
		return headgate_wait(context, call->delay_ms);
	return reply(context, call);
}

static int chat(struct headgate_context *context, void *state, const void *message)
{
	const Step *step = message;
	struct call *call = state;

	if (step->replies > REPLIES_MAX)
		return headgate_fail(context, HEADGATE_INVALID_ARGUMENT, "too many replies");
	if (take(context, call, step))
		return misbehave(context, call, step);
	if (call->is_hanging)
		return 0;
	if (step->delay_ms > 0)
		(void)poll(NULL, 0, step->delay_ms); /* waits, nothing can come */
	for (int32_t i = 0; i < step->replies || i == 0; i++) {
		if (is_failing(call))
			return fail(context, call);
		if (reply(context, call))
			return -1;
	}
	return 0;
}

static int chat_ended(struct headgate_context *context, void *state)
{
	const struct call *call = state;

	if (call->is_hanging)
		hg_context_override(context, HG_READ_ON, (struct headgate_bytes){"", 0});
	return 0;
}

static int count(struct headgate_context *context, void *state, const void *message)
{
	Headgate__Test__Counters result = HEADGATE__TEST__COUNTERS__INIT;

	(void)state;
	(void)message;
	result.calls = atomic_load(&counters.calls);
	result.messages = atomic_load(&counters.messages);
	result.results = atomic_load(&counters.results);
	result.cancelled = atomic_load(&counters.cancelled);
	result.active = atomic_load(&counters.active);
	return headgate_reply(context, &result.base);
}

#define CALL                                                                                       \
	.type = &headgate__test__step__descriptor, .on_cancelled = on_cancelled,                   \
	.state_size = sizeof(struct call), .destroy = destroy

static const struct headgate_action_method methods[] = {
	{"Unary", CALL, .on_message = unary, .on_ready = answer_one},
	{"Collect", CALL, .on_message = collect, .on_end = collected},
	{"Expand", CALL, .on_message = expand, .on_ready = expand_on},
	{"Chat", CALL, .on_message = chat, .on_end = chat_ended},
	{"Count", &headgate__test__counters_request__descriptor, .on_message = count},
	{0},
};

const struct headgate_action test_actions = {
	.service_name = "headgate.test.Actions",
	.methods = methods,
};

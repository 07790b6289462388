#include "tests/fakes/journal_client.h"

#include <string.h>

#include "src/base/clock.h"
#include "src/base/metrics.h"
#include "src/base/span.h"
#include "src/runtime/loop.h"
#include "src/runtime/timer.h"

#define LIMIT_NS (15 * NS_PER_S)
#define ANSWER_MS ((uint64_t)5000)
#define TEXT_MAX ((size_t)64 * 1024 * 1024)

struct redis_journal_params journal_client_params(void)
{
	return (struct redis_journal_params){
		.namespace_id = "ns",
		.command_timeout_ms = 200,
		.max_pending = 1024,
		.backoff_min_ms = 5,
		.backoff_max_ms = 20,
	};
}

static void on_state(void *data)
{
	struct journal_client *client = data;

	client->state_changes++;
}

enum status journal_client_loop(struct journal_client *client, struct error *err)
{
	memset(client, 0, sizeof(*client));
	return loop_new(&client->loop, err);
}

enum status journal_client_open(struct journal_client *client, const char *url,
				const struct redis_journal_params *params, struct error *err)
{
	struct redis_journal_params all = params ? *params : journal_client_params();
	enum status st = client->loop ? ST_OK : journal_client_loop(client, err);

	if (st != ST_OK)
		return st;
	client->metrics = metrics_new();
	all.url = url;
	if (!all.namespace_id)
		all.namespace_id = "ns";
	all.metrics = client->metrics;
	return redis_journal_open(client->loop, &all, on_state, client, &client->journal, err);
}

void journal_client_close(struct journal_client *client)
{
	journal_close(client->journal);
	if (!client->loop)
		return;
	metrics_free(client->metrics);
	loop_free(client->loop);
	memset(client, 0, sizeof(*client));
}

/* ---- waiting -------------------------------------------------------------------------------- */
struct wait {
	const struct journal_client *client;
	bool is_ready;
	const char *text;
};

static bool has_readiness(void *data)
{
	const struct wait *wait = data;
	const char *reason;

	return journal_is_ready(wait->client->journal, &reason) == wait->is_ready;
}

static bool has_reason(void *data)
{
	const struct wait *wait = data;
	const char *reason;

	return !journal_is_ready(wait->client->journal, &reason) && strstr(reason, wait->text);
}

static bool is_set(void *data)
{
	return *(const bool *)data;
}

bool journal_client_is_ready(const struct journal_client *client)
{
	const char *reason;

	return journal_is_ready(client->journal, &reason);
}

bool journal_client_wait(struct journal_client *client, bool is_ready)
{
	struct wait wait = {client, is_ready, NULL};

	return loop_run_until(client->loop, has_readiness, &wait, clock_mono_ns() + LIMIT_NS);
}

bool journal_client_wait_reason(struct journal_client *client, const char *text)
{
	struct wait wait = {client, false, text};

	return loop_run_until(client->loop, has_reason, &wait, clock_mono_ns() + LIMIT_NS);
}

bool journal_client_until(struct journal_client *client, const bool *flag)
{
	return loop_run_until(client->loop, is_set, (void *)flag, clock_mono_ns() + LIMIT_NS);
}

static void on_enough(void *data)
{
	*(bool *)data = true;
}

void journal_client_run(struct journal_client *client, uint64_t run_ms)
{
	struct timer timer;
	bool is_over = false;

	timer_init(&timer, client->loop, on_enough, &is_over);
	timer_start(&timer, clock_mono_ns() + run_ms * NS_PER_MS);
	(void)journal_client_until(client, &is_over);
	timer_stop(&timer);
}

/* ---- asking --------------------------------------------------------------------------------- */
static void begin(struct journal_answer *answer)
{
	bool is_held = answer->is_held;

	buf_fini(&answer->text);
	memset(answer, 0, sizeof(*answer));
	answer->is_held = is_held;
	buf_init(&answer->text, TEXT_MAX);
}

static void finish(struct journal_answer *answer, enum journal_result result,
		   const struct error *error)
{
	answer->request = NULL;
	answer->result = result;
	answer->calls++;
	if (error)
		answer->error = *error;
	answer->is_done = true;
}

void journal_client_on_append(void *data, const struct journal_append_result *result)
{
	struct journal_answer *answer = data;

	answer->head = result->head;
	answer->is_mine = result->is_mine;
	answer->is_unknown = result->is_outcome_unknown;
	finish(answer, result->result, result->error);
}

static void on_verify(void *data, enum journal_result result, const struct error *error)
{
	finish(data, result, error);
}

static void on_head(void *data, const struct journal_head *head, uint64_t snapshot_sequence,
		    const struct journal_any *snapshot)
{
	struct journal_answer *answer = data;

	answer->head = *head;
	answer->snapshot_sequence = snapshot_sequence;
	if (snapshot) {
		buf_append(&answer->text, snapshot->value);
		buf_printf(&answer->text, "@%llu\n", (unsigned long long)snapshot_sequence);
	}
	if (!answer->is_held)
		journal_load_next(answer->request);
}

static void on_events(void *data, const struct journal_event *events, size_t count)
{
	struct journal_answer *answer = data;

	answer->pages++;
	for (size_t i = 0; i < count; i++) {
		buf_append(&answer->text, events[i].payload.value);
		buf_append_byte(&answer->text, '\n');
	}
	if (!answer->is_held)
		journal_load_next(answer->request);
}

static void on_done(void *data, enum journal_result result, const struct error *error)
{
	finish(data, result, error);
}

static const struct journal_load_ops load_ops = {on_head, on_events, on_done};

static struct journal_key key_of(const char *id)
{
	return (struct journal_key){SPAN_LIT("cart"), span_from_str(id)};
}

static uint64_t deadline_of(uint64_t timeout_ms)
{
	return clock_mono_ns() + timeout_ms * NS_PER_MS;
}

void journal_client_append(struct journal_client *client, struct journal_answer *answer,
			   const struct journal_attempt *attempt)
{
	struct journal_any event = {SPAN_LIT("T"), span_from_str(attempt->payload)};
	struct journal_append append = {
		.key = key_of(attempt->id),
		.expected = attempt->expected,
		.tag = attempt->tag,
		.command = attempt->command,
		.events = &event,
		.event_count = 1,
	};

	begin(answer);
	answer->request = journal_append(client->journal, &append, deadline_of(attempt->timeout_ms),
					 journal_client_on_append, answer);
}

/* expected may lie in answer, which is emptied. */
void journal_client_append_new(struct journal_client *client, struct journal_answer *answer,
			       const char *id, const struct journal_head *expected,
			       const char *payload, uint64_t timeout_ms)
{
	const struct journal_attempt attempt = {
		.id = id,
		.expected = *expected,
		.tag = journal_new_id(client->journal),
		.command = journal_new_id(client->journal),
		.payload = payload,
		.timeout_ms = timeout_ms,
	};

	journal_client_append(client, answer, &attempt);
}

void journal_client_verify(struct journal_client *client, struct journal_answer *answer,
			   const char *id, const struct journal_head *head, uint64_t timeout_ms)
{
	struct journal_key key = key_of(id);

	begin(answer);
	answer->request = journal_verify(client->journal, &key, head, deadline_of(timeout_ms),
					 on_verify, answer);
}

void journal_client_load(struct journal_client *client, struct journal_answer *answer,
			 const char *id, uint64_t timeout_ms)
{
	struct journal_key key = key_of(id);

	begin(answer);
	answer->request =
		journal_load(client->journal, &key, deadline_of(timeout_ms), &load_ops, answer);
}

void journal_answer_fini(struct journal_answer *answer)
{
	buf_fini(&answer->text);
}

enum journal_result journal_client_append_now(struct journal_client *client,
					      struct journal_answer *answer, const char *id,
					      const struct journal_head *expected,
					      const char *payload)
{
	journal_client_append_new(client, answer, id, expected, payload, ANSWER_MS);
	(void)journal_client_until(client, &answer->is_done);
	return answer->is_done ? answer->result : JOURNAL_ERROR;
}

enum journal_result journal_client_verify_now(struct journal_client *client, const char *id,
					      const struct journal_head *head)
{
	struct journal_answer answer = {0};

	journal_client_verify(client, &answer, id, head, ANSWER_MS);
	(void)journal_client_until(client, &answer.is_done);
	journal_answer_fini(&answer);
	return answer.is_done ? answer.result : JOURNAL_ERROR;
}

enum journal_result journal_client_load_now(struct journal_client *client,
					    struct journal_answer *answer, const char *id)
{
	journal_client_load(client, answer, id, ANSWER_MS);
	(void)journal_client_until(client, &answer->is_done);
	return answer->is_done ? answer->result : JOURNAL_ERROR;
}

#include "tests/sim/sim_mutation.h"

#include <string.h>

#include "httpapi/status_map.h"
#include "journal/journal.h"
#include "src/base/buf.h"
#include "src/base/error.h"
#include "src/base/list.h"
#include "src/base/mem.h"

#define SCRIPT_MAX ((size_t)64 * 1024)

/* A call that is on its way: what the caller wanted to be told. A cancelled one stays till the
 * history ends. */
struct wrapped {
	struct list node;
	void *data;
	uint64_t sequence;
	struct journal_id tag;
	journal_append_fn on_append;
	journal_verify_fn on_verify;
	journal_window_fn on_window;
};

static struct {
	enum sim_mutation mutation;
	struct list calls;
	struct buf script;
	struct status_map *map;
} the;

static const struct {
	const char *name;
	const char *text;
} mutations[] = {{"none", "nothing"},
#define X(name, text) {#name, text},
		 SIM_MUTATIONS(X)
#undef X
};

void sim_mutate(enum sim_mutation mutation)
{
	the.mutation = mutation;
	list_init(&the.calls);
}

const char *sim_mutation_name(enum sim_mutation mutation)
{
	return mutations[mutation].name;
}

const char *sim_mutation_text(enum sim_mutation mutation)
{
	return mutations[mutation].text;
}

bool sim_mutation_needs_loss(void)
{
	return the.mutation == SIM_MUTATION_no_tag;
}

/* ---- scripts --------------------------------------------------------------------------------- */

/* A gateway tries an append that must not succeed before it serves, at a sequence of 16 digits;
 * that one is left alone. What stands in a script, and what takes its place. A script that has
 * nothing of it stays. */
static const struct {
	enum sim_mutation mutation;
	const char *old;
	const char *now;
} edits[] = {
	{SIM_MUTATION_no_tag, "if s ~= ARGV[2] or g ~= ARGV[3] then", "if s ~= ARGV[2] then"},
	{SIM_MUTATION_no_compare, "if s ~= ARGV[2] or g ~= ARGV[3] then", "if #ARGV[2] > 15 then"},
	{SIM_MUTATION_no_feed, "return {'OK', ns, ARGV[4], redis.call('XADD'",
	 "if tonumber(ns) % 5 == 4 then return {'OK', ns, ARGV[4], '0-1'} end\n"
	 "return {'OK', ns, ARGV[4], redis.call('XADD'"},
	{SIM_MUTATION_partial_batch, "for i = 1, n do\n  local id",
	 "if base % 5 == 4 then n = 0 end\nfor i = 1, n do\n  local id"},
	{SIM_MUTATION_partial_batch, "local ns = string.format('%.0f', base + n)",
	 "local ns = string.format('%.0f', base + tonumber(ARGV[9]))"},
	{SIM_MUTATION_snapshot_apart, "for i = 1, n do\n  local id",
	 "local z, ns = 10 + 2 * n, string.format('%.0f', base + n)\n"
	 "if ARGV[z] and base % 4 == 3 then\n"
	 "redis.call('HSET', KEYS[1], 'zs', ns, 'zt', ARGV[z], 'zp', ARGV[z + 1])\n"
	 "return {'OK', ns, ARGV[4], '0-1'}\nend\n"
	 "for i = 1, n do\n  local id"},
};

static void edit(const char *old, const char *now)
{
	struct span text = buf_span(&the.script);
	const char *at = memmem(text.data, text.len, old, strlen(old));
	struct buf out;

	if (!at)
		return;
	buf_init(&out, SCRIPT_MAX);
	size_t before = (size_t)(at - (const char *)text.data);

	BUG_ON(!buf_append(&out, span_make(text.data, before)) || !buf_append_str(&out, now) ||
	       !buf_append(&out, span_skip(text, before + strlen(old))));
	buf_fini(&the.script);
	the.script = out;
}

const char *sim_mutation_script(const char *source)
{
	buf_fini(&the.script);
	buf_init(&the.script, SCRIPT_MAX);
	BUG_ON(!buf_append_str(&the.script, source));
	for (size_t i = 0; i < sizeof(edits) / sizeof(*edits); i++) {
		if (edits[i].mutation == the.mutation)
			edit(edits[i].old, edits[i].now);
	}
	BUG_ON(!buf_append_byte(&the.script, 0));
	return (const char *)buf_span(&the.script).data;
}

/* ---- wrapped calls --------------------------------------------------------------------------- */

static struct wrapped *wrap(void *data)
{
	struct wrapped *call = mem_new(struct wrapped);

	call->data = data;
	list_push_back(&the.calls, &call->node);
	return call;
}

static void unwrap(struct wrapped *call)
{
	list_remove(&call->node);
	mem_free(call);
}

void sim_mutation_end(void)
{
	struct list *node;

	while (the.mutation != SIM_NO_MUTATION && (node = list_pop_front(&the.calls)))
		mem_free(list_entry(node, struct wrapped, node));
}

/* The linker puts __wrap_x where x is called, and x where __real_x is (--wrap). */
struct journal_request *__real_journal_append(struct journal *, const struct journal_append *,
					      uint64_t, journal_append_fn, void *);
struct journal_request *__wrap_journal_append(struct journal *, const struct journal_append *,
					      uint64_t, journal_append_fn, void *);
struct journal_request *__real_journal_verify(struct journal *, const struct journal_key *,
					      const struct journal_head *, uint64_t,
					      journal_verify_fn, void *);
struct journal_request *__wrap_journal_verify(struct journal *, const struct journal_key *,
					      const struct journal_head *, uint64_t,
					      journal_verify_fn, void *);
struct journal_request *__real_journal_window(struct journal *, const struct journal_window *,
					      uint64_t, journal_window_fn, void *);
struct journal_request *__wrap_journal_window(struct journal *, const struct journal_window *,
					      uint64_t, journal_window_fn, void *);
enum status __real_status_map_new(struct status_map **, struct error *);
enum status __wrap_status_map_new(struct status_map **, struct error *);
void __wrap_status_map_free(struct status_map *);

static void on_append(void *data, const struct journal_append_result *result)
{
	struct wrapped call = *(struct wrapped *)data;
	const struct journal_append_result good = {
		.result = JOURNAL_OK,
		.head = {call.sequence, call.tag},
	};

	(void)result;
	unwrap(data);
	call.on_append(call.data, &good);
}

struct journal_request *__wrap_journal_append(struct journal *journal,
					      const struct journal_append *append,
					      uint64_t deadline_ns, journal_append_fn on_done,
					      void *data)
{
	struct wrapped *call;

	if (the.mutation != SIM_MUTATION_early_ack)
		return __real_journal_append(journal, append, deadline_ns, on_done, data);
	call = wrap(data);
	call->sequence = append->expected.sequence + append->event_count;
	call->tag = append->tag;
	call->on_append = on_done;
	return __real_journal_append(journal, append, deadline_ns, on_append, call);
}

static void on_verify(void *data, enum journal_result result, const struct error *error)
{
	struct wrapped call = *(struct wrapped *)data;

	(void)result;
	(void)error;
	unwrap(data);
	call.on_verify(call.data, JOURNAL_OK, NULL);
}

struct journal_request *__wrap_journal_verify(struct journal *journal,
					      const struct journal_key *key,
					      const struct journal_head *head, uint64_t deadline_ns,
					      journal_verify_fn on_done, void *data)
{
	struct wrapped *call;

	if (the.mutation != SIM_MUTATION_no_verify)
		return __real_journal_verify(journal, key, head, deadline_ns, on_done, data);
	call = wrap(data);
	call->on_verify = on_done;
	return __real_journal_verify(journal, key, head, deadline_ns, on_verify, call);
}

static void on_window(void *data, enum journal_result result,
		      const struct journal_executed *executed, size_t count,
		      const struct error *error)
{
	struct wrapped call = *(struct wrapped *)data;

	(void)count;
	unwrap(data);
	call.on_window(call.data, result, executed, 0, error);
}

struct journal_request *__wrap_journal_window(struct journal *journal,
					      const struct journal_window *window,
					      uint64_t deadline_ns, journal_window_fn on_done,
					      void *data)
{
	struct wrapped *call;

	if (the.mutation != SIM_MUTATION_no_window)
		return __real_journal_window(journal, window, deadline_ns, on_done, data);
	call = wrap(data);
	call->on_window = on_done;
	return __real_journal_window(journal, window, deadline_ns, on_window, call);
}

/* ---- what all gateways may share ------------------------------------------------------------- */

/* Immutable and the same for all, and a tenth of all the time. */
enum status __wrap_status_map_new(struct status_map **ret_map, struct error *err)
{
	enum status status;

	if (!the.map && (status = __real_status_map_new(&the.map, err)) != ST_OK)
		return status;
	*ret_map = the.map;
	return ST_OK;
}

void __wrap_status_map_free(struct status_map *map)
{
	(void)map;
}

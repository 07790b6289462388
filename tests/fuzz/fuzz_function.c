/* The function as an adversary: a real router and tables of entities before a function whose every
 * move is a byte of the input, over a real connection, and a journal in memory. Whatever it sends,
 * each caller is answered once, in time, with a text of the protocol or a code of its own; a reply
 * that claims events came after they were in the journal; and other entities answer in between.
 *
 * The first byte picks who is called and whether the function moves before the first command; the
 * rest are its moves (wild_function.h).
 * Spec: cloudstate-protocol 4.5, 5, 6.1, 6.3 */
#include <stdlib.h>
#include <string.h>

#include "proto/schema.h"
#include "proto/wire.h"
#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/log.h"
#include "src/base/metrics.h"
#include "src/entity/crdt_table.h"
#include "src/entity/entity_budget.h"
#include "src/entity/entity_table.h"
#include "src/grpc/grpc_call.h"
#include "src/router/exchange.h"
#include "src/router/router.h"
#include "src/runtime/address.h"
#include "src/runtime/loop.h"
#include "src/runtime/timer.h"
#include "src/userfn/api.h"
#include "src/userfn/userfn.h"
#include "tests/fakes/fake_crdt_log.h"
#include "tests/fakes/fake_journal.h"
#include "tests/fuzz/wild_function.h"

/* Far above what a chain of timeouts takes, on a machine with better things to do. */
#define ANSWER_WAIT_NS (8 * NS_PER_S)
#define COMMAND_TIMEOUT_MS 60U
#define CALLER_PATIENCE_MS 150U /* of callers of actions and streams, which have no other end */
#define CALLER_PATIENCE_SHORT_MS 5U
#define INPUT_BYTES_MAX ((size_t)256) /* each silence costs a timeout */
#define WILD_CALLS 3U
#define GOOD_TRIES 20U /* a stalled machine lets timers fire before the reply is read */

/* Bits of the first byte, over which of the paths is called. */
#define START_AT_INIT 0x80
#define START_MEMBER 0x40    /* there is another one, which never says that it has a change */
#define START_IMPATIENT 0x20 /* the last of the streamed callers leaves early */
#define START_UNREAD 0x10    /* streamed callers do not read */
#define START_PATH_BITS 0x07

static const char *const paths[START_PATH_BITS + 1] = {
	"/test.Counter/Do", "/test.Value/Do",  "/test.Deed/Do",	  "/test.Deed/Out",
	"/test.Deed/In",    "/test.Deed/Both", "/test.Shared/Do", "/test.Shared/Watch",
};

struct world {
	struct loop *loop;
	struct metrics *metrics;
	struct wild wild;
	struct fake_journal *journal;
	struct userfn *userfn;
	struct entity_budget *budget;
	struct entity_table *table;
	struct fake_crdt_store *store;
	struct fake_crdt_member *member;
	struct fake_crdt_member *other; /* NULL: none */
	struct crdt_table *crdts;
	struct router *router;
	uint8_t start;
};

struct caller {
	struct exchange base;
	struct world *w;
	struct loop_task give;
	struct timer patience;
	char message[16];
	size_t len;
	unsigned given;
	unsigned sends;
	unsigned finishes;
	bool is_unary;
	bool is_unread;
	bool is_cancelled;
	enum status code;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- callers -------------------------------------------------------------------------------- */

static struct caller *caller_of(const struct exchange *exchange)
{
	return container_of(exchange, struct caller, base);
}

static void give(void *data)
{
	struct caller *c = data;

	if (c->given++ == 0)
		c->base.handler->on_message(&c->base, c->base.handler_data,
					    span_make(c->message, c->len));
	else
		c->base.handler->on_half_close(&c->base, c->base.handler_data);
}

static void caller_read(struct exchange *exchange)
{
	struct caller *c = caller_of(exchange);

	BUG_ON(c->finishes || c->given > 1);
	loop_task_schedule(c->w->loop, &c->give);
}

static void caller_set_headers(struct exchange *exchange, const struct metadata *headers)
{
	(void)headers;
	BUG_ON(caller_of(exchange)->sends);
}

static enum status caller_send(struct exchange *exchange, struct span message)
{
	struct caller *c = caller_of(exchange);
	struct wire_field claim;
	struct wire_field kind;
	struct wire_field key;
	struct journal_key stored;
	bool is_crdt;

	BUG_ON(c->finishes || c->is_cancelled);
	BUG_ON(c->sends++ && c->is_unary);
	if (c->w->wild.is_free || !wire_find_last(message, 1, WIRE_BYTES, &key) ||
	    !wire_find_last(message, 2, WIRE_VARINT, &claim) ||
	    !wire_find_last(message, 3, WIRE_VARINT, &kind) || kind.integer == WILD_ACTION)
		return ST_OK;
	is_crdt = kind.integer == WILD_CRDT;
	BUG_ON(is_crdt && fake_crdt_appends(c->w->store) < claim.integer);
	if (is_crdt)
		return ST_OK;
	stored = wild_key((enum wild_kind)kind.integer, key.bytes);
	BUG_ON(fake_journal_head(c->w->journal, &stored).sequence < claim.integer);
	return ST_OK;
}

static size_t caller_unsent(const struct exchange *exchange)
{
	const struct caller *c = caller_of(exchange);

	return c->is_unread ? EXCHANGE_UNSENT_HIGH + 1 : 0;
}

/* Spec: cloudstate-protocol 4.5; "no" is what the function says itself. A reset of an action's
 * stream with a code that has no meaning to gRPC is UNKNOWN too. */
static bool is_known_text(struct span text)
{
	static const char *const texts[] = {
		"no",
		"Unexpected entity reply",
		"Unexpected entity failure",
		"Unexpected entity message",
		"Unexpected entity termination",
		"Entity terminated",
		"Unexpected Value entity reply",
		"Unexpected Value entity failure",
		"Unexpected Value entity termination",
		"Value entity terminated",
		"Entity terminating",
		"Entity deleted",
		"Unexpected CRDT reply",
		"Unexpected CRDT failure",
		"Unexpected CRDT message",
		"Unexpected CRDT termination",
		/* what src/crdt says of a change, as the reference does */
		"GSetDelta is incompatible with CRDT PNCounter",
		"PNCounterDelta is incompatible with CRDT GSet",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (span_eq_str(text, texts[i]))
			return true;
	return span_starts_with(text, SPAN_LIT("the peer reset the stream (HTTP/2 code "));
}

static void caller_finish(struct exchange *exchange, const struct grpc_status *status)
{
	struct caller *c = caller_of(exchange);

	BUG_ON(c->finishes++ || c->is_cancelled);
	c->code = status->code;
	BUG_ON(status->code > ST_UNAUTHENTICATED);
	BUG_ON(status->code == ST_OK && c->is_unary && c->sends != 1);
	if (!c->w->wild.is_free) {
		BUG_ON(status->code != ST_OK && !status->message.len);
		BUG_ON(status->code == ST_UNKNOWN && !is_known_text(status->message));
	}
	timer_stop(&c->patience);
	loop_task_cancel(&c->give);
}

static const struct exchange_front_ops front_ops = {
	.read = caller_read,
	.set_headers = caller_set_headers,
	.send = caller_send,
	.unsent = caller_unsent,
	.finish = caller_finish,
};

static void on_patience_over(void *data)
{
	struct caller *c = data;

	c->is_cancelled = true;
	loop_task_cancel(&c->give);
	c->base.handler->on_cancelled(&c->base, c->base.handler_data, ST_DEADLINE_EXCEEDED);
}

static void call(struct world *w, struct caller *c, const char *path, const char *key,
		 unsigned patience_ms)
{
	static const struct metadata no_metadata;
	const struct api_method *method = api_find(userfn_api(w->userfn), span_from_str(path));
	bool is_action = span_starts_with(span_from_str(path), SPAN_LIT("/test.Deed/"));

	*c = (struct caller){.w = w, .len = strlen(key) + 2};
	c->message[0] = 0x0a;
	c->message[1] = (char)strlen(key);
	memcpy(c->message + 2, key, strlen(key));
	c->base = (struct exchange){
		.front = &front_ops,
		.method = method,
		.metadata = &no_metadata,
		.deadline_ns = DEADLINE_NEVER,
		.protocol = "grpc",
		.peer = "test",
	};
	c->is_unary = !method->schema->server_streaming;
	c->is_unread = !c->is_unary && (w->start & START_UNREAD);
	loop_task_init(&c->give, give, c);
	timer_init(&c->patience, w->loop, on_patience_over, c);
	if (is_action || !c->is_unary)
		timer_start_in(&c->patience, patience_ms);
	router_accept(w->router, &c->base);
	BUG_ON(c->finishes || c->sends);
}

static bool is_answered(void *data)
{
	const struct caller *c = data;

	return c->finishes || c->is_cancelled;
}

static void wait_for(struct world *w, bool (*is_done)(void *), void *data)
{
	BUG_ON(!loop_run_until(w->loop, is_done, data, clock_mono_ns() + ANSWER_WAIT_NS));
}

/* A well-behaved entity of either kind, asked while the wild one is at work. */
static void ask_good(struct world *w, const char *path)
{
	struct caller c;
	unsigned tries = 0;

	do {
		call(w, &c, path, "good", CALLER_PATIENCE_MS);
		wait_for(w, is_answered, &c);
		BUG_ON(++tries > GOOD_TRIES);
	} while (c.code == ST_DEADLINE_EXCEEDED);
	BUG_ON(c.code != ST_OK && !w->wild.is_unsettled);
}

/* ---- the world ------------------------------------------------------------------------------ */

static void on_change(void *data)
{
	struct world *w = data;

	if (w->table)
		entity_table_renew(w->table);
	if (w->crdts)
		crdt_table_renew(w->crdts);
	if (w->router)
		router_renew(w->router);
}

static void on_members_change(void *data)
{
	struct world *w = data;

	if (w->crdts)
		crdt_table_members_changed(w->crdts);
}

static bool is_ready(void *data)
{
	return userfn_is_ready(((struct world *)data)->userfn, NULL);
}

static bool is_quiet(void *data)
{
	const struct world *w = data;

	return router_active(w->router) == 0 && entity_table_queued(w->table) == 0 &&
	       crdt_table_queued(w->crdts) == 0 && fake_journal_pending(w->journal) == 0;
}

static void open_crdts(struct world *w)
{
	struct crdt_limits limits = crdt_limits_default();
	struct crdt_table_params params = {
		.budget = w->budget,
		.metrics = w->metrics,
		.limits = &limits,
	};

	limits.command_timeout_ms = COMMAND_TIMEOUT_MS;
	limits.cancel_timeout_ms = COMMAND_TIMEOUT_MS;
	limits.all_timeout_ms = COMMAND_TIMEOUT_MS;
	limits.stop_timeout_ms = COMMAND_TIMEOUT_MS;
	limits.message_bytes_max = WILD_MESSAGE_BYTES_MAX;
	limits.crash_backoff_min_ms = 1;
	limits.crash_backoff_max_ms = 2;
	w->wild.store = w->store = fake_crdt_store_new(w->loop);
	w->member = fake_crdt_member_new(w->store, "a:1", on_members_change, w);
	if (w->start & START_MEMBER)
		w->other = fake_crdt_member_new(w->store, "b:1", NULL, NULL);
	params.log = fake_crdt_member_log(w->member);
	params.members = fake_crdt_member_members(w->member);
	w->crdts = crdt_table_new(&params);
	router_serve_crdts(w->router, w->crdts);
}

static void open_world(struct world *w, struct span input)
{
	struct entity_limits limits = entity_limits_default();
	struct entity_budget_limits budget_limits = entity_budget_limits_default();
	struct router_limits router_limits = {
		.actions = action_limits_default(),
		.followups = followup_limits_default(),
	};
	struct address address = {.host = "127.0.0.1"};
	struct userfn_params params = {
		.address = &address,
		.backoff_min_ms = 1,
		.backoff_max_ms = 5,
		.refused_retry_ms = 20,
		.discover_timeout_ms = 2000,
		.max_message_bytes = WILD_MESSAGE_BYTES_MAX,
	};
	struct error err;

	log_set_level(LOG_OFF);
	BUG_ON(loop_new(&w->loop, &err) != ST_OK);
	w->metrics = metrics_new();
	wild_start(&w->wild, w->loop, input);
	address.port = w->wild.function.port;
	w->userfn = userfn_open(w->loop, &params, on_change, w);
	w->wild.journal = w->journal = fake_journal_new(w->loop);
	wait_for(w, is_ready, w);
	limits.command_timeout_ms = COMMAND_TIMEOUT_MS;
	limits.stop_timeout_ms = COMMAND_TIMEOUT_MS;
	limits.message_bytes_max = WILD_MESSAGE_BYTES_MAX;
	limits.crash_backoff_min_ms = 1;
	limits.crash_backoff_max_ms = 2;
	router_limits.actions.message_bytes_max = WILD_MESSAGE_BYTES_MAX;
	router_limits.followups.timeout_ms = 2 * COMMAND_TIMEOUT_MS;
	w->budget = entity_budget_new(w->loop, w->userfn, &budget_limits);
	w->table = entity_table_new(w->budget, fake_journal_base(w->journal), w->metrics, &limits);
	w->router = router_new(w->loop, w->userfn, w->table, w->metrics, &router_limits);
	open_crdts(w);
}

static void close_world(struct world *w)
{
	router_free(w->router);
	entity_table_free(w->table);
	crdt_table_free(w->crdts);
	entity_budget_free(w->budget);
	if (w->other)
		fake_crdt_member_free(w->other);
	fake_crdt_member_free(w->member);
	fake_crdt_store_free(w->store);
	journal_close(fake_journal_base(w->journal));
	userfn_close(w->userfn);
	wild_stop(&w->wild);
	metrics_free(w->metrics);
	loop_free(w->loop);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span input = span_make(data, size);
	struct world w = {0};
	struct caller wild[WILD_CALLS];
	uint8_t start = size ? data[0] : 0;

	if (size > INPUT_BYTES_MAX)
		return -1;
	w.start = start;
	open_world(&w, span_skip(input, 1));
	w.wild.moves_at_init = start & START_AT_INIT;
	for (unsigned i = 0; i < WILD_CALLS; i++)
		call(&w, &wild[i], paths[start & START_PATH_BITS], "wild",
		     (start & START_IMPATIENT) && i == WILD_CALLS - 1 ? CALLER_PATIENCE_SHORT_MS
								      : CALLER_PATIENCE_MS);
	ask_good(&w, "/test.Counter/Do");
	ask_good(&w, "/test.Value/Do");
	ask_good(&w, "/test.Shared/Do");
	for (unsigned i = 0; i < WILD_CALLS; i++)
		wait_for(&w, is_answered, &wild[i]);
	wait_for(&w, is_quiet, &w);
	ask_good(&w, "/test.Counter/Do");
	ask_good(&w, "/test.Shared/Do");
	close_world(&w);
	for (unsigned i = 0; i < WILD_CALLS; i++)
		BUG_ON(wild[i].finishes + wild[i].is_cancelled != 1);
	return 0;
}

/* The user function of a chaos run. Each event says on which state its command was decided, and
 * every reply shows a digest of all events before it: so the checker sees an event that was built
 * on something else than what the journal has before it, and a read that was shown anything else
 * than a beginning of the journal. */

#include <headgate/function.h>
#include <stdlib.h>
#include <string.h>

#include "ledger.pb-c.h"

typedef Headgate__Chaos__Entry Entry;
typedef Headgate__Chaos__Page Page;
typedef Headgate__Chaos__Written Written;

/* An append of more is a mistake of the client's. */
#define TIMES_MAX 16
#define OP_MAX 32
#define THREADS 4

/* FNV-1a, 32 bits; check.mjs does the same. */
#define DIGEST_BASIS 2166136261U
#define DIGEST_PRIME 16777619U

static const uint8_t descriptor_set[] = {
#include "tests/chaos/gen/descriptor_set.inc"
};

struct ledger {
	int32_t count;
	uint32_t digest;
	char last[OP_MAX];
};

static void *create(const char *entity_id, void *data)
{
	struct ledger *ledger = calloc(1, sizeof *ledger);

	(void)entity_id;
	(void)data;
	if (ledger)
		ledger->digest = DIGEST_BASIS;
	return ledger;
}

static int written(void *state, const void *message)
{
	const Written *event = message;
	struct ledger *ledger = state;

	for (const char *at = event->op; *at; at++)
		ledger->digest = (ledger->digest ^ (uint8_t)*at) * DIGEST_PRIME;
	ledger->digest = (ledger->digest ^ '\n') * DIGEST_PRIME;
	ledger->count++;
	(void)strncpy(ledger->last, event->op, OP_MAX - 1); /* the last byte stays zero */
	return 0;
}

static Page page_of(const struct ledger *ledger)
{
	Page page = HEADGATE__CHAOS__PAGE__INIT;

	page.count = ledger->count;
	page.digest = ledger->digest;
	page.last = (char *)(uintptr_t)ledger->last;
	return page;
}

static int append(struct headgate_context *context, void *state, const void *message)
{
	const Entry *entry = message;
	struct ledger *ledger = state;

	if (entry->times < 1 || entry->times > TIMES_MAX || strlen(entry->op) >= OP_MAX)
		return headgate_fail(context, HEADGATE_INVALID_ARGUMENT, "out of range");
	for (int32_t i = 0; i < entry->times; i++) {
		Written event = HEADGATE__CHAOS__WRITTEN__INIT;

		event.op = entry->op;
		event.base_count = ledger->count;
		event.base_digest = ledger->digest;
		if (headgate_emit(context, &event.base))
			return -1;
	}
	Page page = page_of(ledger);
	return headgate_reply(context, &page.base);
}

static int read_page(struct headgate_context *context, void *state, const void *message)
{
	Page page = page_of(state);

	(void)message; /* whom it names is the one whose ledger this is */
	return headgate_reply(context, &page.base);
}

static int write_snapshot(struct headgate_context *context, const void *state)
{
	Page page = page_of(state);

	return headgate_snapshot(context, &page.base);
}

static int read_snapshot(void *state, const void *message)
{
	const Page *page = message;
	struct ledger *ledger = state;

	ledger->count = page->count;
	ledger->digest = page->digest;
	(void)strncpy(ledger->last, page->last, OP_MAX - 1); /* the last byte stays zero */
	return 0;
}

static const struct headgate_command commands[] = {
	{"Append", &headgate__chaos__entry__descriptor, append},
	{"Read", &headgate__chaos__who__descriptor, read_page},
	{0},
};

static const struct headgate_event events[] = {
	{.type = &headgate__chaos__written__descriptor, .apply = written},
	{0},
};

static const struct headgate_entity entity = {
	.service_name = "headgate.chaos.Ledger",
	.persistence_id = "ledger",
	.commands = commands,
	.events = events,
	.create = create,
	.destroy = free,
	.snapshot_every = 50,
	.snapshot_type = &headgate__chaos__page__descriptor,
	.write_snapshot = write_snapshot,
	.read_snapshot = read_snapshot,
};

int main(void)
{
	static const struct headgate_entity *const entities[] = {&entity};

	return headgate_function_main(&(struct headgate_function_params){
		.entities = entities,
		.entity_count = 1,
		.descriptor_set = {descriptor_set, sizeof descriptor_set},
		.service_name = "ledger",
		.service_version = "1",
		.threads = THREADS,
		.stop_grace_ms = 100,
	});
}

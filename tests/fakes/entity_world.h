#ifndef HEADGATE_TESTS_FAKES_ENTITY_WORLD_H
#define HEADGATE_TESTS_FAKES_ENTITY_WORLD_H

/* An entity table with everything around it: a function in the same loop over a real connection, a
 * journal in memory, and callers that remember what they were told. For cmocka tests. */
#include "src/base/clock.h"
#include "src/entity/entity_budget.h"
#include "src/entity/entity_table.h"
#include "src/userfn/userfn.h"
#include "tests/fakes/fake_function.h"
#include "tests/fakes/fake_journal.h"

#define WAIT_NS (10 * NS_PER_S)
#define CALLS_MAX 256

/* One command and what became of it. */
struct entity_world_call {
	struct entity_world *f;
	struct entity_ticket *ticket;
	unsigned replies;
	enum entity_action action;
	enum status code;
	uint64_t retry_after_ms;
	size_t effects;
	uint64_t sequence;
	bool is_replayed;
	bool is_keyed;
	struct journal_id id;
	char reason[32];
	unsigned order; /* of its reply among all */
	char message[160];
	char payload[32];
	size_t payload_len;
};

struct entity_world {
	struct loop *loop;
	struct metrics *metrics;
	struct fake_function function;
	struct fake_journal *journal;
	struct userfn *userfn;
	struct entity_table *table;
	struct entity_limits limits;
	struct entity_budget_limits budget_limits;
	struct entity_budget *budget;
	struct entity_world_call seen[CALLS_MAX];
	size_t calls;
	unsigned replies;
	bool is_drained;
	unsigned want;
};

/* Set-ups: with a table; without one, so that limits may be changed before entity_world_open_table;
 * for a function of generation 0.1; for one whose entities sleep after 30 ms. */
bool entity_world_is_ready(void *data);
void entity_world_wait_for(struct entity_world *f, bool (*is_done)(void *));
struct entity_world *entity_world_set_up_with(int32_t minor, int64_t passivation_ms);
struct entity_world *entity_world_set_up_value(int64_t passivation_ms);
void entity_world_open_table(struct entity_world *f);
int entity_world_set_up(void **state);
int entity_world_set_up_closed(void **state);
int entity_world_set_up_0_1(void **state);
int entity_world_set_up_short_sleep(void **state);
int entity_world_tear_down(void **state);
void entity_world_on_reply(void *data, const struct entity_reply *reply);
struct entity_world_call *entity_world_submit_with(struct entity_world *f, const char *path,
						   const char *key, struct span payload,
						   uint64_t deadline_ns);
/* With an idempotency key, or (key_text NULL) an id that was used before. */
struct entity_world_call *entity_world_submit_again(struct entity_world *f, const char *path,
						    const char *key, struct span payload,
						    const char *key_text,
						    const struct journal_id *id);
struct entity_world_call *entity_world_increase(struct entity_world *f, const char *key);
struct entity_world_call *entity_world_get(struct entity_world *f, const char *key);
bool entity_world_all_replied(void *data);
bool entity_world_some_replied(void *data);
bool entity_world_nobody_awake(void *data);
bool entity_world_has_commands(void *data);
bool entity_world_has_reports(void *data);
bool entity_world_has_released(void *data);
struct journal_key entity_world_key_of(const char *id);
unsigned entity_world_amount_of(const struct entity_world_call *seen);
void entity_world_is_failure(const struct entity_world_call *seen, enum status code,
			     const char *message);

#endif

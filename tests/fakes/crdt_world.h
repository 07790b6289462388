#ifndef HEADGATE_TESTS_FAKES_CRDT_WORLD_H
#define HEADGATE_TESTS_FAKES_CRDT_WORLD_H

/* Members of a gateway that share CRDTs: each with a table, a function of its own over a real
 * connection, and the same log in memory. For cmocka tests. */
#include "src/base/clock.h"
#include "src/entity/crdt_table.h"
#include "src/entity/entity_budget.h"
#include "src/userfn/userfn.h"
#include "tests/fakes/crdt_function.h"
#include "tests/fakes/fake_crdt_log.h"

#define CRDT_WORLD_MEMBERS 3
#define CRDT_WORLD_CALLS 256

struct crdt_world_member {
	struct crdt_world *w;
	struct crdt_function function;
	struct fake_crdt_member *member;
	struct userfn *userfn;
	struct entity_budget *budget;
	struct crdt_table *table;
};

/* One command and what became of it. */
struct crdt_world_call {
	struct crdt_world *w;
	struct crdt_ticket *ticket; /* NULL: it is over */
	unsigned replies;	    /* with a payload */
	unsigned effects;
	bool is_over;
	enum status code; /* of a failure */
	char message[160];
	int64_t amount; /* of the last reply */
};

struct crdt_world {
	struct loop *loop;
	struct metrics *metrics;
	struct fake_crdt_store *store;
	struct crdt_world_member members[CRDT_WORLD_MEMBERS];
	size_t member_count;
	struct crdt_limits limits;
	struct entity_budget_limits budget_limits;
	const struct metadata *metadata; /* of the commands; NULL: none */
	struct crdt_world_call calls[CRDT_WORLD_CALLS];
	size_t call_count;
};

/* passivation_ms 0: the default. Limits may be changed until the first member is added. */
struct crdt_world *crdt_world_new(void);
struct crdt_world_member *crdt_world_add(struct crdt_world *w, int64_t passivation_ms);
/* It leaves: table, function and all. */
void crdt_world_remove(struct crdt_world_member *m);
void crdt_world_free(struct crdt_world *w);

/* Until is_done(data), or the test fails. */
void crdt_world_wait(struct crdt_world *w, bool (*is_done)(void *), void *data);

struct crdt_world_call *crdt_world_call(struct crdt_world_member *m, const char *method,
					const char *key, int64_t amount);
/* Waits for its end, then returns the amount; a failure fails the test. */
int64_t crdt_world_ask(struct crdt_world_member *m, const char *method, const char *key);
void crdt_world_cancel(struct crdt_world_call *call);

bool crdt_world_is_over(void *call);
/* Waits until the call has so many replies, or the amount. */
void crdt_world_wait_replies(struct crdt_world_call *call, unsigned replies);
void crdt_world_wait_amount(struct crdt_world_call *call, int64_t amount);
/* Waits until *counter has reached at_least. */
void crdt_world_wait_count(struct crdt_world *w, const unsigned *counter, unsigned at_least);
void crdt_world_wait_asleep(struct crdt_world_member *m);
/* Asks Get until every member answers the amount. */
void crdt_world_wait_converged(struct crdt_world *w, const char *key, int64_t amount);
void crdt_world_is_failure(struct crdt_world_call *call, enum status code, const char *message);

#endif

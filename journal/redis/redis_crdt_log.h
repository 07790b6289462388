#ifndef HEADGATE_JOURNAL_REDIS_REDIS_CRDT_LOG_H
#define HEADGATE_JOURNAL_REDIS_REDIS_CRDT_LOG_H

#include <stdbool.h>

/* The log of CRDTs over Redis. Spec: docs/journal-format.md, "CRDTs". */
struct crdt_log;
struct journal;
struct loop;
struct members;
struct metrics;

/* What redis_crdt_log_is_ready says changed. Never from inside a call into the log. */
typedef void (*redis_crdt_log_state_fn)(void *data);

/* journal and members: those over Redis, borrowed until crdt_log_close; metrics may be NULL. */
struct crdt_log *redis_crdt_log_open(struct loop *loop, struct journal *journal,
				     struct members *members, struct metrics *metrics,
				     redis_crdt_log_state_fn on_state, void *data);

/* There are CRDTs here: opens the second connection, on which the news of the others come, and
 * keeps it. A watch does the same. Before that, other members wait in vain for ours to acknowledge.
 */
void redis_crdt_log_listen(struct crdt_log *log);

/* Not asked to listen, or listening; otherwise reason is set as for readiness. */
bool redis_crdt_log_is_ready(const struct crdt_log *log, const char **reason);

#endif

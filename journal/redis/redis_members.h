#ifndef HEADGATE_JOURNAL_REDIS_REDIS_MEMBERS_H
#define HEADGATE_JOURNAL_REDIS_REDIS_MEMBERS_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/status.h"

/* The members of a namespace, by one sorted set in Redis. Heartbeats go through the journal's
 * connection. Spec: docs/journal-format.md, "Members". */
struct error;
struct journal;
struct loop;
struct members;
struct metrics;

/* The view changed, or whether we are settled. Never from inside a call into members. */
typedef void (*redis_members_change_fn)(void *data);

struct redis_members_params {
	const char *address;	 /* ours, printable without blanks and '|'; copied */
	bool is_sole;		 /* nobody else can be alive under it: a lock sees to that */
	struct metrics *metrics; /* borrowed; may be NULL */
	redis_members_change_fn on_change;
	/* A question was answered, or came to nothing; from inside the answer. May be NULL. */
	redis_members_change_fn on_answer;
	void *data;
};

/* journal: one over Redis, borrowed until members_close. The incarnation is the journal's. Errors:
 * ST_INVALID_ARGUMENT an address that cannot be one. */
MUST_CHECK enum status redis_members_open(struct loop *loop, struct journal *journal,
					  const struct redis_members_params *params,
					  struct members **ret_members, struct error *err);

/* Asks Redis once more, soon; the number of the question, to be compared with what
 * redis_members_heard returns: as large, and the view is younger than this call. */
uint64_t redis_members_ask(struct members *members);
uint64_t redis_members_heard(const struct members *members);

/* One more who is told of changes, and of every answer to a question; NULL: nobody. From inside the
 * answer. */
void redis_members_listen(struct members *members, redis_members_change_fn on_heard, void *data);

#endif

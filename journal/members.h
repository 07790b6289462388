#ifndef HEADGATE_JOURNAL_MEMBERS_H
#define HEADGATE_JOURNAL_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Who else serves this namespace: every gateway writes its heartbeat into one key of the journal
 * and reads everybody's from it, by Redis's clock alone. The view only routes and counts; nothing
 * that must not be wrong rests on it. Spec: journal-and-ownership 4.2; decision A6. */
struct members;

/* Heartbeat, plus or minus a fifth; and when a silent member is forgotten. */
#define MEMBERS_HEARTBEAT_MS ((uint64_t)400)
#define MEMBERS_TTL_MS ((uint64_t)2000)
/* More would not fit a view; later ones stay STARTING and say so. */
#define MEMBERS_MAX ((size_t)256)
#define MEMBER_ADDRESS_MAX ((size_t)256)

enum member_state {
	MEMBER_STARTING, /* not ready yet: gets no work */
	MEMBER_UP,
	MEMBER_LEAVING, /* draining: gets no work */
};

struct member {
	const char *address;  /* host:port for peers; names the replica of CRDTs */
	uint64_t incarnation; /* random per process */
	enum member_state state;
};

/* It begins STARTING. A living member of another incarnation under our address keeps us STARTING
 * until it is gone, so two processes never are the same replica. Without the journal's connection
 * the last view stays. Opened by redis_members_open. */

/* What we say of ourselves from now on; told at once. */
void members_set_state(struct members *members, enum member_state state);

/* Whether our own state is known to the others; reason as for readiness. */
bool members_is_settled(const struct members *members, const char **reason);

/* The newest view, ourselves included, sorted by address; borrowed until the next turn. version
 * grows with every change. */
const struct member *members_view(const struct members *members, size_t *ret_count,
				  uint64_t *ret_version);

/* Members UP, at least 1: we count ourselves. */
size_t members_up(const struct members *members);

/* Looks at the view once more, soon; the number of the question, to be compared with what
 * members_heard returns: as large, and the view is younger than this call, or could not be had. */
uint64_t members_ask(struct members *members);
uint64_t members_heard(const struct members *members);

const char *members_address(const struct members *members);

/* The process ends in order: takes us out of the key, so that nobody waits for our silence. on_left
 * comes once, when that is done or after MEMBERS_LEAVE_MS; not from inside this call, and not after
 * members_close. */
#define MEMBERS_LEAVE_MS ((uint64_t)300)
typedef void (*members_left_fn)(void *data);
void members_leave(struct members *members, members_left_fn on_left, void *data);

/* Lets go; whoever did not leave before is forgotten after MEMBERS_TTL_MS. NULL is a no-op. */
void members_close(struct members *members);

/* ---- for implementations: redis/ and the fake of the tests ----------------------------------- */
struct members_ops {
	void (*set_state)(struct members *, enum member_state);
	bool (*is_settled)(const struct members *, const char **reason);
	const struct member *(*view)(const struct members *, size_t *ret_count,
				     uint64_t *ret_version);
	uint64_t (*ask)(struct members *); /* it and heard may be NULL: nothing is ever newer */
	uint64_t (*heard)(const struct members *);
	const char *(*address)(const struct members *);
	void (*leave)(struct members *, members_left_fn, void *);
	void (*close)(struct members *);
};

/* First member of every implementation. */
struct members {
	const struct members_ops *ops;
};

#endif

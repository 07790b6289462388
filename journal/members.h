#ifndef HEADGATE_JOURNAL_MEMBERS_H
#define HEADGATE_JOURNAL_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Who else serves this namespace: every gateway writes its heartbeat into one key of the journal
 * and reads everybody's from it, by Redis's clock alone. The view only routes and counts; nothing
 * that must not be wrong rests on it. Spec: journal-and-ownership 4.2; decision A6. */
struct journal;
struct loop;
struct members;
struct metrics;

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

struct members_params {
	const char *address; /* ours; copied */
	uint64_t incarnation;
	struct metrics *metrics; /* borrowed; may be NULL */
};

/* The view changed. Never from inside a call into members. */
typedef void (*members_change_fn)(void *data);

/* Begins STARTING. Heartbeats go through the journal's connection and stop without it: then the
 * last view stays. A living member of another incarnation under our address keeps us STARTING until
 * it is gone, so two processes never are the same replica. */
struct members *members_open(struct loop *loop, struct journal *journal,
			     const struct members_params *params, members_change_fn on_change,
			     void *data);

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

const char *members_address(const struct members *members);

/* Takes us out of the key, without waiting for it. NULL is a no-op. */
void members_close(struct members *members);

#endif

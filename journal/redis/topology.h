#ifndef HEADGATE_JOURNAL_REDIS_TOPOLOGY_H
#define HEADGATE_JOURNAL_REDIS_TOPOLOGY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal/redis/connection.h"
#include "src/base/list.h"
#include "src/base/span.h"
#include "src/runtime/address.h"

/* Which server takes a request, and what follows when one says that it is another. One server; the
 * primary that sentinels name; or the masters of a cluster, each with its share of the slots. There
 * is one connection per server. */
struct loop;
struct error;
struct topology;

/* "host:port" as far as it fits; for logs and reasons. */
#define NODE_NAME_MAX 128

/* A server, or with connection NULL the place of slots that nobody serves. */
struct redis_node {
	struct topology *topology;
	struct list node;
	struct redis_connection *connection;
	struct address address;
	char name[NODE_NAME_MAX];
	uint64_t down_ns;     /* read only; since when it cannot be used */
	uint64_t wanted_ns;   /* when it was last spoken of (cluster) */
	bool is_master;	      /* of some slots, by the newest map (cluster) */
	size_t pending;	      /* the journal's: requests that are for it */
	size_t pending_bytes; /* and their commands */
};

struct topology_params {
	struct redis_connection_params connection; /* of every server; url's address is not */
	const char *sentinel_user;		   /* both copied; NULL: none */
	const char *sentinel_password;
};

struct topology_ops {
	/* Commands for its slots may be given. */
	void (*on_ready)(void *data, struct redis_node *node);
	/* As of a connection. What it had told may be gone. */
	void (*on_lost)(void *data, struct redis_node *node, struct list *commands,
			const struct error *error);
	void (*on_refused)(void *data, struct redis_node *node, const struct error *error);
	/* Some slots have another server, which may not have all that the last one told, or the
	 * whole is ready, or another place is to be listened at. */
	void (*on_moved)(void *data);
	/* The node ends with this turn: nothing may name it any more. */
	void (*on_gone)(void *data, struct redis_node *node);
};

/* Starts nothing yet. */
struct topology *topology_new(struct loop *loop, const struct topology_params *params,
			      const struct topology_ops *ops, void *data);
/* Lets go of commands without a callback. NULL is a no-op. */
void topology_free(struct topology *topology);

void topology_start(struct topology *topology);
/* Only of one server: closes and stays closed. */
void topology_stop(struct topology *topology, const struct error *why);

/* All slots that the journal uses are served. */
bool topology_is_ready(const struct topology *topology, const char **reason);
/* Of the servers there are: the weakest class. */
const char *topology_durability(const struct topology *topology);

/* Never NULL. SLOT_ANY: one that is ready, if any is. */
struct redis_node *topology_node(struct topology *topology, unsigned slot);
/* Commands may be given to it. */
bool redis_node_is_ready(const struct redis_node *node);
/* Why not. */
const char *redis_node_reason(const struct redis_node *node);

/* "MOVED 5 host:port": the slot is another's for good. "ASK 5 host:port": for this one command; the
 * node it names, NULL when it cannot be used yet or the text is none of these. */
void topology_moved(struct topology *topology, struct redis_node *from, struct span text);
struct redis_node *topology_asked(struct topology *topology, struct redis_node *from,
				  struct span text);
/* It says that it is no primary: dropped at once. */
void topology_demoted(struct topology *topology, struct redis_node *node,
		      const struct error *error);
/* Something is wrong with the whole: looks again, soon. */
void topology_doubt(struct topology *topology);

/* Redirections mean something. */
bool topology_is_cluster(const struct topology *topology);

bool topology_is_same(const struct address *a, const struct address *b);

/* Where publications can be heard; false: nowhere yet. now: where is listened now, NULL nowhere;
 * true and *now again means to stay. */
bool topology_listen_at(struct topology *topology, const struct address *now,
			struct address *ret_address);

#endif

#ifndef HEADGATE_JOURNAL_REDIS_TOPOLOGY_INTERNAL_H
#define HEADGATE_JOURNAL_REDIS_TOPOLOGY_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "journal/redis/topology.h"
#include "journal/redis/url.h"
#include "src/base/error.h"
#include "src/base/list.h"
#include "src/runtime/loop.h"

/* What topology.c, sentinel.c and cluster.c share. */
struct cluster;
struct sentinel;

struct topology {
	struct loop *loop;
	struct redis_url url;
	struct redis_connection_params connection;
	char *namespace_text;
	const struct topology_ops *ops;
	void *data;
	struct list nodes;
	struct list gone; /* released at the end of the turn */
	struct loop_task gone_task;
	struct redis_node nowhere;
	struct redis_node *only;   /* the server; NULL in a cluster */
	struct sentinel *sentinel; /* NULL: nobody names it */
	struct cluster *cluster;   /* NULL: there is one server */
};

/* topology.c */
struct redis_node *topology_find(struct topology *t, const struct address *address);
/* Connects. */
struct redis_node *topology_node_new(struct topology *t, const struct address *address);
/* Another server is the only one: the last one is dropped at once. */
void topology_move(struct topology *t, const struct address *address);
/* Its commands come back, and it is released later. */
void topology_node_remove(struct topology *t, struct redis_node *node, const struct error *why);

/* sentinel.c */
struct sentinel *sentinel_new(struct topology *t, const char *user, const char *password);
void sentinel_free(struct sentinel *s);
void sentinel_start(struct sentinel *s);
/* Asks again, now. */
void sentinel_ask(struct sentinel *s);
const char *sentinel_reason(const struct sentinel *s);

/* cluster.c */
struct cluster *cluster_new(struct topology *t);
void cluster_free(struct cluster *c);
void cluster_start(struct cluster *c);
bool cluster_is_open(const struct cluster *c);
bool cluster_is_ready(const struct cluster *c, const char **reason);
const char *cluster_reason(const struct cluster *c);
struct redis_node *cluster_node(struct cluster *c, unsigned slot);
void cluster_on_ready(struct cluster *c, struct redis_node *node);
/* Takes its own commands out of the list. */
void cluster_on_down(struct cluster *c, struct list *commands);
void cluster_forget(struct cluster *c, const struct redis_node *node);
/* Refreshes the map, soon. */
void cluster_refresh(struct cluster *c);
void cluster_moved(struct cluster *c, unsigned slot, struct redis_node *to);

#endif

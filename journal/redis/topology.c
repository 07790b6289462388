/* Nodes and what is said of them; who names them is in sentinel.c and cluster.c. */
#include "journal/redis/topology.h"

#include <stdio.h>
#include <string.h>

#include "journal/redis/slot.h"
#include "journal/redis/topology_internal.h"
#include "src/base/mem.h"
#include "src/base/text.h"

/* ---- nodes ---------------------------------------------------------------------------------- */
bool topology_is_same(const struct address *a, const struct address *b)
{
	return a->is_unix == b->is_unix && a->port == b->port && strcmp(a->host, b->host) == 0 &&
	       strcmp(a->path, b->path) == 0;
}

static void on_ready(void *data)
{
	struct redis_node *node = data;
	struct topology *t = node->topology;

	if (t->cluster)
		cluster_on_ready(t->cluster, node);
	t->ops->on_ready(t->data, node);
}

static void on_lost(void *data, struct list *commands, const struct error *error)
{
	struct redis_node *node = data;
	struct topology *t = node->topology;

	node->down_ns = loop_now_ns(t->loop);
	if (t->cluster)
		cluster_on_down(t->cluster, commands);
	if (t->sentinel)
		sentinel_ask(t->sentinel);
	t->ops->on_lost(t->data, node, commands, error);
}

static void on_refused(void *data, const struct error *error)
{
	struct redis_node *node = data;
	struct topology *t = node->topology;
	struct list none = LIST_INIT(none);

	if (t->cluster)
		cluster_on_down(t->cluster, &none);
	t->ops->on_refused(t->data, node, error);
}

static const struct redis_connection_ops connection_ops = {
	.on_ready = on_ready,
	.on_lost = on_lost,
	.on_refused = on_refused,
};

static struct redis_node *node_new(struct topology *t, const struct address *address)
{
	struct redis_node *node = mem_new(struct redis_node);
	struct redis_connection_params params = t->connection;

	node->topology = t;
	node->address = *address;
	address_print(address, node->name, sizeof(node->name));
	node->down_ns = loop_now_ns(t->loop);
	node->wanted_ns = node->down_ns;
	params.address = address;
	params.is_of_cluster = t->cluster;
	node->connection = redis_connection_new(t->loop, &params, &connection_ops, node);
	list_push_back(&t->nodes, &node->node);
	return node;
}

struct redis_node *topology_node_new(struct topology *t, const struct address *address)
{
	struct redis_node *node = node_new(t, address);

	redis_connection_start(node->connection);
	return node;
}

struct redis_node *topology_find(struct topology *t, const struct address *address)
{
	list_for_each (node, &t->nodes) {
		struct redis_node *it = list_entry(node, struct redis_node, node);

		if (topology_is_same(&it->address, address))
			return it;
	}
	return NULL;
}

static void node_free(struct redis_node *node)
{
	list_remove(&node->node);
	redis_connection_free(node->connection);
	mem_free(node);
}

static void free_nodes(struct list *nodes)
{
	struct list *node;

	while ((node = list_pop_front(nodes)))
		node_free(list_entry(node, struct redis_node, node));
}

/* A connection may not end within its own callback. */
static void on_gone_task(void *data)
{
	struct topology *t = data;

	free_nodes(&t->gone);
}

void topology_node_remove(struct topology *t, struct redis_node *node, const struct error *why)
{
	list_remove(&node->node);
	list_push_back(&t->gone, &node->node);
	if (t->cluster)
		cluster_forget(t->cluster, node);
	redis_connection_stop(node->connection, why);
	t->ops->on_gone(t->data, node);
	loop_task_schedule(t->loop, &t->gone_task);
}

void topology_move(struct topology *t, const struct address *address)
{
	struct redis_node *node = t->only;
	struct error why;

	if (topology_is_same(&node->address, address)) {
		redis_connection_start(node->connection);
		return;
	}
	(void)error_set(&why, ST_UNAVAILABLE, "%s is not the primary any more", node->name);
	redis_connection_stop(node->connection, &why);
	node->address = *address;
	address_print(address, node->name, sizeof(node->name));
	redis_connection_aim(node->connection, address);
	redis_connection_start(node->connection);
	t->ops->on_moved(t->data);
}

bool redis_node_is_ready(const struct redis_node *node)
{
	const struct topology *t = node->topology;

	return node->connection && redis_connection_is_ready(node->connection) &&
	       (!t->cluster || cluster_is_open(t->cluster));
}

const char *redis_node_reason(const struct redis_node *node)
{
	const struct topology *t = node->topology;

	if (t->sentinel && node->address.port == 0)
		return sentinel_reason(t->sentinel);
	if (t->cluster && (!node->connection || redis_connection_is_ready(node->connection)))
		return cluster_reason(t->cluster);
	return redis_connection_reason(node->connection);
}

/* ---- the whole ------------------------------------------------------------------------------ */
struct redis_node *topology_node(struct topology *t, unsigned slot)
{
	return t->cluster ? cluster_node(t->cluster, slot) : t->only;
}

bool topology_is_ready(const struct topology *t, const char **reason)
{
	*reason = NULL;
	if (t->cluster)
		return cluster_is_ready(t->cluster, reason);
	if (!redis_node_is_ready(t->only))
		*reason = redis_node_reason(t->only);
	return !*reason;
}

const char *topology_durability(const struct topology *t)
{
	static const char *const classes[] = {"unknown", "memory", "everysec", "always"};
	size_t weakest = sizeof(classes) / sizeof(*classes) - 1;
	bool is_any = false;

	list_for_each (it, &t->nodes) {
		const struct redis_node *node = list_entry(it, struct redis_node, node);
		const char *its = redis_connection_durability(node->connection);
		size_t i = 0;

		if (t->cluster && !node->is_master)
			continue;
		is_any = true;
		while (i < weakest && strcmp(classes[i], its) != 0)
			i++;
		weakest = i;
	}
	return is_any ? classes[weakest] : classes[0];
}

bool topology_is_cluster(const struct topology *t)
{
	return t->cluster;
}

/* ---- what servers say ----------------------------------------------------------------------- */
/* "MOVED <slot> <host>:<port>"; a server that does not know its own name leaves it out. */
static struct redis_node *read_redirect(struct topology *t, const struct redis_node *from,
					struct span text, uint64_t *ret_slot)
{
	struct span rest = span_skip(text, span_find(text, ' ') + 1);
	size_t blank = span_find(rest, ' ');
	struct span place = span_skip(rest, blank + 1);
	struct address address;
	struct error ignored;
	struct redis_node *node;

	if (!text_to_u64(span_head(rest, blank), ret_slot) || *ret_slot >= SLOT_COUNT ||
	    address_parse(place, from->address.host, &address, &ignored) != ST_OK)
		return NULL;
	node = topology_find(t, &address);
	if (!node)
		node = topology_node_new(t, &address);
	node->wanted_ns = loop_now_ns(t->loop);
	return node;
}

void topology_moved(struct topology *t, struct redis_node *from, struct span text)
{
	uint64_t slot;
	struct redis_node *to = t->cluster ? read_redirect(t, from, text, &slot) : NULL;

	if (to)
		cluster_moved(t->cluster, (unsigned)slot, to);
	topology_doubt(t);
}

struct redis_node *topology_asked(struct topology *t, struct redis_node *from, struct span text)
{
	uint64_t slot;
	struct redis_node *to = t->cluster ? read_redirect(t, from, text, &slot) : NULL;

	return to && redis_node_is_ready(to) ? to : NULL;
}

void topology_demoted(struct topology *t, struct redis_node *node, const struct error *error)
{
	redis_connection_drop(node->connection, error);
	topology_doubt(t);
}

void topology_doubt(struct topology *t)
{
	if (t->cluster)
		cluster_refresh(t->cluster);
	if (t->sentinel)
		sentinel_ask(t->sentinel);
}

bool topology_listen_at(struct topology *t, const struct address *now, struct address *ret_address)
{
	struct redis_node *node = t->only;

	if (t->cluster) {
		node = now ? topology_find(t, now) : NULL;
		if (!node || !redis_connection_is_ready(node->connection))
			node = cluster_node(t->cluster, SLOT_ANY);
		if (!node->connection || !redis_connection_is_ready(node->connection))
			return false;
	}
	if (t->sentinel && node->address.port == 0)
		return false;
	*ret_address = node->address;
	return true;
}

/* ---- life ----------------------------------------------------------------------------------- */
void topology_start(struct topology *t)
{
	if (t->cluster)
		cluster_start(t->cluster);
	else if (t->sentinel)
		sentinel_start(t->sentinel);
	else
		redis_connection_start(t->only->connection);
}

void topology_stop(struct topology *t, const struct error *why)
{
	redis_connection_stop(t->only->connection, why);
}

struct topology *topology_new(struct loop *loop, const struct topology_params *params,
			      const struct topology_ops *ops, void *data)
{
	struct topology *t = mem_new(struct topology);

	t->loop = loop;
	t->url = *params->connection.url;
	t->connection = params->connection;
	t->connection.url = &t->url;
	t->namespace_text = mem_strdup(params->connection.namespace_text);
	t->connection.namespace_text = t->namespace_text;
	t->ops = ops;
	t->data = data;
	t->nowhere.topology = t;
	t->nowhere.down_ns = loop_now_ns(loop);
	list_init(&t->nowhere.node);
	list_init(&t->nodes);
	list_init(&t->gone);
	loop_task_init(&t->gone_task, on_gone_task, t);
	if (t->url.kind == REDIS_URL_CLUSTER)
		t->cluster = cluster_new(t);
	else
		t->only = node_new(t, &t->url.address);
	if (t->url.kind == REDIS_URL_SENTINEL)
		(void)snprintf(t->only->name, sizeof(t->only->name), "%s", t->url.master);
	if (t->url.kind == REDIS_URL_SENTINEL)
		t->sentinel = sentinel_new(t, params->sentinel_user, params->sentinel_password);
	return t;
}

void topology_free(struct topology *t)
{
	if (!t)
		return;
	free_nodes(&t->nodes);
	free_nodes(&t->gone);
	loop_task_cancel(&t->gone_task);
	cluster_free(t->cluster);
	sentinel_free(t->sentinel);
	mem_free(t->namespace_text);
	mem_free(t);
}

/* The masters of a Redis Cluster. The map of slots is asked from any of them: at first, after a
 * redirection, when a connection was lost, and now and then; answers are believed as they come, for
 * a wrong one costs a redirection and nothing else.
 *
 * The journal is one, whatever the number of servers: its meta key lies on one of them, and before
 * the first request it must be known, or made when no server has a key of the namespace:
 *
 *   CLOSED --all slots of the journal are served--> ASKING --it is there--> OPEN
 *                                                    | missing                ^
 *                                                    v                        |
 *                                                SCANNING --no keys--> made --+
 *
 * It is asked for again when another server has the meta key, or the same after a pause. */
#include <stdio.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "journal/key.h"
#include "journal/redis/greeting.h"
#include "journal/redis/reply.h"
#include "journal/redis/slot.h"
#include "journal/redis/topology_internal.h"
#include "src/base/clock.h"
#include "src/base/mem.h"
#include "src/runtime/timer.h"

/* A map that nobody spoke against is asked for again so often. */
#define REFRESH_MS ((uint64_t)10000)
/* While something is wrong. Also how often at the most: redirections come by thousands. */
#define REFRESH_SOON_MS ((uint64_t)100)
/* A server that was spoken of and is in no map is kept for so long: slots may be on their way. */
#define KEPT_MS ((uint64_t)5000)
/* After what only a person can change. */
#define META_RETRY_MS ((uint64_t)1000)

/* What is shown of a reason. */
#define TEXT_MAX ((size_t)512)

/* Every partition, the members, the meta key. */
#define PLACES (KEY_PARTITIONS + 2)

enum meta_state { META_UNKNOWN, META_ASKING, META_SCANNING, META_GOOD };

struct cluster {
	struct topology *topology;
	struct redis_node **owners;	   /* by slot; NULL: nobody */
	uint16_t places[PLACES];	   /* slots that the journal uses */
	struct redis_command map;	   /* CLUSTER SLOTS */
	const struct redis_node *map_node; /* who is asked for it */
	bool is_map_asked;
	bool is_mapped;
	struct error map_error; /* why there is none */
	bool is_doubted;	/* since it was asked for */
	size_t turn;		/* which node is asked next */
	struct timer map_timer;
	/* the journal's own key */
	enum meta_state meta;
	bool is_open; /* it was good once, and is not known to be bad */
	struct greeting greeting;
	char created[GREETING_CREATED_MAX];
	void (*on_meta)(struct redis_command *, const struct redisReply *); /* the greeting's */
	struct redis_command scan;
	struct redis_node *scanned;
	struct timer meta_timer;
	struct error reason; /* why it is not open */
	char *text;	     /* of the reason last asked for */
};

static struct redis_node *owner_of(const struct cluster *c, unsigned slot)
{
	return c->owners[slot];
}

static bool is_connected(const struct redis_node *node)
{
	return node && redis_connection_is_ready(node->connection);
}

/* A slot of the journal that is not served now, SLOT_ANY when all are. */
static unsigned missing_slot(const struct cluster *c)
{
	for (size_t i = 0; i < PLACES; i++) {
		if (!is_connected(owner_of(c, c->places[i])))
			return c->places[i];
	}
	return SLOT_ANY;
}

static unsigned meta_slot(const struct cluster *c)
{
	return c->places[PLACES - 1];
}

/* ---- the meta key --------------------------------------------------------------------------- */
static void meta_go_on(struct cluster *c);

static void meta_reset(struct cluster *c)
{
	greeting_fini(&c->greeting);
	list_remove(&c->scan.node);
	c->meta = META_UNKNOWN;
	c->scanned = NULL;
}

static void meta_failed(struct cluster *c, const struct error *error, bool is_slow)
{
	struct topology *t = c->topology;
	struct redis_node *node = owner_of(c, meta_slot(c));

	meta_reset(c);
	c->reason = *error;
	if (is_slow)
		c->is_open = false;
	timer_start_in(&c->meta_timer, is_slow ? META_RETRY_MS : REFRESH_SOON_MS);
	cluster_refresh(c);
	t->ops->on_refused(t->data, node ? node : &t->nowhere, error);
}

static void meta_good(struct cluster *c)
{
	bool was_open = c->is_open;

	memcpy(c->created, c->greeting.created, sizeof(c->created));
	greeting_fini(&c->greeting);
	c->meta = META_GOOD;
	c->is_open = true;
	if (!was_open)
		c->topology->ops->on_moved(c->topology->data);
}

static void scan_next(struct cluster *c, const char *cursor)
{
	greeting_scan(&c->scan, c->topology->namespace_text, cursor);
	redis_connection_send(c->scanned->connection, &c->scan);
}

/* The next master behind the one that was looked through; NULL when it was the last. */
static struct redis_node *next_master(const struct cluster *c, const struct redis_node *last)
{
	bool is_behind = !last;

	list_for_each (it, &c->topology->nodes) {
		struct redis_node *node = list_entry(it, struct redis_node, node);

		if (is_behind && node->is_master)
			return node;
		is_behind |= node == last;
	}
	return NULL;
}

static void scan_node(struct cluster *c, struct redis_node *node)
{
	struct error error;

	c->scanned = node;
	if (!node) {
		c->meta = META_ASKING;
		greeting_create(&c->greeting);
		meta_go_on(c);
	} else if (is_connected(node)) {
		scan_next(c, "0");
	} else {
		(void)error_set(&error, ST_UNAVAILABLE, "%s cannot be looked through: %s",
				node->name, redis_connection_reason(node->connection));
		meta_failed(c, &error, false);
	}
}

static void on_scan(struct redis_command *command, const redisReply *reply)
{
	struct cluster *c = container_of(command, struct cluster, scan);
	char cursor[24];
	struct error error;

	if (c->meta != META_SCANNING)
		return;
	if (greeting_scan_reply(reply, cursor, sizeof(cursor), &error) != ST_OK) {
		meta_failed(c, &error, false);
	} else if (!cursor[0]) {
		(void)error_set(
			&error, ST_FAILED_PRECONDITION,
			"redis at %s holds keys of namespace \"%s\" but there is no meta key",
			c->scanned->name, c->topology->namespace_text);
		meta_failed(c, &error, true);
	} else if (strcmp(cursor, "0") == 0) {
		scan_node(c, next_master(c, c->scanned));
	} else {
		scan_next(c, cursor);
	}
}

static void meta_go_on(struct cluster *c)
{
	struct redis_node *node = owner_of(c, meta_slot(c));
	struct error error = c->greeting.error;
	struct list *it;

	if (c->greeting.state == GREETING_FAILED) {
		meta_failed(c, &error, c->greeting.is_slow);
	} else if (c->greeting.state == GREETING_DONE) {
		meta_good(c);
	} else if (c->greeting.state == GREETING_MISSING && c->topology->connection.is_guest) {
		(void)error_set(&error, ST_NOT_FOUND,
				"there is no journal with the namespace \"%s\"",
				c->topology->namespace_text);
		meta_failed(c, &error, true);
	} else if (c->greeting.state == GREETING_MISSING) {
		c->meta = META_SCANNING;
		scan_node(c, next_master(c, NULL));
	} else if (!is_connected(node)) {
		(void)error_set(&error, ST_UNAVAILABLE, "the server of the meta key is away");
		meta_failed(c, &error, false);
	} else {
		while ((it = list_pop_front(&c->greeting.to_send)))
			redis_connection_send(node->connection,
					      list_entry(it, struct redis_command, node));
	}
}

/* Replies go to the greeting; what it says then is looked at here. */
static void on_meta_reply(struct redis_command *command, const redisReply *reply)
{
	struct cluster *c = container_of(command, struct cluster, greeting.meta_);

	c->on_meta(command, reply);
	meta_go_on(c);
}

static void meta_ask(struct cluster *c)
{
	/* To make one needs all servers. */
	if (c->meta != META_UNKNOWN || (!c->is_open && missing_slot(c) != SLOT_ANY) ||
	    !is_connected(owner_of(c, meta_slot(c))) || timer_is_set(&c->meta_timer))
		return;
	c->meta = META_ASKING;
	greeting_start(&c->greeting, &c->topology->url, c->topology->namespace_text, c->created,
		       GREETING_OF_META);
	c->on_meta = c->greeting.meta_.on_reply;
	c->greeting.meta_.on_reply = on_meta_reply;
	meta_go_on(c);
}

static void on_meta_timer(void *data)
{
	meta_ask(data);
}

/* ---- the map -------------------------------------------------------------------------------- */
static void set_owner(struct cluster *c, unsigned slot, struct redis_node *node, bool *is_news)
{
	if (owner_of(c, slot) == node)
		return;
	for (size_t i = 0; i < PLACES; i++)
		*is_news |= c->places[i] == slot;
	if (slot == meta_slot(c) && c->meta == META_GOOD)
		c->meta = META_UNKNOWN;
	if (!node)
		c->topology->nowhere.down_ns = loop_now_ns(c->topology->loop);
	c->owners[slot] = node;
}

/* The server's own address as it sees it may be unknown to it: then it is the one asked. */
static struct redis_node *read_node(struct cluster *c, const redisReply *entry,
				    const struct redis_node *from)
{
	struct topology *t = c->topology;
	struct address address = {0};
	struct span host;
	struct redis_node *node;

	if (entry->type != REDIS_REPLY_ARRAY || entry->elements < 2 ||
	    entry->element[1]->type != REDIS_REPLY_INTEGER || entry->element[1]->integer <= 0 ||
	    entry->element[1]->integer > UINT16_MAX)
		return NULL;
	host = reply_text(entry->element[0]);
	if (host.len == 0 || span_eq_str(host, "?"))
		host = span_from_str(from->address.host);
	if (host.len >= sizeof(address.host) || memchr(host.data, 0, host.len))
		return NULL;
	memcpy(address.host, host.data, host.len);
	address.port = (uint16_t)entry->element[1]->integer;
	node = topology_find(t, &address);
	if (!node)
		node = topology_node_new(t, &address);
	node->is_master = true;
	return node;
}

/* [first, last, [host, port, ...], replicas...]; false when it is something else. */
static bool take_range(struct cluster *c, const redisReply *range, const struct redis_node *from,
		       struct redis_node **owners)
{
	struct redis_node *node;

	if (range->type != REDIS_REPLY_ARRAY || range->elements < 3 ||
	    range->element[0]->type != REDIS_REPLY_INTEGER ||
	    range->element[1]->type != REDIS_REPLY_INTEGER || range->element[0]->integer < 0 ||
	    range->element[1]->integer >= SLOT_COUNT)
		return false;
	node = read_node(c, range->element[2], from);
	for (long long i = range->element[0]->integer; i <= range->element[1]->integer; i++)
		owners[i] = node;
	return node;
}

/* Servers without slots that nobody spoke of lately. */
static void sweep(struct cluster *c)
{
	struct topology *t = c->topology;
	uint64_t now = loop_now_ns(t->loop);
	struct error why;

	(void)error_set(&why, ST_UNAVAILABLE, "it serves no slots any more");
	list_for_each_safe (it, &t->nodes) {
		struct redis_node *node = list_entry(it, struct redis_node, node);

		if (!node->is_master && now >= clock_deadline(node->wanted_ns, KEPT_MS * NS_PER_MS))
			topology_node_remove(t, node, &why);
	}
}

/* What was known holds on, and is asked for again soon. */
static void keep_map(struct cluster *c)
{
	c->is_doubted = true;
	for (unsigned slot = 0; slot < SLOT_COUNT; slot++)
		if (owner_of(c, slot))
			owner_of(c, slot)->is_master = true;
}

static void take_map(struct cluster *c, const redisReply *reply, const struct redis_node *from)
{
	struct redis_node **owners = mem_new_array(struct redis_node *, SLOT_COUNT);
	bool is_good = reply->type == REDIS_REPLY_ARRAY && reply->elements > 0;
	bool is_news = !c->is_mapped;

	list_for_each (it, &c->topology->nodes)
		list_entry(it, struct redis_node, node)->is_master = false;
	for (size_t i = 0; is_good && i < reply->elements; i++)
		is_good = take_range(c, reply->element[i], from, owners);
	for (unsigned slot = 0; is_good && slot < SLOT_COUNT; slot++)
		set_owner(c, slot, owners[slot], &is_news);
	mem_free(owners);
	if (!is_good) {
		keep_map(c);
		return;
	}
	c->is_mapped = true;
	sweep(c);
	meta_ask(c);
	if (is_news)
		c->topology->ops->on_moved(c->topology->data);
}

static void arm_map_timer(struct cluster *c)
{
	bool is_well = c->is_mapped && !c->is_doubted && missing_slot(c) == SLOT_ANY;

	timer_start_in(&c->map_timer, is_well ? REFRESH_MS : REFRESH_SOON_MS);
}

static void on_map(struct redis_command *command, const redisReply *reply)
{
	struct cluster *c = container_of(command, struct cluster, map);

	c->is_map_asked = false;
	if (reply_is_error(reply)) {
		(void)reply_classify(reply, &c->map_error);
		(void)error_wrap(&c->map_error, "CLUSTER SLOTS");
		timer_start_in(&c->map_timer, META_RETRY_MS);
		return;
	}
	take_map(c, reply, c->map_node);
	arm_map_timer(c);
}

/* They are few, and may all have other addresses than when the map was taken. */
static void connect_seeds(struct cluster *c)
{
	struct topology *t = c->topology;
	struct address address;

	for (size_t i = 0; i < t->url.seed_count; i++) {
		redis_url_seed(&t->url, i, &address);
		if (!topology_find(t, &address))
			(void)topology_node_new(t, &address);
	}
}

/* Another one each time: one that is cut off from the others does not know it. */
static struct redis_node *whom_to_ask(struct cluster *c)
{
	size_t count = 0;

	list_for_each (it, &c->topology->nodes)
		count += is_connected(list_entry(it, struct redis_node, node));
	if (count == 0)
		return NULL;
	count = c->turn++ % count;
	list_for_each (it, &c->topology->nodes) {
		struct redis_node *node = list_entry(it, struct redis_node, node);

		if (is_connected(node) && count-- == 0)
			return node;
	}
	return NULL;
}

static void ask_map(void *data)
{
	static const char *const words[] = {"CLUSTER", "SLOTS", NULL};
	struct cluster *c = data;

	if (c->is_map_asked)
		return;
	c->map_node = whom_to_ask(c);
	if (!c->map_node) {
		connect_seeds(c);
		arm_map_timer(c);
		return;
	}
	timer_stop(&c->map_timer);
	c->is_doubted = false;
	c->is_map_asked = true;
	redis_command_words(&c->map, words);
	redis_connection_send(c->map_node->connection, &c->map);
}

void cluster_refresh(struct cluster *c)
{
	uint64_t soon = clock_deadline(loop_now_ns(c->topology->loop), REFRESH_SOON_MS * NS_PER_MS);

	c->is_doubted = true;
	if (!c->is_map_asked && (!timer_is_set(&c->map_timer) || c->map_timer.deadline_ns > soon))
		timer_start(&c->map_timer, soon);
}

void cluster_moved(struct cluster *c, unsigned slot, struct redis_node *to)
{
	bool is_news = false;

	set_owner(c, slot, to, &is_news);
	to->is_master = true;
	if (is_news)
		c->topology->ops->on_moved(c->topology->data);
}

/* ---- connections ---------------------------------------------------------------------------- */
void cluster_on_ready(struct cluster *c, struct redis_node *node)
{
	if (!c->is_mapped)
		ask_map(c);
	if (node == owner_of(c, meta_slot(c)) && c->meta == META_GOOD)
		c->meta = META_UNKNOWN;
	meta_ask(c);
}

void cluster_on_down(struct cluster *c, struct list *commands)
{
	struct error error;
	bool is_meta = false;

	list_for_each_safe (it, commands) {
		const struct redis_command *command = list_entry(it, struct redis_command, node);

		if (command == &c->map)
			c->is_map_asked = false;
		else if (command == &c->greeting.meta_ || command == &c->scan)
			is_meta = true;
		else
			continue;
		list_remove(it);
	}
	if (is_meta) {
		(void)error_set(&error, ST_UNAVAILABLE, "the server of the meta key is away");
		meta_failed(c, &error, false);
	}
	cluster_refresh(c);
}

void cluster_forget(struct cluster *c, const struct redis_node *node)
{
	for (unsigned slot = 0; slot < SLOT_COUNT; slot++) {
		if (owner_of(c, slot) == node)
			c->owners[slot] = NULL;
	}
}

/* ---- what is asked of us -------------------------------------------------------------------- */
bool cluster_is_open(const struct cluster *c)
{
	return c->is_open;
}

struct redis_node *cluster_node(struct cluster *c, unsigned slot)
{
	struct topology *t = c->topology;

	if (slot < SLOT_COUNT)
		return owner_of(c, slot) ? owner_of(c, slot) : &t->nowhere;
	list_for_each (it, &t->nodes) {
		struct redis_node *node = list_entry(it, struct redis_node, node);

		if (is_connected(node) && node->is_master)
			return node;
	}
	return list_is_empty(&t->nodes) ? &t->nowhere
					: list_entry(t->nodes.next, struct redis_node, node);
}

static void print_place(const struct cluster *c, unsigned slot, char *text, size_t size)
{
	size_t i = 0;

	while (i < PLACES - 1 && c->places[i] != slot)
		i++;
	if (i < KEY_PARTITIONS)
		(void)snprintf(text, size, "partition %zu (slot %u)", i, slot);
	else
		(void)snprintf(text, size, "%s (slot %u)",
			       i == KEY_PARTITIONS ? "the members" : "the meta key", slot);
}

static const char *why_unmapped(const struct cluster *c)
{
	const struct topology *t = c->topology;

	if (c->map_error.status != ST_OK)
		return c->map_error.message;
	if (list_is_empty(&t->nodes))
		return "connecting to the cluster";
	return redis_connection_reason(
		list_entry(t->nodes.next, struct redis_node, node)->connection);
}

bool cluster_is_ready(const struct cluster *c, const char **reason)
{
	unsigned slot = missing_slot(c);
	const struct redis_node *node = slot < SLOT_COUNT ? owner_of(c, slot) : NULL;
	char place[64];

	*reason = NULL;
	if (!c->is_mapped) {
		*reason = why_unmapped(c);
	} else if (slot < SLOT_COUNT) {
		print_place(c, slot, place, sizeof(place));
		(void)snprintf(c->text, TEXT_MAX, "no server of the cluster serves %s%s%s%s%s",
			       place, node ? ": " : "", node ? node->name : "", node ? ": " : "",
			       node ? redis_connection_reason(node->connection) : "");
		*reason = c->text;
	} else if (!c->is_open) {
		*reason = c->reason.message;
	}
	return !*reason;
}

const char *cluster_reason(const struct cluster *c)
{
	const char *reason;

	return cluster_is_ready(c, &reason) ? "its slot is served by nobody" : reason;
}

/* ---- life ----------------------------------------------------------------------------------- */
void cluster_start(struct cluster *c)
{
	connect_seeds(c);
	arm_map_timer(c);
}

struct cluster *cluster_new(struct topology *t)
{
	struct cluster *c = mem_new(struct cluster);
	char key[KEY_TEXT_MAX];

	c->topology = t;
	c->owners = mem_new_array(struct redis_node *, SLOT_COUNT);
	c->text = mem_new_array(char, TEXT_MAX);
	for (unsigned i = 0; i < KEY_PARTITIONS; i++)
		c->places[i] = slot_of_partition(i);
	c->places[PLACES - 2] = slot_of_key(SPAN_LIT("{m}"));
	(void)snprintf(key, sizeof(key), KEY_PREFIX "%s:meta", t->namespace_text);
	c->places[PLACES - 1] = slot_of_key(span_from_str(key));
	redis_command_init(&c->map, on_map);
	redis_command_init(&c->scan, on_scan);
	timer_init(&c->map_timer, t->loop, ask_map, c);
	timer_init(&c->meta_timer, t->loop, on_meta_timer, c);
	(void)error_set(&c->reason, ST_UNAVAILABLE, "asking for the journal's meta key");
	return c;
}

void cluster_free(struct cluster *c)
{
	if (!c)
		return;
	greeting_fini(&c->greeting);
	redis_command_fini(&c->map);
	redis_command_fini(&c->scan);
	timer_stop(&c->map_timer);
	timer_stop(&c->meta_timer);
	mem_free(c->owners);
	mem_free(c->text);
	mem_free(c);
}

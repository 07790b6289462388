/* A check of a feed asks for its newest write. When that is missing, the feed is broken, and all
 * that is remembered of it is asked for; the last answer concludes. What is acknowledged meanwhile
 * joins the feed and is not asked for.
 *
 *   entries  ring of all feeds, oldest first; feed->entries: those of one, in order
 */
#include "journal/redis/tail.h"

#include <hiredis/hiredis.h>

#include "journal/key.h"
#include "journal/redis/internal.h"
#include "journal/redis/slot.h"
#include "journal/redis/tail_file.h"
#include "src/base/clock.h"
#include "src/base/log.h"
#include "src/base/map.h"
#include "src/base/mem.h"
#include "src/base/metrics.h"
#include "src/base/text.h"

/* Then the next connection looks again. */
#define CHECK_MS ((uint64_t)10000)

struct tail_entry {
	struct list node;      /* of the tail */
	struct list feed_node; /* of the feed */
	struct tail_feed *feed;
	struct tail_look *look; /* that is under way for it */
	uint64_t position;
	struct journal_head head;
	uint64_t wall_ms;
	struct buf text;
	bool is_lost;
};

struct tail_feed {
	struct map_node node; /* key: partition in one byte, then the type; owned */
	unsigned partition;
	uint64_t position; /* newest that was acknowledged */
	struct list entries;
	size_t looks; /* under way */
	bool is_broken;
	uint64_t limit;	 /* broken: newest position when that showed */
	uint64_t newest; /* and of what the journal had */
};

struct tail_look {
	struct tail *tail;
	struct tail_feed *feed;
	struct tail_entry *entry; /* NULL: the position alone, or it is not remembered any more */
};

struct tail {
	struct redis_journal *journal;
	char *directory;
	struct metrics_series *lost;
	struct map feeds;
	struct list entries;
	size_t count;
	size_t bytes;
	size_t looks;
	unsigned files;
	struct tail_file file;
};

static struct span type_of(const struct tail_feed *feed)
{
	return span_skip(feed->node.key, 1);
}

static void entry_free(struct tail *t, struct tail_entry *e)
{
	list_remove(&e->node);
	list_remove(&e->feed_node);
	if (e->look)
		e->look->entry = NULL;
	t->count--;
	t->bytes -= buf_len(&e->text);
	buf_fini(&e->text);
	mem_free(e);
}

static struct tail_entry *newest_of(const struct tail_feed *feed)
{
	return list_is_empty(&feed->entries)
		       ? NULL
		       : list_entry(feed->entries.prev, struct tail_entry, feed_node);
}

/* ---- what was lost -------------------------------------------------------------------------- */
/* A later lost put of the same entity: its state is the one to keep. */
static bool is_overwritten(const struct tail_feed *feed, const struct tail_entry *e,
			   const struct tail_command *command)
{
	for (struct list *it = e->feed_node.next; it != &feed->entries; it = it->next) {
		const struct tail_entry *later = list_entry(it, struct tail_entry, feed_node);
		struct tail_command other;
		bool is_same = later->is_lost &&
			       tail_command_read(buf_span(&later->text), &other) &&
			       span_eq(other.id, command->id);

		if (later->is_lost)
			tail_command_fini(&other);
		if (is_same)
			return true;
	}
	return false;
}

/* What the first lost put of the entity was put behind; copied, NULL when that is this one. */
static char *first_base(const struct tail_feed *feed, const struct tail_entry *e,
			const struct tail_command *command)
{
	list_for_each (it, &feed->entries) {
		const struct tail_entry *first = list_entry(it, struct tail_entry, feed_node);
		struct tail_command other;
		char *base = NULL;

		if (first == e)
			return NULL;
		if (!first->is_lost)
			continue;
		if (tail_command_read(buf_span(&first->text), &other) &&
		    span_eq(other.id, command->id))
			base = mem_strndup(other.expected_tag.data, other.expected_tag.len);
		tail_command_fini(&other);
		if (base)
			return base;
	}
	return NULL;
}

static enum status salvage(struct tail *t, struct tail_feed *feed, struct tail_entry *e,
			   struct error *err)
{
	struct tail_command command;
	enum status st = ST_OK;
	char *base = NULL;

	if (!tail_command_read(buf_span(&e->text), &command)) {
		st = error_set(err, ST_INTERNAL, "a write of ours cannot be read");
	} else if (command.events_key.len) {
		st = tail_file_write(&t->file, type_of(feed), &command, command.expected_tag, err);
	} else if (!is_overwritten(feed, e, &command)) {
		base = first_base(feed, e, &command);
		st = tail_file_write(&t->file, type_of(feed), &command,
				     base && base[0] ? span_make(base, sizeof(e->head.tag.bytes))
				     : base	     ? SPAN_LIT("")
						     : command.expected_tag,
				     err);
	}
	tail_command_fini(&command);
	mem_free(base);
	return st;
}

static enum status salvage_all(struct tail *t, struct tail_feed *feed, struct error *err)
{
	enum status st = ST_OK;

	if (t->file.fd_ <= 0 && t->files >= TAIL_FILES_MAX)
		return error_set(err, ST_RESOURCE_EXHAUSTED, "%u files were written already",
				 t->files);
	if (t->file.fd_ <= 0)
		t->files++;
	st = tail_file_open(&t->file, t->directory, err);
	list_for_each (it, &feed->entries) {
		struct tail_entry *e = list_entry(it, struct tail_entry, feed_node);

		if (st == ST_OK && e->is_lost)
			st = salvage(t, feed, e, err);
	}
	return st;
}

/* How many, and from when to when: by what is left of ours, and by where the feed ended. */
static void report(struct tail *t, struct tail_feed *feed)
{
	uint64_t common = feed->newest < feed->limit ? feed->newest : feed->limit;
	uint64_t kept = 0;
	uint64_t from_ms = 0;
	uint64_t to_ms = 0;
	size_t known = 0;
	struct error error;
	enum status st;

	list_for_each (it, &feed->entries) {
		const struct tail_entry *e = list_entry(it, struct tail_entry, feed_node);

		if (!e->is_lost) {
			kept = e->position <= feed->limit && !known ? e->position : kept;
			continue;
		}
		if (e->position <= common)
			common = e->position - 1;
		from_ms = known ? from_ms : e->wall_ms;
		to_ms = e->wall_ms;
		known++;
	}
	common = kept > common ? kept : common;
	st = known ? salvage_all(t, feed, &error) : ST_OK;
	LOG(ERROR, JOURNAL_REGRESSION, LOG_INT("partition", feed->partition),
	    LOG_SPAN("type", type_of(feed)), LOG_INT("lost", feed->limit - common),
	    LOG_INT("known", known), LOG_INT("from_ms", from_ms), LOG_INT("to_ms", to_ms),
	    LOG_STR("file", t->file.fd_ > 0 ? t->file.path : ""),
	    LOG_STR("error", st == ST_OK ? "" : error.message));
	if (t->lost)
		metrics_add(t->lost, feed->limit - common);
}

static void conclude(struct tail *t, struct tail_feed *feed)
{
	struct redis_journal *j = t->journal;
	struct tail_entry *newest;

	report(t, feed);
	list_for_each_safe (it, &feed->entries) {
		struct tail_entry *e = list_entry(it, struct tail_entry, feed_node);

		if (e->is_lost)
			entry_free(t, e);
	}
	newest = newest_of(feed);
	feed->position = feed->newest < feed->limit ? feed->newest : 0;
	if (newest && (newest->position > feed->position || feed->position >= feed->limit))
		feed->position = newest->position;
	feed->is_broken = false;
	if (j->on_regressed)
		j->on_regressed(j->regressed_data, feed->partition, type_of(feed));
}

/* ---- looking -------------------------------------------------------------------------------- */
static void look_at(struct tail *t, struct tail_feed *feed, struct tail_entry *e);

static void look_at_all(struct tail *t, struct tail_feed *feed)
{
	feed->is_broken = true;
	feed->limit = feed->position;
	list_for_each (it, &feed->entries) {
		struct tail_entry *e = list_entry(it, struct tail_entry, feed_node);

		if (!e->is_lost && e->position <= feed->limit)
			look_at(t, feed, e);
	}
}

static void look_done(struct tail *t, struct tail_feed *feed)
{
	if (--feed->looks == 0 && feed->is_broken)
		conclude(t, feed);
	if (--t->looks == 0 && !tail_file_close(&t->file))
		LOG(ERROR, JOURNAL_ALARM, LOG_STR("error", "a salvage file was not synced"),
		    LOG_BOOL("is_ready", true));
}

static void on_reply(struct redis_request *r, const struct redisReply *reply)
{
	struct tail_look *look = r->data;
	struct tail *t = look->tail;
	struct tail_feed *feed = look->feed;
	struct tail_entry *e = look->entry;
	uint64_t newest;
	bool is_there;

	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
	    !text_to_u64(reply_text(reply->element[0]), &newest)) {
		struct error error;

		(void)error_set(&error, ST_INTERNAL, "the script for the tail answered no result");
		redis_call_bad_reply(r, &error);
		return;
	}
	is_there = span_eq_str(reply_text(reply->element[1]), "1");
	redis_request_settle(r);
	if (!is_there && !feed->is_broken)
		feed->newest = newest;
	if (!is_there && e)
		e->is_lost = true;
	if (!is_there && !feed->is_broken)
		look_at_all(t, feed);
	redis_request_end(r);
	look_done(t, feed);
}

/* The journal is away, or refuses: whatever is there is looked at with the next connection. */
static void on_fail(struct redis_request *r, const struct error *error)
{
	struct tail_look *look = r->data;
	struct tail *t = look->tail;
	struct tail_feed *feed = look->feed;

	(void)error;
	redis_request_settle(r);
	redis_request_end(r);
	look_done(t, feed);
}

static void on_free(void *data)
{
	struct tail_look *look = data;

	if (look->entry)
		look->entry->look = NULL;
	mem_free(look);
}

static const struct redis_call_ops look_ops = {
	.is_vital = true,
	.on_reply = on_reply,
	.on_fail = on_fail,
	.on_free = on_free,
};

static void write_command(struct redis_request *r, struct tail_feed *feed, struct tail_entry *e)
{
	struct redis_journal *j = redis_journal_of(r->base.journal);
	const struct key_part part = {feed->partition, "f", type_of(feed)};
	struct tail_command command = {0};
	struct key_part_name name;
	struct error ignored;
	char digits[2][TEXT_U64_DIGITS];
	struct span keys[3];
	struct span args[4];
	size_t count = 1;

	BUG_ON(key_render_part(j->namespace_text, &part, &name, &ignored) != ST_OK);
	keys[0] = name.key;
	args[0] = text_from_u64(e ? e->position : feed->position, digits[0]);
	if (e && tail_command_read(buf_span(&e->text), &command)) {
		keys[1] = command.head_key;
		keys[2] = command.events_key;
		count = command.events_key.len ? 3 : 2;
		args[1] = command.id;
		args[2] = text_from_u64(e->head.sequence, digits[1]);
		args[3] = span_make(e->head.tag.bytes, sizeof(e->head.tag.bytes));
	}
	redis_command_script(&r->command, REDIS_SCRIPT_TAIL, keys, count, args, count > 1 ? 4 : 1);
	tail_command_fini(&command);
}

static void look_at(struct tail *t, struct tail_feed *feed, struct tail_entry *e)
{
	struct tail_look *look = mem_new(struct tail_look);
	struct redis_request *r;

	*look = (struct tail_look){t, feed, e};
	if (e)
		e->look = look;
	feed->looks++;
	t->looks++;
	r = redis_call_new(t->journal, &look_ops, slot_of_partition(feed->partition),
			   clock_deadline(clock_mono_ns(), CHECK_MS * NS_PER_MS), look);
	write_command(r, feed, e);
	redis_request_admit(r);
}

void tail_check(struct tail *t, struct tail_feed *feed)
{
	if (feed->looks == 0 && feed->position > 0)
		look_at(t, feed, newest_of(feed));
}

void tail_check_all(struct tail *t, const struct redis_node *node)
{
	struct map_node *it = NULL;

	while ((it = map_next(&t->feeds, it))) {
		struct tail_feed *feed = container_of(it, struct tail_feed, node);

		if (!node ||
		    topology_node(t->journal->topology, slot_of_partition(feed->partition)) == node)
			tail_check(t, feed);
	}
}

/* ---- remembering ---------------------------------------------------------------------------- */
struct tail_feed *tail_feed(struct tail *t, unsigned partition, struct span type)
{
	uint8_t key[1 + KEY_TYPE_MAX];
	struct span name = span_make(key, 1 + type.len);
	struct map_node *it;
	struct tail_feed *feed;

	key[0] = (uint8_t)partition;
	memcpy(key + 1, type.data, type.len); /* key_render looked at its length */
	it = map_find(&t->feeds, name);
	if (it)
		return container_of(it, struct tail_feed, node);
	feed = mem_new(struct tail_feed);
	feed->partition = partition;
	feed->node.key = span_make(mem_strndup(key, name.len), name.len);
	list_init(&feed->entries);
	BUG_ON(!map_insert(&t->feeds, &feed->node));
	return feed;
}

void tail_acknowledged(struct tail *t, struct tail_feed *feed, const struct tail_write *write)
{
	struct tail_entry *e = mem_new(struct tail_entry);

	if (write->position <= feed->position)
		tail_check(t, feed);
	e->feed = feed;
	e->position = write->position;
	e->head = write->head;
	e->wall_ms = clock_wall_ms();
	e->text = *write->text;
	buf_init(write->text, buf_len(&e->text));
	list_init(&e->node);
	list_init(&e->feed_node);
	list_push_back(&t->entries, &e->node);
	list_push_back(&feed->entries, &e->feed_node);
	if (e->position > feed->position)
		feed->position = e->position;
	t->count++;
	t->bytes += buf_len(&e->text);
	while (t->count > TAIL_ENTRIES_MAX || t->bytes > TAIL_BYTES_MAX)
		entry_free(t, list_entry(t->entries.next, struct tail_entry, node));
}

/* ---- life ----------------------------------------------------------------------------------- */
struct tail *tail_new(struct redis_journal *journal, const char *directory,
		      struct metrics_series *lost)
{
	struct tail *t = mem_new(struct tail);

	t->journal = journal;
	t->directory = mem_strdup(directory);
	t->lost = lost;
	map_init(&t->feeds);
	list_init(&t->entries);
	return t;
}

void tail_free(struct tail *t)
{
	struct map_node *it;

	if (!t)
		return;
	while (!list_is_empty(&t->entries))
		entry_free(t, list_entry(t->entries.next, struct tail_entry, node));
	while ((it = map_next(&t->feeds, NULL))) {
		struct tail_feed *feed = container_of(it, struct tail_feed, node);

		map_remove(&t->feeds, it);
		mem_free((void *)feed->node.key.data);
		mem_free(feed);
	}
	map_fini(&t->feeds);
	(void)tail_file_close(&t->file); /* what was found so far */
	mem_free(t->directory);
	mem_free(t);
}

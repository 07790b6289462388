/* Every request is one command of the journal's connection: the scripts read the feed and single
 * events, HMGET and HSET the checkpoints, XADD adds to topics and dead letters. All keys of a
 * command are of one partition. */
#include "journal/redis/redis_feed.h"

#include <string.h>

#include <hiredis/hiredis.h>

#include "journal/feed.h"
#include "journal/key.h"
#include "journal/redis/internal.h"
#include "journal/redis/slot.h"
#include "src/base/clock.h"
#include "src/base/hash.h"
#include "src/base/mem.h"
#include "src/base/text.h"
#include "src/runtime/loop.h"

/* Field of a checkpoint: "t/" and the encoded name. */
#define FIELD_MAX (KEY_TYPE_MAX + 4)

struct redis_feed {
	struct feed base;
	struct loop *loop;
	struct redis_journal *journal;
	uint64_t timeout_ms;
	struct list requests;
};

struct feed_request {
	struct list node;
	struct redis_feed *feed;
	struct redis_request *request;
	void *data; /* the caller's */
	enum feed_kind kind;
	struct feed_checkpoint after;
	feed_page_fn on_page;
	feed_message_fn on_message;
	feed_checkpoint_fn on_loaded;
	feed_done_fn on_done;
};

static struct redis_feed *feed_of(struct feed *feed)
{
	return container_of(feed, struct redis_feed, base);
}

/* ---- life -------------------------------------------------------------------------------------
 */
static void on_free(void *data)
{
	struct feed_request *q = data;

	list_remove(&q->node);
	mem_free(q);
}

static void finish_error(struct feed_request *q, const struct error *error)
{
	if (q->on_page)
		q->on_page(q->data, NULL, error);
	else if (q->on_message)
		q->on_message(q->data, NULL, error);
	else if (q->on_loaded)
		q->on_loaded(q->data, NULL, error);
	else
		q->on_done(q->data, error);
}

static void on_fail(struct redis_request *r, const struct error *error)
{
	redis_request_settle(r);
	finish_error(r->data, error);
	redis_request_end(r);
}

static void on_done_reply(struct redis_request *r, const struct redisReply *reply)
{
	struct feed_request *q = r->data;

	(void)reply; /* how many fields are new, or the id of the entry */
	redis_request_settle(r);
	q->on_done(q->data, NULL);
	redis_request_end(r);
}

static struct feed_request *request_new(struct redis_feed *f, const struct redis_call_ops *ops,
					unsigned partition, void *data)
{
	struct feed_request *q = mem_new(struct feed_request);
	uint64_t deadline_ns = clock_deadline(loop_now_ns(f->loop), f->timeout_ms * NS_PER_MS);

	q->feed = f;
	q->data = data;
	list_init(&q->node);
	list_push_back(&f->requests, &q->node);
	q->request = redis_call_new(f->journal, ops, slot_of_partition(partition), deadline_ns, q);
	return q;
}

/* error: what kept the command from being written, or ST_OK. */
static struct feed_request *request_start(struct feed_request *q, enum status st,
					  const struct error *error)
{
	if (st != ST_OK)
		redis_request_fail_later(q->request, error);
	redis_request_admit(q->request);
	return q;
}

/* ---- names ------------------------------------------------------------------------------------
 */
static enum status render(struct redis_feed *f, unsigned partition, const char *kind,
			  struct span raw, struct key_part_name *name, struct error *err)
{
	const struct key_part part = {partition, kind, raw};

	return key_render_part(f->journal->namespace_text, &part, name, err);
}

static enum status render_source(struct redis_feed *f, const struct feed_source *source,
				 struct key_part_name *name, struct error *err)
{
	return render(f, source->partition, source->kind == FEED_TOPIC ? "t" : "f", source->name,
		      name, err);
}

/* "<type>" or "t/<topic>", and that with a "!" for the mark: neither stands in an encoded name. */
static struct span render_field(const struct feed_source *source, struct buf *out)
{
	if (source->kind == FEED_TOPIC)
		(void)buf_append(out, SPAN_LIT("t/")); /* as the next: there is room */
	(void)text_percent_encode(source->name, out);
	return buf_span(out);
}

/* ---- reading a page ---------------------------------------------------------------------------
 */
static bool read_position(struct span id, uint64_t *ret_position)
{
	return span_starts_with(id, SPAN_LIT("0-")) && text_to_u64(span_skip(id, 2), ret_position);
}

static bool read_field(const struct redisReply *fields, const char *name, struct span *ret_value)
{
	for (size_t i = 0; i + 1 < fields->elements; i += 2) {
		if (span_eq_str(reply_text(fields->element[i]), name)) {
			*ret_value = reply_text(fields->element[i + 1]);
			return ret_value->data != NULL;
		}
	}
	return false;
}

static bool read_fields(enum feed_kind kind, const struct redisReply *fields,
			struct feed_entry *entry)
{
	struct span a = SPAN_EMPTY;
	struct span b = SPAN_EMPTY;
	struct span count;

	if (fields->type != REDIS_REPLY_ARRAY)
		return false;
	if (kind == FEED_TOPIC) {
		(void)read_field(fields, "subject", &entry->entity); /* it may have none */
		(void)read_field(fields, "source", &a);
		(void)read_field(fields, "id", &b);
	} else {
		if (!read_field(fields, "e", &entry->entity) || !read_field(fields, "s", &b) ||
		    !read_field(fields, "n", &count) || !text_to_u64(b, &entry->last) ||
		    !text_to_u64(count, &entry->count) || entry->count > entry->last)
			return false;
		a = entry->entity;
	}
	entry->mark = hash_stable_pair(a, b) | 1; /* 0 is for none */
	return true;
}

/* Whether the checkpoint is of another history than the stream. */
static bool is_regressed(const struct feed_request *q, const struct redisReply *known,
			 uint64_t head)
{
	struct feed_entry entry = {0};

	if (q->after.position > head)
		return true;
	return q->after.mark && known->elements > 0 && read_fields(q->kind, known, &entry) &&
	       entry.mark != q->after.mark;
}

static bool read_page(struct feed_request *q, const struct redisReply *reply,
		      struct feed_entry *entries, struct feed_page *page)
{
	const struct redisReply *list;
	struct span head;

	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3 ||
	    reply->element[1]->type != REDIS_REPLY_ARRAY ||
	    reply->element[2]->type != REDIS_REPLY_ARRAY)
		return false;
	head = reply_text(reply->element[0]);
	if (head.len && !read_position(head, &page->head))
		return false;
	page->is_regressed = is_regressed(q, reply->element[1], page->head);
	list = reply->element[2];
	if (list->elements > FEED_PAGE_MAX)
		return false;
	for (size_t i = 0; i < list->elements; i++) {
		const struct redisReply *one = list->element[i];

		if (one->type != REDIS_REPLY_ARRAY || one->elements != 2 ||
		    !read_position(reply_text(one->element[0]), &entries[i].position) ||
		    !read_fields(q->kind, one->element[1], &entries[i]))
			return false;
		page->count++;
	}
	if (page->count)
		page->skipped = entries[0].position - q->after.position - 1;
	page->entries = entries;
	return true;
}

static void on_page_reply(struct redis_request *r, const struct redisReply *reply)
{
	struct feed_entry entries[FEED_PAGE_MAX] = {0};
	struct feed_request *q = r->data;
	struct feed_page page = {0};
	struct error error;

	if (!read_page(q, reply, entries, &page)) {
		(void)error_set(&error, ST_DATA_LOSS, "the feed has an entry that is no pointer");
		redis_call_bad_reply(r, &error);
		return;
	}
	redis_request_settle(r);
	q->on_page(q->data, &page, NULL);
	redis_request_end(r);
}

static struct feed_request *redis_feed_read(struct feed *feed, const struct feed_source *source,
					    const struct feed_checkpoint *after, size_t count,
					    feed_page_fn on_page, void *data)
{
	static const struct redis_call_ops ops = {
		.on_reply = on_page_reply,
		.on_fail = on_fail,
		.on_free = on_free,
	};
	struct redis_feed *f = feed_of(feed);
	struct feed_request *q = request_new(f, &ops, source->partition, data);
	char digits[2][TEXT_U64_DIGITS];
	struct key_part_name name;
	struct error error;
	enum status st = render_source(f, source, &name, &error);

	q->on_page = on_page;
	q->kind = source->kind;
	q->after = *after;
	if (st == ST_OK) {
		const struct span args[] = {
			text_from_u64(after->position, digits[0]),
			text_from_u64(count < FEED_PAGE_MAX ? count : FEED_PAGE_MAX, digits[1]),
		};

		redis_command_script(&q->request->command, REDIS_SCRIPT_FEED_READ, &name.key, 1,
				     args, 2);
	}
	return request_start(q, st, &error);
}

/* ---- reading a message ------------------------------------------------------------------------
 */
static enum status read_event(const struct redisReply *entry, struct feed_message *message,
			      struct error *err)
{
	struct span fields[RECORD_FIELDS_MAX];
	const struct redisReply *list = entry->element[1];
	struct record record = {0};
	enum status st;

	if (list->type != REDIS_REPLY_ARRAY || list->elements > RECORD_FIELDS_MAX)
		return error_set(err, ST_DATA_LOSS, "redis answered something that is no event");
	for (size_t i = 0; i < list->elements; i++)
		fields[i] = reply_text(list->element[i]);
	st = record_read(reply_text(entry->element[0]), fields, list->elements, &record, err);
	if (st != ST_OK)
		return st;
	message->type_url = record.payload.type_url;
	message->data = record.payload.value;
	message->wall_ms = record.wall_ms;
	return ST_OK;
}

static enum status read_topic(const struct redisReply *entry, struct feed_attribute *attributes,
			      struct feed_message *message, struct error *err)
{
	const struct redisReply *list = entry->element[1];

	if (list->type != REDIS_REPLY_ARRAY || list->elements > 2 * FEED_ATTRIBUTES_MAX)
		return error_set(err, ST_DATA_LOSS, "redis answered something that is no message");
	for (size_t i = 0; i + 1 < list->elements; i += 2) {
		struct span name = reply_text(list->element[i]);
		struct span value = reply_text(list->element[i + 1]);

		if (span_eq_str(name, "data"))
			message->data = value;
		else
			attributes[message->attribute_count++] =
				(struct feed_attribute){name, value};
	}
	message->attributes = attributes;
	return ST_OK;
}

static enum status read_message(const struct feed_request *q, const struct redisReply *reply,
				struct feed_attribute *attributes, struct feed_message *message,
				struct error *err)
{
	static const struct {
		const char *word;
		enum feed_found found;
	} words[] = {
		{"ERASED", FEED_ERASED},
		{"STATE", FEED_STATE},
		{"TRIMMED", FEED_TRIMMED},
	};
	const struct redisReply *entry;

	message->found = q->kind == FEED_TOPIC ? FEED_TRIMMED : FEED_FOUND;
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements > 1)
		return error_set(err, ST_INTERNAL, "redis answered something else than an entry");
	if (reply->elements == 0)
		return ST_OK;
	entry = reply->element[0];
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (!span_eq_str(reply_text(entry), words[i].word))
			continue;
		message->found = words[i].found;
		return ST_OK;
	}
	if (entry->type != REDIS_REPLY_ARRAY || entry->elements != 2)
		return error_set(err, ST_INTERNAL, "redis answered something else than an entry");
	message->found = FEED_FOUND;
	return q->kind == FEED_TOPIC ? read_topic(entry, attributes, message, err)
				     : read_event(entry, message, err);
}

static void on_message_reply(struct redis_request *r, const struct redisReply *reply)
{
	struct feed_attribute attributes[FEED_ATTRIBUTES_MAX];
	struct feed_message message = {0};
	struct feed_request *q = r->data;
	struct error error;

	if (read_message(q, reply, attributes, &message, &error) != ST_OK) {
		redis_call_bad_reply(r, &error);
		return;
	}
	redis_request_settle(r);
	q->on_message(q->data, &message, NULL);
	redis_request_end(r);
}

static enum status put_fetch(struct redis_feed *f, struct feed_request *q,
			     const struct feed_source *source, const struct feed_entry *entry,
			     uint64_t sequence, struct error *err)
{
	const struct journal_key key = {source->name, entry->entity};
	char digits[TEXT_U64_DIGITS];
	struct key_names names;
	struct span keys[2];
	struct span arg;
	enum status st = key_render(f->journal->namespace_text, &key, &names, err);

	if (st != ST_OK)
		return st;
	if (names.partition != source->partition)
		return error_set(err, ST_DATA_LOSS,
				 "the feed of partition %u has an entity of partition %u",
				 source->partition, names.partition);
	keys[0] = names.events;
	keys[1] = names.head;
	arg = text_from_u64(entry->count ? sequence : 0, digits);
	redis_command_script(&q->request->command, REDIS_SCRIPT_FEED_EVENT, keys, 2, &arg, 1);
	return ST_OK;
}

static enum status put_fetch_topic(struct redis_feed *f, struct feed_request *q,
				   const struct feed_source *source, const struct feed_entry *entry,
				   struct error *err)
{
	char digits[TEXT_U64_DIGITS];
	struct span number = text_from_u64(entry->position, digits);
	uint8_t id[2 + TEXT_U64_DIGITS] = {'0', '-'};
	struct span words[4] = {SPAN_LIT("XRANGE")};
	struct key_part_name name;
	enum status st = render_source(f, source, &name, err);

	if (st != ST_OK)
		return st;
	memcpy(id + 2, number.data, number.len);
	words[1] = name.key;
	words[2] = words[3] = span_make(id, 2 + number.len);
	redis_command_spans(&q->request->command, words, 4);
	return ST_OK;
}

static struct feed_request *redis_feed_fetch(struct feed *feed, const struct feed_source *source,
					     const struct feed_entry *entry, uint64_t sequence,
					     feed_message_fn on_message, void *data)
{
	static const struct redis_call_ops ops = {
		.on_reply = on_message_reply,
		.on_fail = on_fail,
		.on_free = on_free,
	};
	struct redis_feed *f = feed_of(feed);
	struct feed_request *q = request_new(f, &ops, source->partition, data);
	struct error error;
	enum status st;

	q->on_message = on_message;
	q->kind = source->kind;
	if (source->kind == FEED_TOPIC)
		st = put_fetch_topic(f, q, source, entry, &error);
	else
		st = put_fetch(f, q, source, entry, sequence, &error);
	return request_start(q, st, &error);
}

/* ---- checkpoints ------------------------------------------------------------------------------
 */
struct place {
	struct key_part_name name;
	uint8_t field_text[2 * FIELD_MAX];
	struct span field;
	struct span mark_field;
};

static enum status render_place(struct redis_feed *f, const struct feed_source *source,
				struct span consumer, struct place *place, struct error *err)
{
	struct buf text;
	enum status st = render(f, source->partition, "o", consumer, &place->name, err);

	if (st != ST_OK)
		return st;
	buf_init(&text, FIELD_MAX);
	place->field = render_field(source, &text);
	(void)buf_append_byte(&text, '!');
	if (text.is_full) {
		st = error_set(err, ST_INVALID_ARGUMENT, "the name of a source is too long");
	} else {
		memcpy(place->field_text, buf_span(&text).data, buf_len(&text));
		place->mark_field = span_make(place->field_text, buf_len(&text));
		place->field = span_head(place->mark_field, buf_len(&text) - 1);
	}
	buf_fini(&text);
	return st;
}

static void on_checkpoint_reply(struct redis_request *r, const struct redisReply *reply)
{
	struct feed_checkpoint checkpoint = {0};
	struct feed_request *q = r->data;
	struct error error;
	struct span texts[2] = {{0}};

	if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 2) {
		texts[0] = reply_text(reply->element[0]);
		texts[1] = reply_text(reply->element[1]);
	}
	if ((texts[0].data && !text_to_u64(texts[0], &checkpoint.position)) ||
	    (texts[1].data && !text_to_u64(texts[1], &checkpoint.mark))) {
		(void)error_set(&error, ST_DATA_LOSS, "a checkpoint is no number");
		redis_call_bad_reply(r, &error);
		return;
	}
	redis_request_settle(r);
	q->on_loaded(q->data, &checkpoint, NULL);
	redis_request_end(r);
}

static struct feed_request *redis_feed_load(struct feed *feed, const struct feed_source *source,
					    struct span consumer, feed_checkpoint_fn on_loaded,
					    void *data)
{
	static const struct redis_call_ops ops = {
		.on_reply = on_checkpoint_reply,
		.on_fail = on_fail,
		.on_free = on_free,
	};
	struct redis_feed *f = feed_of(feed);
	struct feed_request *q = request_new(f, &ops, source->partition, data);
	struct place place;
	struct error error;
	enum status st = render_place(f, source, consumer, &place, &error);

	q->on_loaded = on_loaded;
	if (st == ST_OK) {
		const struct span words[] = {SPAN_LIT("HMGET"), place.name.key, place.field,
					     place.mark_field};

		redis_command_spans(&q->request->command, words, 4);
	}
	return request_start(q, st, &error);
}

static const struct redis_call_ops write_ops = {
	.is_write = true,
	.on_reply = on_done_reply,
	.on_fail = on_fail,
	.on_free = on_free,
};

static struct feed_request *redis_feed_store(struct feed *feed, const struct feed_source *source,
					     struct span consumer,
					     const struct feed_checkpoint *checkpoint,
					     feed_done_fn on_done, void *data)
{
	struct redis_feed *f = feed_of(feed);
	struct feed_request *q = request_new(f, &write_ops, source->partition, data);
	char digits[2][TEXT_U64_DIGITS];
	struct place place;
	struct error error;
	enum status st = render_place(f, source, consumer, &place, &error);

	q->on_done = on_done;
	if (st == ST_OK) {
		const struct span words[] = {
			SPAN_LIT("HSET"), place.name.key,
			place.field,	  text_from_u64(checkpoint->position, digits[0]),
			place.mark_field, text_from_u64(checkpoint->mark, digits[1]),
		};

		redis_command_spans(&q->request->command, words, 6);
	}
	return request_start(q, st, &error);
}

static struct feed_request *redis_feed_accept(struct feed *feed, const struct feed_source *source,
					      struct span consumer, feed_done_fn on_done,
					      void *data)
{
	struct redis_feed *f = feed_of(feed);
	struct feed_request *q = request_new(f, &write_ops, source->partition, data);
	struct key_part_name name;
	struct place place;
	struct error error;
	enum status st = render_place(f, source, consumer, &place, &error);

	q->on_done = on_done;
	if (st == ST_OK)
		st = render_source(f, source, &name, &error);
	if (st == ST_OK) {
		const struct span keys[] = {name.key, place.name.key};

		redis_command_script(&q->request->command, REDIS_SCRIPT_FEED_ACCEPT, keys, 2,
				     &place.field, 1);
	}
	return request_start(q, st, &error);
}

/* ---- adding -----------------------------------------------------------------------------------
 */
static enum status put_addition(struct redis_feed *f, struct feed_request *q,
				const struct feed_addition *addition, struct error *err)
{
	enum { FIXED = 6, TAIL = 2 };
	struct span words[FIXED + 2 * FEED_ATTRIBUTES_MAX + TAIL];
	char digits[TEXT_U64_DIGITS];
	bool is_letter = addition->target == FEED_TO_DEAD_LETTERS;
	size_t max = FEED_MESSAGE_BYTES_MAX + (is_letter ? FEED_LETTER_EXTRA_MAX : 0);
	size_t bytes = addition->data.len;
	struct key_part_name name;
	size_t n = 0;
	enum status st =
		render(f, addition->partition, is_letter ? "dl" : "t", addition->name, &name, err);

	if (st != ST_OK)
		return st;
	if (addition->attribute_count > FEED_ATTRIBUTES_MAX)
		return error_set(err, ST_RESOURCE_EXHAUSTED,
				 "a message has %zu attributes, at most %zu may be",
				 addition->attribute_count, FEED_ATTRIBUTES_MAX);
	words[n++] = SPAN_LIT("XADD");
	words[n++] = name.key;
	words[n++] = SPAN_LIT("MAXLEN");
	words[n++] = SPAN_LIT("~");
	words[n++] = text_from_u64(addition->length_max, digits);
	words[n++] = SPAN_LIT("0-*");
	for (size_t i = 0; i < addition->attribute_count; i++) {
		words[n++] = addition->attributes[i].name;
		words[n++] = addition->attributes[i].value;
		bytes += addition->attributes[i].name.len + addition->attributes[i].value.len;
	}
	if (bytes > max)
		return error_set(err, ST_RESOURCE_EXHAUSTED,
				 "a message has %zu bytes, at most %zu may be", bytes, max);
	words[n++] = SPAN_LIT("data");
	words[n++] = addition->data;
	redis_command_spans(&q->request->command, words, n);
	return ST_OK;
}

static struct feed_request *redis_feed_add(struct feed *feed, const struct feed_addition *addition,
					   feed_done_fn on_done, void *data)
{
	struct redis_feed *f = feed_of(feed);
	struct feed_request *q = request_new(f, &write_ops, addition->partition, data);
	struct error error;

	q->on_done = on_done;
	return request_start(q, put_addition(f, q, addition, &error), &error);
}

/* ---- the whole --------------------------------------------------------------------------------
 */
static void redis_feed_cancel(struct feed *feed, struct feed_request *request)
{
	(void)feed;
	redis_cancel(&request->request->base);
}

static void redis_feed_close(struct feed *feed)
{
	struct redis_feed *f = feed_of(feed);

	/* Those whose reply is still to come are freed with the journal. */
	list_for_each_safe (node, &f->requests)
		list_remove(node);
	mem_free(f);
}

static const struct feed_ops redis_feed_ops = {
	.read = redis_feed_read,
	.fetch = redis_feed_fetch,
	.load_checkpoint = redis_feed_load,
	.store_checkpoint = redis_feed_store,
	.accept_regression = redis_feed_accept,
	.add = redis_feed_add,
	.cancel = redis_feed_cancel,
	.close = redis_feed_close,
};

struct feed *redis_feed_open(struct loop *loop, struct journal *journal, uint64_t timeout_ms)
{
	struct redis_feed *f = mem_new(struct redis_feed);

	f->base.ops = &redis_feed_ops;
	f->loop = loop;
	f->journal = redis_journal_of(journal);
	f->timeout_ms = timeout_ms;
	list_init(&f->requests);
	return &f->base;
}

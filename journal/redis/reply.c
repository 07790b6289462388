#include "journal/redis/reply.h"

#include <string.h>

#include <hiredis/hiredis.h>

#include "src/base/error.h"
#include "src/base/text.h"

/* How much of a server's error text is passed on. */
#define ERROR_SHOWN ((size_t)300)

enum match { MATCH_PREFIX, MATCH_CONTAINS };

struct row {
	enum match match;
	const char *text;
	enum reply_verdict verdict;
	enum status status;
	enum reply_health health;
};

static const struct row rows[] = {
#define RE(match, text, verdict, status, health)                                                   \
	{MATCH_##match, text, REPLY_##verdict, ST_##status, REPLY_##health},
#include "journal/redis/reply_error.def"
#undef RE
};

static struct span bytes_of(const redisReply *reply)
{
	return span_make(reply->str, reply->len);
}

bool reply_is_error(const struct redisReply *reply)
{
	return reply->type == REDIS_REPLY_ERROR;
}

struct span reply_error_text(const struct redisReply *reply)
{
	return bytes_of(reply);
}

struct span reply_text(const struct redisReply *reply)
{
	if (reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS)
		return bytes_of(reply);
	return SPAN_EMPTY;
}

struct reply_error reply_classify(const struct redisReply *reply, struct error *err)
{
	struct span text = span_head(bytes_of(reply), ERROR_SHOWN);
	const struct row *row = rows;
	bool is_match = false;

	for (;; row++) {
		if (row->match == MATCH_PREFIX)
			is_match = span_starts_with(text, span_from_str(row->text));
		else
			is_match = memmem(text.data, text.len, row->text, strlen(row->text));
		if (is_match) /* the last row matches everything */
			break;
	}
	(void)error_set(err, row->status, "redis: %.*s", SPAN_FMT(text));
	return (struct reply_error){row->verdict, row->health};
}

/* "0" and "" are a head that is not there. */
static enum status read_head(const redisReply *sequence, const redisReply *tag,
			     struct journal_head *head, struct error *err)
{
	struct span s = reply_text(sequence);
	struct span g = reply_text(tag);

	memset(head, 0, sizeof(*head));
	if (span_eq_str(s, "0") && g.len == 0)
		return ST_OK;
	if (!record_read_sequence(s, &head->sequence))
		return error_set(err, ST_DATA_LOSS, "head's sequence is no number");
	if (!record_read_id(g, &head->tag))
		return error_set(err, ST_DATA_LOSS, "head's tag has not 16 bytes");
	return ST_OK;
}

enum status reply_append(const struct redisReply *reply, const struct journal_id *tag,
			 struct journal_append_result *ret_result, struct error *err)
{
	static const struct {
		const char *text;
		enum journal_result result;
		size_t elements;
	} words[] = {
		{"OK", JOURNAL_OK, 4},
		{"DUP", JOURNAL_DUP, 4},
		{"CONFLICT", JOURNAL_CONFLICT, 3},
		{"ERASED", JOURNAL_ERASED, 3},
	};
	struct journal_append_result result = {0};
	enum status st;
	size_t i = 0;

	if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 3)
		return error_set(err, ST_INTERNAL, "the append script answered no result");
	if (span_eq_str(reply_text(reply->element[0]), "KIND"))
		return error_set(err, ST_FAILED_PRECONDITION, "%s", REPLY_OTHER_KIND);
	while (i < 4 && !span_eq_str(reply_text(reply->element[0]), words[i].text))
		i++;
	if (i == 4 || reply->elements != words[i].elements)
		return error_set(err, ST_INTERNAL, "the append script answered an unknown result");
	result.result = words[i].result;
	st = read_head(reply->element[1], reply->element[2], &result.head, err);
	if (st != ST_OK && result.result != JOURNAL_ERASED)
		return st;
	if (result.result == JOURNAL_DUP)
		result.is_mine = span_eq(reply_text(reply->element[3]),
					 span_make(tag->bytes, sizeof(tag->bytes)));
	*ret_result = result;
	return ST_OK;
}

uint64_t reply_append_position(const struct redisReply *reply)
{
	struct span id = reply->elements == 4 ? reply_text(reply->element[3]) : SPAN_EMPTY;
	uint64_t position;

	return span_starts_with(id, SPAN_LIT("0-")) && text_to_u64(span_skip(id, 2), &position)
		       ? position
		       : 0;
}

enum status reply_head(const struct redisReply *reply, bool is_verify, struct record_head *ret_head,
		       struct error *err)
{
	size_t count = is_verify ? RECORD_HEAD_ZS : RECORD_HEAD_FIELDS_;
	struct span fields[RECORD_HEAD_FIELDS_] = {{0}};

	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != count)
		return error_set(err, ST_INTERNAL, "redis answered something else to HMGET");
	for (size_t i = 0; i < count; i++)
		fields[i] = reply_text(reply->element[i]);
	return record_read_head(fields, is_verify, ret_head, err);
}

/* One entry of XRANGE: [id, [name, value, ...]]. */
static enum status read_entry(const redisReply *entry, struct record *record, struct error *err)
{
	struct span fields[RECORD_FIELDS_MAX];
	const redisReply *list;

	if (entry->type != REDIS_REPLY_ARRAY || entry->elements != 2 ||
	    entry->element[1]->type != REDIS_REPLY_ARRAY)
		return error_set(err, ST_INTERNAL, "redis answered something else to XRANGE");
	list = entry->element[1];
	if (list->elements > RECORD_FIELDS_MAX)
		return error_set(err, ST_DATA_LOSS, "event has %zu names and values",
				 list->elements);
	for (size_t i = 0; i < list->elements; i++)
		fields[i] = reply_text(list->element[i]);
	return record_read(reply_text(entry->element[0]), fields, list->elements, record, err);
}

enum status reply_events(const struct redisReply *reply, uint64_t first,
			 struct journal_event *events, size_t max, size_t *ret_count,
			 struct error *err)
{
	struct record record = {0};
	enum status st;

	if (reply->type != REDIS_REPLY_ARRAY || reply->elements > max)
		return error_set(err, ST_INTERNAL, "redis answered something else to XRANGE");
	for (size_t i = 0; i < reply->elements; i++) {
		st = read_entry(reply->element[i], &record, err);
		if (st != ST_OK)
			return error_wrap(err, "event %llu", (unsigned long long)(first + i));
		if (record.sequence != first + i)
			return error_set(err, ST_DATA_LOSS, "event %llu is missing",
					 (unsigned long long)(first + i));
		events[i] = (struct journal_event){record.sequence, record.payload};
	}
	*ret_count = reply->elements;
	return ST_OK;
}

#ifndef HEADGATE_JOURNAL_REDIS_REPLY_H
#define HEADGATE_JOURNAL_REDIS_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal/journal.h"
#include "journal/record.h"
#include "src/base/status.h"

/* What a reply of Redis means. Pure. Spec: docs/journal-format.md, "Errors of Redis". */
struct error;
struct redisReply;

/* A key belongs to one kind of entity for ever. */
#define REPLY_OTHER_KIND "the journal has an entity of another kind under this id"

enum reply_verdict { REPLY_FAIL, REPLY_RETRY, REPLY_RECONNECT, REPLY_EVAL, REPLY_MOVED, REPLY_ASK };
enum reply_health { REPLY_FINE, REPLY_ALARM, REPLY_SICK };

struct reply_error {
	enum reply_verdict verdict;
	enum reply_health health;
};

bool reply_is_error(const struct redisReply *reply);

/* Classifies an error reply by reply_error.def; err gets the status and the server's text. */
struct reply_error reply_classify(const struct redisReply *reply, struct error *err);

/* What an error says, all of it. */
struct span reply_error_text(const struct redisReply *reply);

/* The text of a status or string reply, data NULL for anything else. */
struct span reply_text(const struct redisReply *reply);

/* The append or put script's answer. DUP: is_mine compares with tag. Errors: ST_INTERNAL not its
 * shape, ST_DATA_LOSS the head is damaged, ST_FAILED_PRECONDITION it is of the other kind. */
MUST_CHECK enum status reply_append(const struct redisReply *reply, const struct journal_id *tag,
				    struct journal_append_result *ret_result, struct error *err);

/* OK: the number of its entry in the feed; 0: it tells none. */
uint64_t reply_append_position(const struct redisReply *reply);

/* HMGET s g x, or with all fields of a head when not is_verify. */
MUST_CHECK enum status reply_head(const struct redisReply *reply, bool is_verify,
				  struct record_head *ret_head, struct error *err);

/* XRANGE: fills at most max events; they must be first, first + 1, ... in a row. */
MUST_CHECK enum status reply_events(const struct redisReply *reply, uint64_t first,
				    struct journal_event *events, size_t max, size_t *ret_count,
				    struct error *err);

#endif

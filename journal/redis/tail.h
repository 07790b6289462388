#ifndef HEADGATE_JOURNAL_REDIS_TAIL_H
#define HEADGATE_JOURNAL_REDIS_TAIL_H

#include <stddef.h>
#include <stdint.h>

#include "journal/journal.h"
#include "src/base/span.h"

/* The newest appends and puts that this process acknowledged, so that it notices when a journal
 * lost some of them: a failover to a replica that had not got them, a restart without the last
 * second of a file. Of each feed (a type in a partition) the newest position is remembered, and of
 * all feeds together the newest TAIL_ENTRIES_MAX writes as they were sent. Whenever a server was
 * connected to, or answers as if it had less than it told, each feed's newest write is looked for;
 * when it is not there all are, and what is missing is reported, written to a salvage file and
 * forgotten. Spec: docs/reliability.md, "Lost tail". */
struct buf;
struct metrics_series;
struct redis_journal;
struct redis_node;
struct tail;
struct tail_feed;

#define TAIL_ENTRIES_MAX ((size_t)4096)
#define TAIL_BYTES_MAX ((size_t)8 * 1024 * 1024)
/* Of one process. Each is an incident that a person looks at. */
#define TAIL_FILES_MAX 100U

/* directory: of salvage files; copied. lost may be NULL. */
struct tail *tail_new(struct redis_journal *journal, const char *directory,
		      struct metrics_series *lost);
/* NULL is a no-op. */
void tail_free(struct tail *tail);

/* Lives as long as the tail. */
struct tail_feed *tail_feed(struct tail *tail, unsigned partition, struct span type);

/* A write was acknowledged. text: the command as it was sent; taken. */
struct tail_write {
	uint64_t position; /* in the feed */
	struct journal_head head;
	struct buf *text;
};
void tail_acknowledged(struct tail *tail, struct tail_feed *feed, const struct tail_write *write);

/* Looks. Harmless when it is being looked at. */
void tail_check(struct tail *tail, struct tail_feed *feed);
/* All feeds of a server; NULL: of all. */
void tail_check_all(struct tail *tail, const struct redis_node *node);

#endif

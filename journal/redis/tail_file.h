#ifndef HEADGATE_JOURNAL_REDIS_TAIL_FILE_H
#define HEADGATE_JOURNAL_REDIS_TAIL_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal/export.h"
#include "journal/journal.h"
#include "src/base/span.h"

/* A write as it was sent, read again; and the salvage file it goes into (journal/salvage.h). Files
 * are written at once: this happens when a journal has lost something, and must be safe then. */
struct error;

struct tail_command {
	struct span head_key;
	struct span events_key; /* empty: a put */
	struct span feed_key;
	struct span id;
	uint64_t expected;
	struct span expected_tag;
	struct span tag;
	struct span command;
	struct span wall; /* of an append */
	struct span kept; /* k and r */
	struct span reply;
	const struct span *payloads; /* type URL and payload in turn; in args_ */
	size_t payload_count;	     /* of both together */
	struct span *args_;
};

/* text: borrowed as long as command is used. False: it is no append or put. */
bool tail_command_read(struct span text, struct tail_command *command);
void tail_command_fini(struct tail_command *command);

struct tail_file {
	int fd_; /* 0: none */
	struct export_writer writer_;
	char path[4352]; /* read only */
};

/* Makes the next file, when none is open. */
MUST_CHECK enum status tail_file_open(struct tail_file *file, const char *directory,
				      struct error *err);
/* base: the tag that the write (or, of a put, the first one that was lost) was put behind. */
MUST_CHECK enum status tail_file_write(struct tail_file *file, struct span type,
				       const struct tail_command *command, struct span base,
				       struct error *err);
/* Synced; false when that failed. */
bool tail_file_close(struct tail_file *file);

#endif

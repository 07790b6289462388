#ifndef HEADGATE_SRC_CLI_JOURNAL_VERIFY_H
#define HEADGATE_SRC_CLI_JOURNAL_VERIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "src/cli/journal.h"

/* What the parts of headgate journal verify share. */
struct verify {
	struct tool *tool;
	struct catalogue catalogue; /* of indexes, feeds and CRDTs */
	struct arena arena;	    /* of one thing that is looked at */
	bool repairs_index;
	bool repairs_feed;
	bool is_broken; /* nothing can be printed any more */
	uint64_t entities;
	uint64_t events;
	uint64_t crdts;
	uint64_t findings;
};

/* Tells what is wrong; finding is one of the words of the manual. */
void verify_found(struct verify *v, const char *finding, const struct journal_key *key,
		  const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Tells it when it is of the entity, and goes on; any other error is given back. */
enum status verify_key_failed(struct verify *v, const char *finding, const struct journal_key *key,
			      struct error *err);

/* journal_verify_entity.c */
enum status verify_entity(struct verify *v, const struct journal_key *key, struct error *err);
enum status verify_crdt(struct verify *v, const struct journal_key *key, struct error *err);
/* Entries whose hash, of this sort, is not there. */
enum status verify_orphan(struct verify *v, const struct journal_key *key, enum admin_sort sort,
			  struct error *err);

#endif

#ifndef HEADGATE_TESTS_FAKES_FAKE_JOURNAL_H
#define HEADGATE_TESTS_FAKES_FAKE_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal/journal.h"

/* A journal in memory for tests: it keeps what the real one keeps and decides as the real one does,
 * unless a step was scripted for the next call of that kind. Answers wait in a queue and come in
 * order; nothing is ever answered from inside the call that asked. */
struct loop;
struct fake_journal;

enum fake_journal_call {
	FAKE_JOURNAL_LOAD,
	FAKE_JOURNAL_APPEND,
	FAKE_JOURNAL_VERIFY,
	FAKE_JOURNAL_GET,
	FAKE_JOURNAL_PUT, /* outcomes as of an append */
	FAKE_JOURNAL_WINDOW,
	FAKE_JOURNAL_RECALL,
	FAKE_JOURNAL_CALLS_
};

enum fake_journal_outcome {
	FAKE_JOURNAL_AS_IS,	   /* what the real journal would say */
	FAKE_JOURNAL_DUP_MINE,	   /* append: takes effect, answers DUP with our own tag */
	FAKE_JOURNAL_DUP_OTHER,	   /* append: another process appended for the same command: DUP */
	FAKE_JOURNAL_CONFLICT,	   /* nothing happens; CONFLICT with the head as it is */
	FAKE_JOURNAL_ERASED,	   /* nothing happens; ERASED */
	FAKE_JOURNAL_ERROR,	   /* nothing happens; ERROR with status and message */
	FAKE_JOURNAL_UNKNOWN_DONE, /* append: takes effect, ERROR with is_outcome_unknown */
	FAKE_JOURNAL_UNKNOWN_LOST, /* append: no effect, ERROR with is_outcome_unknown */
};

struct fake_journal_step {
	enum fake_journal_outcome outcome;
	enum status status;  /* of an error; 0: ST_UNAVAILABLE */
	const char *message; /* of an error; NULL: "the journal is away" */
	bool is_held;	     /* the answer waits for fake_journal_release */
};

/* With a loop, answers come at the end of a turn; with NULL the test calls fake_journal_deliver.
 * The journal is released by journal_close(fake_journal_base(fake)). */
struct fake_journal *fake_journal_new(struct loop *loop);
struct journal *fake_journal_base(struct fake_journal *fake);

/* The next call of this kind that has no step yet follows it. Steps queue. */
void fake_journal_script(struct fake_journal *fake, enum fake_journal_call call,
			 const struct fake_journal_step *step);

/* Lets go of held answers, oldest first; they are delivered as the others are. Returns how many. */
size_t fake_journal_release(struct fake_journal *fake);

/* Delivers what is due, including what the callbacks ask meanwhile. Returns the callbacks made. */
size_t fake_journal_deliver(struct fake_journal *fake);

/* Another process appends one event (the tag is a fresh one): later appends here conflict. */
void fake_journal_put_event(struct fake_journal *fake, const struct journal_key *key,
			    const struct journal_any *event);

/* Replaces the snapshot, taken at the entity's present sequence. */
void fake_journal_put_snapshot(struct fake_journal *fake, const struct journal_key *key,
			       const struct journal_any *snapshot);
void fake_journal_erase(struct fake_journal *fake, const struct journal_key *key);

/* Not ready with this reason (borrowed); NULL: ready, as at the beginning. */
void fake_journal_set_ready(struct fake_journal *fake, const char *reason);

/* Events handed over per page of a load; JOURNAL_PAGE_EVENTS at the beginning. */
void fake_journal_set_page(struct fake_journal *fake, size_t events);

/* What a test may look at. Spans are borrowed until the entity changes. */
struct journal_head fake_journal_head(const struct fake_journal *fake,
				      const struct journal_key *key);
struct journal_any fake_journal_event(const struct fake_journal *fake,
				      const struct journal_key *key, uint64_t sequence);
/* The command that wrote an event; all zero: there is no such event. */
struct journal_id fake_journal_command(const struct fake_journal *fake,
				       const struct journal_key *key, uint64_t sequence);
/* The sequence of the snapshot, 0 when there is none; ret_snapshot may be NULL. */
uint64_t fake_journal_snapshot(const struct fake_journal *fake, const struct journal_key *key,
			       struct journal_any *ret_snapshot);
/* Another process writes a value entity's state (NULL: deletes it). */
void fake_journal_put_state(struct fake_journal *fake, const struct journal_key *key,
			    const struct journal_any *state);
/* False: none. */
bool fake_journal_state(const struct fake_journal *fake, const struct journal_key *key,
			struct journal_any *ret_state);
/* Calls so far, and events handed over by loads. */
size_t fake_journal_calls(const struct fake_journal *fake, enum fake_journal_call call);
size_t fake_journal_events_loaded(const struct fake_journal *fake);
/* Requests without their final callback, held ones included. */
size_t fake_journal_pending(const struct fake_journal *fake);

#endif

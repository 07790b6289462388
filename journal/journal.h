#ifndef HEADGATE_JOURNAL_JOURNAL_H
#define HEADGATE_JOURNAL_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/span.h"
#include "src/base/status.h"

/* Where events and snapshots live, and the states of value entities. The contract in six sentences:
 *
 * 1. An entity's state in the journal is its head (sequence, tag): the number of its events and the
 *    id of the append that wrote the last one. Equal heads mean equal histories.
 * 2. journal_append compares the head with what the caller expects and then, atomically, appends
 * all events, replaces the snapshot if one is given and moves the head; or it changes nothing.
 * 3. journal_put does the same with the one state of a value entity, whose sequence is the number
 * of its writes; a key belongs to one kind for ever, and the other kind's calls are refused.
 * 4. journal_verify proves that the caller's head is still the current one.
 * 5. A lost reply is resent with the same expectation until the journal's answer is decisive or the
 *    deadline passed; a result of JOURNAL_ERROR says whether the outcome is unknown.
 * 6. Every request gets exactly one final callback, never from inside the call that started it, and
 *    none after journal_cancel.
 *
 * When is an event durable? When its append or put reported JOURNAL_OK (or JOURNAL_DUP with our own
 * tag), in the sense of the durability class the journal runs with: docs/journal-format.md. Spec:
 * docs/journal-format.md; rulings R8-R14. */
struct error;
struct journal;
struct journal_request;

/* Bounds of one append: a script blocks the server. */
#define JOURNAL_EVENTS_MAX ((size_t)1000)
#define JOURNAL_APPEND_BYTES_MAX ((size_t)4 * 1024 * 1024)
/* Percent-encoded length of an entity id. */
#define JOURNAL_ID_MAX ((size_t)1024)
/* Sequence numbers stay exact in the script's doubles. */
#define JOURNAL_SEQUENCE_MAX (((uint64_t)1 << 53) - 1)
/* Events handed over per page of a load. */
#define JOURNAL_PAGE_EVENTS ((size_t)256)
/* Bytes of an idempotency key. */
#define JOURNAL_KEY_MAX ((size_t)255)
/* Bytes of a reply that is kept beside the key: loads carry it along. */
#define JOURNAL_REPLY_MAX ((size_t)64 * 1024)
/* Writes of a value entity that are remembered. */
#define JOURNAL_WRITES_KEPT ((uint64_t)32)

/* 16 bytes: 8 of the process's random incarnation, 8 of a counter. As a tag it names one append
 * attempt and is never used again; as a command id it names one command and stays the same over
 * retries. All zero: no event yet. */
struct journal_id {
	uint8_t bytes[16];
};

/* Which entity: persistence id and entity id, raw bytes. Borrowed until the call returns. */
struct journal_key {
	struct span type;
	struct span id;
};

struct journal_head {
	uint64_t sequence;
	struct journal_id tag;
};

/* A stored Any. */
struct journal_any {
	struct span type_url;
	struct span value;
};

/* What a command asked for: method and request in short. */
struct journal_fingerprint {
	uint8_t bytes[16];
};

/* Kept with the last event of a command, or with its write, so that the command can be answered
 * again without being executed again. */
struct journal_idempotency {
	struct span key; /* 1..JOURNAL_KEY_MAX */
	struct journal_fingerprint fingerprint;
	struct span reply; /* the caller's own encoding; at most JOURNAL_REPLY_MAX */
};

struct journal_event {
	uint64_t sequence;
	struct journal_any payload;
};

enum journal_result {
	JOURNAL_OK,	  /* done */
	JOURNAL_DUP,	  /* my command id is already there (the append had happened) */
	JOURNAL_CONFLICT, /* the head is not what was expected */
	JOURNAL_ERASED,	  /* the entity was erased and takes no more events */
	JOURNAL_ERROR,	  /* see error; nothing happened unless is_outcome_unknown */
};

/* ---- load: head, snapshot, then the events after the snapshot, page by page ----------------- */
struct journal_load_ops {
	/* First: the head (sequence 0 when there is nothing) and the snapshot, if any (NULL).
	 * Borrowed until the callback returns. */
	void (*on_head)(void *data, const struct journal_head *head, uint64_t snapshot_sequence,
			const struct journal_any *snapshot);
	/* Up to JOURNAL_PAGE_EVENTS events, ascending without gaps. Borrowed until the callback
	 * returns. The next page is read when journal_load_next is called. */
	void (*on_events)(void *data, const struct journal_event *events, size_t count);
	/* The end: JOURNAL_OK after the last event, JOURNAL_ERASED, or JOURNAL_ERROR. The handle is
	 * gone when this returns. A gap or a head that moved meanwhile is an error (retryable). */
	void (*on_done)(void *data, enum journal_result result, const struct error *error);
};

struct journal_request *journal_load(struct journal *journal, const struct journal_key *key,
				     uint64_t deadline_ns, const struct journal_load_ops *ops,
				     void *data);

/* Call after each on_head and each on_events, at once or later, to go on. */
void journal_load_next(struct journal_request *request);

/* ---- append --------------------------------------------------------------------------------- */
struct journal_append {
	struct journal_key key;
	struct journal_head expected;
	struct journal_id tag;	   /* of this attempt: journal_new_id */
	struct journal_id command; /* of the command */
	const struct journal_any *events;
	size_t event_count;		    /* 1..JOURNAL_EVENTS_MAX */
	const struct journal_any *snapshot; /* NULL: none; includes these events' effect */
	const struct journal_idempotency *idempotency; /* NULL: none */
};

struct journal_append_result {
	enum journal_result result;
	struct journal_head head;  /* OK: after the append; DUP, CONFLICT: as it is now */
	bool is_mine;		   /* DUP: the stored tag is the one of this request */
	bool is_outcome_unknown;   /* ERROR: it may have happened */
	const struct error *error; /* ERROR only */
};

typedef void (*journal_append_fn)(void *data, const struct journal_append_result *result);

/* All spans are borrowed until the call returns. Errors such as limits come by callback too. */
struct journal_request *journal_append(struct journal *journal, const struct journal_append *append,
				       uint64_t deadline_ns, journal_append_fn on_done, void *data);

/* ---- value entities: one state, replaced as a whole ------------------------------------------ */
/* JOURNAL_OK: the head (sequence 0 when nothing was ever put) and the state, NULL when there is
 * none or it was deleted; both borrowed until the callback returns. ERASED, or ERROR. */
typedef void (*journal_get_fn)(void *data, enum journal_result result,
			       const struct journal_head *head, const struct journal_any *state,
			       const struct error *error);
struct journal_request *journal_get(struct journal *journal, const struct journal_key *key,
				    uint64_t deadline_ns, journal_get_fn on_done, void *data);

struct journal_put {
	struct journal_key key;
	struct journal_head expected;
	struct journal_id tag;		 /* of this attempt: journal_new_id */
	struct journal_id command;	 /* of the command */
	const struct journal_any *state; /* NULL: delete; at most JOURNAL_APPEND_BYTES_MAX */
	const struct journal_idempotency *idempotency; /* NULL: none */
};

/* As journal_append. DUP looks back over the last JOURNAL_WRITES_KEPT commands that wrote. */
struct journal_request *journal_put(struct journal *journal, const struct journal_put *put,
				    uint64_t deadline_ns, journal_append_fn on_done, void *data);

/* ---- verify --------------------------------------------------------------------------------- */
/* JOURNAL_OK: head is current. CONFLICT, ERASED, ERROR otherwise. */
typedef void (*journal_verify_fn)(void *data, enum journal_result result,
				  const struct error *error);
struct journal_request *journal_verify(struct journal *journal, const struct journal_key *key,
				       const struct journal_head *head, uint64_t deadline_ns,
				       journal_verify_fn on_done, void *data);

/* ---- commands that were executed before ------------------------------------------------------ */
enum journal_kind { JOURNAL_EVENTS, JOURNAL_VALUE };

/* A command that wrote. */
struct journal_executed {
	struct journal_id command;
	uint64_t sequence; /* of its last event, or of its write */
	bool has_key;
	struct journal_fingerprint fingerprint; /* has_key only */
};

/* The commands of a range of events. */
struct journal_window {
	struct journal_key key;
	enum journal_kind kind;
	uint64_t first; /* 1..last; a value entity gives its last JOURNAL_WRITES_KEPT writes
			   whatever the range is */
	uint64_t last;
};

/* JOURNAL_OK: ascending, borrowed until the callback returns; of a range that the entity has not
 * (or not any more) there are fewer. ERROR otherwise. This proves nothing about the head. */
typedef void (*journal_window_fn)(void *data, enum journal_result result,
				  const struct journal_executed *executed, size_t count,
				  const struct error *error);
struct journal_request *journal_window(struct journal *journal, const struct journal_window *window,
				       uint64_t deadline_ns, journal_window_fn on_done, void *data);

/* What was kept of one command, and in the same step the proof that the head is current. */
struct journal_recall {
	struct journal_key key;
	enum journal_kind kind;
	struct journal_head head;
	struct journal_id command;
	uint64_t sequence; /* as the window told */
};

/* JOURNAL_OK: what was kept, NULL for a command without a key; borrowed until the callback returns.
 * CONFLICT: the head is another one, or the command is not there (any more). ERASED, or ERROR. */
typedef void (*journal_recall_fn)(void *data, enum journal_result result,
				  const struct journal_idempotency *kept,
				  const struct error *error);
struct journal_request *journal_recall(struct journal *journal, const struct journal_recall *recall,
				       uint64_t deadline_ns, journal_recall_fn on_done, void *data);

/* No callback any more; an append may still take effect. The handle is gone. NULL is a no-op. */
void journal_cancel(struct journal_request *request);

/* A fresh id of this process. */
struct journal_id journal_new_id(struct journal *journal);

/* True when requests can be served; otherwise reason is set to a sentence (borrowed) such
 * as "redis-server is loading the dataset". */
bool journal_is_ready(const struct journal *journal, const char **reason);

/* The class in force for logs and /status: "memory", "everysec", "replicated" (synced, but another
 * server may take its place without the newest writes), "always", "sync" (synced, and waited for in
 * replicas), or "unknown" where the server may not be asked. Spec: docs/reliability.md. */
const char *journal_durability(const struct journal *journal);

/* ---- for implementations: redis/ and the fake of the tests ---------------------------------- */
struct journal_ops {
	struct journal_request *(*load)(struct journal *, const struct journal_key *, uint64_t,
					const struct journal_load_ops *, void *);
	void (*load_next)(struct journal_request *);
	struct journal_request *(*append)(struct journal *, const struct journal_append *, uint64_t,
					  journal_append_fn, void *);
	struct journal_request *(*get)(struct journal *, const struct journal_key *, uint64_t,
				       journal_get_fn, void *);
	struct journal_request *(*put)(struct journal *, const struct journal_put *, uint64_t,
				       journal_append_fn, void *);
	struct journal_request *(*verify)(struct journal *, const struct journal_key *,
					  const struct journal_head *, uint64_t, journal_verify_fn,
					  void *);
	struct journal_request *(*window)(struct journal *, const struct journal_window *, uint64_t,
					  journal_window_fn, void *);
	struct journal_request *(*recall)(struct journal *, const struct journal_recall *, uint64_t,
					  journal_recall_fn, void *);
	void (*cancel)(struct journal_request *);
	bool (*is_ready)(const struct journal *, const char **reason);
	const char *(*durability)(const struct journal *);
	void (*close)(struct journal *);
};

/* First member of every implementation. */
struct journal {
	const struct journal_ops *ops;
	uint64_t incarnation; /* random per process */
	uint64_t next_id;
};

/* First member of every implementation's request. */
struct journal_request {
	struct journal *journal;
};

/* Fills the common part: a fresh random incarnation. */
void journal_init(struct journal *journal, const struct journal_ops *ops);

/* Cancels what is pending (no callbacks) and lets go of everything. NULL is a no-op. */
void journal_close(struct journal *journal);

#endif

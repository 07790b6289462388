#ifndef HEADGATE_JOURNAL_RECORD_H
#define HEADGATE_JOURNAL_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal/journal.h"
#include "src/base/span.h"
#include "src/base/status.h"

/* What is stored, read back strictly: a record that is not exactly what an append writes is
 * ST_DATA_LOSS with the reason, never a guess. Everything read is borrowed from the spans given.
 * Spec: docs/journal-format.md, "Event records" and "Head". */
struct error;

/* Most fields an event may have (c g w t p m k r), names and values. */
#define RECORD_FIELDS_MAX ((size_t)16)

/* An entry of the events stream. */
struct record {
	uint64_t sequence;
	struct journal_id command;
	struct journal_id tag;
	uint64_t wall_ms;
	struct journal_any payload;
	struct span metadata;	     /* m; data is NULL when absent, as in the next two */
	struct span idempotency_key; /* k, see record_read_key */
	struct span reply;	     /* r; only beside k */
};

/* k is a fingerprint of 16 bytes and a key of 1..JOURNAL_KEY_MAX. False: it is not. */
bool record_read_key(struct span k, struct journal_fingerprint *ret_fingerprint,
		     struct span *ret_key);

/* stream_id is "<sequence>-0"; fields are count names and values in turn. */
MUST_CHECK enum status record_read(struct span stream_id, const struct span *fields, size_t count,
				   struct record *ret_record, struct error *err);

/* The fields of the head hash that a load reads, in this order. */
enum record_head_field {
	RECORD_HEAD_S,	/* sequence */
	RECORD_HEAD_G,	/* tag of the last append */
	RECORD_HEAD_X,	/* time of erasure */
	RECORD_HEAD_ZS, /* snapshot: sequence, type URL, payload */
	RECORD_HEAD_ZT,
	RECORD_HEAD_ZP,
	RECORD_HEAD_V, /* there for value entities: ZT and ZP are the state, ZS is not there */
	RECORD_HEAD_FIELDS_
};

struct record_head {
	struct journal_head head; /* zero when nothing is stored */
	bool is_erased;
	bool is_value;
	uint64_t snapshot_sequence; /* 0: none */
	struct journal_any snapshot;
	bool has_state; /* of a value entity */
	struct journal_any state;
};

/* Absent fields have data NULL. With is_verify those from ZS on are not looked at. */
MUST_CHECK enum status record_read_head(const struct span fields[RECORD_HEAD_FIELDS_],
					bool is_verify, struct record_head *ret_head,
					struct error *err);

/* A sequence number as the script prints it: decimal, no leading zero, 1..JOURNAL_SEQUENCE_MAX. */
bool record_read_sequence(struct span text, uint64_t *ret_sequence);

/* 16 bytes; false on any other length. */
bool record_read_id(struct span bytes, struct journal_id *ret_id);

#endif

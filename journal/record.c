#include "journal/record.h"

#include <string.h>

#include "src/base/error.h"
#include "src/base/text.h"

/* The order never changes: a stream node stores the names of its first entry once, and entries with
 * the same names in the same order only flag it. */
static const char field_order[] = "cgwtpmkr";

enum { FIELD_C, FIELD_G, FIELD_W, FIELD_T, FIELD_P, FIELD_M, FIELD_K, FIELD_R, FIELD_COUNT_ };

bool record_read_sequence(struct span text, uint64_t *ret_sequence)
{
	uint64_t value;

	if (text.len == 0 || text.data[0] == '0' || !text_to_u64(text, &value) ||
	    value > JOURNAL_SEQUENCE_MAX)
		return false;
	*ret_sequence = value;
	return true;
}

bool record_read_id(struct span bytes, struct journal_id *ret_id)
{
	if (bytes.len != sizeof(ret_id->bytes))
		return false;
	memcpy(ret_id->bytes, bytes.data, sizeof(ret_id->bytes));
	return true;
}

bool record_read_key(struct span k, struct journal_fingerprint *ret_fingerprint,
		     struct span *ret_key)
{
	const size_t fixed = sizeof(ret_fingerprint->bytes);

	if (k.len <= fixed || k.len > fixed + JOURNAL_KEY_MAX)
		return false;
	memcpy(ret_fingerprint->bytes, k.data, fixed);
	*ret_key = span_skip(k, fixed);
	return true;
}

/* Puts the values in their places: FIELD_P and before must be there, later ones may be. */
static enum status sort_fields(const struct span *fields, size_t count,
			       struct span values[FIELD_COUNT_], struct error *err)
{
	size_t at = 0;

	for (size_t i = 0; i < FIELD_COUNT_; i++)
		values[i] = SPAN_EMPTY;
	if (count % 2 != 0 || count > RECORD_FIELDS_MAX)
		return error_set(err, ST_DATA_LOSS, "event has %zu names and values", count);
	for (size_t i = 0; i < FIELD_COUNT_ && at < count; i++) {
		if (fields[at].len != 1 || fields[at].data[0] != (uint8_t)field_order[i]) {
			if (i > FIELD_P)
				continue;
			return error_set(err, ST_DATA_LOSS, "event lacks field \"%c\"",
					 field_order[i]);
		}
		if (!fields[at + 1].data)
			return error_set(err, ST_DATA_LOSS, "event's field \"%c\" has no value",
					 field_order[i]);
		values[i] = fields[at + 1];
		at += 2;
	}
	if (at < count)
		return error_set(err, ST_DATA_LOSS,
				 "event has a field that is unknown or out of order");
	if (at < 2 * (FIELD_P + 1))
		return error_set(err, ST_DATA_LOSS, "event lacks field \"%c\"",
				 field_order[at / 2]);
	return ST_OK;
}

enum status record_read(struct span stream_id, const struct span *fields, size_t count,
			struct record *ret_record, struct error *err)
{
	struct span values[FIELD_COUNT_];
	struct journal_fingerprint fingerprint;
	struct record record;
	struct span key;
	size_t dash = span_find(stream_id, '-');
	enum status st;

	if (!span_eq_str(span_skip(stream_id, dash), "-0") ||
	    !record_read_sequence(span_head(stream_id, dash), &record.sequence))
		return error_set(err, ST_DATA_LOSS, "event id \"%.*s\" is not \"<sequence>-0\"",
				 SPAN_FMT(span_head(stream_id, 64)));
	st = sort_fields(fields, count, values, err);
	if (st != ST_OK)
		return st;
	if (!record_read_id(values[FIELD_C], &record.command))
		return error_set(err, ST_DATA_LOSS, "event's command id has not 16 bytes");
	if (!record_read_id(values[FIELD_G], &record.tag))
		return error_set(err, ST_DATA_LOSS, "event's tag has not 16 bytes");
	if (!text_to_u64(values[FIELD_W], &record.wall_ms))
		return error_set(err, ST_DATA_LOSS, "event's time is not a number");
	if (values[FIELD_K].data && !record_read_key(values[FIELD_K], &fingerprint, &key))
		return error_set(err, ST_DATA_LOSS, "event's idempotency key has %zu bytes",
				 values[FIELD_K].len);
	if (values[FIELD_R].data && !values[FIELD_K].data)
		return error_set(err, ST_DATA_LOSS, "event has a reply without a key");
	record.payload.type_url = values[FIELD_T];
	record.payload.value = values[FIELD_P];
	record.metadata = values[FIELD_M];
	record.idempotency_key = values[FIELD_K];
	record.reply = values[FIELD_R];
	*ret_record = record;
	return ST_OK;
}

static enum status read_snapshot(const struct span fields[RECORD_HEAD_FIELDS_],
				 struct record_head *head, struct error *err)
{
	const struct span *zs = &fields[RECORD_HEAD_ZS];
	const struct span *zt = &fields[RECORD_HEAD_ZT];
	const struct span *zp = &fields[RECORD_HEAD_ZP];

	if (!zs->data && !zt->data && !zp->data)
		return ST_OK;
	if (!zs->data || !zt->data || !zp->data)
		return error_set(err, ST_DATA_LOSS, "head has only a part of a snapshot");
	if (!record_read_sequence(*zs, &head->snapshot_sequence) ||
	    head->snapshot_sequence > head->head.sequence)
		return error_set(
			err, ST_DATA_LOSS, "snapshot's sequence \"%.*s\" is not within 1..%llu",
			SPAN_FMT(span_head(*zs, 32)), (unsigned long long)head->head.sequence);
	head->snapshot.type_url = *zt;
	head->snapshot.value = *zp;
	return ST_OK;
}

static enum status read_state(const struct span fields[RECORD_HEAD_FIELDS_],
			      struct record_head *head, struct error *err)
{
	const struct span *zt = &fields[RECORD_HEAD_ZT];
	const struct span *zp = &fields[RECORD_HEAD_ZP];

	if (!span_eq_str(fields[RECORD_HEAD_V], "1"))
		return error_set(err, ST_DATA_LOSS, "head's kind \"%.*s\" is unknown",
				 SPAN_FMT(span_head(fields[RECORD_HEAD_V], 32)));
	if (fields[RECORD_HEAD_ZS].data || !zt->data != !zp->data)
		return error_set(err, ST_DATA_LOSS, "head has no whole state");
	head->is_value = true;
	head->has_state = zt->data != NULL;
	head->state = (struct journal_any){*zt, *zp};
	return ST_OK;
}

enum status record_read_head(const struct span fields[RECORD_HEAD_FIELDS_], bool is_verify,
			     struct record_head *ret_head, struct error *err)
{
	struct record_head head = {0};
	bool is_there = false;

	for (size_t i = 0; i < RECORD_HEAD_FIELDS_; i++)
		is_there = is_there || (fields[i].data && !(is_verify && i >= RECORD_HEAD_ZS));
	head.is_erased = fields[RECORD_HEAD_X].data != NULL;
	/* An entity may be erased before its first event: then it has no sequence. */
	if (is_there && !(head.is_erased && !fields[RECORD_HEAD_S].data)) {
		if (!record_read_sequence(fields[RECORD_HEAD_S], &head.head.sequence))
			return error_set(err, ST_DATA_LOSS, "head's sequence \"%.*s\" is no number",
					 SPAN_FMT(span_head(fields[RECORD_HEAD_S], 32)));
		if (!record_read_id(fields[RECORD_HEAD_G], &head.head.tag))
			return error_set(err, ST_DATA_LOSS, "head's tag has not 16 bytes");
	}
	if (is_there && !is_verify && !head.is_erased) {
		enum status st = fields[RECORD_HEAD_V].data ? read_state(fields, &head, err)
							    : read_snapshot(fields, &head, err);

		if (st != ST_OK)
			return st;
	}
	*ret_head = head;
	return ST_OK;
}

/* A stored event and a stored head from any fields. Input: pieces, each behind one byte of its
 * length (255: no piece, as of a nil); the first is the entry's id. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "journal/record.h"
#include "src/base/error.h"

#define PIECES (RECORD_FIELDS_MAX + 4)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t cut(struct span input, struct span pieces[PIECES])
{
	size_t count = 0;

	while (input.len > 0 && count < PIECES) {
		uint8_t len = input.data[0];

		input = span_skip(input, 1);
		pieces[count] = len == 255 ? SPAN_EMPTY : span_head(input, len);
		if (len != 255)
			input = span_skip(input, len);
		count++;
	}
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span pieces[PIECES] = {{0}};
	size_t count = cut(span_make(data, size), pieces);
	struct journal_fingerprint fingerprint;
	struct span key;
	struct record record;
	struct record_head head;
	struct error err;

	if (record_read(pieces[0], pieces + 1, count ? count - 1 : 0, &record, &err) == ST_OK) {
		BUG_ON(record.sequence == 0 || record.sequence > JOURNAL_SEQUENCE_MAX);
		BUG_ON(!record.payload.type_url.data || !record.payload.value.data);
		BUG_ON(record.reply.data && !record.idempotency_key.data);
		BUG_ON(record.idempotency_key.data &&
		       !record_read_key(record.idempotency_key, &fingerprint, &key));
	} else {
		BUG_ON(err.status != ST_DATA_LOSS || !err.message[0]);
	}
	if (record_read_head(pieces, false, &head, &err) == ST_OK)
		BUG_ON(head.snapshot_sequence > head.head.sequence ||
		       (head.is_value && head.snapshot_sequence > 0) ||
		       (head.has_state && !(head.is_value && head.state.value.data)));
	return 0;
}

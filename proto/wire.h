#ifndef HEADGATE_PROTO_WIRE_H
#define HEADGATE_PROTO_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/buf.h"
#include "src/base/error.h"
#include "src/base/span.h"

/* Messages within messages, as every other protobuf library limits them by default. */
#define WIRE_DEPTH_MAX 100

/* Longest encoded message, the limit of every protobuf library (lengths are signed 32 bit). */
#define WIRE_BYTES_MAX ((size_t)INT32_MAX)

/* Highest field number. Spec: protobuf language guide, "Assigning Field Numbers". */
#define WIRE_NUMBER_MAX (((uint32_t)1 << 29) - 1)

/* Spec: protobuf encoding guide, "Message Structure". */
enum wire_type {
	WIRE_VARINT = 0,
	WIRE_FIXED64 = 1,
	WIRE_BYTES = 2,
	WIRE_GROUP = 3,
	WIRE_GROUP_END = 4,
	WIRE_FIXED32 = 5,
};

/* Reads a run of records. The error is sticky: after malformed bytes every call answers zero, empty
 * or false, so one look at is_bad at the end is enough. */
struct wire_reader {
	const uint8_t *at_;
	const uint8_t *end_;
	bool is_bad; /* read only */
};

/* One record: a tag and its value. */
struct wire_field {
	uint32_t number;
	enum wire_type type; /* never WIRE_GROUP_END */
	uint64_t integer;    /* of VARINT, FIXED32 and FIXED64 */
	struct span bytes;   /* content of BYTES, or what stands between the tags of GROUP */
	struct span record;  /* the whole record with its tag */
};

/* bytes are borrowed for as long as the reader and the spans it hands out are used. */
void wire_reader_init(struct wire_reader *reader, struct span bytes);

/* Reads the next record. False at the end and on malformed bytes (then is_bad). A group is skipped
 * over as one record, at most WIRE_DEPTH_MAX deep. */
bool wire_next(struct wire_reader *reader, struct wire_field *ret_field);

/* Pieces for packed values and for framings that are not records. */
bool wire_at_end(const struct wire_reader *reader);
uint64_t wire_read_varint(struct wire_reader *reader);
uint32_t wire_read_fixed32(struct wire_reader *reader);
uint64_t wire_read_fixed64(struct wire_reader *reader);
struct span wire_read_bytes(struct wire_reader *reader);

static inline int64_t wire_unzigzag(uint64_t value)
{
	return (int64_t)((value >> 1) ^ (0 - (value & 1)));
}

static inline uint64_t wire_zigzag(int64_t value)
{
	return ((uint64_t)value << 1) ^ (0 - ((uint64_t)value >> 63));
}

/* The last record with this number and type at the top level; false when there is none or when the
 * bytes are malformed. For a message field that occurs twice, parts must be merged: use
 * wire_merge_bytes. */
bool wire_find_last(struct span message, uint32_t number, enum wire_type type,
		    struct wire_field *ret_field);

/* The content of a length-delimited field: borrowed from message when the field occurs once, the
 * concatenation (which is the merge of messages) put into scratch when it occurs several times,
 * empty when it is absent. False on malformed bytes or a full scratch. */
bool wire_merge_bytes(struct span message, uint32_t number, struct buf *scratch,
		      struct span *ret_content, bool *ret_is_present);

/* Says whether bytes received from outside may be handed to a decoder without a depth limit of its
 * own (protobuf-c): well-formed records, no groups, and nowhere more than depth_max levels whatever
 * the types turn out to be: every length-delimited value that could be a message is looked into.
 * No recursion; linear in bytes times depth at the worst. ST_INVALID_ARGUMENT names the offset.
 * A string that happens to read as deeper than depth_max nested messages is refused too: with the
 * limit at 100 that takes a text made for it. */
enum status wire_check(struct span bytes, unsigned depth_max, struct error *err) MUST_CHECK;

/* Writes records at the end of a buf. Nested messages are opened and closed in any number; their
 * lengths are one byte until wire_finish moves everything into its final place in one pass, so the
 * cost stays linear however deep the nesting. Between init and finish nobody else may touch out. */
struct wire_writer {
	struct buf *out_;
	size_t base_; /* length of out at init */
	struct wire_mark *marks_;
	size_t mark_count_;
	size_t mark_cap_;
	size_t extra_; /* length bytes still to be inserted before the end */
	unsigned open_;
	bool is_full; /* read only, sticky: out or WIRE_BYTES_MAX was reached */
};

/* An open nested value; given back to close or drop it, innermost first. */
struct wire_nest {
	size_t start_;
	size_t mark_;
};

/* out is borrowed until fini; records go after what it holds. */
void wire_writer_init(struct wire_writer *writer, struct buf *out);

/* Releases what the writer holds itself; unfinished output stays in out as rubbish. */
void wire_writer_fini(struct wire_writer *writer);

/* Puts all lengths in place. False when something did not fit (out is then cut back to its length
 * at init). The writer may go on with further records and another finish. */
bool wire_finish(struct wire_writer *writer) MUST_CHECK;

void wire_put_tag(struct wire_writer *writer, uint32_t number, enum wire_type type);
void wire_put_varint(struct wire_writer *writer, uint64_t value);
void wire_put_fixed32(struct wire_writer *writer, uint32_t value);
void wire_put_fixed64(struct wire_writer *writer, uint64_t value);
void wire_put_raw(struct wire_writer *writer, struct span bytes);

/* Tag and value. */
void wire_put_uint_field(struct wire_writer *writer, uint32_t number, uint64_t value);
void wire_put_bytes_field(struct wire_writer *writer, uint32_t number, struct span bytes);

/* Opens and closes a length-delimited value (message, packed list). */
struct wire_nest wire_begin(struct wire_writer *writer, uint32_t number);
void wire_end(struct wire_writer *writer, struct wire_nest nest);

/* Takes back an open value and everything written since, its tag included. */
void wire_cancel(struct wire_writer *writer, struct wire_nest nest);

/* Bytes written since init, before lengths are in place: a place to come back to or look at while
 * the writer is not finished. */
size_t wire_position(const struct wire_writer *writer);
struct span wire_written(const struct wire_writer *writer, size_t position);

#endif

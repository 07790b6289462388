/* The protobuf wire format without types: tags, values, lengths.
 *
 * The writer must produce nested lengths before it knows them, and must not copy a deep message
 * once per level. So a nested value is opened with one length byte. Most values are shorter than
 * 128 bytes: closing them fills that byte and nothing else happens. A longer one leaves a mark
 * (where its length byte is, what the length will be), and wire_finish opens all gaps in one pass
 * from the back, moving each byte once:
 *
 *     written   tag . tag . a b c … x y z          marks: {offset of ".", final length}
 *     finished  tag L L tag L L a b c … x y z
 *
 * A mark stands for at least 128 bytes of content, and marks are closed in the reverse order of
 * their opening, so the list is sorted by offset and a short value is always the last one on it. */
#include "proto/wire.h"

#include <endian.h>
#include <string.h>

#include "src/base/mem.h"

#define WIRE_VARINT_BYTES_MAX 10
#define WIRE_SHORT_MAX 127
#define WIRE_FIRST_MARKS ((size_t)16)

struct wire_mark {
	uint32_t offset; /* of the length byte, from base_ */
	uint32_t length; /* final length; while open: extra_ at the time of opening */
};

/* ---- reading ---- */

void wire_reader_init(struct wire_reader *reader, struct span bytes)
{
	reader->at_ = bytes.data;
	reader->end_ = bytes.len ? bytes.data + bytes.len : bytes.data;
	reader->is_bad = false;
}

bool wire_at_end(const struct wire_reader *reader)
{
	return reader->is_bad || reader->at_ == reader->end_;
}

static uint64_t wire_fail(struct wire_reader *reader)
{
	reader->is_bad = true;
	reader->at_ = reader->end_;
	return 0;
}

uint64_t wire_read_varint(struct wire_reader *reader)
{
	uint64_t value = 0;

	if (reader->at_ < reader->end_ && *reader->at_ < 0x80)
		return *reader->at_++;
	for (unsigned i = 0; i < WIRE_VARINT_BYTES_MAX && reader->at_ < reader->end_; i++) {
		uint8_t byte = *reader->at_++;

		/* Bits beyond the 64th are dropped, as every decoder does. */
		value |= (uint64_t)(byte & 0x7F) << (7 * i);
		if (byte < 0x80)
			return value;
	}
	return wire_fail(reader);
}

static size_t wire_left(const struct wire_reader *reader)
{
	return (size_t)(reader->end_ - reader->at_);
}

uint32_t wire_read_fixed32(struct wire_reader *reader)
{
	uint32_t value;

	if (wire_left(reader) < sizeof(value))
		return (uint32_t)wire_fail(reader);
	memcpy(&value, reader->at_, sizeof(value));
	reader->at_ += sizeof(value);
	return le32toh(value);
}

uint64_t wire_read_fixed64(struct wire_reader *reader)
{
	uint64_t value;

	if (wire_left(reader) < sizeof(value))
		return wire_fail(reader);
	memcpy(&value, reader->at_, sizeof(value));
	reader->at_ += sizeof(value);
	return le64toh(value);
}

struct span wire_read_bytes(struct wire_reader *reader)
{
	uint64_t len = wire_read_varint(reader);
	struct span bytes;

	if (reader->is_bad || len > wire_left(reader)) {
		(void)wire_fail(reader); /* always 0 */
		return SPAN_EMPTY;
	}
	bytes = span_make(reader->at_, (size_t)len);
	reader->at_ += len;
	return bytes;
}

/* A tag; false at the end and for numbers or types that do not exist. */
static bool wire_read_tag(struct wire_reader *reader, uint32_t *ret_number, unsigned *ret_type)
{
	uint64_t tag;

	if (reader->at_ == reader->end_)
		return false;
	tag = wire_read_varint(reader);
	if (reader->is_bad)
		return false;
	/* Tags are 32 bit; longer encodings of them are legal as long as they fit. */
	if (tag > UINT32_MAX || tag >> 3 == 0 || (tag & 7) > WIRE_FIXED32) {
		(void)wire_fail(reader); /* always 0 */
		return false;
	}
	*ret_number = (uint32_t)(tag >> 3);
	*ret_type = (unsigned)(tag & 7);
	return true;
}

static void wire_read_value(struct wire_reader *reader, struct wire_field *field)
{
	switch (field->type) {
	case WIRE_VARINT:
		field->integer = wire_read_varint(reader);
		break;
	case WIRE_FIXED64:
		field->integer = wire_read_fixed64(reader);
		break;
	case WIRE_FIXED32:
		field->integer = wire_read_fixed32(reader);
		break;
	case WIRE_BYTES:
		field->bytes = wire_read_bytes(reader);
		break;
	case WIRE_GROUP:
	case WIRE_GROUP_END:
		(void)wire_fail(reader); /* the caller handles groups */
		break;
	}
}

/* Reads on to the end tag that belongs to a group just opened; returns where that tag begins. */
static const uint8_t *wire_skip_group(struct wire_reader *reader, uint32_t number)
{
	uint32_t open[WIRE_DEPTH_MAX];
	size_t depth = 1;

	open[0] = number;
	for (;;) {
		const uint8_t *begin = reader->at_;
		struct wire_field inner = {0};
		unsigned type;

		if (!wire_read_tag(reader, &inner.number, &type))
			break;
		if (type == WIRE_GROUP) {
			if (depth == WIRE_DEPTH_MAX)
				break;
			open[depth++] = inner.number;
		} else if (type == WIRE_GROUP_END) {
			if (open[--depth] != inner.number)
				break;
			if (depth == 0)
				return begin;
		} else {
			inner.type = (enum wire_type)type;
			wire_read_value(reader, &inner);
		}
	}
	(void)wire_fail(reader); /* always 0 */
	return reader->end_;
}

/* A record whose tag, and whose value or length, are one byte each: most of them. False: another.
 */
static bool wire_next_short(struct wire_reader *reader, struct wire_field *ret_field)
{
	const uint8_t *at = reader->at_;
	size_t left = wire_left(reader);
	unsigned type;
	size_t len;

	if (left < 2 || at[0] < 1 << 3 || at[0] >= 0x80 || at[1] >= 0x80)
		return false;
	type = at[0] & 7;
	len = type == WIRE_BYTES ? at[1] : 0;
	if ((type != WIRE_VARINT && type != WIRE_BYTES) || len > left - 2)
		return false;
	*ret_field = (struct wire_field){
		.number = at[0] >> 3,
		.type = (enum wire_type)type,
		.integer = type == WIRE_VARINT ? at[1] : 0,
		.bytes = type == WIRE_BYTES ? span_make(at + 2, len) : SPAN_EMPTY,
		.record = span_make(at, len + 2),
	};
	reader->at_ = at + len + 2;
	return true;
}

bool wire_next(struct wire_reader *reader, struct wire_field *ret_field)
{
	const uint8_t *begin = reader->at_;
	struct wire_field field = {0};
	unsigned type;

	if (wire_next_short(reader, ret_field))
		return true;
	if (!wire_read_tag(reader, &field.number, &type))
		return false;
	field.type = (enum wire_type)type;
	if (type == WIRE_GROUP) {
		const uint8_t *content = reader->at_;
		const uint8_t *end = wire_skip_group(reader, field.number);

		field.bytes = span_make(content, (size_t)(end - content));
	} else {
		wire_read_value(reader, &field);
	}
	if (reader->is_bad)
		return false;
	field.record = span_make(begin, (size_t)(reader->at_ - begin));
	*ret_field = field;
	return true;
}

bool wire_find_last(struct span message, uint32_t number, enum wire_type type,
		    struct wire_field *ret_field)
{
	struct wire_reader reader;
	struct wire_field field;
	struct wire_field last = {0};

	wire_reader_init(&reader, message);
	while (wire_next(&reader, &field))
		if (field.number == number && field.type == type)
			last = field;
	if (reader.is_bad || last.number == 0)
		return false;
	*ret_field = last;
	return true;
}

bool wire_merge_bytes(struct span message, uint32_t number, struct buf *scratch,
		      struct span *ret_content, bool *ret_is_present)
{
	struct wire_reader reader;
	struct wire_field field;
	struct span content = SPAN_EMPTY;
	size_t count = 0;
	size_t before = buf_len(scratch);

	wire_reader_init(&reader, message);
	while (wire_next(&reader, &field)) {
		if (field.number != number || field.type != WIRE_BYTES)
			continue;
		if (count == 1 && !buf_append(scratch, content))
			return false;
		if (count >= 1 && !buf_append(scratch, field.bytes))
			return false;
		content = field.bytes;
		count++;
	}
	if (reader.is_bad)
		return false;
	*ret_is_present = count > 0;
	*ret_content = count > 1 ? span_skip(buf_span(scratch), before) : content;
	return true;
}

/* ---- checking ---- */

/* True when bytes are a run of records without groups, whatever is inside them. */
static bool wire_is_level(struct span bytes)
{
	struct wire_reader reader;
	struct wire_field field;

	wire_reader_init(&reader, bytes);
	while (wire_next(&reader, &field))
		if (field.type == WIRE_GROUP)
			return false;
	return !reader.is_bad;
}

enum status wire_check(struct span bytes, unsigned depth_max, struct error *err)
{
	struct wire_reader levels[WIRE_DEPTH_MAX];
	struct wire_field field;
	unsigned depth = 1;

	BUG_ON(depth_max == 0 || depth_max > WIRE_DEPTH_MAX);
	if (!wire_is_level(bytes))
		return error_set(err, ST_INVALID_ARGUMENT, "malformed protobuf message");
	wire_reader_init(&levels[0], bytes);
	while (depth > 0) {
		if (!wire_next(&levels[depth - 1], &field)) {
			depth--;
			continue;
		}
		if (field.type != WIRE_BYTES || field.bytes.len == 0 || !wire_is_level(field.bytes))
			continue;
		if (depth == depth_max)
			return error_set(
				err, ST_INVALID_ARGUMENT,
				"protobuf message nested deeper than %u levels at byte %zu",
				depth_max, (size_t)(field.bytes.data - bytes.data));
		wire_reader_init(&levels[depth++], field.bytes);
	}
	return ST_OK;
}

/* ---- writing ---- */

void wire_writer_init(struct wire_writer *writer, struct buf *out)
{
	*writer = (struct wire_writer){.out_ = out, .base_ = buf_len(out)};
}

void wire_writer_fini(struct wire_writer *writer)
{
	mem_free(writer->marks_);
	*writer = (struct wire_writer){0};
}

static uint8_t *wire_at(const struct wire_writer *writer, size_t offset)
{
	return writer->out_->mem_ + writer->out_->start_ + writer->base_ + offset;
}

size_t wire_position(const struct wire_writer *writer)
{
	return buf_len(writer->out_) - writer->base_;
}

struct span wire_written(const struct wire_writer *writer, size_t position)
{
	return span_skip(buf_span(writer->out_), writer->base_ + position);
}

void wire_put_raw(struct wire_writer *writer, struct span bytes)
{
	if (!writer->is_full && !buf_append(writer->out_, bytes))
		writer->is_full = true;
}

static size_t wire_varint_encode(uint64_t value, uint8_t *out)
{
	size_t n = 0;

	while (value >= 0x80) {
		out[n++] = (uint8_t)(value | 0x80);
		value >>= 7;
	}
	out[n++] = (uint8_t)value;
	return n;
}

void wire_put_varint(struct wire_writer *writer, uint64_t value)
{
	uint8_t bytes[WIRE_VARINT_BYTES_MAX];

	if (value >= 0x80 || writer->is_full)
		wire_put_raw(writer, span_make(bytes, wire_varint_encode(value, bytes)));
	else if (!buf_append_byte(writer->out_, (uint8_t)value))
		writer->is_full = true;
}

void wire_put_fixed32(struct wire_writer *writer, uint32_t value)
{
	uint32_t little = htole32(value);

	wire_put_raw(writer, span_make(&little, sizeof(little)));
}

void wire_put_fixed64(struct wire_writer *writer, uint64_t value)
{
	uint64_t little = htole64(value);

	wire_put_raw(writer, span_make(&little, sizeof(little)));
}

void wire_put_tag(struct wire_writer *writer, uint32_t number, enum wire_type type)
{
	wire_put_varint(writer, (uint64_t)number << 3 | type);
}

void wire_put_uint_field(struct wire_writer *writer, uint32_t number, uint64_t value)
{
	wire_put_tag(writer, number, WIRE_VARINT);
	wire_put_varint(writer, value);
}

void wire_put_bytes_field(struct wire_writer *writer, uint32_t number, struct span bytes)
{
	wire_put_tag(writer, number, WIRE_BYTES);
	wire_put_varint(writer, bytes.len);
	wire_put_raw(writer, bytes);
}

static void wire_mark_push(struct wire_writer *writer, size_t offset)
{
	if (writer->mark_count_ == writer->mark_cap_) {
		writer->mark_cap_ = writer->mark_cap_ ? writer->mark_cap_ * 2 : WIRE_FIRST_MARKS;
		writer->marks_ = mem_resize_array(writer->marks_, writer->mark_cap_,
						  sizeof(*writer->marks_));
	}
	writer->marks_[writer->mark_count_++] =
		(struct wire_mark){(uint32_t)offset, (uint32_t)writer->extra_};
}

struct wire_nest wire_begin(struct wire_writer *writer, uint32_t number)
{
	struct wire_nest nest = {wire_position(writer), writer->mark_count_};

	wire_put_tag(writer, number, WIRE_BYTES);
	wire_put_varint(writer, 0);
	if (wire_position(writer) > WIRE_BYTES_MAX)
		writer->is_full = true;
	if (!writer->is_full)
		wire_mark_push(writer, wire_position(writer) - 1);
	writer->open_++;
	return nest;
}

static size_t wire_varint_len(uint64_t value)
{
	uint8_t bytes[WIRE_VARINT_BYTES_MAX];

	return wire_varint_encode(value, bytes);
}

void wire_end(struct wire_writer *writer, struct wire_nest nest)
{
	struct wire_mark *mark;
	size_t length;

	BUG_ON(writer->open_ == 0);
	writer->open_--;
	if (writer->is_full)
		return;
	mark = &writer->marks_[nest.mark_];
	length = wire_position(writer) - mark->offset - 1 + (writer->extra_ - mark->length);
	if (length <= WIRE_SHORT_MAX) {
		*wire_at(writer, mark->offset) = (uint8_t)length;
		writer->mark_count_ = nest.mark_;
		return;
	}
	if (length > WIRE_BYTES_MAX) {
		writer->is_full = true;
		return;
	}
	mark->length = (uint32_t)length;
	writer->extra_ += wire_varint_len(length) - 1;
}

void wire_cancel(struct wire_writer *writer, struct wire_nest nest)
{
	BUG_ON(writer->open_ == 0);
	writer->open_--;
	if (writer->is_full)
		return;
	writer->extra_ = writer->marks_[nest.mark_].length;
	writer->mark_count_ = nest.mark_;
	buf_truncate(writer->out_, writer->base_ + nest.start_);
}

/* Moves everything behind the marks back to front and fills in the lengths. */
static void wire_spread(struct wire_writer *writer, size_t old_end)
{
	size_t end = old_end;
	size_t shift = writer->extra_;

	for (size_t i = writer->mark_count_; i > 0; i--) {
		const struct wire_mark *mark = &writer->marks_[i - 1];
		size_t content = (size_t)mark->offset + 1;
		uint8_t bytes[WIRE_VARINT_BYTES_MAX];
		size_t n = wire_varint_encode(mark->length, bytes);

		memmove(wire_at(writer, content + shift), wire_at(writer, content), end - content);
		shift -= n - 1;
		memcpy(wire_at(writer, mark->offset + shift), bytes, n);
		end = mark->offset;
	}
}

bool wire_finish(struct wire_writer *writer)
{
	size_t old_end = writer->is_full ? 0 : wire_position(writer);

	BUG_ON(writer->open_ != 0 && !writer->is_full);
	if (!writer->is_full && old_end + writer->extra_ <= WIRE_BYTES_MAX &&
	    buf_reserve(writer->out_, writer->extra_)) {
		buf_commit(writer->out_, writer->extra_);
		wire_spread(writer, old_end);
		writer->mark_count_ = 0;
		writer->extra_ = 0;
		return true;
	}
	writer->is_full = true;
	buf_truncate(writer->out_, writer->base_);
	return false;
}

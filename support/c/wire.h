#ifndef HEADGATE_SUPPORT_C_WIRE_H
#define HEADGATE_SUPPORT_C_WIRE_H

#include "support/c/headgate/function.h"

/* Protobuf wire format, the little that the protocol's messages need, without copies.
 * Spec: protobuf.dev/programming-guides/encoding. */

enum hg_wire_type {
	HG_WIRE_VARINT = 0,
	HG_WIRE_FIXED64 = 1,
	HG_WIRE_BYTES = 2,
	HG_WIRE_GROUP = 3,
	HG_WIRE_GROUP_END = 4,
	HG_WIRE_FIXED32 = 5
};

struct hg_field {
	uint32_t number;
	enum hg_wire_type type;	     /* never HG_WIRE_GROUP_END */
	uint64_t value;		     /* of HG_WIRE_VARINT and the fixed ones, as bits */
	struct headgate_bytes bytes; /* of HG_WIRE_BYTES; borrowed from the input */
};

/* Reads the fields of one message in order. is_bad stays set once the bytes made no sense. */
struct hg_reader {
	const uint8_t *next;
	const uint8_t *end;
	bool is_bad;
};

void hg_reader_init(struct hg_reader *reader, struct headgate_bytes bytes);

/* False at the end of the message and when it is bad. Groups are skipped whole. */
bool hg_reader_next(struct hg_reader *reader, struct hg_field *ret_field);

/* True when field is the length-delimited (varint) field of that number. */
static inline bool hg_is_bytes(const struct hg_field *field, uint32_t number)
{
	return field->number == number && field->type == HG_WIRE_BYTES;
}

static inline bool hg_is_varint(const struct hg_field *field, uint32_t number)
{
	return field->number == number && field->type == HG_WIRE_VARINT;
}

/* Sizes and writers; a writer returns the place behind what it wrote. */
size_t hg_varint_size(uint64_t value);
uint8_t *hg_put_varint(uint8_t *to, uint64_t value);

/* Tag and length of a length-delimited field of that size, and the field whole. */
uint8_t *hg_put_header(uint8_t *to, uint32_t number, size_t size);
size_t hg_bytes_field_size(uint32_t number, size_t size);
uint8_t *hg_put_bytes_field(uint8_t *to, uint32_t number, struct headgate_bytes bytes);

/* A varint field; absent (size 0, nothing written) when the value is 0, as proto3 has it. */
size_t hg_varint_field_size(uint32_t number, uint64_t value);
uint8_t *hg_put_varint_field(uint8_t *to, uint32_t number, uint64_t value);

/* The bytes of a NUL-terminated text; NULL is "". */
struct headgate_bytes hg_text(const char *text);

bool hg_bytes_equal(struct headgate_bytes bytes, const char *text);

/* True when type_url names that message type, whatever the part before the last slash. */
bool hg_type_url_names(struct headgate_bytes type_url, const char *message_name);

/* False when messages nest deeper than 100 or the bytes make no sense: protobuf-c recurses without
 * a limit of its own, so ask this before unpacking. */
bool hg_depth_is_sane(const ProtobufCMessageDescriptor *type, struct headgate_bytes bytes);

#endif

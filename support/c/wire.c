#include "support/c/wire.h"

#include <string.h>

/* The nesting that protobuf implementations agree to read. */
#define DEPTH_MAX 100

/* 2^29 - 1, the largest field number. */
#define FIELD_NUMBER_MAX 536870911

void hg_reader_init(struct hg_reader *reader, struct headgate_bytes bytes)
{
	*reader = (struct hg_reader){.next = bytes.data};
	if (bytes.size > 0)
		reader->end = reader->next + bytes.size;
	else
		reader->next = NULL;
}

static bool give_up(struct hg_reader *reader)
{
	reader->is_bad = true;
	return false;
}

static bool read_varint(struct hg_reader *reader, uint64_t *ret_value)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 64 && reader->next < reader->end; shift += 7) {
		uint8_t byte = *reader->next++;
		value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*ret_value = value;
			return true;
		}
	}
	return give_up(reader);
}

static bool skip(struct hg_reader *reader, uint64_t size)
{
	if (size > (uint64_t)(reader->end - reader->next))
		return give_up(reader);
	reader->next += size;
	return true;
}

static bool read_tag(struct hg_reader *reader, struct hg_field *field)
{
	uint64_t tag;

	if (!read_varint(reader, &tag))
		return false;
	if (tag >> 3 == 0 || tag >> 3 > FIELD_NUMBER_MAX || (tag & 7) > HG_WIRE_FIXED32)
		return give_up(reader);
	field->number = (uint32_t)(tag >> 3);
	field->type = (enum hg_wire_type)(tag & 7);
	return true;
}

static bool read_fixed(struct hg_reader *reader, size_t size, uint64_t *ret_bits)
{
	uint64_t bits = 0;

	if (size > (size_t)(reader->end - reader->next))
		return give_up(reader);
	for (size_t i = size; i > 0; i--)
		bits = bits << 8 | reader->next[i - 1];
	reader->next += size;
	*ret_bits = bits;
	return true;
}

static bool read_value(struct hg_reader *reader, struct hg_field *field)
{
	switch (field->type) {
	case HG_WIRE_VARINT:
		return read_varint(reader, &field->value);
	case HG_WIRE_FIXED64:
		return read_fixed(reader, 8, &field->value);
	case HG_WIRE_FIXED32:
		return read_fixed(reader, 4, &field->value);
	case HG_WIRE_BYTES:
		if (!read_varint(reader, &field->value))
			return false;
		field->bytes.data = reader->next;
		field->bytes.size = (size_t)field->value;
		return skip(reader, field->value);
	case HG_WIRE_GROUP:
	case HG_WIRE_GROUP_END:
		break;
	}
	return give_up(reader);
}

/* Skips to the end of an opened group, with the open groups on a small stack of its own. */
static bool skip_group(struct hg_reader *reader, uint32_t number)
{
	uint32_t open[DEPTH_MAX] = {number};
	size_t depth = 1;
	struct hg_field field = {0};

	while (depth > 0) {
		if (!read_tag(reader, &field))
			return false;
		if (field.type == HG_WIRE_GROUP) {
			if (depth == DEPTH_MAX)
				return give_up(reader);
			open[depth++] = field.number;
		} else if (field.type == HG_WIRE_GROUP_END) {
			if (open[--depth] != field.number)
				return give_up(reader);
		} else if (!read_value(reader, &field)) {
			return false;
		}
	}
	return true;
}

bool hg_reader_next(struct hg_reader *reader, struct hg_field *ret_field)
{
	if (reader->is_bad || reader->next == reader->end)
		return false;
	*ret_field = (struct hg_field){0};
	if (!read_tag(reader, ret_field))
		return false;
	if (ret_field->type == HG_WIRE_GROUP)
		return skip_group(reader, ret_field->number);
	return read_value(reader, ret_field);
}

size_t hg_varint_size(uint64_t value)
{
	size_t bits = 64 - (size_t)__builtin_clzll(value | 1);

	return (bits + 6) / 7;
}

uint8_t *hg_put_varint(uint8_t *to, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		*to++ = (uint8_t)(value | 0x80);
	*to++ = (uint8_t)value;
	return to;
}

static uint64_t tag_of(uint32_t number, enum hg_wire_type type)
{
	return (uint64_t)number << 3 | type;
}

uint8_t *hg_put_header(uint8_t *to, uint32_t number, size_t size)
{
	return hg_put_varint(hg_put_varint(to, tag_of(number, HG_WIRE_BYTES)), size);
}

size_t hg_bytes_field_size(uint32_t number, size_t size)
{
	return hg_varint_size(tag_of(number, HG_WIRE_BYTES)) + hg_varint_size(size) + size;
}

uint8_t *hg_put_bytes_field(uint8_t *to, uint32_t number, struct headgate_bytes bytes)
{
	to = hg_put_header(to, number, bytes.size);
	if (bytes.size > 0)
		memcpy(to, bytes.data, bytes.size);
	return to + bytes.size;
}

size_t hg_varint_field_size(uint32_t number, uint64_t value)
{
	if (value == 0)
		return 0;
	return hg_varint_size(tag_of(number, HG_WIRE_VARINT)) + hg_varint_size(value);
}

uint8_t *hg_put_varint_field(uint8_t *to, uint32_t number, uint64_t value)
{
	if (value == 0)
		return to;
	return hg_put_varint(hg_put_varint(to, tag_of(number, HG_WIRE_VARINT)), value);
}

struct headgate_bytes hg_text(const char *text)
{
	return (struct headgate_bytes){.data = text ? text : "", .size = text ? strlen(text) : 0};
}

bool hg_bytes_equal(struct headgate_bytes bytes, const char *text)
{
	return strlen(text) == bytes.size &&
	       memcmp(bytes.data ? bytes.data : "", text, bytes.size) == 0;
}

bool hg_type_url_names(struct headgate_bytes type_url, const char *message_name)
{
	const char *url = type_url.data;
	size_t length = strlen(message_name);

	return type_url.size > length && url[type_url.size - length - 1] == '/' &&
	       memcmp(url + type_url.size - length, message_name, length) == 0;
}

static bool has_messages(const ProtobufCMessageDescriptor *type)
{
	for (unsigned i = 0; i < type->n_fields; i++)
		if (type->fields[i].type == PROTOBUF_C_TYPE_MESSAGE)
			return true;
	return false;
}

static bool depth_is_sane(const ProtobufCMessageDescriptor *type, struct headgate_bytes bytes,
			  unsigned depth)
{
	struct hg_reader reader;
	struct hg_field field;

	if (depth > DEPTH_MAX)
		return false;
	if (!has_messages(type))
		return true;
	hg_reader_init(&reader, bytes);
	while (hg_reader_next(&reader, &field)) {
		if (field.type != HG_WIRE_BYTES)
			continue;
		const ProtobufCFieldDescriptor *known =
			protobuf_c_message_descriptor_get_field(type, field.number);
		if (known && known->type == PROTOBUF_C_TYPE_MESSAGE &&
		    !depth_is_sane(known->descriptor, field.bytes, depth + 1))
			return false;
	}
	return !reader.is_bad;
}

bool hg_depth_is_sane(const ProtobufCMessageDescriptor *type, struct headgate_bytes bytes)
{
	return depth_is_sane(type, bytes, 1);
}

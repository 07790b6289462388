/* Simple rather than fast: each field looks through all records again. A message that comes in
 * parts is the list of its parts. */
#include "tests/conformance/canonical.h"

#include "proto/wire.h"
#include "src/base/mem.h"

struct canonical_parts {
	struct span *spans;
	size_t count;
};

/* Walks the records of all parts. */
struct canonical_walk {
	const struct canonical_parts *parts;
	size_t next;
	struct wire_reader reader;
};

static void canonical_message(const struct message *message, const struct canonical_parts *parts,
			      struct wire_writer *writer);

static bool canonical_next(struct canonical_walk *walk, struct wire_field *ret_record)
{
	while (!wire_next(&walk->reader, ret_record)) {
		if (walk->next == walk->parts->count)
			return false;
		wire_reader_init(&walk->reader, walk->parts->spans[walk->next++]);
	}
	return true;
}

static const struct field *canonical_field(const struct message *message,
					   const struct wire_field *record)
{
	const struct field *field = schema_field_by_number(message, record->number);

	if (field && field->enum_type && field->enum_type->is_closed && !field->is_repeated &&
	    !schema_enum_by_number(field->enum_type, (int32_t)(uint32_t)record->integer))
		return NULL; /* kept, as an unknown field */
	if (!field || record->type == schema_wire_type(field->type))
		return field;
	return field->is_repeated && record->type == WIRE_BYTES &&
			       schema_type_is_packable(field->type)
		       ? field
		       : NULL;
}

/* The value as a decoder of the type keeps it. */
static uint64_t canonical_bits(const struct field *field, uint64_t bits)
{
	switch ((int)field->type) {
	case FIELD_BOOL:
		return bits != 0;
	case FIELD_INT32:
	case FIELD_ENUM:
		return (uint64_t)(int64_t)(int32_t)(uint32_t)bits;
	case FIELD_UINT32:
	case FIELD_SINT32:
		return (uint32_t)bits;
	default:
		return bits;
	}
}

static void canonical_value(const struct field *field, uint64_t bits, struct wire_writer *writer)
{
	bits = canonical_bits(field, bits);
	switch ((int)schema_wire_type(field->type)) {
	case WIRE_FIXED32:
		wire_put_fixed32(writer, (uint32_t)bits);
		break;
	case WIRE_FIXED64:
		wire_put_fixed64(writer, bits);
		break;
	default:
		wire_put_varint(writer, bits);
		break;
	}
}

static void canonical_element(const struct field *field, uint64_t bits, struct wire_writer *writer)
{
	if (!field->is_packed)
		wire_put_tag(writer, field->number, schema_wire_type(field->type));
	canonical_value(field, bits, writer);
}

/* The elements of one record of a list of numbers. */
static void canonical_elements(const struct field *field, const struct wire_field *record,
			       struct wire_writer *writer)
{
	struct wire_reader reader;

	if (record->type != WIRE_BYTES) {
		canonical_element(field, record->integer, writer);
		return;
	}
	wire_reader_init(&reader, record->bytes);
	while (!wire_at_end(&reader)) {
		enum wire_type type = schema_wire_type(field->type);

		canonical_element(field,
				  type == WIRE_VARINT	 ? wire_read_varint(&reader)
				  : type == WIRE_FIXED32 ? wire_read_fixed32(&reader)
							 : wire_read_fixed64(&reader),
				  writer);
	}
}

/* True when a later record sets another member of the oneof. */
static bool canonical_is_undone(const struct field *field, struct canonical_walk walk)
{
	struct wire_field record;

	if (!field->oneof)
		return false;
	while (canonical_next(&walk, &record)) {
		const struct field *other = canonical_field(field->parent, &record);

		if (other && other != field && other->oneof == field->oneof)
			return true;
	}
	return false;
}

static void canonical_sub(const struct field *field, const struct canonical_parts *parts,
			  struct wire_writer *writer)
{
	struct wire_nest nest;

	if (field->type == FIELD_GROUP) {
		wire_put_tag(writer, field->number, WIRE_GROUP);
		canonical_message(field->message, parts, writer);
		wire_put_tag(writer, field->number, WIRE_GROUP_END);
		return;
	}
	nest = wire_begin(writer, field->number);
	canonical_message(field->message, parts, writer);
	wire_end(writer, nest);
}

static void canonical_repeated(const struct field *field, struct canonical_walk walk,
			       struct wire_writer *writer)
{
	struct wire_field record;
	struct wire_nest nest = {0};
	bool is_open = false;

	while (canonical_next(&walk, &record)) {
		if (canonical_field(field->parent, &record) != field)
			continue;
		if (field->is_packed && !is_open)
			nest = wire_begin(writer, field->number);
		is_open = true;
		if (field->message)
			canonical_sub(field, &(struct canonical_parts){&record.bytes, 1}, writer);
		else if (!schema_type_is_packable(field->type))
			wire_put_bytes_field(writer, field->number, record.bytes);
		else
			canonical_elements(field, &record, writer);
	}
	if (field->is_packed && is_open)
		wire_end(writer, nest);
}

static void canonical_singular(const struct field *field, struct canonical_walk walk,
			       struct wire_writer *writer)
{
	struct wire_field record;
	struct wire_field last = {0};
	struct canonical_parts parts = {NULL, 0};

	while (canonical_next(&walk, &record)) {
		if (canonical_field(field->parent, &record) != field ||
		    canonical_is_undone(field, walk))
			continue;
		last = record;
		parts.spans = mem_resize_array(parts.spans, parts.count + 1, sizeof(struct span));
		parts.spans[parts.count++] = record.bytes;
	}
	if (parts.count == 0)
		return;
	if (field->message)
		canonical_sub(field, &parts, writer);
	else if (!field->has_presence && canonical_bits(field, last.integer) == 0 &&
		 last.bytes.len == 0)
		(void)last; /* the default is not written */
	else if (schema_wire_type(field->type) == WIRE_BYTES)
		wire_put_bytes_field(writer, field->number, last.bytes);
	else {
		wire_put_tag(writer, field->number, schema_wire_type(field->type));
		canonical_value(field, last.integer, writer);
	}
	mem_free(parts.spans);
}

static void canonical_message(const struct message *message, const struct canonical_parts *parts,
			      struct wire_writer *writer)
{
	struct canonical_walk walk = {.parts = parts};
	struct wire_field record;

	for (size_t i = 0; i < message->field_count; i++) {
		if (message->fields[i].is_repeated)
			canonical_repeated(&message->fields[i], walk, writer);
		else
			canonical_singular(&message->fields[i], walk, writer);
	}
	while (canonical_next(&walk, &record))
		if (!canonical_field(message, &record))
			wire_put_raw(writer, record.record);
}

enum status canonical_encode(const struct message *message, struct span wire, struct buf *out,
			     struct error *err)
{
	struct wire_writer writer;
	enum status status = ST_OK;

	wire_writer_init(&writer, out);
	canonical_message(message, &(struct canonical_parts){&wire, 1}, &writer);
	if (!wire_finish(&writer))
		status = error_set(err, ST_RESOURCE_EXHAUSTED, "the message does not fit");
	wire_writer_fini(&writer);
	return status;
}

#include "support/c/crdt_protocol.h"

static bool parse_init(struct headgate_bytes bytes, struct hg_crdt_init *init)
{
	struct hg_reader reader;
	struct hg_field field;

	*init = (struct hg_crdt_init){0};
	hg_reader_init(&reader, bytes);
	while (hg_reader_next(&reader, &field)) {
		if (hg_is_bytes(&field, 1)) {
			init->service_name = field.bytes;
		} else if (hg_is_bytes(&field, 2)) {
			init->entity_id = field.bytes;
		} else if (hg_is_bytes(&field, 3)) {
			init->has_delta = true;
			init->delta = field.bytes;
		}
	}
	return !reader.is_bad;
}

static bool parse_cancelled(struct headgate_bytes bytes, struct hg_crdt_cancelled *cancelled)
{
	struct hg_reader reader;
	struct hg_field field;

	*cancelled = (struct hg_crdt_cancelled){0};
	hg_reader_init(&reader, bytes);
	while (hg_reader_next(&reader, &field)) {
		if (hg_is_bytes(&field, 1))
			cancelled->entity_id = field.bytes;
		else if (hg_is_varint(&field, 2))
			cancelled->id = (int64_t)field.value;
	}
	return !reader.is_bad;
}

/* The kinds have the numbers of their fields. */
static bool parse_kind(const struct hg_field *field, struct hg_crdt_in *in)
{
	in->kind = (enum hg_crdt_in_kind)field->number;
	switch (in->kind) {
	case HG_CRDT_IN_INIT:
		return parse_init(field->bytes, &in->init);
	case HG_CRDT_IN_DELTA:
		in->delta = field->bytes;
		return true;
	case HG_CRDT_IN_COMMAND:
		return hg_command_parse(field->bytes, &in->command);
	case HG_CRDT_IN_CANCELLED:
		return parse_cancelled(field->bytes, &in->cancelled);
	case HG_CRDT_IN_DELETE:
	case HG_CRDT_IN_NONE:
		break;
	}
	return true;
}

bool hg_crdt_in_parse(struct headgate_bytes bytes, struct hg_crdt_in *ret_in)
{
	struct hg_reader reader;
	struct hg_field field;

	ret_in->kind = HG_CRDT_IN_NONE;
	hg_reader_init(&reader, bytes);
	while (hg_reader_next(&reader, &field)) {
		if (field.type != HG_WIRE_BYTES || field.number > HG_CRDT_IN_CANCELLED)
			continue;
		if (!parse_kind(&field, ret_in))
			return false;
	}
	return !reader.is_bad;
}

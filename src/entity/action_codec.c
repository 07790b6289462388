#include "src/entity/action_codec.h"

#include "src/entity/entity_codec_internal.h"
#include "src/entity/metadata_codec.h"

/* The metadata stands before the payload, though its number is higher, so that the payload is the
 * very end of the message. */

bool action_put_command(struct buf *head, const struct action_command *command)
{
	const struct metadata *metadata = command->metadata;
	bool has_payload = command->input_name.len > 0;
	size_t tail = has_payload ? command->payload_len : 0;
	size_t meta = metadata_codec_len(metadata);
	size_t any = command->type_url.len ? codec_any_url_len(command->type_url, tail)
					   : codec_any_len(command->input_name, tail);
	size_t total = codec_text_len(command->service_name) + codec_text_len(command->name) +
		       codec_field_len(meta) + (has_payload ? codec_field_len(any) : 0);
	uint8_t *start = codec_reserve(head, total, tail);
	uint8_t *at;

	if (!start)
		return false;
	at = codec_put_text(start, 2, command->service_name);
	at = codec_put_text(at, 3, command->name);
	at = codec_put_open(at, 5, meta);
	at = metadata_codec_put(at, metadata);
	if (has_payload && command->type_url.len)
		at = codec_put_any_url(at, 4, command->type_url, tail);
	else if (has_payload)
		at = codec_put_any(at, 4, command->input_name, tail);
	return codec_commit(head, start, at, total - tail);
}

static bool read_response(const struct wire_field *field, struct entity_out *out)
{
	if (field->number == 1)
		return entity_codec_read_failure(field->bytes, out);
	if (field->number == 2)
		return entity_codec_read_reply(field->bytes, out);
	if (field->number == 3)
		return entity_codec_read_forward(field->bytes, out);
	return true;
}

void action_response_parse(struct span message, struct entity_out *ret_out)
{
	struct wire_reader reader;
	struct wire_field field;
	struct wire_field last = {0};
	struct entity_out out = {.kind = ENTITY_OUT_REPLY,
				 .action = ENTITY_NONE,
				 .reply_ = message,
				 .effect_field_ = 4};

	wire_reader_init(&reader, message);
	while (wire_next(&reader, &field)) {
		if (field.type != WIRE_BYTES)
			continue;
		if (field.number >= 1 && field.number <= 3)
			last = field;
		out.effect_count += field.number == 4;
	}
	if (reader.is_bad || out.effect_count > ENTITY_REPLY_EFFECTS_MAX ||
	    !read_response(&last, &out))
		out = (struct entity_out){.kind = ENTITY_OUT_GARBAGE, .action = ENTITY_NONE};
	*ret_out = out;
}

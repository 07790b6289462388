#include "src/grpc/grpc_trailers.h"

#include "src/base/error.h"
#include "src/base/text.h"
#include "src/grpc/grpc_call.h"
#include "src/grpc/grpc_codec.h"

void grpc_trailers_init(struct grpc_trailers *list)
{
	/* Not the whole struct: the items are 8 KiB that need no zeroes. */
	list->count = 0;
	arena_init(&list->arena, GRPC_METADATA_BYTES_MAX);
	buf_init(&list->message_, GRPC_MESSAGE_TEXT_MAX);
	buf_init(&list->details_, GRPC_DETAILS_TEXT_MAX);
}

void grpc_trailers_fini(struct grpc_trailers *list)
{
	arena_fini(&list->arena);
	buf_fini(&list->message_);
	buf_fini(&list->details_);
}

void grpc_trailers_add(struct grpc_trailers *list, const char *name, struct span value)
{
	BUG_ON(list->count >= sizeof(list->items) / sizeof(list->items[0]));
	list->items[list->count++] = (struct h2_header){span_from_str(name), value};
}

void grpc_trailers_add_metadata(struct grpc_trailers *list, const struct metadata *metadata)
{
	size_t room = sizeof(list->items) / sizeof(list->items[0]) - list->count;

	if (metadata && metadata->count)
		list->count += metadata_to_headers(metadata, &list->arena,
						   list->items + list->count, room);
}

/* Encodes as much as fits: the text is cut before it is encoded, at a third of the limit at the
 * worst, and never within a UTF-8 sequence. */
static void grpc_trailers_encode_message(struct grpc_trailers *list, struct span message)
{
	if (grpc_message_encode(message, &list->message_))
		return;
	buf_reset(&list->message_);
	message = span_head(message, GRPC_MESSAGE_TEXT_MAX / 3);
	while (message.len && !text_is_utf8(message) &&
	       (message.data[message.len - 1] & 0xC0) == 0x80)
		message.len--;
	if (message.len && message.data[message.len - 1] >= 0xC0)
		message.len--;
	(void)grpc_message_encode(message, &list->message_); /* fits: three bytes for each */
}

void grpc_trailers_add_status(struct grpc_trailers *list, const struct grpc_status *status)
{
	grpc_trailers_add(list, "grpc-status",
			  text_from_u64((unsigned)status->code, list->number_));
	if (status->message.len) {
		grpc_trailers_encode_message(list, status->message);
		grpc_trailers_add(list, "grpc-message", buf_span(&list->message_));
	}
	if (status->details.len && text_base64_encode(status->details, false, &list->details_))
		grpc_trailers_add(list, "grpc-status-details-bin", buf_span(&list->details_));
	grpc_trailers_add_metadata(list, status->trailers);
}

static struct span grpc_trailers_decoded(struct span text,
					 bool (*decode)(struct span, struct buf *),
					 struct arena *arena)
{
	struct span decoded = SPAN_EMPTY;
	struct buf raw;

	if (text.len == 0)
		return SPAN_EMPTY;
	buf_init(&raw, text.len);
	if (decode(text, &raw))
		decoded = arena_span(arena, buf_span(&raw));
	buf_fini(&raw);
	return decoded;
}

bool grpc_trailers_read(const struct h2_headers *headers, struct arena *arena,
			struct metadata *metadata, struct grpc_status *ret_status)
{
	struct span number = h2_headers_get(headers, "grpc-status");
	struct error err;

	if (!number.data)
		return false;
	*ret_status = (struct grpc_status){
		.code = grpc_status_parse(number),
		.message = grpc_trailers_decoded(h2_headers_get(headers, "grpc-message"),
						 grpc_message_decode, arena),
		.details = grpc_trailers_decoded(h2_headers_get(headers, "grpc-status-details-bin"),
						 text_base64_decode, arena),
		.trailers = metadata,
	};
	/* A bad -bin value costs the metadata from there on, never the status. */
	if (metadata_from_headers(metadata, arena, headers, &err))
		ret_status->trailers = metadata->count ? metadata : NULL;
	return true;
}

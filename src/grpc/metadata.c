#include "src/grpc/metadata.h"

#include <string.h>

#include "src/base/error.h"
#include "src/base/text.h"
#include "src/grpc/grpc_codec.h"
#include "src/h2/h2.h"

#define METADATA_FIRST_ITEMS 16

static enum status metadata_grow(struct metadata *metadata, struct arena *arena)
{
	size_t capacity = metadata->capacity_ ? metadata->capacity_ * 2 : METADATA_FIRST_ITEMS;
	struct metadata_item *items;

	if (metadata->count >= METADATA_ITEMS_MAX)
		return ST_RESOURCE_EXHAUSTED;
	if (metadata->count < metadata->capacity_)
		return ST_OK;
	items = arena_new_array(arena, struct metadata_item, capacity);
	if (!items)
		return ST_RESOURCE_EXHAUSTED;
	if (metadata->count)
		memcpy(items, metadata->items, metadata->count * sizeof(*items));
	metadata->items = items;
	metadata->capacity_ = capacity;
	return ST_OK;
}

enum status metadata_add(struct metadata *metadata, struct arena *arena, struct span key,
			 struct span value)
{
	enum status status = metadata_grow(metadata, arena);
	struct metadata_item item;

	if (status)
		return status;
	item.key = arena_span(arena, key);
	item.value = arena_span(arena, value);
	if ((key.len && !item.key.data) || (value.len && !item.value.data))
		return ST_RESOURCE_EXHAUSTED;
	metadata->items[metadata->count++] = item;
	return ST_OK;
}

struct span metadata_get(const struct metadata *metadata, const char *key)
{
	struct span wanted = span_from_str(key);

	for (size_t i = 0; i < metadata->count; i++)
		if (span_eq(metadata->items[i].key, wanted))
			return metadata->items[i].value;
	return SPAN_EMPTY;
}

static struct span metadata_trim(struct span text)
{
	while (text.len && (text.data[0] == ' ' || text.data[0] == '\t'))
		text = span_skip(text, 1);
	while (text.len && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t'))
		text.len--;
	return text;
}

enum status metadata_add_binary(struct metadata *metadata, struct arena *arena, struct span key,
				struct span text, struct error *err)
{
	struct buf raw;
	enum status status = ST_OK;

	/* HTTP may have joined the values of repeated headers; base64 holds no comma. */
	buf_init(&raw, text.len);
	for (bool is_last = false; !is_last && !status;) {
		size_t comma = span_find(text, ',');
		struct span part = metadata_trim(span_head(text, comma));

		is_last = comma == text.len;
		text = span_skip(text, comma + 1);
		buf_reset(&raw);
		if (!text_base64_decode(part, &raw))
			status = error_set(err, ST_INVALID_ARGUMENT,
					   "metadata %.*s is not valid base64", SPAN_FMT(key));
		else if ((status = metadata_add(metadata, arena, key, buf_span(&raw))))
			(void)error_set(err, status, "too much metadata");
	}
	buf_fini(&raw);
	return status;
}

enum status metadata_from_headers(struct metadata *metadata, struct arena *arena,
				  const struct h2_headers *headers, struct error *err)
{
	for (size_t i = 0; i < headers->count; i++) {
		const struct h2_header *header = &headers->items[i];
		enum status status;

		if (grpc_is_reserved_key(header->name))
			continue;
		if (grpc_is_binary_key(header->name))
			status = metadata_add_binary(metadata, arena, header->name, header->value,
						     err);
		else if ((status = metadata_add(metadata, arena, header->name, header->value)))
			(void)error_set(err, status, "too much metadata");
		if (status)
			return status;
	}
	return ST_OK;
}

/* Spec: RFC 9110 5.5, field-value; gRPC allows only what is visible ASCII and space. */
static bool metadata_is_header_text(struct span value)
{
	for (size_t i = 0; i < value.len; i++)
		if (value.data[i] < 0x20 || value.data[i] == 0x7F)
			return false;
	return true;
}

static bool metadata_is_header_key(struct span key)
{
	for (size_t i = 0; i < key.len; i++) {
		uint8_t c = key.data[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '_' &&
		    c != '.')
			return false;
	}
	return key.len > 0;
}

static bool metadata_encode_binary(struct span raw, struct arena *arena, struct span *ret_text)
{
	struct buf text;
	bool is_done;

	buf_init(&text, raw.len / 3 * 4 + 4);
	is_done = text_base64_encode(raw, false, &text);
	if (is_done)
		*ret_text = arena_span(arena, buf_span(&text));
	is_done = is_done && (ret_text->data || raw.len == 0);
	buf_fini(&text);
	return is_done;
}

size_t metadata_to_headers(const struct metadata *metadata, struct arena *arena,
			   struct h2_header *headers, size_t max)
{
	size_t count = 0;

	for (size_t i = 0; metadata && i < metadata->count && count < max; i++) {
		struct h2_header header = {metadata->items[i].key, metadata->items[i].value};

		if (grpc_is_reserved_key(header.name) || !metadata_is_header_key(header.name))
			continue;
		if (grpc_is_binary_key(header.name)) {
			if (!metadata_encode_binary(metadata->items[i].value, arena, &header.value))
				continue;
		} else if (!metadata_is_header_text(header.value)) {
			continue;
		}
		headers[count++] = header;
	}
	return count;
}

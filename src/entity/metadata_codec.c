#include "src/entity/metadata_codec.h"

#include "src/base/text.h"
#include "src/entity/entity_codec_internal.h"
#include "src/grpc/grpc_codec.h"
#include "src/grpc/metadata.h"

/* One cloudstate.MetadataEntry: 1 key, and in a oneof, so even when it is empty, 2 string_value or
 * 3 bytes_value. */
static size_t entry_len(const struct metadata_item *item)
{
	return codec_text_len(item->key) + codec_field_len(item->value.len);
}

static uint8_t *put_entry(uint8_t *at, const struct metadata_item *item)
{
	bool is_bytes = grpc_is_binary_key(item->key) || !text_is_utf8(item->value);

	at = codec_put_open(at, 1, entry_len(item));
	at = codec_put_text(at, 1, item->key);
	at = codec_put_open(at, is_bytes ? 3 : 2, item->value.len);
	if (item->value.len)
		memcpy(at, item->value.data, item->value.len);
	return at + item->value.len;
}

size_t metadata_codec_len(const struct metadata *metadata)
{
	size_t len = 0;

	for (size_t i = 0; metadata && i < metadata->count; i++)
		len += codec_field_len(entry_len(&metadata->items[i]));
	return len;
}

uint8_t *metadata_codec_put(uint8_t *at, const struct metadata *metadata)
{
	for (size_t i = 0; metadata && i < metadata->count; i++)
		at = put_entry(at, &metadata->items[i]);
	return at;
}

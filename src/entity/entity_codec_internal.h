#ifndef HEADGATE_SRC_ENTITY_ENTITY_CODEC_INTERNAL_H
#define HEADGATE_SRC_ENTITY_ENTITY_CODEC_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "proto/wire.h"
#include "src/base/buf.h"
#include "src/base/error.h"
#include "src/base/span.h"
#include "src/entity/entity_codec.h"

/* What the codecs of entities and actions share: parts of package cloudstate. Internal to
 * src/entity.
 *
 * Outgoing messages are a few nested length-delimited fields with the payload at the very end, so
 * their lengths are summed up from the inside and written front to back in one go: no second pass
 * and no copy of the payload. Every tag here takes one byte (numbers below 16). */

#define CODEC_TYPE_URL_PREFIX "type.googleapis.com/"

static inline size_t codec_varint_len(uint64_t value)
{
	return (size_t)((63 - __builtin_clzll(value | 1)) / 7 + 1);
}

/* Of a length-delimited field with its tag. */
static inline size_t codec_field_len(size_t content_len)
{
	return 1 + codec_varint_len(content_len) + content_len;
}

/* proto3: a default value is not written. */
static inline size_t codec_text_len(struct span text)
{
	return text.len ? codec_field_len(text.len) : 0;
}

static inline size_t codec_number_len(uint64_t value)
{
	return value ? 1 + codec_varint_len(value) : 0;
}

static inline uint8_t *codec_put_varint(uint8_t *at, uint64_t value)
{
	while (value >= 0x80) {
		*at++ = (uint8_t)(value | 0x80);
		value >>= 7;
	}
	*at++ = (uint8_t)value;
	return at;
}

static inline uint8_t *codec_put_open(uint8_t *at, unsigned number, size_t content_len)
{
	*at++ = (uint8_t)(number << 3 | WIRE_BYTES);
	return codec_put_varint(at, content_len);
}

static inline uint8_t *codec_put_text(uint8_t *at, unsigned number, struct span text)
{
	if (text.len == 0)
		return at;
	at = codec_put_open(at, number, text.len);
	memcpy(at, text.data, text.len);
	return at + text.len;
}

static inline uint8_t *codec_put_number(uint8_t *at, unsigned number, uint64_t value)
{
	if (value == 0)
		return at;
	*at++ = (uint8_t)(number << 3 | WIRE_VARINT);
	return codec_put_varint(at, value);
}

/* Room for a head of total bytes less the tail that follows it. */
static inline uint8_t *codec_reserve(struct buf *head, size_t total, size_t tail)
{
	buf_reset(head);
	if (total > WIRE_BYTES_MAX || total - tail > ENTITY_HEAD_BYTES_MAX)
		return NULL;
	return buf_reserve(head, total - tail);
}

/* The writers and the sums must agree to the byte. */
static inline bool codec_commit(struct buf *head, const uint8_t *start, const uint8_t *end,
				size_t want)
{
	BUG_ON((size_t)(end - start) != want);
	buf_commit(head, want);
	return true;
}

/* An Any with the type URL of input_name, up to where its payload goes. any is its length as
 * codec_any_len says. */
static inline size_t codec_any_len(struct span input_name, size_t payload_len)
{
	return codec_field_len(sizeof(CODEC_TYPE_URL_PREFIX) - 1 + input_name.len) +
	       (payload_len ? codec_field_len(payload_len) : 0);
}

static inline uint8_t *codec_put_any(uint8_t *at, unsigned number, struct span input_name,
				     size_t payload_len)
{
	struct span prefix = SPAN_LIT(CODEC_TYPE_URL_PREFIX);

	at = codec_put_open(at, number, codec_any_len(input_name, payload_len));
	at = codec_put_open(at, 1, prefix.len + input_name.len);
	memcpy(at, prefix.data, prefix.len);
	at += prefix.len;
	memcpy(at, input_name.data, input_name.len);
	at += input_name.len;
	return payload_len ? codec_put_open(at, 2, payload_len) : at;
}

/* The same with any type URL. */
static inline size_t codec_any_url_len(struct span type_url, size_t payload_len)
{
	return codec_field_len(type_url.len) + (payload_len ? codec_field_len(payload_len) : 0);
}

static inline uint8_t *codec_put_any_url(uint8_t *at, unsigned number, struct span type_url,
					 size_t payload_len)
{
	at = codec_put_open(at, number, codec_any_url_len(type_url, payload_len));
	at = codec_put_open(at, 1, type_url.len);
	memcpy(at, type_url.data, type_url.len);
	at += type_url.len;
	return payload_len ? codec_put_open(at, 2, payload_len) : at;
}

/* ---- in: each reads one message into out and returns false when it is malformed. ------------- */

/* cloudstate.Failure. Its command id is that of the stream only in ENTITY_OUT_FAILURE. */
bool entity_codec_read_failure(struct span bytes, struct entity_out *out);
bool entity_codec_read_reply(struct span bytes, struct entity_out *out);
bool entity_codec_read_forward(struct span bytes, struct entity_out *out);
/* cloudstate.ClientAction; an empty one leaves out as it is. */
bool entity_codec_read_client_action(struct span bytes, struct entity_out *out);

#endif

#include "src/grpc/grpc_codec.h"

#include <stdio.h>

#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/text.h"
#include "src/h2/h2.h"

/* Spec: PROTOCOL-HTTP2.md, "TimeoutValue": a positive integer of at most 8 digits. */
#define GRPC_TIMEOUT_DIGITS_MAX 8
#define GRPC_TIMEOUT_VALUE_MAX ((uint64_t)99999999)

void grpc_frame_head_write(uint8_t head[GRPC_FRAME_HEAD_BYTES], bool is_compressed, uint32_t len)
{
	head[0] = is_compressed ? 1 : 0;
	head[1] = (uint8_t)(len >> 24);
	head[2] = (uint8_t)(len >> 16);
	head[3] = (uint8_t)(len >> 8);
	head[4] = (uint8_t)len;
}

bool grpc_frame_head(struct buf *out, bool is_compressed, uint32_t len)
{
	uint8_t head[GRPC_FRAME_HEAD_BYTES];

	grpc_frame_head_write(head, is_compressed, len);
	return buf_append(out, span_make(head, sizeof(head)));
}

static uint32_t grpc_frame_len(const uint8_t *head)
{
	return (uint32_t)head[1] << 24 | (uint32_t)head[2] << 16 | (uint32_t)head[3] << 8 | head[4];
}

enum grpc_frame_state grpc_frame_read_any(struct span input, size_t max_bytes,
					  struct span *ret_message, size_t *ret_taken,
					  bool *ret_is_packed, struct error *err)
{
	size_t len;

	if (input.len > 0 && input.data[0] > 1) {
		(void)error_set(err, ST_INTERNAL, "unknown flags 0x%02x in a message frame",
				input.data[0]);
		return GRPC_FRAME_BAD;
	}
	if (input.len < GRPC_FRAME_HEAD_BYTES) {
		*ret_taken = GRPC_FRAME_HEAD_BYTES - input.len;
		return GRPC_FRAME_MORE;
	}
	len = grpc_frame_len(input.data);
	if (len > max_bytes) {
		(void)error_set(err, ST_RESOURCE_EXHAUSTED,
				"message of %zu bytes is larger than the limit of %zu", len,
				max_bytes);
		return GRPC_FRAME_BAD;
	}
	if (input.len - GRPC_FRAME_HEAD_BYTES < len) {
		*ret_taken = len - (input.len - GRPC_FRAME_HEAD_BYTES);
		return GRPC_FRAME_MORE;
	}
	*ret_message = span_make(input.data + GRPC_FRAME_HEAD_BYTES, len);
	*ret_taken = GRPC_FRAME_HEAD_BYTES + len;
	*ret_is_packed = input.data[0] == 1;
	return GRPC_FRAME_DONE;
}

enum grpc_frame_state grpc_frame_read(struct span input, size_t max_bytes, struct span *ret_message,
				      size_t *ret_taken, struct error *err)
{
	bool is_packed;

	if (input.len > 0 && input.data[0] == 1) {
		(void)error_set(err, ST_INTERNAL,
				"a message is marked compressed but the call names no encoding");
		return GRPC_FRAME_BAD;
	}
	return grpc_frame_read_any(input, max_bytes, ret_message, ret_taken, &is_packed, err);
}

/* Units from the finest; each holds `step` of the one before. Spec: "TimeoutUnit". */
static const struct grpc_unit {
	char letter;
	uint64_t ns;
	unsigned step;
} grpc_units[] = {
	{'n', 1, 1},	       {'u', 1000, 1000},	 {'m', NS_PER_MS, 1000},
	{'S', NS_PER_S, 1000}, {'M', 60 * NS_PER_S, 60}, {'H', 3600 * NS_PER_S, 60},
};
#define GRPC_UNIT_COUNT (sizeof(grpc_units) / sizeof(grpc_units[0]))

bool grpc_timeout_parse(struct span text, uint64_t *ret_ns)
{
	uint64_t value;
	uint64_t ns;

	if (text.len < 2 || text.len > GRPC_TIMEOUT_DIGITS_MAX + 1 ||
	    !text_to_u64(span_head(text, text.len - 1), &value))
		return false;
	for (size_t i = 0; i < GRPC_UNIT_COUNT; i++) {
		if (text.data[text.len - 1] != (uint8_t)grpc_units[i].letter)
			continue;
		/* 99999999H is 11,000 years: more than the clock counts, so "never". */
		if (__builtin_mul_overflow(value, grpc_units[i].ns, &ns))
			ns = DEADLINE_NEVER;
		*ret_ns = ns;
		return true;
	}
	return false;
}

void grpc_timeout_print(uint64_t ns, char text[16])
{
	size_t unit = 0;
	uint64_t value = ns ? ns : 1;

	while (unit + 1 < GRPC_UNIT_COUNT && value > GRPC_TIMEOUT_VALUE_MAX)
		value = ns / grpc_units[++unit].ns;
	while (unit + 1 < GRPC_UNIT_COUNT && value % grpc_units[unit + 1].step == 0)
		value /= grpc_units[++unit].step;
	(void)snprintf(text, 16, "%u%c", (unsigned)value, grpc_units[unit].letter);
}

/* True when gzip stands in a list as of grpc-accept-encoding. */
static bool grpc_has_gzip(struct span list)
{
	while (list.len) {
		size_t end = span_find(list, ',');
		struct span name = span_head(list, end);

		list = span_skip(list, end + 1);
		while (name.len && name.data[0] == ' ')
			name = span_skip(name, 1);
		while (name.len && name.data[name.len - 1] == ' ')
			name.len--;
		if (span_eq(name, SPAN_LIT("gzip")))
			return true;
	}
	return false;
}

enum status grpc_head_read(const struct h2_headers *headers, struct grpc_head *ret_head,
			   struct error *err)
{
	struct span encoding = h2_headers_get(headers, "grpc-encoding");
	struct span timeout = h2_headers_get(headers, "grpc-timeout");

	*ret_head = (struct grpc_head){
		.wait_ns = DEADLINE_NEVER,
		.has_gzip = span_eq(encoding, SPAN_LIT("gzip")),
		.takes_gzip = grpc_has_gzip(h2_headers_get(headers, "grpc-accept-encoding")),
	};
	if (encoding.len && !ret_head->has_gzip && !span_eq(encoding, SPAN_LIT("identity")))
		return error_set(err, ST_UNIMPLEMENTED, "encoding %.*s is not known here",
				 SPAN_FMT(span_head(encoding, 64)));
	if (timeout.data && !grpc_timeout_parse(timeout, &ret_head->wait_ns))
		return error_set(err, ST_INVALID_ARGUMENT, "malformed grpc-timeout");
	return ST_OK;
}

bool grpc_message_encode(struct span message, struct buf *out)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t run = 0;

	for (size_t i = 0; i < message.len; i++) {
		uint8_t c = message.data[i];
		uint8_t escape[3] = {'%', (uint8_t)hex[c >> 4], (uint8_t)hex[c & 15]};

		if (c >= 0x20 && c <= 0x7E && c != '%')
			continue;
		(void)buf_append(out, span_make(message.data + run, i - run)); /* sticky */
		(void)buf_append(out, span_make(escape, sizeof(escape)));
		run = i + 1;
	}
	(void)buf_append(out, span_skip(message, run));
	return !out->is_full;
}

static int grpc_hex(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool grpc_message_decode(struct span text, struct buf *out)
{
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.data[i];

		if (c == '%' && text.len - i > 2) {
			int high = grpc_hex(text.data[i + 1]);
			int low = grpc_hex(text.data[i + 2]);

			if (high >= 0 && low >= 0) {
				c = (uint8_t)(high << 4 | low);
				i += 2;
			}
		}
		if (!buf_append_byte(out, c))
			return false;
	}
	return true;
}

enum status grpc_status_parse(struct span text)
{
	uint64_t number;

	if (text.len > 10 || !text_to_u64(text, &number))
		return ST_UNKNOWN;
	return status_from_number((unsigned long)number);
}

enum status grpc_status_from_http(unsigned http_status)
{
	switch (http_status) {
	case 400:
		return ST_INTERNAL;
	case 401:
		return ST_UNAUTHENTICATED;
	case 403:
		return ST_PERMISSION_DENIED;
	case 404:
		return ST_UNIMPLEMENTED;
	case 429:
	case 502:
	case 503:
	case 504:
		return ST_UNAVAILABLE;
	default:
		return ST_UNKNOWN;
	}
}

enum status grpc_status_from_h2(uint32_t h2_code)
{
	/* Spec: PROTOCOL-HTTP2.md, "Errors"; index = RFC 9113 7 */
	static const enum status codes[] = {
		ST_INTERNAL, ST_INTERNAL,	    ST_INTERNAL,	  ST_INTERNAL,	ST_INTERNAL,
		ST_UNKNOWN,  ST_INTERNAL,	    ST_UNAVAILABLE,	  ST_CANCELLED, ST_INTERNAL,
		ST_INTERNAL, ST_RESOURCE_EXHAUSTED, ST_PERMISSION_DENIED,
	};

	return h2_code < sizeof(codes) / sizeof(codes[0]) ? codes[h2_code] : ST_UNKNOWN;
}

bool grpc_is_content_type(struct span content_type)
{
	static const struct span subtype = {(const uint8_t *)"+proto", 6};
	struct span prefix = SPAN_LIT("application/grpc");
	struct span rest = span_skip(content_type, prefix.len);

	if (!span_eq_nocase(span_head(content_type, prefix.len), prefix))
		return false;
	if (rest.len >= subtype.len && span_eq_nocase(span_head(rest, subtype.len), subtype))
		rest = span_skip(rest, subtype.len);
	return rest.len == 0 || rest.data[0] == ';' || rest.data[0] == ' ' || rest.data[0] == '\t';
}

bool grpc_is_reserved_key(struct span key)
{
	static const char *const transport[] = {
		"te",
		"content-type",
		"content-length",
		"content-encoding",
		"connection",
		"keep-alive",
		"host",
		"proxy-connection",
		"transfer-encoding",
		"proxy-authenticate",
		"trailer",
		"upgrade",
		"proxy-authorization",
		"http2-settings",
		"expect",
	};

	if (key.len == 0 || key.data[0] == ':' || span_starts_with(key, SPAN_LIT("grpc-")))
		return true;
	for (size_t i = 0; i < sizeof(transport) / sizeof(transport[0]); i++)
		if (span_eq_str(key, transport[i]))
			return true;
	return false;
}

bool grpc_is_binary_key(struct span key)
{
	return key.len >= 4 && span_eq(span_skip(key, key.len - 4), SPAN_LIT("-bin"));
}

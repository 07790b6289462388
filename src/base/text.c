#include "src/base/text.h"

#include <string.h>

/* Eight bytes are looked at in one step: a comparison that is true of any of them leaves some high
 * bit set. */
#define TEXT_WORD sizeof(uint64_t)
#define TEXT_EACH(byte) (0x0101010101010101U * (uint64_t)(byte))

static uint64_t text_word(const uint8_t *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	return word;
}

static uint64_t text_any_below(uint64_t word, uint8_t limit)
{
	return (word - TEXT_EACH(limit)) & ~word & TEXT_EACH(0x80);
}

static uint64_t text_any_is(uint64_t word, uint8_t byte)
{
	return text_any_below(word ^ TEXT_EACH(byte), 1);
}

/* Length of the UTF-8 sequence at p (n bytes left), 0 when malformed. Spec: RFC 3629 4. */
static size_t text_utf8_len(const uint8_t *p, size_t n)
{
	uint8_t lead = p[0];
	uint8_t low = 0x80;
	uint8_t high = 0xBF;
	size_t len;

	if (lead < 0x80)
		return 1;
	if (lead < 0xC2 || lead > 0xF4)
		return 0;
	len = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
	if (n < len)
		return 0;
	if (lead == 0xE0)
		low = 0xA0;
	else if (lead == 0xF0)
		low = 0x90;
	else if (lead == 0xED)
		high = 0x9F;
	else if (lead == 0xF4)
		high = 0x8F;
	if (p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++)
		if ((p[i] & 0xC0) != 0x80)
			return 0;
	return len;
}

bool text_is_utf8(struct span bytes)
{
	size_t i = 0;

	while (i < bytes.len) {
		size_t len;

		while (bytes.len - i >= TEXT_WORD && !(text_word(bytes.data + i) & TEXT_EACH(0x80)))
			i += TEXT_WORD;
		/* A short rest in one look, too, together with what was looked at before. */
		if (i == bytes.len ||
		    (i >= TEXT_WORD && bytes.len - i < TEXT_WORD &&
		     !(text_word(bytes.data + bytes.len - TEXT_WORD) & TEXT_EACH(0x80))))
			break;
		if (bytes.data[i] < 0x80) {
			i++;
			continue;
		}
		len = text_utf8_len(bytes.data + i, bytes.len - i);
		if (len == 0)
			return false;
		i += len;
	}
	return true;
}

bool text_to_u64(struct span text, uint64_t *ret_value)
{
	uint64_t value = 0;

	if (text.len == 0)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		uint8_t digit = (uint8_t)(text.data[i] - '0');

		if (digit > 9 || __builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, digit, &value))
			return false;
	}
	*ret_value = value;
	return true;
}

static int text_hex(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

struct span text_from_u64(uint64_t value, char text[TEXT_U64_DIGITS])
{
	size_t at = TEXT_U64_DIGITS;

	do {
		text[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	return span_make(text + at, TEXT_U64_DIGITS - at);
}

bool text_percent_decode(struct span text, bool keep_slash, struct buf *out)
{
	for (size_t i = 0; i < text.len; i++) {
		int high;
		int low;
		uint8_t byte;

		if (text.data[i] != '%') {
			if (!buf_append_byte(out, text.data[i]))
				return false;
			continue;
		}
		if (text.len - i < 3)
			return false;
		high = text_hex(text.data[i + 1]);
		low = text_hex(text.data[i + 2]);
		if (high < 0 || low < 0)
			return false;
		byte = (uint8_t)(high << 4 | low);
		if (byte == '/' && keep_slash) {
			if (!buf_append(out, span_make(text.data + i, 3)))
				return false;
		} else if (!buf_append_byte(out, byte)) {
			return false;
		}
		i += 2;
	}
	return true;
}

static bool text_is_unreserved(uint8_t c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '_' || c == '~' || c == '-';
}

bool text_percent_encode(struct span bytes, struct buf *out)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < bytes.len; i++) {
		uint8_t c = bytes.data[i];
		uint8_t escape[3] = {'%', (uint8_t)hex[c >> 4], (uint8_t)hex[c & 15]};

		if (!buf_append(out,
				text_is_unreserved(c) ? span_make(&c, 1) : span_make(escape, 3)))
			return false;
	}
	return true;
}

static const char base64_alphabet[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

bool text_base64_encode(struct span bytes, bool is_padded, struct buf *out)
{
	for (size_t i = 0; i < bytes.len; i += 3) {
		size_t n = bytes.len - i < 3 ? bytes.len - i : 3;
		uint32_t group = (uint32_t)bytes.data[i] << 16;
		uint8_t quad[4] = {0, 0, '=', '='};

		if (n > 1)
			group |= (uint32_t)bytes.data[i + 1] << 8;
		if (n > 2)
			group |= bytes.data[i + 2];
		for (size_t k = 0; k <= n; k++)
			quad[k] = (uint8_t)base64_alphabet[group >> (18 - 6 * k) & 63];
		if (!buf_append(out, span_make(quad, is_padded ? 4 : n + 1)))
			return false;
	}
	return true;
}

static int text_base64_value(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+' || c == '-')
		return 62;
	return c == '/' || c == '_' ? 63 : -1;
}

bool text_base64_decode(struct span text, struct buf *out)
{
	size_t len = text.len;
	uint32_t group = 0;
	unsigned bits = 0;

	if (len % 4 == 0 && len > 0 && text.data[len - 1] == '=')
		len -= text.data[len - 2] == '=' ? 2 : 1;
	if (len % 4 == 1)
		return false;
	for (size_t i = 0; i < len; i++) {
		int value = text_base64_value(text.data[i]);

		if (value < 0)
			return false;
		group = group << 6 | (uint32_t)value;
		bits += 6;
		if (bits < 8)
			continue;
		bits -= 8;
		if (!buf_append_byte(out, (uint8_t)(group >> bits)))
			return false;
		group &= (1U << bits) - 1;
	}
	return true;
}

static bool text_json_escape(uint8_t c, struct buf *out)
{
	static const char short_forms[] = "\"\"\\\\\bb\ff\nn\rr\tt";

	for (size_t i = 0; short_forms[i]; i += 2)
		if ((uint8_t)short_forms[i] == c)
			return buf_append_byte(out, '\\') &&
			       buf_append_byte(out, (uint8_t)short_forms[i + 1]);
	return buf_printf(out, "\\u%04x", c);
}

size_t text_json_plain(struct span text)
{
	size_t i = 0;

	while (text.len - i >= TEXT_WORD) {
		uint64_t word = text_word(text.data + i);

		if (text_any_below(word, 0x20) | text_any_is(word, '"') | text_any_is(word, '\\'))
			break;
		i += TEXT_WORD;
	}
	while (i < text.len && text.data[i] >= 0x20 && text.data[i] != '"' && text.data[i] != '\\')
		i++;
	return i;
}

bool text_json_quote(struct span text, struct buf *out)
{
	size_t run = 0;
	size_t i = 0;

	(void)buf_append_byte(out, '"'); /* a full buf stays full: checked at the end */
	while (i < text.len) {
		uint8_t c = text.data[i];
		size_t len = text_utf8_len(text.data + i, text.len - i);

		if (len > 0 && c >= 0x20 && c != '"' && c != '\\') {
			i += len;
			continue;
		}
		(void)buf_append(out, span_make(text.data + run, i - run));
		if (len == 0)
			(void)buf_append_str(out, "\xEF\xBF\xBD");
		else
			(void)text_json_escape(c, out);
		i++;
		run = i;
	}
	(void)buf_append(out, span_make(text.data + run, text.len - run));
	(void)buf_append_byte(out, '"');
	return !out->is_full;
}

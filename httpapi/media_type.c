#include "httpapi/media_type.h"

static bool is_space(int c)
{
	return c == ' ' || c == '\t';
}

static struct span trim(struct span text)
{
	while (text.len && is_space(text.data[0]))
		text = span_skip(text, 1);
	while (text.len && is_space(text.data[text.len - 1]))
		text.len--;
	return text;
}

struct span media_type_next_part(struct span *rest, uint8_t separator)
{
	bool is_quoted = false;
	size_t i = 0;
	struct span part;

	for (; i < rest->len && (is_quoted || rest->data[i] != separator); i++) {
		if (rest->data[i] == '"')
			is_quoted = !is_quoted;
		else if (is_quoted && rest->data[i] == '\\' && i + 1 < rest->len)
			i++;
	}
	part = span_head(*rest, i);
	*rest = span_skip(*rest, i + 1);
	return trim(part);
}

bool media_type_parse(struct span text, struct media_type *ret_type)
{
	struct span rest = text;
	struct media_type type = {.type = media_type_next_part(&rest, ';')};
	size_t slash = span_find(type.type, '/');

	if (slash == 0 || slash + 1 >= type.type.len)
		return false;
	while (rest.len) {
		struct span value = media_type_next_part(&rest, ';');
		struct span name = media_type_next_part(&value, '=');

		value = trim(value);
		if (value.len >= 2 && value.data[0] == '"' && value.data[value.len - 1] == '"')
			value = span_make(value.data + 1, value.len - 2);
		if (span_eq_nocase(name, SPAN_LIT("charset")))
			type.charset = value;
	}
	*ret_type = type;
	return true;
}

static bool ends_in(struct span text, struct span suffix)
{
	return text.len > suffix.len &&
	       span_eq_nocase(span_skip(text, text.len - suffix.len), suffix);
}

bool media_type_is_json(struct span text, bool is_stream)
{
	struct media_type type;

	if (span_eq_str(text, "application/json"))
		return true; /* what nearly everybody sends */
	if (!media_type_parse(text, &type))
		return false;
	if (type.charset.len && !span_eq_nocase(type.charset, SPAN_LIT("utf-8")))
		return false;
	if (is_stream && (span_eq_nocase(type.type, SPAN_LIT("application/x-ndjson")) ||
			  span_eq_nocase(type.type, SPAN_LIT("application/ndjson")) ||
			  span_eq_nocase(type.type, SPAN_LIT("application/jsonl"))))
		return true;
	return span_eq_nocase(type.type, SPAN_LIT("application/json")) ||
	       (span_eq_nocase(span_head(type.type, 12), SPAN_LIT("application/")) &&
		ends_in(span_skip(type.type, 12), SPAN_LIT("+json")));
}

bool media_type_is_sendable(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] < 0x20 || text.data[i] > 0x7E)
			return false;
	return text.len > 0;
}

#include "httpapi/front/http_guard.h"

#include "src/base/text.h"

/* Spec: RFC 9110 5.6.2, token */
static bool http_guard_is_token(struct span text)
{
	static const char marks[] = "!#$%&'*+-.^_`|~";

	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.data[i];
		uint8_t lower = c | 0x20;

		if ((lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9'))
			continue;
		if (c == 0 || !memchr(marks, c, sizeof(marks) - 1))
			return false;
	}
	return text.len > 0;
}

/* Spec: RFC 9110 5.5, field-value without obs-text refused: UTF-8 in values is common */
static bool http_guard_is_value(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if ((text.data[i] < 0x20 && text.data[i] != '\t') || text.data[i] == 0x7F)
			return false;
	return true;
}

const char *http_guard_target(struct span target)
{
	if (target.len == 0)
		return "the request target is empty";
	for (size_t i = 0; i < target.len; i++) {
		uint8_t c = target.data[i];

		if (c <= 0x20 || c >= 0x7F || c == '#')
			return "the request target holds a character that must be escaped";
		if (c == '%' && target.len - i > 2 && target.data[i + 1] == '0' &&
		    target.data[i + 2] == '0')
			return "the request target holds an escaped NUL";
	}
	return NULL;
}

static const char *http_guard_length(struct span value, struct http_framing *framing)
{
	if (!text_to_u64(value, &framing->content_length) || framing->content_length == UINT64_MAX)
		return "malformed Content-Length";
	return NULL;
}

const char *http_guard_http1(const struct http_guard_head *head, struct http_framing *ret_framing)
{
	struct http_framing framing = {0};
	size_t hosts = 0;
	size_t lengths = 0;
	size_t encodings = 0;
	const char *fault = http_guard_is_token(head->method) ? http_guard_target(head->target)
							      : "malformed method";

	for (size_t i = 0; !fault && i < head->headers.count; i++) {
		struct span name = head->headers.items[i].name;
		struct span value = head->headers.items[i].value;

		if (!http_guard_is_token(name))
			return "malformed header name";
		if (!http_guard_is_value(value))
			return "control character in a header value";
		if (span_eq_nocase(name, SPAN_LIT("host"))) {
			hosts++;
		} else if (span_eq_nocase(name, SPAN_LIT("content-length"))) {
			lengths++;
			fault = http_guard_length(value, &framing);
		} else if (span_eq_nocase(name, SPAN_LIT("transfer-encoding"))) {
			encodings++;
			if (!span_eq_nocase(value, SPAN_LIT("chunked")))
				return "only chunked is known as Transfer-Encoding";
		}
	}
	if (fault)
		return fault;
	if (lengths > 1)
		return "more than one Content-Length";
	if (encodings > 1)
		return "more than one Transfer-Encoding";
	if (lengths && encodings)
		return "Content-Length beside Transfer-Encoding";
	if (encodings && head->is_http_1_0)
		return "Transfer-Encoding in HTTP/1.0";
	if (hosts > 1 || (hosts == 0 && !head->is_http_1_0))
		return "there must be one Host header";
	framing.is_chunked = encodings > 0;
	*ret_framing = framing;
	return NULL;
}

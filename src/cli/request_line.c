#include "src/cli/request_line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/text.h"

/* As HTTP/1.1 takes them, and room for the two that a client adds itself. */
#define REQUEST_HEADERS_MAX 256

/* A body that is over every limit of a gateway can be tried. */
#define REQUEST_BODY_BYTES_MAX ((size_t)1024 * 1024 * 1024)

struct headers {
	struct h2_header items[REQUEST_HEADERS_MAX + 2];
	size_t count;
};

static struct span json_span(const json_t *text)
{
	return span_make(json_string_value(text), json_string_length(text));
}

static bool has_header(const struct headers *headers, const char *name)
{
	for (size_t i = 0; i < headers->count; i++)
		if (span_eq_str(headers->items[i].name, name))
			return true;
	return false;
}

static bool read_value(struct headers *headers, struct span name, const json_t *value)
{
	if (!json_is_string(value) || headers->count == REQUEST_HEADERS_MAX)
		return false;
	headers->items[headers->count++] = (struct h2_header){name, json_span(value)};
	return true;
}

/* A header is a text, or one of several lines. */
static bool read_header(struct headers *headers, struct span name, const json_t *value)
{
	if (!json_is_array(value))
		return read_value(headers, name, value);
	for (size_t i = 0; i < json_array_size(value); i++)
		if (!read_value(headers, name, json_array_get(value, i)))
			return false;
	return true;
}

static bool read_headers(const json_t *json, struct arena *arena, struct headers *headers)
{
	const char *name;
	json_t *value;

	if (!json || json_is_null(json))
		return true;
	if (!json_is_object(json))
		return false;
	json_object_foreach((json_t *)(uintptr_t)json, name, value)
	{
		char *lower = arena_strndup(arena, name, strlen(name));

		if (!lower)
			return false;
		for (char *c = lower; *c; c++)
			*c = *c >= 'A' && *c <= 'Z' ? (char)(*c | 0x20) : *c;
		if (!read_header(headers, span_from_str(lower), value))
			return false;
	}
	return true;
}

/* A body is a text, base64, or for convenience a JSON value; null is none. */
static bool read_body(struct request_line *line)
{
	const json_t *body = json_object_get(line->json, "body");
	const json_t *base64 = json_object_get(line->json, "body_base64");
	bool has_body = body && !json_is_null(body);
	bool is_kept = true;
	char *text;

	if (base64 && !json_is_null(base64)) {
		is_kept = !has_body && json_is_string(base64) &&
			  text_base64_decode(json_span(base64), &line->body);
	} else if (json_is_string(body)) {
		line->request.body = json_span(body);
		return true;
	} else if (has_body) {
		text = json_dumps(body, JSON_COMPACT | JSON_ENCODE_ANY);
		is_kept = text && buf_append_str(&line->body, text);
		free(text);
	}
	line->request.body = buf_span(&line->body);
	return is_kept;
}

/* What every HTTP client adds. */
static void add_headers(struct request_line *line, struct headers *headers)
{
	size_t body_length = line->request.body.len;

	if (!has_header(headers, "host"))
		headers->items[headers->count++] =
			(struct h2_header){SPAN_LIT("host"), SPAN_LIT("localhost")};
	if (body_length == 0 || has_header(headers, "content-length") ||
	    has_header(headers, "transfer-encoding"))
		return;
	(void)snprintf(line->length, sizeof(line->length), "%zu", body_length);
	headers->items[headers->count++] =
		(struct h2_header){SPAN_LIT("content-length"), span_from_str(line->length)};
}

const char *request_line_read(struct span text, struct arena *arena, struct request_line *ret_line)
{
	struct headers *headers = arena_new_array(arena, struct headers, 1);
	const json_t *method;
	const json_t *path;

	*ret_line = (struct request_line){0};
	buf_init(&ret_line->body, REQUEST_BODY_BYTES_MAX);
	ret_line->json = json_loadb((const char *)text.data, text.len, JSON_ALLOW_NUL, NULL);
	if (!json_is_object(ret_line->json) || !headers)
		return "not a JSON object";
	headers->count = 0;
	method = json_object_get(ret_line->json, "method");
	path = json_object_get(ret_line->json, "path");
	if (!json_is_string(method) || !json_is_string(path))
		return "method and path must be texts";
	ret_line->request.method = json_span(method);
	ret_line->request.target = json_span(path);
	if (!read_headers(json_object_get(ret_line->json, "headers"), arena, headers))
		return "headers must be an object of texts or lists of texts, and not too many";
	if (!read_body(ret_line))
		return "body must be a text or JSON, or else body_base64 base64";
	add_headers(ret_line, headers);
	ret_line->request.headers = (struct h2_headers){headers->items, headers->count};
	return NULL;
}

void request_line_fini(struct request_line *line)
{
	json_decref(line->json);
	buf_fini(&line->body);
}

/* Each request goes the way of the live front, with its code: guard, built-in pages, route,
 * metadata, transcoding. Only the router is left out: what it would be given is printed. The answer
 * is written as text, so that the message stands there as the gateway prints it. */
#include "src/cli/requests.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "httpapi/accept.h"
#include "httpapi/binding.h"
#include "httpapi/front/builtin.h"
#include "httpapi/front/http_guard.h"
#include "httpapi/front/http_request.h"
#include "httpapi/front/json_metadata.h"
#include "httpapi/front/request_route.h"
#include "httpapi/front/wishes.h"
#include "httpapi/status_map.h"
#include "httpapi/transcode_in.h"
#include "proto/json.h"
#include "src/base/error.h"
#include "src/base/file.h"
#include "src/base/text.h"
#include "src/cli/command.h"
#include "src/cli/offline.h"
#include "src/grpc/metadata.h"

/* A file of requests for a test run; each has a body of at most http.max_body_size. */
#define REQUESTS_BYTES_MAX ((size_t)1024 * 1024 * 1024)

/* As the front keeps for one request. */
#define REQUEST_ARENA_BYTES_MAX ((size_t)1024 * 1024)
#define REQUEST_HEADERS_MAX 128

/* One line of the result: the JSON of a message is longer than the message, but not by that much.
 */
#define RESULT_BYTES_MAX ((size_t)1024 * 1024 * 1024)

#define DETAILS_BYTES_MAX ((size_t)256 * 1024)

struct judge {
	const struct offline *offline;
	struct status_map *status_map;
	struct arena arena; /* of one request */
	struct buf body;
	struct buf out; /* the line being written */
};

struct judged {
	json_t *line;
	struct span method;
	struct span target;
	struct span body;
	struct h2_header headers[REQUEST_HEADERS_MAX];
	size_t header_count;
};

/* ---- reading a line ------------------------------------------------------------------------ */

static struct span json_span(const json_t *text)
{
	return span_make(json_string_value(text), json_string_length(text));
}

static bool read_headers(struct judge *judge, const json_t *headers, struct judged *request)
{
	const char *name;
	json_t *value;

	if (headers && !json_is_object(headers))
		return false;
	json_object_foreach((json_t *)(uintptr_t)headers, name, value)
	{
		char *lower = arena_strndup(&judge->arena, name, strlen(name));

		if (!lower || !json_is_string(value) ||
		    request->header_count == REQUEST_HEADERS_MAX)
			return false;
		for (char *c = lower; *c; c++)
			*c = *c >= 'A' && *c <= 'Z' ? (char)(*c | 0x20) : *c;
		request->headers[request->header_count++] =
			(struct h2_header){span_from_str(lower), json_span(value)};
	}
	return true;
}

/* A body is a text, base64, or for convenience a JSON value. */
static bool read_body(struct judge *judge, const json_t *line, struct judged *request)
{
	const json_t *body = json_object_get(line, "body");
	const json_t *base64 = json_object_get(line, "body_base64");
	char *text;
	bool is_kept;

	buf_reset(&judge->body);
	if (body && base64)
		return false;
	if (base64 &&
	    !(json_is_string(base64) && text_base64_decode(json_span(base64), &judge->body)))
		return false;
	request->body = json_is_string(body) ? json_span(body) : buf_span(&judge->body);
	if (!body || json_is_string(body))
		return true;
	text = json_dumps(body, JSON_COMPACT | JSON_ENCODE_ANY);
	is_kept = text && buf_append_str(&judge->body, text);
	free(text);
	request->body = buf_span(&judge->body);
	return is_kept;
}

/* What is wrong with a line; NULL: nothing. */
static const char *read_request(struct judge *judge, struct span text, struct judged *request)
{
	const json_t *method;
	const json_t *path;

	request->line = json_loadb((const char *)text.data, text.len, JSON_ALLOW_NUL, NULL);
	if (!json_is_object(request->line))
		return "not a JSON object";
	method = json_object_get(request->line, "method");
	path = json_object_get(request->line, "path");
	if (!json_is_string(method) || !json_is_string(path))
		return "method and path must be texts";
	request->method = json_span(method);
	request->target = json_span(path);
	if (!read_headers(judge, json_object_get(request->line, "headers"), request))
		return "headers must be an object of texts, and not too many";
	if (!read_body(judge, request->line, request))
		return "body must be a text or JSON, or else body_base64 base64";
	return NULL;
}

/* ---- writing a line ------------------------------------------------------------------------ */

static void write_begin(struct judge *judge, const struct judged *request, int http_status)
{
	const json_t *id = json_object_get(request->line, "id");
	char *text = id ? json_dumps(id, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;

	(void)buf_printf(&judge->out, "{\"id\":%s,\"http_status\":%d", text ? text : "null",
			 http_status);
	free(text);
}

static void write_route(struct judge *judge, const struct http_rule *rule)
{
	struct buf *out = &judge->out;

	(void)buf_append_str(out, ",\"route\":{\"method\":");
	(void)text_json_quote(rule->verb, out);
	(void)buf_append_str(out, ",\"template\":");
	(void)text_json_quote(rule->path.text, out);
	(void)buf_append_str(out, ",\"rpc\":");
	(void)text_json_quote(rule->method->full_name, out);
	(void)buf_append_byte(out, '}');
}

static void write_bindings(struct judge *judge, const struct route_match *match)
{
	const struct http_rule *rule = &match->route->rule;
	struct buf *out = &judge->out;

	(void)buf_append_str(out, ",\"path_bindings\":{");
	for (size_t i = 0; i < rule->variable_count; i++) {
		struct span raw = match->captures[i];
		struct buf value;

		buf_init(&value, raw.len + 1);
		(void)binding_decode_capture(&rule->variables[i], raw,
					     judge->offline->transcode.decode, &value);
		if (i)
			(void)buf_append_byte(out, ',');
		(void)text_json_quote(rule->variables[i].text, out);
		(void)buf_append_byte(out, ':');
		(void)text_json_quote(buf_span(&value), out);
		buf_fini(&value);
	}
	(void)buf_append_byte(out, '}');
}

/* "GET, HEAD" as an array. */
static void write_allow(struct judge *judge, struct span allow)
{
	struct buf *out = &judge->out;
	bool is_first = true;

	(void)buf_append_str(out, ",\"allow\":[");
	while (allow.len) {
		size_t end = span_find(allow, ',');

		if (!is_first)
			(void)buf_append_byte(out, ',');
		(void)text_json_quote(span_head(allow, end), out);
		is_first = false;
		allow = span_skip(allow, end + 2);
	}
	(void)buf_append_byte(out, ']');
}

static void write_error(struct judge *judge, enum status code, struct span message,
			struct span details)
{
	const struct status_failure failure = {code, message, details};

	(void)buf_append_str(&judge->out, ",\"error\":");
	(void)status_map_json(judge->status_map, judge->offline->schema, &failure, &judge->out);
}

static void write_refusal(struct judge *judge, const struct judged *request, int http_status,
			  enum status code, struct span message)
{
	write_begin(judge, request, http_status ? http_status : status_http(code));
	write_error(judge, code, message, SPAN_EMPTY);
}

/* ---- judging ------------------------------------------------------------------------------- */

static bool judge_builtin(struct judge *judge, const struct judged *request)
{
	struct span path = span_head(request->target, span_find(request->target, '?'));
	struct span paths[BUILTIN_PATHS_MAX];
	size_t count = builtin_paths(&judge->offline->config, paths);
	bool is_get = span_eq_str(request->method, "GET") || span_eq_str(request->method, "HEAD");

	for (size_t i = 0; i < count; i++) {
		if (!span_eq(paths[i], path))
			continue;
		if (is_get)
			write_begin(judge, request, 200);
		else
			write_refusal(judge, request, 405, ST_UNIMPLEMENTED,
				      SPAN_LIT("method not allowed"));
		if (!is_get)
			write_allow(judge, SPAN_LIT("GET, HEAD"));
		(void)buf_append_str(&judge->out, ",\"builtin\":true");
		return true;
	}
	return false;
}

/* Appends the JSON of a message that was bound. */
static bool judge_print(struct judge *judge, const struct http_rule *rule, struct span wire,
			struct buf *messages, struct error *err)
{
	const struct transcode_options *from = &judge->offline->transcode;
	const struct json_print_options options = {
		.schema = judge->offline->schema,
		.always_print_primitive_fields = from->always_print_primitive_fields,
		.always_print_enums_as_ints = from->always_print_enums_as_ints,
		.preserve_proto_field_names = from->preserve_proto_field_names,
		.int64_as_number = from->int64_as_number,
		.unknown_any_as_base64 = true,
	};

	if (buf_len(messages))
		(void)buf_append_byte(messages, ',');
	return json_from_wire(rule->method->input, wire, &options, messages, err) == ST_OK;
}

/* A request whose body is being read. */
struct feeding {
	struct judge *judge;
	const struct http_rule *rule;
	struct transcode_in *in;
	struct buf *wire;
	struct buf *messages;
};

static bool feed_take(struct feeding *feeding, struct error *err)
{
	bool is_printed = judge_print(feeding->judge, feeding->rule, buf_span(feeding->wire),
				      feeding->messages, err);

	buf_reset(feeding->wire);
	return is_printed;
}

/* Feeds the body and prints every message; false with err when the request does not bind. */
static bool feed_body(struct feeding *feeding, struct span body, struct error *err)
{
	bool is_stream = feeding->rule->method->client_streaming;
	enum parse_result result = PARSE_MORE;

	while (body.len) {
		size_t used = body.len;

		result = transcode_in_feed(feeding->in, body, &used, err);
		if (result == PARSE_BAD)
			return false;
		if (result == PARSE_DONE && !feed_take(feeding, err))
			return false;
		body = result == PARSE_DONE ? span_skip(body, used) : SPAN_EMPTY;
	}
	do {
		result = transcode_in_end(feeding->in, err);
		if (result == PARSE_BAD || (result == PARSE_DONE && !feed_take(feeding, err)))
			return false;
	} while (is_stream && result == PARSE_DONE);
	return true;
}

/* The part of the front before transcoding that may refuse a call. */
static enum status judge_head(struct judge *judge, const struct judged *request, struct error *err)
{
	const struct http_head head = {
		.method = request->method,
		.target = request->target,
		.headers = {request->headers, request->header_count},
		.peer = "127.0.0.1:0",
	};
	struct metadata metadata = {0};
	uint64_t timeout_ns;
	enum status status = json_metadata_timeout(&head, &timeout_ns, err);

	return status ? status : json_metadata_read(&head, &judge->arena, &metadata, err);
}

/* A reply that the client can read in none of its forms. */
static bool judge_accept(const struct judge *judge, const struct judged *request,
			 const struct http_rule *rule, struct error *err)
{
	const struct h2_headers headers = {request->headers, request->header_count};
	const char *refusal = NULL;
	struct accept accept = {0};
	enum framing framing;
	enum framing preferred = judge->offline->config.http_stream_default == CONFIG_STREAM_NDJSON
					 ? FRAMING_LINES
					 : FRAMING_ARRAY;

	if (!rule->method->server_streaming)
		refusal = wishes_refusal(&judge->offline->config, &headers, rule);
	if (refusal)
		(void)error_set(err, ST_INVALID_ARGUMENT, "%s", refusal);
	if (refusal || !rule->method->server_streaming || rule->is_raw_response)
		return !refusal;
	for (size_t i = 0; i < request->header_count; i++)
		if (span_eq_str(request->headers[i].name, "accept"))
			accept_add(&accept, request->headers[i].value);
	if (accept_choose(&accept, preferred, &framing))
		return true;
	(void)error_set(err, ST_INVALID_ARGUMENT, "%s", ACCEPT_REFUSAL);
	return false;
}

static void judge_failed(struct judge *judge, const struct transcode_in *in,
			 const struct error *err)
{
	struct buf details;

	buf_init(&details, DETAILS_BYTES_MAX);
	transcode_in_details(in, err, &details);
	write_error(judge, err->status, span_from_str(err->message), buf_span(&details));
	buf_fini(&details);
}

static int judge_status(bool is_bound, int http_status, const struct error *err)
{
	if (is_bound)
		return 200;
	return http_status ? http_status : status_http(err->status);
}

static void judge_call(struct judge *judge, const struct judged *request,
		       const struct request_route *route)
{
	const struct h2_headers headers = {request->headers, request->header_count};
	const struct http_rule *rule = &route->match.route->rule;
	const struct transcode_options *options = &judge->offline->transcode;
	struct buf wire;
	struct buf messages;
	struct transcode_in in = {0};
	struct transcode_in_params params = {
		.match = &route->match,
		.query = route->query,
		.content_type = h2_headers_get(&headers, "content-type"),
		.body_length = request->body.len,
		.schema = judge->offline->schema,
		.options = options,
		.arena = &judge->arena,
		.out = &wire,
	};
	struct feeding feeding = {judge, rule, &in, &wire, &messages};
	struct error err = {0};
	bool is_bound;
	bool is_accepted = judge_accept(judge, request, rule, &err);

	buf_init(&wire, options->message_max);
	buf_init(&messages, RESULT_BYTES_MAX);
	is_bound = is_accepted && judge_head(judge, request, &err) == ST_OK &&
		   transcode_in_start(&in, &params, &err) == ST_OK &&
		   feed_body(&feeding, request->body, &err);
	write_begin(judge, request,
		    judge_status(is_bound, is_accepted ? in.http_status : 406, &err));
	write_route(judge, rule);
	write_bindings(judge, &route->match);
	if (is_bound)
		(void)buf_printf(&judge->out,
				 rule->method->client_streaming ? ",\"messages\":[%.*s]"
								: ",\"message\":%.*s",
				 SPAN_FMT(buf_span(&messages)));
	else
		judge_failed(judge, &in, &err);
	transcode_in_fini(&in);
	buf_fini(&messages);
	buf_fini(&wire);
}

static void judge_request(struct judge *judge, const struct judged *request)
{
	const struct h2_headers headers = {request->headers, request->header_count};
	const char *fault = http_guard_target(request->target);
	struct request_route route;

	if (fault) {
		write_refusal(judge, request, 400, ST_INVALID_ARGUMENT, span_from_str(fault));
		return;
	}
	if (judge_builtin(judge, request))
		return;
	request_route_find(judge->offline->table, request->method, request->target,
			   h2_headers_get(&headers, "content-type"), &route);
	if (route.kind == REQUEST_CALL)
		judge_call(judge, request, &route);
	else if (route.kind == REQUEST_OPTIONS)
		write_begin(judge, request, 204);
	else
		write_refusal(judge, request, route.http_status, route.code, route.message);
	if (buf_len(&route.allow))
		write_allow(judge, buf_span(&route.allow));
	request_route_fini(&route);
}

/* ---- the file ------------------------------------------------------------------------------ */

static int judge_line(struct judge *judge, struct span line, const char *path, size_t number)
{
	struct judged request = {0};
	const char *fault = read_request(judge, line, &request);
	int code = CLI_OK;

	buf_reset(&judge->out);
	if (fault) {
		(void)fprintf(stderr, "headgate: %s:%zu: %s\n", path, number, fault);
		code = CLI_USAGE;
	} else {
		judge_request(judge, &request);
		if (!buf_append_str(&judge->out, "}\n") || !command_print(buf_span(&judge->out)))
			code = command_fail(CLI_REFUSED, "the result cannot be written");
	}
	json_decref(request.line);
	arena_reset(&judge->arena);
	return code;
}

static int judge_lines(struct judge *judge, const char *path, struct span text)
{
	int code = CLI_OK;

	for (size_t number = 1; text.len && code == CLI_OK; number++) {
		size_t end = span_find(text, '\n');
		struct span line = span_head(text, end);

		text = span_skip(text, end + 1);
		if (line.len && !(line.len == 1 && line.data[0] == '\r'))
			code = judge_line(judge, line, path, number);
	}
	return code;
}

int requests_run(const struct offline *offline, const char *path)
{
	struct judge judge = {.offline = offline};
	struct error err = {0};
	struct buf text;
	int code;

	arena_init(&judge.arena, REQUEST_ARENA_BYTES_MAX);
	buf_init(&judge.body, REQUESTS_BYTES_MAX);
	buf_init(&judge.out, RESULT_BYTES_MAX);
	buf_init(&text, REQUESTS_BYTES_MAX);
	if (file_load(path, REQUESTS_BYTES_MAX, &text, &err) != ST_OK)
		code = command_fail(CLI_USAGE, err.message);
	else if (status_map_new(&judge.status_map, &err) != ST_OK)
		code = command_fail(CLI_REFUSED, err.message);
	else
		code = judge_lines(&judge, path, buf_span(&text));
	status_map_free(judge.status_map);
	buf_fini(&text);
	buf_fini(&judge.out);
	buf_fini(&judge.body);
	arena_fini(&judge.arena);
	return code;
}

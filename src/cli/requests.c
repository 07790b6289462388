/* Each request is rehearsed (rehearsal.h) and what came of it printed. The answer is written as
 * text, so that messages and errors stand there as the gateway prints them. */
#include "src/cli/requests.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "httpapi/binding.h"
#include "httpapi/front/builtin.h"
#include "httpapi/front/front_internal.h"
#include "src/base/error.h"
#include "src/base/text.h"
#include "src/cli/command.h"
#include "src/cli/offline.h"
#include "src/cli/rehearsal.h"
#include "src/cli/request_line.h"

/* One line: a body that is larger than any gateway takes, in base64 or escaped. Longer ones are
 * told and skipped. */
#define REQUESTS_LINE_BYTES_MAX ((size_t)64 * 1024 * 1024)
#define REQUESTS_READ_BYTES ((size_t)64 * 1024)

/* As the front keeps for one request, and its headers twice. */
#define REQUEST_ARENA_BYTES_MAX ((size_t)8 * 1024 * 1024)

/* One line of the result: the JSON of a message is longer than the message, but not by that much.
 */
#define RESULT_BYTES_MAX ((size_t)1024 * 1024 * 1024)

struct judge {
	const struct offline *offline;
	const char *path;
	struct rehearsal *rehearsal;
	struct arena arena; /* of one request */
	struct buf out;	    /* the line being written */
	size_t number;	    /* of the line being read */
	int code;
};

/* ---- writing a line ------------------------------------------------------------------------ */

static void write_id(struct judge *judge, const json_t *line)
{
	const json_t *id = json_object_get(line, "id");
	char *text = id ? json_dumps(id, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;

	(void)buf_printf(&judge->out, "{\"id\":%s", text ? text : "null");
	free(text);
}

/* As the rule has it: without http.path_prefix. */
static struct span written_template(const struct judge *judge, const struct http_rule *rule)
{
	size_t prefix_len = strlen(judge->offline->config.http_path_prefix);
	struct span written = span_skip(rule->path.text, prefix_len);

	return written.len ? written : SPAN_LIT("/");
}

static void write_route(struct judge *judge, const struct http_rule *rule)
{
	struct buf *out = &judge->out;

	(void)buf_append_str(out, ",\"route\":{\"method\":");
	(void)text_json_quote(rule->verb, out);
	(void)buf_append_str(out, ",\"template\":");
	(void)text_json_quote(written_template(judge, rule), out);
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

/* True when the header's name comes before it. */
static bool is_repeated(const struct h2_headers *headers, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (span_eq(headers->items[i].name, headers->items[index].name))
			return true;
	return false;
}

/* All lines of one name are one list. */
static void write_header(struct judge *judge, const struct h2_headers *headers, size_t index)
{
	struct span name = headers->items[index].name;
	struct buf value;

	buf_init(&value, FRONT_REPLY_BYTES_MAX);
	for (size_t i = index; i < headers->count; i++) {
		if (!span_eq(headers->items[i].name, name))
			continue;
		(void)buf_append_str(&value, i == index ? "" : ", ");
		(void)buf_append(&value, headers->items[i].value);
	}
	(void)text_json_quote(name, &judge->out);
	(void)buf_append_byte(&judge->out, ':');
	(void)text_json_quote(buf_span(&value), &judge->out);
	buf_fini(&value);
}

/* What else the client would hear, in texts. */
static void write_headers(struct judge *judge, const struct h2_headers *headers)
{
	struct buf *out = &judge->out;
	bool is_first = true;

	for (size_t i = 0; i < headers->count; i++) {
		struct span name = headers->items[i].name;

		if (span_eq_str(name, "content-type") || span_eq_str(name, "allow") ||
		    is_repeated(headers, i))
			continue;
		(void)buf_append_str(out, is_first ? ",\"headers\":{" : ",");
		write_header(judge, headers, i);
		is_first = false;
	}
	if (!is_first)
		(void)buf_append_byte(out, '}');
}

static void write_answer(struct judge *judge, const struct rehearsal_result *result)
{
	struct span allow = h2_headers_get(&result->headers, "allow");
	struct span type = h2_headers_get(&result->headers, "content-type");
	struct buf *out = &judge->out;

	if (allow.len)
		write_allow(judge, allow);
	if (result->http_status >= 400 && span_eq_str(type, "application/json")) {
		(void)buf_append_str(out, ",\"error\":");
		(void)buf_append(out, buf_span(&result->body));
	} else if (result->http_status >= 400) {
		(void)buf_append_str(out, ",\"error_text\":");
		(void)text_json_quote(buf_span(&result->body), out);
	}
	write_headers(judge, &result->headers);
}

static void write_messages(struct judge *judge, const struct rehearsal_result *result)
{
	/* gRPC-Web follows no rule, and may hold any number of messages. */
	bool is_stream = !result->has_route || result->match.route->rule.method->client_streaming;
	struct buf *out = &judge->out;

	(void)buf_append_str(out, is_stream ? ",\"messages\":[" : ",\"message\":");
	(void)buf_append(out, buf_span(&result->messages));
	if (is_stream)
		(void)buf_append_byte(out, ']');
}

/* A page of the gateway itself. */
static bool is_builtin(const struct judge *judge, const struct rehearsal_request *request)
{
	struct span path = span_head(request->target, span_find(request->target, '?'));
	struct span paths[BUILTIN_PATHS_MAX];
	size_t count = builtin_paths(&judge->offline->config, paths);

	for (size_t i = 0; i < count; i++)
		if (span_eq(paths[i], path))
			return true;
	return span_eq_str(h2_headers_get(&request->headers, "k-network-probe"), "queue");
}

static void write_result(struct judge *judge, const struct request_line *line,
			 const struct rehearsal_result *result)
{
	write_id(judge, line->json);
	(void)buf_printf(&judge->out, ",\"http_status\":%d",
			 result->is_bound ? 200 : result->http_status);
	if (result->has_route) {
		write_route(judge, &result->match.route->rule);
		write_bindings(judge, &result->match);
	}
	if (result->is_bound)
		write_messages(judge, result);
	else
		write_answer(judge, result);
	if (!result->has_route && is_builtin(judge, &line->request))
		(void)buf_append_str(&judge->out, ",\"builtin\":true");
}

/* A line that is no request: told on standard error, and in its place among the results. */
static void write_fault(struct judge *judge, const json_t *line, const char *fault)
{
	(void)fprintf(stderr, "headgate: %s:%zu: %s\n", judge->path, judge->number, fault);
	write_id(judge, line);
	(void)buf_printf(&judge->out, ",\"line\":%zu,\"fault\":", judge->number);
	(void)text_json_quote(span_from_str(fault), &judge->out);
	judge->code = CLI_USAGE;
}

/* ---- the file ------------------------------------------------------------------------------ */

/* False when nobody takes the result. */
static bool judge_print(struct judge *judge)
{
	bool is_printed =
		buf_append_str(&judge->out, "}\n") && command_print(buf_span(&judge->out));

	buf_reset(&judge->out);
	arena_reset(&judge->arena);
	if (!is_printed)
		judge->code = command_fail(CLI_REFUSED, "the result cannot be written");
	return is_printed;
}

static bool judge_line(struct judge *judge, struct span text)
{
	const struct rehearsal_result *result;
	struct request_line line;
	const char *fault;

	if (text.len && text.data[text.len - 1] == '\r')
		text.len--;
	if (!text.len)
		return true;
	fault = request_line_read(text, &judge->arena, &line);
	if (!fault) {
		result = rehearsal_run(judge->rehearsal, &line.request, &judge->arena);
		if (result->is_cut)
			fault = "the body is not as long as Content-Length says";
		else if (!result->is_bound && !result->http_status)
			fault = "the gateway has no answer";
		else
			write_result(judge, &line, result);
	}
	if (fault)
		write_fault(judge, line.json, fault);
	request_line_fini(&line);
	return judge_print(judge);
}

/* Judges all lines that are whole and keeps the rest. Up to fresh there is no end of a line. */
static bool judge_chunk(struct judge *judge, struct buf *text, size_t fresh, bool *is_skipping)
{
	struct span rest = buf_span(text);
	size_t end = fresh + span_find(span_skip(rest, fresh), '\n');

	for (; end < rest.len; end = span_find(rest, '\n')) {
		judge->number++;
		if (!*is_skipping && !judge_line(judge, span_head(rest, end)))
			return false;
		*is_skipping = false;
		rest = span_skip(rest, end + 1);
	}
	buf_consume(text, buf_len(text) - rest.len);
	if (*is_skipping)
		buf_reset(text);
	if (rest.len <= REQUESTS_LINE_BYTES_MAX)
		return true;
	judge->number++;
	write_fault(judge, NULL, "the line is too long");
	judge->number--; /* its end counts it */
	*is_skipping = true;
	buf_reset(text);
	return judge_print(judge);
}

static void judge_file(struct judge *judge, int fd)
{
	struct buf text;
	bool is_skipping = false;
	ssize_t got;

	buf_init(&text, REQUESTS_LINE_BYTES_MAX + 2 * REQUESTS_READ_BYTES);
	for (;;) {
		size_t fresh = buf_len(&text);
		uint8_t *room = buf_reserve(&text, REQUESTS_READ_BYTES);

		got = room ? read(fd, room, REQUESTS_READ_BYTES) : -1;
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		buf_commit(&text, (size_t)got);
		if (!judge_chunk(judge, &text, fresh, &is_skipping)) {
			buf_fini(&text);
			return;
		}
	}
	judge->number++;
	if (got < 0)
		judge->code = command_fail(CLI_USAGE, "the requests cannot be read");
	else if (!is_skipping)
		(void)judge_line(judge, buf_span(&text));
	buf_fini(&text);
}

int requests_run(const struct offline *offline, const char *path)
{
	struct judge judge = {.offline = offline, .path = path};
	bool is_stdin = strcmp(path, "-") == 0;
	struct error err = {0};
	int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		(void)error_set(&err, ST_NOT_FOUND, "%.200s: %s", path, strerror(errno));
		return command_fail(CLI_USAGE, err.message);
	}
	arena_init(&judge.arena, REQUEST_ARENA_BYTES_MAX);
	buf_init(&judge.out, RESULT_BYTES_MAX);
	if (rehearsal_new(offline, &judge.rehearsal, &err) != ST_OK) {
		judge.code = command_fail(CLI_REFUSED, err.message);
	} else {
		judge_file(&judge, fd);
		rehearsal_free(judge.rehearsal);
	}
	buf_fini(&judge.out);
	arena_fini(&judge.arena);
	if (!is_stdin)
		(void)close(fd);
	return judge.code;
}

/* Input: "METHOD target" on the first line, a content type on the second, then the body. The body
 * is fed whole, byte by byte and in pieces of any size, which must come to the same messages or the
 * same refusal; messages must be such as a strict parser takes. */
#include <stdint.h>
#include <string.h>

#include "httpapi/transcode_in.h"
#include "httpapi/transcode_out.h"
#include "src/base/error.h"
#include "src/base/mem.h"
#include "tests/unit/httpapi/types.h"

#define ARENA_BYTES ((size_t)1024 * 1024)
#define OUT_BYTES ((size_t)256 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	struct span method;
	struct span target;
	struct span type;
	struct span body;
};

/* What a run came to: all messages, each behind its length, and how it ended. */
struct outcome {
	struct buf messages;
	enum status status;
	struct error err;
};

/* The sizes of the pieces of a body: all of `size`, or with a seed any, often small. */
struct pieces {
	size_t size;
	uint64_t seed; /* 0: none */
};

static struct schema *schema;
static struct route_table *table;

static struct span next_line(struct span *rest, uint8_t end)
{
	struct span line = span_head(*rest, span_find(*rest, end));

	*rest = span_skip(*rest, line.len + 1);
	return line;
}

static void take_message(const struct route *route, struct buf *out, struct outcome *outcome)
{
	const struct transcode_options options = TRANSCODE_OPTIONS_DEFAULT;
	struct error err;

	BUG_ON(schema_check(route->rule.method->input, buf_span(out), &err) != ST_OK);
	(void)buf_printf(&outcome->messages, "%zu:", buf_len(out));
	(void)buf_append(&outcome->messages, buf_span(out));
	if (route->rule.method->input == route->rule.method->output) {
		struct transcode_printer printer = {schema, &options};
		struct transcode_reply reply;
		struct buf json;
		enum status status;

		/* A value without JSON form is INTERNAL; nothing else may go wrong. */
		buf_init(&json, 16 * OUT_BYTES);
		status = transcode_out(&route->rule, buf_span(out), &printer, &json, &reply, &err);
		BUG_ON(status && status != ST_INTERNAL && status != ST_RESOURCE_EXHAUSTED);
		buf_fini(&json);
	}
	buf_reset(out);
}

static size_t next_piece(struct pieces *pieces)
{
	unsigned scale;

	if (!pieces->seed)
		return pieces->size;
	/* xorshift; each scale from 1 to 128 bytes is as likely as the others */
	pieces->seed ^= pieces->seed << 13;
	pieces->seed ^= pieces->seed >> 7;
	pieces->seed ^= pieces->seed << 17;
	scale = (unsigned)(pieces->seed >> 8) % 8;
	return 1 + (size_t)(pieces->seed >> 32) % ((size_t)1 << scale);
}

/* FNV-1a of the input, so that one input is always cut in the same way. */
static uint64_t seed_of(struct span input)
{
	uint64_t seed = 0xcbf29ce484222325;

	for (size_t i = 0; i < input.len; i++)
		seed = (seed ^ input.data[i]) * 0x100000001b3;
	return seed ? seed : 1;
}

static enum parse_result feed(struct transcode_in *in, const struct route *route,
			      const struct input *input, struct pieces pieces,
			      struct outcome *outcome)
{
	struct buf *out = in->params_.out;
	struct span body = input->body;
	enum parse_result result;

	while (body.len) {
		struct span chunk = span_head(body, next_piece(&pieces));
		size_t used = 0;

		result = transcode_in_feed(in, chunk, &used, &outcome->err);
		if (result == PARSE_BAD)
			return result;
		if (result == PARSE_DONE)
			take_message(route, out, outcome);
		BUG_ON(result == PARSE_MORE && used != chunk.len);
		body = span_skip(body, used);
	}
	while ((result = transcode_in_end(in, &outcome->err)) == PARSE_DONE)
		take_message(route, out, outcome);
	return result;
}

static void run(const struct route_match *match, struct span query, const struct input *input,
		struct pieces pieces, struct outcome *outcome)
{
	struct transcode_options options = TRANSCODE_OPTIONS_DEFAULT;
	struct transcode_in in;
	struct arena arena;
	struct buf out;
	struct transcode_in_params params = {
		.match = match,
		.query = query,
		.content_type = input->type,
		.body_length = TRANSCODE_LENGTH_UNKNOWN,
		.schema = schema,
		.options = &options,
		.arena = &arena,
		.out = &out,
	};

	arena_init(&arena, ARENA_BYTES);
	buf_init(&out, OUT_BYTES);
	buf_init(&outcome->messages, 16 * OUT_BYTES);
	outcome->status = transcode_in_start(&in, &params, &outcome->err);
	if (!outcome->status && feed(&in, match->route, input, pieces, outcome) == PARSE_BAD)
		outcome->status = outcome->err.status;
	BUG_ON(outcome->status && outcome->err.message[0] == '\0');
	transcode_in_fini(&in);
	buf_fini(&out);
	arena_fini(&arena);
}

static void compare(const struct route_match *match, struct span query, const struct input *input)
{
	const struct pieces cuts[] = {{.size = 1}, {.seed = seed_of(input->body)}};
	struct outcome whole = {0};

	run(match, query, input, (struct pieces){.size = SIZE_MAX}, &whole);
	for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		struct outcome cut = {0};

		run(match, query, input, cuts[i], &cut);
		BUG_ON(whole.status != cut.status);
		BUG_ON(whole.status && strcmp(whole.err.message, cut.err.message) != 0);
		BUG_ON(!span_eq(buf_span(&whole.messages), buf_span(&cut.messages)));
		buf_fini(&cut.messages);
	}
	buf_fini(&whole.messages);
}

static void set_up(void)
{
	struct route_report report;
	struct error err;

	schema = types_schema();
	route_report_init(&report);
	table = types_table(schema, "hg.test.Things", NULL, &report, &err);
	BUG_ON(!table);
	route_report_fini(&report);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = span_make(data, size);
	struct input input;
	struct route_match match;
	struct span path;
	struct span query;

	if (!table)
		set_up();
	input.target = next_line(&rest, '\n');
	input.method = next_line(&input.target, ' ');
	input.type = next_line(&rest, '\n');
	input.body = rest;
	if (route_target_split(input.target, &path, &query) &&
	    route_table_match(table, input.method, path, &match) == ROUTE_FOUND)
		compare(&match, query, &input);
	return 0;
}

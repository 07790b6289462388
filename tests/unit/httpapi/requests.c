#include "tests/unit/httpapi/requests.h"

#include <stdio.h>
#include <string.h>

#include "src/base/mem.h"
#include "tests/unit/unit.h"

#define ARENA_BYTES ((size_t)256 * 1024)
#define OUT_BYTES ((size_t)64 * 1024)

int requests_set_up(void **state)
{
	struct request_fixture *f = mem_new(struct request_fixture);
	struct error err = {0};

	f->schema = types_schema();
	route_report_init(&f->report);
	f->table = types_table(f->schema, "hg.test.Things", NULL, &f->report, &err);
	assert_non_null(f->table);
	f->options = TRANSCODE_OPTIONS_DEFAULT;
	arena_init(&f->arena, ARENA_BYTES);
	buf_init(&f->out, OUT_BYTES);
	buf_init(&f->got, OUT_BYTES);
	*state = f;
	return 0;
}

int requests_tear_down(void **state)
{
	struct request_fixture *f = *state;

	buf_fini(&f->got);
	buf_fini(&f->out);
	arena_fini(&f->arena);
	route_table_free(f->table);
	route_report_fini(&f->report);
	schema_unref(f->schema);
	mem_free(f);
	return 0;
}

/* Prints the message in out as a line of got and empties out. */
static void take_message(struct request_fixture *f, const struct message *message, const char *name)
{
	struct json_print_options options = {.schema = f->schema};
	struct error err = {0};

	if (json_from_wire(message, buf_span(&f->out), &options, &f->got, &err))
		fail_msg("row \"%s\": %s", name, err.message);
	(void)buf_append_byte(&f->got, '\n');
	buf_reset(&f->out);
}

/* Feeds the body in pieces and takes the messages; BAD at the first failure. */
static enum parse_result feed_all(struct request_fixture *f, struct transcode_in *in,
				  const struct message *message, const struct request_row *row,
				  size_t piece, struct error *err)
{
	struct span body = span_from_str(row->body);
	enum parse_result result;

	while (body.len) {
		struct span chunk = span_head(body, piece);
		size_t used = 0;

		result = transcode_in_feed(in, chunk, &used, err);
		if (result == PARSE_BAD)
			return result;
		if (result == PARSE_DONE)
			take_message(f, message, row->name);
		else
			UNIT_ROW(row->name, used == chunk.len);
		body = span_skip(body, used);
	}
	while ((result = transcode_in_end(in, err)) == PARSE_DONE)
		take_message(f, message, row->name);
	return result;
}

enum parse_result requests_run(struct request_fixture *f, const struct request_row *row,
			       size_t piece, struct transcode_in *in, struct error *err)
{
	struct span request = span_from_str(row->request);
	size_t space = span_find(request, ' ');
	struct route_match match;
	struct transcode_in_params params = {
		.match = &match,
		.content_type = span_from_str(row->type),
		.body_length = row->body ? TRANSCODE_LENGTH_UNKNOWN : 0,
		.schema = f->schema,
		.options = &f->options,
		.arena = &f->arena,
		.out = &f->out,
	};
	struct span path;

	arena_reset(&f->arena);
	buf_reset(&f->out);
	buf_reset(&f->got);
	UNIT_ROW(row->name,
		 route_target_split(span_skip(request, space + 1), &path, &params.query));
	UNIT_ROW(row->name, route_table_match(f->table, span_head(request, space), path, &match) ==
				    ROUTE_FOUND);
	if (transcode_in_start(in, &params, err))
		return PARSE_BAD;
	return feed_all(f, in, match.route->rule.method->input, row, piece, err);
}

void requests_check_failure(const struct request_row *row, const struct transcode_in *in,
			    const struct error *err)
{
	UNIT_ROW_SPAN(row->name, span_from_str(err->field), row->field);
	if (row->error && strncmp(err->message, row->error, strlen(row->error)) != 0)
		fail_msg("row \"%s\": got \"%s\", want \"%s\"", row->name, err->message,
			 row->error);
	UNIT_ROW(row->name, (in->http_status ? in->http_status : status_http(err->status)) ==
				    (row->http ? row->http : 400));
	if (row->field[0])
		UNIT_ROW(row->name, buf_len(in->violations) > 0);
}

void requests_check(struct request_fixture *f, const struct request_row *rows, size_t count)
{
	static const size_t pieces[] = {SIZE_MAX, 1, 3};

	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < COUNT_OF(pieces); j++) {
			const struct request_row *row = &rows[i];
			struct transcode_in in;
			struct error err = {0};
			enum parse_result result = requests_run(f, row, pieces[j], &in, &err);

			if (row->field) {
				UNIT_ROW(row->name, result == PARSE_BAD);
				requests_check_failure(row, &in, &err);
			} else {
				if (result == PARSE_BAD)
					fail_msg("row \"%s\": %s", row->name, err.message);
				UNIT_ROW_SPAN(row->name, buf_span(&f->got), row->want);
			}
			transcode_in_fini(&in);
		}
	}
}

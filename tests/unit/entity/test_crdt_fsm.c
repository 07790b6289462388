#include "src/entity/crdt_fsm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/buf.h"
#include "tests/unit/unit.h"

/* docs/entity-machine.md shows the tables of crdt_fsm.def. After a change there:
 *   UPDATE_DOCS=1 ./build/tests/unit/entity/test_crdt_fsm */
#define MARK_BEGIN "<!-- from src/entity/crdt_fsm.def -->\n"
#define MARK_END "<!-- end of crdt_fsm.def -->\n"
#define DOC_MAX ((size_t)1024 * 1024)

static void print_tables(struct buf *out)
{
	(void)buf_append_str(out, "```mermaid\nstateDiagram-v2\n    [*] --> ABSENT\n");
#define TRANSITION(from, to, why) (void)buf_printf(out, "    %s --> %s: %s\n", #from, #to, why);
#include "src/entity/crdt_fsm.def"
	(void)buf_append_str(out, "```\n\n| State | |\n|---|---|\n");
#define STATE(name, text) (void)buf_printf(out, "| `%s` | %s |\n", #name, text);
#include "src/entity/crdt_fsm.def"
	(void)buf_append_str(out, "\n| Event | |\n|---|---|\n");
#define EVENT(name, handler, text) (void)buf_printf(out, "| `%s` | %s |\n", #name, text);
#include "src/entity/crdt_fsm.def"
	(void)buf_append_str(out, "\n| Action | |\n|---|---|\n");
#define ACTION(name, text) (void)buf_printf(out, "| `%s` | %s |\n", #name, text);
#include "src/entity/crdt_fsm.def"
	(void)buf_append_str(out, "\n| Timer | |\n|---|---|\n");
#define TIMER(name, text) (void)buf_printf(out, "| `%s` | %s |\n", #name, text);
#include "src/entity/crdt_fsm.def"
	assert_false(out->is_full);
}

static void read_file(const char *path, struct buf *out)
{
	FILE *file = fopen(path, "rb");
	uint8_t *room;
	size_t n;

	if (!file)
		fail_msg("cannot open %s", path);
	while ((room = buf_reserve(out, 4096)) && (n = fread(room, 1, 4096, file)) > 0)
		buf_commit(out, n);
	(void)fclose(file);
	assert_true(buf_append_byte(out, '\0'));
}

static void write_file(const char *path, struct span head, struct span tables, const char *tail)
{
	FILE *file = fopen(path, "wb");

	if (!file)
		fail_msg("cannot write %s", path);
	(void)fwrite(head.data, 1, head.len, file);
	(void)fwrite(tables.data, 1, tables.len, file);
	(void)fputs(tail, file);
	(void)fclose(file);
}

static void docs_show_the_tables(void **state)
{
	const char *top = getenv("top_srcdir");
	struct buf doc;
	struct buf want;
	char path[1024];
	const char *text;
	const char *begin;
	const char *end;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/docs/entity-machine.md", top ? top : ".");
	buf_init(&doc, DOC_MAX);
	buf_init(&want, DOC_MAX);
	read_file(path, &doc);
	print_tables(&want);
	text = (const char *)buf_span(&doc).data;
	begin = strstr(text, MARK_BEGIN);
	end = strstr(text, MARK_END);
	assert_non_null(begin);
	assert_non_null(end);
	begin += strlen(MARK_BEGIN);
	if (getenv("UPDATE_DOCS"))
		write_file(path, span_make(text, (size_t)(begin - text)), buf_span(&want), end);
	else if (!span_eq(buf_span(&want), span_make(begin, (size_t)(end - begin))))
		fail_msg("%s differs from the tables of crdt_fsm.def", path);
	buf_fini(&want);
	buf_fini(&doc);
}

static void every_state_is_left_and_reached(void **state)
{
	(void)state;
	for (unsigned s = 0; s < CRDT_STATES_; s++) {
		bool is_left = false;
		bool is_reached = false;

		for (unsigned t = 0; t < CRDT_STATES_; t++) {
			is_left = is_left || crdt_fsm_is_allowed(s, t);
			is_reached = is_reached || crdt_fsm_is_allowed(t, s);
		}
		UNIT_ROW(crdt_state_name(s), is_left && is_reached);
		UNIT_ROW(crdt_state_name(s), !crdt_fsm_is_allowed(s, s));
	}
}

static void idle_means_no_work(void **state)
{
	static const struct {
		const char *name;
		struct crdt_fsm fsm;
		bool is_idle;
	} rows[] = {
		{"live", {.state = CRDT_LIVE}, true},
		{"unanswered", {.state = CRDT_LIVE, .unanswered = 1}, false},
		{"streaming", {.state = CRDT_LIVE, .streaming = 1}, false},
		{"writing", {.state = CRDT_LIVE, .writes = 1}, false},
		{"backoff", {.state = CRDT_BACKOFF}, true},
		{"backoff, writing", {.state = CRDT_BACKOFF, .writes = 1}, false},
		{"backoff, queued", {.state = CRDT_BACKOFF, .queued = 1}, false},
		{"deleted", {.state = CRDT_DELETED}, true},
		{"starting", {.state = CRDT_STARTING}, false},
		{"stopping", {.state = CRDT_STOPPING}, false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		UNIT_ROW(rows[i].name, crdt_fsm_is_idle(&rows[i].fsm) == rows[i].is_idle);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(docs_show_the_tables),
		cmocka_unit_test(every_state_is_left_and_reached),
		cmocka_unit_test(idle_means_no_work),
	};

	return cmocka_run_group_tests_name("entity/crdt_fsm", tests, NULL, NULL);
}

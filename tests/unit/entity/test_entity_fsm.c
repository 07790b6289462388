#include "src/entity/entity_fsm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/buf.h"
#include "tests/unit/unit.h"

/* docs/entity-machine.md shows the tables of entity_fsm.def. After a change there:
 *   UPDATE_DOCS=1 ./build/tests/unit/entity/test_entity_fsm */
#define MARK_BEGIN "<!-- from src/entity/entity_fsm.def -->\n"
#define MARK_END "<!-- end -->\n"
#define DOC_MAX ((size_t)1024 * 1024)

static void print_tables(struct buf *out)
{
	(void)buf_append_str(out, "```mermaid\nstateDiagram-v2\n    [*] --> ABSENT\n");
#define TRANSITION(from, to, why) (void)buf_printf(out, "    %s --> %s: %s\n", #from, #to, why);
#include "src/entity/entity_fsm.def"
	(void)buf_append_str(out, "```\n\n| State | |\n|---|---|\n");
#define STATE(name, text) (void)buf_printf(out, "| `%s` | %s |\n", #name, text);
#include "src/entity/entity_fsm.def"
	(void)buf_append_str(out, "\n| Event | |\n|---|---|\n");
#define EVENT(name, handler, text) (void)buf_printf(out, "| `%s` | %s |\n", #name, text);
#include "src/entity/entity_fsm.def"
	(void)buf_append_str(out, "\n| Action | |\n|---|---|\n");
#define ACTION(name, text) (void)buf_printf(out, "| `%s` | %s |\n", #name, text);
#include "src/entity/entity_fsm.def"
	(void)buf_append_str(out, "\n| Timer | |\n|---|---|\n");
#define TIMER(name, text) (void)buf_printf(out, "| `%s` | %s |\n", #name, text);
#include "src/entity/entity_fsm.def"
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

static void write_file(const char *path, const char *head, size_t head_len, struct span tables,
		       const char *tail)
{
	FILE *file = fopen(path, "wb");

	if (!file)
		fail_msg("cannot write %s", path);
	(void)fwrite(head, 1, head_len, file);
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
		write_file(path, text, (size_t)(begin - text), buf_span(&want), end);
	else if (!span_eq(buf_span(&want), span_make(begin, (size_t)(end - begin))))
		fail_msg("%s differs from the tables of entity_fsm.def", path);
	buf_fini(&want);
	buf_fini(&doc);
}

static void every_state_is_left_and_reached(void **state)
{
	(void)state;
	for (unsigned s = 0; s < ENTITY_STATES_; s++) {
		bool is_left = false;
		bool is_reached = false;

		for (unsigned t = 0; t < ENTITY_STATES_; t++) {
			is_left = is_left || entity_fsm_is_allowed(s, t);
			is_reached = is_reached || entity_fsm_is_allowed(t, s);
		}
		UNIT_ROW(entity_state_name(s), is_left && is_reached);
		UNIT_ROW(entity_state_name(s), !entity_fsm_is_allowed(s, s));
	}
}

static void idle_means_no_work(void **state)
{
	static const struct {
		enum entity_state state;
		size_t queued;
		bool is_idle;
	} rows[] = {
		{ENTITY_IDLE, 0, true},	      {ENTITY_BACKOFF, 0, true},
		{ENTITY_BACKOFF, 1, false},   {ENTITY_BUSY, 0, false},
		{ENTITY_LOADING, 0, false},   {ENTITY_STOPPING, 0, false},
		{ENTITY_SETTLING, 0, false},
	};
	struct entity_fsm_config config = {.command_timeout_ms = 1};
	struct entity_fsm fsm;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		entity_fsm_init(&fsm, &config, 1);
		fsm.state = rows[i].state;
		fsm.queued = rows[i].queued;
		UNIT_ROW(entity_state_name(rows[i].state),
			 entity_fsm_is_idle(&fsm) == rows[i].is_idle);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(docs_show_the_tables),
		cmocka_unit_test(every_state_is_left_and_reached),
		cmocka_unit_test(idle_means_no_work),
	};

	return cmocka_run_group_tests_name("entity/entity_fsm", tests, NULL, NULL);
}

/* Runs the scenarios of tests/replay/ (*.scn) against the entity machine on a clock of its own, and
 * speaks TAP: one result per scenario. The language, one statement a line, # for comments:
 *
 *   scenario NAME             begins one; everything before it is forgotten
 *   kind value                of the entity (default: event sourced)
 *   generation 0.1            of the function, for streams opened from now on (default 0.2)
 *   depth N                   replies that may be undecided while a command runs (default 1)
 *   next send|search|recall|wait   what is known of the head of the queue from now on
 *   given STATE               brings a fresh machine there; its actions are not looked at:
 *                             connecting, loading, replaying, idle, busy (command 1), appending
 * (one event on sequence 3), verifying; each but idle with one command > EVENT [key=value]... feeds
 * an event; keys: id events restart seq tag attempt snapshot first code text head wait MS moves the
 * clock; the timer fires when it is due < ACTION [arguments]      the next action of the last
 * event; all must be named, in order = STATE                   where the machine is now
 */
#include <ctype.h>
#include <glob.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/buf.h"
#include "src/base/error.h"
#include "src/base/text.h"
#include "src/entity/entity_fsm.h"

#define TEXT_MAX 256

struct runner {
	struct entity_fsm_config config;
	struct entity_fsm fsm;
	struct entity_acts acts;
	size_t act_at; /* next action that must be named */
	bool is_generation_0_1;
	bool is_value;
	enum entity_next next;
	uint64_t now_ms;
	uint64_t due_ms; /* 0: timer not set */
	char text[TEXT_MAX];
	char why[2 * TEXT_MAX]; /* first failure of the scenario, or empty */
	const char *file;
	unsigned line;
};

static void fail(struct runner *run, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void fail(struct runner *run, const char *format, ...)
{
	va_list args;
	int n;

	if (run->why[0])
		return;
	n = snprintf(run->why, sizeof(run->why), "%s:%u: ", run->file, run->line);
	va_start(args, format);
	(void)vsnprintf(run->why + n, sizeof(run->why) - (size_t)n, format, args);
	va_end(args);
}

static void lower(char *text)
{
	for (; *text; text++)
		*text = (char)tolower((unsigned char)*text);
}

/* "timer command 60000", "fail_current UNKNOWN text", ... */
static void print_act(const struct entity_act *act, char *out, size_t size)
{
	char name[32];

	(void)snprintf(name, sizeof(name), "%s", entity_act_name(act->type));
	lower(name);
	if (act->type == ENTITY_ACT_TIMER) {
		char timer[32];

		(void)snprintf(timer, sizeof(timer), "%s", entity_timer_name(act->timer));
		lower(timer);
		if (act->timer == ENTITY_TIMER_NONE)
			(void)snprintf(out, size, "timer none");
		else if (act->jitter_ms)
			(void)snprintf(out, size, "timer %s %llu..%llu", timer,
				       (unsigned long long)act->wait_ms,
				       (unsigned long long)(act->wait_ms + act->jitter_ms));
		else
			(void)snprintf(out, size, "timer %s %llu", timer,
				       (unsigned long long)act->wait_ms);
	} else if (act->type == ENTITY_ACT_SEND_COMMAND) {
		(void)snprintf(out, size, "%s %llu", name, (unsigned long long)act->command_id);
	} else if (act->code != ST_OK) {
		(void)snprintf(out, size, "%s %s %s", name, status_name(act->code), act->text);
	} else if (act->text) {
		(void)snprintf(out, size, "%s %s", name, act->text);
	} else {
		(void)snprintf(out, size, "%s", name);
	}
}

static void all_named(struct runner *run)
{
	char text[TEXT_MAX];

	if (run->act_at >= run->acts.count)
		return;
	print_act(&run->acts.items[run->act_at], text, sizeof(text));
	fail(run, "action not expected before this line: %s", text);
}

static void feed(struct runner *run, const struct entity_event *fed)
{
	struct entity_event event = *fed;

	event.next = run->next;
	entity_fsm_step(&run->fsm, &event, &run->acts);
	run->act_at = 0;
	for (size_t i = 0; i < run->acts.count; i++) {
		const struct entity_act *act = &run->acts.items[i];

		if (act->type == ENTITY_ACT_TIMER)
			run->due_ms = act->timer == ENTITY_TIMER_NONE
					      ? 0
					      : run->now_ms + act->wait_ms + act->jitter_ms;
	}
}

static void feed_type(struct runner *run, enum entity_event_type type)
{
	struct entity_event event = {.type = type, .is_generation_0_1 = run->is_generation_0_1};

	event.head.sequence = 3;
	event.first_sequence = 1;
	event.event_count = type == ENTITY_EV_LOAD_PAGE ? 3 : 0;
	event.command_id = run->fsm.command_id;
	feed(run, &event);
}

static void fresh(struct runner *run)
{
	entity_fsm_init(&run->fsm, &run->config, 30000);
	run->fsm.kind = run->is_value ? ENTITY_FSM_VALUE : ENTITY_FSM_EVENTS;
}

/* The way to each state, event by event. */
static void given(struct runner *run, const char *state)
{
	static const enum entity_event_type steps[] = {
		ENTITY_EV_COMMAND,	  ENTITY_EV_STREAM_OPEN, ENTITY_EV_LOAD_HEAD,
		ENTITY_EV_STREAM_DRAINED, ENTITY_EV_LOAD_PAGE,	 ENTITY_EV_STREAM_DRAINED,
		ENTITY_EV_LOAD_DONE,
	};
	static const struct {
		const char *name;
		size_t steps;
	} rows[] = {
		{"connecting", 1}, {"loading", 2},   {"replaying", 4}, {"idle", 7},
		{"busy", 7},	   {"appending", 7}, {"verifying", 7},
	};
	size_t row = 0;

	fresh(run);
	while (row < sizeof(rows) / sizeof(rows[0]) && strcmp(rows[row].name, state) != 0)
		row++;
	if (row == sizeof(rows) / sizeof(rows[0])) {
		fail(run, "no way to state %s", state);
		return;
	}
	for (size_t i = 0; i < rows[row].steps; i++) {
		/* a value entity has no pages: it is ready once init has left */
		if (run->is_value && i >= 4)
			break;
		feed_type(run, steps[i]);
	}
	if (strcmp(state, "appending") == 0) {
		struct entity_event reply = {
			.type = ENTITY_EV_REPLY, .command_id = 1, .event_count = 1};

		feed(run, &reply);
	} else if (strcmp(state, "verifying") == 0) {
		feed_type(run, ENTITY_EV_REPLY);
	} else if (strcmp(state, "idle") == 0) {
		feed_type(run, ENTITY_EV_REPLY);
		feed_type(run, ENTITY_EV_VERIFY_OK);
	}
	run->act_at = run->acts.count;
}

static uint64_t number(struct runner *run, const char *text)
{
	uint64_t value = 0;

	if (!text_to_u64(span_from_str(text), &value))
		fail(run, "not a number: %s", text);
	return value;
}

static enum status code_of(struct runner *run, const char *name)
{
	for (unsigned i = 0; i < ST_COUNT_; i++) {
		if (strcmp(status_name((enum status)i), name) == 0)
			return (enum status)i;
	}
	fail(run, "no status %s", name);
	return ST_OK;
}

static void set_key(struct runner *run, struct entity_event *event, const char *key,
		    const char *value)
{
	if (strcmp(key, "id") == 0)
		event->command_id = number(run, value);
	else if (strcmp(key, "events") == 0)
		event->event_count = number(run, value);
	else if (strcmp(key, "restart") == 0)
		event->is_restart = true;
	else if (strcmp(key, "keyed") == 0)
		event->is_keyed = true;
	else if (strcmp(key, "head") == 0)
		event->is_head = true;
	else if (strcmp(key, "seq") == 0)
		event->head.sequence = number(run, value);
	else if (strcmp(key, "tag") == 0)
		event->head.tag.bytes[0] = (uint8_t)value[0];
	else if (strcmp(key, "attempt") == 0)
		event->tag.bytes[0] = (uint8_t)value[0];
	else if (strcmp(key, "snapshot") == 0)
		event->snapshot_sequence = number(run, value);
	else if (strcmp(key, "first") == 0)
		event->first_sequence = number(run, value);
	else if (strcmp(key, "code") == 0)
		event->code = code_of(run, value);
	else
		fail(run, "no key %s", key);
}

/* Cuts the next word off; NULL at the end. */
static char *next_word(char **rest)
{
	char *word = *rest + strspn(*rest, " ");
	char *end = word + strcspn(word, " ");

	*rest = *end ? end + 1 : end;
	*end = '\0';
	return *word ? word : NULL;
}

static void on_event_line(struct runner *run, char *rest)
{
	struct entity_event event = {.is_generation_0_1 = run->is_generation_0_1};
	char *text = strstr(rest, " text=");
	char *word;
	unsigned type = 0;

	if (text) {
		*text = '\0';
		(void)snprintf(run->text, sizeof(run->text), "%s", text + 6);
		event.text = run->text;
	}
	word = next_word(&rest);
	for (char *p = word; p && *p; p++)
		*p = (char)toupper((unsigned char)*p);
	while (type < ENTITY_EVENTS_ && word &&
	       strcmp(entity_event_name((enum entity_event_type)type), word) != 0)
		type++;
	if (!word || type == ENTITY_EVENTS_) {
		fail(run, "no event %s", word ? word : "");
		return;
	}
	event.type = (enum entity_event_type)type;
	while ((word = next_word(&rest))) {
		char *value = strchr(word, '=');

		if (value)
			*value++ = '\0';
		set_key(run, &event, word, value ? value : "");
	}
	if (!run->why[0])
		feed(run, &event);
}

static void on_act_line(struct runner *run, const char *want)
{
	char got[TEXT_MAX] = "nothing more";

	if (run->act_at < run->acts.count)
		print_act(&run->acts.items[run->act_at++], got, sizeof(got));
	if (strcmp(got, want) != 0)
		fail(run, "want %s, got %s", want, got);
}

static void on_wait_line(struct runner *run, const char *text)
{
	run->now_ms += number(run, text);
	run->acts.count = 0;
	run->act_at = 0;
	if (run->due_ms && run->due_ms <= run->now_ms) {
		run->due_ms = 0;
		feed_type(run, ENTITY_EV_TIMEOUT);
	}
}

static void on_next_line(struct runner *run, const char *text)
{
	static const char *const names[] = {
		[ENTITY_NEXT_SEND] = "send",
		[ENTITY_NEXT_SEARCH] = "search",
		[ENTITY_NEXT_RECALL] = "recall",
		[ENTITY_NEXT_WAIT] = "wait",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(names[i], text) == 0) {
			run->next = (enum entity_next)i;
			return;
		}
	}
	fail(run, "no next %s", text);
}

static void begin(struct runner *run)
{
	run->config = (struct entity_fsm_config){
		.command_timeout_ms = 60000,
		.journal_timeout_ms = 10000,
		.stop_timeout_ms = 10000,
		.crash_backoff_min_ms = 50,
		.crash_backoff_max_ms = 5000,
		.conflict_retries = 5,
		.restart_retries = 3,
		.speculation_depth = 1,
		.dedupe_window = 1000,
	};
	run->is_value = false;
	run->next = ENTITY_NEXT_SEND;
	fresh(run);
	run->acts.count = 0;
	run->act_at = 0;
	run->is_generation_0_1 = false;
	run->now_ms = 1;
	run->due_ms = 0;
	run->why[0] = '\0';
}

static void on_line(struct runner *run, char *line)
{
	if (strncmp(line, "< ", 2) == 0) {
		on_act_line(run, line + 2);
		return;
	}
	all_named(run);
	if (strncmp(line, "> ", 2) == 0)
		on_event_line(run, line + 2);
	else if (strncmp(line, "wait ", 5) == 0)
		on_wait_line(run, line + 5);
	else if (strncmp(line, "given ", 6) == 0)
		given(run, line + 6);
	else if (strcmp(line, "kind value") == 0) {
		run->is_value = true;
		fresh(run);
	} else if (strncmp(line, "depth ", 6) == 0)
		run->config.speculation_depth = (unsigned)number(run, line + 6);
	else if (strncmp(line, "next ", 5) == 0)
		on_next_line(run, line + 5);
	else if (strncmp(line, "generation ", 11) == 0)
		run->is_generation_0_1 = strcmp(line + 11, "0.1") == 0;
	else if (strncmp(line, "= ", 2) != 0)
		fail(run, "not a statement: %s", line);
	else if (strcmp(line + 2, entity_state_name(run->fsm.state)) != 0)
		fail(run, "want state %s, is %s", line + 2, entity_state_name(run->fsm.state));
}

static unsigned test_count;
static unsigned failed_count;

static void finish(struct runner *run, const char *name)
{
	if (!name[0])
		return;
	all_named(run);
	printf("%s %u - %s\n", run->why[0] ? "not ok" : "ok", ++test_count, name);
	if (run->why[0]) {
		printf("# %s\n", run->why);
		failed_count++;
	}
}

static void run_file(const char *path)
{
	struct runner run = {.file = strrchr(path, '/') ? strrchr(path, '/') + 1 : path};
	char line[TEXT_MAX];
	char name[TEXT_MAX] = "";
	FILE *file = fopen(path, "r");

	if (!file) {
		printf("Bail out! cannot open %s\n", path);
		return;
	}
	begin(&run);
	while (fgets(line, sizeof(line), file)) {
		char *end = line + strlen(line);

		run.line++;
		while (end > line && isspace((unsigned char)end[-1]))
			*--end = '\0';
		if (!line[0] || line[0] == '#')
			continue;
		if (strncmp(line, "scenario ", 9) == 0) {
			finish(&run, name);
			begin(&run);
			(void)snprintf(name, sizeof(name), "%s: %s", run.file, line + 9);
		} else if (!run.why[0]) {
			on_line(&run, line);
		}
	}
	finish(&run, name);
	(void)fclose(file);
}

int main(void)
{
	const char *top = getenv("top_srcdir");
	char pattern[1024];
	glob_t found;

	(void)snprintf(pattern, sizeof(pattern), "%s/tests/replay/*.scn", top ? top : ".");
	if (glob(pattern, 0, NULL, &found) != 0) {
		printf("Bail out! no scenarios at %s\n", pattern);
		return 1;
	}
	for (size_t i = 0; i < found.gl_pathc; i++)
		run_file(found.gl_pathv[i]);
	globfree(&found);
	printf("1..%u\n", test_count);
	return failed_count ? 1 : 0;
}

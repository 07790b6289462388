/* Runs the scenarios of tests/replay/crdt/ (*.scn) against the machine of CRDT entities on a clock
 * of its own, and speaks TAP: one result per scenario. The language, one statement a line, # for
 * comments:
 *
 *   scenario NAME             begins one; everything before it is forgotten
 *   given live                brings a fresh machine there, without a call
 *   call N [streamed]         the next command to be sent is call N
 *   > EVENT [key[=value]]...  feeds an event; keys: call id streamed end change delete more news
 *                             code text
 *   wait MS                   moves the clock; the timer fires when it is due
 *   < ACTION [arguments]      the next action of the last event; all must be named, in order
 *   = STATE                   where the machine is now
 */
#include <ctype.h>
#include <glob.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/error.h"
#include "src/base/span.h"
#include "src/base/text.h"
#include "src/entity/crdt_fsm.h"

#define TEXT_MAX 256
#define CALLS_MAX 10

struct runner {
	struct crdt_fsm_config config;
	struct crdt_fsm fsm;
	struct crdt_acts acts;
	size_t act_at; /* next action that must be named */
	struct crdt_fsm_call calls[CALLS_MAX];
	size_t queue[CALLS_MAX]; /* calls that wait */
	size_t queue_len;
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

/* "timer idle 30000", "fail_call 1 UNKNOWN text", "pass 1 last", ... */
static void print_act(const struct runner *run, const struct crdt_act *act, char *out, size_t size)
{
	char name[32];
	char timer[32];
	char call[16] = "";

	(void)snprintf(name, sizeof(name), "%s", crdt_act_name(act->type));
	lower(name);
	if (act->call)
		(void)snprintf(call, sizeof(call), " %zu", (size_t)(act->call - run->calls));
	if (act->type == CRDT_ACT_TIMER) {
		(void)snprintf(timer, sizeof(timer), "%s", crdt_timer_name(act->timer));
		lower(timer);
		if (act->timer == CRDT_TIMER_NONE)
			(void)snprintf(out, size, "timer none");
		else
			(void)snprintf(out, size, "timer %s %llu", timer,
				       (unsigned long long)act->wait_ms);
	} else if (act->type == CRDT_ACT_SEND_QUEUE) {
		(void)snprintf(out, size, "%s %llu", name, (unsigned long long)act->command_id);
	} else if (act->code != ST_OK) {
		(void)snprintf(out, size, "%s%s %s %s", name, call, status_name(act->code),
			       act->text);
	} else {
		(void)snprintf(out, size, "%s%s%s%s%s", name, call, act->is_last ? " last" : "",
			       act->text ? " " : "", act->text ? act->text : "");
	}
}

static void all_named(struct runner *run)
{
	char text[TEXT_MAX];

	if (run->act_at >= run->acts.count)
		return;
	print_act(run, &run->acts.items[run->act_at], text, sizeof(text));
	fail(run, "action not expected before this line: %s", text);
}

static void feed(struct runner *run, const struct crdt_event *event)
{
	crdt_fsm_step(&run->fsm, event, &run->acts);
	run->act_at = 0;
	for (size_t i = 0; i < run->acts.count; i++) {
		const struct crdt_act *act = &run->acts.items[i];
		uint64_t id = act->command_id;

		if (act->type == CRDT_ACT_TIMER)
			run->due_ms =
				act->timer == CRDT_TIMER_NONE ? 0 : run->now_ms + act->wait_ms;
		for (size_t k = 0; act->type == CRDT_ACT_SEND_QUEUE && k < run->queue_len; k++)
			crdt_fsm_call_sent(&run->calls[run->queue[k]], id++);
		if (act->type == CRDT_ACT_SEND_QUEUE || act->type == CRDT_ACT_FAIL_QUEUE)
			run->queue_len = 0;
	}
}

static void feed_type(struct runner *run, enum crdt_event_type type)
{
	feed(run, &(struct crdt_event){.type = type});
}

static void begin_live(struct runner *run)
{
	feed_type(run, CRDT_EV_COMMAND);
	feed_type(run, CRDT_EV_UNQUEUED);
	feed_type(run, CRDT_EV_STREAM_OPEN);
	feed_type(run, CRDT_EV_READ_DONE);
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

static struct crdt_fsm_call *call_at(struct runner *run, const char *text)
{
	return &run->calls[number(run, text) % CALLS_MAX];
}

static void set_key(struct runner *run, struct crdt_event *event, const char *key,
		    const char *value)
{
	if (strcmp(key, "call") == 0)
		event->call = call_at(run, value);
	else if (strcmp(key, "id") == 0)
		event->command_id = number(run, value);
	else if (strcmp(key, "streamed") == 0)
		event->is_streamed = true;
	else if (strcmp(key, "end") == 0)
		event->is_end = true;
	else if (strcmp(key, "change") == 0)
		event->change = value[0] == 'd' ? CRDT_CHANGE_DELETE : CRDT_CHANGE_UPDATE;
	else if (strcmp(key, "delete") == 0)
		event->is_delete = true;
	else if (strcmp(key, "more") == 0)
		event->is_more = true;
	else if (strcmp(key, "news") == 0)
		event->is_news = true;
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
	struct crdt_event event = {0};
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
	while (type < CRDT_EVENTS_ && word &&
	       strcmp(crdt_event_name((enum crdt_event_type)type), word) != 0)
		type++;
	if (!word || type == CRDT_EVENTS_) {
		fail(run, "no event %s", word ? word : "");
		return;
	}
	event.type = (enum crdt_event_type)type;
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
		print_act(run, &run->acts.items[run->act_at++], got, sizeof(got));
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
		feed_type(run, CRDT_EV_TIMEOUT);
	}
}

static void on_call_line(struct runner *run, char *rest)
{
	const char *word = next_word(&rest);
	struct crdt_fsm_call *call = call_at(run, word ? word : "");

	*call = (struct crdt_fsm_call){.is_streamed = next_word(&rest) != NULL};
	if (run->queue_len < CALLS_MAX)
		run->queue[run->queue_len++] = (size_t)(call - run->calls);
}

static void begin(struct runner *run)
{
	run->config = (struct crdt_fsm_config){
		.stop_timeout_ms = 10000,
		.crash_backoff_min_ms = 50,
		.crash_backoff_max_ms = 5000,
	};
	crdt_fsm_init(&run->fsm, &run->config, 30000);
	run->acts.count = 0;
	run->act_at = 0;
	run->queue_len = 0;
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
	else if (strncmp(line, "call ", 5) == 0)
		on_call_line(run, line + 5);
	else if (strcmp(line, "given live") == 0)
		begin_live(run);
	else if (strncmp(line, "= ", 2) != 0)
		fail(run, "not a statement: %s", line);
	else if (strcmp(line + 2, crdt_state_name(run->fsm.state)) != 0)
		fail(run, "want state %s, is %s", line + 2, crdt_state_name(run->fsm.state));
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
	static struct runner run;
	char line[TEXT_MAX];
	char name[TEXT_MAX] = "";
	FILE *file = fopen(path, "r");

	run = (struct runner){.file = strrchr(path, '/') ? strrchr(path, '/') + 1 : path};
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

	(void)snprintf(pattern, sizeof(pattern), "%s/tests/replay/crdt/*.scn", top ? top : ".");
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

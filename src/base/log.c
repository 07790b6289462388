#include "src/base/log.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "src/base/buf.h"
#include "src/base/clock.h"
#include "src/base/text.h"

#define LOG_LINE_MAX ((size_t)8 * 1024)
#define LOG_FIELD_MAX ((size_t)2 * 1024)
#define LOG_LIMIT_NS NS_PER_S

static const char *const event_names[] = {
#define EV(name, text) #name,
#include "src/base/log.def"
#undef EV
};
static const char *const event_texts[] = {
#define EV(name, text) text,
#include "src/base/log.def"
#undef EV
};
static const char *const level_names[] = {"DEBUG", "INFO", "WARNING", "ERROR"};

/* The one process-wide state of the log: where it goes, what is on, and the limiter. */
static struct {
	enum log_level level;
	int fd;
	bool is_worker;
	unsigned worker;
	uint64_t last_ns[EV_COUNT_];
	uint64_t suppressed[EV_COUNT_];
} state = {.level = LOG_INFO, .fd = STDERR_FILENO};

void log_set_level(enum log_level level)
{
	state.level = level;
}

void log_set_worker(unsigned worker)
{
	state.is_worker = true;
	state.worker = worker;
}

void log_set_fd(int fd)
{
	state.fd = fd < 0 ? STDERR_FILENO : fd;
}

bool log_level_from_text(struct span text, enum log_level *ret_level)
{
	static const char *const names[] = {"debug", "info", "warn", "error", "off"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (span_eq_nocase(text, span_from_str(names[i]))) {
			*ret_level = (enum log_level)i;
			return true;
		}
	}
	return false;
}

bool log_is_on(enum log_level level)
{
	return level >= state.level;
}

bool log_admit(enum log_event event)
{
	uint64_t now = clock_mono_ns();

	if (state.last_ns[event] && now - state.last_ns[event] < LOG_LIMIT_NS) {
		state.suppressed[event]++;
		return false;
	}
	state.last_ns[event] = now;
	return true;
}

static void log_timestamp(struct buf *line)
{
	uint64_t wall_ms = clock_wall_ms();
	time_t seconds = (time_t)(wall_ms / 1000);
	struct tm utc;
	char text[32];

	if (!gmtime_r(&seconds, &utc) ||
	    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc) == 0)
		text[0] = '\0';
	(void)buf_printf(line, "{\"timestamp\":\"%s.%03uZ\"", text, (unsigned)(wall_ms % 1000));
}

static void log_field(struct buf *line, const struct log_field *field)
{
	(void)buf_printf(line, ",\"%s\":", field->name);
	switch (field->kind) {
	case LOG_FIELD_SPAN:
		(void)text_json_quote(span_head(field->text, LOG_FIELD_MAX), line);
		break;
	case LOG_FIELD_INT:
		(void)buf_printf(line, "%lld", (long long)field->number);
		break;
	case LOG_FIELD_UINT:
		(void)buf_printf(line, "%llu", (unsigned long long)field->number);
		break;
	case LOG_FIELD_BOOL:
		(void)buf_append_str(line, field->number ? "true" : "false");
		break;
	}
}

static void log_event_name(struct buf *line, enum log_event event)
{
	(void)buf_append_str(line, ",\"event\":\"");
	for (const char *c = event_names[event]; *c; c++)
		(void)buf_append_byte(line, (uint8_t)(*c == '_' ? '_' : *c | 0x20));
	(void)buf_append_byte(line, '"');
}

void log_write(enum log_level level, enum log_event event, const struct log_field *fields,
	       size_t count)
{
	struct buf line;
	struct span bytes;

	buf_init(&line, LOG_LINE_MAX);
	log_timestamp(&line);
	(void)buf_printf(&line, ",\"severity\":\"%s\"", level_names[level]);
	log_event_name(&line, event);
	(void)buf_printf(&line, ",\"message\":\"%s\"", event_texts[event]);
	if (state.is_worker)
		(void)buf_printf(&line, ",\"worker\":%u", state.worker);
	for (size_t i = 0; i < count; i++) {
		size_t before = buf_len(&line);

		log_field(&line, &fields[i]);
		if (line.is_full || buf_len(&line) > LOG_LINE_MAX - 64) {
			buf_truncate(&line, before); /* what does not fit is left out whole */
			line.is_full = false;
		}
	}
	if (state.suppressed[event]) {
		(void)buf_printf(&line, ",\"suppressed\":%llu",
				 (unsigned long long)state.suppressed[event]);
		state.suppressed[event] = 0;
	}
	(void)buf_append_str(&line, "}\n");
	bytes = buf_span(&line);
	(void)!write(state.fd, bytes.data, bytes.len); /* nowhere to report a broken stderr */
	buf_fini(&line);
}

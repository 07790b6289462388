#ifndef HEADGATE_SRC_BASE_LOG_H
#define HEADGATE_SRC_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/span.h"

/* One JSON object per line on stderr: timestamp, severity, event, message, then the typed fields of
 * the call. Event names stand in log.def with the sentence that becomes "message". Never a payload,
 * never a secret. Rows 1-4 of the tree return errors and log at debug only. Spec: ruling R15. */
enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_OFF };

enum log_event {
#define EV(name, text) EV_##name,
#include "src/base/log.def"
#undef EV
	EV_COUNT_
};

enum log_field_kind { LOG_FIELD_SPAN, LOG_FIELD_INT, LOG_FIELD_UINT, LOG_FIELD_BOOL };

struct log_field {
	const char *name; /* snake_case literal */
	enum log_field_kind kind;
	struct span text;
	int64_t number;
};

#define LOG_STR(name, cstr) ((struct log_field){(name), LOG_FIELD_SPAN, span_from_str(cstr), 0})
#define LOG_SPAN(name, value) ((struct log_field){(name), LOG_FIELD_SPAN, (value), 0})
#define LOG_INT(name, value)                                                                       \
	((struct log_field){(name), LOG_FIELD_INT, SPAN_EMPTY, (int64_t)(value)})
#define LOG_UINT(name, value)                                                                      \
	((struct log_field){(name), LOG_FIELD_UINT, SPAN_EMPTY, (int64_t)(value)})
#define LOG_BOOL(name, value) ((struct log_field){(name), LOG_FIELD_BOOL, SPAN_EMPTY, (value)})

/* LOG(INFO, LISTENING, LOG_STR("address", text)): evaluates the fields only when it is on. */
#define LOG(level, event, ...)                                                                     \
	do {                                                                                       \
		if (log_is_on(LOG_##level))                                                        \
			log_write(LOG_##level, EV_##event, (struct log_field[]){__VA_ARGS__},      \
				  sizeof((struct log_field[]){__VA_ARGS__}) /                      \
					  sizeof(struct log_field));                               \
	} while (0)

/* Like LOG, at most once per second and event; the next line of the event carries "suppressed". For
 * everything a peer can trigger. */
#define LOG_LIMITED(level, event, ...)                                                             \
	do {                                                                                       \
		if (log_is_on(LOG_##level) && log_admit(EV_##event))                               \
			LOG(level, event, __VA_ARGS__);                                            \
	} while (0)

void log_set_level(enum log_level level);
bool log_level_from_text(struct span text, enum log_level *ret_level);
bool log_is_on(enum log_level level);
bool log_admit(enum log_event event);

/* Writes one line with one write(2); text longer than 8 KiB is cut. */
void log_write(enum log_level level, enum log_event event, const struct log_field *fields,
	       size_t count);

/* Every line from now on says which of several workers wrote it. */
void log_set_worker(unsigned worker);

/* Redirects lines to another descriptor (tests); -1 is stderr again. */
void log_set_fd(int fd);

#endif

#ifndef HEADGATE_SUPPORT_C_ERROR_H
#define HEADGATE_SUPPORT_C_ERROR_H

#include "support/c/headgate/function.h"

/* Fills err (which may be NULL) and returns -1, so that `return hg_error(...)` reads well. */
int hg_error(struct headgate_error *err, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Where lines go. */
struct hg_log {
	headgate_log_fn on_log;
	void *data;
};

/* One line, cut at 1 KiB. */
void hg_log(const struct hg_log *log, enum headgate_log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The default: lines from INFO up on stderr. */
void hg_log_to_stderr(void *data, enum headgate_log_level level, const char *text);

#endif

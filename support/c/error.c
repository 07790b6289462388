#include "support/c/error.h"

#include <stdarg.h>
#include <stdio.h>

#define LINE_MAX_BYTES 1024

int hg_error(struct headgate_error *err, const char *format, ...)
{
	va_list args;

	if (!err)
		return -1;
	va_start(args, format);
	(void)vsnprintf(err->text, sizeof err->text, format, args); /* a cut text is still one */
	va_end(args);
	return -1;
}

void hg_log(const struct hg_log *log, enum headgate_log_level level, const char *format, ...)
{
	char line[LINE_MAX_BYTES];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(line, sizeof line, format, args); /* a cut line is still one */
	va_end(args);
	log->on_log(log->data, level, line);
}

void hg_log_to_stderr(void *data, enum headgate_log_level level, const char *text)
{
	(void)data;
	if (level >= HEADGATE_LOG_INFO)
		(void)fprintf(stderr, "%s\n", text); /* nowhere left to report to */
}

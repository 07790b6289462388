#define HEADGATE_ERROR_IMPLEMENTATION
#include "src/base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Room for what one layer says before the message; the rest stays for the message. */
#define ERROR_CONTEXT_MAX 200

/* Cuts a text that vsnprintf shortened back to the last whole UTF-8 sequence. */
static void error_trim(char *text)
{
	size_t len = strlen(text);
	size_t start = len;

	while (start > 0 && len - start < 4 && ((unsigned char)text[start - 1] & 0xC0) == 0x80)
		start--;
	if (start > 0 && ((unsigned char)text[start - 1] & 0xC0) == 0xC0) {
		unsigned char lead = (unsigned char)text[start - 1];
		size_t want = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;

		if (len - (start - 1) < want)
			text[start - 1] = '\0';
	}
}

static void error_format(struct error *err, const char *format, va_list args)
{
	(void)vsnprintf(err->message, sizeof(err->message), format, args); /* cut is fine */
	error_trim(err->message);
}

enum status error_set(struct error *err, enum status status, const char *format, ...)
{
	va_list args;

	if (!err)
		return status;
	err->status = status;
	err->saved_errno = 0;
	err->field[0] = '\0';
	va_start(args, format);
	error_format(err, format, args);
	va_end(args);
	return status;
}

enum status error_set_errno(struct error *err, enum status status, int saved_errno,
			    const char *format, ...)
{
	va_list args;
	size_t used;

	if (!err)
		return status;
	err->status = status;
	err->saved_errno = saved_errno;
	err->field[0] = '\0';
	va_start(args, format);
	error_format(err, format, args);
	va_end(args);
	used = strlen(err->message);
	(void)snprintf(err->message + used, sizeof(err->message) - used, ": %s",
		       strerror(saved_errno)); /* cut is fine */
	return status;
}

enum status error_wrap(struct error *err, const char *format, ...)
{
	char context[ERROR_CONTEXT_MAX];
	char inner[ERROR_MESSAGE_MAX - ERROR_CONTEXT_MAX - 2];
	va_list args;

	if (!err)
		return ST_UNKNOWN;
	va_start(args, format);
	(void)vsnprintf(context, sizeof(context), format, args); /* cut is fine */
	va_end(args);
	error_trim(context);
	(void)snprintf(inner, sizeof(inner), "%s", err->message); /* cut is fine */
	error_trim(inner);
	(void)snprintf(err->message, sizeof(err->message), "%s: %s", context, inner);
	return err->status;
}

void error_set_field(struct error *err, const char *format, ...)
{
	char inner[ERROR_FIELD_MAX];
	va_list args;
	size_t used;

	if (!err)
		return;
	memcpy(inner, err->field, sizeof(inner));
	va_start(args, format);
	(void)vsnprintf(err->field, sizeof(err->field), format, args); /* cut is fine */
	va_end(args);
	used = strlen(err->field);
	if (inner[0])
		(void)snprintf(err->field + used, sizeof(err->field) - used, "%s%s",
			       used && inner[0] != '[' ? "." : "", inner);
	error_trim(err->field);
}

void bug_abort(const char *condition, const char *file, int line)
{
	(void)fprintf(stderr, "headgate: BUG: %s at %s:%d\n", condition, file, line);
	abort();
}

#include "src/base/status.h"

#include <stddef.h>

struct status_row {
	const char *name;
	int http;
	bool is_retryable;
};

static const struct status_row rows[] = {
#define ST(name, number, http, retry, text) [number] = {#name, http, retry},
#include "src/base/status.def"
#undef ST
};

static const struct status_row *status_row(enum status status)
{
	if ((unsigned)status >= ST_COUNT_)
		return &rows[ST_UNKNOWN];
	return &rows[status];
}

const char *status_name(enum status status)
{
	return status_row(status)->name;
}

int status_http(enum status status)
{
	return status_row(status)->http;
}

bool status_is_retryable(enum status status)
{
	return status_row(status)->is_retryable;
}

enum status status_from_number(unsigned long number)
{
	return number < ST_COUNT_ ? (enum status)number : ST_UNKNOWN;
}

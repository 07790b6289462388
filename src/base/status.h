#ifndef HEADGATE_SRC_BASE_STATUS_H
#define HEADGATE_SRC_BASE_STATUS_H

#include <stdbool.h>

/* The outcome of a fallible call. The numbers are those of gRPC, so a status crosses the wire as
 * it is. Spec: google/rpc/code.proto */
enum status {
#define ST(name, number, http, retry, text) ST_##name = (number),
#include "src/base/status.def"
#undef ST
	ST_COUNT_
};

/* Marks a function whose status must be looked at. */
#define MUST_CHECK __attribute__((warn_unused_result))

/* The canonical upper-case name ("INVALID_ARGUMENT"); "UNKNOWN" for a number outside the table. */
const char *status_name(enum status status);

/* The HTTP status of a code; 500 for a number outside the table. */
int status_http(enum status status);

/* True when the same request may succeed later without a change by the caller. */
bool status_is_retryable(enum status status);

/* Maps a number from the wire to a status; numbers outside 0..16 become ST_UNKNOWN. */
enum status status_from_number(unsigned long number);

#endif

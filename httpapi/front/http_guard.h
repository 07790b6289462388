#ifndef HEADGATE_HTTPAPI_FRONT_HTTP_GUARD_H
#define HEADGATE_HTTPAPI_FRONT_HTTP_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/span.h"
#include "src/h2/h2.h"

/* What is refused of a request head before anybody looks at its meaning, whatever the HTTP library
 * let pass: everything on which two HTTP implementations in a row could disagree. Pure.
 * Spec: decision A4; RFC 9112 3.2, 5.1, 6.3; docs/threat-model.md */

struct http_guard_head {
	struct span method;
	struct span target;	   /* raw */
	struct h2_headers headers; /* names as sent */
	bool is_http_1_0;
};

struct http_framing {
	bool is_chunked;
	uint64_t content_length; /* 0 when there is none */
};

/* NULL when the head is sound (ret_framing is filled), else what is wrong with it. */
const char *http_guard_http1(const struct http_guard_head *head, struct http_framing *ret_framing);

/* The part that holds for HTTP/2 too. */
const char *http_guard_target(struct span target);

#endif

#ifndef HEADGATE_HTTPAPI_ETAG_H
#define HEADGATE_HTTPAPI_ETAG_H

#include <stdbool.h>

#include "src/base/span.h"

/* Validators of replies. Spec: RFC 9110 8.8.3, 13.1.2 */
#define ETAG_BYTES 32

/* The strong tag of a body, quoted; its packed form is another representation with another tag. */
void etag_make(struct span body, bool is_packed, char etag[ETAG_BYTES]);

/* True when an If-None-Match list holds "*" or one of the two tags (weak comparison). */
bool etag_is_known(struct span if_none_match, struct span tag, struct span other);

#endif

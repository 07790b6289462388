#ifndef HEADGATE_HTTPAPI_ENCODING_H
#define HEADGATE_HTTPAPI_ENCODING_H

#include <stdbool.h>

#include "src/base/span.h"

/* What the Accept-Encoding headers of one request say. Zeroed: no header yet.
 * Spec: RFC 9110 12.5.3 */
struct encoding_accept {
	bool has_gzip;
	bool has_identity;
	bool has_any;
	unsigned gzip; /* qualities in thousandths */
	unsigned identity;
	unsigned any;
};

/* Takes the value of one header; a request may have several. */
void encoding_accept_add(struct encoding_accept *accept, struct span value);

/* True when a body should be packed: gzip is taken, and identity is not named as the better. */
bool encoding_takes_gzip(const struct encoding_accept *accept);

/* What a Content-Encoding says of a request body. */
enum encoding { ENCODING_IDENTITY, ENCODING_GZIP, ENCODING_UNKNOWN };
enum encoding encoding_of(struct span content_encoding);

/* True for content types that packing makes smaller: text, JSON, scripts, XML. */
bool encoding_is_worth_it(struct span content_type);

#endif

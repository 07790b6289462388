#ifndef HEADGATE_HTTPAPI_ACCEPT_H
#define HEADGATE_HTTPAPI_ACCEPT_H

#include <stdbool.h>

#include "src/base/span.h"

/* What a client is told that takes none of them: 406. */
#define ACCEPT_REFUSAL "this stream is application/json, application/x-ndjson or text/event-stream"

/* How the messages of a server stream are laid out in a body, chosen by the client's Accept.
 * Spec: docs/http-mapping.md, "Streams"; RFC 9110 12.5.1 */
enum framing {
	FRAMING_ARRAY, /* application/json: one array */
	FRAMING_LINES, /* application/x-ndjson, application/ndjson, application/jsonl */
	FRAMING_SSE,   /* text/event-stream */
	FRAMING_COUNT_
};

/* What the Accept headers of one request say about each framing. Zeroed: no header yet. */
struct accept {
	struct accept_match {
		unsigned specificity; /* 0: nothing fits; 1: any, 2: type, 3: the very type */
		unsigned quality;     /* in thousandths */
	} matches[FRAMING_COUNT_];
	const char *lines_type; /* the name under which lines were asked for; NULL: by no name */
	bool has_any;		/* something was asked for */
};

/* A qvalue in thousandths; anything that is none counts as 1, as if it were not there. */
unsigned accept_quality(struct span text);

/* Takes the value of one Accept header; a request may have several. Members that are no media range
 * are left out. */
void accept_add(struct accept *accept, struct span value);

/* Chooses by quality, then by how exactly it was named, then preferred, then in the order of the
 * enum. False when the client takes none of them. */
bool accept_choose(const struct accept *accept, enum framing preferred, enum framing *ret_framing);

/* What the Accept headers of one request say about one media type. Only type is set: no header yet.
 */
struct accept_type {
	struct span type; /* without parameters; borrowed */
	struct accept_match match;
	bool has_any;
};

void accept_type_add(struct accept_type *accept, struct span value);
bool accept_type_takes(const struct accept_type *accept);

/* The content type of an answer in that framing. */
const char *accept_content_type(const struct accept *accept, enum framing framing);

#endif

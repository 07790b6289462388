#ifndef HEADGATE_HTTPAPI_FRONT_MANNERS_H
#define HEADGATE_HTTPAPI_FRONT_MANNERS_H

#include <stdbool.h>

#include "httpapi/front/front_internal.h"
#include "httpapi/front/http_request.h"
#include "src/base/buf.h"
#include "src/runtime/loop.h"

/* What browsers and caches expect of HTTP, put between a transport and whatever answers: CORS,
 * packed bodies both ways, validators, other methods in a header. The handler sees a request as any
 * other, its body unpacked, and answers as ever. Spec: docs/http-mapping.md, "Browsers and caches"
 */
struct gzip_reader;

struct manners {
	struct http_request base; /* what the handler sees */
	struct http_request *inner;
	struct front *front;

	/* the request; reader NULL: its body goes through as it is */
	struct gzip_reader *reader;
	struct buf packed; /* came and was not unpacked yet */
	struct buf piece;
	struct loop_task work;
	bool is_wanted;	 /* a read of the handler is unanswered */
	bool is_reading; /* our own is */
	bool has_more;	 /* zlib may hold something back */
	bool has_bytes;
	bool has_ended;
	bool is_pumping;
	bool is_over; /* freed when it does not pump any more */

	/* the reply */
	bool takes_gzip;
	bool is_safe; /* GET or HEAD */
	char *origin; /* NULL: none that may call */
	char *if_none_match;
};

/* Takes a request into its care: returns what is to be served instead, or NULL when it is answered.
 * head then says what the handler is to see. */
struct http_request *manners_begin(struct front *front, struct http_request *request,
				   struct http_head *head);

/* Of manners_reply.c: sends it with all that belongs to it. */
void manners_send(struct manners *self, const struct http_response *response);
void manners_send_begin(struct manners *self, const struct http_response *head);

/* Answers a preflight, which never reaches a handler; false when it is none. */
bool manners_preflight(struct manners *self, const struct http_head *head);

#endif

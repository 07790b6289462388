#ifndef HEADGATE_HTTPAPI_FRONT_REQUEST_ROUTE_H
#define HEADGATE_HTTPAPI_FRONT_REQUEST_ROUTE_H

#include "httpapi/front/front_internal.h"
#include "httpapi/route_table.h"
#include "src/base/buf.h"
#include "src/base/span.h"
#include "src/base/status.h"

/* What becomes of a request that is no built-in page, before its fields and its body are looked at:
 * one answer for the port and for `headgate check`. Pure. */
enum request_kind {
	REQUEST_CALL,	  /* match is the route */
	REQUEST_GRPC_WEB, /* what its path calls is for gRPC to say */
	REQUEST_OPTIONS,  /* 204 with allow */
	REQUEST_REFUSED,  /* code, http_status and message say why; 405 has allow */
};

struct request_route {
	enum request_kind kind;
	struct route_match match;
	struct span path; /* borrowed from the target */
	struct span query;
	struct buf allow;
	enum front_refusal why;
	enum status code;
	int http_status; /* 0: that of the code */
	struct span message;
};

/* table NULL: there is no API yet. Fills ret_route, which is to be released with _fini. */
void request_route_find(const struct route_table *table, struct span method, struct span target,
			struct span content_type, struct request_route *ret_route);
void request_route_fini(struct request_route *route);

#endif

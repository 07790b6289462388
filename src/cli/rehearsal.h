#ifndef HEADGATE_SRC_CLI_REHEARSAL_H
#define HEADGATE_SRC_CLI_REHEARSAL_H

#include <stdbool.h>
#include <stddef.h>

#include "httpapi/route_table.h"
#include "src/base/arena.h"
#include "src/base/buf.h"
#include "src/base/span.h"
#include "src/base/status.h"
#include "src/h2/h2.h"

/* The gateway's front without ports and without a user function: a request goes through the very
 * code that serves it on the port (guard, CORS, packed bodies, built-in pages, routes, metadata,
 * deadlines, transcoding), as over HTTP/1.1. A method that would be called gets its messages, which
 * are printed; nothing answers it. Head and URI are not measured: that is the transport's. */
struct error;
struct offline;
struct rehearsal;

struct rehearsal_request {
	struct span method;
	struct span target; /* raw */
	struct span body;
	struct h2_headers headers; /* names in lower case; Host and Content-Length among them */
};

struct rehearsal_result {
	bool has_route; /* match is set; its captures are borrowed from the target */
	struct route_match match;
	bool is_bound;		   /* the method got the whole request */
	struct buf messages;	   /* of it, as JSON with commas between */
	int http_status;	   /* of the answer when it did not, and all below */
	struct h2_headers headers; /* in the arena */
	struct buf body;
	bool is_cut; /* the body was asked for and is not as long as Content-Length says */
};

/* offline (borrowed) has routes. */
MUST_CHECK enum status rehearsal_new(const struct offline *offline,
				     struct rehearsal **ret_rehearsal, struct error *err);

/* The result is borrowed until the next one; arena is that of the request. */
const struct rehearsal_result *rehearsal_run(struct rehearsal *rehearsal,
					     const struct rehearsal_request *request,
					     struct arena *arena);

/* NULL is a no-op. */
void rehearsal_free(struct rehearsal *rehearsal);

#endif

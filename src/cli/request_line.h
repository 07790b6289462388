#ifndef HEADGATE_SRC_CLI_REQUEST_LINE_H
#define HEADGATE_SRC_CLI_REQUEST_LINE_H

#include <jansson.h>

#include "src/base/arena.h"
#include "src/base/buf.h"
#include "src/base/span.h"
#include "src/cli/rehearsal.h"

/* One line of a file of requests: {"id","method","path","headers","body"|"body_base64"}.
 * Spec: headgate-check(1), REQUESTS */
struct request_line {
	json_t *json; /* holds the texts; NULL when the line is no JSON */
	struct rehearsal_request request;
	struct buf body;
	char length[24];
};

/* Reads one; what is wrong with it, or NULL. _fini is called in any case. The arena is emptied
 * after it. */
const char *request_line_read(struct span text, struct arena *arena, struct request_line *ret_line);

void request_line_fini(struct request_line *line);

#endif

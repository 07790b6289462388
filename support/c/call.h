#ifndef HEADGATE_SUPPORT_C_CALL_H
#define HEADGATE_SUPPORT_C_CALL_H

#include "support/c/entity.h"
#include "support/c/server.h"

/* One gRPC call, from waiting for it to its status. Calls free themselves. */

/* Waits for one more call; false when memory ran out. */
bool hg_call_await(struct hg_server *server);

/* What the server does when the queue hands back a tag: tags are calls. At most one batch of a call
 * is under way, so no two threads ever step the same call. */
void hg_call_step(void *tag, struct hg_worker *worker, bool is_ok);

#endif

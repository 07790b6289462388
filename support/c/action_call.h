#ifndef HEADGATE_SUPPORT_C_ACTION_CALL_H
#define HEADGATE_SUPPORT_C_ACTION_CALL_H

#include <grpc/grpc.h>

#include "support/c/context.h"
#include "support/c/server.h"

/* One gRPC call of an action, from its first message to its status. Calls free themselves. */

/* What every tag of the completion queue begins with. */
#define HG_ACTION_TAG_MAGIC 0x68674154

/* Whether the method is one of cloudstate.action.ActionProtocol, and its shape. */
bool hg_action_call_shape(grpc_slice method, bool *ret_client_streaming,
			  bool *ret_server_streaming);

/* Takes the call over. False when memory ran out: it is still the caller's. */
bool hg_action_call_start(struct hg_server *server, grpc_call *grpc, bool client_streaming,
			  bool server_streaming);

/* A tag that begins with the magic came out of the queue. */
void hg_action_call_step(void *tag, struct hg_worker *worker, bool is_ok);

/* A wait of a call is over; data as given to its timer. */
void hg_action_call_due(void *data, struct hg_worker *worker);

#endif

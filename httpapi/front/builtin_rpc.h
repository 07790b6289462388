#ifndef HEADGATE_HTTPAPI_FRONT_BUILTIN_RPC_H
#define HEADGATE_HTTPAPI_FRONT_BUILTIN_RPC_H

#include <stdbool.h>

#include "src/base/span.h"

/* The gRPC methods that the gateway has itself, with or without a function: reflection and health.
 * Their names win over a function's. */
struct api_method;
struct exchange;
struct front;

/* The method at a path; NULL when it is none of these, or off. */
const struct api_method *builtin_rpc_find(const struct front *front, struct span path);

/* Takes over a call of one of these methods; false when it is of another. */
bool builtin_rpc_accept(struct front *front, struct exchange *exchange);

#endif

#ifndef HEADGATE_HTTPAPI_FRONT_GRPC_ENTRY_H
#define HEADGATE_HTTPAPI_FRONT_GRPC_ENTRY_H

#include <stdint.h>

#include "src/base/span.h"
#include "src/base/status.h"

/* How a gRPC call begins, over HTTP/2 or as gRPC-Web. */
struct api_method;
struct front;
struct method;

struct grpc_refusal {
	enum status code;
	char message[160];
};

/* The method at a path, built-in ones first; NULL (and counted) when the call is refused: there is
 * no API yet, no such method, or too many calls. */
const struct api_method *grpc_entry_find(struct front *front, struct span path,
					 struct grpc_refusal *ret_refusal);

/* The deadline of a call whose client named this one: unless streams may go on for ever, it has one
 * without being asked for. */
uint64_t grpc_entry_deadline_ns(const struct front *front, const struct method *method,
				uint64_t named_ns);

#endif

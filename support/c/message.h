#ifndef HEADGATE_SUPPORT_C_MESSAGE_H
#define HEADGATE_SUPPORT_C_MESSAGE_H

#include <grpc/grpc.h>

#include "support/c/context.h"

/* Messages as gRPC has them. */

/* The bytes: as they lie when they are in one piece, else joined in *joined, which is to be unref'd
 * in any case. */
struct headgate_bytes hg_message_read(grpc_byte_buffer *buffer, grpc_slice *joined);

/* Joins the pieces. */
grpc_byte_buffer *hg_message_make(const struct headgate_bytes *parts, size_t count);

#endif

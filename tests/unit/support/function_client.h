#ifndef HEADGATE_TESTS_UNIT_SUPPORT_FUNCTION_CLIENT_H
#define HEADGATE_TESTS_UNIT_SUPPORT_FUNCTION_CLIENT_H

#include <grpc/grpc.h>
#include <stdbool.h>
#include <stddef.h>

/* A gRPC client of a user function, for tests: blocking, with a deadline on every wait, after which
 * it fails the test. Names the paths of the protocol. */

#define PATH_HANDLE "/cloudstate.eventsourced.EventSourced/handle"
#define PATH_DISCOVER "/cloudstate.EntityDiscovery/discover"
#define PATH_REPORT_ERROR "/cloudstate.EntityDiscovery/reportError"

struct client {
	grpc_channel *channel;
	grpc_completion_queue *queue;
};

/* target as gRPC has it, e.g. ipv4:127.0.0.1:8080 or unix:/path. */
void client_init(struct client *client, const char *target);
void client_fini(struct client *client);

/* A message received; owned, NULL data = none came. */
struct received {
	unsigned char *data;
	size_t size;
};

void received_fini(struct received *received);

/* Returns the status; *ret_reply must be freed. */
grpc_status_code client_unary(struct client *client, const char *path, const void *data,
			      size_t size, struct received *ret_reply);

struct client_stream {
	struct client *client;
	grpc_call *call;
	grpc_byte_buffer *in;
	grpc_metadata_array initial;
	grpc_metadata_array trailing;
	grpc_status_code status;
	grpc_slice details;
};

void client_stream_open(struct client *client, const char *path, struct client_stream *stream);

/* Sends one message and, unless told otherwise, begins to wait for one. */
void client_stream_send(struct client_stream *stream, const void *data, size_t size,
			bool is_answered);

/* Begins to wait for another answer to the newest send. */
void client_stream_expect(struct client_stream *stream);

/* What came for the newest send or expect; data NULL: the other side has closed. */
struct received client_stream_receive(struct client_stream *stream);

void client_stream_half_close(struct client_stream *stream);
void client_stream_cancel(struct client_stream *stream);

/* Waits for the status and lets go of the stream. */
grpc_status_code client_stream_close(struct client_stream *stream);

#endif

#include "tests/unit/support/function_client.h"

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc_security.h>
#include <grpc/slice.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

/* Long enough for a slow machine under a sanitizer, and still an end. */
#define DEADLINE_SECONDS 30

static gpr_timespec deadline(void)
{
	return gpr_time_add(gpr_now(GPR_CLOCK_REALTIME),
			    gpr_time_from_seconds(DEADLINE_SECONDS, GPR_TIMESPAN));
}

static grpc_arg integer_arg(const char *key, int value)
{
	return (grpc_arg){
		.type = GRPC_ARG_INTEGER, .key = (char *)(uintptr_t)key, .value.integer = value};
}

void client_init(struct client *client, const char *target)
{
	grpc_arg list[] = {
		integer_arg(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1),
		integer_arg(GRPC_ARG_ENABLE_RETRIES, 0),
		integer_arg(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, -1),
	};
	grpc_channel_args args = {.num_args = COUNT_OF(list), .args = list};
	grpc_channel_credentials *credentials = grpc_insecure_credentials_create();

	client->channel = grpc_channel_create(target, credentials, &args);
	grpc_channel_credentials_release(credentials);
	client->queue = grpc_completion_queue_create_for_pluck(NULL);
}

void client_fini(struct client *client)
{
	grpc_channel_destroy(client->channel);
	grpc_completion_queue_shutdown(client->queue);
	grpc_completion_queue_destroy(client->queue);
}

void received_fini(struct received *received)
{
	free(received->data);
	received->data = NULL;
}

/* Tags: an address inside the stream for each kind of batch that may be under way at once. */
static void *tag_exchange(struct client_stream *stream)
{
	return &stream->in;
}

static void *tag_send(struct client_stream *stream)
{
	return &stream->details;
}

static void *tag_status(struct client_stream *stream)
{
	return &stream->status;
}

static void start(struct client_stream *stream, const grpc_op *ops, size_t count, void *tag)
{
	assert_int_equal(grpc_call_start_batch(stream->call, ops, count, tag, NULL), GRPC_CALL_OK);
}

static void await(struct client_stream *stream, void *tag)
{
	grpc_event event =
		grpc_completion_queue_pluck(stream->client->queue, tag, deadline(), NULL);

	assert_int_equal(event.type, GRPC_OP_COMPLETE);
}

void client_stream_open(struct client *client, const char *path, struct client_stream *stream)
{
	*stream = (struct client_stream){.client = client};
	grpc_metadata_array_init(&stream->initial);
	grpc_metadata_array_init(&stream->trailing);
	stream->call = grpc_channel_create_call(client->channel, NULL, GRPC_PROPAGATE_DEFAULTS,
						client->queue, grpc_slice_from_static_string(path),
						NULL, deadline(), NULL);
	grpc_op status = {.op = GRPC_OP_RECV_STATUS_ON_CLIENT};
	status.data.recv_status_on_client.trailing_metadata = &stream->trailing;
	status.data.recv_status_on_client.status = &stream->status;
	status.data.recv_status_on_client.status_details = &stream->details;
	start(stream, &status, 1, tag_status(stream));
	grpc_op initial[] = {{.op = GRPC_OP_SEND_INITIAL_METADATA},
			     {.op = GRPC_OP_RECV_INITIAL_METADATA}};
	initial[0].flags = GRPC_INITIAL_METADATA_WAIT_FOR_READY;
	initial[1].data.recv_initial_metadata.recv_initial_metadata = &stream->initial;
	start(stream, initial, 1, tag_send(stream));
	await(stream, tag_send(stream));
	start(stream, initial + 1, 1, &stream->initial);
}

void client_stream_expect(struct client_stream *stream)
{
	grpc_op receive = {.op = GRPC_OP_RECV_MESSAGE,
			   .data.recv_message.recv_message = &stream->in};

	start(stream, &receive, 1, tag_exchange(stream));
}

void client_stream_send(struct client_stream *stream, const void *data, size_t size,
			bool is_answered)
{
	grpc_slice slice = grpc_slice_from_copied_buffer(data, size);
	grpc_byte_buffer *message = grpc_raw_byte_buffer_create(&slice, 1);
	grpc_op send = {.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = message};

	grpc_slice_unref(slice);
	if (is_answered)
		client_stream_expect(stream);
	start(stream, &send, 1, tag_send(stream));
	await(stream, tag_send(stream));
	grpc_byte_buffer_destroy(message);
}

struct received client_stream_receive(struct client_stream *stream)
{
	struct received received = {0};
	grpc_byte_buffer_reader reader;

	await(stream, tag_exchange(stream));
	if (!stream->in)
		return received;
	assert_true(grpc_byte_buffer_reader_init(&reader, stream->in));
	grpc_slice slice = grpc_byte_buffer_reader_readall(&reader);
	received.size = GRPC_SLICE_LENGTH(slice);
	received.data = malloc(received.size + 1);
	assert_non_null(received.data);
	memcpy(received.data, GRPC_SLICE_START_PTR(slice), received.size);
	grpc_slice_unref(slice);
	grpc_byte_buffer_reader_destroy(&reader);
	grpc_byte_buffer_destroy(stream->in);
	stream->in = NULL;
	return received;
}

void client_stream_half_close(struct client_stream *stream)
{
	grpc_op close = {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT};

	start(stream, &close, 1, tag_send(stream));
	await(stream, tag_send(stream));
}

void client_stream_cancel(struct client_stream *stream)
{
	assert_int_equal(grpc_call_cancel(stream->call, NULL), GRPC_CALL_OK);
}

grpc_status_code client_stream_close(struct client_stream *stream)
{
	await(stream, tag_status(stream));
	await(stream, &stream->initial);
	grpc_metadata_array_destroy(&stream->initial);
	grpc_metadata_array_destroy(&stream->trailing);
	grpc_slice_unref(stream->details);
	grpc_call_unref(stream->call);
	stream->call = NULL;
	return stream->status;
}

grpc_status_code client_unary(struct client *client, const char *path, const void *data,
			      size_t size, struct received *ret_reply)
{
	struct client_stream stream;

	client_stream_open(client, path, &stream);
	client_stream_send(&stream, data, size, true);
	client_stream_half_close(&stream);
	*ret_reply = client_stream_receive(&stream);
	return client_stream_close(&stream);
}

#include "support/c/message.h"

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/slice.h>
#include <string.h>

struct headgate_bytes hg_message_read(grpc_byte_buffer *buffer, grpc_slice *joined)
{
	grpc_byte_buffer_reader reader;
	grpc_slice *slice = NULL;

	*joined = grpc_empty_slice();
	if (!grpc_byte_buffer_reader_init(&reader, buffer))
		return (struct headgate_bytes){0};
	size_t size = grpc_byte_buffer_length(reader.buffer_out);
	if (!grpc_byte_buffer_reader_peek(&reader, &slice) || GRPC_SLICE_LENGTH(*slice) != size) {
		grpc_byte_buffer_reader_destroy(&reader);
		if (!grpc_byte_buffer_reader_init(&reader, buffer))
			return (struct headgate_bytes){0};
		*joined = grpc_byte_buffer_reader_readall(&reader);
		slice = joined;
	}
	grpc_byte_buffer_reader_destroy(&reader);
	return (struct headgate_bytes){.data = GRPC_SLICE_START_PTR(*slice), .size = size};
}

grpc_byte_buffer *hg_message_make(const struct headgate_bytes *parts, size_t count)
{
	size_t size = 0;

	for (size_t i = 0; i < count; i++)
		size += parts[i].size;
	grpc_slice slice = grpc_slice_malloc(size);
	uint8_t *to = GRPC_SLICE_START_PTR(slice);
	for (size_t i = 0; i < count; i++) {
		if (parts[i].size > 0)
			memcpy(to, parts[i].data, parts[i].size);
		to += parts[i].size;
	}
	grpc_byte_buffer *buffer = grpc_raw_byte_buffer_create(&slice, 1);
	grpc_slice_unref(slice);
	return buffer;
}

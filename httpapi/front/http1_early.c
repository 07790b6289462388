/* An answer in the middle of a request body. The library takes one only when the body is over,
 * which for a stream of messages may be never; so it is written past the library, which has sent
 * nothing on this request, and then the connection ends as http1_linger.c lets it end. */
#include <sys/socket.h>

#include "httpapi/front/http1_internal.h"
#include "src/base/buf.h"
#include "src/base/error.h"

/* What a socket that has sent little takes in one piece: an error or a short reply. */
#define HTTP1_EARLY_BYTES_MAX ((size_t)64 * 1024)

static bool http1_early_is_clean(struct span value)
{
	for (size_t i = 0; i < value.len; i++)
		if ((value.data[i] < 0x20 && value.data[i] != '\t') || value.data[i] == 0x7F)
			return false;
	return true;
}

static bool http1_early_write(const struct http_response *response, struct buf *out)
{
	bool is_written =
		buf_printf(out, "HTTP/1.1 %d %s\r\nConnection: close\r\nContent-Length: %zu\r\n",
			   response->status, MHD_get_reason_phrase_for((unsigned)response->status),
			   response->body.len);

	for (size_t i = 0; i < response->header_count && is_written; i++) {
		const struct h2_header *header = &response->headers[i];

		if (http1_early_is_clean(header->value))
			is_written = buf_append(out, header->name) && buf_append_str(out, ": ") &&
				     buf_append(out, header->value) && buf_append_str(out, "\r\n");
	}
	return is_written && buf_append_str(out, "\r\n") && buf_append(out, response->body);
}

bool http1_early_send(struct http1_request *request, const struct http_response *response)
{
	struct buf out;
	bool is_sent = false;

	buf_init(&out, HTTP1_EARLY_BYTES_MAX);
	if (http1_early_write(response, &out)) {
		ssize_t n = send(request->conn->fd, buf_span(&out).data, buf_len(&out),
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		/* Of half an answer nothing can be made any more: the connection breaks. */
		is_sent = n > 0;
	}
	buf_fini(&out);
	if (is_sent)
		http1_linger_prepare(request->conn);
	return is_sent;
}

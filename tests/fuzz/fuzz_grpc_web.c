/* The body of a gRPC-Web request, in base64 and as it is. The first byte says into which pieces the
 * rest is cut: the messages and the failure must be the same as from one piece, and what is read
 * comes back from what is written of it. */
#include <stdint.h>

#include "httpapi/front/grpc_web.h"
#include "src/base/error.h"

#define MESSAGE_BYTES_MAX ((size_t)64 * 1024)
#define OUT_BYTES_MAX ((size_t)4 * 1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Moves messages to out, in a form of our choice. */
static enum status take(struct grpc_web_reader *reader, enum grpc_web_form form, struct buf *out)
{
	for (;;) {
		struct span message;
		struct error err;

		switch (grpc_web_reader_next(reader, &message, &err)) {
		case GRPC_FRAME_WORK: /* of readers that unpack, which this one does not */
			BUG_ON(true);
			return ST_INTERNAL;
		case GRPC_FRAME_BAD:
			return err.status;
		case GRPC_FRAME_MORE:
			return ST_OK;
		case GRPC_FRAME_DONE:
			BUG_ON(message.len > MESSAGE_BYTES_MAX);
			(void)grpc_web_write_message(form, message, out); /* checked at the end */
			grpc_web_reader_take(reader);
		}
	}
}

struct forms {
	enum grpc_web_form in;
	enum grpc_web_form out;
};

static enum status read_body(struct forms forms, struct span body, size_t piece, struct buf *out)
{
	struct grpc_web_reader reader;
	enum status status = ST_OK;
	struct error err;

	grpc_web_reader_init(&reader, forms.in, MESSAGE_BYTES_MAX);
	while (body.len && !status) {
		status = grpc_web_reader_feed(&reader, span_head(body, piece), &err);
		body = span_skip(body, piece);
		if (!status)
			status = take(&reader, forms.out, out);
	}
	if (!status)
		status = grpc_web_reader_end(&reader, &err);
	if (!status)
		status = take(&reader, forms.out, out);
	if (!status && grpc_web_reader_waiting(&reader))
		status = ST_INTERNAL;
	grpc_web_reader_fini(&reader);
	return status;
}

static void check(enum grpc_web_form form, struct span body, size_t piece)
{
	struct buf whole;
	struct buf parts;
	enum status status;

	buf_init(&whole, OUT_BYTES_MAX);
	buf_init(&parts, OUT_BYTES_MAX);
	status = read_body((struct forms){form, GRPC_WEB_TEXT}, body, SIZE_MAX, &whole);
	/* Of several failures, pieces may find another one first. */
	BUG_ON((read_body((struct forms){form, GRPC_WEB_TEXT}, body, piece, &parts) == ST_OK) !=
	       (status == ST_OK));
	BUG_ON(status == ST_OK && !span_eq(buf_span(&whole), buf_span(&parts)));
	if (status == ST_OK) {
		buf_reset(&parts);
		BUG_ON(read_body((struct forms){GRPC_WEB_TEXT, GRPC_WEB_TEXT}, buf_span(&whole),
				 piece, &parts) != ST_OK);
		BUG_ON(!span_eq(buf_span(&whole), buf_span(&parts)));
	}
	buf_fini(&whole);
	buf_fini(&parts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t piece = size ? (size_t)data[0] + 1 : 1;
	struct span body = span_skip(span_make(data, size), 1);

	if (size > OUT_BYTES_MAX / 8)
		return 0;
	check(GRPC_WEB_BINARY, body, piece);
	check(GRPC_WEB_TEXT, body, piece);
	return 0;
}

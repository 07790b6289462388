#include "httpapi/front/grpc_web.h"

#include "httpapi/media_type.h"
#include "src/base/error.h"
#include "src/base/text.h"
#include "src/grpc/grpc_call.h"
#include "src/grpc/grpc_trailers.h"
#include "src/h2/h2.h"

/* The flag of the frame that holds the trailers. Spec: PROTOCOL-WEB.md, "Message framing" */
#define GRPC_WEB_TRAILERS_FLAG 0x80

/* Every header of a list, encoded, with ": " and a line end. */
#define GRPC_WEB_TRAILERS_BYTES_MAX (GRPC_METADATA_BYTES_MAX + (size_t)64 * 1024)

/* -- which form -------------------------------------------------------------------------------- */

enum grpc_web_form grpc_web_form(struct span content_type)
{
	static const struct {
		const char *type;
		enum grpc_web_form form;
	} types[] = {
		{"application/grpc-web", GRPC_WEB_BINARY},
		{"application/grpc-web+proto", GRPC_WEB_BINARY},
		{"application/grpc-web-text", GRPC_WEB_TEXT},
		{"application/grpc-web-text+proto", GRPC_WEB_TEXT},
	};
	struct span type = media_type_next_part(&content_type, ';');

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (span_eq_nocase(type, span_from_str(types[i].type)))
			return types[i].form;
	return GRPC_WEB_NONE;
}

enum grpc_web_form grpc_web_reply_form(const struct h2_headers *headers, enum grpc_web_form request)
{
	for (size_t i = 0; i < headers->count; i++) {
		struct span rest = headers->items[i].value;

		if (!span_eq_str(headers->items[i].name, "accept"))
			continue;
		while (rest.len) {
			enum grpc_web_form form = grpc_web_form(media_type_next_part(&rest, ','));

			if (form != GRPC_WEB_NONE)
				return form;
		}
	}
	return request;
}

struct span grpc_web_content_type(enum grpc_web_form form)
{
	return form == GRPC_WEB_TEXT ? SPAN_LIT("application/grpc-web-text+proto")
				     : SPAN_LIT("application/grpc-web+proto");
}

/* -- the request ------------------------------------------------------------------------------- */

void grpc_web_reader_init(struct grpc_web_reader *reader, enum grpc_web_form form,
			  size_t max_message_bytes)
{
	*reader = (struct grpc_web_reader){.form = form, .max_message_bytes = max_message_bytes};
	buf_init(&reader->bytes_,
		 GRPC_FRAME_HEAD_BYTES + max_message_bytes + GRPC_WEB_PIECE_BYTES_MAX);
}

void grpc_web_reader_fini(struct grpc_web_reader *reader)
{
	buf_fini(&reader->bytes_);
}

static enum status grpc_web_too_much(struct error *err)
{
	return error_set(err, ST_RESOURCE_EXHAUSTED, "too much of the request waits");
}

/* Letters up to the end of a group, with padding at the end alone. */
static enum status grpc_web_decode(struct grpc_web_reader *reader, struct span letters,
				   struct error *err)
{
	if (text_base64_decode(letters, &reader->bytes_))
		return ST_OK;
	if (reader->bytes_.is_full)
		return grpc_web_too_much(err);
	return error_set(err, ST_INVALID_ARGUMENT, "the request body is not valid base64");
}

/* Whole groups: part by part, each of which padding ends. */
static enum status grpc_web_decode_groups(struct grpc_web_reader *reader, struct span letters,
					  struct error *err)
{
	enum status status = ST_OK;

	while (letters.len && !status) {
		size_t n = span_find(letters, '=');

		n = n < letters.len ? n - n % 4 + 4 : n;
		status = grpc_web_decode(reader, span_head(letters, n), err);
		letters = span_skip(letters, n);
	}
	return status;
}

/* Makes a group whole that an earlier piece began; returns what is left of the piece. */
static struct span grpc_web_fill_group(struct grpc_web_reader *reader, struct span piece)
{
	while (reader->group_len_ > 0 && reader->group_len_ < 4 && piece.len) {
		reader->group_[reader->group_len_++] = piece.data[0];
		piece = span_skip(piece, 1);
	}
	return piece;
}

static enum status grpc_web_feed_text(struct grpc_web_reader *reader, struct span piece,
				      struct error *err)
{
	enum status status = ST_OK;
	size_t whole;

	piece = grpc_web_fill_group(reader, piece);
	if (reader->group_len_ == 4) {
		reader->group_len_ = 0;
		status = grpc_web_decode_groups(reader, span_make(reader->group_, 4), err);
	}
	whole = piece.len - piece.len % 4;
	if (!status)
		status = grpc_web_decode_groups(reader, span_head(piece, whole), err);
	for (piece = span_skip(piece, whole); piece.len; piece = span_skip(piece, 1))
		reader->group_[reader->group_len_++] = piece.data[0];
	return status;
}

enum status grpc_web_reader_feed(struct grpc_web_reader *reader, struct span piece,
				 struct error *err)
{
	if (reader->form == GRPC_WEB_TEXT)
		return grpc_web_feed_text(reader, piece, err);
	return buf_append(&reader->bytes_, piece) ? ST_OK : grpc_web_too_much(err);
}

enum status grpc_web_reader_end(struct grpc_web_reader *reader, struct error *err)
{
	size_t n = reader->group_len_;

	reader->group_len_ = 0;
	return grpc_web_decode(reader, span_make(reader->group_, n), err);
}

enum grpc_frame_state grpc_web_reader_next(struct grpc_web_reader *reader, struct span *ret_message,
					   struct error *err)
{
	return grpc_frame_read(buf_span(&reader->bytes_), reader->max_message_bytes, ret_message,
			       &reader->taken_, err);
}

void grpc_web_reader_take(struct grpc_web_reader *reader)
{
	buf_consume(&reader->bytes_, reader->taken_);
	if (buf_len(&reader->bytes_) == 0)
		buf_reset(&reader->bytes_); /* an idle stream holds little */
}

/* -- the reply --------------------------------------------------------------------------------- */

/* A frame as a part of its own, so that the client can read it at once: in base64 with padding. The
 * head is five bytes: with one of the message it is two groups, and nothing has to be copied. */
static bool grpc_web_write_text(const uint8_t *head, struct span message, struct buf *out)
{
	uint8_t first[GRPC_FRAME_HEAD_BYTES + 1];

	memcpy(first, head, GRPC_FRAME_HEAD_BYTES);
	if (message.len == 0)
		return text_base64_encode(span_make(first, GRPC_FRAME_HEAD_BYTES), true, out);
	first[GRPC_FRAME_HEAD_BYTES] = message.data[0];
	return text_base64_encode(span_make(first, sizeof(first)), true, out) &&
	       text_base64_encode(span_skip(message, 1), true, out);
}

static bool grpc_web_write_frame(enum grpc_web_form form, uint8_t flags, struct span message,
				 struct buf *out)
{
	uint8_t head[GRPC_FRAME_HEAD_BYTES];
	size_t start = buf_len(out);
	bool is_written;

	if (message.len > UINT32_MAX)
		return false;
	grpc_frame_head_write(head, false, (uint32_t)message.len);
	head[0] = flags;
	if (form == GRPC_WEB_TEXT)
		is_written = grpc_web_write_text(head, message, out);
	else
		is_written =
			buf_append(out, span_make(head, sizeof(head))) && buf_append(out, message);
	if (is_written)
		return true;
	buf_truncate(out, start);
	out->is_full = false;
	return false;
}

bool grpc_web_write_message(enum grpc_web_form form, struct span message, struct buf *out)
{
	return grpc_web_write_frame(form, 0, message, out);
}

bool grpc_web_write_status(enum grpc_web_form form, const struct grpc_status *status,
			   struct buf *out)
{
	struct grpc_trailers list;
	struct buf lines;
	bool is_written;

	buf_init(&lines, GRPC_WEB_TRAILERS_BYTES_MAX);
	grpc_trailers_init(&list);
	grpc_trailers_add_status(&list, status);
	for (size_t i = 0; i < list.count; i++) {
		(void)buf_append(&lines, list.items[i].name); /* sticky */
		(void)buf_append_str(&lines, ": ");
		(void)buf_append(&lines, list.items[i].value);
		(void)buf_append_str(&lines, "\r\n");
	}
	is_written = !lines.is_full &&
		     grpc_web_write_frame(form, GRPC_WEB_TRAILERS_FLAG, buf_span(&lines), out);
	grpc_trailers_fini(&list);
	buf_fini(&lines);
	return is_written;
}

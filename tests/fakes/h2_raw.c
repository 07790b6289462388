#include "tests/fakes/h2_raw.h"

#include <stdio.h>

#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/runtime/address.h"
#include "src/runtime/loop.h"
#include "src/runtime/stream.h"

void h2_raw_init(struct h2_raw *raw)
{
	*raw = (struct h2_raw){.stream = NULL};
	buf_init(&raw->out, H2_RAW_BYTES_MAX);
	buf_init(&raw->in, H2_RAW_BYTES_MAX);
}

void h2_raw_fini(struct h2_raw *raw)
{
	stream_close(raw->stream);
	buf_fini(&raw->out);
	buf_fini(&raw->in);
}

static uint32_t read_u32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void take_frame(struct h2_raw *raw, const uint8_t *head, const uint8_t *payload, size_t len)
{
	switch (head[3]) {
	case H2_RAW_DATA:
		raw->data_frames++;
		break;
	case H2_RAW_HEADERS:
		raw->heads++;
		raw->first_head_byte = payload[0];
		if (head[4] & H2_RAW_END_STREAM)
			raw->ends++;
		break;
	case H2_RAW_RST_STREAM:
		raw->rst_count++;
		raw->rst_code = read_u32(payload);
		break;
	case H2_RAW_SETTINGS:
		raw->settings_acks += head[4] & H2_RAW_ACK;
		break;
	case H2_RAW_PING:
		raw->pings += !(head[4] & H2_RAW_ACK);
		break;
	case H2_RAW_GOAWAY:
		raw->has_goaway = true;
		raw->goaway_code = read_u32(payload + 4);
		if (len > 8)
			(void)snprintf(raw->goaway_text, sizeof(raw->goaway_text), "%.*s",
				       (int)(len - 8), (const char *)payload + 8);
		break;
	default:
		break;
	}
}

static void on_read(void *data, struct span bytes)
{
	struct h2_raw *raw = data;

	raw->reads++;
	if (raw->preface_left) {
		size_t skipped = bytes.len < raw->preface_left ? bytes.len : raw->preface_left;

		raw->preface_left -= skipped;
		bytes = span_skip(bytes, skipped);
	}
	BUG_ON(!buf_append(&raw->in, bytes));
	for (;;) {
		struct span in = buf_span(&raw->in);
		size_t len;

		if (in.len < 9)
			return;
		len = (size_t)in.data[0] << 16 | (size_t)in.data[1] << 8 | in.data[2];
		if (in.len < 9 + len)
			return;
		take_frame(raw, in.data, in.data + 9, len);
		buf_consume(&raw->in, 9 + len);
	}
}

static void on_produce(void *data, struct buf *out)
{
	struct h2_raw *raw = data;
	struct span bytes = span_head(buf_span(&raw->out), STREAM_CHUNK_BYTES);

	BUG_ON(!buf_append(out, bytes));
	buf_consume(&raw->out, bytes.len);
}

static void on_closed(void *data, const struct error *error)
{
	struct h2_raw *raw = data;

	(void)error;
	raw->stream = NULL;
	raw->is_closed = true;
}

static const struct stream_ops raw_ops = {
	.on_read = on_read, .on_produce = on_produce, .on_closed = on_closed};

void h2_raw_frame(struct h2_raw *raw, int type, int flags, uint32_t id, struct span payload)
{
	const uint8_t head[9] = {(uint8_t)(payload.len >> 16),
				 (uint8_t)(payload.len >> 8),
				 (uint8_t)payload.len,
				 (uint8_t)type,
				 (uint8_t)flags,
				 (uint8_t)(id >> 24),
				 (uint8_t)(id >> 16),
				 (uint8_t)(id >> 8),
				 (uint8_t)id};

	BUG_ON(!buf_append(&raw->out, span_make(head, sizeof(head))));
	BUG_ON(!buf_append(&raw->out, payload));
}

void h2_raw_frame_u32(struct h2_raw *raw, int type, uint32_t id, uint32_t value)
{
	const uint8_t payload[4] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16),
				    (uint8_t)(value >> 8), (uint8_t)value};

	h2_raw_frame(raw, type, 0, id, span_make(payload, sizeof(payload)));
}

void h2_raw_send(struct h2_raw *raw)
{
	if (raw->stream)
		stream_want_write(raw->stream);
}

static void start(struct h2_raw *raw)
{
	struct buf out = raw->out;

	BUG_ON(raw->stream);
	buf_fini(&raw->in);
	*raw = (struct h2_raw){.out = out};
	buf_init(&raw->in, H2_RAW_BYTES_MAX);
}

void h2_raw_accept(struct h2_raw *raw, struct loop *loop, int fd)
{
	start(raw);
	raw->preface_left = sizeof("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") - 1;
	raw->stream = stream_from_fd(loop, fd, &raw_ops, raw);
}

void h2_raw_connect(struct h2_raw *raw, struct loop *loop, uint16_t port)
{
	struct address address = {.port = port, .host = "127.0.0.1"};

	start(raw);
	raw->stream = stream_connect(loop, &address, DEADLINE_NEVER, &raw_ops, raw);
}

void h2_raw_greet(struct h2_raw *raw)
{
	BUG_ON(!buf_append_str(&raw->out, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
	h2_raw_frame(raw, H2_RAW_SETTINGS, 0, 0, SPAN_EMPTY);
}

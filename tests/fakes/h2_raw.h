#ifndef HEADGATE_TESTS_FAKES_H2_RAW_H
#define HEADGATE_TESTS_FAKES_H2_RAW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/buf.h"
#include "src/base/span.h"

/* An HTTP/2 peer made of bytes: sends whatever it is told to, right or wrong, and counts the
 * frames that come back. */
struct loop;
struct stream;

enum h2_raw_type {
	H2_RAW_DATA,
	H2_RAW_HEADERS,
	H2_RAW_PRIORITY,
	H2_RAW_RST_STREAM,
	H2_RAW_SETTINGS,
	H2_RAW_PUSH,
	H2_RAW_PING,
	H2_RAW_GOAWAY,
	H2_RAW_WINDOW_UPDATE,
	H2_RAW_CONTINUATION
};

#define H2_RAW_ACK 1
#define H2_RAW_END_STREAM 1
#define H2_RAW_END_HEADERS 4

#define H2_RAW_BYTES_MAX ((size_t)64 * 1024 * 1024)

struct h2_raw {
	struct stream *stream; /* NULL: not connected */
	struct buf out;
	struct buf in;
	size_t preface_left; /* of the client, before its first frame */
	bool is_closed;
	bool has_goaway;
	uint32_t goaway_code;
	char goaway_text[32]; /* of the last one that has a text */
	uint32_t rst_code;    /* of the last RST_STREAM */
	unsigned rst_count;
	unsigned settings_acks;
	unsigned pings; /* without ACK; never answered */
	unsigned reads; /* how many pieces the bytes came in */
	unsigned data_frames;
	unsigned heads;
	unsigned ends;		 /* HEADERS with END_STREAM */
	uint8_t first_head_byte; /* of the last HEADERS: mostly the indexed :status */
};

void h2_raw_init(struct h2_raw *raw);
void h2_raw_fini(struct h2_raw *raw);

/* Connects to a port of 127.0.0.1 and forgets what was counted. What is queued leaves then. */
void h2_raw_connect(struct h2_raw *raw, struct loop *loop, uint16_t port);

/* The same as the server of an accepted connection: the client's preface is skipped. */
void h2_raw_accept(struct h2_raw *raw, struct loop *loop, int fd);

/* Queue bytes; h2_raw_send lets them leave together. */
void h2_raw_greet(struct h2_raw *raw); /* preface and empty SETTINGS */
void h2_raw_frame(struct h2_raw *raw, int type, int flags, uint32_t id, struct span payload);
void h2_raw_frame_u32(struct h2_raw *raw, int type, uint32_t id, uint32_t value);
void h2_raw_send(struct h2_raw *raw);

#endif

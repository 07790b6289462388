#ifndef HEADGATE_TESTS_UNIT_SUPPORT_STREAM_BYTES_H
#define HEADGATE_TESTS_UNIT_SUPPORT_STREAM_BYTES_H

#include <stdbool.h>
#include <stdint.h>

#include "cloudstate/event_sourced.pb-c.h"
#include "headgate/test/entity.pb-c.h"

/* The messages of an entity stream made and read with protobuf-c's own generated code, so that the
 * library's hand-written codec is held against another. */

#define STREAM_BYTES_MAX 4096

struct stream_bytes {
	uint8_t data[STREAM_BYTES_MAX];
	size_t size;
};

#define WORD_HAPPENED "type.googleapis.com/headgate.test.Happened"
#define WORD_SNAPSHOT "type.googleapis.com/headgate.test.Snapshot"
#define WORD_REQUEST "type.googleapis.com/headgate.test.Request"
#define WORD_RESPONSE "type.googleapis.com/headgate.test.Response"

/* snapshot NULL = none. */
struct stream_bytes stream_init(const char *service, const char *id, const char *snapshot,
				int64_t snapshot_sequence);
struct stream_bytes stream_event(int64_t sequence, const char *url, const char *text);
struct stream_bytes stream_command(const char *id, int64_t command_id, const char *name,
				   const Headgate__Test__Request *request);

/* A command of any type. */
struct stream_bytes stream_message(const char *id, int64_t command_id, const char *name,
				   const ProtobufCMessage *message);

#endif

#ifndef HEADGATE_SUPPORT_C_PROTOCOL_H
#define HEADGATE_SUPPORT_C_PROTOCOL_H

#include "support/c/buf.h"
#include "support/c/headgate/crdt.h"
#include "support/c/wire.h"

/* The messages of cloudstate.eventsourced, cloudstate.valueentity and cloudstate.action read from
 * and written to the wire directly: they are on the path of every command, and so nothing is copied
 * or allocated for them. Spec: cloudstate/entity.proto, cloudstate/event_sourced.proto,
 * cloudstate/value_entity.proto, cloudstate/action.proto. */

/* A google.protobuf.Any as received; borrowed from the input. */
struct hg_any_view {
	struct headgate_bytes type_url;
	struct headgate_bytes value;
};

struct hg_init {
	struct headgate_bytes service_name;
	struct headgate_bytes entity_id;
	bool has_snapshot; /* or a value entity's state */
	int64_t snapshot_sequence;
	struct hg_any_view snapshot;
};

struct hg_event {
	int64_t sequence;
	struct hg_any_view payload;
};

struct hg_command {
	struct headgate_bytes entity_id;
	struct headgate_bytes name;
	int64_t id;
	struct hg_any_view payload;
	bool is_streamed;
	struct headgate_bytes metadata; /* fields of a cloudstate.Metadata */
};

enum hg_in_kind { HG_IN_NONE, HG_IN_INIT, HG_IN_EVENT, HG_IN_COMMAND };

/* One EventSourcedStreamIn; HG_IN_NONE when it holds nothing known. */
struct hg_in {
	enum hg_in_kind kind;
	union {
		struct hg_init init;
		struct hg_event event;
		struct hg_command command;
	};
};

/* Parts of messages; false when the bytes are no protobuf message. */
bool hg_any_parse(struct headgate_bytes bytes, struct headgate_any *ret_any);
bool hg_command_parse(struct headgate_bytes bytes, struct hg_command *ret_command);

/* False when the bytes are no protobuf message. */
bool hg_in_parse(struct headgate_bytes bytes, struct hg_in *ret_in);
/* The same of one ValueEntityStreamIn; never HG_IN_EVENT. */
bool hg_in_parse_value(struct headgate_bytes bytes, struct hg_in *ret_in);

/* One ActionCommand. */
struct hg_action_command {
	struct headgate_bytes service_name;
	struct headgate_bytes name;
	bool has_payload;
	struct hg_any_view payload;
	struct headgate_bytes metadata; /* fields of a cloudstate.Metadata */
};

bool hg_action_command_parse(struct headgate_bytes bytes, struct hg_action_command *ret_command);

/* An Any to be written: prefix + url is the type URL; the value is either bytes or, when message
 * is not NULL, packed from it. Made by the functions below, which find its size; a type_url of NULL
 * is that of the message's own type. */
struct hg_any {
	struct headgate_bytes prefix;
	struct headgate_bytes url;
	struct headgate_bytes value;
	const ProtobufCMessage *message;
	size_t size;
};

struct hg_any hg_any_of_message(const ProtobufCMessage *message, const char *type_url);
struct hg_any hg_any_of_bytes(const char *type_url, struct headgate_bytes value);

/* The empty message of that type. */
struct hg_any hg_any_of_type(struct headgate_bytes type_name);

/* Appends the Any as length-delimited field `number`. */
void hg_append_any(struct hg_buf *buf, uint32_t number, const struct hg_any *any);

/* The same for one as received, or as an author gave it. */
void hg_append_any_view(struct hg_buf *buf, uint32_t number, const struct headgate_any *any);

/* A target of forwards and effects. */
struct hg_target {
	struct headgate_bytes service_name;
	struct headgate_bytes command_name;
	struct hg_any payload;
};

/* What a reply, forward or failure stands in: the field of EventSourcedReply (or of what a CRDT
 * answers with, where it has the same number) that holds a ClientAction, or directly a field of
 * ActionResponse. Effects have a number of their own in each. */
enum hg_envelope {
	HG_OF_ENTITY,
	HG_OF_ACTION,
	HG_OF_CRDT_REPLY,
	HG_OF_CRDT_MESSAGE,  /* CrdtStreamedMessage */
	HG_OF_CRDT_CANCELLED /* CrdtStreamCancelledResponse, which has no ClientAction */
};

/* Append a whole such field. metadata: fields of a cloudstate.Metadata, or empty. */
void hg_append_reply(struct hg_buf *buf, enum hg_envelope envelope, const struct hg_any *payload,
		     struct headgate_bytes metadata);
void hg_append_forward(struct hg_buf *buf, enum hg_envelope envelope,
		       const struct hg_target *target);

struct hg_failure {
	int64_t command_id;
	enum headgate_code code;
	struct headgate_bytes description;
	bool is_restart;
};

void hg_append_failure(struct hg_buf *buf, enum hg_envelope envelope,
		       const struct hg_failure *failure);

/* Appends a `side_effects` field. */
void hg_append_effect(struct hg_buf *buf, enum hg_envelope envelope, const struct hg_target *target,
		      bool is_synchronous);

/* Metadata: appends one entry, as bytes_value when the key ends in -bin; reads them, in order. */
void hg_append_metadata(struct hg_buf *buf, const char *key, struct headgate_bytes value);
bool hg_metadata_next(struct hg_reader *reader, struct headgate_metadata *ret_entry);

/* Append the `state_action` of a ValueEntityReply; the value of an update ends the bytes. */
void hg_append_update(struct hg_buf *buf, const struct hg_any *state);
void hg_append_delete(struct hg_buf *buf);

/* Field numbers of EventSourcedReply that callers append with hg_append_any. */
#define HG_REPLY_EVENTS 4
#define HG_REPLY_SNAPSHOT 5

/* The beginning of an EventSourcedStreamOut or ValueEntityStreamOut holding a reply, up to and
 * including command_id, to be followed by rest_size bytes of client_action, side_effects, events
 * and snapshot fields. Returns its size. */
#define HG_REPLY_HEAD_MAX 32
size_t hg_put_reply_head(uint8_t head[HG_REPLY_HEAD_MAX], int64_t command_id, size_t rest_size);

/* The same for the field `number` of any StreamOut message. */
size_t hg_put_out_head(uint8_t head[HG_REPLY_HEAD_MAX], uint32_t number, int64_t command_id,
		       size_t rest_size);

/* Appends a failure as that field of a StreamOut message. */
void hg_append_failure_field(struct hg_buf *buf, uint32_t number, const struct hg_failure *failure);

/* Appends an EventSourcedStreamOut or ValueEntityStreamOut that holds a failure: the stream is
 * broken. */
void hg_append_stream_failure(struct hg_buf *buf, const struct hg_failure *failure);

#endif

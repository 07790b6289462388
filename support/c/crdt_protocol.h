#ifndef HEADGATE_SUPPORT_C_CRDT_PROTOCOL_H
#define HEADGATE_SUPPORT_C_CRDT_PROTOCOL_H

#include "support/c/protocol.h"

/* The messages of cloudstate.crdt, but for the data. Spec: cloudstate/crdt.proto. */

enum hg_crdt_in_kind {
	HG_CRDT_IN_NONE,
	HG_CRDT_IN_INIT,
	HG_CRDT_IN_DELTA,
	HG_CRDT_IN_DELETE,
	HG_CRDT_IN_COMMAND,
	HG_CRDT_IN_CANCELLED
};

struct hg_crdt_init {
	struct headgate_bytes service_name;
	struct headgate_bytes entity_id;
	bool has_delta;
	struct headgate_bytes delta; /* a CrdtDelta */
};

struct hg_crdt_cancelled {
	struct headgate_bytes entity_id;
	int64_t id;
};

/* One CrdtStreamIn; HG_CRDT_IN_NONE when it holds nothing known. */
struct hg_crdt_in {
	enum hg_crdt_in_kind kind;
	union {
		struct hg_crdt_init init;
		struct headgate_bytes delta; /* a CrdtDelta */
		struct hg_command command;
		struct hg_crdt_cancelled cancelled;
	};
};

/* False when the bytes are no protobuf message. */
bool hg_crdt_in_parse(struct headgate_bytes bytes, struct hg_crdt_in *ret_in);

/* Field numbers: of CrdtStreamOut, and of what lies in them. */
enum {
	HG_CRDT_OUT_REPLY = 1,
	HG_CRDT_OUT_MESSAGE = 2,
	HG_CRDT_OUT_CANCELLED = 3,
	HG_CRDT_OUT_FAILURE = 4,
	HG_CRDT_REPLY_STATE = 5,
	HG_CRDT_REPLY_STREAMED = 6,
	HG_CRDT_MESSAGE_END = 4,
	HG_CRDT_CANCELLED_STATE = 3,
	HG_CRDT_STATE_UPDATE = 1,
	HG_CRDT_STATE_DELETE = 2,
	HG_CRDT_STATE_CONSISTENCY = 3
};

#endif

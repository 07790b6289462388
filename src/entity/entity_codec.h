#ifndef HEADGATE_SRC_ENTITY_ENTITY_CODEC_H
#define HEADGATE_SRC_ENTITY_ENTITY_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal/journal.h"
#include "src/base/buf.h"
#include "src/base/span.h"
#include "src/entity/entity_table.h"

/* The messages of an entity stream, straight to and from the wire, without a copy of payloads.
 * Spec: cloudstate-protocol A.1, A.2, A.4; ruling R17. */

/* Events of one reply; what the journal takes in one append. Side effects likewise. */
#define ENTITY_REPLY_EVENTS_MAX JOURNAL_EVENTS_MAX
#define ENTITY_REPLY_EFFECTS_MAX ((size_t)1000)

/* Longest head of a message: names and type URLs of the function's own schema. */
#define ENTITY_HEAD_BYTES_MAX ((size_t)1024 * 1024)

/* ---- out: each puts the beginning of an EventSourcedStreamIn (or ValueEntityStreamIn) into head
 * (emptied first), so that head and the given payload bytes after it are the whole message. False:
 * the names are longer than ENTITY_HEAD_BYTES_MAX or the message longer than the wire allows.
 * ---------------------------- */

/* snapshot NULL: none, and head is the whole message. */
bool entity_put_init(struct buf *head, struct span service_name, struct span entity_id,
		     uint64_t snapshot_sequence, const struct journal_any *snapshot);
/* Of a value entity: the state has its wrapper even when there is none (NULL). */
bool entity_put_value_init(struct buf *head, struct span service_name, struct span entity_id,
			   const struct journal_any *state);
bool entity_put_event(struct buf *head, uint64_t sequence, const struct journal_any *event);

struct entity_put_command {
	bool is_value; /* of a value entity */
	struct span entity_id;
	uint64_t id;
	struct span name;	/* of the method, bare */
	struct span input_name; /* full name of its input */
	struct span metadata;	/* serialized cloudstate.Metadata; empty: none */
	size_t payload_len;
};
bool entity_put_command(struct buf *head, const struct entity_put_command *command);

/* ---- in ------------------------------------------------------------------------------------- */
enum entity_out_kind {
	ENTITY_OUT_REPLY,
	ENTITY_OUT_FAILURE,
	ENTITY_OUT_GARBAGE, /* empty, unknown or malformed */
};

/* What a value entity's reply does to its state. */
enum entity_write { ENTITY_WRITE_NONE, ENTITY_WRITE_UPDATE, ENTITY_WRITE_DELETE };

/* One EventSourcedStreamOut or ValueEntityStreamOut. Spans are borrowed from the message. */
struct entity_out {
	enum entity_out_kind kind;
	uint64_t command_id;
	/* REPLY: the client action, and FAILURE: as ENTITY_FAILURE. A reply or forward without
	 * payload is ENTITY_NONE (S-31). */
	enum entity_action action;
	bool is_restart;
	enum status code;	    /* of a failure */
	struct span description;    /* of a failure */
	struct span details;	    /* of a failure: google.rpc.Status, or empty */
	struct journal_any payload; /* of a reply or forward */
	struct span metadata;
	struct span service_name; /* of a forward */
	struct span command_name;
	size_t event_count;
	size_t effect_count;
	bool has_snapshot;
	struct journal_any snapshot;
	enum entity_write write;  /* of a value entity */
	struct journal_any state; /* ENTITY_WRITE_UPDATE */
	struct span reply_;	  /* the message whose fields events and effects are */
	uint32_t effect_field_;
};

/* Reads a whole message. A field that may stand once counts as its last occurrence; parts of one
 * message are not merged, no encoder writes them. */
void entity_out_parse(struct span message, struct entity_out *ret_out);
/* The same of a value entity; a state action that says nothing is malformed (V-03). */
void entity_out_parse_value(struct span message, struct entity_out *ret_out);

/* The events and side effects of a reply that was parsed; as many as there is room for. */
size_t entity_out_events(const struct entity_out *out, struct journal_any *events, size_t max);
size_t entity_out_effects(const struct entity_out *out, struct span *effects, size_t max);

/* Appends what a reply says to its caller: client action and side effects, as a stream message of
 * an event sourced entity, whatever it came from (entity_out_parse reads it). False: no room. */
bool entity_out_put_reply(const struct entity_out *out, struct buf *ret_message);

/* One cloudstate.SideEffect. Spans are borrowed from it. */
struct entity_effect {
	struct span service_name;
	struct span command_name;
	struct journal_any payload;
	struct span metadata;
	bool is_synchronous;
};

/* False: malformed. */
bool entity_effect_parse(struct span bytes, struct entity_effect *ret_effect);

#endif

#ifndef HEADGATE_SRC_EVENTING_CLOUDEVENT_H
#define HEADGATE_SRC_EVENTING_CLOUDEVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal/feed.h"
#include "journal/journal.h"
#include "src/base/arena.h"
#include "src/base/span.h"
#include "src/base/status.h"

/* CloudEvents between the journal and the function: which Any a message is, what the function is
 * told of it as metadata, and which attributes a reply is published with. Pure.
 * Spec: cloudstate-protocol 6.4 V2-10 to V2-31; CloudEvents 1.0.2 and its HTTP binding 3.1.3. */
struct buf;
struct metadata;

/* Of an event log: attributes and payload together. */
#define CLOUDEVENT_BYTES_MAX ((size_t)64 * 1024)

struct cloudevent {
	struct feed_attribute attributes[FEED_ATTRIBUTES_MAX];
	size_t count;
};

/* The value, data NULL when there is none. */
struct span cloudevent_get(const struct cloudevent *event, const char *name);

/* The event of an entity as a CloudEvent: id "<entity>/<sequence>", source the persistence id, type
 * the type URL, subject the entity. Spans are borrowed from the arguments or in the arena. */
void cloudevent_of_log(const struct feed_source *source, struct span entity, uint64_t sequence,
		       const struct feed_message *message, struct arena *arena,
		       struct cloudevent *ret_event);

/* A message of a topic as what the function is given, by its datacontenttype. Errors:
 * ST_RESOURCE_EXHAUSTED the arena, ST_INVALID_ARGUMENT a text that is not UTF-8. */
MUST_CHECK enum status cloudevent_payload(const struct cloudevent *event, struct span data,
					  struct arena *arena, struct journal_any *ret_any,
					  struct error *err);

/* A serialized cloudstate.Metadata: "ce-<name>" for every attribute but datacontenttype, values
 * percent-encoded as in HTTP headers. False: it does not fit. */
bool cloudevent_put_metadata(const struct cloudevent *event, struct buf *out);

/* ---- what is published ------------------------------------------------------------------------
 */
struct cloudevent_reply {
	const struct metadata *metadata; /* of the reply; may be NULL. Its ce-* win */
	struct span source;		 /* full name of the service */
	struct span output_name;	 /* full name of the reply's type */
	struct span id;			 /* empty: a random one */
	struct span subject;		 /* empty: none */
	struct span message;
	uint64_t wall_ms;
};

/* The value of a ce- header as text: without its escapes, into the arena; what is not a proper
 * escape stands for itself. */
struct span cloudevent_header_text(struct span value, struct arena *arena);

/* Attributes into ret_event, in the arena or borrowed from reply; data what goes with them. */
void cloudevent_of_reply(const struct cloudevent_reply *reply, struct arena *arena,
			 struct cloudevent *ret_event, struct span *ret_data);

#endif

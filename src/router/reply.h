#ifndef HEADGATE_SRC_ROUTER_REPLY_H
#define HEADGATE_SRC_ROUTER_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/span.h"
#include "src/base/status.h"

/* What answers of entities and actions have in common on their way to the client. Internal to
 * src/router. */
struct arena;
struct buf;
struct entity_reply;
struct error;
struct exchange;
struct grpc_status;
struct metadata;
struct method;
struct userfn;

/* To whoever is refused a reply of another type (function.reply_type: refuse). */
#define REPLY_TEXT_TYPE "the user function replied with a message of another type"

/* Whether the type URL is that of the method's output; if not, the function is told. The bytes are
 * sent all the same, unless the caller is strict. Spec: D-40, S-30. */
bool reply_check_type(struct userfn *userfn, const struct method *method, struct span type_url);

/* Whether what target answers is what the callers of method expect; if not, the function is told.
 */
bool reply_check_output(struct userfn *userfn, const struct method *method,
			const struct method *target);

/* The entries of a serialized cloudstate.Metadata that can be metadata here, into arena; how many
 * cannot is returned. */
size_t reply_read_metadata(struct span bytes, struct arena *arena, struct metadata *ret_metadata);

/* Turns a serialized cloudstate.Metadata into leading headers; what cannot be a header or belongs
 * to the transport is left out. Before the first message only. Spec: S-42. */
struct router_metrics;
void reply_set_headers(struct router_metrics *metrics, struct exchange *exchange,
		       struct span metadata);

/* The same of an entity's reply, and what we say of it ourselves: headgate-entity-seq when it
 * wrote, idempotency-replayed when it was executed before. */
void reply_set_entity_headers(struct router_metrics *metrics, struct exchange *exchange,
			      const struct entity_reply *reply);

/* What is left when an entity fails, and when a request cannot be read (the field that is wrong as
 * a google.rpc.BadRequest). Borrows from both arguments; details is filled when there is something
 * of our own to say: buf_init(details, REPLY_DETAILS_BYTES_MAX). */
#define REPLY_DETAILS_BYTES_MAX ((size_t)4 * 1024)
struct grpc_status reply_failure_status(const struct entity_reply *reply, struct buf *details);
struct grpc_status reply_error_status(const struct error *err, struct buf *details);

/* A google.rpc.Status with a google.rpc.RetryInfo, for callers who met a limit. False: no room. */
bool reply_put_retry_info(struct buf *out, enum status code, struct span message,
			  uint64_t retry_after_ms);

#endif

#ifndef HEADGATE_SUPPORT_C_CRDT_DELTA_H
#define HEADGATE_SUPPORT_C_CRDT_DELTA_H

#include "support/c/buf.h"
#include "support/c/crdt.h"

/* Values and differences as cloudstate.crdt.CrdtDelta. Spec: cloudstate/crdt.proto. */

/* Appends what the proxy does not know yet as length-delimited field `number`. */
void hg_crdt_append_delta(struct hg_buf *buf, uint32_t number, const struct headgate_crdt *crdt);

/* What a CrdtDelta is of: a kind, and the bytes of its field. Kind 0: of nothing known, or no
 * protobuf. */
struct hg_delta {
	enum headgate_crdt_kind kind;
	struct headgate_bytes body;
};
struct hg_delta hg_delta_parse(struct headgate_bytes bytes);

/* Applies a difference of the value's own kind that the proxy tells; the value must be committed,
 * and is again. NULL, or why it does not apply: then the value is good for nothing. */
const char *hg_crdt_apply(struct headgate_crdt *crdt, struct headgate_bytes body);

#endif

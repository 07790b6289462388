#ifndef HEADGATE_SRC_ROUTER_COMMAND_KEY_H
#define HEADGATE_SRC_ROUTER_COMMAND_KEY_H

#include <stdint.h>

#include "journal/journal.h"
#include "src/base/span.h"
#include "src/base/status.h"
#include "src/router/router_metrics.h"

/* The idempotency key of a call, and what is made of it. Pure. Internal to src/router.
 * Spec: draft-ietf-httpapi-idempotency-key-header-07; RFC 8941 3.3.3; docs/protocol.md */
struct error;
struct metadata;

struct command_key {
	struct span text; /* empty: none; points into bytes_ */
	uint8_t bytes_[JOURNAL_KEY_MAX];
};

/* From metadata "idempotency-key": a string in quotes, or the bare key. Errors: ST_INVALID_ARGUMENT
 * empty, too long, not of printable ASCII, quotes that do not end, more than one of them. */
MUST_CHECK enum status command_key_read(const struct metadata *metadata,
					struct command_key *ret_key, struct error *err);

/* The id of the forward or effect number index of the command with this id: the same whenever it is
 * made. Spec: docs/journal-format.md, "Commands executed before" */
struct journal_id command_key_derive(const struct journal_id *command, enum followup_kind kind,
				     uint64_t index);

/* What stands for the id of a call that has a key but is no command of an entity. */
struct journal_id command_key_call(struct span method, struct span key);

#endif

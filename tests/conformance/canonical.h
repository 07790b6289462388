#ifndef HEADGATE_TESTS_CONFORMANCE_CANONICAL_H
#define HEADGATE_TESTS_CONFORMANCE_CANONICAL_H

#include "proto/schema.h"
#include "src/base/buf.h"
#include "src/base/error.h"

/* Appends the bytes a strict encoder would write for the message that wire stands for: fields in
 * order, singular ones once, lists packed as the schema says, unknown fields last. wire has passed
 * schema_check. The gateway has no use for this: it passes messages on as they come. */
enum status canonical_encode(const struct message *message, struct span wire, struct buf *out,
			     struct error *err) MUST_CHECK;

#endif

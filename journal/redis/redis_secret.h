#ifndef HEADGATE_JOURNAL_REDIS_REDIS_SECRET_H
#define HEADGATE_JOURNAL_REDIS_REDIS_SECRET_H

#include "src/base/span.h"

/* The secret of a namespace that names no file for it: a random one, made once and kept beside the
 * journal, so that whoever may read the journal is one of us. Spec: ruling R18 */
struct journal;
struct loop;
struct redis_secret;

/* Once; borrowed until it returns. */
typedef void (*redis_secret_fn)(void *data, struct span secret);

/* Asks until there is an answer. journal: one over Redis, borrowed until redis_secret_close. */
struct redis_secret *redis_secret_open(struct loop *loop, struct journal *journal,
				       redis_secret_fn on_secret, void *data);

/* No callback any more. NULL is a no-op. */
void redis_secret_close(struct redis_secret *secret);

#endif

#ifndef HEADGATE_TESTS_SIM_SIM_STORE_H
#define HEADGATE_TESTS_SIM_SIM_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/buf.h"
#include "src/base/span.h"

/* The data of a Redis, as far as the journal uses it: strings, hashes, streams and sorted sets, by
 * the commands its scripts call. A command that is not known, or a key of another type, answers
 * with an error, as Redis does. */
struct sim_store;

struct sim_store *sim_store_new(void);
/* What another Redis holds that has heard all so far. */
struct sim_store *sim_store_copy(const struct sim_store *store);
void sim_store_free(struct sim_store *store);

/* words[0] is the command's name. Appends the reply in RESP. */
void sim_store_call(struct sim_store *store, const struct span *words, size_t count,
		    uint64_t now_ms, struct buf *out);

/* A line of RESP: kind, number. */
void sim_say(struct buf *out, char kind, uint64_t number);

/* For the checker: the value of a stream's entry field, and of a hash. Borrowed until the next
 * call; data is NULL when it is not there. */
struct span sim_store_event(const struct sim_store *store, struct span key, uint64_t sequence,
			    const char *field);
struct span sim_store_hash(const struct sim_store *store, struct span key, const char *field);
/* Entries of a stream; their i-th, for feeds. */
size_t sim_store_length(const struct sim_store *store, struct span key);
struct span sim_store_entry(const struct sim_store *store, struct span key, size_t i,
			    const char *field);

/* Its place: the number behind the dash of its id. */
uint64_t sim_store_place(const struct sim_store *store, struct span key, size_t i);

/* All keys, one after the other from i = 0; data is NULL behind the last. */
struct span sim_store_key(const struct sim_store *store, size_t i);

#endif

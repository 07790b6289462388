#ifndef HEADGATE_TESTS_SIM_SIM_MUTATION_H
#define HEADGATE_TESTS_SIM_SIM_MUTATION_H

#include <stdbool.h>
#include <stddef.h>

/* Rules that can be broken one at a time, to see that the histories notice: name, what is broken.
 * The scripts' text is changed on its way into the simulated Redis, and calls of the journal are
 * wrapped by the linker; the program that is shipped knows nothing of it. */
#define SIM_MUTATIONS(X)                                                                           \
	X(no_tag, "the compare looks at the sequence alone")                                       \
	X(no_compare, "an append is not compared with the head at all")                            \
	X(no_feed, "an append leaves the feed out now and then")                                   \
	X(partial_batch, "the head moves and the event is left out now and then")                  \
	X(snapshot_apart, "a snapshot is written now and then without its events")                 \
	X(no_verify, "a read is answered whatever the verify says")                                \
	X(early_ack, "a write is answered whatever the append says")                               \
	X(no_window, "nobody looks whether a command was executed before")

enum sim_mutation {
	SIM_NO_MUTATION,
#define X(name, text) SIM_MUTATION_##name,
	SIM_MUTATIONS(X)
#undef X
		SIM_MUTATIONS_
};

/* From now on. */
void sim_mutate(enum sim_mutation mutation);
const char *sim_mutation_name(enum sim_mutation mutation);
const char *sim_mutation_text(enum sim_mutation mutation);

/* It shows only where a tail is lost: every history then has a replica that may take over. */
bool sim_mutation_needs_loss(void);

/* The text that runs in place of a script's, borrowed until the next call. */
const char *sim_mutation_script(const char *source);

/* Frees what the wrapped calls of one history hold. */
void sim_mutation_end(void);

#endif

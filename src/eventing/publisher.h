#ifndef HEADGATE_SRC_EVENTING_PUBLISHER_H
#define HEADGATE_SRC_EVENTING_PUBLISHER_H

#include <stdint.h>

/* Replies of methods with a topic as destination. It stands between the front and the handler of
 * such a call: every reply is published first and answered then, and the call ends when all of its
 * replies were published. For entities that is after the append. A caller who gets no answer does
 * not know whether it was published, as with the append itself; one that asks again has it
 * published again. Spec: cloudstate-protocol 6.4 V2-20, V2-21, S-36. */
struct exchange;
struct feed;
struct loop;
struct metrics;
struct publisher;

struct publisher_params {
	struct loop *loop;
	struct feed *feed;
	struct metrics *metrics; /* may be NULL */
	uint64_t length_max;	 /* of a topic */
};

struct publisher *publisher_new(const struct publisher_params *params);

/* The exchange that the handler is to be given instead: exchange itself, or, when its method
 * publishes, one that does; then exchange is handled. For router_tap. */
struct exchange *publisher_wrap(void *publisher, struct exchange *exchange);

/* Lets go of what is under way, without a word to fronts and handlers. NULL is a no-op. */
void publisher_free(struct publisher *publisher);

#endif

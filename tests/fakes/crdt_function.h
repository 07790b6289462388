#ifndef HEADGATE_TESTS_FAKES_CRDT_FUNCTION_H
#define HEADGATE_TESTS_FAKES_CRDT_FUNCTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/list.h"
#include "tests/fakes/fake_function.h"

/* A user function with CRDT entities within the test's own loop, over a real connection: service
 * test.Shared, messages test.Amount { string id = 1 [key]; int64 amount = 2; }. The value is a
 * PNCounter, or a Vote where the entity id begins with "vote".
 *
 *   Increase  adds 1; replies with the value        Get  replies with the value
 *   Remove    deletes; replies with 0
 *   Watch     streamed: replies with the value, and again after each change. An amount above 0
 *             ends it when the value has reached that. Of a vote: an amount makes it a connection,
 *             with an empty first reply, voting yes until it is cancelled; else it is told
 * votes_for
 *
 * Behaviour by entity id, after "vote" if need be:
 *   hang...    no reply to Increase          end...     completes the stream at Increase
 *   wrong...   reply with an unknown id      garbage... a malformed message at Increase
 *   flag...    a second Increase has a delta of another kind
 *   all...     changes with consistency ALL  deaf...    does not answer a cancellation
 *   early...   watchers hear of an own change before its reply is sent
 *   broken...  Failure message to Increase   fail...    failure action to Increase
 *   effect...  a side effect (Get of "other") with Increase and with each streamed message
 *   goodbye... a side effect (Increase of "other") with the answer to a cancellation
 *   flood...   Watch is answered by 300 messages of 8 KiB
 */
#define CRDT_FUNCTION_WATCHERS 64

struct crdt_function {
	struct fake_function base;
	struct list streams;
	/* what it saw */
	unsigned stream_count;
	unsigned stream_ends; /* half-closed */
	unsigned inits;
	unsigned inits_with_value;
	unsigned deltas;
	unsigned deletes;
	unsigned commands;
	unsigned cancels;
	uint64_t last_id;
	bool was_last_streamed;
	bool is_out_of_order; /* something came where it must not: before init, a delta while
				 something was unanswered, a cancellation twice */
};

/* base is initialised with this spec; passivation_ms 0: the default. */
void crdt_function_init(struct crdt_function *f, struct loop *loop, int64_t passivation_ms);
void crdt_function_fini(struct crdt_function *f);

/* Answers what was left hanging. */
void crdt_function_answer(struct crdt_function *f);

#endif

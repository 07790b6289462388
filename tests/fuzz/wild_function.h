#ifndef HEADGATE_TESTS_FUZZ_WILD_FUNCTION_H
#define HEADGATE_TESTS_FUZZ_WILD_FUNCTION_H

/* A function whose moves are the bytes of an input; towards the entity "good" it behaves. For
 * fuzz_function. Each move is a byte (enum move in the .c; MOVE_MORE: the next follows at once)
 * and its operands, made when a message of the gateway came. When the input is used up the
 * function behaves. */
#include <stdbool.h>
#include <stddef.h>

#include "journal/journal.h"
#include "src/base/list.h"
#include "src/base/span.h"
#include "tests/fakes/fake_function.h"

/* The limit of the gateway under test; one move sends a larger message. */
#define WILD_MESSAGE_BYTES_MAX ((size_t)64 * 1024)

struct fake_crdt_store;
struct fake_journal;
struct loop;

/* Services test.Counter and test.Value { Do }, test.Deed { Do, Out, In, Both } and test.Shared, a
 * CRDT, { Do, Watch }, all over test.Amount { id = 1, the key; claim = 2; kind = 3 }. In a reply:
 * the journal is at sequence claim of that entity when the reply is let go; of a CRDT: so many
 * changes are in the logs. */
enum wild_kind { WILD_EVENTS, WILD_VALUE, WILD_ACTION, WILD_CRDT, WILD_KINDS_ };

struct wild {
	struct fake_function function;
	struct loop *loop;
	struct fake_journal *journal; /* set by the owner, like the next; looked at for claims */
	struct fake_crdt_store *store;
	struct list streams;
	struct span rest;   /* of the input */
	bool moves_at_init; /* of an entity, before its first command */
	bool is_free;	    /* bytes of the input's own were sent: they may claim anything */
	bool is_unsettled;  /* connections were lost, for the good ones too */
};

void wild_start(struct wild *w, struct loop *loop, struct span moves);

/* When nobody calls any more. */
void wild_stop(struct wild *w);

struct journal_key wild_key(enum wild_kind kind, struct span id);

#endif

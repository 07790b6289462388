#ifndef HEADGATE_TESTS_TCK_FUNCTION_C_CRDT_MODEL_H
#define HEADGATE_TESTS_TCK_FUNCTION_C_CRDT_MODEL_H

#include <headgate/crdt.h>

struct Cloudstate__Tck__Model__Crdt__State;
struct Cloudstate__Tck__Model__Crdt__Update;

/* The kind of data that an id or key begins with; 0: none. */
enum headgate_crdt_kind tck_kind_of(const char *id);

/* Does the update. Returns 0, or -1 when the command has failed. */
int tck_crdt_change(struct headgate_context *context, struct headgate_crdt *crdt,
		    const struct Cloudstate__Tck__Model__Crdt__Update *update);

/* The value as a message that lasts until the handler returns; NULL: the command has failed. */
struct Cloudstate__Tck__Model__Crdt__State *tck_crdt_state(struct headgate_context *context,
							   const struct headgate_crdt *crdt);

#endif

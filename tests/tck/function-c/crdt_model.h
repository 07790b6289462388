#ifndef HEADGATE_TESTS_TCK_CRDT_MODEL_H
#define HEADGATE_TESTS_TCK_CRDT_MODEL_H

#include <headgate/crdt.h>

#include "cloudstate/tck/model/crdt.pb-c.h"

typedef Cloudstate__Tck__Model__Crdt__State State;
typedef Cloudstate__Tck__Model__Crdt__Update Update;

/* The kind of data that an id or key begins with; 0: none. */
enum headgate_crdt_kind tck_kind_of(const char *id);

/* Does the update. Returns 0, or -1 when the command has failed. */
int tck_crdt_change(struct headgate_context *context, struct headgate_crdt *crdt,
		    const Update *update);

/* The value as a message that lasts until the handler returns; NULL: the command has failed. */
State *tck_crdt_state(struct headgate_context *context, const struct headgate_crdt *crdt);

#endif

#ifndef HEADGATE_SUPPORT_C_CRDT_TYPE_H
#define HEADGATE_SUPPORT_C_CRDT_TYPE_H

#include "support/c/headgate/crdt.h"

/* A method as declared and as described. */
struct hg_crdt_method {
	const struct headgate_crdt_command *row;
	struct headgate_bytes output_type; /* full name; borrowed from the descriptor set */
};

/* A CRDT entity type: the author's declaration, checked against the service's description. */
struct hg_crdt_type {
	const struct headgate_crdt_entity *entity;
	size_t method_count;
	struct hg_crdt_method methods[];
};

/* Returns 0 and an owned type, or -1 and the reason. descriptor_set is borrowed while it lives. */
int hg_crdt_type_new(const struct headgate_crdt_entity *entity,
		     struct headgate_bytes descriptor_set, struct hg_crdt_type **ret_type,
		     struct headgate_error *err);

void hg_crdt_type_free(struct hg_crdt_type *type);

/* NULL when the type has no such method. */
const struct hg_crdt_method *hg_crdt_type_find(const struct hg_crdt_type *type,
					       struct headgate_bytes name);

#endif

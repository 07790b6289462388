#ifndef HEADGATE_SUPPORT_C_ACTION_TYPE_H
#define HEADGATE_SUPPORT_C_ACTION_TYPE_H

#include "support/c/headgate/function.h"

/* A method as declared and as described. */
struct hg_action_method {
	const struct headgate_action_method *row;
	struct headgate_bytes output_type; /* full name; borrowed from the descriptor set */
	bool client_streaming;
	bool server_streaming;
};

/* A stateless service: the author's declaration, checked against the service's description. */
struct hg_action_type {
	const struct headgate_action *action;
	size_t method_count;
	struct hg_action_method methods[];
};

/* Returns 0 and an owned type, or -1 and the reason. descriptor_set is borrowed while it lives. */
int hg_action_type_new(const struct headgate_action *action, struct headgate_bytes descriptor_set,
		       struct hg_action_type **ret_type, struct headgate_error *err);

void hg_action_type_free(struct hg_action_type *type);

/* NULL when the type has no such method. */
const struct hg_action_method *hg_action_type_find(const struct hg_action_type *type,
						   struct headgate_bytes name);

#endif

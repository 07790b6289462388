#ifndef HEADGATE_SUPPORT_C_TYPE_H
#define HEADGATE_SUPPORT_C_TYPE_H

#include "support/c/headgate/function.h"

/* A method as declared and as described. */
struct hg_method {
	const struct headgate_command *command;
	struct headgate_bytes output_type; /* full name; borrowed from the descriptor set */
};

/* An entity type: the author's declaration, checked against the service's description. */
struct hg_type {
	const struct headgate_entity *entity;
	const struct headgate_value_entity *value; /* NULL: event sourced */
	struct headgate_entity value_as_entity;	   /* what both kinds have; entity points there */
	int64_t snapshot_every;			   /* 0 = never */
	size_t method_count;
	struct hg_method methods[];
};

/* Returns 0 and an owned type, or -1 and the reason. descriptor_set is borrowed while it lives. */
int hg_type_new(const struct headgate_entity *entity, struct headgate_bytes descriptor_set,
		struct hg_type **ret_type, struct headgate_error *err);

int hg_type_new_value(const struct headgate_value_entity *value,
		      struct headgate_bytes descriptor_set, struct hg_type **ret_type,
		      struct headgate_error *err);

void hg_type_free(struct hg_type *type);

/* NULL when the type has no such method. */
const struct hg_method *hg_type_find_method(const struct hg_type *type, struct headgate_bytes name);

/* The row for an event received with that type URL, or emitted as that message; NULL = none. */
const struct headgate_event *hg_type_find_event(const struct hg_type *type,
						struct headgate_bytes type_url);
const struct headgate_event *hg_type_find_event_type(const struct hg_type *type,
						     const ProtobufCMessageDescriptor *message);

#endif

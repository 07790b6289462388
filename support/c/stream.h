#ifndef HEADGATE_SUPPORT_C_STREAM_H
#define HEADGATE_SUPPORT_C_STREAM_H

#include "support/c/buf.h"
#include "support/c/context.h"
#include "support/c/type.h"

/* What entity.c, which leads a stream of either kind, and value.c share. Internal to both. */

struct hg_stream {
	const struct hg_type *const *types;
	size_t type_count;
	const struct hg_type *type; /* NULL until init */
	void *state;
	char *entity_id;
	size_t entity_id_size;
	int64_t sequence;
	/* of a value entity: the undecoded state */
	bool is_value;
	bool has_value;
	struct hg_buf value;
	bool is_stale; /* the state holds events that were dropped */
	bool is_over;
};

/* The state as a handler gets it; NULL when there is none. False: the context has failed. */
bool hg_value_decode(struct headgate_context *context, void **ret_state);

/* Takes what the command did to the state. Nonzero: the context has failed, the state stays. */
int hg_value_commit(struct headgate_context *context) __attribute__((warn_unused_result));

/* Takes the state that init brought. Returns NULL, or what is wrong with it. */
const char *hg_value_begin(struct hg_stream *stream, const struct hg_init *init);

#endif

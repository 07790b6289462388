/* Foreign states and messages of a function. The first byte says how much is a state; what follows
 * it is a message. A state that is taken must come out again as it was, merge with itself into
 * itself, and take the message or leave all as it is. */
#include <stdlib.h>

#include "src/crdt/crdt.h"

#define OUT_MAX ((size_t)64 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever crdt_apply gave must make the other side equal. */
static void apply(struct crdt *crdt, struct crdt *other, struct span message)
{
	struct error err;
	struct buf delta;
	bool is_news;

	buf_init(&delta, OUT_MAX);
	if (crdt_apply(crdt, message, 1000, &delta, &err) == ST_OK && buf_len(&delta) > 0)
		BUG_ON(crdt_merge(other, buf_span(&delta), &err) != ST_OK);
	else
		BUG_ON(buf_len(&delta) > 0);
	BUG_ON(!crdt_is_equal(crdt, other));
	buf_reset(&delta);
	if (crdt_tell(crdt, NULL, &delta, &is_news, &err) == ST_OK)
		BUG_ON(is_news != (buf_len(&delta) > 0));
	buf_fini(&delta);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct crdt *crdt = crdt_new(SPAN_LIT("a:1"));
	struct crdt *other = crdt_new(SPAN_LIT("b:1"));
	struct crdt *anew = crdt_new(SPAN_LIT("c:1"));
	struct crdt_members nobody = {0};
	size_t replicas = 0;
	struct span state;
	struct error err;
	struct buf out;

	if (size > 0) {
		state = span_head(span_make(data + 1, size - 1), data[0]);
		buf_init(&out, OUT_MAX);
		if (crdt_merge(crdt, state, &err) == ST_OK) {
			BUG_ON(!crdt_put_state(crdt, &out));
			BUG_ON(!span_eq(buf_span(&out), state));
			BUG_ON(crdt_merge(crdt, state, &err) != ST_OK);
			BUG_ON(crdt_merge(other, state, &err) != ST_OK);
			BUG_ON(!crdt_is_equal(crdt, other));
		}
		buf_reset(&out);
		BUG_ON(crdt_put_init(crdt, &nobody, &out, &err) != ST_OK);
		apply(crdt, other, span_skip(span_make(data + 1, size - 1), state.len));
		buf_reset(&out);
		BUG_ON(!crdt_put_collapsed(crdt, &out, &replicas));
		BUG_ON(replicas > crdt_replica_count(crdt) + 1);
		BUG_ON(crdt_merge(anew, buf_span(&out), &err) != ST_OK);
		crdt_adopt(crdt, anew);
		anew = NULL;
		buf_fini(&out);
	}
	crdt_free(crdt);
	crdt_free(other);
	crdt_free(anew);
	return 0;
}

/* One entity's data: what is, and what the function knows. Both are values of the same form, the
 * second a copy of the first as of the last telling, with the function's own changes applied to
 * either; the difference is what is still to be told. */
#include "src/crdt/crdt.h"

#include "proto/wire.h"
#include "src/base/mem.h"
#include "src/crdt/crdt_internal.h"

struct crdt {
	struct crdt_atom *self;
	struct crdt_value *state; /* NULL: nobody has written */
	struct crdt_value *told;  /* NULL: the function has no value */
};

struct crdt *crdt_new(struct span replica)
{
	struct crdt *crdt = mem_new(struct crdt);

	BUG_ON(replica.len == 0 || replica.len > CRDT_REPLICA_BYTES_MAX);
	crdt->self = crdt_atom_new(replica, SPAN_EMPTY);
	return crdt;
}

void crdt_free(struct crdt *crdt)
{
	if (!crdt)
		return;
	crdt_value_unref(crdt->state);
	crdt_value_unref(crdt->told);
	crdt_atom_unref(crdt->self);
	mem_free(crdt);
}

enum crdt_kind crdt_kind(const struct crdt *crdt)
{
	return crdt->state ? crdt->state->kind : CRDT_NONE;
}

/* The original says Delta with all kinds but two. */
static enum status incompatible(enum crdt_kind delta, enum crdt_kind state, struct error *err)
{
	bool is_bare = delta == CRDT_ORMAP || delta == CRDT_VOTE;

	return error_set(err, ST_FAILED_PRECONDITION, "%s%s is incompatible with CRDT %s",
			 crdt_kind_name(delta), is_bare ? "" : "Delta", crdt_kind_name(state));
}

static enum status check_apply(const struct crdt *crdt, struct span message,
			       const struct crdt_value *told, enum crdt_kind *ret_kind,
			       size_t *ret_growth, struct error *err)
{
	enum status status = crdt_apply_check(message, ret_kind, ret_growth, err);
	const struct crdt_value *state = crdt->state;

	if (status != ST_OK)
		return status;
	if (state && state->kind != *ret_kind)
		return incompatible(*ret_kind, state->kind, err);
	if (*ret_kind == CRDT_FLAG && told && told->is_on && !crdt_apply_flag(message))
		return error_set(err, ST_INVALID_ARGUMENT,
				 "Cannot switch off already enabled flag");
	/* A message has fewer dots than bytes. Only foreign bytes come near the end. */
	if (state &&
	    crdt_context_last(&state->context, crdt->self) >= CRDT_NUMBER_MAX - 1 - message.len)
		return error_set(err, ST_RESOURCE_EXHAUSTED,
				 "the numbers of this replica are used up");
	return ST_OK;
}

/* Says whether a delta changes anything: an empty one, e.g. of an older register write, does not.
 */
static bool is_nothing(const struct crdt_value *delta)
{
	return delta->slot_count == 0 && delta->entry_count == 0 && delta->context.count == 0 &&
	       !delta->reg.value && !delta->is_on;
}

static enum status put_delta(const struct crdt_value *piece, bool is_first, struct buf *delta,
			     struct error *err)
{
	if (!delta || (!is_first && is_nothing(piece)))
		return ST_OK;
	if (!crdt_format_put(piece, delta))
		return error_set(err, ST_RESOURCE_EXHAUSTED, "no room for a delta of a %s",
				 crdt_kind_name(piece->kind));
	return ST_OK;
}

/* The change of the state alone. told: what the function may say depends on it; may be NULL. */
static enum status apply_state(struct crdt *crdt, struct span message,
			       const struct crdt_value *told, uint64_t now_ms, struct buf *delta,
			       struct error *err)
{
	struct crdt_write write = {.self = crdt->self, .now_ms = now_ms};
	bool is_first = !crdt->state;
	struct crdt_value *next;
	enum crdt_kind kind;
	size_t growth;
	size_t before;
	enum status status = check_apply(crdt, message, told, &kind, &growth, err);

	if (status != ST_OK)
		return status;
	before = is_first ? 0 : crdt_value_bytes(crdt->state);
	/* Where it may not fit, a copy is changed, and thrown away if it does not. */
	if (is_first)
		next = crdt_value_new(kind);
	else if (before + growth > CRDT_BYTES_MAX ||
		 (delta && before + growth > delta->max_bytes - buf_len(delta)))
		next = crdt_value_copy(crdt->state);
	else
		next = crdt_value_ref(crdt->state);
	write.delta = crdt_value_new(kind);
	crdt_apply_message(next, message, &write);
	if (crdt_value_bytes(next) > CRDT_BYTES_MAX && crdt_value_bytes(next) > before)
		status = error_set(err, ST_RESOURCE_EXHAUSTED, "a %s of more than %zu bytes",
				   crdt_kind_name(kind), CRDT_BYTES_MAX);
	if (status == ST_OK)
		status = put_delta(write.delta, is_first, delta, err);
	crdt_value_unref(write.delta);
	if (status != ST_OK) {
		BUG_ON(next == crdt->state);
		crdt_value_unref(next);
		return status;
	}
	crdt_value_unref(crdt->state);
	crdt->state = next;
	return ST_OK;
}

enum status crdt_apply(struct crdt *crdt, struct span message, uint64_t now_ms, struct buf *delta,
		       struct error *err)
{
	struct crdt_write write = {.self = crdt->self, .now_ms = now_ms, .is_told = true};
	enum status status = apply_state(crdt, message, crdt->told, now_ms, delta, err);

	if (status != ST_OK)
		return status;
	if (!crdt->told)
		crdt->told = crdt_value_new(crdt->state->kind);
	crdt_apply_message(crdt->told, message, &write);
	return ST_OK;
}

enum status crdt_apply_anew(struct crdt *crdt, struct span message, uint64_t now_ms,
			    struct buf *delta, struct error *err)
{
	return apply_state(crdt, message, NULL, now_ms, delta, err);
}

static void keep_told(struct crdt *crdt, const struct crdt_voters *voters)
{
	crdt_value_unref(crdt->told);
	crdt->told = crdt_tell_copy(crdt->state, voters);
}

static enum status tell(struct crdt *crdt, const struct crdt_members *members, struct buf *out,
			bool *ret_is_news, struct error *err)
{
	static const struct crdt_members nobody = {0};
	struct crdt_voters voters = {crdt->self, members ? members : &nobody};
	size_t start = buf_len(out);
	struct wire_writer writer;
	enum crdt_change change = CRDT_NEWS;
	bool is_done = true;

	wire_writer_init(&writer, out);
	if (crdt->told)
		change = crdt_tell_change(crdt->told, crdt->state, &voters, &writer);
	else
		crdt_tell_all(crdt->state, &voters, &writer);
	if (change == CRDT_NEWS)
		is_done = wire_finish(&writer);
	wire_writer_fini(&writer);
	if (change != CRDT_NEWS)
		buf_truncate(out, start);
	if (!is_done || out->is_full)
		return error_set(err, ST_RESOURCE_EXHAUSTED, "no room to tell a %s",
				 crdt_kind_name(crdt->state->kind));
	if (change == CRDT_INCOMPATIBLE)
		return error_set(
			err, ST_FAILED_PRECONDITION, "Incompatible CRDT change from %s to %s",
			crdt_kind_name(crdt->told->kind), crdt_kind_name(crdt->state->kind));
	if (change == CRDT_NEWS)
		keep_told(crdt, &voters);
	*ret_is_news = change == CRDT_NEWS;
	return ST_OK;
}

enum status crdt_put_init(struct crdt *crdt, const struct crdt_members *members, struct buf *out,
			  struct error *err)
{
	struct crdt_value *told = crdt->told;
	enum status status;
	bool is_news;

	crdt->told = NULL;
	status = crdt->state ? tell(crdt, members, out, &is_news, err) : ST_OK;
	if (status == ST_OK)
		crdt_value_unref(told);
	else
		crdt->told = told;
	return status;
}

enum status crdt_tell(struct crdt *crdt, const struct crdt_members *members, struct buf *out,
		      bool *ret_is_news, struct error *err)
{
	if (crdt->state)
		return tell(crdt, members, out, ret_is_news, err);
	*ret_is_news = false;
	return ST_OK;
}

static enum status too_big(enum crdt_kind kind, struct error *err)
{
	return error_set(err, ST_RESOURCE_EXHAUSTED, "a %s of more than %zu bytes",
			 crdt_kind_name(kind), 2 * CRDT_BYTES_MAX);
}

/* Where the sum may be too much, a copy is joined, and thrown away if it is. */
static enum status join(struct crdt *crdt, const struct crdt_value *theirs, struct error *err)
{
	struct crdt_value *next;

	if (crdt_value_bytes(crdt->state) + crdt_value_bytes(theirs) <= 2 * CRDT_BYTES_MAX) {
		crdt_value_join(crdt->state, theirs);
		return ST_OK;
	}
	next = crdt_value_copy(crdt->state);
	crdt_value_join(next, theirs);
	if (crdt_value_bytes(next) > 2 * CRDT_BYTES_MAX) {
		crdt_value_unref(next);
		return too_big(theirs->kind, err);
	}
	crdt_value_unref(crdt->state);
	crdt->state = next;
	return ST_OK;
}

enum status crdt_merge(struct crdt *crdt, struct span state, struct error *err)
{
	struct crdt_value *theirs;
	enum status status = crdt_format_read(state, &theirs, err);

	if (status != ST_OK || !theirs)
		return status;
	if (!crdt->state && crdt_value_bytes(theirs) <= 2 * CRDT_BYTES_MAX) {
		crdt->state = theirs;
		return ST_OK;
	}
	if (!crdt->state)
		status = too_big(theirs->kind, err);
	else if (crdt->state->kind != theirs->kind)
		status = error_set(err, ST_FAILED_PRECONDITION,
				   "Incompatible CRDT change from %s to %s",
				   crdt_kind_name(crdt->state->kind), crdt_kind_name(theirs->kind));
	else
		status = join(crdt, theirs, err);
	crdt_value_unref(theirs);
	return status;
}

bool crdt_put_state(const struct crdt *crdt, struct buf *out)
{
	return crdt_format_put(crdt->state, out);
}

bool crdt_is_equal(const struct crdt *a, const struct crdt *b)
{
	struct buf left;
	struct buf right;
	bool is_equal;

	buf_init(&left, 8 * CRDT_BYTES_MAX);
	buf_init(&right, 8 * CRDT_BYTES_MAX);
	is_equal = crdt_format_put(a->state, &left) && crdt_format_put(b->state, &right) &&
		   span_eq(buf_span(&left), buf_span(&right));
	buf_fini(&left);
	buf_fini(&right);
	return is_equal;
}

size_t crdt_bytes(const struct crdt *crdt)
{
	return crdt->state ? crdt_value_bytes(crdt->state) : 0;
}

size_t crdt_replica_count(const struct crdt *crdt)
{
	return crdt_format_replicas(crdt->state);
}

static uint64_t sum(uint64_t a, uint64_t b)
{
	return a + b < a ? UINT64_MAX : a + b;
}

/* Counters become one slot. A vote belongs to its replica, and that may come back: a yes stays. */
static void collapse_slots(struct crdt_value *to, const struct crdt_value *from,
			   struct crdt_write *write)
{
	for (size_t i = 0; i < from->slot_count; i++) {
		const struct crdt_slot *slot = &from->slots[i];
		struct crdt_slot *own;

		if (from->kind == CRDT_VOTE && slot->up & 1) {
			crdt_value_slot(to, slot->site)->up = 1;
		} else if (from->kind != CRDT_VOTE) {
			own = crdt_value_slot(to, write->self);
			own->stamp = write->stamp;
			own->up = sum(own->up, slot->up);
			own->down = sum(own->down, slot->down);
		}
	}
}

/* Everything that somebody wrote, written for the first time by the own replica. */
static struct crdt_value *collapse(const struct crdt_value *value, struct crdt_atom *self,
				   uint64_t stamp)
{
	struct crdt_write write = {.self = self, .stamp = stamp};
	struct crdt_value *to;

	if (value->kind == CRDT_GSET || value->kind == CRDT_FLAG || value->kind == CRDT_LWWREGISTER)
		return crdt_value_copy(value); /* names at most one replica */
	to = crdt_value_new(value->kind);
	collapse_slots(to, value, &write);
	for (size_t i = 0; i < value->entry_count; i++) {
		uint64_t number = crdt_apply_number(to, &write);
		struct crdt_value *inner = NULL;

		if (value->kind == CRDT_ORMAP)
			inner = collapse(crdt_entry_visible(value->entries[i]), self, number);
		crdt_apply_put(to, value->entries[i]->key, inner, number, &write);
		crdt_value_unref(inner);
	}
	return to;
}

bool crdt_put_collapsed(const struct crdt *crdt, struct buf *out, size_t *ret_replicas)
{
	struct crdt_value *to = crdt->state ? collapse(crdt->state, crdt->self, 0) : NULL;
	bool is_done = crdt_format_put(to, out);

	*ret_replicas = crdt_format_replicas(to);
	crdt_value_unref(to);
	return is_done;
}

void crdt_adopt(struct crdt *crdt, struct crdt *from)
{
	crdt_value_unref(crdt->state);
	crdt->state = from->state;
	from->state = NULL;
	crdt_free(from);
}

/* What authors do with values: checked here, done in crdt.c. Values know the handler that runs, so
 * that a mistake fails its command and nothing else. */

#include "support/c/context.h"
#include "support/c/crdt.h"

static const char *name_of(enum headgate_crdt_kind kind)
{
	static const char *const names[] = {"",	    "GCounter", "PNCounter",
					    "GSet", "ORSet",	"LWWRegister",
					    "Flag", "ORMap",	"Vote"};

	return (unsigned)kind < sizeof names / sizeof names[0] ? names[kind] : "";
}

static int fail(const struct headgate_crdt *crdt, enum headgate_code code, const char *problem)
{
	if (crdt->root->context)
		(void)headgate_fail(crdt->root->context, code, "%s: %s", name_of(crdt->kind),
				    problem);
	return -1;
}

static int fail_memory(const struct headgate_crdt *crdt)
{
	return crdt->root->context ? headgate_fail(crdt->root->context, HEADGATE_RESOURCE_EXHAUSTED,
						   "Out of memory")
				   : -1;
}

static bool is_kind(const struct headgate_crdt *crdt, enum headgate_crdt_kind kind)
{
	if (!crdt)
		return false;
	if (crdt->kind == kind)
		return true;
	if (crdt->root->context)
		(void)headgate_fail(crdt->root->context, HEADGATE_INTERNAL,
				    "The data is a %s, not a %s", name_of(crdt->kind),
				    name_of(kind));
	return false;
}

static bool may_change(const struct headgate_crdt *crdt)
{
	if (!crdt->root->may_change)
		(void)fail(crdt, HEADGATE_INTERNAL, "may not be changed here");
	return crdt->root->may_change && !crdt->root->context->has_failed;
}

static bool may_change_kind(const struct headgate_crdt *crdt, enum headgate_crdt_kind kind)
{
	return is_kind(crdt, kind) && may_change(crdt);
}

static bool is_set(const struct headgate_crdt *crdt)
{
	return crdt && (crdt->kind == HEADGATE_GSET || is_kind(crdt, HEADGATE_ORSET));
}

enum headgate_crdt_kind headgate_crdt_kind(const struct headgate_crdt *crdt)
{
	return crdt->kind;
}

/* ---- Counters ---------------------------------------------------------------------------------
 */

static int add(struct headgate_crdt *crdt, int64_t by)
{
	int64_t sum;

	if (__builtin_add_overflow((int64_t)crdt->counter.value, by, &sum) ||
	    __builtin_add_overflow((int64_t)crdt->counter.change, by, &sum))
		return fail(crdt, HEADGATE_OUT_OF_RANGE, "would leave its range");
	hg_crdt_add(crdt, (uint64_t)by);
	return 0;
}

int headgate_gcounter_increment(struct headgate_crdt *crdt, int64_t by)
{
	if (!may_change_kind(crdt, HEADGATE_GCOUNTER))
		return -1;
	if (by < 0)
		return fail(crdt, HEADGATE_INTERNAL, "cannot be decremented");
	if (crdt->counter.value > INT64_MAX) /* others came that far */
		return fail(crdt, HEADGATE_OUT_OF_RANGE, "would leave its range");
	return add(crdt, by);
}

uint64_t headgate_gcounter_value(const struct headgate_crdt *crdt)
{
	return is_kind(crdt, HEADGATE_GCOUNTER) ? crdt->counter.value : 0;
}

int headgate_pncounter_change(struct headgate_crdt *crdt, int64_t by)
{
	return may_change_kind(crdt, HEADGATE_PNCOUNTER) ? add(crdt, by) : -1;
}

int64_t headgate_pncounter_value(const struct headgate_crdt *crdt)
{
	return is_kind(crdt, HEADGATE_PNCOUNTER) ? (int64_t)crdt->counter.value : 0;
}

/* ---- Sets -------------------------------------------------------------------------------------
 */

static bool table_has(const struct headgate_crdt *crdt, struct headgate_any key)
{
	const struct hg_entry *entry = hg_table_find(&crdt->table, key);

	return entry && entry->is_here;
}

static const struct hg_entry *table_next(const struct headgate_crdt *crdt, size_t *cursor)
{
	while (*cursor < crdt->table.count) {
		const struct hg_entry *entry = &crdt->table.entries[(*cursor)++];
		if (entry->is_here)
			return entry;
	}
	return NULL;
}

int headgate_set_add(struct headgate_crdt *crdt, struct headgate_any element)
{
	if (!is_set(crdt) || !may_change(crdt))
		return -1;
	return hg_crdt_insert(crdt, element) ? 0 : fail_memory(crdt);
}

int headgate_set_remove(struct headgate_crdt *crdt, struct headgate_any element)
{
	if (!may_change_kind(crdt, HEADGATE_ORSET))
		return -1;
	hg_crdt_remove(crdt, element);
	return 0;
}

int headgate_set_clear(struct headgate_crdt *crdt)
{
	if (!may_change_kind(crdt, HEADGATE_ORSET))
		return -1;
	hg_crdt_clear(crdt);
	return 0;
}

bool headgate_set_has(const struct headgate_crdt *crdt, struct headgate_any element)
{
	return is_set(crdt) && table_has(crdt, element);
}

size_t headgate_set_size(const struct headgate_crdt *crdt)
{
	return is_set(crdt) ? crdt->table.here_count : 0;
}

bool headgate_set_next(const struct headgate_crdt *crdt, size_t *cursor,
		       struct headgate_any *ret_element)
{
	const struct hg_entry *entry = is_set(crdt) ? table_next(crdt, cursor) : NULL;

	if (!entry)
		return false;
	*ret_element = hg_owned_any_view(&entry->key);
	return true;
}

/* ---- Registers, flags, votes ------------------------------------------------------------------
 */

int headgate_register_set_with_clock(struct headgate_crdt *crdt, struct headgate_any value,
				     enum headgate_clock clock, int64_t clock_value)
{
	if (!may_change_kind(crdt, HEADGATE_LWWREGISTER))
		return -1;
	if ((unsigned)clock > HEADGATE_CLOCK_CUSTOM_AUTO_INCREMENT)
		return fail(crdt, HEADGATE_INTERNAL, "set with no known clock");
	return hg_crdt_assign(crdt, value, clock, clock_value) ? 0 : fail_memory(crdt);
}

int headgate_register_set(struct headgate_crdt *crdt, struct headgate_any value)
{
	return headgate_register_set_with_clock(crdt, value, HEADGATE_CLOCK_DEFAULT, 0);
}

struct headgate_any headgate_register_value(const struct headgate_crdt *crdt)
{
	return is_kind(crdt, HEADGATE_LWWREGISTER) ? hg_owned_any_view(&crdt->lww.value)
						   : (struct headgate_any){{"", 0}, {"", 0}};
}

int headgate_flag_enable(struct headgate_crdt *crdt)
{
	if (!may_change_kind(crdt, HEADGATE_FLAG))
		return -1;
	hg_crdt_enable(crdt);
	return 0;
}

bool headgate_flag_value(const struct headgate_crdt *crdt)
{
	return is_kind(crdt, HEADGATE_FLAG) && crdt->flag;
}

int headgate_vote_set(struct headgate_crdt *crdt, bool vote)
{
	if (!may_change_kind(crdt, HEADGATE_VOTE))
		return -1;
	hg_crdt_vote(crdt, vote);
	return 0;
}

bool headgate_vote_own(const struct headgate_crdt *crdt)
{
	return is_kind(crdt, HEADGATE_VOTE) && crdt->vote.own;
}

uint32_t headgate_vote_votes_for(const struct headgate_crdt *crdt)
{
	return is_kind(crdt, HEADGATE_VOTE) ? crdt->vote.votes_for : 0;
}

uint32_t headgate_vote_voters(const struct headgate_crdt *crdt)
{
	return is_kind(crdt, HEADGATE_VOTE) ? crdt->vote.voters : 0;
}

/* ---- Maps -------------------------------------------------------------------------------------
 */

struct headgate_crdt *headgate_map_put(struct headgate_crdt *crdt, struct headgate_any key,
				       enum headgate_crdt_kind kind)
{
	struct headgate_crdt *value;

	if (!may_change_kind(crdt, HEADGATE_ORMAP))
		return NULL;
	if (!name_of(kind)[0]) {
		(void)fail(crdt, HEADGATE_INTERNAL, "a value of no known kind");
		return NULL;
	}
	if (crdt->depth == HG_CRDT_DEPTH_MAX) {
		(void)fail(crdt, HEADGATE_RESOURCE_EXHAUSTED, "nests too deep");
		return NULL;
	}
	value = hg_crdt_put(crdt, key, kind);
	if (!value)
		(void)fail_memory(crdt);
	return value;
}

struct headgate_crdt *headgate_map_get(const struct headgate_crdt *crdt, struct headgate_any key)
{
	const struct hg_entry *entry =
		is_kind(crdt, HEADGATE_ORMAP) ? hg_table_find(&crdt->table, key) : NULL;

	return entry ? entry->value : NULL;
}

struct headgate_crdt *headgate_map_at(struct headgate_crdt *crdt, struct headgate_any key,
				      enum headgate_crdt_kind kind)
{
	struct headgate_crdt *value = headgate_map_get(crdt, key);

	if (!value)
		return headgate_map_put(crdt, key, kind);
	return is_kind(value, kind) ? value : NULL;
}

int headgate_map_remove(struct headgate_crdt *crdt, struct headgate_any key)
{
	if (!may_change_kind(crdt, HEADGATE_ORMAP))
		return -1;
	hg_crdt_remove(crdt, key);
	return 0;
}

int headgate_map_clear(struct headgate_crdt *crdt)
{
	if (!may_change_kind(crdt, HEADGATE_ORMAP))
		return -1;
	hg_crdt_clear(crdt);
	return 0;
}

size_t headgate_map_size(const struct headgate_crdt *crdt)
{
	return is_kind(crdt, HEADGATE_ORMAP) ? crdt->table.here_count : 0;
}

bool headgate_map_next(const struct headgate_crdt *crdt, size_t *cursor,
		       struct headgate_any *ret_key, struct headgate_crdt **ret_value)
{
	const struct hg_entry *entry =
		is_kind(crdt, HEADGATE_ORMAP) ? table_next(crdt, cursor) : NULL;

	if (!entry)
		return false;
	*ret_key = hg_owned_any_view(&entry->key);
	*ret_value = entry->value;
	return true;
}

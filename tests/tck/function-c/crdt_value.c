#include "tests/tck/function-c/crdt_model.h"

#include <stdlib.h>
#include <string.h>

#include "cloudstate/tck/model/crdt.pb-c.h"

typedef Cloudstate__Tck__Model__Crdt__State State;
typedef Cloudstate__Tck__Model__Crdt__Update Update;

#define UPDATE(NAME) CLOUDSTATE__TCK__MODEL__CRDT__UPDATE__UPDATE_##NAME
#define VALUE(NAME) CLOUDSTATE__TCK__MODEL__CRDT__STATE__VALUE_##NAME
#define SET_ACTION(NAME) CLOUDSTATE__TCK__MODEL__CRDT__ORSET_UPDATE__ACTION_##NAME
#define MAP_ACTION(NAME) CLOUDSTATE__TCK__MODEL__CRDT__ORMAP_UPDATE__ACTION_##NAME

/* A message of that type for the reply: `TYPE *name` in the scratch of the context. */
#define NEW(CONTEXT, TYPE, INIT, NAME)                                                             \
	TYPE *NAME = headgate_alloc(CONTEXT, 1, sizeof(TYPE));                                     \
	if (!(NAME))                                                                               \
		return -1;                                                                         \
	*(NAME) = (TYPE)INIT

enum headgate_crdt_kind tck_kind_of(const char *id)
{
	static const char *const names[] = {
		[HEADGATE_GCOUNTER] = "GCounter-",
		[HEADGATE_PNCOUNTER] = "PNCounter-",
		[HEADGATE_GSET] = "GSet-",
		[HEADGATE_ORSET] = "ORSet-",
		[HEADGATE_LWWREGISTER] = "LWWRegister-",
		[HEADGATE_FLAG] = "Flag-",
		[HEADGATE_ORMAP] = "ORMap-",
		[HEADGATE_VOTE] = "Vote-",
	};

	for (unsigned kind = HEADGATE_GCOUNTER; kind <= HEADGATE_VOTE; kind++)
		if (strncmp(id, names[kind], strlen(names[kind])) == 0)
			return (enum headgate_crdt_kind)kind;
	return 0;
}

/* ---- Updates ----------------------------------------------------------------------------------
 */

static int change_orset(struct headgate_context *context, struct headgate_crdt *crdt,
			const Cloudstate__Tck__Model__Crdt__ORSetUpdate *update)
{
	if (update->action_case == SET_ACTION(ADD))
		return headgate_set_add(crdt, headgate_any_string(context, update->add));
	if (update->action_case == SET_ACTION(REMOVE))
		return headgate_set_remove(crdt, headgate_any_string(context, update->remove));
	return update->action_case == SET_ACTION(CLEAR) ? headgate_set_clear(crdt) : 0;
}

static int change_register(struct headgate_context *context, struct headgate_crdt *crdt,
			   const Cloudstate__Tck__Model__Crdt__LWWRegisterUpdate *update)
{
	struct headgate_any value = headgate_any_string(context, update->value);

	if (!update->clock)
		return headgate_register_set(crdt, value);
	return headgate_register_set_with_clock(crdt, value,
						(enum headgate_clock)update->clock->clock_type,
						update->clock->custom_clock_value);
}

/* A new register holds the empty text. */
static int begin(struct headgate_context *context, struct headgate_crdt *crdt)
{
	if (!crdt)
		return -1;
	if (headgate_crdt_kind(crdt) != HEADGATE_LWWREGISTER ||
	    headgate_register_value(crdt).type_url.size > 0)
		return 0;
	return headgate_register_set(crdt, headgate_any_string(context, ""));
}

static int change_ormap(struct headgate_context *context, struct headgate_crdt *crdt,
			const Cloudstate__Tck__Model__Crdt__ORMapUpdate *update)
{
	struct headgate_crdt *inner;
	const char *key;

	if (update->action_case == MAP_ACTION(CLEAR))
		return headgate_map_clear(crdt);
	if (update->action_case == MAP_ACTION(REMOVE))
		return headgate_map_remove(crdt, headgate_any_string(context, update->remove));
	if (update->action_case == MAP_ACTION(ADD))
		key = update->add;
	else if (update->action_case == MAP_ACTION(UPDATE))
		key = update->update->key;
	else
		return 0;
	inner = headgate_map_at(crdt, headgate_any_string(context, key), tck_kind_of(key));
	if (begin(context, inner))
		return -1;
	return update->action_case == MAP_ACTION(UPDATE) && update->update->update
		       ? tck_crdt_change(context, inner, update->update->update)
		       : 0;
}

int tck_crdt_change(struct headgate_context *context, struct headgate_crdt *crdt,
		    const Update *update)
{
	if (begin(context, crdt))
		return -1;
	switch ((int)update->update_case) {
	case UPDATE(GCOUNTER):
		return headgate_gcounter_increment(crdt, (int64_t)update->gcounter->increment);
	case UPDATE(PNCOUNTER):
		return headgate_pncounter_change(crdt, update->pncounter->change);
	case UPDATE(GSET):
		return headgate_set_add(crdt, headgate_any_string(context, update->gset->add));
	case UPDATE(ORSET):
		return change_orset(context, crdt, update->orset);
	case UPDATE(LWWREGISTER):
		return change_register(context, crdt, update->lwwregister);
	case UPDATE(FLAG):
		return headgate_flag_enable(crdt);
	case UPDATE(ORMAP):
		return change_ormap(context, crdt, update->ormap);
	case UPDATE(VOTE):
		return headgate_vote_set(crdt, update->vote->self_vote);
	default:
		return 0;
	}
}

/* ---- Values -----------------------------------------------------------------------------------
 */

static char *text_of(struct headgate_context *context, struct headgate_any any)
{
	struct headgate_bytes bytes = {NULL, 0};

	if (any.type_url.size > 0 && !headgate_any_get_string(any, &bytes)) {
		(void)headgate_fail(context, HEADGATE_INTERNAL, "the value is no string");
		return NULL;
	}
	char *text = headgate_alloc(context, bytes.size + 1, 1);
	if (text && bytes.size > 0)
		memcpy(text, bytes.data, bytes.size);
	return text;
}

static int compare_texts(const void *one, const void *other)
{
	return strcmp(*(char *const *)one, *(char *const *)other);
}

static int list_elements(struct headgate_context *context, const struct headgate_crdt *crdt,
			 char ***ret_texts, size_t *ret_count)
{
	struct headgate_any element;
	size_t cursor = 0;
	size_t count = 0;
	char **texts = headgate_alloc(context, headgate_set_size(crdt), sizeof *texts);

	if (!texts)
		return -1;
	while (headgate_set_next(crdt, &cursor, &element)) {
		texts[count] = text_of(context, element);
		if (!texts[count++])
			return -1;
	}
	if (count > 0)
		qsort(texts, count, sizeof *texts, compare_texts);
	*ret_texts = texts;
	*ret_count = count;
	return 0;
}

static int fill_counters(struct headgate_context *context, const struct headgate_crdt *crdt,
			 State *state)
{
	if (headgate_crdt_kind(crdt) == HEADGATE_GCOUNTER) {
		NEW(context, Cloudstate__Tck__Model__Crdt__GCounterValue,
		    CLOUDSTATE__TCK__MODEL__CRDT__GCOUNTER_VALUE__INIT, value);
		value->value = headgate_gcounter_value(crdt);
		state->value_case = VALUE(GCOUNTER);
		state->gcounter = value;
		return 0;
	}
	NEW(context, Cloudstate__Tck__Model__Crdt__PNCounterValue,
	    CLOUDSTATE__TCK__MODEL__CRDT__PNCOUNTER_VALUE__INIT, value);
	value->value = headgate_pncounter_value(crdt);
	state->value_case = VALUE(PNCOUNTER);
	state->pncounter = value;
	return 0;
}

static int fill_sets(struct headgate_context *context, const struct headgate_crdt *crdt,
		     State *state)
{
	if (headgate_crdt_kind(crdt) == HEADGATE_GSET) {
		NEW(context, Cloudstate__Tck__Model__Crdt__GSetValue,
		    CLOUDSTATE__TCK__MODEL__CRDT__GSET_VALUE__INIT, value);
		state->value_case = VALUE(GSET);
		state->gset = value;
		return list_elements(context, crdt, &value->elements, &value->n_elements);
	}
	NEW(context, Cloudstate__Tck__Model__Crdt__ORSetValue,
	    CLOUDSTATE__TCK__MODEL__CRDT__ORSET_VALUE__INIT, value);
	state->value_case = VALUE(ORSET);
	state->orset = value;
	return list_elements(context, crdt, &value->elements, &value->n_elements);
}

static int fill_register(struct headgate_context *context, const struct headgate_crdt *crdt,
			 State *state)
{
	NEW(context, Cloudstate__Tck__Model__Crdt__LWWRegisterValue,
	    CLOUDSTATE__TCK__MODEL__CRDT__LWWREGISTER_VALUE__INIT, value);
	value->value = text_of(context, headgate_register_value(crdt));
	state->value_case = VALUE(LWWREGISTER);
	state->lwwregister = value;
	return value->value ? 0 : -1;
}

static int fill_flag(struct headgate_context *context, const struct headgate_crdt *crdt,
		     State *state)
{
	NEW(context, Cloudstate__Tck__Model__Crdt__FlagValue,
	    CLOUDSTATE__TCK__MODEL__CRDT__FLAG_VALUE__INIT, value);
	value->value = headgate_flag_value(crdt);
	state->value_case = VALUE(FLAG);
	state->flag = value;
	return 0;
}

static int fill_vote(struct headgate_context *context, const struct headgate_crdt *crdt,
		     State *state)
{
	NEW(context, Cloudstate__Tck__Model__Crdt__VoteValue,
	    CLOUDSTATE__TCK__MODEL__CRDT__VOTE_VALUE__INIT, value);
	value->self_vote = headgate_vote_own(crdt);
	value->votes_for = (int32_t)headgate_vote_votes_for(crdt);
	value->total_voters = (int32_t)headgate_vote_voters(crdt);
	state->value_case = VALUE(VOTE);
	state->vote = value;
	return 0;
}

static int compare_entries(const void *one, const void *other)
{
	const Cloudstate__Tck__Model__Crdt__ORMapEntryValue *const *a = one;
	const Cloudstate__Tck__Model__Crdt__ORMapEntryValue *const *b = other;

	return strcmp((*a)->key, (*b)->key);
}

static int fill_map(struct headgate_context *context, const struct headgate_crdt *crdt,
		    State *state)
{
	struct headgate_any key;
	struct headgate_crdt *inner;
	size_t cursor = 0;
	NEW(context, Cloudstate__Tck__Model__Crdt__ORMapValue,
	    CLOUDSTATE__TCK__MODEL__CRDT__ORMAP_VALUE__INIT, value);

	state->value_case = VALUE(ORMAP);
	state->ormap = value;
	value->entries = headgate_alloc(context, headgate_map_size(crdt), sizeof *value->entries);
	if (!value->entries)
		return -1;
	while (headgate_map_next(crdt, &cursor, &key, &inner)) {
		NEW(context, Cloudstate__Tck__Model__Crdt__ORMapEntryValue,
		    CLOUDSTATE__TCK__MODEL__CRDT__ORMAP_ENTRY_VALUE__INIT, entry);
		entry->key = text_of(context, key);
		entry->value = tck_crdt_state(context, inner);
		if (!entry->key || !entry->value)
			return -1;
		value->entries[value->n_entries++] = entry;
	}
	if (value->n_entries > 0)
		qsort(value->entries, value->n_entries, sizeof *value->entries, compare_entries);
	return 0;
}

State *tck_crdt_state(struct headgate_context *context, const struct headgate_crdt *crdt)
{
	static int (*const fill[])(struct headgate_context *, const struct headgate_crdt *,
				   State *) = {
		[HEADGATE_GCOUNTER] = fill_counters,
		[HEADGATE_PNCOUNTER] = fill_counters,
		[HEADGATE_GSET] = fill_sets,
		[HEADGATE_ORSET] = fill_sets,
		[HEADGATE_LWWREGISTER] = fill_register,
		[HEADGATE_FLAG] = fill_flag,
		[HEADGATE_ORMAP] = fill_map,
		[HEADGATE_VOTE] = fill_vote,
	};
	State *state = headgate_alloc(context, 1, sizeof *state);

	if (!state)
		return NULL;
	*state = (State)CLOUDSTATE__TCK__MODEL__CRDT__STATE__INIT;
	return fill[headgate_crdt_kind(crdt)](context, crdt, state) ? NULL : state;
}

#include "src/base/list.h"
#include "tests/fakes/fake_journal.h"
#include "tests/fakes/fake_journal_internal.h"

/* What tests look at. */

struct journal_head fake_journal_head(const struct fake_journal *fake,
				      const struct journal_key *key)
{
	struct entity *entity = fake_entity_find(fake, key, false);

	return entity ? entity->head : (struct journal_head){0};
}

struct journal_any fake_journal_event(const struct fake_journal *fake,
				      const struct journal_key *key, uint64_t sequence)
{
	struct entity *entity = fake_entity_find(fake, key, false);
	struct stored *stored = entity ? fake_stored_at(entity, sequence) : NULL;

	return stored ? fake_stored_any(stored) : (struct journal_any){SPAN_EMPTY, SPAN_EMPTY};
}

struct journal_id fake_journal_command(const struct fake_journal *fake,
				       const struct journal_key *key, uint64_t sequence)
{
	struct entity *entity = fake_entity_find(fake, key, false);
	struct stored *stored = entity ? fake_stored_at(entity, sequence) : NULL;

	return stored ? stored->command : (struct journal_id){{0}};
}

uint64_t fake_journal_snapshot(const struct fake_journal *fake, const struct journal_key *key,
			       struct journal_any *ret_snapshot)
{
	struct entity *entity = fake_entity_find(fake, key, false);

	if (!entity || !entity->snapshot)
		return 0;
	if (ret_snapshot)
		*ret_snapshot = fake_stored_any(entity->snapshot);
	return entity->snapshot_sequence;
}

bool fake_journal_state(const struct fake_journal *fake, const struct journal_key *key,
			struct journal_any *ret_state)
{
	struct entity *entity = fake_entity_find(fake, key, false);

	if (!entity || !entity->state)
		return false;
	*ret_state = fake_stored_any(entity->state);
	return true;
}

size_t fake_journal_calls(const struct fake_journal *fake, enum fake_journal_call call)
{
	return fake->calls[call];
}

size_t fake_journal_events_loaded(const struct fake_journal *fake)
{
	return fake->events_loaded;
}

size_t fake_journal_pending(const struct fake_journal *fake)
{
	return fake->pending;
}

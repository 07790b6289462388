#include "journal/journal.h"

#include <string.h>

#include "src/base/hash.h"

void journal_init(struct journal *journal, const struct journal_ops *ops)
{
	journal->ops = ops;
	journal->next_id = 1;
	hash_random(&journal->incarnation, sizeof(journal->incarnation));
}

struct journal_request *journal_load(struct journal *journal, const struct journal_key *key,
				     uint64_t deadline_ns, const struct journal_load_ops *ops,
				     void *data)
{
	return journal->ops->load(journal, key, deadline_ns, ops, data);
}

void journal_load_next(struct journal_request *request)
{
	request->journal->ops->load_next(request);
}

struct journal_request *journal_append(struct journal *journal, const struct journal_append *append,
				       uint64_t deadline_ns, journal_append_fn on_done, void *data)
{
	return journal->ops->append(journal, append, deadline_ns, on_done, data);
}

struct journal_request *journal_get(struct journal *journal, const struct journal_key *key,
				    uint64_t deadline_ns, journal_get_fn on_done, void *data)
{
	return journal->ops->get(journal, key, deadline_ns, on_done, data);
}

struct journal_request *journal_put(struct journal *journal, const struct journal_put *put,
				    uint64_t deadline_ns, journal_append_fn on_done, void *data)
{
	return journal->ops->put(journal, put, deadline_ns, on_done, data);
}

struct journal_request *journal_verify(struct journal *journal, const struct journal_key *key,
				       const struct journal_head *head, uint64_t deadline_ns,
				       journal_verify_fn on_done, void *data)
{
	return journal->ops->verify(journal, key, head, deadline_ns, on_done, data);
}

struct journal_request *journal_window(struct journal *journal, const struct journal_window *window,
				       uint64_t deadline_ns, journal_window_fn on_done, void *data)
{
	return journal->ops->window(journal, window, deadline_ns, on_done, data);
}

struct journal_request *journal_recall(struct journal *journal, const struct journal_recall *recall,
				       uint64_t deadline_ns, journal_recall_fn on_done, void *data)
{
	return journal->ops->recall(journal, recall, deadline_ns, on_done, data);
}

void journal_cancel(struct journal_request *request)
{
	if (request)
		request->journal->ops->cancel(request);
}

struct journal_id journal_new_id(struct journal *journal)
{
	struct journal_id id;
	uint64_t counter = journal->next_id++;

	memcpy(id.bytes, &journal->incarnation, 8);
	for (int i = 0; i < 8; i++)
		id.bytes[8 + i] = (uint8_t)(counter >> (56 - 8 * i));
	return id;
}

bool journal_is_ready(const struct journal *journal, const char **reason)
{
	return journal->ops->is_ready(journal, reason);
}

const char *journal_durability(const struct journal *journal)
{
	return journal->ops->durability(journal);
}

void journal_close(struct journal *journal)
{
	if (journal)
		journal->ops->close(journal);
}

#include "journal/crdt_log.h"

struct journal_request *crdt_log_read(struct crdt_log *log, const struct journal_key *key,
				      struct crdt_log_place after, uint64_t deadline_ns,
				      crdt_log_read_fn on_done, void *data)
{
	return log->ops->read(log, key, after, deadline_ns, on_done, data);
}

struct journal_request *crdt_log_append(struct crdt_log *log, const struct journal_key *key,
					const struct crdt_log_delta *delta, uint64_t deadline_ns,
					crdt_log_done_fn on_done, void *data)
{
	return log->ops->append(log, key, delta, deadline_ns, on_done, data);
}

struct journal_request *crdt_log_delete(struct crdt_log *log, const struct journal_key *key,
					bool wants_all, uint64_t deadline_ns,
					crdt_log_done_fn on_done, void *data)
{
	return log->ops->remove(log, key, wants_all, deadline_ns, on_done, data);
}

struct journal_request *crdt_log_compact(struct crdt_log *log, const struct journal_key *key,
					 const struct crdt_log_merged *merged, uint64_t deadline_ns,
					 crdt_log_done_fn on_done, void *data)
{
	return log->ops->compact(log, key, merged, deadline_ns, on_done, data);
}

struct crdt_watch *crdt_log_watch(struct crdt_log *log, const struct journal_key *key,
				  crdt_log_news_fn on_news, void *data)
{
	return log->ops->watch(log, key, on_news, data);
}

void crdt_log_ack(struct crdt_log *log, uint64_t ack)
{
	log->ops->ack(log, ack);
}

void crdt_log_unwatch(struct crdt_watch *watch)
{
	if (watch)
		watch->log->ops->unwatch(watch);
}

void crdt_log_close(struct crdt_log *log)
{
	if (log)
		log->ops->close(log);
}

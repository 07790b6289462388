#include "journal/feed.h"

#include "journal/key.h"
#include "src/base/hash.h"

_Static_assert(FEED_PARTITIONS == KEY_PARTITIONS, "a feed has the journal's partitions");

unsigned feed_topic_partition(struct span topic)
{
	return (unsigned)(hash_stable(topic) % KEY_PARTITIONS);
}

struct feed_request *feed_read(struct feed *feed, const struct feed_source *source,
			       const struct feed_checkpoint *after, size_t count,
			       feed_page_fn on_page, void *data)
{
	return feed->ops->read(feed, source, after, count, on_page, data);
}

struct feed_request *feed_fetch(struct feed *feed, const struct feed_source *source,
				const struct feed_entry *entry, uint64_t sequence,
				feed_message_fn on_message, void *data)
{
	return feed->ops->fetch(feed, source, entry, sequence, on_message, data);
}

struct feed_request *feed_load_checkpoint(struct feed *feed, const struct feed_source *source,
					  struct span consumer, feed_checkpoint_fn on_loaded,
					  void *data)
{
	return feed->ops->load_checkpoint(feed, source, consumer, on_loaded, data);
}

struct feed_request *feed_store_checkpoint(struct feed *feed, const struct feed_source *source,
					   struct span consumer,
					   const struct feed_checkpoint *checkpoint,
					   feed_done_fn on_done, void *data)
{
	return feed->ops->store_checkpoint(feed, source, consumer, checkpoint, on_done, data);
}

struct feed_request *feed_accept_regression(struct feed *feed, const struct feed_source *source,
					    struct span consumer, feed_done_fn on_done, void *data)
{
	return feed->ops->accept_regression(feed, source, consumer, on_done, data);
}

struct feed_request *feed_add(struct feed *feed, const struct feed_addition *addition,
			      feed_done_fn on_done, void *data)
{
	return feed->ops->add(feed, addition, on_done, data);
}

void feed_cancel(struct feed *feed, struct feed_request *request)
{
	if (request)
		feed->ops->cancel(feed, request);
}

void feed_close(struct feed *feed)
{
	if (feed)
		feed->ops->close(feed);
}

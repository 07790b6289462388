/* Consumers of events and publication of replies: their limits, and what they are made of. */
#include "src/eventing/eventing.h"

#include "journal/feed.h"
#include "journal/redis/redis_feed.h"
#include "src/config/config.h"
#include "src/eventing/publisher.h"
#include "src/router/router.h"
#include "src/server/server_internal.h"

void server_open_eventing(struct server *server)
{
	const struct config *config = server->config;
	struct publisher_params publisher;
	struct eventing_params eventing;

	server->feed = redis_feed_open(server->loop, server->journal, config->journal_deadline_ms);
	publisher = (struct publisher_params){
		.loop = server->loop,
		.feed = server->feed,
		.metrics = server->metrics,
		.length_max = config->topic_max_length,
	};
	server->publisher = publisher_new(&publisher);
	router_tap(server->router, publisher_wrap, server->publisher);
	eventing = (struct eventing_params){
		.loop = server->loop,
		.feed = server->feed,
		.journal = server->journal,
		.members = server->members,
		.userfn = server->userfn,
		.router = server->router,
		.metrics = server->metrics,
		.limits =
			{
				.parallel_max = config->eventing_parallel,
				.attempts_max = (unsigned)config->eventing_attempts,
				.backoff_min_ms = config->eventing_backoff_min_ms,
				.backoff_max_ms = config->eventing_backoff_max_ms,
				.timeout_ms = config->eventing_timeout_ms,
				.poll_max_ms = config->eventing_poll_max_ms,
				.dead_letters_max = config->eventing_dead_letters_max,
			},
	};
	server->eventing = eventing_new(&eventing);
}

/* Looking at a consumer puts its lag into its metric. */
void server_note_eventing(struct server *server)
{
	struct consumer_state state;

	for (size_t i = 0; i < eventing_count(server->eventing); i++)
		eventing_state(server->eventing, i, &state);
}

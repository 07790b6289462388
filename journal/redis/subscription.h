#ifndef HEADGATE_JOURNAL_REDIS_SUBSCRIPTION_H
#define HEADGATE_JOURNAL_REDIS_SUBSCRIPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/span.h"

/* A second connection to Redis that only listens, for a connection in subscribe mode takes no other
 * commands. It opens itself again; what was published meanwhile is gone, and on_live says when. */
struct loop;
struct error;
struct redis_url;
struct subscription;

/* Channels of one subscription. */
#define SUBSCRIPTION_CHANNELS ((size_t)2)

struct subscription_params {
	const struct redis_url *url;		     /* copied */
	const struct address *address;		     /* copied; NULL: the URL's */
	const char *channels[SUBSCRIPTION_CHANNELS]; /* copied; NULL: fewer */
	uint64_t timeout_ms; /* asked whether it is there after so much silence, closed after twice
			      */
	uint64_t backoff_min_ms;
	uint64_t backoff_max_ms;
};

struct subscription_ops {
	/* From now on everything is heard. */
	void (*on_live)(void *data);
	/* Both are borrowed until the callback returns. */
	void (*on_message)(void *data, struct span channel, struct span text);
	/* Was live and is not any more, or an attempt failed. */
	void (*on_down)(void *data, const struct error *error);
};

/* Connects at once. Callbacks may not close it. */
struct subscription *subscription_open(struct loop *loop, const struct subscription_params *params,
				       const struct subscription_ops *ops, void *data);

/* Where it connects to from the next time on. */
void subscription_aim(struct subscription *subscription, const struct address *address);

/* Another server: connects there, at once. Not from inside a callback. */
void subscription_move(struct subscription *subscription, const struct address *address);

/* NULL is a no-op. */
void subscription_close(struct subscription *subscription);

bool subscription_is_live(const struct subscription *subscription);

/* Why it is not, one sentence; borrowed until the next callback. */
const char *subscription_reason(const struct subscription *subscription);

#endif

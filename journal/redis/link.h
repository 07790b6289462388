#ifndef HEADGATE_JOURNAL_REDIS_LINK_H
#define HEADGATE_JOURNAL_REDIS_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/error.h"
#include "src/runtime/address.h"
#include "src/runtime/timer.h"

/* A stream of replies from one server that opens itself again, whatever is said on it: what the
 * connection for commands, the subscription and the questions to sentinels share. */
struct buf;
struct loop;
struct redisReply;
struct resp;
struct stream;
struct tls_params;

enum link_state { LINK_STOPPED, LINK_CONNECTING, LINK_OPEN, LINK_WAITING };

struct link_params {
	const struct tls_params *tls; /* borrowed; NULL: plain */
	struct address address;
	size_t reply_bytes_max;
	uint64_t connect_timeout_ms;
	uint64_t backoff_min_ms;
	uint64_t backoff_max_ms;
};

/* Callbacks may drop, stop, start and move the link, but release nothing around it. */
struct link_ops {
	/* Connected; the first thing to be said. */
	void (*on_open)(void *data);
	/* As of a stream. */
	void (*on_produce)(void *data, struct buf *out);
	/* Bytes came, and replies may follow from them. May be NULL. */
	void (*on_heard)(void *data);
	/* Borrowed until the callback returns. */
	void (*on_reply)(void *data, const struct redisReply *reply);
	/* Broke, or could not be opened; tried again after the backoff. */
	void (*on_down)(void *data, const struct error *error);
};

struct link {
	struct loop *loop_;
	struct link_params params_;
	const struct link_ops *ops_;
	void *data_;
	enum link_state state; /* read only */
	struct stream *stream_;
	struct resp *resp_;
	struct timer retry_timer_;
	uint64_t backoff_ms_;
	bool is_kept_;
	unsigned attempt_; /* counts streams: a callback may end one and open the next */
};

/* Starts nothing yet. */
void link_init(struct link *link, struct loop *loop, const struct link_params *params,
	       const struct link_ops *ops, void *data);
void link_fini(struct link *link);

/* Connects now, and whenever it breaks. Harmless when started. */
void link_start(struct link *link);

/* Closes and stays closed. Without a callback. */
void link_stop(struct link *link);

/* Where it connects to from the next time on. */
void link_aim(struct link *link, const struct address *address);

/* Closes, calls on_down, and connects again later: after the backoff, or when only a person can
 * change what is wrong, is_slow, after a second. Harmless when it is not connecting or open. */
void link_drop(struct link *link, bool is_slow, const struct error *why);

/* All is well: the next backoff is the shortest. */
void link_calm(struct link *link);

/* Within on_reply: the reply is the caller's from now on, who releases it with resp_reply_free. */
void link_keep(struct link *link);

/* While open. */
void link_want_write(struct link *link);

#endif

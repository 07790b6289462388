#ifndef HEADGATE_JOURNAL_REDIS_CONNECTION_H
#define HEADGATE_JOURNAL_REDIS_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal/redis/command.h"
#include "journal/redis/url.h"

/* One pipelined connection to Redis that opens itself again. Everything given to it in one turn of
 * the loop leaves in one write, so Redis makes it durable with one fsync. Replies are matched by
 * order; when the connection breaks, everything without a reply comes back by on_lost, and its
 * owner knows from command->sent whether it may have been executed.
 *
 * With replicas_ack a WAIT follows what was sent in a turn, and nothing else until its answer is
 * there: Redis does not look at a connection that waits, and what gathers meanwhile shares the next
 * one. WAIT speaks of the last write of its own connection, and replicas take writes in order, so
 * it speaks of all that went before on it. */
struct loop;
struct error;
struct redis_connection;

struct redis_connection_params {
	const struct redis_url *url;   /* borrowed for as long as the connection lives */
	const struct address *address; /* copied; NULL: the URL's */
	const char *namespace_text;    /* copied */
	uint64_t command_timeout_ms;   /* nothing heard for so long while a reply is due: closed */
	uint64_t backoff_min_ms;
	uint64_t backoff_max_ms;
	unsigned replicas_ack; /* so many replicas must have what is_ack_wanted says; 0: none */
	uint64_t ack_timeout_ms;
	size_t pipeline_max;   /* commands sent and not answered; further ones wait here */
	bool is_of_cluster;    /* greeted without a word on the journal: it may be elsewhere */
	bool is_loss_expected; /* the journal lives in the server's memory: empty after a restart */
	bool is_guest;	       /* no journal is made where there is none */
};

struct redis_connection_ops {
	/* Commands may be given. */
	void (*on_ready)(void *data);
	/* Was ready and is not any more. commands: those without a reply, in the order they were
	 * given; the callee takes all of them out of the list. error: why. ST_OUT_OF_RANGE: the
	 * reply to the first of them was too large. */
	void (*on_lost)(void *data, struct list *commands, const struct error *error);
	/* An attempt failed: redis_connection_reason says why. */
	void (*on_refused)(void *data, const struct error *error);
};

/* Starts nothing yet. */
struct redis_connection *redis_connection_new(struct loop *loop,
					      const struct redis_connection_params *params,
					      const struct redis_connection_ops *ops, void *data);

/* Lets go of its commands without a callback. NULL is a no-op. */
void redis_connection_free(struct redis_connection *connection);

/* Connects now and whenever it breaks. Harmless when started. */
void redis_connection_start(struct redis_connection *connection);

/* Closes and stays closed; commands come back by on_lost. */
void redis_connection_stop(struct redis_connection *connection, const struct error *why);

/* While stopped: connects there from now on. */
void redis_connection_aim(struct redis_connection *connection, const struct address *address);

/* Only while ready. The command must stay in place until its reply or on_lost. */
void redis_connection_send(struct redis_connection *connection, struct redis_command *command);

/* Takes back a command of which nothing was sent yet; false when it is too late. */
bool redis_connection_unsend(struct redis_command *command);

/* Closes and connects again after the backoff: this server is not the one to talk to. May be called
 * from on_reply. */
void redis_connection_drop(struct redis_connection *connection, const struct error *why);

bool redis_connection_is_ready(const struct redis_connection *connection);

/* Why it is not ready, one sentence; borrowed until the next callback. */
const char *redis_connection_reason(const struct redis_connection *connection);

/* Of the server it is, or was last, connected to. */
const char *redis_connection_durability(const struct redis_connection *connection);

#endif

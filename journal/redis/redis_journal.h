#ifndef HEADGATE_JOURNAL_REDIS_REDIS_JOURNAL_H
#define HEADGATE_JOURNAL_REDIS_REDIS_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/span.h"
#include "src/base/status.h"

/* The journal over Redis: one connection per server with pipelined
 * requests, opened again when it breaks. */
struct loop;
struct metrics;
struct error;
struct journal;
struct tls_params;

struct redis_journal_params {
	const char *url;	  /* "redis://[user[:password]@]host[:port]", "unix:PATH" or
				     "embedded:DIR" */
	const char *namespace_id; /* goes into every key, percent-encoded */
	const char *durability;	  /* embedded: "always", "everysec" or "memory" */
	const char *redis_server; /* embedded: the program, default "redis-server" */
	uint64_t
		command_timeout_ms; /* then the connection is closed and the request resent; 1000 */
	const char *sentinel_user;  /* for the sentinels; NULL: none */
	const char *sentinel_password;
	const char *password; /* instead of the URL's; NULL: none of its own */
	/* For rediss://; the strings are borrowed until the journal is closed. NULL: the CAs of the
	 * system. */
	const struct tls_params *tls;
	uint64_t lock_timeout_ms;      /* embedded: how long a held lock is waited for; 0: 10 s */
	size_t pipeline_max;	       /* commands without a reply; further ones wait; 0: 1024 */
	const char *salvage_directory; /* NULL: the embedded journal's, else where we run */
	unsigned replicas_ack;	 /* replicas that must have a write before it counts; 0: none */
	uint64_t ack_timeout_ms; /* how long they are waited for; too few: outcome unknown */
	size_t max_pending;	 /* requests waiting at all; more get ST_RESOURCE_EXHAUSTED */
	uint64_t backoff_min_ms;
	uint64_t backoff_max_ms;
	bool is_attached; /* embedded: another process of ours runs the server; never fatal */
	struct metrics *metrics; /* borrowed; may be NULL */
	bool is_guest; /* a tool: a namespace without a journal is an error, none is made */
};

/* How the reason begins why a guest is not ready when there is no journal. */
#define REDIS_JOURNAL_NONE "there is no journal"

/* Called on every change of readiness. */
typedef void (*redis_journal_state_fn)(void *data);

/* Starts connecting (and the child, for embedded:) and returns; readiness follows. Strings are
 * copied. Errors: ST_INVALID_ARGUMENT bad URL, ST_FAILED_PRECONDITION bad files of TLS,
 * ST_NOT_FOUND no redis-server program. */
MUST_CHECK enum status redis_journal_open(struct loop *loop,
					  const struct redis_journal_params *params,
					  redis_journal_state_fn on_state, void *data,
					  struct journal **ret_journal, struct error *err);

/* Acknowledged writes of a type in a partition are gone: reported, and kept in a salvage file. Who
 * has entities of it in memory lets go of them. */
typedef void (*redis_journal_regressed_fn)(void *data, unsigned partition, struct span type);
void redis_journal_on_regressed(struct journal *journal, redis_journal_regressed_fn on_regressed,
				void *data);

/* Why this journal will never be ready again, so that the program should end: the embedded
 * journal's lock stayed held for 10 s, redis-server vanished, its data is damaged. NULL while there
 * is hope. on_state is called when it appears. Borrowed until the journal is closed. */
const struct error *redis_journal_fatal(const struct journal *journal);

#endif

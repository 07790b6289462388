#ifndef HEADGATE_JOURNAL_REDIS_GREETING_H
#define HEADGATE_JOURNAL_REDIS_GREETING_H

#include <stdbool.h>

#include "journal/redis/command.h"
#include "journal/redis/url.h"
#include "src/base/error.h"
#include "src/base/list.h"

/* What is said on a new connection before it may be used, as a machine without I/O: who we are, the
 * scripts, how durable this Redis is, whether it holds the journal we know, and whether we may
 * append to it. Everything leaves in one write; only a journal that does not exist yet takes more.
 */

/* Hexadecimal text of a journal's creation id. */
#define GREETING_CREATED_MAX 33

enum greeting_state { GREETING_PENDING, GREETING_DONE, GREETING_FAILED };

struct greeting {
	enum greeting_state state; /* read only */
	bool is_slow;		   /* read only; failed in a way that only a person can change */
	struct error error;	   /* read only; why it failed */
	const char *durability;	   /* read only; "always", "everysec", "memory", "unknown" */
	char created[GREETING_CREATED_MAX]; /* read only; of the journal that is there */
	struct list to_send;		    /* struct redis_command; the caller takes them */
	unsigned awaited_;
	bool is_meta_good_;
	const struct redis_url *url_; /* borrowed */
	const char *namespace_text_;  /* borrowed */
	const char *seen_;	      /* borrowed; creation id seen before, "" for none */
	bool is_guest_;
	struct redis_command auth_;
	struct redis_command select_;
	struct greeting_load {
		struct redis_command command;
		struct greeting *greeting;
	} loads_[REDIS_SCRIPTS_LOADED_];
	struct redis_command config_;
	struct redis_command meta_;
	struct redis_command scan_;
	struct redis_command probe_;
};

/* Puts the first commands into to_send. seen: the creation id this process knows, or "". is_guest:
 * no journal is made where there is none. */
void greeting_start(struct greeting *greeting, const struct redis_url *url,
		    const char *namespace_text, const char *seen, bool is_guest);

/* Unlinks and releases the commands. Accepts a zeroed greeting. */
void greeting_fini(struct greeting *greeting);

/* Makes command the append that nobody expects to succeed: it runs every check of a real one,
 * rights and disk included, and writes nothing. greeting_probe_reply: ST_OK when appends would
 * pass, or would only be refused for a reason that leaves reading useful (memory, replicas). */
void greeting_probe(struct redis_command *command, const char *namespace_text);
MUST_CHECK enum status greeting_probe_reply(struct redis_command *command,
					    const struct redisReply *reply, bool *ret_is_again,
					    struct error *err);

#endif

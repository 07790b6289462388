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

/* MISSING: there is no journal here, and it must be seen whether the other servers hold any of its
 * keys. */
enum greeting_state { GREETING_PENDING, GREETING_DONE, GREETING_FAILED, GREETING_MISSING };

enum greeting_kind {
	GREETING_OF_JOURNAL,
	GREETING_OF_GUEST,   /* no journal is made where there is none */
	GREETING_OF_CLUSTER, /* says nothing of the journal, which is the whole cluster's */
	GREETING_OF_META,    /* says nothing else, to the server that has its meta key */
};

struct greeting {
	enum greeting_state state; /* read only */
	bool is_slow;		   /* read only; failed in a way that only a person can change */
	struct error error;	   /* read only; why it failed */
	const char *durability;	   /* read only; "always", "everysec", "memory", "unknown" */
	char created[GREETING_CREATED_MAX]; /* read only; of the journal that is there */
	unsigned replicas_ack; /* so many must have what was written here; after greeting_start */
	struct list to_send;   /* struct redis_command; the caller takes them */
	unsigned awaited_;
	bool is_meta_good_;
	const struct redis_url *url_; /* borrowed */
	const char *namespace_text_;  /* borrowed */
	const char *seen_;	      /* borrowed; creation id seen before, "" for none */
	enum greeting_kind kind_;
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

/* Puts the first commands into to_send. seen: the creation id this process knows, or "". */
void greeting_start(struct greeting *greeting, const struct redis_url *url,
		    const char *namespace_text, const char *seen, enum greeting_kind kind);

/* MISSING, and no other server has any keys: makes the journal. */
void greeting_create(struct greeting *greeting);
/* The command that looks for keys of a namespace, and its reply: the next cursor, or "" when some
 * are there. */
void greeting_scan(struct redis_command *command, const char *namespace_text, const char *cursor);
MUST_CHECK enum status greeting_scan_reply(const struct redisReply *reply, char *ret_cursor,
					   size_t size, struct error *err);

/* Unlinks and releases the commands. Accepts a zeroed greeting. */
void greeting_fini(struct greeting *greeting);

/* Makes command the append that nobody expects to succeed: it runs every check of a real one,
 * rights and disk included, and writes nothing. slot: where, or SLOT_ANY. greeting_probe_reply:
 * ST_OK when appends would pass, or would only be refused for a reason that leaves reading useful
 * (memory, replicas). */
void greeting_probe(struct redis_command *command, const char *namespace_text, unsigned slot);
MUST_CHECK enum status greeting_probe_reply(struct redis_command *command,
					    const struct redisReply *reply, bool *ret_is_again,
					    struct error *err);

#endif

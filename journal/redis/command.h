#ifndef HEADGATE_JOURNAL_REDIS_COMMAND_H
#define HEADGATE_JOURNAL_REDIS_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/buf.h"
#include "src/base/list.h"
#include "src/base/span.h"

/* A command as it goes over the wire, and who gets its reply. Embedded in a request, which owns it;
 * the connection links it while it is to be sent or awaits its reply. */
struct redisReply;
struct journal_append;
struct journal_put;
struct key_names;

struct redis_command {
	struct list node;
	/* The reply; borrowed until the callback returns. */
	void (*on_reply)(struct redis_command *command, const struct redisReply *reply);
	struct buf text;    /* all of it, sent or not */
	size_t sent;	    /* bytes handed to the stream */
	uint64_t sent_ns;   /* when the last of them were */
	bool is_ack_wanted; /* its reply comes when replicas were waited for, or with an error */
	long long acks;	    /* how many had it then; -1: Redis did not say */
	struct redisReply *kept_; /* the connection's, meanwhile */
	bool is_asking;		  /* text begins with ASKING, whose reply comes before */
	bool is_asked;		  /* and has come */
};

/* Everything zero but the callback. */
void redis_command_init(struct redis_command *command,
			void (*on_reply)(struct redis_command *, const struct redisReply *));
void redis_command_fini(struct redis_command *command);

static inline size_t redis_command_len(const struct redis_command *command)
{
	return buf_len(&command->text);
}

/* Each fills text anew. The arguments are C strings, up to the first NULL. */
void redis_command_words(struct redis_command *command, const char *const *words);

/* The same of any bytes. Together at most what the largest append has. */
void redis_command_spans(struct redis_command *command, const struct span *words, size_t count);

/* EVALSHA of append.lua. */
void redis_command_append(struct redis_command *command, const struct key_names *names,
			  const struct journal_append *append, uint64_t wall_ms);

/* EVALSHA of put.lua. */
void redis_command_put(struct redis_command *command, const struct key_names *names,
		       const struct journal_put *change);

/* The scripts beside meta.lua, which is no EVALSHA. */
enum redis_script {
	REDIS_SCRIPT_APPEND,
	REDIS_SCRIPT_CLAIM,
	REDIS_SCRIPT_CRDT_APPEND,
	REDIS_SCRIPT_CRDT_COMPACT,
	REDIS_SCRIPT_CRDT_DELETE,
	REDIS_SCRIPT_CRDT_READ,
	REDIS_SCRIPT_FEED_ACCEPT,
	REDIS_SCRIPT_FEED_EVENT,
	REDIS_SCRIPT_FEED_READ,
	REDIS_SCRIPT_MEMBERS,
	REDIS_SCRIPT_PUT,
	REDIS_SCRIPT_RECALL,
	REDIS_SCRIPT_TAIL,
	REDIS_SCRIPT_WINDOW,
	/* Those of the tools, and one asked once: a gateway does not load them. */
	REDIS_SCRIPT_ADMIN_ERASE,
	REDIS_SCRIPT_ADMIN_IMPORT,
	REDIS_SCRIPT_ADMIN_REPAIR,
	REDIS_SCRIPT_ADMIN_TRUNCATE,
	REDIS_SCRIPT_SECRET,
	REDIS_SCRIPTS_,
	REDIS_SCRIPTS_LOADED_ = REDIS_SCRIPT_ADMIN_ERASE
};

/* EVALSHA of a script. */
void redis_command_script(struct redis_command *command, enum redis_script script,
			  const struct span *keys, size_t key_count, const struct span *args,
			  size_t arg_count);

/* All fields of a head, and a write behind it that replicas are waited for: EVALSHA of claim.lua.
 */
void redis_command_claim(struct redis_command *command, struct span head_key, struct span claim_key,
			 uint64_t incarnation);

/* HMGET of the head: s g x, and the other fields too when not is_verify. */
void redis_command_head(struct redis_command *command, struct span head_key, bool is_verify);

/* XRANGE of the events first..last, at most count of them. */
void redis_command_events(struct redis_command *command, struct span events_key, uint64_t first,
			  uint64_t last, size_t count);

/* Puts ASKING before the command: the server shall take this one although the slot is not its own
 * yet; or takes it away again. */
void redis_command_ask(struct redis_command *command, bool is_asking);

/* Turns the EVALSHA of a command into EVAL with the script's source. */
void redis_command_to_eval(struct redis_command *command);

/* A script as SCRIPT LOAD takes it, and the name Redis must give it. */
const char *redis_script_source(enum redis_script script);
const char *redis_script_sha(enum redis_script script);
const char *redis_script_meta_source(void);

#endif

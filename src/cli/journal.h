#ifndef HEADGATE_SRC_CLI_JOURNAL_H
#define HEADGATE_SRC_CLI_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal/admin.h"
#include "journal/journal.h"
#include "src/base/arena.h"
#include "src/base/buf.h"
#include "src/base/error.h"
#include "src/cli/command.h"
#include "src/config/config.h"

/* What the commands of headgate journal share: their arguments, the open journal, the walk over all
 * entities. Each command is one function that gives an exit code; the manual is
 * headgate-journal(1). */
struct loop;
struct schema;
struct userfn;

#define JOURNAL_POSITIONALS_MAX ((size_t)3)

struct journal_args {
	const char *url;
	const char *namespace_id;
	const char *config;
	const char *timeout;
	const char *descriptors;
	const char *prefix;
	const char *after;
	const char *limit;
	const char *from;
	const char *to;
	const char *reason;
	const char *before;
	const char *keep;
	const char *at;
	const char *call;
	const char *repair;
	bool is_json;
	bool is_raw;
	bool is_check;
	bool is_all;
	bool wants_erased;
	bool wants_rewrite;
	bool is_topic;
	bool accepts;				    /* a regression */
	const char *words[JOURNAL_POSITIONALS_MAX]; /* TYPE, TYPE/ID, FILE, ... */
	size_t word_count;
};

/* An open journal. */
struct tool {
	const struct journal_args *args;
	struct config config;
	struct loop *loop;
	struct journal *journal;
	struct admin *admin;
	const char *directory; /* embedded: where it is; NULL otherwise */
	struct schema *schema; /* NULL: payloads are shown in base64 */
	struct userfn *userfn; /* opened when it is asked */
	struct arena page;     /* of what is looked at; reset with every next */
	struct buf out;	       /* what is to be printed */
	struct error err;      /* why a command fails */
	char directory_[4096];
};

/* What the commands look for among the arguments. */
bool tool_number(const char *text, uint64_t fallback, uint64_t *ret_number);
/* TYPE or TYPE/ID; false when it is neither, or has no id and must have one. */
bool tool_key(const char *text, struct journal_key *ret_key, bool *ret_has_id);

/* 0, or the exit code with tool->err. may_create: a namespace without a journal gets one. */
int tool_open(struct tool *tool, const struct journal_args *args, bool may_create);
void tool_close(struct tool *tool);
/* Says tool->err on standard error. */
int tool_fail(struct tool *tool);
/* Prints what is in out; false when that failed, with tool->err. */
bool tool_flush(struct tool *tool);
/* Asks the user function of the configuration what it is. False, with tool->err: it did not say. */
bool tool_discover(struct tool *tool, uint64_t wait_ms);
/* The types for payloads: --descriptors, or what the function says of itself. Only an unreadable
 * file is an error. */
enum status tool_load_schema(struct tool *tool);
/* Lets the loop run for so long. */
void tool_wait(struct tool *tool, uint64_t wait_ms);

/* ---- all entities -----------------------------------------------------------------------------
 */
struct tool_type {
	struct span type;
	uint64_t has_index; /* a bit for each partition */
	uint64_t has_erased;
	uint64_t has_feed;
	size_t crdts;
};

struct tool_crdt {
	struct span type;
	struct span id;
	unsigned partition;
};

/* Types, and the names of CRDTs, which have no index; both sorted. */
struct catalogue {
	struct arena arena;
	struct tool_type *types;
	size_t type_count;
	size_t type_cap;
	struct tool_crdt *crdts;
	size_t crdt_count;
	size_t crdt_cap;
};

enum status catalogue_load(struct tool *tool, struct catalogue *ret_catalogue);
void catalogue_fini(struct catalogue *catalogue);
/* For those who scan themselves. */
void catalogue_init(struct catalogue *catalogue);
enum status catalogue_add(struct catalogue *catalogue, const struct admin_name *name,
			  struct error *err);
void catalogue_sort(struct catalogue *catalogue);

struct tool_entity {
	struct journal_key key;
	unsigned partition;
	enum admin_sort sort; /* ADMIN_HEAD, ADMIN_ERASED or ADMIN_CRDT */
};

struct tool_walk {
	struct span type; /* data NULL: all */
	struct span prefix;
	struct span after; /* id; data NULL: from the beginning. Only with a type */
	bool skips_erased;
	/* ST_CANCELLED ends the walk well. Entities come by type, partition, and id. */
	enum status (*on_entity)(void *data, const struct tool_entity *entity, struct error *err);
	void *data;
};
enum status tool_walk(struct tool *tool, const struct catalogue *catalogue,
		      const struct tool_walk *walk);

/* ---- JSON -------------------------------------------------------------------------------------
 */
void put_hex(struct buf *out, struct span bytes);
/* A text in quotes, or {"base64":"..."}. */
void put_text(struct buf *out, struct span text);
/* "2026-11-24T20:00:00.000Z" in quotes, of a decimal number of ms; null when it is none. */
void put_time(struct buf *out, struct span wall_ms);
/* An Any as JSON has it. */
void put_any(const struct tool *tool, struct buf *out, struct span type_url, struct span value);
/* {"type":...,"id":... without the closing brace. */
void put_name(struct buf *out, const struct journal_key *key);
/* An event as a line. */
void put_event(const struct tool *tool, struct buf *out, const struct journal_key *key,
	       const struct admin_entry *entry);

/* ---- the commands -----------------------------------------------------------------------------
 */
int journal_types(struct tool *tool);
int journal_list(struct tool *tool);
int journal_show(struct tool *tool);
int journal_events(struct tool *tool);
int journal_follow(struct tool *tool);
int journal_export(struct tool *tool);
int journal_import(struct tool *tool);
int journal_verify_all(struct tool *tool);
int journal_erase(struct tool *tool);
int journal_truncate(struct tool *tool);
int journal_state(struct tool *tool);
int journal_salvage(struct tool *tool);
int journal_members(struct tool *tool);
int journal_owner(struct tool *tool);
int journal_backup(struct tool *tool);
int journal_consumer(struct tool *tool);

#endif

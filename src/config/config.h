#ifndef HEADGATE_SRC_CONFIG_CONFIG_H
#define HEADGATE_SRC_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/arena.h"
#include "src/base/buf.h"
#include "src/base/span.h"
#include "src/base/status.h"

/* The configuration: one field per row of config.def. A value comes from the flag --KEY=VALUE, else
 * the environment, else the YAML file, else the row's default. Loaded once at start-up, then read
 * only.
 *
 * To add a key, add a row to config.def and run `tests/lint/docs.sh --write`; nothing else. */
struct error;

#define CONFIG_C_STRING const char *  /* never NULL; "" is unset */
#define CONFIG_C_ADDRESS const char * /* never NULL; what address_parse reads, or "off" */
#define CONFIG_C_BOOL bool
#define CONFIG_C_INT uint64_t
#define CONFIG_C_SIZE uint64_t	   /* bytes */
#define CONFIG_C_DURATION uint64_t /* milliseconds */
#define CONFIG_C_CHOICE unsigned   /* index into the row's values: the enums below */

/* Each is a member, of at most 256 (journal/members.h), and has a connection to every other one. */
#define CONFIG_WORKERS_MAX 64U

enum config_key {
#define CF(field, kind, key, text, min, max, env, help) CONFIG_KEY_##field,
#include "src/config/config.def"
#undef CF
	CONFIG_KEY_COUNT_
};

/* journal.durability; log.level is enum log_level. */
enum config_durability {
	CONFIG_DURABILITY_ALWAYS,
	CONFIG_DURABILITY_EVERYSEC,
	CONFIG_DURABILITY_MEMORY,
};

/* http.errors */
enum config_errors { CONFIG_ERRORS_STATUS, CONFIG_ERRORS_CLOUDSTATE };

/* eventing.support */
enum config_reply_type { CONFIG_REPLY_TYPE_REPORT, CONFIG_REPLY_TYPE_REFUSE };
enum config_eventing { CONFIG_EVENTING_REDIS, CONFIG_EVENTING_NONE };

/* http.stream_default */
enum config_stream_default { CONFIG_STREAM_ARRAY, CONFIG_STREAM_NDJSON };

/* From weak to strong: a value gives way to one from a later source. */
enum config_source { CONFIG_DEFAULT, CONFIG_FILE, CONFIG_ENV, CONFIG_FLAG };

/* Strings are borrowed until config_fini. */
struct config {
#define CF(field, kind, key, text, min, max, env, help) CONFIG_C_##kind field;
#include "src/config/config.def"
#undef CF
	bool is_knative;       /* K_SERVICE is set: its port rules hold */
	unsigned worker_count; /* what workers says; 0: auto */
	bool is_worker;	       /* one of several processes, started by a supervisor */
	unsigned worker;       /* then its number, from 0 */
	struct arena arena_;
	uint8_t source_[CONFIG_KEY_COUNT_];
};

struct config_params {
	const char *file;	  /* YAML; NULL: HEADGATE_CONFIG from env, else no file */
	const char *const *env;	  /* "NAME=value", NULL-terminated as environ; NULL: empty */
	const char *const *flags; /* "--key=value" or "key=value", NULL-terminated; NULL: none */
	bool is_worker;		  /* of a supervisor, with the number in worker */
	unsigned worker;
};

/* Fills config, also from nothing (then all defaults). On failure config holds nothing to release.
 * Errors: ST_INVALID_ARGUMENT naming place and key ("headgate.yaml:3: http.max_body_sise: unknown
 * key; is http.max_body_size meant?"), ST_NOT_FOUND or ST_UNAVAILABLE when the file cannot be read.
 */
MUST_CHECK enum status config_load(struct config *config, const struct config_params *params,
				   struct error *err);

/* Accepts a zeroed config. */
void config_fini(struct config *config);

/* Where a value came from. */
enum config_source config_source(const struct config *config, enum config_key key);

/* "journal.url" of CONFIG_KEY_journal_url; a literal. */
const char *config_key_name(enum config_key key);

/* A value of a CHOICE as text, for instance "everysec"; of a literal. */
struct span config_choice_name(enum config_key key, unsigned choice);

/* Reads the secret in a file named by a *_file key: its text without trailing line ends, at most
 * ret_secret's maximum. Blocks; only for start-up. Errors: ST_NOT_FOUND, ST_UNAVAILABLE,
 * ST_INVALID_ARGUMENT empty, too long or more than one line; messages name the file, never its
 * text. */
MUST_CHECK enum status config_read_secret(const char *path, struct buf *ret_secret,
					  struct error *err);

/* The table of --help-config. */
void config_print_help(struct buf *out);

#endif

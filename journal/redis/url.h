#ifndef HEADGATE_JOURNAL_REDIS_URL_H
#define HEADGATE_JOURNAL_REDIS_URL_H

#include <stdbool.h>

#include "src/base/status.h"
#include "src/runtime/address.h"

/* JOURNAL_URL taken apart. */
struct error;
struct tls_params;

#define REDIS_URL_USER_MAX 256
#define REDIS_URL_PASSWORD_MAX 1024
#define REDIS_URL_DATABASE_MAX 8
#define REDIS_DEFAULT_PORT 6379

/* Sentinels, or nodes of a cluster, to begin with; and bytes of all their names. */
#define REDIS_URL_SEEDS_MAX ((size_t)16)
#define REDIS_URL_SEEDS_TEXT 2048
#define REDIS_URL_MASTER_MAX 128
#define REDIS_SENTINEL_PORT 26379

enum redis_url_kind { REDIS_URL_SINGLE, REDIS_URL_SENTINEL, REDIS_URL_CLUSTER };

struct redis_url {
	enum redis_url_kind kind;
	bool is_embedded;
	bool is_tls;
	const struct tls_params *tls; /* borrowed; not NULL when is_tls: see redis_journal_open */
	char directory[ADDRESS_PATH_MAX];  /* embedded */
	struct address address;		   /* of one server */
	size_t seed_count;		   /* sentinel, cluster */
	char seeds[REDIS_URL_SEEDS_TEXT];  /* "host:port,host:port" */
	char master[REDIS_URL_MASTER_MAX]; /* its name among the sentinels */
	bool has_auth;
	char user[REDIS_URL_USER_MAX];	       /* "" when only a password is given */
	char password[REDIS_URL_PASSWORD_MAX]; /* never shown */
	char database[REDIS_URL_DATABASE_MAX]; /* decimal, "" for none */
};

/* "redis://[user[:password]@]host[:port][/database]" (user and password percent-encoded),
 * "redis+sentinel://[user[:password]@]host[:port][,host[:port]...]/name[/database]",
 * "redis+cluster://[user[:password]@]host[:port][,host[:port]...]", "unix:PATH" or "embedded:DIR".
 * With rediss in the place of redis all of it is spoken over TLS.
 * User and password are those of the servers with the data, not of sentinels. Errors:
 * ST_INVALID_ARGUMENT; the text never shows a password. */
MUST_CHECK enum status redis_url_parse(const char *url, struct redis_url *ret_url,
				       struct error *err);

/* The i-th of seed_count. */
void redis_url_seed(const struct redis_url *url, size_t i, struct address *ret_address);

/* A password that does not stand in the URL. Errors: ST_INVALID_ARGUMENT too long. */
MUST_CHECK enum status redis_url_set_password(struct redis_url *url, const char *password,
					      struct error *err);

#endif

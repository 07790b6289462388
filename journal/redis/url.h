#ifndef HEADGATE_JOURNAL_REDIS_URL_H
#define HEADGATE_JOURNAL_REDIS_URL_H

#include <stdbool.h>

#include "src/base/status.h"
#include "src/runtime/address.h"

/* JOURNAL_URL taken apart. */
struct error;

#define REDIS_URL_USER_MAX 256
#define REDIS_URL_PASSWORD_MAX 1024
#define REDIS_URL_DATABASE_MAX 8
#define REDIS_DEFAULT_PORT 6379

struct redis_url {
	bool is_embedded;
	char directory[ADDRESS_PATH_MAX]; /* embedded */
	struct address address;		  /* the others */
	bool has_auth;
	char user[REDIS_URL_USER_MAX];	       /* "" when only a password is given */
	char password[REDIS_URL_PASSWORD_MAX]; /* never shown */
	char database[REDIS_URL_DATABASE_MAX]; /* decimal, "" for none */
};

/* "redis://[user[:password]@]host[:port][/database]" (user and password percent-encoded),
 * "unix:PATH" or "embedded:DIR". Errors: ST_INVALID_ARGUMENT; the text never shows a password. */
MUST_CHECK enum status redis_url_parse(const char *url, struct redis_url *ret_url,
				       struct error *err);

/* A password that does not stand in the URL. Errors: ST_INVALID_ARGUMENT too long. */
MUST_CHECK enum status redis_url_set_password(struct redis_url *url, const char *password,
					      struct error *err);

#endif

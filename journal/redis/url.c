#include "journal/redis/url.h"

#include <stdio.h>
#include <string.h>

#include "src/base/buf.h"
#include "src/base/error.h"
#include "src/base/span.h"
#include "src/base/text.h"

/* Highest database number accepted; servers have 16 by default. */
#define DATABASE_MAX 9999

static bool copy_text(struct span text, char *to, size_t size)
{
	if (text.len >= size || span_find(text, 0) < text.len)
		return false;
	if (text.data)
		memcpy(to, text.data, text.len);
	to[text.len] = 0;
	return true;
}

static bool decode(struct span text, char *to, size_t size)
{
	struct buf out;
	bool is_ok;

	buf_init(&out, size);
	is_ok = text_percent_decode(text, false, &out) && copy_text(buf_span(&out), to, size);
	buf_fini(&out);
	return is_ok;
}

/* The last '@' ends user and password: a password may hold one that is not encoded. */
static enum status take_auth(struct span *rest, struct redis_url *url, struct error *err)
{
	size_t at = rest->len;
	struct span auth;
	size_t colon;

	while (at > 0 && rest->data[at - 1] != '@')
		at--;
	if (at == 0)
		return ST_OK;
	auth = span_head(*rest, at - 1);
	*rest = span_skip(*rest, at);
	colon = span_find(auth, ':');
	if (!decode(span_head(auth, colon), url->user, sizeof(url->user)) ||
	    !decode(span_skip(auth, colon + 1), url->password, sizeof(url->password)))
		return error_set(err, ST_INVALID_ARGUMENT,
				 "journal URL: user or password is too long or malformed");
	url->has_auth = true;
	return ST_OK;
}

static enum status take_database(struct span *rest, struct redis_url *url, struct error *err)
{
	size_t slash = span_find(*rest, '/');
	struct span text = span_skip(*rest, slash + 1);
	uint64_t number;

	*rest = span_head(*rest, slash);
	if (text.len == 0)
		return ST_OK;
	if (!text_to_u64(text, &number) || number > DATABASE_MAX ||
	    !copy_text(text, url->database, sizeof(url->database)))
		return error_set(err, ST_INVALID_ARGUMENT,
				 "journal URL: \"/%.*s\" is no database number", SPAN_FMT(text));
	return ST_OK;
}

static enum status parse_redis(struct span rest, struct redis_url *url, struct error *err)
{
	char text[ADDRESS_HOST_MAX + 16];
	enum status st = take_auth(&rest, url, err);
	bool has_port;

	if (st == ST_OK)
		st = take_database(&rest, url, err);
	if (st != ST_OK)
		return st;
	if (rest.len == 0 || rest.len > ADDRESS_HOST_MAX || rest.data[0] == ':')
		return error_set(err, ST_INVALID_ARGUMENT, "journal URL: there is no host");
	if (rest.data[0] == '[')
		has_port = rest.data[rest.len - 1] != ']';
	else
		has_port = span_find(rest, ':') < rest.len;
	(void)snprintf(text, sizeof(text), has_port ? "%.*s" : "%.*s:%d", SPAN_FMT(rest),
		       REDIS_DEFAULT_PORT);
	st = address_parse(span_from_str(text), "", &url->address, err);
	return st == ST_OK ? st : error_wrap(err, "journal URL");
}

static enum status parse_path(struct span path, const char *what, char *to, struct error *err)
{
	if (path.len == 0 || !copy_text(path, to, ADDRESS_PATH_MAX))
		return error_set(err, ST_INVALID_ARGUMENT,
				 "journal URL: %s needs a path of at most %d bytes", what,
				 ADDRESS_PATH_MAX - 1);
	return ST_OK;
}

static enum status parse(struct span url, struct redis_url *ret_url, struct error *err)
{
	size_t colon = span_find(url, ':');
	struct span rest = span_skip(url, colon + 1);

	if (span_starts_with(url, SPAN_LIT("embedded:"))) {
		ret_url->is_embedded = true;
		return parse_path(rest, "embedded:", ret_url->directory, err);
	}
	if (span_starts_with(url, SPAN_LIT("unix:"))) {
		ret_url->address.is_unix = true;
		return parse_path(rest, "unix:", ret_url->address.path, err);
	}
	if (span_starts_with(url, SPAN_LIT("redis://")))
		return parse_redis(span_skip(rest, 2), ret_url, err);
	return error_set(err, ST_INVALID_ARGUMENT,
			 "journal URL: \"%.*s:\" is not one of embedded:DIR, unix:PATH, "
			 "redis://[user:password@]host[:port][/database]",
			 SPAN_FMT(span_head(url, colon < 32 ? colon : 32)));
}

enum status redis_url_parse(const char *url, struct redis_url *ret_url, struct error *err)
{
	struct redis_url parsed;
	enum status st;

	memset(&parsed, 0, sizeof(parsed));
	st = parse(span_from_str(url), &parsed, err);
	if (st == ST_OK)
		*ret_url = parsed;
	return st;
}

enum status redis_url_set_password(struct redis_url *url, const char *password, struct error *err)
{
	if (!copy_text(span_from_str(password), url->password, sizeof(url->password)))
		return error_set(err, ST_INVALID_ARGUMENT,
				 "the journal's password is longer than %d bytes",
				 REDIS_URL_PASSWORD_MAX - 1);
	url->has_auth = true;
	return ST_OK;
}

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

static enum status read_database(struct span text, struct redis_url *url, struct error *err)
{
	uint64_t number;

	if (text.len == 0)
		return ST_OK;
	if (!text_to_u64(text, &number) || number > DATABASE_MAX ||
	    !copy_text(text, url->database, sizeof(url->database)))
		return error_set(err, ST_INVALID_ARGUMENT,
				 "journal URL: \"/%.*s\" is no database number", SPAN_FMT(text));
	return ST_OK;
}

/* host[:port] or [v6][:port] */
static enum status read_place(struct span text, int default_port, struct address *address,
			      struct error *err)
{
	char whole[ADDRESS_HOST_MAX + 16];
	enum status st;
	bool has_port;

	if (text.len == 0 || text.len > ADDRESS_HOST_MAX || text.data[0] == ':')
		return error_set(err, ST_INVALID_ARGUMENT, "journal URL: there is no host");
	if (text.data[0] == '[')
		has_port = text.data[text.len - 1] != ']';
	else
		has_port = span_find(text, ':') < text.len;
	(void)snprintf(whole, sizeof(whole), has_port ? "%.*s" : "%.*s:%d", SPAN_FMT(text),
		       default_port);
	st = address_parse(span_from_str(whole), "", address, err);
	return st == ST_OK ? st : error_wrap(err, "journal URL");
}

static enum status parse_redis(struct span rest, struct redis_url *url, struct error *err)
{
	enum status st = take_auth(&rest, url, err);
	size_t slash = span_find(rest, '/');

	if (st == ST_OK)
		st = read_database(span_skip(rest, slash + 1), url, err);
	if (st == ST_OK)
		st = read_place(span_head(rest, slash), REDIS_DEFAULT_PORT, &url->address, err);
	return st;
}

/* The i-th of a list between commas; false when there are fewer. */
static bool nth_seed(struct span list, size_t i, struct span *ret_seed)
{
	for (; i > 0; i--) {
		if (span_find(list, ',') == list.len)
			return false;
		list = span_skip(list, span_find(list, ',') + 1);
	}
	*ret_seed = span_head(list, span_find(list, ','));
	return true;
}

static int default_port(const struct redis_url *url)
{
	return url->kind == REDIS_URL_SENTINEL ? REDIS_SENTINEL_PORT : REDIS_DEFAULT_PORT;
}

static enum status read_seeds(struct span list, struct redis_url *url, struct error *err)
{
	struct address address;
	struct span seed;

	if (!copy_text(list, url->seeds, sizeof(url->seeds)))
		return error_set(err, ST_INVALID_ARGUMENT,
				 "journal URL: the hosts have more than %d bytes",
				 REDIS_URL_SEEDS_TEXT - 1);
	for (; nth_seed(list, url->seed_count, &seed); url->seed_count++) {
		if (url->seed_count == REDIS_URL_SEEDS_MAX)
			return error_set(err, ST_INVALID_ARGUMENT,
					 "journal URL: more than %zu hosts", REDIS_URL_SEEDS_MAX);
		if (read_place(seed, default_port(url), &address, err) != ST_OK)
			return err->status;
	}
	return ST_OK;
}

void redis_url_seed(const struct redis_url *url, size_t i, struct address *ret_address)
{
	struct span seed;
	struct error error;

	BUG_ON(!nth_seed(span_from_str(url->seeds), i, &seed));
	BUG_ON(read_place(seed, default_port(url), ret_address, &error) != ST_OK);
}

static enum status parse_sentinel(struct span rest, struct redis_url *url, struct error *err)
{
	enum status st = take_auth(&rest, url, err);
	size_t slash = span_find(rest, '/');
	struct span name = span_skip(rest, slash + 1);
	size_t end = span_find(name, '/');

	url->kind = REDIS_URL_SENTINEL;
	if (st == ST_OK)
		st = read_seeds(span_head(rest, slash), url, err);
	if (st != ST_OK)
		return st;
	if (end == 0 || !decode(span_head(name, end), url->master, sizeof(url->master)))
		return error_set(err, ST_INVALID_ARGUMENT,
				 "journal URL: behind the sentinels stands \"/\" and the name of "
				 "the primary that they watch, at most %d bytes",
				 REDIS_URL_MASTER_MAX - 1);
	return read_database(span_skip(name, end + 1), url, err);
}

static enum status parse_cluster(struct span rest, struct redis_url *url, struct error *err)
{
	enum status st = take_auth(&rest, url, err);
	size_t slash = span_find(rest, '/');

	url->kind = REDIS_URL_CLUSTER;
	if (st == ST_OK && slash + 1 < rest.len)
		return error_set(err, ST_INVALID_ARGUMENT,
				 "journal URL: \"%.*s\": a cluster has no databases",
				 SPAN_FMT(span_skip(rest, slash)));
	return st == ST_OK ? read_seeds(span_head(rest, slash), url, err) : st;
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
	struct span scheme;

	if (span_starts_with(url, SPAN_LIT("embedded:"))) {
		ret_url->is_embedded = true;
		return parse_path(rest, "embedded:", ret_url->directory, err);
	}
	if (span_starts_with(url, SPAN_LIT("unix:"))) {
		ret_url->address.is_unix = true;
		return parse_path(rest, "unix:", ret_url->address.path, err);
	}
	scheme = span_head(url, colon);
	ret_url->is_tls = span_starts_with(scheme, SPAN_LIT("rediss"));
	if (!span_starts_with(rest, SPAN_LIT("//")))
		scheme = SPAN_EMPTY;
	if (span_eq_str(scheme, "redis") || span_eq_str(scheme, "rediss"))
		return parse_redis(span_skip(rest, 2), ret_url, err);
	if (span_eq_str(scheme, "redis+sentinel") || span_eq_str(scheme, "rediss+sentinel"))
		return parse_sentinel(span_skip(rest, 2), ret_url, err);
	if (span_eq_str(scheme, "redis+cluster") || span_eq_str(scheme, "rediss+cluster"))
		return parse_cluster(span_skip(rest, 2), ret_url, err);
	return error_set(err, ST_INVALID_ARGUMENT,
			 "journal URL: \"%.*s:\" is not one of embedded:DIR, unix:PATH, "
			 "redis://[user:password@]host[:port][/database], "
			 "redis+sentinel://[user:password@]host[:port],.../name[/database], "
			 "redis+cluster://[user:password@]host[:port],..., rediss for TLS",
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

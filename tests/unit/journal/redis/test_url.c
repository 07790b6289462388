#include "journal/redis/url.h"

#include <string.h>

#include "src/base/error.h"
#include "tests/unit/unit.h"

static void good(void **state)
{
	static const struct {
		const char *url;
		bool is_embedded;
		bool is_unix;
		const char *path; /* or directory */
		const char *host;
		uint16_t port;
		bool has_auth;
		const char *user;
		const char *password;
		const char *database;
	} rows[] = {
		{"redis://localhost", false, false, "", "localhost", 6379, false, "", "", ""},
		{"rediss://u:p@h:1/2", false, false, "", "h", 1, true, "u", "p", "2"},
		{"redis://localhost/", false, false, "", "localhost", 6379, false, "", "", ""},
		{"redis://10.0.0.1:7000/3", false, false, "", "10.0.0.1", 7000, false, "", "", "3"},
		{"redis://[::1]:7000", false, false, "", "::1", 7000, false, "", "", ""},
		{"redis://[::1]", false, false, "", "::1", 6379, false, "", "", ""},
		{"redis://u:p@h", false, false, "", "h", 6379, true, "u", "p", ""},
		{"redis://:p@h", false, false, "", "h", 6379, true, "", "p", ""},
		{"redis://u@h", false, false, "", "h", 6379, true, "u", "", ""},
		{"redis://a%3Ab:c%40d%2Fe@h:1", false, false, "", "h", 1, true, "a:b", "c@d/e", ""},
		{"redis://u:p@q@h", false, false, "", "h", 6379, true, "u", "p@q", ""},
		{"unix:/run/redis.sock", false, true, "/run/redis.sock", "", 0, false, "", "", ""},
		{"unix:rel.sock", false, true, "rel.sock", "", 0, false, "", "", ""},
		{"embedded:/var/lib/x", true, false, "/var/lib/x", "", 0, false, "", "", ""},
		{"embedded:./d", true, false, "./d", "", 0, false, "", "", ""},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct redis_url url;
		struct error err;

		if (redis_url_parse(rows[i].url, &url, &err) != ST_OK)
			fail_msg("row \"%s\": %s", rows[i].url, err.message);
		UNIT_ROW(rows[i].url, url.is_tls == !strncmp(rows[i].url, "rediss", 6));
		UNIT_ROW(rows[i].url, url.is_embedded == rows[i].is_embedded);
		UNIT_ROW(rows[i].url, url.address.is_unix == rows[i].is_unix);
		UNIT_ROW_SPAN(rows[i].url,
			      span_from_str(url.is_embedded ? url.directory : url.address.path),
			      rows[i].path);
		UNIT_ROW_SPAN(rows[i].url, span_from_str(url.address.host), rows[i].host);
		UNIT_ROW(rows[i].url, url.address.port == rows[i].port);
		UNIT_ROW(rows[i].url, url.has_auth == rows[i].has_auth);
		UNIT_ROW_SPAN(rows[i].url, span_from_str(url.user), rows[i].user);
		UNIT_ROW_SPAN(rows[i].url, span_from_str(url.password), rows[i].password);
		UNIT_ROW_SPAN(rows[i].url, span_from_str(url.database), rows[i].database);
	}
}

static void several_servers(void **state)
{
	static const struct {
		const char *url;
		enum redis_url_kind kind;
		const char *seeds[4];
		const char *master;
		const char *user;
		const char *password;
		const char *database;
	} rows[] = {
		{"redis+sentinel://a,b:5/m",
		 REDIS_URL_SENTINEL,
		 {"a:26379", "b:5"},
		 "m",
		 "",
		 "",
		 ""},
		{"redis+sentinel://a/m%20x/7", REDIS_URL_SENTINEL, {"a:26379"}, "m x", "", "", "7"},
		{"redis+sentinel://u:p@[::1],[::2]:1/m/",
		 REDIS_URL_SENTINEL,
		 {"[::1]:26379", "[::2]:1"},
		 "m",
		 "u",
		 "p",
		 ""},
		{"redis+cluster://a,b:7001,c",
		 REDIS_URL_CLUSTER,
		 {"a:6379", "b:7001", "c:6379"},
		 "",
		 "",
		 "",
		 ""},
		{"redis+cluster://:p%2Cq@a", REDIS_URL_CLUSTER, {"a:6379"}, "", "", "p,q", ""},
		{"redis+cluster://:p@a/", REDIS_URL_CLUSTER, {"a:6379"}, "", "", "p", ""},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct redis_url url;
		struct error err;
		size_t count = 0;

		if (redis_url_parse(rows[i].url, &url, &err) != ST_OK)
			fail_msg("row \"%s\": %s", rows[i].url, err.message);
		UNIT_ROW(rows[i].url, url.kind == rows[i].kind);
		for (; rows[i].seeds[count]; count++) {
			struct address address;
			char text[64];

			UNIT_ROW(rows[i].url, count < url.seed_count);
			redis_url_seed(&url, count, &address);
			address_print(&address, text, sizeof(text));
			UNIT_ROW_SPAN(rows[i].url, span_from_str(text), rows[i].seeds[count]);
		}
		UNIT_ROW(rows[i].url, url.seed_count == count);
		UNIT_ROW_SPAN(rows[i].url, span_from_str(url.master), rows[i].master);
		UNIT_ROW(rows[i].url, url.has_auth == (rows[i].password[0] != 0));
		UNIT_ROW_SPAN(rows[i].url, span_from_str(url.user), rows[i].user);
		UNIT_ROW_SPAN(rows[i].url, span_from_str(url.password), rows[i].password);
		UNIT_ROW_SPAN(rows[i].url, span_from_str(url.database), rows[i].database);
	}
}

/* What is wrong is named. */
static void bad_servers(void **state)
{
	static const struct {
		const char *url;
		const char *what;
	} rows[] = {
		{"redis+sentinel://h", "name of the primary"},
		{"redis+sentinel://h/", "name of the primary"},
		{"redis+sentinel://h//3", "name of the primary"},
		{"redis+sentinel:///m", "no host"},
		{"redis+sentinel://a,,b/m", "no host"},
		{"redis+sentinel://a,/m", "no host"},
		{"redis+sentinel://a:0x/m", "0x"},
		{"redis+sentinel://a/m/x", "/x"},
		{"redis+sentinel://u:secret@/m", "no host"},
		{"redis+sentinel://u:secret%zz@a/m", "user or password"},
		{"redis+cluster://", "no host"},
		{"redis+cluster://u:secret@", "no host"},
		{"redis+cluster://a,b:99999", "99999"},
		{"redis+cluster://a/1", "no databases"},
		{"redis+cluster://a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a", "more than 16"},
		{"redis+cluster:a", "is not one of"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct redis_url url;
		struct error err;

		UNIT_ROW(rows[i].url,
			 redis_url_parse(rows[i].url, &url, &err) == ST_INVALID_ARGUMENT);
		if (!strstr(err.message, rows[i].what))
			fail_msg("row \"%s\": %s", rows[i].url, err.message);
		UNIT_ROW(rows[i].url, strstr(err.message, "secret") == NULL);
	}
}

static void bad(void **state)
{
	static const char *const rows[] = {
		"",
		"localhost:6379",
		"redisss://h",
		"redis:h",
		"redis://",
		"redis://:6379",
		"redis://secret@",
		"redis://u:secret@:6379",
		"redis://h:0x",
		"redis://h:70000",
		"redis://h/x",
		"redis://h/10000",
		"redis://h/-1",
		"redis://u:secret%zz@h",
		"redis://u:secret%00@h",
		"unix:",
		"embedded:",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct redis_url url;
		struct error err;

		UNIT_ROW(rows[i], redis_url_parse(rows[i], &url, &err) == ST_INVALID_ARGUMENT);
		UNIT_ROW(rows[i], strstr(err.message, "URL") != NULL);
		UNIT_ROW(rows[i], strstr(err.message, "secret") == NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good),
		cmocka_unit_test(bad),
		cmocka_unit_test(several_servers),
		cmocka_unit_test(bad_servers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

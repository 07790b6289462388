#include "httpapi/cors.h"

#include "tests/unit/unit.h"

static void policies(void **state)
{
	static const struct {
		const char *name;
		const char *origins;
		bool has_credentials;
		bool is_ok;
		bool is_on;
	} rows[] = {
		{"off", "", false, true, false},
		{"off, with credentials", "", true, true, false},
		{"one", "https://a.example", true, true, true},
		{"several", "https://a.example, http://localhost:3000 ,null", false, true, true},
		{"pattern", "https://*.a.example:8443", true, true, true},
		{"IPv6", "http://[::1]:3000", false, true, true},
		{"any", "*", false, true, true},
		{"any with credentials", "*", true, false, false},
		{"any among others with credentials", "https://a.example,*", true, false, false},
		{"no scheme", "a.example", false, false, false},
		{"path", "https://a.example/", false, false, false},
		{"no host", "https://", false, false, false},
		{"pattern alone", "https://*", false, false, false},
		{"pattern in the middle", "https://a.*.example", false, false, false},
		{"pattern without a dot", "https://*a.example", false, false, false},
		{"pattern of everything", "https://*.", false, false, false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct cors_params params = {.origins = rows[i].origins,
						   .headers = "*",
						   .expose = "",
						   .has_credentials = rows[i].has_credentials,
						   .max_age_ms = 60000};
		struct cors cors;
		struct error err = {0};

		UNIT_ROW(rows[i].name, (cors_init(&cors, &params, &err) == ST_OK) == rows[i].is_ok);
		if (!rows[i].is_ok)
			continue;
		UNIT_ROW(rows[i].name, cors.is_on == rows[i].is_on);
		UNIT_ROW(rows[i].name, cors.max_age_s == 60 && cors.has_any_header);
	}
}

static void origins(void **state)
{
	static const struct {
		const char *name;
		const char *origins;
		const char *origin;
		bool is_allowed;
	} rows[] = {
		{"the very one", "https://b.example,https://a.example", "https://a.example", true},
		{"other case", "https://A.example", "https://a.example", true},
		{"none sent", "https://a.example", "", false},
		{"nothing allowed", "", "https://a.example", false},
		{"other scheme", "https://a.example", "http://a.example", false},
		{"other port", "https://a.example", "https://a.example:81", false},
		{"longer", "https://a.example", "https://a.example.evil", false},
		{"below", "https://a.example", "https://x.a.example", false},
		{"pattern, below", "https://*.a.example", "https://x.a.example", true},
		{"pattern, two below", "https://*.a.example", "https://y.x.a.example", true},
		{"pattern, itself", "https://*.a.example", "https://a.example", false},
		{"pattern, empty label", "https://*.a.example", "https://.a.example", false},
		{"pattern, ends alike", "https://*.a.example", "https://xa.example", false},
		{"pattern, other scheme", "https://*.a.example", "http://x.a.example", false},
		{"pattern, port", "https://*.a.example:81", "https://x.a.example:81", true},
		{"pattern, other port", "https://*.a.example:81", "https://x.a.example", false},
		{"pattern, more than a host", "https://*.a.example", "https://evil/x.a.example",
		 false},
		{"pattern, user", "https://*.a.example", "https://evil@x.a.example", false},
		{"pattern is no origin", "https://*.a.example", "https://*.a.example", false},
		{"null", "https://a.example", "null", false},
		{"null, named", "null", "null", true},
		{"any", "*", "https://anybody", true},
		{"any, null", "*", "null", true},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct cors_params params = {
			.origins = rows[i].origins, .headers = "", .expose = ""};
		struct cors cors;
		struct error err = {0};

		UNIT_ROW(rows[i].name, cors_init(&cors, &params, &err) == ST_OK);
		UNIT_ROW(rows[i].name,
			 cors_allows(&cors, span_from_str(rows[i].origin)) == rows[i].is_allowed);
	}
}

static void name_lists(void **state)
{
	(void)state;
	assert_true(cors_is_name_list(SPAN_LIT("content-type, x-a")));
	assert_false(cors_is_name_list(SPAN_LIT("")));
	assert_false(cors_is_name_list(SPAN_LIT("a: b")));
	assert_false(cors_is_name_list(SPAN_LIT("a\r\nb")));
	assert_false(cors_is_name_list(SPAN_LIT("a\0b")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(policies),
		cmocka_unit_test(origins),
		cmocka_unit_test(name_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

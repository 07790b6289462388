#include "journal/key.h"

#include <stdio.h>
#include <string.h>

#include "journal/journal.h"
#include "src/base/error.h"
#include "tests/unit/unit.h"

/* Partitions computed by another implementation of XXH64: they must never change. */
static void names_of_an_entity(void **state)
{
	static const struct {
		const char *name;
		struct span type;
		struct span id;
		const char *head;
		const char *events;
		const char *feed;
		const char *index;
	} rows[] = {
		{"plain", SPAN_LIT("cart"), SPAN_LIT("alice"), "hg1:shop:{33}:h:cart/alice",
		 "hg1:shop:{33}:e:cart/alice", "hg1:shop:{33}:f:cart", "hg1:shop:{33}:i:cart"},
		{"encoded", SPAN_LIT("cart"), SPAN_LIT("a b/{c}*"),
		 "hg1:shop:{30}:h:cart/a%20b%2F%7Bc%7D%2A",
		 "hg1:shop:{30}:e:cart/a%20b%2F%7Bc%7D%2A", "hg1:shop:{30}:f:cart",
		 "hg1:shop:{30}:i:cart"},
		{"empty id", SPAN_LIT("cart"), SPAN_LIT(""), "hg1:shop:{36}:h:cart/",
		 "hg1:shop:{36}:e:cart/", "hg1:shop:{36}:f:cart", "hg1:shop:{36}:i:cart"},
		{"long", SPAN_LIT("shopping-cart"), SPAN_LIT("user-0000000000000000000000000001"),
		 "hg1:shop:{36}:h:shopping-cart/user-0000000000000000000000000001",
		 "hg1:shop:{36}:e:shopping-cart/user-0000000000000000000000000001",
		 "hg1:shop:{36}:f:shopping-cart", "hg1:shop:{36}:i:shopping-cart"},
	};
	struct key_names names;
	struct error err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct journal_key key = {rows[i].type, rows[i].id};

		UNIT_ROW(rows[i].name, key_render("shop", &key, &names, &err) == ST_OK);
		UNIT_ROW_SPAN(rows[i].name, names.head, rows[i].head);
		UNIT_ROW_SPAN(rows[i].name, names.events, rows[i].events);
		UNIT_ROW_SPAN(rows[i].name, names.feed, rows[i].feed);
		UNIT_ROW_SPAN(rows[i].name, names.index, rows[i].index);
	}
}

/* Nothing of an id may reach a key as it is, but letters, digits and four signs. */
static void every_byte_is_safe(void **state)
{
	uint8_t id[256];
	struct key_names names;
	struct error err;
	struct journal_key key = {SPAN_LIT("t"), span_make(id, 1)};

	(void)state;
	for (int c = 0; c < 256; c++) {
		struct span tail;

		id[0] = (uint8_t)c;
		assert_int_equal(key_render("n", &key, &names, &err), ST_OK);
		tail = span_skip(names.head, span_find(names.head, '/') + 1);
		if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~-",
			   c) &&
		    c != 0) {
			assert_int_equal(tail.len, 1);
			assert_int_equal(tail.data[0], c);
		} else {
			char want[4];

			(void)snprintf(want, sizeof(want), "%%%02X", (unsigned)c);
			assert_true(span_eq_str(tail, want));
		}
	}
}

static void limits(void **state)
{
	static uint8_t bytes[2048];
	static const struct {
		const char *name;
		size_t type_len;
		size_t id_len;
		uint8_t fill;
		enum status status;
		const char *says;
	} rows[] = {
		{"longest id", 4, 1024, 'x', ST_OK, NULL},
		{"id too long", 4, 1025, 'x', ST_INVALID_ARGUMENT, "entity id \"xxxx"},
		{"longest encoded id", 4, 341, ' ', ST_OK, NULL},
		{"encoded id too long", 4, 342, ' ', ST_INVALID_ARGUMENT, "1024 bytes"},
		{"longest type and id", 1024, 1024, 'x', ST_OK, NULL},
		{"type too long", 1025, 1, 'x', ST_INVALID_ARGUMENT, "persistence id"},
		{"no type", 0, 1, 'x', ST_INVALID_ARGUMENT, "persistence id"},
	};
	char longest[KEY_NAMESPACE_MAX + 1];
	struct key_names names;
	struct error err;

	(void)state;
	memset(longest, 'n', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = 0;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct journal_key key = {span_make(bytes, rows[i].type_len),
					  span_make(bytes, rows[i].id_len)};

		memset(bytes, rows[i].fill, sizeof(bytes));
		UNIT_ROW(rows[i].name, key_render(longest, &key, &names, &err) == rows[i].status);
		if (rows[i].says)
			UNIT_ROW(rows[i].name, strstr(err.message, rows[i].says) != NULL);
	}
}

static void namespaces(void **state)
{
	char text[KEY_NAMESPACE_MAX + 1];
	char raw[KEY_NAMESPACE_MAX + 2];
	struct error err;

	(void)state;
	assert_int_equal(key_namespace("prod.cart", text, sizeof(text), &err), ST_OK);
	assert_string_equal(text, "prod.cart");
	assert_int_equal(key_namespace("a:{b}", text, sizeof(text), &err), ST_OK);
	assert_string_equal(text, "a%3A%7Bb%7D");
	assert_int_equal(key_namespace("", text, sizeof(text), &err), ST_INVALID_ARGUMENT);
	memset(raw, 'n', sizeof(raw) - 1);
	raw[KEY_NAMESPACE_MAX + 1] = 0;
	assert_int_equal(key_namespace(raw, text, sizeof(text), &err), ST_INVALID_ARGUMENT);
	raw[KEY_NAMESPACE_MAX] = 0;
	assert_int_equal(key_namespace(raw, text, sizeof(text), &err), ST_OK);
}

static void names_of_parts(void **state)
{
	static const struct {
		const char *name;
		const char *kind;
		struct span of;
		const char *want; /* NULL: refused */
	} rows[] = {
		{"feed", "f", SPAN_LIT("cart"), "hg1:n:{7}:f:cart"},
		{"escaped", "t", SPAN_LIT("a/b{c}"), "hg1:n:{7}:t:a%2Fb%7Bc%7D"},
		{"dead letters", "dl", SPAN_LIT("shop.View"), "hg1:n:{7}:dl:shop.View"},
		{"empty", "o", SPAN_LIT(""), NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct key_part part = {7, rows[i].kind, rows[i].of};
		struct key_part_name name = {0};
		struct error err;
		enum status st = key_render_part("n", &part, &name, &err);

		UNIT_ROW(rows[i].name, (st == ST_OK) == (rows[i].want != NULL));
		UNIT_ROW_SPAN(rows[i].name, name.key, rows[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_of_an_entity),
		cmocka_unit_test(every_byte_is_safe),
		cmocka_unit_test(limits),
		cmocka_unit_test(namespaces),
		cmocka_unit_test(names_of_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

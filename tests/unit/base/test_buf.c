#include "src/base/buf.h"

#include "tests/unit/unit.h"

static void appends_are_all_or_nothing(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 8);
	assert_true(buf_append_str(&buf, "12345"));
	assert_false(buf_append_str(&buf, "6789"));
	assert_true(buf.is_full);
	UNIT_ROW_SPAN("left out whole", buf_span(&buf), "12345");
	assert_true(buf_append_str(&buf, "678"));
	assert_true(buf.is_full);
	UNIT_ROW_SPAN("exactly full", buf_span(&buf), "12345678");
	assert_false(buf_append_byte(&buf, '9'));
	assert_true(buf_append(&buf, SPAN_EMPTY));
	buf_reset(&buf);
	assert_false(buf.is_full);
	assert_int_equal(buf_len(&buf), 0);
	buf_fini(&buf);
}

static void consumed_room_is_used_again(void **state)
{
	struct buf buf;
	uint8_t next_in = 0;
	uint8_t next_out = 0;

	(void)state;
	buf_init(&buf, 300);
	for (int round = 0; round < 2000; round++) {
		struct span held;

		for (int i = 0; i < 97; i++)
			assert_true(buf_append_byte(&buf, next_in++));
		held = buf_span(&buf);
		for (size_t i = 0; i < 97; i++)
			assert_int_equal(held.data[i], (uint8_t)(next_out + i));
		next_out = (uint8_t)(next_out + 97);
		buf_consume(&buf, 97);
		if (round == 0)
			assert_true(buf_append_byte(&buf, next_in++)); /* never empty again */
	}
	assert_int_equal(buf_len(&buf), 1);
	assert_false(buf.is_full);
	buf_fini(&buf);
}

static void limit_counts_unread_bytes_only(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 4);
	for (int i = 0; i < 1000; i++) {
		assert_true(buf_append_str(&buf, "abcd"));
		assert_null(buf_reserve(&buf, 1));
		buf_consume(&buf, 3);
		UNIT_ROW_SPAN("rest", buf_span(&buf), "d");
		buf_consume(&buf, 1);
	}
	buf_fini(&buf);
}

static void reserve_commit_truncate(void **state)
{
	struct buf buf;
	uint8_t *room;

	(void)state;
	buf_init(&buf, 100000);
	assert_true(buf_append_str(&buf, "head "));
	room = buf_reserve(&buf, 70000);
	assert_non_null(room);
	memset(room, 'x', 70000);
	buf_commit(&buf, 69995);
	assert_int_equal(buf_len(&buf), 70000);
	buf_consume(&buf, 2);
	buf_truncate(&buf, 5);
	UNIT_ROW_SPAN("truncated", buf_span(&buf), "ad xx");
	assert_null(buf_reserve(&buf, SIZE_MAX));
	assert_true(buf.is_full);
	buf_reset(&buf); /* a large one gives its memory back */
	assert_null(buf_span(&buf).data);
	buf_fini(&buf);
}

static void printf_appends(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 16);
	assert_true(buf_printf(&buf, "%d-%s", 42, "abc"));
	assert_true(buf_printf(&buf, "%s", ""));
	UNIT_ROW_SPAN("printed", buf_span(&buf), "42-abc");
	assert_false(buf_printf(&buf, "%20d", 1));
	UNIT_ROW_SPAN("left out whole", buf_span(&buf), "42-abc");
	assert_true(buf.is_full);
	buf_fini(&buf);
}

static void fini_accepts_a_zeroed_buf(void **state)
{
	struct buf buf = {0};

	(void)state;
	buf_fini(&buf);
	assert_int_equal(buf_len(&buf), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(appends_are_all_or_nothing),
		cmocka_unit_test(consumed_room_is_used_again),
		cmocka_unit_test(limit_counts_unread_bytes_only),
		cmocka_unit_test(reserve_commit_truncate),
		cmocka_unit_test(printf_appends),
		cmocka_unit_test(fini_accepts_a_zeroed_buf),
	};

	return cmocka_run_group_tests_name("base/buf", tests, NULL, NULL);
}

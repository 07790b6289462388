#include <headgate/crdt.h>
#include <stdlib.h>
#include <string.h>

#include "cloudstate/entity.pb-c.h"
#include "support/c/context.h"
#include "tests/unit/unit.h"

static void any_is(const char *row, struct headgate_any any, const char *type_url,
		   const void *value, size_t size)
{
	UNIT_ROW(row, any.type_url.size == strlen(type_url));
	UNIT_ROW(row, memcmp(any.type_url.data, type_url, any.type_url.size) == 0);
	UNIT_ROW(row, any.value.size == size);
	UNIT_ROW(row, size == 0 || memcmp(any.value.data, value, size) == 0);
}

#define ANY_IS(any, type_url, bytes) any_is(#any, any, type_url, bytes, sizeof(bytes) - 1)

static void test_any(void **state)
{
	static const struct hg_log quiet = {0};
	struct hg_worker worker;
	struct headgate_context context = {.worker = &worker};
	struct headgate_context *c = &context;
	double nan = strtod("nan", NULL);

	(void)state;
	assert_int_equal(hg_worker_init(&worker, &quiet, 1024), 0);
	ANY_IS(headgate_any_string(c, "ab"), "p.cloudstate.io/string",
	       "\x0a\x02"
	       "ab");
	ANY_IS(headgate_any_string(c, ""), "p.cloudstate.io/string", "");
	ANY_IS(headgate_any_bytes(c, (struct headgate_bytes){"\0x", 2}), "p.cloudstate.io/bytes",
	       "\x0a\x02\0x");
	ANY_IS(headgate_any_int64(c, 300), "p.cloudstate.io/int64", "\x08\xac\x02");
	ANY_IS(headgate_any_int64(c, 0), "p.cloudstate.io/int64", "");
	ANY_IS(headgate_any_int32(c, -1), "p.cloudstate.io/int32",
	       "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
	ANY_IS(headgate_any_bool(c, true), "p.cloudstate.io/bool", "\x08\x01");
	ANY_IS(headgate_any_bool(c, false), "p.cloudstate.io/bool", "");
	ANY_IS(headgate_any_double(c, 1.5), "p.cloudstate.io/double", "\x09\0\0\0\0\0\0\xf8\x3f");
	ANY_IS(headgate_any_double(c, 0), "p.cloudstate.io/double", "");
	ANY_IS(headgate_any_double(c, -nan), "p.cloudstate.io/double", "\x09\0\0\0\0\0\0\xf8\x7f");
	ANY_IS(headgate_any_float(c, 1.5f), "p.cloudstate.io/float", "\x0d\0\0\xc0\x3f");
	ANY_IS(headgate_any_json(c, "object", (struct headgate_bytes){"{}", 2}),
	       "json.cloudstate.io/object", "\x0a\x02{}");
	Cloudstate__StreamCancelled message = CLOUDSTATE__STREAM_CANCELLED__INIT;
	message.id = 7;
	struct headgate_any any = headgate_any_message(c, &message.base);
	ANY_IS(any, "type.googleapis.com/cloudstate.StreamCancelled", "\x10\x07");
	const Cloudstate__StreamCancelled *back =
		headgate_any_unpack(c, any, &cloudstate__stream_cancelled__descriptor);
	assert_non_null(back);
	assert_int_equal(back->id, 7);
	assert_null(headgate_any_unpack(c, any, &cloudstate__failure__descriptor));
	hg_worker_fini(&worker);
}

static void test_any_read(void **state)
{
	static const struct hg_log quiet = {0};
	struct hg_worker worker;
	struct headgate_context c = {.worker = &worker};
	struct headgate_bytes bytes = {0};
	int64_t whole = 1;
	int32_t small = 1;
	double number = 1;
	float single = 1;
	bool is_set = false;

	(void)state;
	assert_int_equal(hg_worker_init(&worker, &quiet, 1024), 0);
	assert_true(headgate_any_get_string(headgate_any_string(&c, "ab"), &bytes));
	assert_memory_equal(bytes.data, "ab", 2);
	assert_true(headgate_any_get_string(headgate_any_string(&c, ""), &bytes));
	assert_int_equal(bytes.size, 0);
	assert_false(headgate_any_get_bytes(headgate_any_string(&c, "ab"), &bytes));
	assert_true(headgate_any_get_int64(headgate_any_int64(&c, INT64_MIN), &whole));
	assert_true(whole == INT64_MIN);
	assert_true(headgate_any_get_int64(headgate_any_int64(&c, 0), &whole));
	assert_true(whole == 0);
	assert_true(headgate_any_get_int32(headgate_any_int32(&c, -5), &small));
	assert_int_equal(small, -5);
	assert_false(headgate_any_get_int32(headgate_any_int64(&c, 5), &small));
	assert_true(headgate_any_get_bool(headgate_any_bool(&c, true), &is_set));
	assert_true(is_set);
	assert_true(headgate_any_get_double(headgate_any_double(&c, -2.25), &number));
	assert_true(number < -2.2 && number > -2.3);
	assert_true(headgate_any_get_float(headgate_any_float(&c, -2.25f), &single));
	assert_true(single < -2.2f && single > -2.3f);
	assert_true(headgate_any_get_json(
		headgate_any_json(&c, "x", (struct headgate_bytes){"1", 1}), &bytes));
	assert_int_equal(bytes.size, 1);
	assert_false(headgate_any_get_string(
		(struct headgate_any){{"p.cloudstate.io/string", 22}, {"\x0a\x05", 2}}, &bytes));
	hg_worker_fini(&worker);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any),
		cmocka_unit_test(test_any_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

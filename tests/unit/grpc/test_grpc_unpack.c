/* Packed messages, piece by piece. */
#include "src/grpc/grpc_unpack.h"

#include <string.h>

#include "src/base/buf.h"
#include "src/base/error.h"
#include "src/base/gzip.h"
#include "tests/unit/unit.h"

#define LIMIT ((size_t)1024 * 1024)
#define PLAIN_MAX (4 * LIMIT)

static struct buf plain;
static struct buf packed;

static int set_up(void **state)
{
	(void)state;
	buf_init(&plain, PLAIN_MAX);
	buf_init(&packed, 2 * PLAIN_MAX);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	buf_fini(&plain);
	buf_fini(&packed);
	return 0;
}

/* Bytes that pack to about a third of their length. */
static void fill(size_t len)
{
	uint32_t seed = 1;

	buf_reset(&plain);
	buf_reset(&packed);
	while (buf_len(&plain) < len) {
		seed = seed * 1103515245U + 12345U;
		assert_true(buf_append_byte(&plain, "abcdefgh"[seed >> 29]));
	}
	assert_true(gzip_pack(buf_span(&plain), &packed));
}

/* Steps until there is something else than work; says how many. */
static enum grpc_frame_state run(struct grpc_unpack *unpack, struct span bytes,
				 struct span *ret_message, unsigned *ret_steps, struct error *err)
{
	enum grpc_frame_state state;

	*ret_steps = 0;
	do {
		(*ret_steps)++;
		state = grpc_unpack_step(unpack, bytes, ret_message, err);
	} while (state == GRPC_FRAME_WORK);
	return state;
}

static void messages_come_out(void **state)
{
	static const struct {
		const char *name;
		size_t len;
		unsigned steps_min;
		unsigned steps_max;
	} rows[] = {
		{"empty", 0, 1, 1},
		{"a byte", 1, 1, 1},
		{"less than a piece", GZIP_PIECE_BYTES - 1, 1, 1},
		{"pieces", 5 * GZIP_PIECE_BYTES, 5, 6},
		{"the limit", LIMIT, LIMIT / GZIP_PIECE_BYTES, LIMIT / GZIP_PIECE_BYTES + 1},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct grpc_unpack *unpack = grpc_unpack_new(LIMIT);
		struct span message = SPAN_EMPTY;
		struct error err;
		unsigned steps;

		fill(rows[i].len);
		for (unsigned again = 0; again < 2; again++) { /* it may be asked for twice */
			UNIT_ROW(rows[i].name, run(unpack, buf_span(&packed), &message, &steps,
						   &err) == GRPC_FRAME_DONE);
			UNIT_ROW(rows[i].name, span_eq(message, buf_span(&plain)));
			UNIT_ROW(rows[i].name, again || (steps >= rows[i].steps_min &&
							 steps <= rows[i].steps_max));
		}
		grpc_unpack_free(unpack);
	}
}

static void two_members_are_one_message(void **state)
{
	struct grpc_unpack *unpack = grpc_unpack_new(LIMIT);
	struct span message = SPAN_EMPTY;
	struct error err;
	unsigned steps;

	(void)state;
	fill(1000);
	assert_true(gzip_pack(SPAN_LIT("and more"), &packed));
	assert_true(buf_append_str(&plain, "and more"));
	assert_int_equal(run(unpack, buf_span(&packed), &message, &steps, &err), GRPC_FRAME_DONE);
	assert_true(span_eq(message, buf_span(&plain)));
	grpc_unpack_free(unpack);
}

static void refuses(const char *row, struct span bytes, enum status status)
{
	struct grpc_unpack *unpack = grpc_unpack_new(LIMIT);
	struct span message = SPAN_EMPTY;
	struct error err;
	unsigned steps;

	UNIT_ROW(row, run(unpack, bytes, &message, &steps, &err) == GRPC_FRAME_BAD);
	UNIT_ROW(row, err.status == status);
	UNIT_ROW(row, message.len == 0);
	grpc_unpack_free(unpack);
}

static void rubbish_is_refused(void **state)
{
	(void)state;
	refuses("nothing", SPAN_EMPTY, ST_INTERNAL);
	refuses("no gzip", SPAN_LIT("hello, I am no gzip at all"), ST_INTERNAL);
	fill(200000);
	refuses("cut", span_head(buf_span(&packed), buf_len(&packed) - 1), ST_INTERNAL);
	refuses("cut in two", span_head(buf_span(&packed), buf_len(&packed) / 2), ST_INTERNAL);
	assert_true(buf_append_str(&packed, "tail"));
	refuses("rubbish behind it", buf_span(&packed), ST_INTERNAL);
}

static void limits_hold(void **state)
{
	(void)state;
	fill(LIMIT + 1);
	refuses("a byte too many", buf_span(&packed), ST_RESOURCE_EXHAUSTED);
	fill(PLAIN_MAX);
	refuses("far too many", buf_span(&packed), ST_RESOURCE_EXHAUSTED);
	buf_reset(&plain);
	buf_reset(&packed);
	memset(buf_reserve(&plain, LIMIT), 0, LIMIT);
	buf_commit(&plain, LIMIT);
	assert_true(gzip_pack(buf_span(&plain), &packed));
	refuses("a bomb", buf_span(&packed), ST_RESOURCE_EXHAUSTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(messages_come_out, set_up, tear_down),
		cmocka_unit_test_setup_teardown(two_members_are_one_message, set_up, tear_down),
		cmocka_unit_test_setup_teardown(rubbish_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(limits_hold, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

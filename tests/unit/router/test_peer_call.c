/* What travels beside a command between gateways, and who believes it. */
#include "src/router/peer_call.h"

#include <string.h>

#include "src/base/arena.h"
#include "src/base/error.h"
#include "src/grpc/metadata.h"
#include "src/runtime/hmac.h"
#include "tests/unit/unit.h"

#define SECRET SPAN_LIT("correct horse battery staple")
#define NOW_MS ((uint64_t)1700000000000)

static const struct peer_occasion usual = {
	.target = SPAN_LIT("10.0.0.2:7355"),
	.path = SPAN_LIT("/shop.Cart/Add"),
	.wall_ms = NOW_MS,
};

static const struct peer_call a_call = {
	.hop = 1,
	.view_version = 1795554575281,
	.chain = 3,
	.id = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff}},
	.protocol = "json",
};

struct fixture {
	struct peer_auth *sender;
	struct peer_auth *receiver;
	struct arena arena;
	struct metadata metadata;
};

static int setup(void **state)
{
	static struct fixture f;

	memset(&f, 0, sizeof(f));
	f.sender = peer_auth_new(SECRET, 1);
	f.receiver = peer_auth_new(SECRET, 2);
	arena_init(&f.arena, (size_t)1 << 20);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	peer_auth_free(f->sender);
	peer_auth_free(f->receiver);
	arena_fini(&f->arena);
	return 0;
}

static void write_call(struct fixture *f, const struct peer_call *call)
{
	f->metadata = (struct metadata){0};
	assert_true(peer_call_write(f->sender, call, &usual, &f->arena, &f->metadata));
}

static enum status read_call(struct fixture *f, struct peer_call *call)
{
	struct error err;

	return peer_call_read(f->receiver, &f->metadata, &usual, call, &err);
}

static void what_is_written_is_read(void **state)
{
	struct fixture *f = *state;
	struct peer_call call;

	write_call(f, &a_call);
	assert_int_equal(read_call(f, &call), ST_OK);
	assert_int_equal(call.hop, 1);
	assert_int_equal(call.view_version, 1795554575281);
	assert_int_equal(call.chain, 3);
	assert_memory_equal(call.id.bytes, a_call.id.bytes, 16);
	assert_string_equal(call.protocol, "json");
	assert_int_equal(read_call(f, &call), ST_UNAUTHENTICATED); /* once */
	peer_call_strip(&f->metadata);
	assert_int_equal(f->metadata.count, 0);
}

static void protocols_are_known(void **state)
{
	static const char *const rows[] = {"grpc",    "grpc-web", "json",
					   "forward", "effect",	  "eventing"};
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct peer_call call = a_call;

		call.protocol = rows[i];
		write_call(f, &call);
		UNIT_ROW(rows[i], read_call(f, &call) == ST_OK);
		UNIT_ROW(rows[i], strcmp(call.protocol, rows[i]) == 0);
	}
}

/* Every item that is changed, or not there, spoils the proof. */
static void every_item_counts(void **state)
{
	struct fixture *f = *state;
	struct peer_call call;
	size_t count;

	write_call(f, &a_call);
	count = f->metadata.count;
	for (size_t i = 0; i < count; i++) {
		struct span saved;
		char changed[80];

		write_call(f, &a_call);
		saved = f->metadata.items[i].value;
		memcpy(changed, saved.data, saved.len);
		changed[saved.len - 1] = changed[saved.len - 1] == '1' ? '2' : '1';
		f->metadata.items[i].value = span_make(changed, saved.len);
		UNIT_ROW((const char *)f->metadata.items[i].key.data,
			 read_call(f, &call) == ST_UNAUTHENTICATED);
		f->metadata.items[i].value = SPAN_EMPTY;
		UNIT_ROW("emptied", read_call(f, &call) == ST_UNAUTHENTICATED);
		f->metadata.items[i].value = saved;
		UNIT_ROW("restored", read_call(f, &call) == ST_OK);
	}
}

static void occasions(void **state)
{
	static const struct {
		const char *name;
		struct peer_occasion occasion;
		enum status status;
	} rows[] = {
		{"another member",
		 {SPAN_LIT("10.0.0.3:7355"), SPAN_LIT("/shop.Cart/Add"), NOW_MS},
		 ST_UNAUTHENTICATED},
		{"another method",
		 {SPAN_LIT("10.0.0.2:7355"), SPAN_LIT("/shop.Cart/Get"), NOW_MS},
		 ST_UNAUTHENTICATED},
		{"too late",
		 {SPAN_LIT("10.0.0.2:7355"), SPAN_LIT("/shop.Cart/Add"), NOW_MS + 30001},
		 ST_UNAUTHENTICATED},
		{"too early",
		 {SPAN_LIT("10.0.0.2:7355"), SPAN_LIT("/shop.Cart/Add"), NOW_MS - 30001},
		 ST_UNAUTHENTICATED},
		{"just in time",
		 {SPAN_LIT("10.0.0.2:7355"), SPAN_LIT("/shop.Cart/Add"), NOW_MS + 30000},
		 ST_OK},
	};
	struct fixture *f = *state;
	struct peer_call call;
	struct error err;

	write_call(f, &a_call);
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		UNIT_ROW(rows[i].name, peer_call_read(f->receiver, &f->metadata, &rows[i].occasion,
						      &call, &err) == rows[i].status);
}

static void another_secret(void **state)
{
	struct fixture *f = *state;
	struct peer_call call;

	peer_auth_free(f->sender);
	f->sender = peer_auth_new(SPAN_LIT("correct horse battery stable"), 1);
	write_call(f, &a_call);
	assert_int_equal(read_call(f, &call), ST_UNAUTHENTICATED);
}

/* Commands overtake each other a little; one that comes twice is refused wherever it stands. */
static void order_does_not_matter_much(void **state)
{
	enum { CALLS = 300 };
	struct fixture *f = *state;
	struct metadata calls[CALLS];
	struct peer_call call;

	for (size_t i = 0; i < CALLS; i++) {
		write_call(f, &a_call);
		calls[i] = f->metadata;
	}
	for (size_t round = 0; round < 2; round++) {
		for (size_t i = 0; i < CALLS; i++) {
			f->metadata = calls[i * 7 % CALLS]; /* 7 and 300 have no common divisor */
			assert_int_equal(read_call(f, &call), round ? ST_UNAUTHENTICATED : ST_OK);
		}
	}
}

static void what_left_the_window_is_refused(void **state)
{
	struct fixture *f = *state;
	struct metadata early;
	struct metadata sent;
	struct peer_call call;

	write_call(f, &a_call);
	early = f->metadata;
	for (int i = 0; i < 20000; i++) {
		struct arena arena;

		arena_init(&arena, 4096);
		sent = (struct metadata){0};
		assert_true(peer_call_write(f->sender, &a_call, &usual, &arena, &sent));
		if (i == 19999) {
			f->metadata = sent;
			assert_int_equal(read_call(f, &call), ST_OK);
		}
		arena_fini(&arena);
	}
	f->metadata = early;
	assert_int_equal(read_call(f, &call), ST_UNAUTHENTICATED);
}

static void other_versions_have_other_protocols(void **state)
{
	struct fixture *f = *state;
	struct peer_call call = a_call;

	call.protocol = "carrier pigeon";
	write_call(f, &call);
	assert_int_equal(read_call(f, &call), ST_OK);
	assert_string_equal(call.protocol, "other");
}

/* Spec: RFC 4231, test case 2 */
static void hmac_is_that_of_the_standard(void **state)
{
	static const uint8_t want[HMAC_BYTES] = {
		0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e, 0x6a, 0x04, 0x24,
		0x26, 0x08, 0x95, 0x75, 0xc7, 0x5a, 0x00, 0x3f, 0x08, 0x9d, 0x27,
		0x39, 0x83, 0x9d, 0xec, 0x58, 0xb9, 0x64, 0xec, 0x38, 0x43,
	};
	struct hmac *hmac = hmac_new(SPAN_LIT("Jefe"));
	uint8_t got[HMAC_BYTES];

	(void)state;
	for (int i = 0; i < 2; i++) {
		hmac_sign(hmac, SPAN_LIT("what do ya want for nothing?"), got);
		assert_memory_equal(got, want, sizeof(want));
	}
	assert_true(hmac_is_equal(got, want));
	got[31] ^= 1;
	assert_false(hmac_is_equal(got, want));
	hmac_free(hmac);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_written_is_read),
		TEST(protocols_are_known),
		TEST(every_item_counts),
		TEST(occasions),
		TEST(another_secret),
		TEST(order_does_not_matter_much),
		TEST(what_left_the_window_is_refused),
		TEST(other_versions_have_other_protocols),
		TEST(hmac_is_that_of_the_standard),
	};

	return cmocka_run_group_tests_name("router/peer_call", tests, NULL, NULL);
}

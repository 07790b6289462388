/* The channel to the function and discovery, against a function in the same loop. */
#include "src/userfn/userfn.h"

#include <string.h>

#include "proto/wire.h"
#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/log.h"
#include "src/base/mem.h"
#include "src/base/metrics.h"
#include "src/runtime/address.h"
#include "src/runtime/loop.h"
#include "src/userfn/api.h"
#include "tests/fakes/fake_function.h"
#include "tests/fakes/fake_spec.h"
#include "tests/unit/unit.h"

#define WAIT_NS (10 * NS_PER_S)

struct fixture {
	struct loop *loop;
	struct metrics *metrics;
	struct fake_function function;
	struct userfn *userfn;
	unsigned changes;
	unsigned want;	     /* of what is waited for */
	const char *finding; /* of check; NULL: none */
};

static enum status check(void *data, struct api *api, struct buf *reasons, struct error *err)
{
	struct fixture *f = data;

	assert_true(api->service_count > 0);
	if (!f->finding)
		return ST_OK;
	assert_true(buf_printf(reasons, "%s%s", buf_len(reasons) ? "\n" : "", f->finding));
	return error_set(err, ST_INVALID_ARGUMENT, "%s", f->finding);
}

static void on_change(void *data)
{
	struct fixture *f = data;

	f->changes++;
}

static int set_up(void **state)
{
	struct fixture *f = mem_new(struct fixture);
	struct error err;

	log_set_level(LOG_OFF);
	assert_int_equal(loop_new(&f->loop, &err), ST_OK);
	f->metrics = metrics_new();
	fake_function_init(&f->function, f->loop, 2, 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	userfn_close(f->userfn);
	fake_function_fini(&f->function);
	metrics_free(f->metrics);
	loop_free(f->loop);
	mem_free(f);
	return 0;
}

static void open_userfn(struct fixture *f)
{
	struct address address = {.port = f->function.port, .host = "127.0.0.1"};
	struct userfn_params params = {
		.address = &address,
		.backoff_min_ms = 5,
		.backoff_max_ms = 20,
		.refused_retry_ms = 20,
		.discover_timeout_ms = 2000,
		.max_message_bytes = 12 * 1024 * 1024,
		.check = check,
		.metrics = f->metrics,
	};

	f->userfn = userfn_open(f->loop, &params, on_change, f);
}

static bool is_ready(void *data)
{
	struct fixture *f = data;

	return userfn_is_ready(f->userfn, NULL);
}

static bool is_away(void *data)
{
	return !is_ready(data);
}

static bool has_discovers(void *data)
{
	struct fixture *f = data;

	return f->function.discovers >= f->want;
}

static bool has_reports(void *data)
{
	struct fixture *f = data;

	return f->function.reports >= f->want;
}

static void wait_for(struct fixture *f, bool (*is_done)(void *))
{
	assert_true(loop_run_until(f->loop, is_done, f, clock_mono_ns() + WAIT_NS));
}

static void discovers_after_connecting(void **state)
{
	struct fixture *f = *state;
	struct wire_field field;
	const char *reason = NULL;

	open_userfn(f);
	assert_null(userfn_api(f->userfn));
	assert_false(userfn_is_ready(f->userfn, &reason));
	assert_non_null(strstr(reason, "127.0.0.1"));
	wait_for(f, is_ready);
	assert_non_null(api_find(userfn_api(f->userfn), SPAN_LIT("/test.Counter/Get")));
	assert_int_equal(f->function.discovers, 1);
	assert_true(f->changes > 0);
	assert_int_equal(
		metrics_value(metrics_series(f->metrics, METRIC_FUNCTION_CONNECTED, NULL, 0)), 1);
	/* ProxyInfo 0.2; major 0 is the default and not written */
	assert_false(wire_find_last(buf_span(&f->function.proxy_info), 1, WIRE_VARINT, &field));
	assert_true(wire_find_last(buf_span(&f->function.proxy_info), 2, WIRE_VARINT, &field));
	assert_int_equal(field.integer, 2);
	assert_true(wire_find_last(buf_span(&f->function.proxy_info), 3, WIRE_BYTES, &field));
	UNIT_ROW_SPAN("name", field.bytes, "headgate");
	assert_true(wire_find_last(buf_span(&f->function.proxy_info), 4, WIRE_BYTES, &field));
	UNIT_ROW_SPAN("version", field.bytes, PACKAGE_VERSION);
	/* the last two fields, one after the other */
	assert_non_null(memmem(buf_span(&f->function.proxy_info).data,
			       buf_len(&f->function.proxy_info),
			       "\x2a\x20" API_ACTION_TYPE "\x2a\x24" API_EVENT_SOURCED_TYPE, 72));
}

static void discovers_again_after_a_failure(void **state)
{
	struct fixture *f = *state;
	const char *reason = NULL;

	f->function.discover_code = ST_UNAVAILABLE;
	open_userfn(f);
	f->want = 3;
	wait_for(f, has_discovers);
	assert_false(userfn_is_ready(f->userfn, &reason));
	assert_non_null(strstr(reason, "does not describe itself"));
	f->function.discover_code = ST_OK;
	wait_for(f, is_ready);
}

static void refused_description_is_reported_and_asked_for_again(void **state)
{
	struct fixture *f = *state;
	const char *reason = NULL;

	buf_reset(&f->function.spec);
	fake_spec_counter(7, 0, &f->function.spec);
	open_userfn(f);
	f->want = 1;
	wait_for(f, has_reports);
	assert_string_equal(f->function.last_report,
			    "Incompatible protocol version 0.7, only 0.2 is supported");
	assert_false(userfn_is_ready(f->userfn, &reason));
	assert_non_null(strstr(reason, "refused: Incompatible protocol version 0.7"));
	assert_null(userfn_api(f->userfn));
	buf_reset(&f->function.spec);
	fake_spec_counter(2, 0, &f->function.spec);
	wait_for(f, is_ready);
}

static void what_others_find_refuses_too(void **state)
{
	static const struct {
		const char *name;
		int32_t minor;
		const char *finding;
		const char *reasons;
		const char *first;
	} rows[] = {
		{"theirs", 2, "no such path", "no such path", "refused: no such path"},
		{"ours and theirs", 8, "no such path",
		 "Incompatible protocol version 0.8, only 0.2 is supported\nno such path",
		 "refused: Incompatible protocol version 0.8"},
	};
	struct fixture *f = *state;
	struct userfn_refusal refusal;
	const char *reason = NULL;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		f->finding = rows[i].finding;
		buf_reset(&f->function.spec);
		fake_spec_counter(rows[i].minor, 0, &f->function.spec);
		if (!f->userfn)
			open_userfn(f);
		f->want = f->function.reports + 2; /* one may be on its way */
		wait_for(f, has_reports);
		UNIT_ROW_SPAN(rows[i].name, span_from_str(f->function.last_report),
			      rows[i].reasons);
		UNIT_ROW(rows[i].name, userfn_is_refused(f->userfn));
		UNIT_ROW(rows[i].name, userfn_refusal(f->userfn, &refusal));
		UNIT_ROW_SPAN(rows[i].name, refusal.reasons, rows[i].reasons);
		UNIT_ROW(rows[i].name, refusal.times >= 2 && refusal.retry_in_ms <= 20);
		UNIT_ROW(rows[i].name, refusal.first_ms > 0 && refusal.first_ms < refusal.last_ms);
		UNIT_ROW(rows[i].name, !userfn_is_ready(f->userfn, &reason));
		UNIT_ROW(rows[i].name, strstr(reason, rows[i].first) != NULL);
		UNIT_ROW(rows[i].name, !userfn_api(f->userfn));
	}
	f->finding = NULL;
	buf_reset(&f->function.spec);
	fake_spec_counter(2, 0, &f->function.spec);
	wait_for(f, is_ready);
	assert_false(userfn_is_refused(f->userfn));
	assert_false(userfn_refusal(f->userfn, &refusal));
}

static void a_refusal_leaves_the_api_in_force(void **state)
{
	struct fixture *f = *state;
	struct api *api;

	open_userfn(f);
	wait_for(f, is_ready);
	api = userfn_api(f->userfn);
	f->finding = "no such path";
	buf_reset(&f->function.spec);
	fake_spec_counter(2, 99, &f->function.spec);
	fake_function_drop(&f->function);
	f->want = 1;
	wait_for(f, has_reports);
	assert_true(userfn_is_refused(f->userfn));
	assert_ptr_equal(userfn_api(f->userfn), api);
	/* the one before comes back */
	buf_reset(&f->function.spec);
	fake_spec_counter(2, 0, &f->function.spec);
	wait_for(f, is_ready);
	assert_false(userfn_is_refused(f->userfn));
	assert_ptr_equal(userfn_api(f->userfn), api);
}

static void api_stays_while_the_function_is_away(void **state)
{
	struct fixture *f = *state;
	struct api *api;

	open_userfn(f);
	wait_for(f, is_ready);
	api = userfn_api(f->userfn);
	fake_function_drop(&f->function);
	wait_for(f, is_away);
	assert_ptr_equal(userfn_api(f->userfn), api);
	wait_for(f, is_ready);
	assert_int_equal(f->function.discovers, 2);
	/* the same description: the same snapshot */
	assert_ptr_equal(userfn_api(f->userfn), api);
}

static void changed_description_is_swapped(void **state)
{
	struct fixture *f = *state;
	struct api *old;

	open_userfn(f);
	wait_for(f, is_ready);
	old = api_ref(userfn_api(f->userfn));
	buf_reset(&f->function.spec);
	fake_spec_counter(2, 1234, &f->function.spec);
	fake_function_drop(&f->function);
	wait_for(f, is_away);
	wait_for(f, is_ready);
	assert_ptr_not_equal(userfn_api(f->userfn), old);
	assert_int_equal(userfn_api(f->userfn)->services[0].passivation_ms, 1234);
	/* whoever holds the old one may go on with it */
	assert_non_null(api_find(old, SPAN_LIT("/test.Counter/Increase")));
	api_unref(old);
}

static void reports_are_limited(void **state)
{
	struct fixture *f = *state;
	uint64_t deadline_ns = clock_mono_ns() + WAIT_NS;

	open_userfn(f);
	wait_for(f, is_ready);
	for (int i = 0; i < 40; i++)
		userfn_report(f->userfn, SPAN_LIT("something is wrong"));
	f->want = 16;
	wait_for(f, has_reports);
	assert_string_equal(f->function.last_report, "something is wrong");
	assert_int_equal(f->function.reports, 16);
	/* the slots become free again when the answers are there */
	f->want = 17;
	do
		userfn_report(f->userfn, SPAN_LIT("one more"));
	while (!loop_run_until(f->loop, has_reports, f, clock_mono_ns() + NS_PER_MS) &&
	       clock_mono_ns() < deadline_ns);
	assert_string_equal(f->function.last_report, "one more");
}

static void closes_at_any_time(void **state)
{
	struct fixture *f = *state;

	for (unsigned turns = 0; turns < 12; turns++) {
		open_userfn(f);
		for (unsigned i = 0; i < turns; i++)
			(void)loop_run_until(f->loop, is_ready, f,
					     clock_mono_ns() + NS_PER_MS / 10);
		userfn_report(f->userfn, SPAN_LIT("bye"));
		userfn_close(f->userfn);
	}
	f->userfn = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(discovers_after_connecting),
		TEST(discovers_again_after_a_failure),
		TEST(refused_description_is_reported_and_asked_for_again),
		TEST(what_others_find_refuses_too),
		TEST(a_refusal_leaves_the_api_in_force),
		TEST(api_stays_while_the_function_is_away),
		TEST(changed_description_is_swapped),
		TEST(reports_are_limited),
		TEST(closes_at_any_time),
#undef TEST
	};

	return cmocka_run_group_tests_name("userfn/userfn", tests, NULL, NULL);
}

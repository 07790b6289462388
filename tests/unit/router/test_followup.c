/* Forwards and side effects by themselves: what is asked for is a line of letters, each a method of
 * the function, and where calls go is the test, which ends them as the row says. The function and
 * its description are fakes; the clock alone is real, for timeouts. */
#include "src/router/followup.h"

#include <stdio.h>
#include <string.h>

#include "proto/schema.h"
#include "proto/wire.h"
#include "src/base/buf.h"
#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/log.h"
#include "src/base/mem.h"
#include "src/base/metrics.h"
#include "src/grpc/grpc_call.h"
#include "src/grpc/metadata.h"
#include "src/router/exchange.h"
#include "src/router/router_metrics.h"
#include "src/runtime/loop.h"
#include "src/userfn/api.h"
#include "src/userfn/userfn.h"
#include "tests/fakes/fake_spec.h"
#include "tests/unit/unit.h"

#define WAIT_NS (10 * NS_PER_S)
#define TIMEOUT_MS 20U /* of rows in which nothing else ends a call */
#define LONG_MS 60000U
#define EFFECTS_MAX 8
#define METHODS 26

struct fixture;

/* Instead of src/userfn, which is not linked. */
struct userfn {
	struct api *api;
	unsigned reports;
	char last_report[1024];
};

struct fixture {
	struct loop *loop;
	struct metrics *metrics;
	struct router_metrics router_metrics;
	struct userfn userfn;
	struct followups *followups;
	struct exchange client;
	struct followup *followup;	 /* NULL: none, or over */
	struct exchange *calls[METHODS]; /* by letter, as long as they run */
	char log[512];
	size_t log_len;
	size_t log_seen;
	/* of the wish at hand */
	struct buf bytes;
	struct span effects[EFFECTS_MAX];
	size_t effect_count;
	struct followup_forward forward;
	bool has_forward;
	bool is_drained;
};

/* One test in a line. */
struct row {
	const char *name;
	const char *wish; /* "a! b N! u ? >c": b is not waited for; N is no service, u no command, ?
			     malformed; c is the forward */
	const char *play; /* a: that call succeeds; A: it fails; -: the client leaves; .: wait */
	const char
		*log; /* +a: called; (x): that of play; xa: cancelled; <a: its reply; =: the end */
	const char *report;
	unsigned reports;
	unsigned refused;
	unsigned failed; /* effects */
	unsigned hops;
	size_t running_max;
	bool is_streamed; /* the client's call */
	bool is_gone;	  /* the client, before the reply came */
	bool is_short;	  /* of time */
};

struct api *userfn_api(const struct userfn *userfn)
{
	return userfn->api;
}

void userfn_report(struct userfn *userfn, struct span message)
{
	userfn->reports++;
	(void)snprintf(userfn->last_report, sizeof(userfn->last_report), "%.*s", SPAN_FMT(message));
}

static void note(struct fixture *f, const char *what, char letter)
{
	int len = snprintf(f->log + f->log_len, sizeof(f->log) - f->log_len, "%s%s%c",
			   f->log_len ? " " : "", what, letter);

	assert_true(len > 0 && (size_t)len < sizeof(f->log) - f->log_len);
	f->log_len += (size_t)len;
}

/* ---- where calls go ---------------------------------------------------------------------------
 */

static size_t letter_of(const struct exchange *exchange)
{
	return (size_t)(exchange->method->schema->name.data[0] - 'a');
}

static void on_message(struct exchange *exchange, void *data, struct span message)
{
	(void)exchange;
	(void)data;
	(void)message;
}

static void on_half_close(struct exchange *exchange, void *data)
{
	(void)exchange;
	(void)data;
}

static void on_room(struct exchange *exchange, void *data)
{
	note(data, "room ", (char)('a' + letter_of(exchange)));
}

static void on_cancelled(struct exchange *exchange, void *data, enum status why)
{
	struct fixture *f = data;

	(void)why;
	note(f, "x", (char)('a' + letter_of(exchange)));
	f->calls[letter_of(exchange)] = NULL;
	followups_release(f->followups);
}

static const struct exchange_handler_ops handler_ops = {
	.on_message = on_message,
	.on_half_close = on_half_close,
	.on_drained = on_room,
	.on_cancelled = on_cancelled,
};

static void accept(void *data, struct exchange *exchange)
{
	struct fixture *f = data;

	assert_null(f->calls[letter_of(exchange)]);
	f->calls[letter_of(exchange)] = exchange;
	exchange->handler = &handler_ops;
	exchange->handler_data = f;
	followups_hold(f->followups);
	note(f, "+", (char)('a' + letter_of(exchange)));
}

/* As the router does it: what follows begins before the call is gone. */
static void end_call(struct fixture *f, size_t letter, enum status code)
{
	char name = (char)('a' + letter);
	struct exchange *exchange = f->calls[letter];
	struct grpc_status status = {.code = code};

	assert_non_null(exchange);
	f->calls[letter] = NULL;
	if (code == ST_OK)
		assert_int_equal(exchange->front->send(exchange, span_make(&name, 1)), ST_OK);
	else
		status.message = SPAN_LIT("down");
	exchange_finish(exchange, &status);
	followups_release(f->followups);
}

/* ---- the client -------------------------------------------------------------------------------
 */

static void client_set_headers(struct exchange *exchange, const struct metadata *headers)
{
	struct fixture *f = container_of(exchange, struct fixture, client);

	(void)headers;
	note(f, "h", 'd');
}

static enum status client_send(struct exchange *exchange, struct span message)
{
	struct fixture *f = container_of(exchange, struct fixture, client);

	note(f, "<", (char)message.data[0]);
	return ST_OK;
}

static size_t client_unsent(const struct exchange *exchange)
{
	(void)exchange;
	return 0;
}

static const struct exchange_front_ops client_ops = {
	.set_headers = client_set_headers,
	.send = client_send,
	.unsent = client_unsent,
};

static void on_done(void *data, const struct grpc_status *status)
{
	struct fixture *f = data;
	const char *what = status ? status_name(status->code) : "answer";

	f->followup = NULL;
	for (note(f, "", '='); *what; what++) {
		f->log[f->log_len++] = *what;
		f->log[f->log_len] = '\0';
	}
}

/* ---- a world for each row ---------------------------------------------------------------------
 */

/* test.Deed: a to t are unary, v is not. */
static struct api *make_api(void)
{
	static char names[METHODS][2];
	static struct fake_method methods[METHODS + 1];
	static const struct fake_field fields[] = {
		{.name = "id", .number = 1, .type = FIELD_STRING}, {0}};
	static const struct fake_message messages[] = {{"Amount", fields}, {0}};
	static const struct fake_service services[] = {{"Deed", methods}, {0}};
	static const struct fake_file files[] = {
		{.name = "t.proto", .package = "test", .messages = messages, .services = services},
		{0}};
	static const struct fake_entity entities[] = {
		{.type = API_ACTION_TYPE, .service = "test.Deed"}, {0}};
	struct fake_spec spec = {.files = files, .entities = entities, .minor = 2};
	struct error err;
	struct api *api = NULL;
	struct buf bytes;
	struct buf reasons;
	size_t count = 0;

	for (char c = 'a'; c <= 'v'; c++) {
		if (c == 'u')
			continue;
		names[count][0] = c;
		methods[count] = (struct fake_method){names[count], ".test.Amount", ".test.Amount",
						      false, c == 'v'};
		count++;
	}
	buf_init(&bytes, (size_t)1024 * 1024);
	buf_init(&reasons, 4096);
	fake_spec_write(&spec, &bytes);
	assert_int_equal(api_new(buf_span(&bytes), &reasons, &api, &err), ST_OK);
	buf_fini(&bytes);
	buf_fini(&reasons);
	return api;
}

static const struct api_method *method_named(struct fixture *f, const char *path)
{
	const struct api_method *method = api_find(f->userfn.api, span_from_str(path));

	assert_non_null(method);
	return method;
}

static struct fixture *open_world(const struct row *row)
{
	struct fixture *f = mem_new(struct fixture);
	struct followup_limits limits = followup_limits_default();
	struct error err;

	log_set_level(LOG_OFF);
	assert_int_equal(loop_new(&f->loop, &err), ST_OK);
	f->metrics = metrics_new();
	router_metrics_init(&f->router_metrics, f->metrics);
	f->userfn.api = make_api();
	limits.timeout_ms = row->is_short ? TIMEOUT_MS : LONG_MS;
	if (row->running_max)
		limits.running_max = row->running_max;
	f->followups = followups_new(f->loop, &f->userfn, &f->router_metrics, &limits, accept, f);
	f->client = (struct exchange){
		.front = &client_ops,
		.method = method_named(f, row->is_streamed ? "/test.Deed/v" : "/test.Deed/a"),
		.deadline_ns = 12345,
	};
	buf_init(&f->bytes, 4096);
	assert_true(buf_reserve(&f->bytes, 4096) != NULL); /* so that spans into it stay */
	return f;
}

static void close_world(struct fixture *f)
{
	followups_free(f->followups);
	buf_fini(&f->bytes);
	api_unref(f->userfn.api);
	router_metrics_fini(&f->router_metrics);
	metrics_free(f->metrics);
	loop_free(f->loop);
	mem_free(f);
}

/* cloudstate.SideEffect. */
static void add_effect(struct fixture *f, const char *letter, bool is_waited)
{
	size_t before = buf_len(&f->bytes);
	struct wire_writer w;
	struct wire_nest any;

	if (*letter == '?') {
		assert_true(buf_append(&f->bytes, SPAN_LIT("\x0a\xff")));
	} else {
		wire_writer_init(&w, &f->bytes);
		wire_put_bytes_field(
			&w, 1, *letter == 'N' ? SPAN_LIT("test.None") : SPAN_LIT("test.Deed"));
		wire_put_bytes_field(&w, 2, span_make(letter, 1));
		any = wire_begin(&w, 3);
		wire_put_bytes_field(&w, 2, SPAN_LIT("\x0a\x01k"));
		wire_end(&w, any);
		wire_put_uint_field(&w, 4, is_waited);
		wire_put_bytes_field(&w, 5,
				     SPAN_LIT("\x0a\x08\x0a\x03x-a\x12\x01"
					      "b"));
		assert_true(wire_finish(&w));
		wire_writer_fini(&w);
	}
	assert_true(f->effect_count < EFFECTS_MAX);
	f->effects[f->effect_count++] = span_skip(buf_span(&f->bytes), before);
}

static void read_wish(struct fixture *f, const char *wish)
{
	for (const char *at = wish; *at; at++) {
		if (*at == ' ' || *at == '!')
			continue;
		if (*at != '>') {
			add_effect(f, at, at[1] == '!');
			continue;
		}
		at++;
		f->has_forward = true;
		f->forward = (struct followup_forward){
			.service_name = *at == 'N' ? SPAN_LIT("test.None") : SPAN_LIT("test.Deed"),
			.command_name = span_make(at, 1),
			.payload = SPAN_LIT("\x0a\x01"
					    "f"),
		};
	}
}

static void start(struct fixture *f, const struct row *row)
{
	struct followup_wish wish = {
		.origin = {.method = f->client.method, .hops = row->hops},
		.effects = f->effects,
		.exchange = row->is_gone ? NULL : &f->client,
	};

	read_wish(f, row->wish);
	wish.effect_count = f->effect_count;
	wish.forward = f->has_forward ? &f->forward : NULL;
	f->followup = followup_start(f->followups, &wish, on_done, f);
	if (!f->followup)
		note(f, "=", '0');
}

static bool has_new_log(void *data)
{
	struct fixture *f = data;

	return f->log_len > f->log_seen;
}

static void wait_until(struct fixture *f, bool (*is_done)(void *), void *data)
{
	assert_true(loop_run_until(f->loop, is_done, data, clock_mono_ns() + WAIT_NS));
}

static void play(struct fixture *f, const char *moves)
{
	for (; *moves; moves++) {
		note(f, "", *moves);
		f->log_seen = f->log_len;
		if (*moves == '.') {
			wait_until(f, has_new_log, f);
		} else if (*moves == '-') {
			followup_abandon(f->followup);
			f->followup = NULL;
		} else if (*moves >= 'a') {
			end_call(f, (size_t)(*moves - 'a'), ST_OK);
		} else {
			end_call(f, (size_t)(*moves - 'A'), ST_UNAVAILABLE);
		}
	}
}

static int64_t refused(struct fixture *f)
{
	int64_t sum = 0;
	static const char *const kinds[] = {"effect", "forward"};

	for (size_t i = 0; i < COUNT_OF(kinds); i++) {
		struct metrics_label labels[] = {{"kind", span_from_str(kinds[i])},
						 {"outcome", SPAN_LIT("refused")}};

		sum += metrics_value(metrics_series(f->metrics, METRIC_FOLLOWUPS, labels, 2));
	}
	return sum;
}

static int64_t gauge(struct fixture *f, enum metric metric)
{
	return metrics_value(metrics_series(f->metrics, metric, NULL, 0));
}

/* ---- tests ------------------------------------------------------------------------------------
 */

static const struct row rows[] = {
	{"nothing", "", "", "=0"},
	{"not waited for", "a b", "", "+a +b =0"},
	{"waited for", "a!", "a", "+a a =answer"},
	{"in order", "a b! c d! e", "bd", "+a +b b +c +d d +e =answer"},
	{"one that is not waited for ends late", "a b!", "ba", "+a +b b =answer a"},
	{"or early", "a b!", "ab", "+a +b a b =answer"},
	{"an effect's replies are dropped", "v!", "v", "+v v =answer"},
	{"a failed one is followed by the next", "a! b!", "Ab", "+a A +b b =answer", .failed = 1},
	{"one that nobody waits for fails", "a", "A", "+a =0 A", .failed = 1},
	{"the function dies", "a b! c! >d", "ABCD", "+a +b A B +c C +d D =UNAVAILABLE",
	 .failed = 3},
	{"no such service", "N! a!", "a", "+a a =answer",
	 "Service [test.None] unknown\n  side-effect of test.Deed.a", 1, 1},
	{"no such command", "u a!", "a", "+a a =answer",
	 "Service [test.Deed] does not have a command named: [u]\n  side-effect of test.Deed.a", 1,
	 1},
	{"malformed", "? a!", "a", "+a a =answer",
	 "A side effect is malformed and was not executed", 1, 1},
	{"nothing that can be called", "N! u!", "", "=0",
	 "Service [test.Deed] does not have a command named: [u]\n  side-effect of test.Deed.a", 2,
	 2},
	{"the tenth in a row", "a! >b", "ab", "+a a +b b <b =OK", .hops = FOLLOWUP_HOPS_MAX - 1},
	{"the eleventh effect", "a!", "", "=0",
	 "10 forwards and side effects in a row: [a] of [test.Deed] is not called\n"
	 "  side-effect of test.Deed.a",
	 1, 1, .hops = FOLLOWUP_HOPS_MAX},
	{"the eleventh forward", ">b", ".", ". =INTERNAL",
	 "10 forwards and side effects in a row: [b] of [test.Deed] is not called\n"
	 "  forwarded from test.Deed.a",
	 1, 1, .hops = FOLLOWUP_HOPS_MAX},
	{"too many effects", "a b c!", "", "+a +b =0",
	 "Too many forwards and side effects at once: [c] of [test.Deed] is not called\n"
	 "  side-effect of test.Deed.a",
	 1, 1, .running_max = 2},
	{"too many for a forward", "a >b", ".", "+a . =RESOURCE_EXHAUSTED",
	 "Too many forwards and side effects at once: [b] of [test.Deed] is not called\n"
	 "  forwarded from test.Deed.a",
	 1, 1, .running_max = 1},
	{"room again", "a! b!", "ab", "+a a +b b =answer", .running_max = 1},
	{"forward", ">a", "a", "+a a <a =OK"},
	{"forward, then too late", "a! b >c", "acb", "+a a +b +c c <c =OK b"},
	{"a forward fails", "a! >b", "aB", "+a a +b B =UNAVAILABLE"},
	{"forward to no service", ">N", ".", ". =INTERNAL",
	 "Service [test.None] unknown\n  forwarded from test.Deed.a", 1, 1},
	{"forward to a stream", ">v", ".", ". =INTERNAL",
	 "[v] of [test.Deed] answers with a stream, which a unary call cannot be forwarded to\n"
	 "  forwarded from test.Deed.a",
	 1, 1},
	{"of a stream", ">v", "v", "+v v <v =OK", .is_streamed = true},
	{"the client leaves a forward", ">a", "-", "+a - xa"},
	{"and one that could not be made", ">N", "-", "-",
	 "Service [test.None] unknown\n  forwarded from test.Deed.a", 1, 1},
	{"the client leaves during effects", "a! b! c >d", "-ab", "+a - a +b b +c"},
	{"and one of them fails", "a! b! c >d", "-Ab", "+a - A +b b +c", .failed = 1},
	{"the client left before", "a! >b", "a", "+a a =answer", .is_gone = true},
	{"before a forward", ">b", "", "=0", .is_gone = true},
	{"a timeout", "a! b!", ".b", "+a . xa +b b =answer", .failed = 1, .is_short = true},
	{"a timeout before a forward", "a! >b", ".b", "+a . xa +b b <b =OK", .failed = 1,
	 .is_short = true},
	{"a timeout that nobody waits for", "a", ".", "+a =0 . xa", .failed = 1, .is_short = true},
	{"a timeout when the client has left", "a! b", "-.", "+a - . xa +b", .failed = 1,
	 .is_short = true},
};

static void each_in_its_way(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct row *row = &rows[i];
		struct fixture *f = open_world(row);

		start(f, row);
		play(f, row->play);
		UNIT_ROW_SPAN(row->name, span_make(f->log, f->log_len), row->log);
		UNIT_ROW(row->name, f->userfn.reports == row->reports);
		UNIT_ROW_SPAN(row->name, span_from_str(f->userfn.last_report),
			      row->report ? row->report : "");
		UNIT_ROW(row->name, refused(f) == row->refused);
		UNIT_ROW(row->name, gauge(f, METRIC_EFFECTS_FAILED) == row->failed);
		close_world(f); /* with what still runs */
	}
}

static void what_a_call_is_told(void **state)
{
	static const struct row row = {.wish = "b >c", .hops = 3};
	struct fixture *f = open_world(&row);
	uint64_t now = loop_now_ns(f->loop);
	const struct exchange *effect;
	const struct exchange *forward;

	(void)state;
	start(f, &row);
	effect = f->calls['b' - 'a'];
	forward = f->calls['c' - 'a'];
	assert_string_equal(effect->protocol, "effect");
	assert_string_equal(forward->protocol, "forward");
	assert_int_equal(effect->hops, 4);
	assert_int_equal(forward->hops, 4);
	assert_true(effect->deadline_ns >= now + LONG_MS * NS_PER_MS);
	assert_int_equal(forward->deadline_ns, f->client.deadline_ns);
	assert_true(span_eq_str(metadata_get(effect->metadata, "x-a"), "b"));
	assert_int_equal(forward->metadata->count, 0);
	assert_true(span_eq_str(effect->trace, "\n  side-effect of test.Deed.a"));
	assert_true(span_eq_str(forward->trace, "\n  forwarded from test.Deed.a"));
	assert_int_equal(gauge(f, METRIC_FOLLOWUPS_RUNNING), 2);
	followup_drained(f->followup);
	assert_string_equal(f->log, "+b +c room c");
	close_world(f);
}

static void room_is_not_an_effects_affair(void **state)
{
	static const struct row row = {.wish = "a! >b"};
	struct fixture *f = open_world(&row);

	(void)state;
	start(f, &row);
	followup_drained(f->followup);
	assert_string_equal(f->log, "+a");
	close_world(f);
}

static void on_drained(void *data)
{
	((struct fixture *)data)->is_drained = true;
}

static bool is_drained(void *data)
{
	return ((struct fixture *)data)->is_drained;
}

/* Whatever there is to do in this turn and the next ones is done. */
static void settle(struct fixture *f)
{
	for (unsigned i = 0; i < 3; i++)
		(void)loop_run_until(f->loop, is_drained, f, clock_mono_ns());
}

static void a_drain_waits_for_all_of_it(void **state)
{
	static const struct row row = {.wish = "a! b c!"};
	struct fixture *f = open_world(&row);

	(void)state;
	followups_hold(f->followups); /* the client's call */
	start(f, &row);
	assert_int_equal(followups_effects(f->followups), 3);
	followup_abandon(f->followup);
	followups_release(f->followups);
	followups_drain(f->followups, on_drained, f);
	assert_false(f->is_drained); /* never from inside */
	settle(f);
	play(f, "a");
	assert_int_equal(followups_effects(f->followups), 2);
	play(f, "C");
	assert_int_equal(followups_effects(f->followups), 1);
	settle(f);
	assert_false(f->is_drained);
	play(f, "b");
	assert_int_equal(followups_effects(f->followups), 0);
	wait_until(f, is_drained, f);
	assert_string_equal(f->log, "+a a +b +c C b");
	close_world(f);
}

/* A command that the function has yet to answer may ask for effects, whether its caller has gone or
 * not. */
static void a_drain_waits_for_whoever_may_ask(void **state)
{
	static const struct row row = {.wish = "a"};
	struct fixture *f = open_world(&row);

	(void)state;
	followups_hold(f->followups);
	followups_drain(f->followups, on_drained, f);
	settle(f);
	assert_false(f->is_drained);
	start(f, &row);
	followups_release(f->followups);
	settle(f);
	assert_false(f->is_drained);
	play(f, "a");
	wait_until(f, is_drained, f);
	close_world(f);
}

static void a_drain_of_nothing(void **state)
{
	static const struct row row = {.wish = ""};
	struct fixture *f = open_world(&row);

	(void)state;
	followups_drain(f->followups, on_drained, f);
	assert_false(f->is_drained);
	wait_until(f, is_drained, f);
	f->is_drained = false;
	followups_hold(f->followups);
	followups_release(f->followups);
	settle(f);
	assert_false(f->is_drained); /* once */
	close_world(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_in_its_way),
		cmocka_unit_test(what_a_call_is_told),
		cmocka_unit_test(room_is_not_an_effects_affair),
		cmocka_unit_test(a_drain_waits_for_all_of_it),
		cmocka_unit_test(a_drain_waits_for_whoever_may_ask),
		cmocka_unit_test(a_drain_of_nothing),
	};

	return cmocka_run_group_tests_name("router/followup", tests, NULL, NULL);
}

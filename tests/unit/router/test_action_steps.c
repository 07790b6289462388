/* Every step of a call of an action, from each of its states, as lines that are played: what the
 * client, the function and the call that a reply asked for do, and what each of them has seen then.
 * Over a real connection; see tests/fakes/action_world.h.
 * Spec: cloudstate-protocol 6.1, R-04, R-21, R-23 */
#include "src/router/action.h"

#include <stdio.h>
#include <string.h>

#include "proto/schema.h"
#include "src/base/clock.h"
#include "src/grpc/grpc_call.h"
#include "src/router/exchange.h"
#include "src/runtime/loop.h"
#include "src/userfn/api.h"
#include "tests/fakes/action_world.h"
#include "tests/unit/unit.h"

#define SEEN_MAX 64
#define BIG_BYTES ((size_t)32 * 1024)
#define BIG_MESSAGES_MAX 100U

/* Steps, divided by bars: a letter and what has been seen after it.
 *
 * The client:   m  gives a message       h  half-closes          c  leaves
 *               s  stops to read         d  reads again          B  gives all that is asked for
 * The function: r  replies               f  failure              n  an answer without anything
 *               e  a reply that waits for an effect              g  garbage
 *               w  forwards to Unary     W  forwards to Out      F  ends with OK
 *               A  ends with ABORTED     K  loses the connection l  does not read    U  reads on
 * Its effect or forward:  y  replies     Y  ends with OK         N  ends with NOT_FOUND
 *
 * Seen:         A  the client is asked for a message             Mn the function's messages
 *               H  it knows the half-close                       Rn the client's replies
 *               E  an effect or forward runs                     x  it was cancelled
 *               X  the function was cancelled                    =  the end and its code
 *
 * "-" in front of all of it: messages are not counted. */
struct row {
	const char *name;
	const char *path;
	const char *steps;
};

#define UNARY "Unary"
#define IN "In"
#define OUT "Out"
#define BOTH "Both"

/* What every call of one request begins with. */
#define ASKED "m A | h M1 H | "

static const struct row rows[] = {
	{"one and one", UNARY, ASKED "r M1 H R1 | F M1 H R1 =OK"},
	{"it leaves at once", UNARY, "c A"},
	{"before its half-close", UNARY, "m A | c A"},
	{"while the function works", UNARY, ASKED "c M1 H X"},
	{"before the status", UNARY, ASKED "r M1 H R1 | c M1 H R1 X"},
	{"during an effect, which goes on", UNARY, ASKED "e M1 H E | c M1 H E X | Y M1 H X"},
	{"during a forward, which does not", UNARY, ASKED "w M1 H E | c M1 H x X"},
	{"an effect, then the reply", UNARY, ASKED "e M1 H E | Y M1 H R1 | F M1 H R1 =OK"},
	{"an effect fails", UNARY, ASKED "e M1 H E | N M1 H R1 | F M1 H R1 =OK"},
	{"the status waits for an effect", UNARY, ASKED "e M1 H E | F M1 H E | Y M1 H R1 =OK"},
	{"and a bad one, too", UNARY, ASKED "e M1 H E | A M1 H E | Y M1 H R1 =ABORTED"},
	{"a forward", UNARY, ASKED "w M1 H E | y M1 H R1 E | Y M1 H R1 | F M1 H R1 =OK"},
	{"the status waits for a forward", UNARY,
	 ASKED "w M1 H E | F M1 H E | y M1 H R1 E | Y M1 H R1 =OK"},
	{"a forward fails", UNARY, ASKED "w M1 H E | N M1 H | F M1 H =NOT_FOUND"},
	{"one answer and a forward", UNARY,
	 ASKED "w M1 H E | y M1 H R1 E | Y M1 H R1 | "
	       "r M1 H R1 X =INTERNAL"},
	{"a failure", UNARY, ASKED "f M1 H | F M1 H =UNKNOWN"},
	{"a failure and an answer", UNARY, ASKED "f M1 H | r M1 H X =INTERNAL"},
	{"a failure and a bad status", UNARY, ASKED "f M1 H | A M1 H =ABORTED"},
	{"nothing", UNARY, ASKED "n M1 H | F M1 H =INTERNAL"},
	{"garbage", UNARY, ASKED "g M1 H X =INTERNAL"},
	{"no answer", UNARY, ASKED "F M1 H =INTERNAL"},
	{"the connection is lost", UNARY, ASKED "K M1 H X =UNAVAILABLE"},
	{"lost after the answer", UNARY, ASKED "r M1 H R1 | K M1 H R1 X =UNAVAILABLE"},
	{"lost during an effect", UNARY, ASKED "e M1 H E | K M1 H E X | Y M1 H R1 X =UNAVAILABLE"},

	/* names come alone and first, though nothing was sent */
	{"many and one", IN, "m A M2 | m A M3 | h M3 H | r M3 H R1 | F M3 H R1 =OK"},
	{"none and one", IN, "h M1 H | r M1 H R1 | F M1 H R1 =OK"},
	{"the answer comes early", IN, "m A M2 | r A M2 R1 | F A M2 R1 =OK"},
	{"and the client goes on", IN, "r A M1 R1 | m A M2 R1 | h M2 H R1 | F M2 H R1 =OK"},
	{"a failure comes early", IN, "m A M2 | f A M2 | F A M2 =UNKNOWN"},
	{"a bad status comes early", IN, "m A M2 | A A M2 =ABORTED"},
	{"it leaves early", IN, "m A M2 | c A M2 X"},
	{"it leaves after its half-close", IN, "m A M2 | h M2 H | c M2 H X"},
	{"half-close during an effect", IN, "e A M1 E | h M1 H E | Y M1 H R1 | F M1 H R1 =OK"},
	{"a message during an effect", IN, "e A M1 E | m A M2 E | Y A M2 R1 | F A M2 R1 =OK"},
	{"nobody takes it any more", IN, "e A M1 E | F A M1 E | m M1 E | Y M1 R1 =OK"},
	{"nor a half-close", IN, "e A M1 E | F A M1 E | h M1 E | Y M1 R1 =OK"},
	{"held back", IN, "l -A | B - | U -A | h -H | r -H R1 | F -H R1 =OK"},
	{"it leaves while held back", IN, "l -A | B - | c -X"},
	{"an answer while held back", IN, "l -A | B - | r -R1 | F -R1 =OK"},
	{"a bad status while held back", IN, "l -A | B - | A - =ABORTED"},
	{"lost while held back", IN, "l -A | B - | K -X =UNAVAILABLE"},
	{"an effect while held back", IN,
	 "l -A | B - | e -E | U -A E | Y -A R1 | h -H R1 | F -H R1 =OK"},

	{"one and many", OUT, ASKED "r M1 H R1 | r M1 H R2 | F M1 H R2 =OK"},
	{"one and none", OUT, ASKED "F M1 H =OK"},
	{"nothing is no element (A-05)", OUT,
	 ASKED "r M1 H R1 | n M1 H R1 | r M1 H R2 | "
	       "F M1 H R2 =OK"},
	{"a failure in the middle (R-23)", OUT, ASKED "r M1 H R1 | f M1 H R1 X =UNKNOWN"},
	{"garbage in the middle", OUT, ASKED "r M1 H R1 | g M1 H R1 X =INTERNAL"},
	{"a bad status in the middle", OUT, ASKED "r M1 H R1 | A M1 H R1 =ABORTED"},
	{"lost in the middle", OUT, ASKED "r M1 H R1 | K M1 H R1 X =UNAVAILABLE"},
	{"it leaves in the middle (R-21)", OUT, ASKED "r M1 H R1 | c M1 H R1 X"},
	{"later ones wait for an effect (R-04)", OUT,
	 ASKED "e M1 H E | r M1 H E | Y M1 H R2 | F M1 H R2 =OK"},
	{"and so does the end", OUT, ASKED "e M1 H E | r M1 H E | F M1 H E | Y M1 H R2 =OK"},
	{"and a failure", OUT, ASKED "e M1 H E | f M1 H E | Y M1 H R1 X =UNKNOWN"},
	{"one effect after the other", OUT,
	 ASKED "e M1 H E | e M1 H E | Y M1 H R1 E | Y M1 H R2 | F M1 H R2 =OK"},
	{"a forward in its place (A-06)", OUT,
	 ASKED "r M1 H R1 | w M1 H R1 E | r M1 H R1 E | y M1 H R2 E | Y M1 H R3 | F M1 H R3 =OK"},
	{"a streamed forward", OUT,
	 ASKED "W M1 H E | y M1 H R1 E | y M1 H R2 E | Y M1 H R2 | r M1 H R3 | F M1 H R3 =OK"},
	{"a forward fails in the middle", OUT,
	 ASKED "r M1 H R1 | w M1 H R1 E | "
	       "N M1 H R1 X =NOT_FOUND"},
	{"a streamed forward fails", OUT, ASKED "W M1 H E | y M1 H R1 E | N M1 H R1 X =NOT_FOUND"},
	{"the status waits for a forward", OUT,
	 ASKED "w M1 H E | F M1 H E | y M1 H R1 E | Y M1 H R1 =OK"},
	{"a bad one, too", OUT, ASKED "w M1 H E | A M1 H E | y M1 H R1 E | Y M1 H R1 =ABORTED"},
	{"it leaves during a forward (R-21)", OUT, ASKED "W M1 H E | y M1 H R1 E | c M1 H R1 x X"},
	{"it does not read", OUT,
	 ASKED "s M1 H | r M1 H R1 | r M1 H R1 | d M1 H R2 | F M1 H R2 =OK"},
	{"the end waits for it", OUT,
	 ASKED "s M1 H | r M1 H R1 | r M1 H R1 | F M1 H R1 | d M1 H R2 =OK"},
	{"it leaves without reading", OUT, ASKED "s M1 H | r M1 H R1 | r M1 H R1 | c M1 H R1 X"},
	{"lost while it does not read", OUT, ASKED "s M1 H | r M1 H R1 | K M1 H R1 X =UNAVAILABLE"},
	{"it reads again after a forward", OUT,
	 ASKED "s M1 H | w M1 H E | y M1 H R1 E | Y M1 H R1 | r M1 H R1 | d M1 H R2 | "
	       "F M1 H R2 =OK"},

	{"in turns", BOTH,
	 "m A M2 | r A M2 R1 | m A M3 R1 | r A M3 R2 | h M3 H R2 | F M3 H R2 =OK"},
	{"the function goes on after the half-close", BOTH,
	 "h M1 H | r M1 H R1 | r M1 H R2 | F M1 H R2 =OK"},
	{"the function ends first", BOTH, "m A M2 | r A M2 R1 | F A M2 R1 =OK"},
	{"a failure cancels both ways (R-23)", BOTH, "m A M2 | r A M2 R1 | f A M2 R1 X =UNKNOWN"},
	{"and after the half-close", BOTH, "h M1 H | r M1 H R1 | f M1 H R1 X =UNKNOWN"},
	{"a bad status", BOTH, "m A M2 | r A M2 R1 | A A M2 R1 =ABORTED"},
	{"it leaves (R-21)", BOTH, "m A M2 | r A M2 R1 | c A M2 R1 X"},
	{"lost", BOTH, "m A M2 | r A M2 R1 | K A M2 R1 X =UNAVAILABLE"},
	{"requests go on during a forward", BOTH,
	 "w A M1 E | m A M2 E | y A M2 R1 E | Y A M2 R1 | r A M2 R2 | F A M2 R2 =OK"},
	{"a forward fails", BOTH, "r A M1 R1 | w A M1 R1 E | N A M1 R1 X =NOT_FOUND"},
	{"it leaves during an effect", BOTH, "e A M1 E | c A M1 E X | Y A M1 X"},
	{"half-close while the client does not read", BOTH,
	 "s A M1 | r A M1 R1 | h M1 H R1 | r M1 H R1 | d M1 H R2 | F M1 H R2 =OK"},
	{"both held back", BOTH,
	 "l -A | B - | s - | r -R1 | r -R1 | U -A R1 | d -A R2 | h -H R2 | F -H R2 =OK"},
};

struct player {
	struct action_world *f;
	char seen[SEEN_MAX];
	char want[SEEN_MAX];
	bool is_lazy;	    /* the function does not read */
	bool has_been_lazy; /* so many messages: they are not counted */
};

static void see(struct player *p)
{
	const struct action_client *c = &p->f->client;
	const struct action_callee *s = &p->f->callee;
	char messages[8] = "";
	char replies[8] = "";

	if (s->messages && !p->has_been_lazy)
		(void)snprintf(messages, sizeof(messages), " M%u", s->messages);
	if (c->sends)
		(void)snprintf(replies, sizeof(replies), " R%u", c->sends);
	(void)snprintf(p->seen, sizeof(p->seen), "%s%s%s%s%s%s%s%s%s", c->reads ? " A" : "",
		       messages, s->has_half_close ? " H" : "", replies, p->f->followup ? " E" : "",
		       p->f->followup_cancels ? " x" : "", s->cancels ? " X" : "",
		       c->finishes ? " =" : "", c->finishes ? status_name(c->code) : "");
}

static bool is_as_wanted(void *data)
{
	struct player *p = data;

	see(p);
	return strcmp(p->seen, p->want) == 0;
}

static bool is_to_read(const struct player *p)
{
	const struct action_callee *s = &p->f->callee;

	return s->call && !s->is_reading && !s->has_half_close && !p->is_lazy;
}

static bool is_wanted_or_to_read(void *data)
{
	return is_to_read(data) || is_as_wanted(data);
}

/* False: it never comes to that. */
static bool wait_as_wanted(struct player *p)
{
	uint64_t deadline_ns = clock_mono_ns() + ACTION_WORLD_WAIT_NS;

	while (loop_run_until(p->f->loop, is_wanted_or_to_read, p, deadline_ns)) {
		if (!is_to_read(p))
			return true;
		action_world_callee_read(&p->f->callee);
	}
	return false;
}

static bool is_not_asked(void *data)
{
	return ((struct player *)data)->f->client.reads == 0;
}

/* Until it is not asked any more: what was given is under way, and the function does not read. */
static void give_all(struct player *p)
{
	static const uint8_t bytes[BIG_BYTES];
	struct action_world *f = p->f;

	for (unsigned i = 0; !is_not_asked(p); i++) {
		assert_true(i < BIG_MESSAGES_MAX);
		action_world_client_give(&f->client, span_make(bytes, sizeof(bytes)));
		action_world_settle(f);
	}
}

static void client_step(struct player *p, char step)
{
	struct action_client *c = &p->f->client;

	if (step == 'm')
		action_world_client_give(c, SPAN_LIT("\x0a\x01x"));
	else if (step == 'h')
		action_world_client_half_close(c);
	else if (step == 'c')
		action_world_client_cancel(c);
	else if (step == 'B')
		give_all(p);
	else
		c->unsent = step == 's' ? EXCHANGE_UNSENT_HIGH + 1 : 0;
	if (step == 'd')
		c->base.handler->on_drained(&c->base, c->base.handler_data);
}

static void function_answers(struct player *p, char step)
{
	struct action_callee *s = &p->f->callee;

	if (step == 'r')
		action_world_callee_reply(s, SPAN_LIT("1"), NULL);
	else if (step == 'f')
		action_world_callee_fail(s, 0);
	else if (step == 'e')
		action_world_callee_follow(s, "Unary", false);
	else if (step == 'w' || step == 'W')
		action_world_callee_follow(s, step == 'w' ? "Unary" : "Out", true);
	else
		assert_int_equal(
			grpc_server_send(s->call, step == 'n' ? SPAN_EMPTY : SPAN_LIT("\xff")),
			ST_OK);
}

static void function_step(struct player *p, char step)
{
	struct action_callee *s = &p->f->callee;

	if (step == 'K')
		fake_function_drop(&p->f->function);
	else if (step == 'F' || step == 'A')
		action_world_callee_finish(s, step == 'F' ? ST_OK : ST_ABORTED);
	else
		p->is_lazy = step == 'l';
	p->has_been_lazy |= p->is_lazy;
}

static void do_step(struct player *p, char step)
{
	if (strchr("mhcsdB", step))
		client_step(p, step);
	else if (strchr("rfnegwW", step))
		function_answers(p, step);
	else if (strchr("FAKlU", step))
		function_step(p, step);
	else if (step == 'y')
		action_world_followup_reply(p->f, SPAN_LIT("2"));
	else if (strchr("YN", step))
		action_world_followup_finish(p->f, step == 'Y' ? ST_OK : ST_NOT_FOUND);
	else
		fail_msg("no such step: %c", step);
}

/* "x A M1": the step is taken off; the rest as see writes it. */
static void want(struct player *p, const char *steps, size_t len)
{
	size_t at = 0;

	for (size_t i = 1; i < len; i++) {
		bool is_word = steps[i] != ' ' && steps[i] != '-';
		bool is_first = steps[i - 1] == ' ' || steps[i - 1] == '-';

		if (!is_word)
			continue;
		assert_true(at + 2 < sizeof(p->want));
		if (is_first)
			p->want[at++] = ' ';
		p->want[at++] = steps[i];
	}
	p->want[at] = '\0';
}

static void play(const struct row *row)
{
	char path[32];
	void *state;
	struct player p = {0};
	const char *at = row->steps;

	assert_int_equal(action_world_set_up(&state), 0);
	p.f = state;
	p.f->keeps_followups = true;
	p.is_lazy = p.has_been_lazy = *at == 'l';
	(void)snprintf(path, sizeof(path), "/test.Deed/%s", row->path);
	action_world_client_call(p.f, &p.f->client, path, DEADLINE_NEVER);
	if (p.f->client.base.method->schema->client_streaming) {
		(void)snprintf(p.want, sizeof(p.want), p.is_lazy ? " A" : " A M1");
		action_world_wait_until(p.f, action_world_is_called);
		UNIT_ROW(row->name, wait_as_wanted(&p));
	}
	while (*at) {
		size_t len = strcspn(at, "|");

		want(&p, at, len);
		do_step(&p, *at);
		if (is_as_wanted(&p))
			action_world_settle(p.f); /* nothing shows that it has arrived */
		if (!wait_as_wanted(&p))
			fail_msg("%s, \"%s\" at \"%s\": seen \"%s\", want \"%s\"", row->path,
				 row->name, at, p.seen, p.want);
		at += len + strspn(at + len, "| ");
	}
	action_world_settle(p.f);
	see(&p);
	UNIT_ROW_SPAN(row->name, span_from_str(p.seen), p.want); /* and nothing came of it */
	UNIT_ROW(row->name, actions_active(p.f->actions) == 0 ||
				    !(p.f->client.finishes || strchr(p.seen, 'X')));
	if (p.f->followup)
		action_world_followup_finish(p.f, ST_OK);
	assert_int_equal(action_world_tear_down(&state), 0);
}

static void play_all(const char *path)
{
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (strcmp(rows[i].path, path) == 0)
			play(&rows[i]);
}

static void one_and_one(void **state)
{
	(void)state;
	play_all(UNARY);
}

static void many_and_one(void **state)
{
	(void)state;
	play_all(IN);
}

static void one_and_many(void **state)
{
	(void)state;
	play_all(OUT);
}

static void many_and_many(void **state)
{
	(void)state;
	play_all(BOTH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_and_one),
		cmocka_unit_test(many_and_one),
		cmocka_unit_test(one_and_many),
		cmocka_unit_test(many_and_many),
	};

	return cmocka_run_group_tests_name("router/action_steps", tests, NULL, NULL);
}

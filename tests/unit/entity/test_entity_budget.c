/* Sets of both kinds share one budget: who is awake, who sleeps first, and what waits. */
#include "src/entity/entity_budget.h"

#include "src/base/mem.h"
#include "src/entity/entity_set.h"
#include "src/entity/entity_table.h"
#include "src/runtime/loop.h"
#include "src/userfn/api.h"
#include "tests/unit/unit.h"

#define ACTIVE_MAX 2
#define QUEUE_BYTES_MAX 1000

enum kind { PLAIN, CRDT, KINDS_ };

struct fixture {
	struct loop *loop;
	struct entity_budget *budget;
	struct entity_set sets[KINDS_];
};

struct member {
	struct entity_member member;
	bool is_asleep;
};

static void on_call(struct entity_member *member, enum entity_call call)
{
	assert_int_equal(call, ENTITY_CALL_SLEEP);
	container_of(member, struct member, member)->is_asleep = true;
	entity_member_sort(member, false);
}

static void on_deliver(struct entity_set *set)
{
	assert_true(list_is_empty(&set->done));
}

static void on_free(struct entity_member *member, const char *text)
{
	assert_non_null(text);
	entity_member_free(member);
}

static const struct entity_set_ops ops[KINDS_] = {
	[PLAIN] = {.call = on_call, .deliver = on_deliver, .free = on_free},
	[CRDT] = {.is_crdt = true, .call = on_call, .deliver = on_deliver, .free = on_free},
};

static int set_up(void **state)
{
	static const struct entity_budget_limits limits = {QUEUE_BYTES_MAX, ACTIVE_MAX};
	struct fixture *f = mem_new(struct fixture);

	assert_int_equal(loop_new(&f->loop, NULL), ST_OK);
	f->budget = entity_budget_new(f->loop, NULL, &limits);
	for (size_t i = 0; i < KINDS_; i++)
		entity_set_init(&f->sets[i], f->budget, NULL, &ops[i]);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < KINDS_; i++)
		entity_set_fini(&f->sets[i]);
	entity_budget_free(f->budget);
	loop_free(f->loop);
	mem_free(f);
	return 0;
}

/* Idle at once. */
static struct member *wake(struct fixture *f, enum kind kind, const char *id)
{
	const struct api_service service = {.persistence_id = SPAN_LIT("type")};
	const struct api_method method = {.service = &service};
	const struct entity_command command = {.method = &method, .key = span_from_str(id)};
	struct entity_member *found;
	struct member *member;

	assert_true(entity_set_find(&f->sets[kind], &command, &found));
	assert_null(found);
	member = entity_member_new(&f->sets[kind], sizeof(struct member));
	assert_true(span_eq_str(entity_member_type(&member->member), "type"));
	assert_true(span_eq_str(entity_member_id(&member->member), id));
	assert_true(entity_set_find(&f->sets[kind], &command, &found));
	assert_ptr_equal(found, &member->member);
	entity_member_sort(&member->member, true);
	return member;
}

static void the_longest_idle_of_all_sleeps_first(void **state)
{
	static const struct {
		const char *name;
		enum kind first, second, newcomer;
	} rows[] = {
		{"one kind", PLAIN, PLAIN, PLAIN},
		{"another makes room", CRDT, PLAIN, PLAIN},
		{"the newcomer's kind makes room", CRDT, PLAIN, CRDT},
		{"both are of the other kind", PLAIN, PLAIN, CRDT},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct member *first, *second;

		print_message("%s\n", rows[i].name);
		first = wake(f, rows[i].first, "a");
		assert_true(entity_set_make_room(&f->sets[rows[i].newcomer]));
		assert_false(first->is_asleep);
		second = wake(f, rows[i].second, "b");
		assert_true(entity_set_make_room(&f->sets[rows[i].newcomer]));
		assert_true(first->is_asleep);
		assert_false(second->is_asleep);
		assert_true(entity_set_make_room(&f->sets[rows[i].newcomer]));
		assert_true(second->is_asleep);
		/* nobody is idle any more */
		assert_false(entity_set_make_room(&f->sets[rows[i].newcomer]));
		entity_member_free(&first->member);
		entity_member_free(&second->member);
	}
}

static void waiting_bytes_count_together(void **state)
{
	struct fixture *f = *state;
	const char *text;

	entity_set_queued(&f->sets[PLAIN], 600);
	assert_int_equal(entity_set_check(&f->sets[CRDT], 400, &text), ST_OK);
	assert_int_equal(entity_set_check(&f->sets[CRDT], 401, &text), ST_RESOURCE_EXHAUSTED);
	entity_set_queued(&f->sets[CRDT], 400);
	assert_int_equal(entity_set_check(&f->sets[PLAIN], 1, &text), ST_RESOURCE_EXHAUSTED);
	assert_int_equal(f->sets[PLAIN].queued, 1);
	entity_set_unqueued(&f->sets[PLAIN], 600);
	assert_int_equal(entity_set_check(&f->sets[CRDT], 600, &text), ST_OK);
	entity_set_unqueued(&f->sets[CRDT], 400);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_longest_idle_of_all_sleeps_first, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(waiting_bytes_count_together, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

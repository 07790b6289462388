#include "src/base/list.h"

#include "tests/unit/unit.h"

struct item {
	struct list node;
	char letter;
};

/* The letters in order, in a static text. */
static const char *letters(struct list *head)
{
	static char text[16];
	size_t n = 0;

	list_for_each (it, head)
		text[n++] = list_entry(it, struct item, node)->letter;
	text[n] = '\0';
	return text;
}

static void fill(struct item *items, const char *names)
{
	for (size_t i = 0; names[i]; i++) {
		items[i].letter = names[i];
		list_init(&items[i].node);
	}
}

static void order_is_kept(void **state)
{
	struct list head = LIST_INIT(head);
	struct item items[4];

	(void)state;
	fill(items, "abcd");
	assert_true(list_is_empty(&head));
	list_push_back(&head, &items[1].node);
	list_push_back(&head, &items[3].node);
	list_push_front(&head, &items[0].node);
	list_insert_before(&items[3].node, &items[2].node);
	assert_string_equal(letters(&head), "abcd");
	assert_false(list_is_empty(&head));
}

static void removal_unlinks_and_may_repeat(void **state)
{
	struct list head = LIST_INIT(head);
	struct item items[3];

	(void)state;
	fill(items, "abc");
	for (size_t i = 0; i < 3; i++)
		list_push_back(&head, &items[i].node);
	assert_true(list_is_linked(&items[1].node));
	list_remove(&items[1].node);
	list_remove(&items[1].node);
	assert_false(list_is_linked(&items[1].node));
	assert_string_equal(letters(&head), "ac");
	list_for_each_safe (it, &head)
		list_remove(it);
	assert_true(list_is_empty(&head));
}

static void pop_and_splice(void **state)
{
	struct list one = LIST_INIT(one);
	struct list two = LIST_INIT(two);
	struct item items[4];

	(void)state;
	fill(items, "abcd");
	list_push_back(&one, &items[0].node);
	list_push_back(&one, &items[1].node);
	list_push_back(&two, &items[2].node);
	list_push_back(&two, &items[3].node);
	list_splice_back(&one, &two);
	assert_true(list_is_empty(&two));
	assert_string_equal(letters(&one), "abcd");
	assert_ptr_equal(list_pop_front(&one), &items[0].node);
	assert_false(list_is_linked(&items[0].node));
	assert_string_equal(letters(&one), "bcd");
	assert_null(list_pop_front(&two));
	list_splice_back(&one, &two);
	assert_string_equal(letters(&one), "bcd");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order_is_kept),
		cmocka_unit_test(removal_unlinks_and_may_repeat),
		cmocka_unit_test(pop_and_splice),
	};

	return cmocka_run_group_tests_name("base/list", tests, NULL, NULL);
}

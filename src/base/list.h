#ifndef HEADGATE_SRC_BASE_LIST_H
#define HEADGATE_SRC_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "src/base/mem.h"

/* An intrusive circular list: the head is a node of its own, an unlinked node points at itself. */
struct list {
	struct list *prev;
	struct list *next;
};

#define LIST_INIT(name) ((struct list){&(name), &(name)})

static inline void list_init(struct list *node)
{
	node->prev = node;
	node->next = node;
}

static inline bool list_is_empty(const struct list *head)
{
	return head->next == head;
}

/* True when the node is a member of some list (nodes are list_init'ed before and after). */
static inline bool list_is_linked(const struct list *node)
{
	return node->next != node;
}

static inline void list_insert_before(struct list *at, struct list *node)
{
	node->prev = at->prev;
	node->next = at;
	at->prev->next = node;
	at->prev = node;
}

static inline void list_push_back(struct list *head, struct list *node)
{
	list_insert_before(head, node);
}

static inline void list_push_front(struct list *head, struct list *node)
{
	list_insert_before(head->next, node);
}

/* Unlinks the node and leaves it pointing at itself; harmless on an unlinked node. */
static inline void list_remove(struct list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	list_init(node);
}

/* The first node, unlinked, or NULL. */
static inline struct list *list_pop_front(struct list *head)
{
	struct list *node = head->next;

	if (node == head)
		return NULL;
	list_remove(node);
	return node;
}

/* Moves all nodes of from to the end of to. */
static inline void list_splice_back(struct list *to, struct list *from)
{
	struct list *node;

	while ((node = list_pop_front(from)))
		list_push_back(to, node);
}

#define list_entry(node, type, member) container_of(node, type, member)

#define list_for_each(it, head) for (struct list *it = (head)->next; it != (head); it = it->next)

/* The current node may be removed inside. */
#define list_for_each_safe(it, head)                                                               \
	for (struct list *it = (head)->next, *it##_next = it->next; it != (head);                  \
	     it = it##_next, it##_next = it->next)

#endif

#include "cart.h"

#include <stdlib.h>
#include <string.h>

struct cart_item *cart_find(const struct cart *cart, const char *product_id)
{
	for (size_t i = 0; i < cart->count; i++)
		if (strcmp(cart->items[i].product_id, product_id) == 0)
			return &cart->items[i];
	return NULL;
}

static void free_item(struct cart_item *item)
{
	free(item->product_id);
	free(item->name);
}

int cart_add(struct cart *cart, const char *product_id, const char *name, int32_t quantity)
{
	struct cart_item *present = cart_find(cart, product_id);

	if (present) {
		present->quantity += quantity;
		return 0;
	}
	struct cart_item *items = realloc(cart->items, (cart->count + 1) * sizeof *items);
	if (!items)
		return -1;
	cart->items = items;
	struct cart_item item = {strdup(product_id), strdup(name), quantity};
	if (!item.product_id || !item.name) {
		free_item(&item);
		return -1;
	}
	cart->items[cart->count++] = item;
	return 0;
}

void cart_remove(struct cart *cart, const char *product_id)
{
	struct cart_item *item = cart_find(cart, product_id);

	if (!item)
		return;
	free_item(item);
	cart->count--;
	size_t behind = cart->count - (size_t)(item - cart->items);
	memmove(item, item + 1, behind * sizeof *item);
}

void cart_clear(struct cart *cart)
{
	for (size_t i = 0; i < cart->count; i++)
		free_item(&cart->items[i]);
	free(cart->items);
	*cart = (struct cart){0};
}

#ifndef SHOPPING_CART_CART_H
#define SHOPPING_CART_CART_H

#include <stddef.h>
#include <stdint.h>

/* What is in one user's cart, in the order of first addition. All zero is the empty cart. */

struct cart_item {
	char *product_id;
	char *name;
	int32_t quantity;
};

struct cart {
	struct cart_item *items;
	size_t count;
};

/* NULL when it is not in the cart; borrowed until the cart changes. */
struct cart_item *cart_find(const struct cart *cart, const char *product_id);

/* Adds a copy of the item, or its quantity to the one that is there. -1: out of memory. */
int cart_add(struct cart *cart, const char *product_id, const char *name, int32_t quantity);

void cart_remove(struct cart *cart, const char *product_id);
void cart_clear(struct cart *cart);

#endif

/* The shopping cart, a user function: one entity for each user.
 *
 * A command looks at the state and emits events; only events change the state. Headgate stores the
 * events, plays them back when the cart is needed again, and puts HTTP and gRPC in front of it. */

#include <headgate/function.h>

#include "cart.h"
#include "persistence/domain.pb-c.h"
#include "shoppingcart.pb-c.h"

/* Generated names spell out the package; these are the same, shorter. */
#define API_INIT(NAME) COM__EXAMPLE__SHOPPINGCART__##NAME##__INIT
#define DOMAIN_INIT(NAME) COM__EXAMPLE__SHOPPINGCART__PERSISTENCE__##NAME##__INIT
typedef Com__Example__Shoppingcart__LineItem ApiLineItem;
typedef Com__Example__Shoppingcart__Cart ApiCart;
typedef Com__Example__Shoppingcart__Persistence__LineItem DomainLineItem;
typedef Com__Example__Shoppingcart__Persistence__Cart DomainCart;

static const uint8_t descriptor_set[] = {
#include "descriptor_set.inc"
};

/* ---- Commands: decide -------------------------------------------------------------------------
 */

static int add_item(struct headgate_context *context, void *state, const void *message)
{
	const Com__Example__Shoppingcart__AddLineItem *command = message;
	const struct cart_item *present = cart_find(state, command->product_id);

	if (command->quantity <= 0)
		return headgate_fail(context, HEADGATE_UNKNOWN,
				     "Cannot add negative quantity to item %s",
				     command->product_id);
	if (present && command->quantity > INT32_MAX - present->quantity)
		return headgate_fail(context, HEADGATE_UNKNOWN, "Too many of item %s",
				     command->product_id);
	DomainLineItem item = DOMAIN_INIT(LINE_ITEM);
	item.product_id = command->product_id;
	item.name = command->name;
	item.quantity = command->quantity;
	Com__Example__Shoppingcart__Persistence__ItemAdded event = DOMAIN_INIT(ITEM_ADDED);
	event.item = &item;
	return headgate_emit(context, &event.base);
}

static int remove_item(struct headgate_context *context, void *state, const void *message)
{
	const Com__Example__Shoppingcart__RemoveLineItem *command = message;

	if (!cart_find(state, command->product_id))
		return headgate_fail(context, HEADGATE_UNKNOWN, "Item %s not in cart",
				     command->product_id);
	Com__Example__Shoppingcart__Persistence__ItemRemoved event = DOMAIN_INIT(ITEM_REMOVED);
	event.product_id = command->product_id;
	return headgate_emit(context, &event.base);
}

static int get_cart(struct headgate_context *context, void *state, const void *message)
{
	const struct cart *cart = state;
	ApiLineItem *items = headgate_alloc(context, cart->count, sizeof *items);
	ApiCart reply = API_INIT(CART);

	(void)message; /* the user it names is the one whose cart this is */
	reply.items = headgate_alloc(context, cart->count, sizeof(ApiLineItem *));
	if (!items || !reply.items)
		return -1;
	for (size_t i = 0; i < cart->count; i++) {
		items[i] = (ApiLineItem)API_INIT(LINE_ITEM);
		items[i].product_id = cart->items[i].product_id;
		items[i].name = cart->items[i].name;
		items[i].quantity = cart->items[i].quantity;
		reply.items[reply.n_items++] = &items[i];
	}
	return headgate_reply(context, &reply.base);
}

/* ---- Events: change the state -----------------------------------------------------------------
 */

static int item_added(void *state, const void *message)
{
	const Com__Example__Shoppingcart__Persistence__ItemAdded *event = message;

	if (!event->item)
		return -1;
	return cart_add(state, event->item->product_id, event->item->name, event->item->quantity);
}

static int item_removed(void *state, const void *message)
{
	const Com__Example__Shoppingcart__Persistence__ItemRemoved *event = message;

	cart_remove(state, event->product_id);
	return 0;
}

/* ---- Snapshots: the state as one message, to save playing back old events ---------------------
 */

static int write_snapshot(struct headgate_context *context, const void *state)
{
	const struct cart *cart = state;
	DomainLineItem *items = headgate_alloc(context, cart->count, sizeof *items);
	DomainCart snapshot = DOMAIN_INIT(CART);

	snapshot.items = headgate_alloc(context, cart->count, sizeof(DomainLineItem *));
	if (!items || !snapshot.items)
		return -1;
	for (size_t i = 0; i < cart->count; i++) {
		items[i] = (DomainLineItem)DOMAIN_INIT(LINE_ITEM);
		items[i].product_id = cart->items[i].product_id;
		items[i].name = cart->items[i].name;
		items[i].quantity = cart->items[i].quantity;
		snapshot.items[snapshot.n_items++] = &items[i];
	}
	return headgate_snapshot(context, &snapshot.base);
}

static int read_snapshot(void *state, const void *message)
{
	const DomainCart *snapshot = message;

	for (size_t i = 0; i < snapshot->n_items; i++)
		if (cart_add(state, snapshot->items[i]->product_id, snapshot->items[i]->name,
			     snapshot->items[i]->quantity))
			return -1;
	return 0;
}

static void destroy(void *state)
{
	cart_clear(state);
}

/* ---- The declaration --------------------------------------------------------------------------
 */

static const struct headgate_command commands[] = {
	{"AddItem", &com__example__shoppingcart__add_line_item__descriptor, add_item},
	{"RemoveItem", &com__example__shoppingcart__remove_line_item__descriptor, remove_item},
	{"GetCart", &com__example__shoppingcart__get_shopping_cart__descriptor, get_cart},
	{0},
};

static const struct headgate_event events[] = {
	{.type = &com__example__shoppingcart__persistence__item_added__descriptor,
	 .apply = item_added},
	{.type = &com__example__shoppingcart__persistence__item_removed__descriptor,
	 .apply = item_removed},
	{0},
};

static const struct headgate_entity cart_entity = {
	.service_name = "com.example.shoppingcart.ShoppingCart",
	.persistence_id = "shopping-cart",
	.commands = commands,
	.events = events,
	.state_size = sizeof(struct cart),
	.destroy = destroy,
	.snapshot_type = &com__example__shoppingcart__persistence__cart__descriptor,
	.write_snapshot = write_snapshot,
	.read_snapshot = read_snapshot,
};

int main(void)
{
	static const struct headgate_entity *const entities[] = {&cart_entity};

	return headgate_function_main(&(struct headgate_function_params){
		.entities = entities,
		.entity_count = 1,
		.descriptor_set = {descriptor_set, sizeof descriptor_set},
		.service_name = "shopping-cart",
		.service_version = "1",
	});
}

// The shopping cart, a user function: one entity for each user.
//
// A command looks at the state and emits events; only events change the state. Headgate stores the
// events, plays them back when the cart is needed again, and puts HTTP and gRPC in front of it.
import { fileURLToPath } from 'node:url';
import { EventSourced, Headgate } from 'headgate';

const LARGEST_INT32 = 0x7fffffff;

// The API and the journal are those of the cart in C: either may go on where the other stopped.
const cart = new EventSourced(
  ['shoppingcart.proto', 'persistence/domain.proto'],
  'com.example.shoppingcart.ShoppingCart',
  {
    includeDirs: [fileURLToPath(new URL('../shopping-cart', import.meta.url))],
    persistenceId: 'shopping-cart',
    snapshotEvery: Number(process.env.SNAPSHOT_EVERY ?? 100),
  },
);

const { ItemAdded, ItemRemoved, Cart } = Object.fromEntries(['ItemAdded', 'ItemRemoved', 'Cart'].map((name) => [
  name, cart.lookupType(`com.example.shoppingcart.persistence.${name}`),
]));

const find = (state, productId) => state.items.find((item) => item.productId === productId);

// Commands decide.
const commandHandlers = {
  AddItem({ productId, name, quantity }, state, ctx) {
    if (quantity <= 0) ctx.fail(`Cannot add negative quantity to item ${productId}`);
    if (quantity > LARGEST_INT32 - (find(state, productId)?.quantity ?? 0)) ctx.fail(`Too many of item ${productId}`);
    ctx.emit(ItemAdded.fromObject({ item: { productId, name, quantity } }));
  },

  RemoveItem({ productId }, state, ctx) {
    if (!find(state, productId)) ctx.fail(`Item ${productId} not in cart`);
    ctx.emit(ItemRemoved.create({ productId }));
  },

  GetCart(request, state) {
    return { items: state.items };
  },
};

// Events change the state.
const eventHandlers = {
  ItemAdded({ item }, state) {
    const present = find(state, item.productId);
    if (present) present.quantity += item.quantity;
    else state.items.push(item);
    return state;
  },

  ItemRemoved({ productId }, state) {
    state.items = state.items.filter((item) => item.productId !== productId);
    return state;
  },
};

cart.initial = () => Cart.create({ items: [] });
cart.behavior = () => ({ commandHandlers, eventHandlers });

const server = new Headgate({ serviceName: 'shopping-cart', serviceVersion: '1' }).addEntity(cart);
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => server.shutdown().then(() => process.exit(0)));
console.log(`listening on port ${await server.start()}`);

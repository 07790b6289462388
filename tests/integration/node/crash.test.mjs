// kill -9 in the middle of a load: whatever was acknowledged is there exactly once, whatever was not is
// there at most once, and a gateway that starts again is ready in under two seconds.
import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, it } from 'node:test';
import { World, call, redisCommand, waitFor, waitReady } from './harness.mjs';

const ADDS = 2000;
const CARTS = 50;
const CLIENTS = 16;
const KILL_AFTER = 700;

// Sixteen clients add 2,000 products, each once, to fifty carts. An add that failed is not sent again.
// Returns which products were acknowledged; calls onProgress with their number.
async function load(clientOf, onProgress) {
  const acknowledged = new Set();
  const tried = new Set();
  let next = 0;
  const worker = async (index) => {
    while (next < ADDS) {
      const n = next;
      next += 1;
      const product = `p${n}`;
      tried.add(product);
      try {
        await call(clientOf(index), 'AddItem',
          { user_id: `cart-${n % CARTS}`, product_id: product, name: 'thing', quantity: 1 }, { deadline: Date.now() + 5000 });
        acknowledged.add(product);
        onProgress(acknowledged.size);
      } catch (error) {
        // Unknown or refused: neither counted nor repeated; wait a little as any client would.
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, (_, index) => worker(index)));
  return { acknowledged, tried };
}

async function check(client, { acknowledged, tried }) {
  const found = new Map();
  for (let n = 0; n < CARTS; n += 1) {
    const cart = await waitFor(`cart-${n}`, () => call(client, 'GetCart', { user_id: `cart-${n}` }));
    for (const item of cart.items) {
      assert.ok(!found.has(item.product_id), `${item.product_id} is listed twice`);
      found.set(item.product_id, item.quantity);
    }
  }
  const lost = [...acknowledged].filter((product) => !found.has(product));
  assert.deepEqual(lost, [], 'acknowledged adds that are gone');
  for (const [product, quantity] of found) {
    assert.equal(quantity, 1, `${product} was added ${quantity} times`);
    assert.ok(tried.has(product), `${product} was never added`);
  }
  assert.ok(acknowledged.size >= KILL_AFTER, `only ${acknowledged.size} adds were acknowledged`);
}

// Runs the load against a fresh world; once KILL_AFTER adds are acknowledged kill(world, gateway, cart)
// ends something and brings it back, and gives the gateway that is ready again.
async function rehearse(kill) {
  const world = new World();
  try {
    const cart = await world.cart();
    const gateway = await world.gateway({ functionPort: cart.port });
    const clients = Array.from({ length: CLIENTS }, () => world.cartClient(gateway));
    let recovery;
    const outcome = await load((index) => clients[index], (count) => {
      if (count !== KILL_AFTER) return;
      const began = Date.now();
      recovery = kill(world, gateway, cart).then((survivor) => ({ survivor, took: Date.now() - began }));
    });
    const { survivor, took } = await recovery;
    assert.ok(took < 2000, `ready again after ${took} ms`);
    await check(world.cartClient(survivor), outcome);
  } finally {
    await world.end();
  }
}

describe('kill -9 in the middle of a load', () => {
  it('of the gateway with its embedded journal', () => rehearse(async (world, gateway, cart) => {
    await gateway.kill('SIGKILL');
    return world.gateway({ functionPort: cart.port, env: { PORT: String(gateway.port) } });
  }));

  it('of redis-server, the embedded child', () => rehearse(async (world, gateway) => {
    const socket = path.join(world.dir, 'journal/s.sock');
    const pidOf = async () => Number(/process_id:(\d+)/.exec(await redisCommand(socket, 'INFO', 'server'))[1]);
    const pid = await pidOf();
    process.kill(pid, 'SIGKILL');
    await waitFor('another redis-server', async () => (await pidOf()) !== pid);
    await waitReady(gateway);
    return gateway;
  }));

  it('of the user function', () => rehearse(async (world, gateway, cart) => {
    await cart.kill('SIGKILL');
    await world.cart({ PORT: String(cart.port) });
    await waitReady(gateway);
    return gateway;
  }));
});

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

describe('kill -9 in the middle of a load', () => {
  it('of the gateway with its embedded journal', async () => {
    const world = new World();
    try {
      const cart = await world.cart();
      const start = (port) => world.gateway({ functionPort: cart.port, env: { PORT: String(port) } });
      let gateway = await start(0);
      const { port } = gateway;
      let clients = Array.from({ length: CLIENTS }, () => world.cartClient(gateway));
      let restarted;
      const outcome = await load((index) => clients[index], (count) => {
        if (count !== KILL_AFTER) return;
        restarted = (async () => {
          await gateway.kill('SIGKILL');
          const began = Date.now();
          gateway = await start(port);
          return Date.now() - began;
        })();
      });
      const took = await restarted;
      assert.ok(took < 2000, `ready again after ${took} ms`);
      await check(world.cartClient(gateway), outcome);
    } finally {
      await world.end();
    }
  });

  it('of redis-server, the embedded child', async () => {
    const world = new World();
    try {
      const cart = await world.cart();
      const gateway = await world.gateway({ functionPort: cart.port });
      const clients = Array.from({ length: CLIENTS }, () => world.cartClient(gateway));
      let killed;
      const outcome = await load((index) => clients[index], (count) => {
        if (count !== KILL_AFTER) return;
        killed = (async () => {
          const socket = path.join(world.dir, 'journal/s.sock');
          const info = await redisCommand(socket, 'INFO', 'server');
          process.kill(Number(/process_id:(\d+)/.exec(info)[1]), 'SIGKILL');
          const began = Date.now();
          await waitFor('the journal to be seen as gone or back', async () => {
            const again = await redisCommand(socket, 'INFO', 'server');
            return !again.includes(/process_id:\d+/.exec(info)[0]);
          });
          await waitReady(gateway);
          return Date.now() - began;
        })();
      });
      const took = await killed;
      assert.ok(took < 2000, `ready again after ${took} ms`);
      await check(world.cartClient(gateway), outcome);
    } finally {
      await world.end();
    }
  });

  it('of the user function', async () => {
    const world = new World();
    try {
      let cart = await world.cart();
      const gateway = await world.gateway({ functionPort: cart.port });
      const clients = Array.from({ length: CLIENTS }, () => world.cartClient(gateway));
      let killed;
      const outcome = await load((index) => clients[index], (count) => {
        if (count !== KILL_AFTER) return;
        killed = (async () => {
          await cart.kill('SIGKILL');
          const began = Date.now();
          cart = await world.cart({ PORT: String(cart.port) });
          await waitReady(gateway);
          return Date.now() - began;
        })();
      });
      const took = await killed;
      assert.ok(took < 2000, `ready again after ${took} ms`);
      await check(world.cartClient(gateway), outcome);
    } finally {
      await world.end();
    }
  });
});

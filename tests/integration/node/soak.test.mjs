// Many entities wake and go to sleep: what the gateway allocated for them comes back (ruling R19).
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { World, call, metric, waitFor } from './harness.mjs';

// Until the tables have the size they need for as many awake at once.
const WARM = 6000;
const ENTITIES = 20000;
const CALLERS = 64;

// Adds to so many carts, waits until all sleep; gives the bytes that are allocated then.
async function round(gateway, clients, prefix, count) {
  let next = 0;
  await Promise.all(Array.from({ length: CALLERS }, async (_, n) => {
    while (next < count) {
      const user = `${prefix}-${next}`;
      next += 1;
      await call(clients[n % clients.length], 'AddItem', { user_id: user, product_id: 'A1', name: 'x', quantity: 1 });
    }
  }));
  await waitFor('all to sleep', async () => (await metric(gateway, 'headgate_entities_active')) === 0);
  // The gauge of the memory is set once a second, together with this histogram.
  const ticks = () => metric(gateway, 'headgate_loop_turn_seconds_count');
  const asleep = await ticks();
  await waitFor('the next second', async () => (await ticks()) > asleep);
  return metric(gateway, 'headgate_memory_allocated_bytes');
}

it('20,000 entities wake and go to sleep, and their memory comes back', {
  skip: process.env.HEADGATE_SANITIZED ? 'the sanitizer has its own allocator' : false,
}, async () => {
  const world = new World();
  try {
    const cart = await world.cart();
    const gateway = await world.gateway({
      functionPort: cart.port,
      env: {
        HEADGATE_ENTITY_PASSIVATION_TIMEOUT: '300ms', HEADGATE_JOURNAL_DURABILITY: 'memory',
        GLIBC_TUNABLES: 'glibc.malloc.tcache_count=0', // whose free pieces the allocator counts as used
      },
    });
    const clients = Array.from({ length: 4 }, () => world.cartClient(gateway));
    const before = await round(gateway, clients, 'warm', WARM);
    const after = await round(gateway, clients, 'soak', ENTITIES);
    console.log(`${before} bytes after ${WARM} entities, ${after} after ${ENTITIES} more`);
    assert.equal(await metric(gateway, 'headgate_entity_passivations_total'), WARM + ENTITIES);
    assert.equal(await metric(gateway, 'headgate_entity_crashes_total'), 0);
    assert.ok(after < before * 1.05, `${before} bytes before, ${after} after`);
  } finally {
    await world.end();
  }
});

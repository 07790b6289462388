// What an acknowledgement is worth with replicas: waited for (journal.replicas_ack), or not.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { World, call, waitFor } from './harness.mjs';
import { Writers, ask, startPair } from './topologies.mjs';

const replicas = (server) => ask(server, 'ROLE').then((role) => role[2].length);

it('journal.replicas_ack: nothing is acknowledged without the replica, and what was is in it', { timeout: 60000 }, async () => {
  const world = new World();
  try {
    const { primary, replica } = await startPair(world);
    const cart = await world.cart();
    const env = { JOURNAL_URL: `redis://127.0.0.1:${primary.port}`, HEADGATE_JOURNAL_REPLICAS_ACK: '1', HEADGATE_JOURNAL_ACK_TIMEOUT: '300ms' };
    const gateway = await world.gateway({ functionPort: cart.port, env });
    const client = world.cartClient(gateway);
    const writers = new Writers(client, 4, 20);
    await writers.more(200);
    replica.child.kill('SIGSTOP');
    await new Promise((resolve) => { setTimeout(resolve, 100); }); // writes that were on their way
    const began = Date.now();
    await assert.rejects(call(client, 'AddItem', { user_id: 'late', product_id: 'A1', name: 'x', quantity: 1 }), (error) => error.code === 14 && /outcome is unknown|replicas/.test(error.details));
    console.log(`# refused after ${Date.now() - began} ms`);
    assert.ok(Date.now() - began < 2500);
    await writers.stop();
    await waitFor('not ready', async () => (await fetch(`${gateway.admin}/ready`)).status === 503);
    const done = writers.done;
    await primary.kill();
    replica.child.kill('SIGCONT');
    await ask(replica, 'REPLICAOF', 'NO', 'ONE');
    const next = await world.gateway({ functionPort: cart.port, env: { JOURNAL_URL: `redis://127.0.0.1:${replica.port}` } });
    console.log(`# ${done} acknowledged before, ${[...writers.failures].map(([text, n]) => `${n} x ${text}`).join('; ')}`);
    assert.deepEqual(await writers.check(world.cartClient(next)), []);
  } finally {
    await world.end();
  }
});

it('journal.replicas_ack: not ready while there are too few replicas, and says why', { timeout: 30000 }, async () => {
  const world = new World();
  try {
    const { primary, replica } = await startPair(world);
    await ask(replica, 'REPLICAOF', 'NO', 'ONE');
    await waitFor('it to be alone', async () => (await replicas(primary)) === 0);
    const cart = await world.cart();
    const gateway = await world.gateway({ functionPort: cart.port, ready: false, env: { JOURNAL_URL: `redis://127.0.0.1:${primary.port}`, HEADGATE_JOURNAL_REPLICAS_ACK: '1' } });
    await waitFor('the reason', async () => /0 replicas of this redis/.test(await (await fetch(`${gateway.admin}/ready`)).text()));
    await ask(replica, 'REPLICAOF', '127.0.0.1', primary.port);
    await waitFor('it to be ready', async () => (await fetch(`${gateway.admin}/ready`)).status === 200, 15000);
  } finally {
    await world.end();
  }
});

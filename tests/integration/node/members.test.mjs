// Gateways of one namespace know of each other: on /status, in the metrics, and when one ends.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { World, metric, redisCommand, waitFor } from './harness.mjs';

const status = async (gateway) => (await fetch(`${gateway.admin}/status`)).json();
const view = async (gateway) =>
  (await status(gateway)).members.view.map(({ address, state }) => `${address} ${state}`).join(', ');
const sees = (gateway, want, ms) => waitFor(want, async () => (await view(gateway)) === want, ms);

async function withPair(body) {
  const world = new World();
  try {
    const redis = await world.redis();
    const cart = await world.cart();
    const start = (address, options = {}) => world.gateway({
      functionPort: cart.port,
      env: { JOURNAL_URL: `unix:${redis.socket}`, HEADGATE_PEER_ADDRESS: address },
      ...options,
    });
    const a = await start('a.example:7355');
    const b = await start('b.example:7355');
    await sees(a, 'a.example:7355 up, b.example:7355 up');
    await sees(b, 'a.example:7355 up, b.example:7355 up');
    await body({ world, redis, start, a, b });
  } finally {
    await world.end();
  }
}

it('each shows both, with one version', () => withPair(async ({ a, b }) => {
  const [one, two] = [await status(a), await status(b)];
  assert.equal(one.members.address, 'a.example:7355');
  assert.equal(two.members.address, 'b.example:7355');
  assert.equal(one.members.version, two.members.version);
  assert.equal(one.members.ready, true);
  assert.equal(await metric(a, 'headgate_members', { state: 'up' }), 2);
}));

it('kill -9: gone when its time to live is over', () => withPair(async ({ a, b }) => {
  const before = (await status(a)).members.version;
  const start = Date.now();
  b.child.kill('SIGKILL');
  await sees(a, 'a.example:7355 up');
  assert.ok(Date.now() - start > 1000, 'not at once');
  assert.ok((await status(a)).members.version > before);
}));

it('SIGTERM: gone when it ends', () => withPair(async ({ redis, b }) => {
  b.child.kill('SIGTERM');
  await waitFor('the end', () => b.exit);
  assert.equal(b.exit.code, 0);
  const entries = await redisCommand(redis.socket, 'ZRANGE', 'hg1:default:{m}:members', '0', '-1');
  assert.deepEqual(entries.map((entry) => entry.split('|')[0]), ['a.example:7355']);
}));

it('a second process of one address waits until the first is gone', () => withPair(async ({ start, b }) => {
  const again = await start('b.example:7355', { ready: false });
  await waitFor('the reason', async () =>
    /^members: another gateway lives under the address b\.example:7355/.test((await status(again)).reason));
  b.child.kill('SIGTERM');
  await waitFor('its turn', async () => (await fetch(`${again.admin}/ready`)).status === 200);
}));

it('a gateway whose function is away is not up', async () => {
  const world = new World();
  try {
    const gateway = await world.gateway({ ready: false, env: { HEADGATE_PEER_ADDRESS: 'a.example:1' } });
    await sees(gateway, 'a.example:1 starting');
  } finally {
    await world.end();
  }
});

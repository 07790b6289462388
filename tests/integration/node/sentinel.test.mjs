// The journal behind sentinels: found through them, and followed when its primary is killed.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { World, call, waitFor } from './harness.mjs';
import { Writers, ask, startSentinels } from './topologies.mjs';

it('kill -9 of the primary under load: the next one is used, and has all that was acknowledged', { timeout: 40000 }, async () => {
  const world = new World();
  try {
    const { servers, sentinels, url } = await startSentinels(world);
    const cart = await world.cart();
    const gateway = await world.gateway({ functionPort: cart.port, env: { JOURNAL_URL: url, HEADGATE_JOURNAL_TIMEOUT: '500ms' } });
    const client = world.cartClient(gateway);
    const writers = new Writers(client);
    await writers.more(300);
    // A sentinel less is no trouble, be it the one that is asked.
    await sentinels[0].kill();
    await writers.more(300);
    const before = writers.done;
    const dead = Date.now();
    await servers[0].kill();
    await writers.more(500, 20000);
    await writers.stop();
    console.log(`# longest gap ${writers.longestGapMs} ms; ${before} acknowledged before the kill, ${writers.done} in all; ${[...writers.failures].map(([text, n]) => `${n} x ${text}`).join('; ')}`);
    assert.ok(writers.longestGapMs < 10000, `${writers.longestGapMs}`);
    assert.ok(Date.now() - dead < 20000);
    assert.deepEqual(await writers.check(client), []);
    const [, port] = await ask(sentinels[1], 'SENTINEL', 'GET-MASTER-ADDR-BY-NAME', 'shop');
    assert.notEqual(port, String(servers[0].port));
    assert.ok(gateway.event('journal_connected', (entry) => entry.server === `127.0.0.1:${port}`));
  } finally {
    await world.end();
  }
});

// Sentinels that are told to fail over do not make the former primary stop first: what it takes until they
// tell of the other is lost, whoever the client is. What counts is that the gateway takes no part in it later.
it('a failover by command: the former primary, which lives on, is left at once', { timeout: 40000 }, async () => {
  const world = new World();
  try {
    const { sentinels, url } = await startSentinels(world, { replicas: 1 });
    const cart = await world.cart();
    const gateway = await world.gateway({ functionPort: cart.port, env: { JOURNAL_URL: url } });
    const client = world.cartClient(gateway);
    const writers = new Writers(client);
    await writers.more(200);
    await waitFor('a failover', async () => (await ask(sentinels[0], 'SENTINEL', 'FAILOVER', 'shop')) === 'OK');
    await waitFor('the other server', () => {
      const seen = new Set(gateway.lines.filter((line) => line.includes('"journal_connected"')).map((line) => JSON.parse(line).server));
      return seen.size === 2;
    });
    await writers.stop();
    console.log(`# carts that were told of items which the former primary alone had: ${(await writers.check(client)).length}`);
    const later = new Writers(client, 8, 40, 'later');
    await later.more(500);
    await later.stop();
    assert.deepEqual(await later.check(client), []);
    assert.deepEqual([...later.failures.keys()], []);
  } finally {
    await world.end();
  }
});

it('no sentinel knows the name, or none is there: not ready, and says why', { timeout: 40000 }, async () => {
  const world = new World();
  try {
    const { url } = await startSentinels(world, { replicas: 0, sentinels: 1 });
    const cart = await world.cart();
    const reason = async (gateway) => (await (await fetch(`${gateway.admin}/ready`)).text());
    const stranger = await world.gateway({ functionPort: cart.port, ready: false, env: { JOURNAL_URL: url.replace(/shop$/, 'other') } });
    await waitFor('the reason', async () => /a sentinel knows no primary/.test(await reason(stranger)));
    const alone = await world.gateway({ functionPort: cart.port, ready: false, env: { JOURNAL_URL: 'redis+sentinel://127.0.0.1:1/shop' } });
    await waitFor('the reason', async () => /127\.0\.0\.1:1|refused/.test(await reason(alone)));
    await assert.rejects(call(world.cartClient(alone), 'GetCart', { user_id: 'a' }), { code: 14 });
  } finally {
    await world.end();
  }
});

// The journal in a Redis Cluster: all kinds of entities, slots that move while they are used, a master that
// is killed.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { it } from 'node:test';
import { World, call, srcdir, waitFor } from './harness.mjs';
import { Writers, ask, askAs, moveSlot, startCluster } from './topologies.mjs';

const FAKES = path.join(srcdir, 'tests/fakes');
const PROTO = (name) => path.join(FAKES, `headgate/test/${name}.proto`);

const journals = (gateway, name) => gateway.lines.filter((line) => line.includes(`"${name}"`)).map((line) => JSON.parse(line));

// The rights are those of docs/reliability.md.
it('all kinds of entities, two gateways, a user with few rights', { timeout: 40000 }, async () => {
  const world = new World();
  try {
    const { servers, url } = await startCluster(world, { password: 'pa:ss' });
    const line = /^user headgate (.*)$/m.exec(fs.readFileSync(path.join(srcdir, 'docs/reliability.md'), 'utf8'))[1];
    const rules = line.replaceAll('<ns>:', '*').replace('PASSWORD', 's3:cret').split(' ');
    for (const server of servers) assert.equal(await askAs(server, 'pa:ss', 'ACL', 'SETUSER', 'gate', ...rules), 'OK');
    const env = { JOURNAL_URL: url.replace('://', '://gate:s3%3Acret@') };
    const cart = await world.cart();
    const fn = await world.testFunction();
    const shared = await world.userFunction(process.execPath, {}, [path.join(srcdir, 'tests/integration/node/crdt_function.mjs')]);
    const pair = async (functionPort, name) => [
      await world.gateway({ functionPort, env: { ...env, HEADGATE_JOURNAL_NAMESPACE: name } }),
      await world.gateway({ functionPort, env: { ...env, HEADGATE_JOURNAL_NAMESPACE: name } }),
    ];
    const carts = (await pair(cart.port, 'carts')).map((gateway) => world.cartClient(gateway));
    for (let n = 0; n < 200; n += 1) await call(carts[n % 2], 'AddItem', { user_id: `u${n % 50}`, product_id: 'A', name: 'a', quantity: 1 });
    for (let n = 0; n < 50; n += 1) assert.equal((await call(carts[n % 2], 'GetCart', { user_id: `u${n}` })).items[0].quantity, 4);

    const registers = (await pair(fn.port, 'registers')).map((gateway) => world.client(gateway, PROTO('value'), 'headgate.test.Register', [FAKES]));
    for (let n = 0; n < 100; n += 1) await call(registers[n % 2], 'Process', { id: `r${n % 25}`, add: 1 });
    for (let n = 0; n < 25; n += 1) assert.equal((await call(registers[n % 2], 'Peek', { id: `r${n}` })).count, '4');

    const sharing = (await pair(shared.port, 'shared')).map((gateway) => world.client(gateway, PROTO('shared'), 'headgate.test.Sharing', [FAKES]));
    await Promise.all(Array.from({ length: 60 }, (_, n) => call(sharing[n % 2], 'Change', { id: `s${n % 20}`, add: 1 })));
    for (let n = 0; n < 40; n += 1) await waitFor('the sum', async () => (await call(sharing[n % 2], 'Change', { id: `s${n % 20}` })).count === '3');

    // Every master has its share, and the scripts of the greeting.
    for (const server of servers) {
      assert.ok(Number(await askAs(server, 'pa:ss', 'DBSIZE')) > 20);
      assert.match(await askAs(server, 'pa:ss', 'INFO', 'memory'), /number_of_cached_scripts:1\d/);
    }
  } finally {
    await world.end();
  }
});

it('slots move to another master, and a new one comes, under load', { timeout: 40000 }, async () => {
  const world = new World();
  try {
    const { servers, url } = await startCluster(world, { spare: 1 });
    const cart = await world.cart();
    const gateway = await world.gateway({ functionPort: cart.port, env: { JOURNAL_URL: url } });
    const client = world.cartClient(gateway);
    const writers = new Writers(client);
    await writers.more(200);
    // Every slot of the second master that holds anything goes, to an old master or the new one; the first
    // ones slowly, so that commands meet some keys here and some there.
    const slots = [];
    for (let p = 0; p < 64; p += 1) {
      const slot = Number(await ask(servers[0], 'CLUSTER', 'KEYSLOT', `{${p}}`));
      if (slot > 5461 && slot <= 10921) slots.push(slot);
    }
    assert.ok(slots.length > 5, `${slots.length}`);
    for (const [i, slot] of slots.entries()) await moveSlot(servers[1], servers[i % 2 ? 0 : 3], slot, { whileMoving: i < 4 ? () => writers.more(50) : undefined });
    await writers.more(300);
    await writers.stop();
    console.log(`# ${slots.length} slots moved, ${writers.done} commands, longest gap ${writers.longestGapMs} ms; ${[...writers.failures.keys()].join('; ')}`);
    assert.deepEqual(await writers.check(client), []);
    assert.deepEqual([...writers.failures.keys()], []);
    assert.equal(gateway.event('journal_alarm'), undefined);
    assert.ok((await fetch(`${gateway.admin}/ready`)).ok);
  } finally {
    await world.end();
  }
});

it('kill -9 of a master: its replica takes over, and has all that was acknowledged', { timeout: 40000 }, async () => {
  const world = new World();
  try {
    const { servers, url } = await startCluster(world, { replicas: 3 });
    const cart = await world.cart();
    const gateway = await world.gateway({ functionPort: cart.port, env: { JOURNAL_URL: url, HEADGATE_JOURNAL_TIMEOUT: '500ms' } });
    const client = world.cartClient(gateway);
    const writers = new Writers(client, 16);
    await writers.more(500);
    await servers[0].kill();
    await waitFor('the reason', async () => /partition \d+ \(slot \d+\)|the meta key|the members/.test(await (await fetch(`${gateway.admin}/ready`)).text()));
    await waitFor('readiness', async () => (await fetch(`${gateway.admin}/ready`)).ok, 20000);
    await writers.more(500);
    await writers.stop();
    console.log(`# ${writers.done} commands, longest gap of all ${writers.longestGapMs} ms; ${[...writers.failures].map(([text, n]) => `${n} x ${text}`).join('; ')}`);
    assert.deepEqual(await writers.check(client), []);
    assert.ok(journals(gateway, 'journal_connected').some((entry) => entry.server === `127.0.0.1:${servers[3].port}`));
  } finally {
    await world.end();
  }
});

it('keys without their meta key on any master: no journal is made; an empty cluster gets one, at one place', { timeout: 40000 }, async () => {
  const world = new World();
  try {
    const { servers, url } = await startCluster(world);
    const cart = await world.cart();
    const put = async (...words) => {
      for (const server of servers) await ask(server, ...words).catch((error) => { if (!/^MOVED/.test(error.message)) throw error; });
    };
    await put('SET', 'hg1:lost:{5}:h:cart/a', 'x');
    const lost = await world.gateway({ functionPort: cart.port, ready: false, env: { JOURNAL_URL: url, HEADGATE_JOURNAL_NAMESPACE: 'lost' } });
    await waitFor('the reason', async () => /holds keys of namespace .*lost.* but there is no meta key/.test(await (await fetch(`${lost.admin}/ready`)).text()));
    await put('DEL', 'hg1:lost:{5}:h:cart/a');
    await waitFor('readiness', async () => (await fetch(`${lost.admin}/ready`)).ok);
    // Away and another one in its place: noticed when the server is greeted again.
    await put('DEL', 'hg1:lost:meta');
    for (const server of servers) await ask(server, 'CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes').catch(() => {});
    await waitFor('the reason', async () => /journal was replaced/.test(await (await fetch(`${lost.admin}/ready`)).text()));
  } finally {
    await world.end();
  }
});

it('CRDTs at two gateways: a master is killed, be it where news are heard', { timeout: 90000 }, async () => {
  const world = new World();
  try {
    const { servers, url } = await startCluster(world, { replicas: 3 });
    const fn = await world.userFunction(process.execPath, {}, [path.join(srcdir, 'tests/integration/node/crdt_function.mjs')]);
    const gateways = [];
    for (let i = 0; i < 2; i += 1) gateways.push(await world.gateway({ functionPort: fn.port, env: { JOURNAL_URL: url, HEADGATE_JOURNAL_TIMEOUT: '500ms' } }));
    const sharing = gateways.map((gateway) => world.client(gateway, PROTO('shared'), 'headgate.test.Sharing', [FAKES]));
    const ids = Array.from({ length: 20 }, (_, n) => `s${n}`);
    const add = (i, id) => call(sharing[i], 'Change', { id, add: 1 });
    const bothHave = async (count) => {
      for (const client of sharing) for (const id of ids) await waitFor(`${count} of ${id}`, async () => (await call(client, 'Change', { id })).count === count);
    };
    for (const i of [0, 1]) for (const id of ids) await add(i, id);
    await bothHave('2');
    await servers[0].kill();
    const isReady = async (gateway) => (await fetch(`${gateway.admin}/ready`)).ok;
    // both at once: the second may be well again before the first is
    await Promise.all(gateways.map(async (gateway) => {
      await waitFor('trouble', async () => !(await isReady(gateway)));
      await waitFor('readiness', () => isReady(gateway), 45000);
    }));
    for (const i of [0, 1]) for (const id of ids) await add(i, id);
    await bothHave('4');
    for (const gateway of gateways) {
      await waitFor('both members', async () => (await (await fetch(`${gateway.admin}/status`)).json()).members.view.length === 2);
    }
  } finally {
    await world.end();
  }
});

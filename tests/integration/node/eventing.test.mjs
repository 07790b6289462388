// Events of entities to actions, over topics to entities: in order, nothing skipped, whoever is killed.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { World, builddir, call, redisCommand, srcdir, waitFor } from './harness.mjs';

const FAKES = path.join(srcdir, 'tests/fakes');
const PROTO = path.join(FAKES, 'headgate/test/eventing.proto');
const FUNCTION = path.join(srcdir, 'tests/integration/node/eventing_function.mjs');
const COMMANDS = 400;
const ENTITIES = 20;
const POISON = 666;
const SHY = 13;
const ENV = { HEADGATE_EVENTING_BACKOFF_MIN: '5ms', HEADGATE_EVENTING_ATTEMPTS: '3', HEADGATE_JOURNAL_NAMESPACE: 'ev' };

class Shop {
  static async open(env = {}) {
    const shop = new Shop();
    shop.world = new World();
    shop.fn = await shop.world.userFunction(process.execPath, {}, [FUNCTION]);
    shop.redis = await shop.world.redis();
    shop.env = { ...ENV, JOURNAL_URL: `unix:${shop.redis.socket}`, ...env };
    return shop;
  }

  async gateway(env = {}) {
    const gateway = await this.world.gateway({ functionPort: this.fn.port, env: { ...this.env, ...env } });
    for (const name of ['Shop', 'View', 'Relay', 'Tally']) gateway[name] = this.world.client(gateway, PROTO, `headgate.test.${name}`, [FAKES]);
    return gateway;
  }

  ask(...words) {
    return redisCommand(this.redis.socket, ...words);
  }

  // The one key that matches.
  async key(pattern) {
    const keys = await this.ask('KEYS', pattern);
    assert.equal(keys.length, 1, `${pattern}: ${keys}`);
    return keys[0];
  }
}

const add = (gateway, id, ...numbers) => call(gateway.Shop, 'Add', { id, numbers });
const seenAt = async (gateway) => (await call(gateway.View, 'Seen', {})).seen;
const numbersOf = async (gateway, id) => (await seenAt(gateway)).filter((one) => one.id === id).map(({ number }) => number);
const tallyOf = async (gateway, id) => (await call(gateway.Tally, 'Peek', { id })).numbers;
const statusOf = async (gateway) => (await (await fetch(`${gateway.admin}/status`)).json()).eventing;
const consumer = async (gateway, name) => (await statusOf(gateway)).find((one) => one.consumer === name);
const isSeen = (gateway, id, wanted) => waitFor(`the events of ${id}`, async () => {
  const got = await numbersOf(gateway, id);
  if (JSON.stringify(got) !== JSON.stringify(wanted)) throw new Error(`${got}, wanted ${wanted}`);
  return true;
});
const range = (count) => Array.from({ length: count }, (_, n) => n + 1);

describe('events of entities', () => {
  let shop;
  let gateway;

  before(async () => {
    shop = await Shop.open();
    gateway = await shop.gateway();
  });
  after(() => shop.world.end());

  it('reach an action in order, with their attributes', async () => {
    await add(gateway, 'anna', 1, 2, 3);
    await add(gateway, 'anna', 4);
    await isSeen(gateway, 'anna', [1, 2, 3, 4]);
    const [first] = (await seenAt(gateway)).filter(({ id }) => id === 'anna');
    assert.equal(first.event_id, 'anna/1');
    assert.equal(first.text, 'type.googleapis.com/headgate.test.Added test-shop 1.0 application/vnd.cloudstate.protobuf.any');
  });

  it('and over a topic an entity', async () => {
    await add(gateway, 'bert', 7, 8);
    await waitFor('the tally', async () => JSON.stringify(await tallyOf(gateway, 'bert')) === '[7,8]');
    const entries = await shop.ask('XRANGE', await shop.key('hg1:ev:{*}:t:test-notices'), '-', '+');
    const fields = entries.map(([, list]) => Object.fromEntries(range(list.length / 2).map((n) => [list[2 * n - 2], list[2 * n - 1]])));
    const mine = fields.filter(({ subject }) => subject === 'bert');
    assert.deepEqual(mine.map(({ id }) => id), ['bert/1.1', 'bert/2.1']);
    assert.equal(mine[0].type, 'headgate.test.Notice');
    assert.equal(mine[0].datacontenttype, 'application/protobuf');
    assert.equal(mine[0].source, 'headgate.test.Relay');
  });

  it('what a client asks for is published before it is answered', async () => {
    assert.deepEqual(await call(gateway.Relay, 'Announce', { id: 'carl', number: 3 }), { id: 'carl', number: 3 });
    assert.equal(await shop.ask('XLEN', await shop.key('hg1:ev:{*}:t:test-announced')), '1');
  });

  it('messages from outside are converted by their content type', async () => {
    // The topic is read in the one partition that its name says; the others are nobody's.
    for (let p = 0; p < 64; p += 1) {
      const publish = (id, type, contentType, data) => shop.ask('XADD', `hg1:ev:{${p}}:t:test-outside`, '0-*', 'id', id, 'source', 'out',
        'specversion', '1.0', 'type', type, 'datacontenttype', contentType, 'data', data);
      await publish('j1', 'Thing', 'application/json', '{"a":1}');
      await publish('t1', 'Text', 'text/plain', 'hello');
    }
    const outside = await waitFor('both', async () => {
      const all = (await seenAt(gateway)).filter(({ id }) => id === 'outside');
      return all.length === 2 && all;
    });
    assert.deepEqual(outside.map(({ event_id: id, text }) => [id, text]), [['j1', '{"a":1}'], ['t1', '"hello"']]);
  });

  it('one that fails comes again, and holds up its entity alone', async () => {
    await add(gateway, 'dora', SHY, 1);
    await add(gateway, 'emil', 1);
    await isSeen(gateway, 'emil', [1]);
    await isSeen(gateway, 'dora', [SHY, 1]);
  });

  it('one that always fails is put with the dead letters, and the next one delivered', async () => {
    await add(gateway, 'fred', 1, POISON, 2);
    await isSeen(gateway, 'fred', [1, 2]);
    const [[, list]] = await shop.ask('XRANGE', await shop.key('hg1:ev:{*}:dl:headgate.test.View'), '-', '+');
    const letter = Object.fromEntries(range(list.length / 2).map((n) => [list[2 * n - 2], list[2 * n - 1]]));
    assert.equal(letter['dl.event_log'], 'test-shop');
    assert.equal(letter['dl.entity'], 'fred');
    assert.equal(letter['dl.sequence'], '2');
    assert.equal(letter['dl.attempts'], '3');
    assert.equal(letter.type, 'type.googleapis.com/headgate.test.Added');
    assert.match(letter['dl.reason'], /poison/);
    assert.ok(gateway.event('eventing_dead', ({ entity }) => entity === 'fred'));
    const metrics = await (await fetch(`${gateway.admin}/metrics`)).text();
    assert.match(metrics, /headgate_eventing_dead_total\{consumer="headgate.test.View",source="test-shop"\} 1/);
  });
});

// Every event of every entity was seen, each for the first time in its order.
async function expectAll(gateway, written) {
  await waitFor('all events', async () => {
    const seen = await seenAt(gateway);
    for (const [id, count] of written) {
      const first = [...new Set(seen.filter((one) => one.id === id).map(({ number }) => number))];
      if (JSON.stringify(first) !== JSON.stringify(range(count))) throw new Error(`${id} has ${first}, wanted 1 to ${count}`);
    }
    return true;
  }, 20000);
  for (const [id, count] of written) {
    await waitFor(`the tally of ${id}`, async () => (await tallyOf(gateway, id)).length === count);
  }
  return (await seenAt(gateway)).length;
}

it('kill -9 in the middle: nothing is skipped', { timeout: 60000 }, async () => {
  const shop = await Shop.open();
  try {
    let gateway = await shop.gateway();
    const written = new Map(range(ENTITIES).map((n) => [`k${n}`, 0]));
    const ids = [...written.keys()];
    for (let n = 0, kills = 0; n < COMMANDS; n += 1) {
      const id = ids[n % ENTITIES];
      await add(gateway, id, written.get(id) + 1);
      written.set(id, written.get(id) + 1);
      if (n % 100 !== 60) continue;
      await gateway.kill();
      gateway = await shop.gateway();
      kills += 1;
      assert.ok(kills <= 4);
    }
    const deliveries = await expectAll(gateway, written);
    console.log(`# ${COMMANDS} events, ${deliveries} deliveries over 4 kills`);
    assert.ok(deliveries >= COMMANDS);
  } finally {
    await shop.world.end();
  }
});

it('two gateways share the partitions, one takes over from the other', { timeout: 60000 }, async () => {
  const shop = await Shop.open();
  const shares = async (gateways) => (await Promise.all(gateways.map((gateway) => consumer(gateway, 'headgate.test.View')))).map(({ partitions }) => partitions);
  try {
    const [one, two] = [await shop.gateway(), await shop.gateway()];
    await waitFor('the shares', async () => {
      const [a, b] = await shares([one, two]);
      return a > 0 && b > 0 && a + b === 64;
    });
    const written = new Map(range(ENTITIES).map((n) => [`s${n}`, 5]));
    await Promise.all([...written.keys()].map((id, n) => add(n % 2 ? one : two, id, ...range(5))));
    assert.equal(await expectAll(one, written), 5 * ENTITIES, 'each is delivered once while nobody comes or goes');
    // Commands are forwarded to their owners; what they reply is published once.
    await Promise.all(range(20).map((n) => call(one.Tally, 'Tell', { id: `t${n}`, number: n })));
    assert.equal(await shop.ask('XLEN', await shop.key('hg1:ev:{*}:t:test-told')), '20');
    const late = Promise.all([...written.keys()].map((id) => add(one, id, 6, 7)));
    await late;
    await two.kill('SIGTERM');
    await waitFor('all partitions', async () => (await shares([one]))[0] === 64);
    for (const id of written.keys()) {
      await add(one, id, 8);
      written.set(id, 8);
    }
    await expectAll(one, written);
  } finally {
    await shop.world.end();
  }
});

it('a journal that lost entries stops the consumer until that is accepted', { timeout: 60000 }, async () => {
  const shop = await Shop.open();
  try {
    let gateway = await shop.gateway();
    await add(gateway, 'gina', 1, 2);
    await isSeen(gateway, 'gina', [1, 2]);
    const offsets = await shop.key('hg1:ev:{*}:o:headgate.test.View');
    await waitFor('the checkpoint', async () => (await shop.ask('HGET', offsets, 'test-shop')) === '1');
    await gateway.kill('SIGTERM');
    await shop.ask('HSET', offsets, 'test-shop', '9');
    gateway = await shop.gateway();
    const partition = Number(/\{(\d+)\}/.exec(offsets)[1]);
    await waitFor('the regression', async () => {
      const { regressed } = await consumer(gateway, 'headgate.test.View');
      return JSON.stringify(regressed) === `[${partition}]`;
    });
    const line = gateway.event('eventing_regressed');
    assert.deepEqual([line.checkpoint, line.head, line.partition], [9, 1, partition]);
    const tool = (...args) => spawnSync(path.join(builddir, 'headgate'), ['journal', 'consumer', 'headgate.test.View', 'test-shop',
      '--journal', `unix:${shop.redis.socket}`, '--namespace', 'ev', ...args], { encoding: 'utf8' });
    const told = tool();
    assert.equal(told.status, 1, told.stderr);
    assert.match(told.stdout, new RegExp(`partition ${partition} +done 9 +newest 1 +REGRESSED\n`));
    const accepted = tool('--accept-regression', '--json');
    assert.equal(accepted.status, 0, accepted.stderr);
    assert.deepEqual(accepted.stdout.trim().split('\n').map((text) => JSON.parse(text)).filter((row) => row.accepted),
      [{ partition, position: 9, newest: 1, behind: 0, trimmed: 0, regressed: true, accepted: true }]);
    assert.equal(tool().status, 0);
    await add(gateway, 'gina', 3);
    await isSeen(gateway, 'gina', [1, 2, 3]);
    assert.deepEqual((await consumer(gateway, 'headgate.test.View')).regressed, []);
  } finally {
    await shop.world.end();
  }
});

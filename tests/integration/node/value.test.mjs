// Value entities, of the library for C and of the one for JavaScript: over gRPC and HTTP, with two
// gateways on one Redis, and through kill -9.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { World, call, callAgain, curl, grpc, isSteppingAside, redisCommand, srcdir, waitFor, waitReady } from './harness.mjs';

const PROTO = path.join(srcdir, 'tests/fakes/headgate/test/value.proto');
const SERVICE = 'headgate.test.Register';
const WRITES = Number(process.env.HEADGATE_VALUE_WRITES ?? 600);
const CLIENTS = 8;
const KEYS = 10;

const startFunction = {
  C: (world, env) => world.testFunction(env),
  JavaScript: (world, env = {}) =>
    world.userFunction(process.execPath, env, [path.join(srcdir, 'tests/integration/node/value_function.mjs')]),
};

const clientOf = (world, gateway) => world.client(gateway, PROTO, SERVICE, [path.join(srcdir, 'tests/fakes')]);
const json = (url, body) => curl('-X', 'POST', '-H', 'Content-Type: application/json', '-d', JSON.stringify(body), url);

for (const language of Object.keys(startFunction)) {
  describe(`value entities of a function in ${language}`, () => {
    const world = new World();
    let fn;
    let redis;
    let gateway;
    let other;
    let client;

    before(async () => {
      fn = await startFunction[language](world);
      redis = await world.redis();
      const env = { JOURNAL_URL: `unix:${redis.socket}`, HEADGATE_ENTITY_PASSIVATION_TIMEOUT: '400ms' };
      gateway = await world.gateway({ functionPort: fn.port, env });
      other = await world.gateway({ functionPort: fn.port, env: { ...env, HEADGATE_ENTITY_METADATA: 'true' } });
      client = clientOf(world, gateway);
    });
    after(() => world.end());

    const run = (request, method = 'Process', over = client) => call(over, method, request);

    it('updates, reads and deletes over gRPC', async () => {
      assert.deepEqual(await run({ id: 'a' }), { id: 'a', count: '0', text: '', is_there: false, metadata: '' });
      assert.equal((await run({ id: 'a', add: 2, text: 'one' })).count, '2');
      assert.deepEqual(await run({ id: 'a' }, 'Peek'), { id: 'a', count: '2', text: 'one', is_there: true, metadata: '' });
      assert.equal((await run({ id: 'a', remove: true })).is_there, false);
      assert.equal((await run({ id: 'a' })).is_there, false);
      assert.equal((await run({ id: 'a', add: 5 })).count, '5');
    });

    it('and over HTTP', async () => {
      const url = `${gateway.url}/register/http`;
      const set = await json(url, { add: 3, text: 'web' });
      assert.equal(set.status, 200);
      assert.equal(JSON.parse(set.body).count, '3');
      const got = await curl(url);
      assert.deepEqual([got.status, JSON.parse(got.body).text, JSON.parse(got.body).isThere], [200, 'web', true]);
      const failed = await json(url, { add: 1, fail: 'gone', failCode: 5 });
      assert.deepEqual([failed.status, JSON.parse(failed.body).message], [404, 'gone']);
      assert.equal(JSON.parse((await curl(url)).body).count, '3');
    });

    it('a failure of the function changes nothing', async () => {
      await run({ id: 'fail', add: 1 });
      await assert.rejects(run({ id: 'fail', add: 1, fail: 'no' }), (error) => error.code === grpc.status.UNKNOWN && error.details === 'no');
      await assert.rejects(run({ id: 'fail', remove: true, fail: 'not so', fail_code: 9 }),
        (error) => error.code === grpc.status.FAILED_PRECONDITION && error.details === 'not so');
      assert.equal((await run({ id: 'fail' })).count, '1');
    });

    it('forwards and has effects', async () => {
      const reply = await run({ id: 'forward', add: 4, text: 'x', forward: true, effect: 'affected' });
      assert.deepEqual([reply.count, reply.text], ['4', 'x']);
      await waitFor('the effect', async () => (await run({ id: 'affected' })).count === '1');
    });

    it('is there after it slept, and in the journal as the format says', async () => {
      await run({ id: 'sleeper', add: 9, text: 'z' });
      const keys = await redisCommand(redis.socket, 'KEYS', 'hg1:*:h:test-register/sleeper');
      assert.equal(keys.length, 1);
      const [s, v, zt, zs] = await redisCommand(redis.socket, 'HMGET', keys[0], 's', 'v', 'zt', 'zs');
      assert.deepEqual([s, v, zt, zs], ['1', '1', 'type.googleapis.com/headgate.test.Kept', null]);
      assert.deepEqual(await redisCommand(redis.socket, 'KEYS', 'hg1:*:e:test-register/*'), []);
      await waitFor('sleep', async () => /headgate_entity_passivations_total\{[^}]*test-register[^}]*\} [1-9]/
        .test(await (await fetch(`${gateway.admin}/metrics`)).text()));
      assert.equal((await run({ id: 'sleeper' })).count, '9');
    });

    it('metadata is shown only by option', async () => {
      const ask = (over) => new Promise((resolve, reject) => {
        const metadata = new grpc.Metadata();
        metadata.set('x-who', 'me');
        over.Peek({ id: 'meta', metadata: 'x-who' }, metadata, { deadline: Date.now() + 10000 },
          (error, reply) => (error ? reject(error) : resolve(reply.metadata)));
      });
      assert.equal(await ask(client), '');
      assert.equal(await ask(clientOf(world, other)), 'me');
    });

    it('two gateways never lose a write to each other', async () => {
      const clients = [client, clientOf(world, other)];
      const adds = Array.from({ length: 60 }, (_, n) => run({ id: 'both', add: 1, text: `t${n}` }, 'Process', clients[n % 2]));
      const outcomes = await Promise.allSettled(adds);
      const done = outcomes.filter(({ status }) => status === 'fulfilled').length;
      for (const { status, reason } of outcomes) {
        assert.ok(status === 'fulfilled' || reason.code === grpc.status.ABORTED || isSteppingAside(reason),
          `${reason?.code} ${reason?.details}`);
      }
      // a refused one was not executed; who reads sees all, whichever gateway it asks
      for (const over of clients) assert.equal((await callAgain(over, 'Peek', { id: 'both' })).count, String(done));
      assert.ok(done > 0);
    });
  });
}

describe('value entities that go wrong', () => {
  const world = new World();
  let client;

  before(async () => {
    const fn = await world.testFunction();
    client = clientOf(world, await world.gateway({ functionPort: fn.port }));
  });
  after(() => world.end());

  it('a stream that ends is told with the text of the reference, and the state is as it was', async () => {
    await call(client, 'Process', { id: 'end', add: 2 });
    await assert.rejects(call(client, 'Process', { id: 'end', add: 1, end_stream: true }),
      (error) => error.code === grpc.status.UNKNOWN && error.details === 'Unexpected Value entity termination');
    assert.equal((await call(client, 'Process', { id: 'end' })).count, '2');
  });
});

// Eight clients add to ten entities, each add once; what is acknowledged must be there, and no more than was tried.
async function load(clients, onProgress) {
  const done = Array(KEYS).fill(0);
  const tried = Array(KEYS).fill(0);
  let next = 0;
  await Promise.all(clients.map(async (client) => {
    while (next < WRITES) {
      const key = next % KEYS;
      next += 1;
      tried[key] += 1;
      try {
        await call(client, 'Process', { id: `k${key}`, add: 1 }, { deadline: Date.now() + 5000 });
        done[key] += 1;
        onProgress(done.reduce((a, b) => a + b));
      } catch (error) {
        await new Promise((resolve) => setTimeout(resolve, 20)); // refused or unknown: not repeated
      }
    }
  }));
  return { done, tried };
}

describe('kill -9 while states are written', () => {
  const kills = {
    'of the gateway with its embedded journal': async (world, gateway, fn) => {
      await gateway.kill('SIGKILL');
      return world.gateway({ functionPort: fn.port, env: { PORT: String(gateway.port) } });
    },
    'of redis-server, the embedded child': async (world, gateway) => {
      const socket = path.join(world.dir, 'journal/s.sock');
      const pidOf = async () => Number(/process_id:(\d+)/.exec(await redisCommand(socket, 'INFO', 'server'))[1]);
      const pid = await pidOf();
      process.kill(pid, 'SIGKILL');
      await waitFor('another redis-server', async () => (await pidOf()) !== pid);
      await waitReady(gateway);
      return gateway;
    },
  };
  for (const [name, kill] of Object.entries(kills)) {
    it(name, async () => {
      const world = new World();
      try {
        const fn = await world.testFunction();
        const gateway = await world.gateway({ functionPort: fn.port });
        const clients = Array.from({ length: CLIENTS }, () => clientOf(world, gateway));
        let survivor;
        const { done, tried } = await load(clients, (count) => {
          if (count === Math.floor(WRITES / 3)) survivor = kill(world, gateway, fn);
        });
        const client = clientOf(world, await survivor);
        for (let key = 0; key < KEYS; key += 1) {
          const count = Number((await waitFor(`k${key}`, () => call(client, 'Peek', { id: `k${key}` }))).count);
          assert.ok(count >= done[key] && count <= tried[key], `k${key}: ${count} of ${done[key]} to ${tried[key]}`);
        }
      } finally {
        await world.end();
      }
    });
  }
});

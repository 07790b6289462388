// CRDTs of the library for JavaScript, with two gateways on one Redis, each with a function of its own.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { World, call, curl, grpc, metric, redisCommand, srcdir, waitFor } from './harness.mjs';

const PROTO = path.join(srcdir, 'tests/fakes/headgate/test/shared.proto');
const FUNCTION = path.join(srcdir, 'tests/integration/node/crdt_function.mjs');

// A stream that keeps what it was given.
function watch(client, method, request) {
  const stream = client[method](request, { deadline: Date.now() + 30000 });
  stream.got = [];
  stream.on('data', (message) => stream.got.push(message));
  stream.on('error', (error) => { stream.failure = error; });
  stream.on('end', () => { stream.isEnded = true; });
  return stream;
}

const last = (stream) => stream.got.at(-1);

describe('CRDTs', () => {
  const world = new World();
  const gateways = [];
  const sharing = [];
  const presence = [];
  let redis;

  async function start(i) {
    const fn = await world.userFunction(process.execPath, {}, [FUNCTION]);
    const env = {
      JOURNAL_URL: `unix:${redis.socket}`, HEADGATE_PEER_ADDRESS: `gateway-${i}:1`,
      HEADGATE_ENTITY_PASSIVATION_TIMEOUT: '500ms', HEADGATE_CRDT_COMPACT_DELTAS: '20',
    };
    gateways[i] = await world.gateway({ functionPort: fn.port, env });
    sharing[i] = world.client(gateways[i], PROTO, 'headgate.test.Sharing', [path.join(srcdir, 'tests/fakes')]);
    presence[i] = world.client(gateways[i], PROTO, 'headgate.test.Presence', [path.join(srcdir, 'tests/fakes')]);
  }

  before(async () => {
    redis = await world.redis();
    await start(0);
    await start(1);
  });
  after(() => world.end());

  const change = (i, request) => call(sharing[i], 'Change', request);
  const count = async (i, id) => Number((await change(i, { id })).count);

  it('changes count at both, and both come to know them', async () => {
    await Promise.all(Array.from({ length: 60 }, (_, n) => change(n % 2, { id: 'both', add: 1 })));
    for (const i of [0, 1]) await waitFor('the sum', async () => (await count(i, 'both')) === 60);
  });

  it('over HTTP', async () => {
    const url = `${gateways[0].url}/shared/web`;
    const reply = await curl('-X', 'POST', '-H', 'Content-Type: application/json', '-d', '{"add":"3"}', url);
    assert.deepEqual([reply.status, JSON.parse(reply.body)], [200, { count: '3' }]);
    const failed = await curl('-X', 'POST', '-H', 'Content-Type: application/json', '-d', '{"fail":"no"}', url);
    assert.deepEqual([failed.status, JSON.parse(failed.body).message], [500, 'no']);
  });

  it('streams tell of changes made elsewhere, and keep the entity awake', async () => {
    const stream = watch(sharing[0], 'Watch', { id: 'watched' });
    await waitFor('the first element', () => stream.got.length === 1);
    for (let n = 1; n <= 3; n++) {
      await change(1, { id: 'watched', add: 1 });
      await waitFor('the change', () => last(stream).count === String(n));
    }
    stream.cancel();
    await waitFor('sleep', async () => (await metric(gateways[0], 'headgate_crdt_streamed_calls_active')) === 0);
  });

  it('ALL answers when the other gateway has read it, asleep or awake', async () => {
    const stream = watch(sharing[1], 'Watch', { id: 'all' });
    await waitFor('the first element', () => stream.got.length === 1);
    await change(0, { id: 'all', add: 2, for_all: true });
    assert.equal(await count(1, 'all'), 2);
    stream.cancel();
    await change(0, { id: 'nobody-awake', add: 2, for_all: true });
    assert.equal(await count(1, 'nobody-awake'), 2);
  });

  it('presence: who is connected at one gateway is seen at the other', async () => {
    const monitor = watch(presence[1], 'Monitor', { id: 'ann' });
    await waitFor('the first element', () => monitor.got.length > 0);
    assert.equal(last(monitor).online, false);
    const connection = watch(presence[0], 'Connect', { id: 'ann' });
    await waitFor('presence', () => last(monitor).online);
    assert.equal(last(monitor).voters, 2);
    const second = watch(presence[0], 'Connect', { id: 'ann' });
    await waitFor('both', async () => (await metric(gateways[0], 'headgate_crdt_streamed_calls_active')) === 2);
    connection.cancel();
    second.cancel();
    await waitFor('absence', () => !last(monitor).online);
    assert.equal(connection.got.length, 0);
    monitor.cancel();
  });

  it('effects run', async () => {
    await change(0, { id: 'cause', add: 1, effect: 'affected' });
    await waitFor('the effect', async () => (await count(1, 'affected')) === 1);
  });

  it('deleted is deleted everywhere, for ever', async () => {
    await change(0, { id: 'gone', add: 1 });
    const stream = watch(sharing[1], 'Watch', { id: 'gone' });
    await waitFor('the first element', () => stream.got.length === 1);
    await call(sharing[0], 'Remove', { id: 'gone' });
    await waitFor('the end', () => stream.isEnded);
    assert.equal(stream.failure, undefined);
    for (const i of [0, 1]) {
      await assert.rejects(change(i, { id: 'gone', add: 1 }),
        (error) => error.code === grpc.status.UNKNOWN && error.details === 'Entity deleted');
    }
  });

  it('logs are compacted, and the value is the same', async () => {
    for (let n = 0; n < 50; n++) await change(n % 2, { id: 'long', add: 1 });
    await waitFor('a compaction', async () => {
      const done = await Promise.all(gateways.map((gateway) =>
        metric(gateway, 'headgate_crdt_compactions_total', { entity_name: 'test-shared' })));
      return done.some((n) => n > 0);
    });
    for (const i of [0, 1]) await waitFor('the sum', async () => (await count(i, 'long')) === 50);
  });

  it('nothing is lost when all gateways end', async () => {
    const stream = watch(sharing[0], 'Watch', { id: 'both' });
    await waitFor('the first element', () => stream.got.length === 1);
    for (const gateway of gateways) await gateway.kill('SIGTERM');
    await waitFor('the end of the stream', () => stream.isEnded || stream.failure);
    assert.equal(stream.failure, undefined); // in order
    await start(0);
    assert.equal(await count(0, 'both'), 60);
    assert.equal(await count(0, 'long'), 50);
  });

  it('nor when one is killed', async () => {
    for (let n = 0; n < 10; n++) await change(0, { id: 'killed', add: 1 });
    await gateways[0].kill('SIGKILL');
    await start(0);
    assert.equal(await count(0, 'killed'), 10);
    assert.equal(Number((await change(0, { id: 'killed', add: 1 })).count), 11);
  });
});

// Every life of a gateway has another address, as a pod's: what is stored must not tell how many there were.
describe('thirty lives under thirty addresses', () => {
  const world = new World();
  const LIVES = 30;
  let redis;
  let fn;

  before(async () => {
    redis = await world.redis();
    fn = await world.userFunction(process.execPath, {}, [FUNCTION]);
  });
  after(() => world.end());

  const stored = async (type, id) => {
    const key = (kind) => redisCommand(redis.socket, 'KEYS', `hg1:*:${kind}:${type}/${id}`);
    const [state] = await key('c');
    const [deltas] = await key('d');
    return {
      bytes: Number(await redisCommand(redis.socket, 'HSTRLEN', state, 'zp')),
      deltas: deltas ? Number(await redisCommand(redis.socket, 'XLEN', deltas)) : 0,
    };
  };

  async function live(life) {
    const gateway = await world.gateway({
      functionPort: fn.port,
      env: { JOURNAL_URL: `unix:${redis.socket}`, HEADGATE_PEER_ADDRESS: `10.1.2.${life}:7355` },
    });
    const include = [path.join(srcdir, 'tests/fakes')];
    const sharing = world.client(gateway, PROTO, 'headgate.test.Sharing', include);
    const presence = world.client(gateway, PROTO, 'headgate.test.Presence', include);
    const change = async (id, add) => Number((await call(sharing, 'Change', { id, add })).count);
    const monitor = watch(presence, 'Monitor', { id: 'user' });

    assert.equal(await change('grow', 0), 3 * (life - 1));
    assert.equal(await change('grow', 1), 3 * life - 2);
    assert.equal(await change('grow', 2), 3 * life);
    // the one that was added last time goes
    assert.equal(await change('set', life), Math.min(life, 2));
    if (life > 1) assert.equal(await change('set', 1 - life), 1);
    const connection = watch(presence, 'Connect', { id: 'user' });
    await waitFor('presence', () => last(monitor)?.online);
    connection.cancel();
    await waitFor('absence', () => last(monitor).online === false);
    monitor.cancel();
    await gateway.kill(life % 2 ? 'SIGKILL' : 'SIGTERM');
  }

  it('count exactly, and leave no more than a few', async () => {
    const most = {};
    for (let life = 1; life <= LIVES; life++) {
      await live(life);
      for (const [type, id] of [['test-shared', 'grow'], ['test-shared', 'set'], ['test-presence', 'user']]) {
        const size = await stored(type, id);
        most[id] ??= { bytes: 0, deltas: 0 };
        for (const what of ['bytes', 'deltas']) most[id][what] = Math.max(most[id][what], size[what]);
      }
    }
    // Written anew when nine are named beyond those that are up, which are the last few lives for two seconds:
    // two changes each, where thirty lives would have left sixty; and some thirty bytes for each that is named.
    for (const [id, { bytes, deltas }] of Object.entries(most)) {
      assert.ok(deltas <= 40, `${deltas} deltas of ${id}`);
      assert.ok(bytes > 0 && bytes < 200, `${bytes} bytes of ${id}`);
    }
  });
});

// grpc.health.v1 as balancers use it.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { World, call, freePort, grpc, srcdir, waitFor } from './harness.mjs';

const proto = path.join(srcdir, 'proto/idl/grpc/health/v1/health.proto');
const healthClient = (world, gateway) => world.client(gateway, proto, 'grpc.health.v1.Health');
const ENTITY = 'headgate.test.Entity';

// A watch and all it said.
function watch(client, service) {
  const stream = client.Watch({ service });
  const watcher = { states: [], stream };
  stream.on('data', ({ status }) => watcher.states.push(status));
  stream.on('error', () => {});
  watcher.ended = new Promise((resolve) => stream.on('status', resolve));
  watcher.hears = (state) => waitFor(`${service}: ${state}`, () => {
    if (watcher.states.at(-1) !== state) throw new Error(String(watcher.states));
    return true;
  });
  return watcher;
}

describe('health', () => {
  const world = new World();
  let gateway;
  let client;

  before(async () => {
    gateway = await world.gateway({ functionPort: (await world.testFunction()).port });
    client = healthClient(world, gateway);
  });
  after(() => world.end());

  it('of the gateway and of each service is serving', async () => {
    for (const service of ['', ENTITY, 'headgate.test.Actions'])
      assert.deepEqual(await call(client, 'Check', { service }), { status: 'SERVING' });
  });

  it('of an unknown service is NOT_FOUND', async () => {
    for (const service of ['no.such.Service', `${ENTITY}.Process`, 'x'.repeat(500)])
      await assert.rejects(call(client, 'Check', { service }), { code: grpc.status.NOT_FOUND });
  });

  it('of what is no name is refused', async () => {
    await assert.rejects(call(client, 'Check', { service: 'x'.repeat(5000) }), { code: grpc.status.INVALID_ARGUMENT });
  });

  it('of all is listed', async () => {
    const { statuses } = await call(client, 'List', {});
    assert.deepEqual(statuses[''], { status: 'SERVING' });
    assert.deepEqual(statuses[ENTITY], { status: 'SERVING' });
    assert.ok(Object.keys(statuses).length >= 4);
  });

  it('is asked with one message', async () => {
    const ask = (messages) => new Promise((resolve) => {
      const frames = client.makeClientStreamRequest('/grpc.health.v1.Health/Check', (bytes) => bytes, (bytes) => bytes,
        (error) => resolve(error));
      messages.forEach((message) => frames.write(message));
      frames.end();
    });
    assert.equal((await ask([])).code, grpc.status.INVALID_ARGUMENT);
    assert.equal((await ask([Buffer.alloc(0), Buffer.alloc(0)])).code, grpc.status.INVALID_ARGUMENT);
    assert.equal((await ask([Buffer.from([0x0a, 5])])).code, grpc.status.INVALID_ARGUMENT);
    assert.equal(await ask([Buffer.alloc(0)]), null);
  });

  it('of an unknown service is watched as SERVICE_UNKNOWN', async () => {
    const watcher = watch(client, 'no.such.Service');
    await watcher.hears('SERVICE_UNKNOWN');
    watcher.stream.cancel();
    assert.equal((await watcher.ended).code, grpc.status.CANCELLED);
  });

  it('answers gRPC-Web', async () => {
    for (const [service, status] of [['', 0], ['nothing', 5]]) {
      const message = Buffer.from([0, 0, 0, 0, service.length + 2, 0x0a, service.length, ...Buffer.from(service)]);
      const answer = await fetch(`${gateway.url}/grpc.health.v1.Health/Check`, {
        method: 'POST', headers: { 'content-type': 'application/grpc-web+proto', 'x-grpc-web': '1' }, body: message,
      });
      const body = Buffer.from(await answer.arrayBuffer());
      assert.equal(answer.status, 200);
      assert.match(body.toString('latin1'), new RegExp(`grpc-status: ?${status}\r\n`));
      if (status === 0) assert.deepEqual([...body.subarray(0, 7)], [0, 0, 0, 0, 2, 8, 1]);
    }
  });
});

describe('watched health', () => {
  it('follows the function, and ends with the gateway', async () => {
    const world = new World();
    try {
      const port = await freePort();
      const gateway = await world.gateway({ functionPort: port, ready: false });
      const client = healthClient(world, gateway);
      const all = watch(client, '');
      const one = watch(client, ENTITY);
      await all.hears('NOT_SERVING');
      await one.hears('SERVICE_UNKNOWN');
      assert.deepEqual(await call(client, 'Check', { service: '' }), { status: 'NOT_SERVING' });
      const fn = await world.testFunction({ PORT: port });
      await all.hears('SERVING');
      await one.hears('SERVING');
      await fn.kill('SIGKILL');
      await all.hears('NOT_SERVING');
      await one.hears('NOT_SERVING');
      assert.deepEqual(await call(client, 'Check', { service: ENTITY }), { status: 'NOT_SERVING' });
      await world.testFunction({ PORT: port });
      await all.hears('SERVING');
      await one.hears('SERVING');
      gateway.child.kill('SIGTERM');
      assert.equal((await all.ended).code, grpc.status.UNAVAILABLE);
      await one.ended;
      assert.deepEqual(all.states, ['NOT_SERVING', 'SERVING', 'NOT_SERVING', 'SERVING', 'NOT_SERVING']);
      // known at once, and served when the other members have heard of us
      if (one.states[1] === 'NOT_SERVING') one.states.splice(1, 1);
      assert.deepEqual(one.states, ['SERVICE_UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVING', 'NOT_SERVING']);
      assert.deepEqual(await gateway.exited, { code: 0, signal: null });
    } finally {
      await world.end();
    }
  });

  it('has a bound', async () => {
    const world = new World();
    try {
      const gateway = await world.gateway({
        ready: false, env: { HEADGATE_HTTP2_MAX_CONCURRENT_STREAMS: '2000' },
      });
      const client = healthClient(world, gateway);
      const watchers = Array.from({ length: 1000 }, () => watch(client, ''));
      await Promise.all(watchers.map((watcher) => watcher.hears('NOT_SERVING')));
      const more = watch(client, '');
      assert.equal((await more.ended).code, grpc.status.RESOURCE_EXHAUSTED);
      watchers[0].stream.cancel();
      await waitFor('room', async () => {
        const next = watch(client, '');
        return Promise.race([next.hears('NOT_SERVING'), next.ended.then(() => false)]);
      });
    } finally {
      await world.end();
    }
  });
});

// The life of an entity as its function sees it: snapshots on activation, passivation and awakening; and
// the life of the gateway: readiness that tells the truth, drain on SIGTERM, what is said at the door.
import assert from 'node:assert/strict';
import net from 'node:net';
import path from 'node:path';
import { execFile } from 'node:child_process';
import { describe, it } from 'node:test';
import { World, builddir, call, curl, freePort, metric, waitFor } from './harness.mjs';

async function withWorld(body) {
  const world = new World();
  try {
    await body(world);
  } finally {
    await world.end();
  }
}

const run = (...args) => new Promise((resolve) => {
  execFile(path.join(builddir, 'headgate'), args, (error, stdout, stderr) => resolve({ code: error?.code ?? 0, stdout, stderr }));
});

describe('entities', () => {
  it('wake from the snapshot and only the events after it', () => withWorld(async (world) => {
    const cart = await world.cart();
    let gateway = await world.gateway({ functionPort: cart.port });
    let client = world.cartClient(gateway);
    for (let n = 0; n < 250; n += 1)
      await call(client, 'AddItem', { user_id: 'snap', product_id: 'A1', name: 'Deluxe', quantity: 1 });
    await gateway.kill('SIGTERM');
    gateway = await world.gateway({ functionPort: cart.port });
    client = world.cartClient(gateway);
    assert.deepEqual(await call(client, 'GetCart', { user_id: 'snap' }),
      { items: [{ product_id: 'A1', name: 'Deluxe', quantity: 250 }] });
    assert.equal(await metric(gateway, 'headgate_snapshots_loaded_total'), 1);
    assert.equal(await metric(gateway, 'headgate_events_replayed_total'), 50);
    assert.equal(await metric(gateway, 'headgate_entity_activations_total'), 1);
  }));

  it('are passivated when idle and wake again', () => withWorld(async (world) => {
    const cart = await world.cart();
    const gateway = await world.gateway({ functionPort: cart.port, env: { HEADGATE_ENTITY_PASSIVATION_TIMEOUT: '200ms' } });
    const client = world.cartClient(gateway);
    await call(client, 'AddItem', { user_id: 'sleepy', product_id: 'A1', name: 'Deluxe', quantity: 4 });
    assert.equal(await metric(gateway, 'headgate_entities_active'), 1);
    await waitFor('passivation', async () => (await metric(gateway, 'headgate_entities_active')) === 0);
    assert.equal(await metric(gateway, 'headgate_entity_passivations_total'), 1);
    assert.equal(await metric(gateway, 'headgate_entity_crashes_total'), 0);
    assert.equal(await metric(gateway, 'headgate_function_streams'), 0);
    assert.deepEqual(await call(client, 'GetCart', { user_id: 'sleepy' }),
      { items: [{ product_id: 'A1', name: 'Deluxe', quantity: 4 }] });
    assert.equal(await metric(gateway, 'headgate_entity_activations_total'), 2);
  }));
});

describe('the gateway', () => {
  it('is not ready without its function and says why', () => withWorld(async (world) => {
    const port = await freePort();
    const gateway = await world.gateway({ functionPort: port, ready: false });
    let answer = await waitFor('a reason', async () => {
      const response = await curl(`${gateway.url}/ready`);
      return response.status === 503 && /function/.test(response.body) ? response : undefined;
    });
    assert.equal(answer.status, 503);
    answer = await curl(`${gateway.url}/alive`);
    assert.equal(answer.status, 200);
    answer = await curl('-H', 'K-Network-Probe: queue', `${gateway.url}/any/path`);
    assert.equal(answer.status, 503);
    answer = await curl(`${gateway.url}/carts/x`);
    assert.equal(answer.status, 503);
    await world.cart({ PORT: String(port) });
    await waitFor('readiness', async () => (await curl(`${gateway.url}/ready`)).status === 200);
    answer = await curl('-H', 'K-Network-Probe: queue', `${gateway.url}/any/path`);
    assert.equal(answer.status, 200);
    assert.equal(answer.body, 'queue');
  }));

  it('is not ready without its journal, says why, and answers UNAVAILABLE at once', () => withWorld(async (world) => {
    const cart = await world.cart();
    const gateway = await world.gateway({
      functionPort: cart.port, ready: false, env: { JOURNAL_URL: `unix:${path.join(world.dir, 'nobody.sock')}` },
    });
    await waitFor('a reason', async () => {
      const response = await curl(`${gateway.admin}/ready`);
      return response.status === 503 && /journal/.test(response.body);
    });
    const began = Date.now();
    const answer = await waitFor('an answer', async () => {
      const response = await curl(`${gateway.url}/carts/x`);
      return response.status === 503 ? response : undefined;
    });
    assert.equal(JSON.parse(answer.body).code, 14);
    assert.ok(Date.now() - began < 4000);
  }));

  it('starts without a warning', () => withWorld(async (world) => {
    const cart = await world.cart();
    const gateway = await world.gateway({ functionPort: cart.port });
    assert.deepEqual(gateway.lines.filter((line) => !line.includes('"severity":"INFO"')), []);
  }));

  it('uses a Redis it is pointed to', () => withWorld(async (world) => {
    const redis = await world.redis();
    const cart = await world.cart();
    const gateway = await world.gateway({ functionPort: cart.port, env: { JOURNAL_URL: `unix:${redis.socket}` } });
    const client = world.cartClient(gateway);
    await call(client, 'AddItem', { user_id: 'outside', product_id: 'A1', name: 'Deluxe', quantity: 1 });
    assert.equal((await call(client, 'GetCart', { user_id: 'outside' })).items.length, 1);
  }));

  it('drains on SIGTERM: the running command is answered, then it exits 0', () => withWorld(async (world) => {
    const cart = await world.cart();
    const gateway = await world.gateway({ functionPort: cart.port });
    const client = world.cartClient(gateway);
    await call(client, 'AddItem', { user_id: 'drain', product_id: 'A1', name: 'Deluxe', quantity: 1 });
    const running = Array.from({ length: 50 }, (_, n) => call(client, 'AddItem', { user_id: `drain-${n}`, product_id: 'A1', name: 'x', quantity: 1 })
      .then(() => 'done', (error) => error.code));
    await running[0];
    const exit = await gateway.kill('SIGTERM');
    assert.deepEqual(exit, { code: 0, signal: null });
    for (const outcome of await Promise.all(running)) assert.ok(outcome === 'done' || outcome === 14, `${outcome}`);
  }));

  it('drains under load: what was acknowledged is kept, nothing hangs, it exits 0 in time', () => withWorld(async (world) => {
    const cart = await world.cart();
    const gateway = await world.gateway({ functionPort: cart.port, env: { HEADGATE_SHUTDOWN_GRACE: '5s' } });
    const acknowledged = new Set();
    const outcomes = new Map();
    let count = 0;
    let term;
    const add = async (client, user, product) => {
      if (client) {
        await call(client, 'AddItem', { user_id: user, product_id: product, name: 'x', quantity: 1 });
        return;
      }
      const response = await fetch(`${gateway.url}/cart/${user}/items/add`, {
        method: 'POST', headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ product_id: product, name: 'x', quantity: 1 }),
      });
      if (response.status !== 200) throw Object.assign(new Error(await response.text()), { code: response.status });
    };
    const worker = async (n) => {
      const client = n % 2 ? world.cartClient(gateway) : undefined;
      for (let i = 0; ; i += 1) {
        const product = `p-${n}-${i}`;
        try {
          await add(client, `load-${n % 20}`, product);
          acknowledged.add(product);
        } catch (error) {
          outcomes.set(`${error.code ?? error.cause?.code ?? error.message}`, error);
          return;
        }
        count += 1;
        if (count === 1500) {
          term = Date.now();
          gateway.kill('SIGTERM');
        }
      }
    };
    await Promise.all(Array.from({ length: 64 }, (_, n) => worker(n)));
    assert.deepEqual(await gateway.exited, { code: 0, signal: null });
    assert.throws(() => process.kill(gateway.event('journal_child').pid, 0), { code: 'ESRCH' }, 'redis-server is left behind');
    const took = Date.now() - term;
    assert.ok(took < 3000, `it took ${took} ms`);
    const stopped = gateway.event('stopped');
    assert.deepEqual([stopped.calls_cut, stopped.entities_cut], [0, 0], JSON.stringify(stopped));
    // gRPC: UNAVAILABLE, or a connection that is gone. HTTP: 503, or no connection any more.
    for (const outcome of outcomes.keys()) assert.match(outcome, /^(14|503|ECONNREFUSED|ECONNRESET|UND_ERR_SOCKET)$/);
    const again = await world.gateway({ functionPort: cart.port });
    const client = world.cartClient(again);
    const found = new Map();
    for (let n = 0; n < 20; n += 1) {
      for (const item of (await call(client, 'GetCart', { user_id: `load-${n}` })).items) found.set(item.product_id, item.quantity);
    }
    assert.deepEqual([...acknowledged].filter((product) => found.get(product) !== 1), []);
  }));

  it('refuses a taken port with one line and exit code 1', () => withWorld(async (world) => {
    const server = net.createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.on('listening', resolve));
    const gateway = world.start(path.join(builddir, 'headgate'), [], {
      PORT: String(server.address().port), ADMIN_PORT: '0', JOURNAL_URL: `embedded:${path.join(world.dir, 'j')}`,
    });
    const exit = await gateway.exited;
    server.close();
    assert.equal(exit.code, 1);
    assert.ok(gateway.lines.some((line) => /address already in use|in use/i.test(line)), gateway.lines.join('\n'));
  }));

  it('tells its version, its help and its configuration table', async () => {
    const version = await run('--version');
    assert.equal(version.code, 0);
    assert.match(version.stdout, /^headgate \d+\.\d+/);
    const help = await run('--help');
    assert.equal(help.code, 0);
    assert.match(help.stdout, /--help-config/);
    const table = await run('--help-config');
    assert.equal(table.code, 0);
    assert.match(table.stdout, /journal\.durability/);
    const wrong = await run('--no-such-flag');
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /no-such-flag/);
  });
});

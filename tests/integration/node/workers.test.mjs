// workers: N. Several processes on one port: every entity is awake in one of them, whoever dies comes back and
// takes no acknowledged command along, and the admin port speaks for all.
import assert from 'node:assert/strict';
import http from 'node:http';
import os from 'node:os';
import { it } from 'node:test';
import { World, builddir, canConnect, curl, freePort, metric, path, waitFor, waitReady } from './harness.mjs';

const status = async (gateway) => (await fetch(`${gateway.admin}/status`)).json();
const isAlive = (pid) => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

// Neighbouring ports that are free, for the workers' peers.
async function freePorts(count) {
  for (;;) {
    const first = await freePort();
    let isFree = true;
    for (let i = 1; i < count; i += 1) isFree = isFree && !(await canConnect(first + i));
    if (isFree) return first;
  }
}

async function withWorkers(count, body, { journal = 'embedded', env = {}, ready = true } = {}) {
  const world = new World();
  try {
    const cart = await world.cart();
    const peers = await freePorts(Number(count) || os.availableParallelism());
    const options = {
      functionPort: cart.port,
      ready,
      env: {
        HEADGATE_WORKERS: String(count), PORT: String(await freePort()), PEER_PORT: String(peers),
        HEADGATE_PEER_ADDRESS: '', HEADGATE_PEER_HOST: '127.0.0.1', TMPDIR: world.dir, XDG_RUNTIME_DIR: '', ...env,
      },
    };
    if (journal === 'redis') options.env.JOURNAL_URL = `unix:${(await world.redis()).socket}`;
    const gateway = await world.gateway(options);
    if (ready && Number(count) > 1) {
      await waitFor('all members', async () => (await status(gateway)).workers.every((worker) =>
        worker.status?.members.view.filter(({ state }) => state === 'up').length === Number(count)));
      await waitFor('the secret', () => gateway.lines.filter((line) => line.includes('"peer_secret"')).length >= Number(count));
    }
    await body({ world, gateway, cart, options, peers });
  } finally {
    await world.end();
  }
}

// One request; a connection of its own unless there is an agent.
function request(gateway, method, target, body, agent) {
  return new Promise((resolve, reject) => {
    const text = body && JSON.stringify(body);
    const req = http.request(`${gateway.url}${target}`, {
      method, agent: agent ?? false, headers: text ? { 'content-type': 'application/json', 'content-length': text.length } : {},
    }, (res) => {
      let answer = '';
      res.setEncoding('utf8').on('data', (part) => { answer += part; });
      res.on('end', () => resolve({ status: res.statusCode, body: answer }));
      res.on('error', reject);
    });
    req.on('error', reject);
    req.setTimeout(10000, () => req.destroy(new Error('no answer')));
    req.end(text);
  });
}
const add = (gateway, user, product, agent) => request(gateway, 'POST', `/cart/${user}/items/add`,
  { product_id: product, name: product, quantity: 1 }, agent);
const products = async (gateway, user) => {
  const answer = await request(gateway, 'GET', `/carts/${user}`);
  assert.equal(answer.status, 200, answer.body);
  return JSON.parse(answer.body).items.map((item) => item.productId ?? item.product_id).sort();
};

// Every line of an exposition is well-formed, every metric stands in one block with one HELP and one TYPE
// before its samples, no series stands twice.
function checkExposition(text) {
  const seen = new Set();
  const series = new Set();
  let family;
  assert.ok(text.endsWith('\n'));
  for (const line of text.slice(0, -1).split('\n')) {
    const comment = /^# (HELP|TYPE) ([a-z_][a-z0-9_]*) /.exec(line);
    if (comment?.[1] === 'HELP') {
      assert.ok(!seen.has(comment[2]), `${comment[2]} once`);
      seen.add(family = comment[2]);
    } else if (comment) {
      assert.equal(comment[2], family);
    } else if (!line.startsWith('#')) {
      const sample = /^([a-z_][a-z0-9_]*)\{((?:[a-z_]+="(?:[^"\\]|\\.)*",?)+)\} (\S+)$/.exec(line);
      assert.ok(sample, line);
      assert.match(sample[2], /(^|,)worker="\d+"/);
      assert.ok(sample[1] === family || /_(bucket|sum|count)$/.test(sample[1].slice(family.length)), line);
      assert.ok(sample[1].startsWith(family) && Number.isFinite(Number(sample[3])), line);
      assert.ok(!series.has(`${sample[1]}{${sample[2]}}`), line);
      series.add(`${sample[1]}{${sample[2]}}`);
    }
  }
  assert.ok(seen.size > 20);
}

for (const [count, journal] of [[2, 'embedded'], [3, 'embedded'], [3, 'redis']]) {
  it(`${count} workers, ${journal}: 200 entities over many connections`, () => withWorkers(count, async ({ gateway }) => {
    const users = Array.from({ length: 200 }, (_, i) => `user${i}`);
    for (let at = 0; at < users.length; at += 20) { // each command on a connection of its own
      await Promise.all(users.slice(at, at + 20).map(async (user) => {
        for (const product of ['a', 'b', 'c']) {
          const answer = await add(gateway, user, product);
          assert.equal(answer.status, 200, answer.body);
        }
        assert.deepEqual(await products(gateway, user), ['a', 'b', 'c']);
      }));
    }
    assert.equal(await metric(gateway, 'headgate_entity_activations_total'), 200, 'each is awake in one worker');
    const { workers, totals, ready } = await status(gateway);
    assert.equal(ready, true);
    assert.equal(workers.length, count);
    assert.deepEqual(workers.map(({ worker }) => worker), [...workers.keys()]);
    assert.equal(totals.entities, 200);
    assert.equal(workers.reduce((sum, worker) => sum + worker.status.entities, 0), 200);
    for (const worker of workers) assert.ok(worker.status.entities > 0, 'each has a share');
    assert.ok(totals.commands_forwarded > 0 && totals.commands_here > 0);
    const text = await (await fetch(`${gateway.admin}/metrics`)).text();
    checkExposition(text);
    for (const worker of workers.keys()) {
      assert.equal(await metric(gateway, 'headgate_worker_up', { worker }), 1);
      assert.equal(await metric(gateway, 'headgate_entity_activations_total', { worker }), workers[worker].status.entities);
    }
    for (const line of gateway.lines.filter((text) => text.includes('"listener":"ingress"'))) {
      assert.equal(typeof JSON.parse(line).worker, 'number');
    }
    await gateway.kill('SIGTERM');
    assert.deepEqual(gateway.exit, { code: 0, signal: null });
    for (const { pid } of workers) assert.ok(!isAlive(pid));
  }, { journal }));
}

// Clients that add one product after another and try again what failed, until stop() or a failure that
// isForgiven does not take; gives per user what was acknowledged and what was tried.
function load(gateway, clients, { keepAlive = false } = {}) {
  const run = { isOver: false, failed: [], acknowledged: new Map(), tried: new Map() };
  run.done = Promise.all(Array.from({ length: clients }, async (_, client) => {
    const agent = keepAlive ? new http.Agent({ keepAlive: true, maxSockets: 1 }) : undefined;
    for (let i = 0; !run.isOver; i += 1) {
      const user = `load${client}-${i % 5}`;
      run.tried.set(user, [...(run.tried.get(user) ?? []), `p${i}`]);
      for (;;) {
        const answer = await add(gateway, user, `p${i}`, agent).catch((error) => ({ error }));
        if (answer.status === 200) {
          run.acknowledged.set(user, [...(run.acknowledged.get(user) ?? []), `p${i}`]);
          break;
        }
        run.failed.push({ ...answer, message: answer.error?.message });
        if (run.isOver) break;
      }
    }
    agent?.destroy();
  }));
  run.count = () => [...run.acknowledged.values()].reduce((sum, list) => sum + list.length, 0);
  return run;
}

for (const journal of ['embedded', 'redis']) {
  it(`kill -9 of a worker under load, ${journal}: nothing acknowledged is lost, and it is back`, () => withWorkers(2, async ({ gateway }) => {
    const run = load(gateway, 8);
    await waitFor('some load', () => run.count() > 200);
    const victim = (await status(gateway)).workers[1];
    process.kill(victim.pid, 'SIGKILL');
    await waitFor('the worker', async () => {
      const [, back] = (await status(gateway)).workers;
      return back.pid && back.pid !== victim.pid && back.restarts === 1 && back.status?.ready;
    });
    const count = run.count();
    await waitFor('more load', () => run.count() > count + 200);
    run.isOver = true;
    await run.done;
    for (const [user, acknowledged] of run.acknowledged) {
      const there = await products(gateway, user);
      for (const product of acknowledged) assert.ok(there.includes(product), `${user} ${product}`);
      for (const product of there) assert.ok(run.tried.get(user).includes(product), `${user} ${product}`);
    }
    assert.equal(await metric(gateway, 'headgate_worker_restarts_total', { worker: 1 }), 1);
    assert.equal(await metric(gateway, 'headgate_worker_restarts_total', { worker: 0 }), 0);
    assert.equal(gateway.event('worker_left').signal, 9);
  }, { journal }));

  it(`SIGTERM under load, ${journal}: no command that was begun fails`, () => withWorkers(3, async ({ world, gateway, options }) => {
    const run = load(gateway, 8);
    await waitFor('some load', () => run.count() > 200);
    gateway.child.kill('SIGTERM');
    await gateway.exited;
    run.isOver = true;
    await run.done;
    assert.deepEqual(gateway.exit, { code: 0, signal: null }, gateway.lines.slice(-10).join('\n'));
    // A new connection may be refused, or reset before anybody took it; a command that was taken was answered.
    for (const failure of run.failed) {
      assert.ok(['ECONNREFUSED', 'ECONNRESET'].includes(failure.error?.code), `${failure.status} ${failure.body} ${failure.message}`);
    }
    const again = await world.gateway(options);
    for (const [user, acknowledged] of run.acknowledged) {
      const there = await products(again, user);
      for (const product of acknowledged) assert.ok(there.includes(product), `${user} ${product}`);
    }
  }, { journal }));
}

it('SIGHUP starts the workers anew, one by one, while the others serve', () => withWorkers(2, async ({ gateway }) => {
  const before = (await status(gateway)).workers.map(({ pid }) => pid);
  const run = load(gateway, 4, { keepAlive: true });
  await waitFor('some load', () => run.count() > 100);
  gateway.child.kill('SIGHUP');
  await waitFor('the renewal', () => gateway.event('workers_renewed', ({ done }) => done === 2));
  run.isOver = true;
  await run.done;
  const after = (await status(gateway)).workers.map(({ pid }) => pid);
  assert.ok(after.every((pid) => !before.includes(pid)));
  for (const failure of run.failed) assert.ok(failure.error, `only connections end: ${failure.status} ${failure.body}`);
  for (const [user, acknowledged] of run.acknowledged) {
    const there = await products(gateway, user);
    for (const product of acknowledged) assert.ok(there.includes(product), `${user} ${product}`);
  }
}));

it('a second start on the port fails loudly, and leaves the first alone', () => withWorkers(2, async ({ world, gateway, options }) => {
  const second = await world.gateway({
    ...options, ready: false, env: { ...options.env, JOURNAL_URL: `embedded:${path.join(world.dir, 'other')}` },
  }).then(() => assert.fail('it started'), (error) => error);
  assert.match(second.message, /exited: .*"fatal".*listen: cannot listen on.*Address already in use/s);
  assert.ok(!second.message.includes('worker_started'));
  assert.equal((await add(gateway, 'a', 'p')).status, 200);
}));

it('a peer port that is taken is told at the start', () => withWorkers(1, async ({ world, options, peers }) => {
  const taken = world.start(process.execPath, ['-e', `require('net').createServer().listen(${peers + 1}, '0.0.0.0', () => console.log('up'))`]);
  await waitFor('the port', () => taken.lines.includes('up'));
  const failed = await world.gateway({
    ...options, ready: false,
    env: { ...options.env, HEADGATE_WORKERS: '2', PORT: '0', JOURNAL_URL: `embedded:${path.join(world.dir, 'other')}` },
  }).then(() => assert.fail('it started'), (error) => error);
  assert.match(failed.message, new RegExp(`"fatal".*peer.port: cannot listen on [^"]*:${peers + 1}`));
}));

for (const journal of ['embedded', 'redis']) {
  it(`the supervisor is killed, ${journal}: all go with it, and the next start finds the place free`, () => withWorkers(2, async ({ world, gateway, options }) => {
    assert.equal((await add(gateway, 'a', 'p')).status, 200);
    const pids = (await status(gateway)).workers.map(({ pid }) => pid);
    await gateway.kill('SIGKILL');
    await waitFor('the workers to end', () => !pids.some(isAlive));
    assert.equal(await canConnect(gateway.port), false);
    const again = await world.gateway(options);
    assert.deepEqual(await products(again, 'a'), ['p']);
  }, { journal }));
}

it('auto is the cores this process may use', async () => {
  const world = new World();
  try {
    const cart = await world.cart();
    for (const [under, count] of [[['taskset', '-c', '0'], 1], [[], os.availableParallelism()]]) {
      const gateway = await world.gateway({
        functionPort: cart.port, under,
        env: { HEADGATE_WORKERS: 'auto', PEER_PORT: String(await freePorts(count)), HEADGATE_PEER_ADDRESS: '' },
      });
      assert.equal(gateway.event('starting').workers, count);
      await gateway.kill('SIGTERM');
    }
  } finally {
    await world.end();
  }
});

it('a worker that says nothing is named, within two seconds', () => withWorkers(2, async ({ gateway }) => {
  const { pid } = (await status(gateway)).workers[1];
  process.kill(pid, 'SIGSTOP');
  try {
    const start = Date.now();
    const ready = await curl(`${gateway.admin}/ready`);
    assert.ok(Date.now() - start < 2000);
    assert.equal(ready.status, 503);
    assert.deepEqual(JSON.parse(ready.body), { ready: false, reasons: ['worker 1: no answer in time'] });
    const [metrics, alive, page] = await Promise.all(['metrics', 'alive', 'status'].map((name) => curl(`${gateway.admin}/${name}`)));
    assert.match(metrics.body, /^# worker 1: no answer in time$/m);
    assert.match(metrics.body, /^headgate_worker_up\{worker="1"\} 0$/m);
    checkExposition(metrics.body);
    assert.equal(alive.status, 200);
    assert.deepEqual(JSON.parse(alive.body), { alive: true, reasons: ['worker 1: no answer in time'] });
    assert.equal(JSON.parse(page.body).workers[1].error, 'no answer in time');
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  await waitReady(gateway);
  assert.equal((await curl(`${gateway.admin}/nothing`)).status, 404);
  assert.equal((await curl('-X', 'POST', `${gateway.admin}/ready`)).status, 405);
}));

it('reasons are named by worker; METRICS_PORT serves the merged metrics alone', async () => {
  const port = await freePort();
  await withWorkers(2, async ({ gateway, cart }) => {
    await cart.kill();
    await waitFor('not ready', async () => {
      const { reasons = [] } = await (await fetch(`${gateway.admin}/ready`)).json();
      return reasons.length === 2 && reasons.every((reason, i) => reason.startsWith(`worker ${i}: user function: `));
    });
    assert.equal((await curl(`http://127.0.0.1:${port}/ready`)).status, 404);
    checkExposition((await curl(`http://127.0.0.1:${port}/metrics`)).body);
  }, { env: { METRICS_PORT: String(port) } });
});

it('values that cannot be served are refused', async () => {
  const world = new World();
  try {
    for (const [workers, env, code, text] of [
      ['0', {}, 2, 'neither auto nor a number from 1 to 64'],
      ['65', {}, 2, 'neither auto nor a number from 1 to 64'],
      ['many', {}, 2, 'neither auto nor a number from 1 to 64'],
      ['2', { PORT: '', HEADGATE_LISTEN: `unix:${world.dir}/s` }, 1, 'workers cannot share a unix socket'],
      ['2', { PEER_PORT: '65535' }, 1, 'need ports beyond 65535'],
    ]) {
      const run = world.start(path.join(builddir, 'headgate'), [], {
        HEADGATE_WORKERS: workers, PORT: '0', ADMIN_PORT: '0', JOURNAL_URL: `embedded:${world.dir}/journal`, ...env,
      });
      assert.equal((await run.exited).code, code, run.lines.join('\n'));
      assert.ok(run.lines.join('\n').includes(text), run.lines.join('\n'));
    }
  } finally {
    await world.end();
  }
});

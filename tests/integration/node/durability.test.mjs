// What an acknowledgement is worth with replicas: waited for (journal.replicas_ack), or not.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { it } from 'node:test';
import { World, builddir, call, metric, waitFor } from './harness.mjs';
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

// Exit code and output of the tool.
const tool = (args) => new Promise((resolve) => {
  execFile(path.join(builddir, 'headgate'), ['journal', ...args], (error, stdout, stderr) => resolve({ code: error ? error.code : 0, stdout, stderr }));
});

it('a failover that loses the newest writes: all of them are reported, kept, and can be put back', { timeout: 60000 }, async () => {
  const world = new World();
  try {
    const { primary, replica } = await startPair(world);
    const url = `redis://127.0.0.1:${primary.port}`;
    const cart = await world.cart();
    const gateway = await world.gateway({ functionPort: cart.port, env: { JOURNAL_URL: url, HEADGATE_JOURNAL_SALVAGE_DIR: world.dir } });
    const client = world.cartClient(gateway);
    const add = (user) => call(client, 'AddItem', { user_id: user, product_id: 'A1', name: 'x', quantity: 1 });
    for (let i = 0; i < 40; i += 1) await add(`user-${i % 10}`);
    await waitFor('the replica to have them', async () => {
      const [, offset, [known]] = await ask(primary, 'ROLE');
      return String(offset) === known[2];
    });
    await ask(replica, 'REPLICAOF', 'NO', 'ONE'); // from here on it has nothing
    for (let i = 0; i < 25; i += 1) await add(`user-${i % 12}`);
    await primary.kill();
    await ask(replica, 'CONFIG', 'SET', 'port', primary.port);
    const regressions = () => gateway.lines.filter((line) => line.includes('"journal_regression"')).map((line) => JSON.parse(line));
    const lost = () => regressions().reduce((sum, entry) => sum + Number(entry.lost), 0);
    await waitFor('all to be reported', () => lost() === 25, 20000);
    assert.equal(await metric(gateway, 'headgate_journal_lost_events_total'), 25);
    const files = fs.readdirSync(world.dir).filter((name) => /^salvage-\d+\.jsonl$/.test(name)).map((name) => path.join(world.dir, name));
    let missing = 0;
    for (const file of files) {
      const check = await tool(['salvage', 'import', file, '--check', '--journal', url, '--json']);
      assert.equal(check.code, 0, check.stderr);
      missing += check.stdout.trim().split('\n').map((line) => JSON.parse(line)).filter(({ is }) => is === 'missing').length;
    }
    assert.equal(missing, 25);
    // Served on, from what is there: 40 items over ten carts.
    const { items } = await call(client, 'GetCart', { user_id: 'user-3' });
    assert.equal(items.reduce((sum, item) => sum + item.quantity, 0), 4);
    await add('user-3');
    // One that went on is not given back what it lost.
    const codes = [];
    for (const file of files) codes.push((await tool(['salvage', 'import', file, '--journal', url])).code);
    assert.ok(codes.includes(1));
    const other = await call(client, 'GetCart', { user_id: 'user-4' });
    assert.equal(other.items.reduce((sum, item) => sum + item.quantity, 0), 6);
    assert.equal(lost(), 25);
  } finally {
    await world.end();
  }
});

// Several gateways of one namespace: every entity has one owner, wherever its commands arrive, and nothing is
// lost or done twice when an owner goes, stops or comes.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import http2 from 'node:http2';
import net from 'node:net';
import { it } from 'node:test';
import { World, builddir, call, curl, freePort, fs, metric, once, path, waitFor } from './harness.mjs';

const status = async (gateway) => (await fetch(`${gateway.admin}/status`)).json();
const ups = async (gateway) =>
  (await status(gateway)).members.view.filter(({ state }) => state === 'up').map(({ address }) => address);
const settled = (gateways, count = gateways.length) => waitFor(`${count} members up`, async () => {
  for (const gateway of gateways) if ((await ups(gateway)).length !== count) return false;
  return true;
});

// Gateways with a cart each on one Redis, reached under their real addresses.
async function withGateways(count, body, { env = {} } = {}) {
  const world = new World();
  try {
    const redis = await world.redis();
    const start = async (more = {}) => {
      const cart = await world.cart();
      const port = await freePort();
      const gateway = await world.gateway({
        functionPort: cart.port,
        env: {
          JOURNAL_URL: `unix:${redis.socket}`, HEADGATE_PEER_ADDRESS: `127.0.0.1:${port}`, PEER_PORT: String(port),
          ...env, ...more,
        },
      });
      gateway.peerPort = port;
      gateway.address = more.HEADGATE_PEER_ADDRESS ?? `127.0.0.1:${port}`;
      gateway.cart = cart;
      return gateway;
    };
    const gateways = [];
    for (let i = 0; i < count; i += 1) gateways.push(await start());
    await settled(gateways);
    await waitFor('the secret', () => gateways.every((gateway) => gateway.event('peer_secret')));
    await body({ world, redis, start, gateways });
  } finally {
    await world.end();
  }
}

// Who owns a key, by the definition: the greatest XXH64 of address NUL type NUL id.
const M = (1n << 64n) - 1n;
const [P1, P2, P3, P4, P5] = [11400714785074694791n, 14029467366897019727n, 1609587929392839161n,
  9650029242287828579n, 2870177450012600261n];
const rotl = (x, r) => ((x << r) | (x >> (64n - r))) & M;
const round = (acc, lane) => (rotl((acc + lane * P2) & M, 31n) * P1) & M;
function xxh64(bytes) {
  let at = 0;
  let hash = P5;
  if (bytes.length >= 32) {
    const lanes = [(P1 + P2) & M, P2, 0n, (M + 1n - P1) & M];
    for (; at + 32 <= bytes.length; at += 32) {
      for (let i = 0; i < 4; i += 1) lanes[i] = round(lanes[i], bytes.readBigUInt64LE(at + 8 * i));
    }
    hash = (rotl(lanes[0], 1n) + rotl(lanes[1], 7n) + rotl(lanes[2], 12n) + rotl(lanes[3], 18n)) & M;
    for (const lane of lanes) hash = (((hash ^ round(0n, lane)) * P1) + P4) & M;
  }
  hash = (hash + BigInt(bytes.length)) & M;
  for (; at + 8 <= bytes.length; at += 8) {
    hash = ((rotl(hash ^ round(0n, bytes.readBigUInt64LE(at)), 27n) * P1) + P4) & M;
  }
  if (at + 4 <= bytes.length) {
    hash = ((rotl(hash ^ ((BigInt(bytes.readUInt32LE(at)) * P1) & M), 23n) * P2) + P3) & M;
    at += 4;
  }
  for (; at < bytes.length; at += 1) hash = (rotl(hash ^ ((BigInt(bytes[at]) * P5) & M), 11n) * P1) & M;
  hash = ((hash ^ (hash >> 33n)) * P2) & M;
  hash = ((hash ^ (hash >> 29n)) * P3) & M;
  return hash ^ (hash >> 32n);
}
const TYPE = 'shopping-cart';
const ownerOf = (gateways, user) => gateways.map((gateway) =>
  [xxh64(Buffer.from(`${gateway.address}\0${TYPE}\0${user}`)), gateway]).sort((a, b) => (a[0] < b[0] ? 1 : -1))[0][1];
const userOf = (gateways, owner, prefix = 'user') => {
  for (let i = 0; ; i += 1) if (ownerOf(gateways, `${prefix}${i}`) === owner) return `${prefix}${i}`;
};

const add = (gateway, user, product = 'p', quantity = 1) => curl('-X', 'POST', '--json',
  JSON.stringify({ product_id: product, name: product, quantity }), `${gateway.url}/cart/${user}/items/add`);
const addGood = async (...args) => {
  const answer = await add(...args);
  assert.equal(answer.status, 200, answer.body);
};
const quantities = async (gateway, user) =>
  Object.fromEntries(JSON.parse((await curl(`${gateway.url}/carts/${user}`)).body).items.map((item) =>
    [item.productId ?? item.product_id, Number(item.quantity)]));
const sum = async (gateways, name, labels) => {
  let total = 0;
  for (const gateway of gateways) total += await metric(gateway, name, labels);
  return total;
};

it('commands to any gateway reach one owner, over JSON and gRPC', () => withGateways(3, async ({ world, gateways }) => {
  const clients = gateways.map((gateway) => world.cartClient(gateway));
  const users = gateways.map((gateway) => userOf(gateways, gateway));
  for (const user of users) {
    for (const [i, gateway] of gateways.entries()) {
      await addGood(gateway, user);
      await call(clients[i], 'AddItem', { user_id: user, product_id: 'q', name: 'q', quantity: 2 });
    }
    for (const [i, gateway] of gateways.entries()) {
      assert.deepEqual(await quantities(gateway, user), { p: 3, q: 6 });
      assert.equal((await call(clients[i], 'GetCart', { user_id: user })).items.length, 2);
    }
  }
  assert.equal(await sum(gateways, 'headgate_entity_activations_total'), 3, 'one activation each');
  for (const gateway of gateways) {
    assert.equal(await metric(gateway, 'headgate_entity_activations_total'), 1, 'at its owner');
    assert.equal(await metric(gateway, 'headgate_forward_total', { result: 'answered' }), 2 * 4);
    const { commands } = (await status(gateway)).members;
    assert.equal(commands.forwarded, 8);
    assert.equal(commands.here, 12);
    assert.ok(Math.abs(commands.forwarded_share - 0.4) < 1e-9);
  }
  assert.equal(await sum(gateways, 'headgate_forward_total', { result: 'retried' }), 0);
}));

it('failures come back as the owner gave them', () => withGateways(2, async ({ world, gateways }) => {
  const user = userOf(gateways, gateways[1]);
  const [there, here] = await Promise.all([add(gateways[0], user, 'p', -1), add(gateways[1], user, 'p', -1)]);
  assert.equal(there.status, here.status);
  assert.equal(there.body, here.body);
  assert.equal(there.headers['content-type'], here.headers['content-type']);
  const fail = (client) => call(client, 'RemoveItem', { user_id: user, product_id: 'none' }).then(() => assert.fail(),
    (error) => ({ code: error.code, details: error.details, metadata: error.metadata.getMap() }));
  const [far, near] = await Promise.all(gateways.map((gateway) => fail(world.cartClient(gateway))));
  for (const error of [far, near]) delete error.metadata.date;
  assert.deepEqual(far, near);
}));

it('a gateway alone forwards nothing', () => withGateways(1, async ({ gateways: [gateway] }) => {
  await addGood(gateway, 'a');
  assert.equal((await status(gateway)).members.commands.here, 0, 'not even counted');
}));

it('kill -9 of an owner: the next command is served at once by another', () => withGateways(3, async ({ gateways }) => {
  const [a, b] = gateways;
  const user = userOf(gateways, b);
  await addGood(a, user); // and there is a connection
  b.child.kill('SIGKILL');
  const start = Date.now();
  await addGood(a, user);
  assert.ok(Date.now() - start < 500, `${Date.now() - start} ms`);
  assert.deepEqual(await quantities(a, user), { p: 2 });
  assert.equal(await metric(a, 'headgate_suspicions_total'), 1);
  const { view } = (await status(a)).members;
  assert.ok(view.length === 2 || view.find(({ address }) => address === b.address).suspect);
}));

it('kill -9 with commands in flight: each is answered, and executed once', () => withGateways(3, async ({ gateways }) => {
  const [a, b, c] = gateways;
  const user = userOf(gateways, b);
  const before = 20;
  const results = [];
  const run = async (gateway) => { for (let i = 0; i < 20; i += 1) results.push((await add(gateway, user)).status); };
  for (let i = 0; i < before; i += 1) await addGood(b, user);
  const load = [run(a), run(c), run(a), run(c)];
  await waitFor('some answers', () => results.length > 8);
  b.child.kill('SIGKILL');
  await Promise.all(load);
  const good = results.filter((code) => code === 200).length;
  // A reply that was lost with its gateway cannot be told again; that it was executed can.
  const executed = results.filter((code) => code === 409).length;
  assert.equal(good + executed, results.length, JSON.stringify(results));
  assert.deepEqual(await quantities(a, user), { p: before + good + executed });
}));

it('a stopped owner is passed over within two seconds', () => withGateways(3, async ({ gateways }) => {
  const [a, b] = gateways;
  const user = userOf(gateways, b);
  await addGood(a, user);
  b.child.kill('SIGSTOP');
  try {
    const start = Date.now();
    await addGood(a, user);
    assert.ok(Date.now() - start < 2000, `${Date.now() - start} ms`);
  } finally {
    b.child.kill('SIGCONT');
  }
  await settled(gateways);
  for (const gateway of gateways) await addGood(gateway, user);
  assert.deepEqual(await quantities(b, user), { p: 5 });
}));

// Clients that go on until they are told to stop; every answer counts, a connection that was never made does not.
function load(gateways, users, clients) {
  const state = { good: Object.fromEntries(users.map((user) => [user, 0])), bad: [], done: false };
  const client = async (n) => {
    for (let i = n; !state.done; i += 1) {
      const gateway = gateways[i % gateways.length];
      const user = users[(i * 7 + n) % users.length];
      if (gateways.every(({ exit }) => exit)) return; // the test is over
      if (gateway.isLeaving || gateway.exit) { await new Promise(setImmediate); continue; }
      try {
        const answer = await add(gateway, user);
        if (answer.status === 200) state.good[user] += 1;
        else state.bad.push(`${answer.status} ${answer.body}`);
      } catch (error) {
        // A socket that was not accepted, or of which nothing was read, ends with its listener. What was executed without
        // an answer would be counted in the end.
        if (!/connect to|refused|reset by peer|empty reply/i.test(error.message)) state.bad.push(error.message);
      }
    }
  };
  const all = Array.from({ length: clients }, (_, n) => client(n));
  state.stop = async () => { state.done = true; await Promise.all(all); };
  return state;
}

it('a rolling restart of all loses no command', () => withGateways(3, async ({ gateways, start }) => {
  const users = Array.from({ length: 30 }, (_, i) => `user${i}`);
  const state = load(gateways, users, 6);
  const total = () => Object.values(state.good).reduce((a, b) => a + b, 0);
  for (let i = 0; i < 3; i += 1) {
    const aim = total() + 40;
    await waitFor('load', () => total() > aim);
    const old = gateways[i];
    old.isLeaving = true; // as a load balancer sees it by /ready, only without its delay
    old.child.kill('SIGTERM');
    await waitFor('its end', () => old.exit, 12000);
    assert.equal(old.exit.code, 0);
    assert.equal(old.event('stopped').calls_cut, 0);
    gateways[i] = await start();
  }
  const aim = total() + 40;
  await waitFor('load', () => total() > aim);
  await state.stop();
  assert.deepEqual(state.bad, []);
  for (const user of users) assert.deepEqual(await quantities(gateways[0], user), state.good[user] ? { p: state.good[user] } : {});
  assert.ok(await sum(gateways, 'headgate_forward_total', { result: 'answered' }) > 0);
}));

it('who joins gets its share, and nothing else moves', () => withGateways(2, async ({ gateways, start }) => {
  const users = Array.from({ length: 60 }, (_, i) => `user${i}`);
  for (const user of users) await addGood(gateways[0], user);
  const before = users.map((user) => ownerOf(gateways, user));
  const third = await start();
  const all = [...gateways, third];
  await settled(all);
  const after = users.map((user) => ownerOf(all, user));
  const moved = users.filter((user, i) => before[i] !== after[i]).length;
  assert.ok(users.every((user, i) => before[i] === after[i] || after[i] === third));
  assert.ok(moved > 60 / 3 / 3 && moved < 60 / 3 * 2, `${moved}`);
  await waitFor('the hand-over', async () => { const n = await sum(gateways, 'headgate_handovers_total'); if (n !== moved) throw new Error(`${n} of ${moved}`); return true; });
  for (const user of users) assert.deepEqual(await quantities(third, user), { p: 1 });
  assert.equal(await metric(third, 'headgate_entity_activations_total'), moved);
  assert.equal(await sum(gateways, 'headgate_entity_activations_total'), users.length);
}));

it('commands that wait are handed over in order', () => withGateways(1, async ({ gateways, start }) => {
  const users = Array.from({ length: 20 }, (_, i) => `user${i}`);
  const state = load(gateways, users, 8);
  const total = () => Object.values(state.good).reduce((a, b) => a + b, 0);
  for (let i = 0; i < 2; i += 1) {
    const aim = total() + 30;
    await waitFor('load', () => total() > aim);
    gateways.push(await start());
  }
  await settled(gateways);
  const aim = total() + 60;
  await waitFor('load', () => total() > aim);
  await state.stop();
  assert.deepEqual(state.bad, []);
  for (const user of users) assert.deepEqual(await quantities(gateways[2], user), state.good[user] ? { p: state.good[user] } : {});
}));

// Stands before a gateway's port for others; holds back what the gateway says, or cuts the connections.
async function proxy(target) {
  const sockets = new Set();
  const self = { isHolding: false, passed: 0 };
  const server = net.createServer((client) => {
    const upstream = net.connect(target, '127.0.0.1');
    for (const [from, to, isAnswer] of [[client, upstream, false], [upstream, client, true]]) {
      sockets.add(from);
      from.on('data', (data) => {
        if (isAnswer && self.isHolding) return;
        if (!isAnswer) self.passed += 1;
        to.write(data);
      });
      from.on('error', () => {});
      from.on('close', () => { sockets.delete(from); to.destroy(); });
    }
  });
  self.port = await freePort();
  server.listen(self.port, '127.0.0.1');
  await once(server, 'listening');
  self.cut = () => { for (const socket of sockets) socket.destroy(); };
  self.end = () => { self.cut(); server.close(); };
  return self;
}

it('a reply that is lost on the way: the command is executed once', () => withGateways(1, async ({ gateways, start }) => {
  const [a] = gateways;
  const port = await freePort();
  const between = await proxy(port);
  try {
    const b = await start({ HEADGATE_PEER_ADDRESS: `127.0.0.1:${between.port}`, PEER_PORT: String(port) });
    gateways.push(b);
    await settled(gateways);
    for (let i = 0; i < 4; i += 1) {
      const user = userOf(gateways, b, `lost${i}-`);
      const hasKey = i % 2 === 1;
      await waitFor('trust', async () => !(await status(a)).members.view.some(({ suspect }) => suspect));
      await addGood(a, user);
      between.isHolding = true;
      const json = JSON.stringify({ product_id: 'p', name: 'p', quantity: 1 });
      const answer = curl('-X', 'POST', '--json', json, ...(hasKey ? ['-H', `Idempotency-Key: k${i}`] : []),
        `${a.url}/cart/${user}/items/add`);
      await waitFor('its execution', async () => (await quantities(b, user)).p === 2);
      between.cut();
      between.isHolding = false;
      const { status: code, body } = await answer;
      if (hasKey) assert.equal(code, 200, body); // with a key its reply was kept
      else assert.match(`${code} ${body}`, /^409 .*already executed/);
      assert.deepEqual(await quantities(b, user), { p: 2 });
      assert.deepEqual(await quantities(a, user), { p: 2 });
    }
    assert.equal(await metric(a, 'headgate_forward_total', { result: 'here' }), 4);
  } finally {
    between.end();
  }
}));

it('two revisions: what the owner does not know is executed where it arrives', () => withGateways(1, async ({ world, redis, gateways }) => {
  const [a] = gateways;
  const other = await world.testFunction();
  const port = await freePort();
  const b = await world.gateway({
    functionPort: other.port,
    env: { JOURNAL_URL: `unix:${redis.socket}`, HEADGATE_PEER_ADDRESS: `127.0.0.1:${port}`, PEER_PORT: String(port) },
  });
  b.address = `127.0.0.1:${port}`;
  await settled([a, b]);
  const user = userOf([a, b], b);
  for (let i = 0; i < 3; i += 1) await addGood(a, user);
  assert.deepEqual(await quantities(a, user), { p: 3 });
  assert.equal(await metric(a, 'headgate_forward_total', { result: 'unknown_method' }), 4);
  assert.equal(await metric(a, 'headgate_suspicions_total'), 0);
}));

it('an embedded journal is nobody else\'s', async () => {
  const world = new World();
  try {
    const program = world.start(path.join(builddir, 'headgate'), [], {
      PORT: '0', ADMIN_PORT: '0', JOURNAL_URL: `embedded:${path.join(world.dir, 'journal')}`,
      HEADGATE_PEER_SECRET_FILE: '/dev/null',
    });
    await waitFor('its end', () => program.exit);
    assert.equal(program.exit.code, 1);
    assert.match(program.event('fatal').reason, /peer\.secret_file is for several gateways/);
  } finally {
    await world.end();
  }
});

/* ---- nobody from outside --------------------------------------------------------------------- */

// One gRPC call by hand: gives status, message and all headers.
function rawCall(port, pathname, headers = {}, body = Buffer.alloc(0)) {
  return new Promise((resolve, reject) => {
    const session = http2.connect(`http://127.0.0.1:${port}`);
    session.on('error', reject);
    const stream = session.request({
      ':method': 'POST', ':path': pathname, 'content-type': 'application/grpc', te: 'trailers', ...headers,
    });
    const all = {};
    stream.on('response', (head) => Object.assign(all, head));
    stream.on('trailers', (trailers) => Object.assign(all, trailers));
    stream.on('data', () => {});
    stream.on('error', reject);
    stream.on('close', () => { session.close(); resolve(all); });
    const frame = Buffer.alloc(5);
    frame.writeUInt32BE(body.length, 1);
    stream.end(Buffer.concat([frame, body]));
  });
}
const ADD = '/com.example.shoppingcart.ShoppingCart/AddItem';
// AddLineItem: user_id 1, product_id 2, name 3, quantity 4
const field = (number, text) => Buffer.concat([Buffer.from([(number << 3) | 2, text.length]), Buffer.from(text)]);
const item = (user) => Buffer.concat([field(1, user), field(2, 'p'), field(3, 'p'), Buffer.from([32, 1])]);

// What a gateway sends beside a command, made with a secret.
let counter = 0n;
function proven(gateway, secret, { pathname = ADD, time = Date.now(), hop = 2, id = crypto.randomBytes(16), incarnation = 7n } = {}) {
  const nonce = Buffer.alloc(16);
  nonce.writeBigUInt64LE(incarnation, 0);
  nonce.writeBigUInt64LE(counter += 1n, 8);
  const text = ['headgate 1', gateway.address, pathname, hop, 0, 0, 0, id.toString('hex'), 'grpc', time,
    nonce.toString('hex')].join('\n');
  return {
    'headgate-hop': String(hop), 'headgate-view-version': '0', 'headgate-chain': '0', 'headgate-derived': '0',
    'headgate-command-id': id.toString('hex'), 'headgate-protocol': 'grpc', 'headgate-time': String(time),
    'headgate-nonce': nonce.toString('hex'), 'headgate-proof': crypto.createHmac('sha256', secret).update(text).digest('hex'),
  };
}

it('only who knows the secret is served on the port for gateways', async () => {
  const dir = fs.mkdtempSync('/tmp/headgate-secret-');
  const file = path.join(dir, 'secret');
  const secret = 'correct horse battery staple';
  fs.writeFileSync(file, `${secret}\n`);
  try {
    await withGateways(2, async ({ gateways }) => {
      const [a] = gateways;
      const tell = (headers, pathname = ADD) => rawCall(a.peerPort, pathname, headers, item('mallory'));
      const good = proven(a, secret);
      assert.equal((await tell(good))['grpc-status'], '0');
      const rows = [
        ['nothing at all', {}, '16'],
        ['another secret', proven(a, 'correct horse battery stable'), '16'],
        ['once more', good, '16'],
        ['long ago', proven(a, secret, { time: Date.now() - 40000 }), '16'],
        ['for another member', proven({ address: '127.0.0.1:1' }, secret), '16'],
        ['for another method', proven(a, secret, { pathname: '/com.example.shoppingcart.ShoppingCart/RemoveItem' }), '16'],
        ['another hop', { ...proven(a, secret), 'headgate-hop': '1' }, '16'],
        ['another id', { ...proven(a, secret), 'headgate-command-id': '0'.repeat(32) }, '16'],
      ];
      for (const [name, headers, want] of rows) assert.equal((await tell(headers))['grpc-status'], want, name);
      const health = '/grpc.health.v1.Health/Check';
      assert.equal((await tell(proven(a, secret, { pathname: health }), health))['grpc-status'], '12', 'entities only');
      assert.equal((await fetch(`http://127.0.0.1:${a.peerPort}/carts/mallory`)).status, 404, 'gRPC only');
      assert.equal(await metric(a, 'headgate_peer_calls_refused_total'), rows.length + 2);
      assert.deepEqual(await quantities(a, 'mallory'), { p: 1 });
      // and the gateways understand each other
      const user = userOf(gateways, gateways[1]);
      await addGood(a, user);
      assert.equal(await metric(a, 'headgate_forward_total', { result: 'answered' }) >= 1, true);
    }, { env: { HEADGATE_PEER_SECRET_FILE: file } });
  } finally {
    fs.rmSync(dir, { recursive: true });
  }
});

it('headers between gateways have no effect from outside', () => withGateways(2, async ({ gateways }) => {
  const [a, b] = gateways;
  const user = userOf(gateways, b);
  const id = '11'.repeat(16);
  const forged = { 'headgate-hop': '2', 'headgate-command-id': id, 'headgate-view-version': '99999999999999' };
  for (let i = 0; i < 3; i += 1) assert.equal((await rawCall(a.port, ADD, forged, item(user)))['grpc-status'], '0');
  const args = Object.entries(forged).flatMap(([key, value]) => ['-H', `${key}: ${value}`]);
  const json = JSON.stringify({ product_id: 'p', name: 'p', quantity: 1 });
  for (let i = 0; i < 2; i += 1) {
    assert.equal((await curl(...args, '-X', 'POST', '--json', json, `${a.url}/cart/${user}/items/add`)).status, 200);
  }
  assert.deepEqual(await quantities(a, user), { p: 5 }, 'five commands, not one');
  assert.equal(await metric(a, 'headgate_entity_activations_total'), 0, 'all went to the owner');
  assert.ok(await metric(a, 'headgate_internal_headers_stripped_total') >= 9);
}));

it('gateways with different secrets execute what they get', () => withGateways(1, async ({ gateways, start }) => {
  const dir = fs.mkdtempSync('/tmp/headgate-secret-');
  try {
    fs.writeFileSync(path.join(dir, 'secret'), 'a secret of its own\n');
    gateways.push(await start({ HEADGATE_PEER_SECRET_FILE: path.join(dir, 'secret') }));
    await settled(gateways);
    const user = userOf(gateways, gateways[1]);
    await addGood(gateways[0], user);
    assert.match(gateways[0].event('peer_suspected').reason, /secret of the namespace/);
    assert.deepEqual(await quantities(gateways[1], user), { p: 1 });
  } finally {
    fs.rmSync(dir, { recursive: true });
  }
}));

// Several gateways of one namespace: every entity has one owner, wherever its commands arrive, and nothing is
// lost or done twice when an owner goes, stops or comes.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import http2 from 'node:http2';
import net from 'node:net';
import { it } from 'node:test';
import { World, call, curl, freePort, fs, grpc, metric, once, path, waitFor } from './harness.mjs';

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

// Every byte an id may hold: from the path to the key in Redis and back, by three roads, and never to
// the entity of another id.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { World, call, curl, redisCommand } from './harness.mjs';

describe('ids of every byte', () => {
  const world = new World();
  let redis;
  let gateway;
  let client;

  before(async () => {
    redis = await world.redis();
    const cart = await world.cart();
    gateway = await world.gateway({ functionPort: cart.port, env: { JOURNAL_URL: `unix:${redis.socket}` } });
    client = world.cartClient(gateway);
  });
  after(() => world.end());

  const escape = (id) => [...Buffer.from(id)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
  const ids = [];
  // UTF-8 of these has every byte that UTF-8 can have, but for NUL.
  for (let code = 1; code < 256; code += 1) ids.push(`i${String.fromCodePoint(code)}d`);
  for (let lead = 0xc4; lead <= 0xdf; lead += 1) ids.push(Buffer.from([lead, 0x80]).toString());
  for (const code of [0x800, 0xffff, 0x10000, 0x40000, 0x80000, 0xc0000, 0x10ffff]) ids.push(String.fromCodePoint(code));
  for (let lead = 0xe1; lead <= 0xef; lead += 1) ids.push(Buffer.from([lead, 0x81, 0x81]).toString());
  ids.push('%2F', '%252F', '%', '%41', 'A', '..', '.', '~', 'a b', 'a+b', '{p}', '}:h:', 'h:e:', '\r\nDEL x', '*', '?', '[a]', ' ', 'é', 'e\u0301');
  const unique = [...new Set(ids)];

  it('are carts of their own', async () => {
    for (let i = 0; i < unique.length; i += 1) {
      const answer = await curl(i % 2 ? '--http1.1' : '--http2-prior-knowledge', '-X', 'POST', '-H', 'Content-Type: application/json',
        '-d', JSON.stringify({ productId: `p${i}`, name: unique[i], quantity: 1 }), `${gateway.url}/cart/${escape(unique[i])}/items/add`);
      assert.equal(answer.status, 200, `${escape(unique[i])}: ${answer.body}`);
    }
    for (let i = 0; i < unique.length; i += 1) {
      const want = [{ product_id: `p${i}`, name: unique[i], quantity: 1 }];
      assert.deepEqual((await call(client, 'GetCart', { user_id: unique[i] })).items, want, escape(unique[i]));
    }
  });

  it('are keys from which the id can be read, and no others', async () => {
    const keys = await redisCommand(redis.socket, 'KEYS', '*:h:*');
    const found = keys.map((key) => Buffer.from(decodeURIComponent(key.slice(key.lastIndexOf('/') + 1))).toString());
    assert.deepEqual(found.sort(), [...unique].sort());
    for (const key of keys) assert.match(key, /^[!-~]+$/);
  });

  it('may hold NUL over gRPC and not in a path', async () => {
    await call(client, 'AddItem', { user_id: 'a\0b', product_id: 'x', name: 'x', quantity: 1 });
    assert.deepEqual((await call(client, 'GetCart', { user_id: 'a' })).items, []);
    assert.equal((await call(client, 'GetCart', { user_id: 'a\0b' })).items.length, 1);
    assert.equal((await curl(`${gateway.url}/carts/a%00b`)).status, 400);
  });
});

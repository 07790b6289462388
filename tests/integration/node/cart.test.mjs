// The shopping cart over every road a client may take: curl on HTTP/1.1 and h2c, a generated gRPC
// client, and both codecs mixed on one HTTP/2 connection.
import assert from 'node:assert/strict';
import http2 from 'node:http2';
import { after, before, describe, it } from 'node:test';
import { World, call, curl, freePort, grpc, metric, waitFor } from './harness.mjs';

for (const language of ['C', 'JavaScript']) describe(`shopping cart in ${language}`, () => {
  const world = new World();
  let gateway;

  before(async () => {
    const cart = await world.cart({}, language);
    gateway = await world.gateway({ functionPort: cart.port });
  });
  after(() => world.end());

  const post = (url, body) => ['-X', 'POST', '-H', 'Content-Type: application/json', '-d', JSON.stringify(body), url];

  for (const [road, flags, version] of [
    ['HTTP/1.1', ['--http1.1'], 'HTTP/1.1'],
    ['h2c', ['--http2-prior-knowledge'], 'HTTP/2'],
  ]) {
    it(`adds, reads and removes by curl over ${road}`, async () => {
      const user = `curl-${version.replace(/\W/g, '')}`;
      let answer = await curl(...flags, `${gateway.url}/carts/${user}`);
      assert.equal(answer.version, version);
      assert.equal(answer.status, 200);
      assert.equal(answer.headers['content-type'], 'application/json');
      assert.equal(answer.body, '{"items":[]}');

      answer = await curl(...flags, ...post(`${gateway.url}/cart/${user}/items/add`, { product_id: 'A1', name: 'Deluxe', quantity: 5 }));
      assert.equal(answer.status, 200);
      assert.equal(answer.body, '{}');
      answer = await curl(...flags, ...post(`${gateway.url}/cart/${user}/items/add`, { productId: 'A1', name: 'Deluxe', quantity: 2 }));
      assert.equal(answer.status, 200);
      answer = await curl(...flags, ...post(`${gateway.url}/cart/${user}/items/add`, { productId: 'B2', name: 'Basic', quantity: 1 }));
      assert.equal(answer.status, 200);

      answer = await curl(...flags, `${gateway.url}/carts/${user}`);
      assert.equal(answer.body,
        '{"items":[{"productId":"A1","name":"Deluxe","quantity":7},{"productId":"B2","name":"Basic","quantity":1}]}');
      answer = await curl(...flags, `${gateway.url}/carts/${user}/items`);
      assert.equal(answer.body,
        '[{"productId":"A1","name":"Deluxe","quantity":7},{"productId":"B2","name":"Basic","quantity":1}]');

      answer = await curl(...flags, '-X', 'POST', `${gateway.url}/cart/${user}/items/A1/remove`);
      assert.equal(answer.status, 200);
      assert.equal(answer.body, '{}');
      answer = await curl(...flags, `${gateway.url}/carts/${user}/items`);
      assert.equal(answer.body, '[{"productId":"B2","name":"Basic","quantity":1}]');
    });

    it(`tells what is wrong over ${road}`, async () => {
      let answer = await curl(...flags, '-X', 'POST', `${gateway.url}/cart/nobody/items/A1/remove`);
      assert.equal(answer.status, 500);
      assert.equal(answer.headers['content-type'], 'application/json');
      const failure = JSON.parse(answer.body);
      assert.equal(failure.code, 2);
      assert.match(failure.message, /A1/);

      answer = await curl(...flags, `${gateway.url}/nothing/here`);
      assert.equal(answer.status, 404);
      assert.equal(JSON.parse(answer.body).code, 5);

      answer = await curl(...flags, '-X', 'DELETE', `${gateway.url}/carts/x`);
      assert.equal(answer.status, 405);
      assert.match(answer.headers.allow, /GET/);

      answer = await curl(...flags, ...post(`${gateway.url}/cart/x/items/add`, { productId: 'A1', wrongName: 1 }));
      assert.equal(answer.status, 400);
      assert.match(answer.body, /wrongName/);

      answer = await curl(...flags, '-X', 'POST', '-H', 'Content-Type: text/plain', '-d', 'x', `${gateway.url}/cart/x/items/add`);
      assert.equal(answer.status, 415);
    });

    it(`serves the generated path over ${road}`, async () => {
      const answer = await curl(...flags, ...post(`${gateway.url}/com.example.shoppingcart.ShoppingCart/GetCart`, { userId: 'generated' }));
      assert.equal(answer.status, 200);
      assert.equal(answer.body, '{"items":[]}');
    });
  }

  it('serves a generated gRPC client', async () => {
    const client = world.cartClient(gateway);
    assert.deepEqual(await call(client, 'GetCart', { user_id: 'grpc' }), { items: [] });
    await call(client, 'AddItem', { user_id: 'grpc', product_id: 'A1', name: 'Deluxe', quantity: 3 });
    await call(client, 'AddItem', { user_id: 'grpc', product_id: 'B2', name: 'Basic', quantity: 1 });
    await call(client, 'RemoveItem', { user_id: 'grpc', product_id: 'A1' });
    assert.deepEqual(await call(client, 'GetCart', { user_id: 'grpc' }),
      { items: [{ product_id: 'B2', name: 'Basic', quantity: 1 }] });
    await assert.rejects(call(client, 'RemoveItem', { user_id: 'grpc', product_id: 'none' }),
      (error) => error.code === grpc.status.UNKNOWN && /none/.test(error.details));
    await assert.rejects(call(client, 'GetCart', { user_id: '' }),
      (error) => error.code === grpc.status.INVALID_ARGUMENT && /user_id/.test(error.details));
  });

  it('answers an unknown gRPC method with UNIMPLEMENTED', async () => {
    const client = new grpc.Client(`127.0.0.1:${gateway.port}`, grpc.credentials.createInsecure());
    world.clients.push(client);
    const whole = (bytes) => bytes;
    await assert.rejects(new Promise((resolve, reject) => {
      client.makeUnaryRequest('/com.example.shoppingcart.ShoppingCart/Nope', whole, whole, Buffer.alloc(0),
        { deadline: Date.now() + 5000 }, (error, reply) => (error ? reject(error) : resolve(reply)));
    }), (error) => error.code === grpc.status.UNIMPLEMENTED);
  });

  it('keeps a gRPC deadline', async () => {
    const client = world.cartClient(gateway);
    await assert.rejects(call(client, 'GetCart', { user_id: 'late' }, { deadline: Date.now() - 1 }),
      (error) => error.code === grpc.status.DEADLINE_EXCEEDED);
  });

  it('mixes JSON and gRPC on one HTTP/2 connection', async () => {
    const session = http2.connect(gateway.url);
    const exchange = (headers, body) => new Promise((resolve, reject) => {
      const stream = session.request(headers);
      const chunks = [];
      const answer = { headers: undefined, trailers: {} };
      stream.on('response', (head) => { answer.headers = head; });
      stream.on('trailers', (trailers) => { answer.trailers = trailers; });
      stream.on('data', (chunk) => chunks.push(chunk));
      stream.on('end', () => resolve({ ...answer, body: Buffer.concat(chunks) }));
      stream.on('error', reject);
      stream.end(body);
    });
    const message = Buffer.from([0x0a, 5, ...Buffer.from('mixed')]); // GetShoppingCart{user_id: "mixed"}
    const frame = Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message]);
    const all = [];
    for (let i = 0; i < 20; i += 1) {
      all.push(exchange({ ':path': '/carts/mixed' }).then((answer) => {
        assert.equal(answer.headers[':status'], 200);
        assert.equal(answer.body.toString(), '{"items":[]}');
      }));
      all.push(exchange({
        ':method': 'POST', ':path': '/com.example.shoppingcart.ShoppingCart/GetCart',
        'content-type': 'application/grpc', te: 'trailers',
      }, frame).then((answer) => {
        assert.equal(answer.headers[':status'], 200);
        assert.equal(answer.trailers['grpc-status'], '0');
        assert.deepEqual(answer.body, Buffer.from([0, 0, 0, 0, 0]));
      }));
    }
    await Promise.all(all);
    session.close();
  });

  it('counts what it served', async () => {
    assert.ok(await metric(gateway, 'headgate_requests_total', { code: 'OK' }) > 40);
    assert.ok(await metric(gateway, 'headgate_entities_active') >= 1);
    assert.ok(await metric(gateway, 'headgate_journal_appends_total', { result: 'ok' }) >= 8);
    assert.equal(await metric(gateway, 'headgate_function_connected'), 1);
    assert.equal(await metric(gateway, 'headgate_journal_connected'), 1);
  });
});

// Whoever wrote the events and snapshots of a cart, the other goes on with it.
describe('one journal for both languages', () => {
  const world = new World();
  after(() => world.end());

  it('goes on with what the other wrote, snapshots too', async () => {
    const port = await freePort();
    let cart = await world.cart({ PORT: String(port), SNAPSHOT_EVERY: '2' }, 'JavaScript');
    const gateway = await world.gateway({ functionPort: port });
    const client = world.cartClient(gateway);
    const add = (product, quantity) =>
      call(client, 'AddItem', { user_id: 'both', product_id: product, name: `Name ${product}`, quantity });
    const items = async () =>
      (await call(client, 'GetCart', { user_id: 'both' })).items.map(({ product_id: id, quantity }) => `${id}:${quantity}`);
    const turnTo = async (language) => {
      await cart.kill();
      cart = await world.cart({ PORT: String(port), SNAPSHOT_EVERY: '2' }, language);
      await waitFor(`the cart in ${language}`, items);
    };

    await add('a', 1);
    await add('b', 2);
    await add('a', 3); // behind the snapshot
    await turnTo('C');
    assert.deepEqual(await items(), ['a:4', 'b:2']);
    await call(client, 'RemoveItem', { user_id: 'both', product_id: 'a' });
    for (let i = 0; i < 100; i += 1) await add('c', 1); // C makes a snapshot every 100 events
    await turnTo('JavaScript');
    assert.deepEqual(await items(), ['b:2', 'c:100']);
    await add('d', 1);
    await turnTo('C');
    assert.deepEqual(await items(), ['b:2', 'c:100', 'd:1']);
  });
});

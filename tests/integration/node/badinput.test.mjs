// What no proper client sends: each row of bytes gets its named answer, the process stays, other clients
// notice nothing, and the memory that bad input took comes back (allocated bytes, not RSS).
import assert from 'node:assert/strict';
import http2 from 'node:http2';
import net from 'node:net';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { World, call, curl, fs, grpc, metric, rawExchange, waitFor } from './harness.mjs';

const ADD = '/cart/u/items/add';

describe('bad input', () => {
  const world = new World();
  let gateway;
  let client;

  before(async () => {
    const cart = await world.cart();
    gateway = await world.gateway({
      functionPort: cart.port,
      env: { HEADGATE_HTTP_HEAD_TIMEOUT: '500ms', HEADGATE_HTTP_BODY_TIMEOUT: '500ms' },
    });
    client = world.cartClient(gateway);
  });
  after(() => world.end());

  const alive = async () => assert.deepEqual(await call(client, 'GetCart', { user_id: 'alive' }), { items: [] });

  // HTTP/1.1 as bytes: name, request, expected status, and false where the framing is not in doubt, so
  // that the connection may go on.
  const body = '{"productId":"A","name":"A","quantity":1}';
  const rows = [
    ['two Content-Length', `POST ${ADD} HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\nContent-Length: 5\r\n\r\n${body}`, 400],
    ['two equal Content-Length', `POST ${ADD} HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\nContent-Length: ${body.length}\r\n\r\n${body}`, 400],
    ['Content-Length and chunked', `POST ${ADD} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
    ['Transfer-Encoding gzip', `POST ${ADD} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n`, 400],
    ['Transfer-Encoding twice', `POST ${ADD} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
    ['Transfer-Encoding gzip, chunked', `POST ${ADD} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`, 400],
    ['no Host', 'GET /carts/u HTTP/1.1\r\n\r\n', 400],
    ['two Host', 'GET /carts/u HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n', 400],
    ['space before the colon', 'GET /carts/u HTTP/1.1\r\nHost: x\r\nX-Y : z\r\n\r\n', 400],
    ['space before the colon of Transfer-Encoding', `POST ${ADD} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n`, 400],
    ['%00 in the path', 'GET /carts/u%00v HTTP/1.1\r\nHost: x\r\n\r\n', 400],
    ['a method that is none', 'G(T /carts/u HTTP/1.1\r\nHost: x\r\n\r\n', 400],
    ['%00 in absolute-form', 'GET http://x/carts/u%00v HTTP/1.1\r\nHost: x\r\n\r\n', 400],
    ['a built-in page in absolute-form', 'GET http://x/ready?y HTTP/1.1\r\nHost: x\r\n\r\n', 200, false],
    ['a malformed escape', 'GET /carts/u%2 HTTP/1.1\r\nHost: x\r\n\r\n', 400, false],
    // The one fault that libmicrohttpd 0.9.75 answers itself with its head sent twice.
    ['negative Content-Length', `POST ${ADD} HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n`, 400, true, 2],
    ['a head of 20 KiB', `GET /carts/u HTTP/1.1\r\nHost: x\r\nX-Big: ${'y'.repeat(20480)}\r\n\r\n`, 431],
    ['a head of 300 KiB', `GET /carts/u HTTP/1.1\r\nHost: x\r\nX-Big: ${'y'.repeat(300000)}\r\n\r\n`, 431],
    ['a path of 20 KiB', `GET /carts/${'y'.repeat(20480)} HTTP/1.1\r\nHost: x\r\n\r\n`, 414],
    ['a declared body of 10 MB', `POST ${ADD} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 10000000\r\n\r\n`, 413],
  ];
  for (const [name, bytes, status, isFraming = true, heads = 1] of rows) {
    it(`HTTP/1.1: ${name} gets ${status}, once`, async () => {
      const answer = await rawExchange(gateway.port, bytes, { ms: isFraming ? 5000 : 300 });
      assert.match(answer.text, new RegExp(`^HTTP/1\\.[01] ${status} `));
      assert.equal(answer.text.match(/HTTP\/1\.[01] \d/g).length, heads, 'one answer only');
      if (isFraming) assert.ok(answer.closed, 'closed');
      await alive();
    });
  }

  it('a sent body of 10 MB gets 413 on both versions', async () => {
    fs.writeFileSync(path.join(world.dir, 'big'), 'x'.repeat(10_000_000));
    for (const flag of ['--http1.1', '--http2-prior-knowledge']) {
      const answer = await curl(flag, '-X', 'POST', '-H', 'Content-Type: application/json', '-H', 'Expect:',
        '--data-binary', `@${path.join(world.dir, 'big')}`, `${gateway.url}${ADD}`);
      assert.equal(answer.status, 413);
      assert.equal(JSON.parse(answer.body).code, 8);
    }
    await alive();
  });

  // JSON: name, content type, body, status, what the message names.
  const json = 'application/json';
  const bodies = [
    ['not JSON', json, '{"productId":', 400, /line 1/],
    ['trailing comma', json, '{"productId":"A",}', 400, /line 1/],
    ['two values', json, '{} {}', 400, /./],
    ['an unknown field', json, '{"nope":1}', 400, /nope/],
    ['a wrong type', json, '{"quantity":"many"}', 400, /quantity/],
    ['a number out of range', json, '{"quantity":3000000000}', 400, /quantity/],
    ['a duplicate key', json, '{"name":"a","name":"b"}', 400, /name/],
    ['a key against the path', json, '{"userId":"other","productId":"A","name":"A","quantity":1}', 400, /user/],
    ['bad UTF-8', json, Buffer.from([0x7b, 0x22, 0x6e, 0x61, 0x6d, 0x65, 0x22, 0x3a, 0x22, 0xff, 0x22, 0x7d]), 400, /./],
    ['deep nesting', json, `${'{"a":'.repeat(200)}1${'}'.repeat(200)}`, 400, /./],
    ['a form', 'application/x-www-form-urlencoded', 'a=b', 415, /./],
    ['another charset', 'application/json; charset=latin1', '{}', 415, /./],
  ];
  for (const [name, type, text, status, message] of bodies) {
    it(`a body with ${name} gets ${status}`, async () => {
      for (const version of ['--http1.1', '--http2-prior-knowledge']) {
        const file = path.join(world.dir, 'body');
        fs.writeFileSync(file, text);
        const answer = await curl(version, '-X', 'POST', '-H', `Content-Type: ${type}`, '--data-binary', `@${file}`, `${gateway.url}${ADD}`);
        assert.equal(answer.status, status, answer.body);
        const error = JSON.parse(answer.body);
        assert.equal(error.code, 3);
        assert.match(JSON.stringify(error), message);
      }
      await alive();
    });
  }

  it('a missing key, an over-long key and an unknown query parameter are named', async () => {
    let answer = await curl('-X', 'POST', '-H', `Content-Type: ${json}`, '-d', '{}', `${gateway.url}/com.example.shoppingcart.ShoppingCart/GetCart`);
    assert.equal(answer.status, 400);
    assert.match(answer.body, /user_?[iI]d/);
    answer = await curl(`${gateway.url}/carts/${'k'.repeat(1025)}`);
    assert.equal(answer.status, 400);
    assert.match(answer.body, /1024|too long/i);
    answer = await curl(`${gateway.url}/carts/u?nope=1`);
    assert.equal(answer.status, 400);
    assert.match(answer.body, /nope/);
    answer = await curl(`${gateway.url}/carts/u?user_id=other`);
    assert.equal(answer.status, 400);
    await alive();
  });

  // gRPC messages that are no AddLineItem.
  const bombs = [
    ['truncated', Buffer.from([0x0a, 0x10, 0x61])],
    ['a varint without end', Buffer.alloc(20, 0xff)],
    ['field number 0', Buffer.from([0x00, 0x01])],
    ['an unclosed group', Buffer.concat([Buffer.from([0x0a, 1, 0x75]), Buffer.alloc(5000, 0x23)])],
    ['a key that is not UTF-8', Buffer.from([0x0a, 2, 0xff, 0xfe])],
  ];
  for (const [name, bytes] of bombs) {
    it(`a gRPC message that is ${name} gets INVALID_ARGUMENT`, async () => {
      const raw = new grpc.Client(`127.0.0.1:${gateway.port}`, grpc.credentials.createInsecure());
      world.clients.push(raw);
      const same = (value) => value;
      await assert.rejects(new Promise((resolve, reject) => {
        raw.makeUnaryRequest('/com.example.shoppingcart.ShoppingCart/AddItem', same, same, bytes,
          { deadline: Date.now() + 5000 }, (error, reply) => (error ? reject(error) : resolve(reply)));
      }), (error) => error.code === grpc.status.INVALID_ARGUMENT);
      await alive();
    });
  }

  it('a nesting bomb in an unknown field does not reach the stack', async () => {
    let bomb = Buffer.alloc(0);
    for (let i = 0; i < 12000; i += 1) {
      const length = [];
      for (let n = bomb.length; ; n >>>= 7) { length.push(n > 127 ? (n & 127) | 128 : n); if (n <= 127) break; }
      bomb = Buffer.concat([Buffer.from([0x7a, ...length]), bomb]);
    }
    const message = Buffer.concat([Buffer.from([0x0a, 1, 0x75]), bomb]);
    const raw = new grpc.Client(`127.0.0.1:${gateway.port}`, grpc.credentials.createInsecure());
    world.clients.push(raw);
    const same = (value) => value;
    await new Promise((resolve) => {
      raw.makeUnaryRequest('/com.example.shoppingcart.ShoppingCart/GetCart', same, same, message,
        { deadline: Date.now() + 5000 }, (error) => resolve(error));
    });
    await alive();
  });

  it('a gRPC message over the limit gets RESOURCE_EXHAUSTED', async () => {
    await assert.rejects(call(client, 'AddItem', { user_id: 'big', product_id: 'A', name: 'x'.repeat(5 << 20), quantity: 1 }),
      (error) => error.code === grpc.status.RESOURCE_EXHAUSTED);
    await alive();
  });

  it('a client that sends one byte at a time is cut off, others are served meanwhile', async () => {
    const socket = net.connect(gateway.port, '127.0.0.1');
    let closed = false;
    socket.on('close', () => { closed = true; });
    socket.on('error', () => { closed = true; });
    const text = `GET /carts/slow HTTP/1.1\r\nHost: x\r\nX-Long: ${'y'.repeat(1000)}\r\n\r\n`;
    let at = 0;
    await waitFor('the slow client to be cut off', async () => {
      if (!closed) socket.write(text[at]);
      at += 1;
      await alive();
      return closed && at > 10;
    });
    socket.destroy();
    assert.ok(at < text.length);
  });

  it('HTTP/2 that is none closes the connection', async () => {
    const answer = await rawExchange(gateway.port, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nthis is not a settings frame at all');
    assert.ok(answer.closed);
    await alive();
  });

  it('a rapid reset flood is ended', async () => {
    const session = http2.connect(gateway.url);
    session.on('error', () => {});
    const closed = new Promise((resolve) => { session.on('close', resolve); });
    for (let i = 0; i < 5000 && !session.destroyed; i += 1) {
      const stream = session.request({ ':path': '/carts/flood' });
      stream.on('error', () => {});
      stream.close(http2.constants.NGHTTP2_CANCEL);
      if (i % 200 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await waitFor('the flood to be ended', () => session.destroyed || session.closed);
    session.destroy();
    await closed;
    await alive();
  });

  const sanitized = process.env.HEADGATE_SANITIZED ? 'the sanitizer has its own allocator' : false;
  it('gives the memory back', { skip: sanitized }, async () => {
    const allocated = () => metric(gateway, 'headgate_memory_allocated_bytes');
    const round = async () => {
      for (const [, bytes] of rows) await rawExchange(gateway.port, bytes);
      for (const [, bytes] of bombs) {
        await new Promise((resolve) => {
          const session = http2.connect(gateway.url);
          session.on('error', () => {});
          const stream = session.request({ ':method': 'POST', ':path': '/com.example.shoppingcart.ShoppingCart/AddItem', 'content-type': 'application/grpc', te: 'trailers' });
          stream.on('error', () => {});
          stream.on('close', () => { session.close(resolve); });
          stream.resume();
          stream.end(Buffer.concat([Buffer.from([0, 0, 0, 0, bytes.length & 255]), bytes]));
        });
      }
    };
    await round();
    await round();
    await waitFor('the connections to end', async () => (await metric(gateway, 'headgate_connections')) <= 4);
    const before = await allocated();
    assert.ok(before > 0);
    await round();
    await waitFor('the memory to come back', async () => {
      const now = await allocated();
      if (now > before * 1.05) throw new Error(`${now} bytes, ${before} before`);
      return true;
    });
    await alive();
  });
});

// gzip in gRPC: grpc-js packs and unpacks, raw HTTP/2 shows what is on the wire and sends what no client
// should.
import assert from 'node:assert/strict';
import http2 from 'node:http2';
import path from 'node:path';
import zlib from 'node:zlib';
import { after, before, describe, it } from 'node:test';
import { World, call, grpc, metric, srcdir, waitFor } from './harness.mjs';

const MiB = 1 << 20;
const text = (length) => Array.from({ length: Math.ceil(length / 8) }, (_, n) => (n * 2654435761 >>> 0).toString(16).padStart(8, '0')).join('').slice(0, length);
const frame = (bytes, flag = 0) => {
  const head = Buffer.alloc(5);
  head[0] = flag;
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
};

// All frames of a body: flag and content.
function frames(body) {
  const found = [];
  for (let at = 0; at < body.length;) {
    const length = body.readUInt32BE(at + 1);
    found.push({ flag: body[at], bytes: body.subarray(at + 5, at + 5 + length) });
    at += 5 + length;
  }
  return found;
}

describe('compression', () => {
  const world = new World();
  let gateway;
  let plain; // http.gzip is off
  let client;
  let packing; // the same, packing what it sends
  let echo; // answers with its request
  const sessions = [];

  before(async () => {
    const { port } = await world.testFunction();
    gateway = await world.gateway({ functionPort: port });
    plain = await world.gateway({
      functionPort: port, env: { HEADGATE_HTTP_GZIP: 'false', JOURNAL_URL: `embedded:${path.join(world.dir, 'other')}` },
    });
    client = world.client(gateway, path.join(srcdir, 'tests/fakes/headgate/test/action.proto'), 'headgate.test.Actions',
      [path.join(srcdir, 'tests/fakes')]);
    packing = world.client(gateway, path.join(srcdir, 'tests/fakes/headgate/test/action.proto'), 'headgate.test.Actions',
      [path.join(srcdir, 'tests/fakes')], { 'grpc.default_compression_algorithm': 2 });
    echo = world.client(gateway, path.join(srcdir, 'tests/fakes/headgate/test/transcoding.proto'), 'headgate.test.Transcoding',
      [path.join(srcdir, 'tests/fakes')], { 'grpc.default_compression_algorithm': 2 });
  });
  after(() => {
    sessions.forEach((session) => session.destroy());
    return world.end();
  });

  function raw(method, body, headers = {}, gw = gateway) {
    const session = http2.connect(gw.url);
    sessions.push(session);
    const stream = session.request({
      ':method': 'POST', ':path': `/headgate.test.Actions/${method}`, 'content-type': 'application/grpc', te: 'trailers', ...headers,
    });
    return new Promise((resolve, reject) => {
      const chunks = [];
      let head;
      let tail;
      stream.on('response', (given) => { head = given; });
      stream.on('trailers', (given) => { tail = given; });
      stream.on('data', (chunk) => chunks.push(chunk));
      stream.on('error', reject);
      stream.on('close', () => {
        session.close();
        resolve({ head, frames: frames(Buffer.concat(chunks)), status: Number((tail ?? head)['grpc-status']),
          message: decodeURIComponent((tail ?? head)['grpc-message'] ?? ''), isTrailersOnly: !tail });
      });
      stream.end(body);
    });
  }
  const step = (value) => client.Unary.requestSerialize(value);
  const result = (bytes) => client.Unary.responseDeserialize(bytes);
  const packed = (value) => frame(zlib.gzipSync(step(value)), 1);

  it('of grpc-js is understood both ways, whatever the size', async () => {
    for (const length of [0, 1, 1000, 40000, 3 * MiB]) {
      const reply = await call(echo, 'Get', { id: 'packed', name: text(length) });
      assert.ok(reply.name === text(length), String(reply.name.length));
    }
  });

  it('of grpc-js is understood in streams', async () => {
    const sent = Array.from({ length: 300 }, (_, n) => ({ text: String(n), padding: Buffer.from(text((n * 997) % 50000)) }));
    const stream = packing.Chat();
    const got = [];
    stream.on('data', (message) => got.push(message.text));
    const ended = new Promise((resolve) => { stream.on('status', resolve); });
    stream.on('error', () => {});
    for (const message of sent)
      if (!stream.write(message)) await new Promise((resolve) => { stream.once('drain', resolve); });
    stream.end();
    assert.equal((await ended).code, grpc.status.OK);
    assert.deepEqual(got, sent.map((message) => message.text));
  });

  it('packs replies of a KiB and more, and says so', async () => {
    const accepts = { 'grpc-accept-encoding': 'identity,deflate,gzip' };
    for (const [bytes, isPacked] of [[900, false], [1100, true], [100000, true], [2 * MiB + 1, false]]) {
      const answer = await raw('Unary', frame(step({ reply_bytes: bytes })), accepts);
      assert.equal(answer.status, 0);
      assert.equal(answer.head['grpc-encoding'], bytes > 1024 ? 'gzip' : undefined);
      assert.equal(answer.frames.length, 1);
      assert.equal(answer.frames[0].flag, isPacked ? 1 : 0);
      const message = isPacked ? zlib.gunzipSync(answer.frames[0].bytes) : answer.frames[0].bytes;
      assert.equal(result(message).padding.length, bytes);
    }
  });

  it('promises gzip for a stream whose first reply is small', async () => {
    const answer = await raw('Chat', Buffer.concat([frame(step({ text: 'a' })), frame(step({ reply_bytes: 5000 })), frame(step({ text: 'b' }))]),
      { 'grpc-accept-encoding': 'gzip' });
    assert.equal(answer.head['grpc-encoding'], 'gzip');
    assert.deepEqual(answer.frames.map(({ flag }) => flag), [0, 1, 0]);
  });

  it('is not used for clients that do not take it, nor when it is off', async () => {
    for (const [headers, gw] of [[{}, gateway], [{ 'grpc-accept-encoding': 'identity,deflate' }, gateway], [{ 'grpc-accept-encoding': 'gzip' }, plain]]) {
      const answer = await raw('Unary', frame(step({ reply_bytes: 5000 })), headers, gw);
      assert.equal(answer.status, 0);
      assert.equal(answer.head['grpc-encoding'], undefined);
      assert.equal(answer.frames[0].flag, 0);
    }
  });

  it('mixes packed and plain messages in a request', async () => {
    const answer = await raw('Collect', Buffer.concat([packed({ text: 'one' }), frame(step({ text: 'two' })), packed({ text: 'three', padding: Buffer.from(text(200000)) })]),
      { 'grpc-encoding': 'gzip' });
    assert.equal(answer.status, 0);
    assert.equal(result(answer.frames[0].bytes).text, 'three');
    assert.equal(result(answer.frames[0].bytes).messages, '3');
  });

  const gzip = { 'grpc-encoding': 'gzip' };
  const refusals = [
    ['an encoding that is not known', () => [packed({}), { 'grpc-encoding': 'deflate' }], 12, /deflate is not known/],
    ['a packed message without an encoding', () => [packed({}), {}], 13, /names no encoding/],
    ['a packed message in identity', () => [packed({}), { 'grpc-encoding': 'identity' }], 13, /names no encoding/],
    ['what is no gzip', () => [frame(Buffer.from('hello'), 1), gzip], 13, /not whole gzip/],
    ['gzip that is cut', () => [frame(zlib.gzipSync(step({ padding: Buffer.from(text(1000)) })).subarray(0, 300), 1), gzip], 13, /not whole gzip/],
    ['an empty packed message', () => [frame(Buffer.alloc(0), 1), gzip], 13, /not whole gzip/],
    ['a bomb', () => [frame(zlib.gzipSync(Buffer.alloc(64 * MiB)), 1), gzip], 8, /grows more than 200 times/],
    ['a message too large when it is unpacked', () => [packed({ padding: Buffer.from(text(5 * MiB)) }), gzip], 8, /unpacked message is larger/],
    ['gzip of what is no message', () => [frame(zlib.gzipSync(Buffer.from([0x0a, 5])), 1), gzip], undefined, /./],
  ];
  for (const [name, make, status, message] of refusals) {
    it(`refuses ${name}, and the connection goes on`, async () => {
      const [body, headers] = make();
      const answer = await raw('Unary', body, headers);
      if (status === undefined) assert.notEqual(answer.status, 0);
      else assert.equal(answer.status, status);
      assert.match(answer.message, message);
      assert.ok(answer.isTrailersOnly);
      if (status === 12) assert.equal(answer.head['grpc-accept-encoding'], 'identity,gzip');
      assert.equal((await call(packing, 'Unary', { text: 'still' })).text, 'still');
    });
  }

  it('of many large messages at once leaves the memory as it was', async () => {
    const memory = () => metric(gateway, 'headgate_memory_allocated_bytes');
    const before = await memory();
    await Promise.all(Array.from({ length: 40 }, () => call(packing, 'Unary', { padding: Buffer.from(text(MiB)) })));
    await Promise.all(Array.from({ length: 40 }, () => raw('Unary', frame(zlib.gzipSync(Buffer.alloc(64 * MiB)), 1), gzip)));
    sessions.splice(0).forEach((session) => session.destroy());
    await waitFor('the memory', async () => {
      const more = await memory() - before;
      if (more > 4 * MiB) throw new Error(`${more} bytes more`);
      return true;
    });
  });
});

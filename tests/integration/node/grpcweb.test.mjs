// gRPC-Web end to end: by hand over both versions of HTTP, and with the official client in a browser, on a
// page of another origin.
import assert from 'node:assert/strict';
import http from 'node:http';
import http2 from 'node:http2';
import { createRequire } from 'node:module';
import { after, before, describe, it } from 'node:test';
import { World, curl, fs, once, path, waitFor } from './harness.mjs';

const require = createRequire(import.meta.url);
const chromium = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((file) => fs.existsSync(file));
const skip = chromium ? false : 'no Chromium here; ./dev test installs it';
const cartPath = '/com.example.shoppingcart.ShoppingCart';
const versions = ['1.1', '2'];
const forms = ['grpc-web+proto', 'grpc-web-text'];

// Just enough protobuf: strings and small numbers by field.
function message(fields) {
  return Buffer.concat(Object.entries(fields).map(([number, value]) => {
    if (typeof value === 'number') {
      const bytes = [number << 3];
      for (let rest = value; ; rest = Math.floor(rest / 128)) {
        bytes.push(rest < 128 ? rest : (rest % 128) | 128);
        if (rest < 128) return Buffer.from(bytes);
      }
    }
    const bytes = Buffer.from(value);
    assert.ok(bytes.length < 128);
    return Buffer.concat([Buffer.from([(number << 3) | 2, bytes.length]), bytes]);
  }));
}

function frame(bytes) {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

// In base64 byte by byte, each with its padding: the worst that a proxy may make of it.
function packed(form, frames) {
  return form.includes('text') ? Buffer.from([...frames].map((byte) => Buffer.from([byte]).toString('base64')).join('')) : frames;
}

function unpacked(form, body) {
  if (!form.includes('text')) return body;
  const groups = body.toString('latin1').match(/.{1,4}/gs) ?? [];
  return Buffer.concat(groups.map((group) => Buffer.from(group, 'base64')));
}

function parse(form, body) {
  const answer = { messages: [], trailers: undefined };
  let rest = unpacked(form, body);
  while (rest.length) {
    const bytes = rest.subarray(5, 5 + rest.readUInt32BE(1));
    assert.equal(answer.trailers, undefined, 'something after the trailers');
    if (rest[0] === 0x80)
      answer.trailers = Object.fromEntries(bytes.toString('latin1').split('\r\n').filter(Boolean).map((line) => line.split(': ')));
    else
      answer.messages.push(bytes);
    rest = rest.subarray(5 + bytes.length);
  }
  return answer;
}

// One call, whole: frames in, headers, messages and trailers out.
async function call(g, version, form, target, frames, more = {}) {
  const headers = { 'content-type': `application/${form}`, 'x-grpc-web': '1', ...more };
  const body = packed(form, frames);
  const parts = [];
  if (version === '1.1') {
    const request = http.request(g.url + target, { method: 'POST', headers });
    request.end(body);
    const [response] = await once(request, 'response');
    for await (const part of response) parts.push(part);
    return { status: response.statusCode, headers: response.headers, ...parse(response.headers['content-type'] ?? '', Buffer.concat(parts)) };
  }
  const session = http2.connect(g.url);
  try {
    const stream = session.request({ ':method': 'POST', ':path': target, ...headers });
    stream.end(body);
    const [head] = await once(stream, 'response');
    for await (const part of stream) parts.push(part);
    return { status: head[':status'], headers: head, ...parse(head['content-type'] ?? '', Buffer.concat(parts)) };
  } finally {
    session.close();
  }
}

describe('gRPC-Web by hand', () => {
  const world = new World();
  let cart;
  let g;
  before(async () => {
    const fn = await world.testFunction();
    g = await world.gateway({ functionPort: fn.port });
    const other = await world.cart();
    cart = await world.gateway({ functionPort: other.port, env: { JOURNAL_URL: `embedded:${world.dir}/cart` } });
  });
  after(() => world.end());

  for (const version of versions)
    for (const form of forms) {
      const where = `HTTP/${version}, ${form}`;
      it(`the shopping cart (${where})`, async () => {
        const user = `u${version}${form}`;
        const add = frame(message({ 1: user, 2: 'p', 3: 'Pen', 4: 3 }));
        const added = await call(cart, version, form, `${cartPath}/AddItem`, add);
        assert.equal(added.status, 200);
        assert.equal(added.trailers['grpc-status'], '0');
        assert.deepEqual(added.messages, [Buffer.alloc(0)]);
        const got = await call(cart, version, form, `${cartPath}/GetCart`, frame(message({ 1: user })));
        assert.match(got.headers['content-type'], form.includes('text') ? /^application\/grpc-web-text/ : /^application\/grpc-web\+proto/);
        assert.deepEqual(got.messages, [Buffer.concat([Buffer.from([0x0a, 10]), message({ 1: 'p', 2: 'Pen', 3: 3 })])]);
        assert.equal(got.headers['access-control-allow-origin'], undefined);
        const json = await curl(`${cart.url}/carts/${user}`);
        assert.equal(JSON.parse(json.body).items[0].quantity, 3);
      });

      it(`streams of every shape (${where})`, async () => {
        const at = (method, frames) => call(g, version, form, `/headgate.test.Actions/${method}`, frames);
        const one = frame(message({ 1: 'x', 2: 3 }));
        const expanded = await at('Expand', one);
        assert.equal(expanded.messages.length, 3);
        assert.equal(expanded.trailers['grpc-status'], '0');
        const collected = await at('Collect', Buffer.concat([one, one, one]));
        assert.equal(collected.messages.length, 1);
        const chatted = await at('Chat', Buffer.concat([frame(message({ 1: 'a' })), frame(message({ 1: 'b' }))]));
        assert.equal(chatted.messages.length, 2);
        const late = await at('Expand', frame(message({ 1: 'x', 2: 5, 4: 'enough', 5: 2, 6: 9 })));
        assert.equal(late.messages.length, 2);
        assert.deepEqual([late.trailers['grpc-status'], late.trailers['grpc-message']], ['9', 'enough']);
      });

      it(`failures (${where})`, async () => {
        const at = (target, frames, more) => call(g, version, form, target, frames, more);
        const failed = await at('/headgate.test.Entity/Process', frame(message({ 1: 'f', 4: 'nö', 5: 5 })));
        assert.equal(failed.status, 200);
        assert.deepEqual([failed.trailers['grpc-status'], failed.trailers['grpc-message']], ['5', 'n%C3%B6']);
        const unknown = await at('/no.Such/Method', frame(Buffer.alloc(0)));
        assert.deepEqual([unknown.status, unknown.trailers['grpc-status']], [200, '12']);
        const slow = await at('/headgate.test.Actions/Unary', frame(message({ 3: 5000 })), { 'grpc-timeout': '50m' });
        assert.equal(slow.trailers['grpc-status'], '4');
        const large = Buffer.from([0, 0x7f, 0xff, 0xff, 0xff]);
        assert.equal((await at('/headgate.test.Actions/Unary', large)).trailers['grpc-status'], '8');
      });
    }

  it('the example of the documentation', async () => {
    const file = path.join(world.dir, 'request');
    fs.writeFileSync(file, Buffer.from('\0\0\0\0\x03\n\x01u', 'latin1'));
    const answer = await curl('--data-binary', `@${file}`, '-H', 'Content-Type: application/grpc-web+proto', `${cart.url}${cartPath}/GetCart`);
    assert.equal(answer.body.slice(-16), 'grpc-status: 0\r\n');
  });

  it('other kinds of messages are 415, gRPC over HTTP/1.1 too', async () => {
    for (const type of ['application/grpc-web+json', 'application/grpc-web-text+thrift', 'application/grpc'])
      assert.equal((await curl('--http1.1', '-H', `Content-Type: ${type}`, '-d', 'x', `${g.url}/headgate.test.Actions/Unary`)).status, 415);
  });
});

describe('the official client in a browser', { skip }, () => {
  const world = new World();
  const script = skip ? '' : fs.readFileSync(require.resolve('grpc-web'), 'utf8');
  const page = `<!doctype html><title>page</title><script>var exports = {}, module = { exports };</script><script src="/client.js"></script>
<script>window.grpcweb = Object.keys(module.exports).length ? module.exports : exports;</script>`;
  const pages = http.createServer((request, response) => {
    response.setHeader('Content-Type', request.url === '/client.js' ? 'text/javascript' : 'text/html');
    response.end(request.url === '/client.js' ? script : page);
  });
  let g;
  let browser;
  let tab;
  before(async () => {
    pages.listen(0, '127.0.0.1');
    await once(pages, 'listening');
    const origin = `http://127.0.0.1:${pages.address().port}`;
    const fn = await world.testFunction();
    g = await world.gateway({ functionPort: fn.port, args: [`--http.cors.origins=${origin}`] });
    const cart = await world.cart();
    g.cart = await world.gateway({ functionPort: cart.port, args: [`--http.cors.origins=${origin}`], env: { JOURNAL_URL: `embedded:${world.dir}/cart` } });
    const { chromium: launcher } = await import('playwright-core');
    browser = await launcher.launchPersistentContext(path.join(world.dir, 'profile'), {
      executablePath: chromium,
      headless: true,
      args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
    });
    tab = await browser.newPage();
    await tab.goto(`${origin}/`);
  });
  after(async () => {
    await browser?.close();
    pages.close();
    await world.end();
  });

  // Runs in the page: one call with the client; gives what it heard, in order.
  const inPage = ({ url, target, format, bytes, metadata, isStream, cancelAfter }) => new Promise((resolve) => {
    const client = new window.grpcweb.GrpcWebClientBase({ format });
    const descriptor = new window.grpcweb.MethodDescriptor(target, isStream ? 'server_streaming' : 'unary', Object, Object,
      (request) => new Uint8Array(request), (reply) => Array.from(reply));
    const heard = { messages: [] };
    if (!isStream) {
      client.rpcCall(url + target, bytes, metadata, descriptor, (error, reply) => {
        resolve({ reply, error: error && { code: error.code, message: error.message, metadata: error.metadata } });
      });
      return;
    }
    const stream = client.serverStreaming(url + target, bytes, metadata, descriptor);
    stream.on('data', (reply) => {
      heard.messages.push(reply);
      if (heard.messages.length !== cancelAfter) return;
      stream.cancel();
      resolve(heard);
    });
    stream.on('status', (status) => { heard.status = status; });
    stream.on('error', (error) => { heard.error = { code: error.code, message: error.message, metadata: error.metadata }; resolve(heard); });
    stream.on('end', () => resolve(heard));
  });
  const ask = (what) => tab.evaluate(inPage, { url: g.url, metadata: {}, ...what, bytes: [...what.bytes] });

  for (const format of ['text', 'binary']) {
    it(`unary calls (${format})`, async () => {
      const added = await ask({ url: g.cart.url, format, target: `${cartPath}/AddItem`, bytes: message({ 1: format, 2: 'p', 3: 'Pen', 4: 2 }) });
      assert.deepEqual([added.error, added.reply], [null, []]);
      const got = await ask({ url: g.cart.url, format, target: `${cartPath}/GetCart`, bytes: message({ 1: format }) });
      assert.deepEqual(Buffer.from(got.reply).subarray(2), message({ 1: 'p', 2: 'Pen', 3: 2 }));
    });

    it(`errors with their text and details (${format})`, async () => {
      const { error } = await ask({ format, target: '/headgate.test.Actions/Unary', bytes: message({ 4: 'nö', 6: 9 }) });
      assert.deepEqual([error.code, error.message], [9, 'nö']);
      const unknown = await ask({ format, target: '/no.Such/Method', bytes: [] });
      assert.deepEqual([unknown.error.code, unknown.error.message], [12, 'unknown method /no.Such/Method']);
    });

    it(`metadata and deadlines (${format})`, async () => {
      const shown = await ask({ format, target: '/headgate.test.Actions/Unary', bytes: message({ 10: 1 }), metadata: { 'x-mine': 'yes' } });
      const text = Buffer.from(shown.reply).toString('latin1');
      assert.match(text, /x-mine[^]{1,4}yes/);
      assert.match(text, /x-user-agent[^]{1,4}grpc-web-javascript/);
      assert.doesNotMatch(text, /x-grpc-web/);
      const late = await ask({ format, target: '/headgate.test.Actions/Unary', bytes: message({ 3: 5000 }), metadata: { deadline: String(Date.now() + 200) } });
      assert.equal(late.error.code, 4);
    });
  }

  it('a server stream, message by message', async () => {
    const heard = await ask({ isStream: true, format: 'text', target: '/headgate.test.Actions/Expand', bytes: message({ 1: 'x', 2: 5, 3: 20 }) });
    assert.equal(heard.messages.length, 5);
    assert.equal(heard.status?.code, 0);
    const failed = await ask({ isStream: true, format: 'text', target: '/headgate.test.Actions/Expand', bytes: message({ 2: 5, 4: 'enough', 5: 2, 6: 9 }) });
    assert.equal(failed.messages.length, 2);
    assert.deepEqual([failed.error.code, failed.error.message], [9, 'enough']);
  });

  it('cancelling a stream ends it in the function', async () => {
    const counters = async () => JSON.parse((await curl(`${g.url}/actions/counters`)).body);
    const before = Number((await counters()).cancelled);
    const heard = await ask({ isStream: true, cancelAfter: 2, format: 'text', target: '/headgate.test.Actions/Expand', bytes: message({ 2: 1000, 3: 20 }) });
    assert.ok(heard.messages.length < 1000); // what came in one piece is still told
    await waitFor('the cancellation', async () => Number((await counters()).cancelled) === before + 1);
  });
});

// Streams over JSON, end to end: curl, fetch and node's HTTP/2 on one side, the real gateway, and an
// action in JavaScript on the other.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import http from 'node:http';
import http2 from 'node:http2';
import net from 'node:net';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import protoLoader from '@grpc/proto-loader';
import { World, builddir, freePort, fs, grpc, once, srcdir, waitFor } from './harness.mjs';

const options = {
  keepCase: true, longs: Number, enums: String, defaults: true, oneofs: true,
  includeDirs: [path.join(srcdir, 'proto/idl'), path.join(srcdir, 'tests/fakes'), '/usr/include'],
};
const protocol = grpc.loadPackageDefinition(protoLoader.loadSync('cloudstate/action.proto', options)).cloudstate;
const discovery = grpc.loadPackageDefinition(protoLoader.loadSync('cloudstate/entity.proto', options)).cloudstate;
const types = protoLoader.loadSync('headgate/test/streaming.proto', options)['headgate.test.Streaming'];
const MANY = 10000;
// Not a multiple of the pieces that the transport takes: what is left is between its two water marks.
const BIG = 168 * 1024;

const reply = (message, method = types.List) => ({
  reply: { payload: { type_url: 'type.googleapis.com/headgate.test.Item', value: method.responseSerialize(message) } },
});
const failure = (code, message) => ({ failure: { description: message, status: { code, message } } });

// What the text of the request asks for: "fail" at the end, "hang" instead of an end, "pad" each message.
class Action {
  constructor() {
    this.cancelled = 0;
    this.written = 0;
    this.server = new grpc.Server();
    this.server.addService(discovery.EntityDiscovery.service, {
      discover: (_, done) => done(null, this.describe()),
      reportError: ({ request }, done) => { this.report = request.message; done(null, {}); },
    });
    this.server.addService(protocol.action.ActionProtocol.service, {
      handleUnary: (_, done) => done(null, {}),
      handleStreamedOut: (call) => { this.out(call); },
      handleStreamedIn: (call, done) => { this.in(call, done); },
      handleStreamed: (call) => { this.both(call); },
    });
  }

  describe() {
    return {
      proto: fs.readFileSync(path.join(builddir, 'tests/fakes/gen/test.desc')),
      entities: [{ entity_type: 'cloudstate.action.ActionProtocol', service_name: 'headgate.test.Streaming' }],
      service_info: { service_name: 'js', protocol_major_version: 0, protocol_minor_version: 2 },
    };
  }

  async out(call) {
    const item = types.List.requestDeserialize(call.request.payload.value);
    let gone = false;
    const ended = new Promise((resolve) => { call.on('cancelled', () => { gone = true; this.cancelled += 1; resolve(); }); });
    this.metadata = call.request.metadata?.entries ?? [];
    this.written = 0;
    for (let number = 1; number <= item.number && !gone; number += 1) {
      const text = item.text.includes('big') ? 'x'.repeat(BIG) : item.text.includes('pad') ? 'x'.repeat(1000) : '';
      if (!call.write(reply({ name: item.name, number, text }))) await Promise.race([once(call, 'drain'), ended]);
      this.written = number;
    }
    if (item.text.includes('fail')) call.write(failure(9, 'it failed'));
    if (!gone && !item.text.includes('hang')) call.end();
  }

  in(call, done) {
    let count = 0;
    let first = '';
    let ordered = true;
    call.on('cancelled', () => { this.cancelled += 1; });
    call.on('data', ({ payload }) => {
      if (!payload) return;
      const item = types.Collect.requestDeserialize(payload.value);
      count += 1;
      this.received = count;
      if (count === 1) first = item.name;
      else ordered &&= item.number === count;
    });
    call.on('end', () => done(null, reply({ name: first, number: count, text: ordered ? 'ordered' : 'mixed' }, types.Collect)));
  }

  both(call) {
    call.on('cancelled', () => { this.cancelled += 1; });
    call.on('data', ({ payload }) => {
      if (!payload) return;
      const item = types.Chat.requestDeserialize(payload.value);
      if (!call.write(reply({ ...item, text: 'echo' }, types.Chat))) {
        call.pause();
        call.once('drain', () => call.resume());
      }
    });
    call.on('end', () => call.end());
  }

  async listen(port) {
    await new Promise((resolve, reject) => {
      this.server.bindAsync(`127.0.0.1:${port}`, grpc.ServerCredentials.createInsecure(), (error) => (error ? reject(error) : resolve()));
    });
    return this;
  }
}

// Events as a browser reads them. Spec: HTML Living Standard 9.2.6
function* events(text) {
  for (const block of text.split('\n\n').slice(0, -1)) {
    const event = { type: 'message', data: [], comment: false };
    for (const line of block.split('\n')) {
      if (line.startsWith(':')) event.comment = true;
      else if (line.startsWith('data: ')) event.data.push(line.slice(6));
      else if (line.startsWith('event: ')) event.type = line.slice(7);
    }
    if (event.comment && event.data.length === 0) yield { comment: true };
    else yield { type: event.type, data: JSON.parse(event.data.join('\n')) };
  }
}

describe('streams over JSON', () => {
  const world = new World();
  let action;
  let gateway;

  before(async () => {
    const port = await freePort();
    action = await new Action().listen(port);
    gateway = await world.gateway({ functionPort: port, env: { HEADGATE_HTTP_SSE_HEARTBEAT: '100ms' } });
  });
  after(async () => {
    await world.end();
    action.server.forceShutdown();
  });

  // A request in pieces, over either version: { status, headers, chunks, done }.
  const open1 = (method, target, headers) => {
    const request = http.request(`${gateway.url}${target}`, { method, headers, agent: false });
    const answer = { request, text: '', status: 0 };
    answer.done = new Promise((resolve) => {
      const end = (isWhole) => { answer.isWhole ??= isWhole; resolve(answer); };
      request.on('response', (response) => {
        answer.status = response.statusCode;
        answer.headers = response.headers;
        answer.response = response;
        response.setEncoding('utf8');
        response.on('data', (text) => { answer.text += text; });
        response.on('end', () => end(response.complete));
        response.on('error', () => end(false));
      });
      request.on('error', () => end(false));
    });
    answer.vanish = () => request.destroy();
    return answer;
  };
  const open2 = (method, target, headers) => {
    const session = http2.connect(gateway.url);
    const request = session.request({ ':method': method, ':path': target, ...headers }, { endStream: method === 'GET' });
    const answer = { request, text: '', status: 0, response: request };
    session.on('error', () => {});
    answer.done = new Promise((resolve) => {
      request.setEncoding('utf8');
      request.on('response', (head) => { answer.status = head[':status']; answer.headers = head; });
      request.on('data', (text) => { answer.text += text; });
      request.on('error', () => {});
      request.on('close', () => { answer.isWhole = request.rstCode === 0; session.destroy(); resolve(answer); });
    });
    answer.vanish = () => request.close(http2.constants.NGHTTP2_CANCEL);
    return answer;
  };
  const versions = [['HTTP/1.1', open1], ['HTTP/2', open2]];
  const get = (open, target, accept, headers = {}) => {
    const answer = open('GET', target, { ...(accept ? { accept } : {}), ...headers });
    if (open === open1) answer.request.end();
    return answer;
  };

  for (const [version, open] of versions) {
    it(`${version}: large messages follow one another`, { timeout: 20000 }, async () => {
      const answer = await get(open, '/items/many?number=10&text=big', 'application/x-ndjson').done;
      assert.ok(answer.isWhole);
      const items = answer.text.split('\n').slice(0, -1).map((line) => JSON.parse(line));
      assert.deepEqual(items.map(({ number, text }) => [Number(number), text.length]), Array.from({ length: 10 }, (_, i) => [i + 1, BIG]));
    });

    it(`${version}: large messages follow one another over gRPC-Web`, { timeout: 20000 }, async () => {
      const message = types.List.requestSerialize({ name: 'many', number: 10, text: 'big' });
      const head = Buffer.alloc(5);
      head.writeUInt32BE(message.length, 1);
      const answer = open('POST', '/headgate.test.Streaming/List', { 'content-type': 'application/grpc-web+proto' });
      answer.request.end(Buffer.concat([head, message]));
      await answer.done;
      assert.ok(answer.isWhole);
      assert.equal(answer.text.split('x'.repeat(BIG)).length, 10 + 1);
      assert.match(answer.text, /grpc-status: ?0/);
    });

    it(`${version}: every framing brings ${MANY} messages whole and in order`, async () => {
      const parsers = {
        'application/json': (text) => JSON.parse(text),
        'application/x-ndjson': (text) => text.split('\n').slice(0, -1).map((line) => JSON.parse(line)),
        'text/event-stream': (text) => [...events(text)].filter((event) => !event.comment).map((event) => event.data),
      };
      for (const [type, parse] of Object.entries(parsers)) {
        const answer = await get(open, `/items/many?number=${MANY}`, type).done;
        assert.equal(answer.status, 200);
        assert.equal(answer.headers['content-type'], type);
        assert.ok(answer.isWhole);
        const items = parse(answer.text);
        assert.equal(items.length, MANY);
        items.forEach((item, i) => assert.equal(Number(item.number), i + 1));
      }
    });

    it(`${version}: q-values choose, and 406 when none fits`, async () => {
      for (const [accept, type] of [
        [undefined, 'application/json'],
        ['*/*', 'application/json'],
        ['text/html, */*;q=0.1', 'application/json'],
        ['application/json;q=0.4, text/event-stream;q=0.5', 'text/event-stream'],
        ['application/json;q=0.4, application/jsonl', 'application/jsonl'],
      ]) assert.equal((await get(open, '/items/q?number=1', accept).done).headers['content-type'], type);
      const answer = await get(open, '/items/q?number=1', 'text/html, application/xml').done;
      assert.equal(answer.status, 406);
      assert.equal(JSON.parse(answer.text).code, 3);
    });

    it(`${version}: a failure before the first message has its status, after it stands in the body`, async () => {
      const status = { code: 9, message: 'it failed', details: [] };
      for (const type of ['application/json', 'application/x-ndjson', 'text/event-stream']) {
        const answer = await get(open, '/items/f?text=fail', type).done;
        assert.equal(answer.status, 400);
        assert.deepEqual(JSON.parse(answer.text), status);
      }
      const lines = (await get(open, '/items/f?number=2&text=fail', 'application/x-ndjson').done).text.split('\n');
      assert.deepEqual(JSON.parse(lines[2]), { error: status });
      const seen = [...events((await get(open, '/items/f?number=2&text=fail', 'text/event-stream').done).text)];
      assert.deepEqual(seen.at(-1), { type: 'error', data: status });
      const array = await get(open, '/items/f?number=2&text=fail', 'application/json').done;
      assert.equal(array.isWhole, false);
      assert.equal(array.text, '[{"name":"f","number":"1","text":""},{"name":"f","number":"2","text":""}');
    });

    it(`${version}: heartbeats on an idle stream, and the call is cancelled when the client vanishes`, async () => {
      const before = action.cancelled;
      const answer = get(open, '/items/h?number=1&text=hang', 'text/event-stream', { 'last-event-id': '41' });
      await waitFor('two heartbeats', () => answer.text.split(':\n\n').length >= 3);
      assert.equal(answer.headers['cache-control'], 'no-store');
      assert.equal(answer.headers['x-accel-buffering'], 'no');
      assert.ok(action.metadata.some((entry) => entry.key === 'last-event-id' && entry.string_value === '41'));
      answer.vanish();
      await waitFor('the cancellation', () => action.cancelled === before + 1);
      await answer.done;
    });

    it(`${version}: a slow reader costs no memory and loses nothing`, async (t) => {
      const rss = () => Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${gateway.pid}/status`, 'utf8'))[1]);
      const total = 40000; // messages of 1 KB
      const idle = rss();
      const answer = get(open, `/items/slow?number=${total}&text=pad`, 'application/x-ndjson');
      await waitFor('the head', () => answer.response && answer.status === 200);
      answer.response.pause();
      let last = -1;
      await waitFor('the function to stop', async () => {
        if (action.written === last) return true;
        last = action.written;
        await new Promise((resolve) => { setTimeout(resolve, 200); });
        return false;
      });
      assert.ok(action.written < total / 2, `${action.written} messages were written`);
      const more = rss() - idle;
      t.diagnostic(`${more} KiB more, ${action.written} messages written`);
      // A sanitizer keeps what was freed.
      if (!process.env.HEADGATE_SANITIZED) assert.ok(more < 8 * 1024, `${more} KiB more`);
      answer.response.resume();
      await answer.done;
      assert.ok(answer.isWhole);
      assert.equal(answer.text.split('\n').length - 1, total);
    });

    it(`${version}: ${MANY} messages of a client stream, as array and as lines, in odd pieces`, async () => {
      const items = Array.from({ length: MANY }, (_, i) => JSON.stringify(i ? { number: i + 1 } : { number: 1, text: 'first' }));
      for (const [type, text] of [['application/json', `[${items.join(',\n')}]`], ['application/x-ndjson', `${items.join('\n')}\n`]]) {
        const answer = open('POST', '/collected/me', { 'content-type': type });
        for (let at = 0; at < text.length; at += 7919) answer.request.write(text.slice(at, at + 7919));
        answer.request.end();
        await answer.done;
        assert.equal(answer.status, 200, answer.text);
        assert.deepEqual(JSON.parse(answer.text), { name: 'me', number: String(MANY), text: 'ordered' });
      }
    });

    it(`${version}: a message is the function's at once, and a bad one after it cancels`, async () => {
      const before = action.cancelled;
      const answer = open('POST', '/collected/me', { 'content-type': 'application/json' });
      answer.request.write('[{"number":"1"}');
      await waitFor('the first message', () => action.received === 1);
      answer.request.write(',{"number":2}');
      await waitFor('the second message', () => action.received === 2);
      answer.request.end(',{"number":[]}]');
      await answer.done;
      assert.equal(answer.status, 400);
      assert.equal(JSON.parse(answer.text).details[0].fieldViolations[0].field, 'number');
      await waitFor('the cancellation', () => action.cancelled === before + 1);
    });

    it(`${version}: an empty stream is legal`, async () => {
      const answer = open('POST', '/collected/me', { 'content-type': 'application/json' });
      answer.request.end('[]');
      await answer.done;
      assert.deepEqual(JSON.parse(answer.text), { name: '', number: '0', text: 'ordered' });
    });

    it(`${version}: ${MANY} messages both ways`, async () => {
      const answer = open('POST', '/chat/me', { 'content-type': 'application/x-ndjson', accept: 'application/x-ndjson' });
      for (let number = 1; number <= MANY; number += 1) {
        const line = JSON.stringify({ number, ...(number > 1 ? { name: 'n' } : {}) });
        if (!answer.request.write(`${line}\n`)) await once(answer.request, 'drain');
      }
      answer.request.end();
      await answer.done;
      assert.ok(answer.isWhole);
      const lines = answer.text.split('\n').slice(0, -1).map((line) => JSON.parse(line));
      assert.equal(lines.length, MANY);
      lines.forEach((item, i) => assert.equal(Number(item.number), i + 1));
    });
  }

  it('HTTP/2: a conversation, one message after the other', async () => {
    const answer = open2('POST', '/chat/me', { 'content-type': 'application/x-ndjson', accept: 'text/event-stream' });
    for (let number = 1; number <= 5; number += 1) {
      answer.request.write(`{"number":${number}${number > 1 ? ',"name":"n"' : ''}}\n`);
      await waitFor('the echo', () => [...events(answer.text)].filter((event) => !event.comment).length === number);
    }
    answer.request.end();
    await answer.done;
    assert.ok(answer.isWhole);
  });

  it('curl --no-buffer sees each message as it comes', async () => {
    const child = spawn('curl', ['-sS', '--no-buffer', '-H', 'Accept: application/x-ndjson', `${gateway.url}/items/c?number=2&text=hang`]);
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (chunk) => { text += chunk; });
    await waitFor('two lines', () => text.split('\n').length === 3);
    const before = action.cancelled;
    child.kill();
    await waitFor('the cancellation', () => action.cancelled === before + 1);
  });

  it('X-Server-Timeout bounds a stream', async () => {
    const answer = await get(open1, '/items/t?number=1&text=hang', 'application/x-ndjson', { 'x-server-timeout': '0.2' }).done;
    assert.equal(JSON.parse(answer.text.split('\n')[1]).error.code, 4);
  });

  it('Expect: 100-continue is answered before the body, and not when the head is refused', async () => {
    const ask = (type) => new Promise((resolve) => {
      const socket = net.connect(gateway.port, '127.0.0.1');
      let text = '';
      socket.setEncoding('latin1').on('data', (chunk) => {
        text += chunk;
        if (text.includes('100 Continue\r\n\r\n') && !socket.sent) {
          socket.sent = true;
          socket.write('2\r\n[]\r\n0\r\n\r\n');
        }
      });
      socket.on('close', () => resolve(text));
      socket.on('error', () => {});
      socket.write(`POST /collected/me HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Type: ${type}\r\n`
        + 'Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n');
    });
    assert.match(await ask('application/json'), /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 /);
    assert.match(await ask('text/csv'), /^HTTP\/1\.1 415 /);
  });

  it('HTTP/2: 100 comes when the body is wanted, and not when the head is refused', async () => {
    for (const [type, want] of [['application/json', [true, 200]], ['text/csv', [false, 415]]]) {
      const answer = open2('POST', '/collected/me', { 'content-type': type, expect: '100-continue' });
      let isAsked = false;
      answer.request.on('continue', () => { isAsked = true; answer.request.end('[]'); });
      // A refused stream is not closed by the server before a while; the client does.
      answer.request.on('response', () => { if (!isAsked) answer.request.end(); });
      await answer.done;
      assert.deepEqual([isAsked, answer.status], want);
    }
  });

  it('HTTP/1.1: a failure is heard in the middle of the body', async () => {
    const answer = open1('POST', '/collected/me', { 'content-type': 'application/x-ndjson' });
    answer.request.write('{"number":1}\n{"number":true}\n');
    await answer.done;
    assert.equal(answer.status, 400);
    assert.match(JSON.parse(answer.text).message, /^message 2 of the stream: /);
  });
});

// Actions end to end over gRPC: four shapes, order, back-pressure, cancellation both ways, deadlines,
// metadata, failures, many calls at once. The function does what its messages say.
import assert from 'node:assert/strict';
import http2 from 'node:http2';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { World, call, grpc, metric, srcdir, waitFor } from './harness.mjs';

const { status } = grpc;

// Collects a server stream: messages, headers, and how it ended.
function collect(stream) {
  const messages = [];
  let headers;
  return new Promise((resolve) => {
    let error;
    stream.on('metadata', (metadata) => { headers = metadata; });
    stream.on('data', (message) => messages.push(message));
    stream.on('error', (e) => { error = e; });
    stream.on('status', (end) => resolve({ messages, headers, end, error }));
  });
}

// Writes all messages and waits for room each time there is none.
async function writeAll(stream, messages) {
  for (const message of messages) {
    if (!stream.write(message)) await new Promise((resolve) => { stream.once('drain', resolve); });
  }
}

describe('actions', () => {
  const world = new World();
  let fn;
  let gateway;
  let client;

  const newClient = (gw) => world.client(gw, path.join(srcdir, 'tests/fakes/headgate/test/action.proto'),
    'headgate.test.Actions', [path.join(srcdir, 'tests/fakes')]);
  const counters = async (of = client) => {
    const counted = await call(of, 'Count', {});
    return Object.fromEntries(Object.entries(counted).map(([name, value]) => [name, Number(value)]));
  };
  const cancelledMoreThan = (before) => waitFor('the function to hear of it', async () => {
    const now = await counters();
    return now.cancelled > before.cancelled && now.active <= before.active;
  });

  before(async () => {
    fn = await world.testFunction();
    gateway = await world.gateway({ functionPort: fn.port });
    client = newClient(gateway);
  });
  after(() => world.end());

  it('a unary call is answered', async () => {
    const reply = await call(client, 'Unary', { text: 'hello' });
    assert.equal(reply.text, 'hello');
    assert.equal(reply.number, '1');
  });

  it('a client stream is collected into one answer, also an empty one', async () => {
    const send = (messages) => new Promise((resolve, reject) => {
      const stream = client.Collect((error, reply) => (error ? reject(error) : resolve(reply)));
      writeAll(stream, messages).then(() => stream.end(), reject);
    });
    const reply = await send(Array.from({ length: 5 }, (_, n) => ({ text: `m${n}` })));
    assert.equal(reply.messages, '5');
    assert.equal(reply.text, 'm4');
    assert.equal((await send([])).messages, '0');
  });

  it('a server stream has its messages in order, also none', async () => {
    const { messages, end } = await collect(client.Expand({ text: 'x', replies: 10000 }));
    assert.equal(end.code, status.OK);
    assert.equal(messages.length, 10000);
    messages.forEach((message, n) => assert.equal(message.number, String(n + 1)));
    const none = await collect(client.Expand({ replies: 0 }));
    assert.equal(none.end.code, status.OK);
    assert.equal(none.messages.length, 0);
  });

  it('10,000 messages go both ways in order', async () => {
    const stream = client.Chat();
    const done = collect(stream);
    await writeAll(stream, (function* all() { for (let n = 0; n < 10000; n += 1) yield { text: `t${n}` }; }()));
    stream.end();
    const { messages, end } = await done;
    assert.equal(end.code, status.OK);
    assert.equal(messages.length, 10000);
    messages.forEach((message, n) => {
      assert.equal(message.text, `t${n}`);
      assert.equal(message.messages, String(n + 1));
    });
  });

  it('a conversation goes back and forth while both sides are open', async () => {
    const stream = client.Chat();
    const heard = [];
    const done = collect(stream);
    stream.on('data', (message) => {
      heard.push(message.text);
      if (heard.length < 20) stream.write({ text: `turn ${heard.length}` });
      else stream.end();
    });
    stream.write({ text: 'turn 0' });
    const { end } = await done;
    assert.equal(end.code, status.OK);
    assert.deepEqual(heard, Array.from({ length: 20 }, (_, n) => `turn ${n}`));
  });

  it('large messages pass both ways', async () => {
    const padding = Buffer.alloc(3 << 20, 7);
    const stream = client.Chat();
    const done = collect(stream);
    await writeAll(stream, [{ text: 'a', padding, reply_bytes: 3 << 20 }, { text: 'b', padding, reply_bytes: 1 }]);
    stream.end();
    const { messages, end } = await done;
    assert.equal(end.code, status.OK, end.details);
    assert.equal(messages[0].padding.length, 3 << 20);
    assert.equal(messages[1].messages, '2');
  });

  it('a message above the limit is RESOURCE_EXHAUSTED', async () => {
    const { end } = await collect(client.Expand({ replies: 2, reply_bytes: 13 << 20 }));
    assert.equal(end.code, status.RESOURCE_EXHAUSTED);
    await assert.rejects(call(client, 'Unary', { padding: Buffer.alloc(5 << 20) }),
      (error) => error.code === status.RESOURCE_EXHAUSTED);
  });

  // grpc-js reads on whether or not anybody listens, so the slow client is one of HTTP/2 alone, where
  // nobody reads until told to.
  it('a client that does not read holds the function back, and others are served meanwhile', async () => {
    const before = await counters();
    const memory = await metric(gateway, 'headgate_memory_allocated_bytes');
    const session = http2.connect(gateway.url);
    const request = client.Expand.requestSerialize({ replies: 100000, reply_bytes: 10000 }); // 1 GB
    const frame = Buffer.alloc(5 + request.length);
    frame.writeUInt32BE(request.length, 1);
    request.copy(frame, 5);
    const stream = session.request({
      ':method': 'POST', ':path': client.Expand.path, 'content-type': 'application/grpc', te: 'trailers',
    });
    stream.on('error', () => {});
    stream.end(frame);
    let results = -1;
    await waitFor('the function to stand still', async () => {
      const now = (await counters()).results - before.results;
      const stands = now > 0 && now === results;
      results = now;
      if (!stands) await new Promise((resolve) => { setTimeout(resolve, 200); });
      return stands;
    });
    assert.ok(results < 200, `${results} results of 10 kB are on their way`);
    assert.ok(await metric(gateway, 'headgate_action_holds_total', { direction: 'reply' }) >= 1);
    assert.ok(await metric(gateway, 'headgate_memory_allocated_bytes') - memory < 4 << 20);
    assert.equal((await call(client, 'Unary', { text: 'meanwhile' })).text, 'meanwhile');
    // and goes on where it stopped
    let bytes = 0;
    await new Promise((resolve) => {
      stream.on('data', (chunk) => {
        bytes += chunk.length;
        if (bytes > 20e6) resolve();
      });
    });
    stream.close(http2.constants.NGHTTP2_CANCEL);
    await cancelledMoreThan(before);
    session.destroy();
  });

  it('a function that does not read holds the client back', async () => {
    const before = await metric(gateway, 'headgate_action_messages_total', { direction: 'request' });
    const stream = client.Collect(() => {});
    stream.on('error', () => {});
    stream.write({ delay_ms: 1500 });
    const padding = Buffer.alloc(100000);
    for (let n = 0; n < 200; n += 1) stream.write({ padding });
    await waitFor('the gateway to stop reading', async () =>
      (await metric(gateway, 'headgate_action_holds_total', { direction: 'request' })) >= 1);
    const passed = await metric(gateway, 'headgate_action_messages_total', { direction: 'request' });
    assert.ok(passed - before < 100, `${passed - before} of 200 messages were passed on`);
    stream.cancel();
  });

  const shapes = {
    Unary: () => call(client, 'Unary', { misbehave: 'HANG_CALL' }, { deadline: Date.now() + 60000 }),
    Collect: () => {
      const stream = client.Collect(() => {});
      stream.on('error', () => {});
      stream.write({ misbehave: 'HANG_CALL' });
      return stream;
    },
    Expand: () => {
      const stream = client.Expand({ replies: -1, delay_ms: 10 });
      stream.on('error', () => {});
      stream.on('data', () => {});
      return stream;
    },
    Chat: () => {
      const stream = client.Chat();
      stream.on('error', () => {});
      stream.write({ misbehave: 'HANG_CALL' });
      return stream;
    },
  };
  for (const [name, start] of Object.entries(shapes)) {
    it(`${name}: a client that cancels reaches the function`, async () => {
      const before = await counters();
      let cancel;
      if (name === 'Unary') {
        const stream = client.Unary({ misbehave: 'HANG_CALL' }, () => {});
        cancel = () => stream.cancel();
      } else {
        const stream = start();
        cancel = () => stream.cancel();
      }
      await waitFor('the call to begin', async () => (await counters()).active > before.active);
      cancel();
      await cancelledMoreThan(before);
    });
  }

  it('a connection that is lost cancels its calls', async () => {
    const before = await counters();
    const other = newClient(gateway);
    const stream = other.Expand({ replies: -1, delay_ms: 10 });
    stream.on('error', () => {});
    await new Promise((resolve) => { stream.once('data', resolve); });
    other.close();
    stream.cancel();
    await cancelledMoreThan(before);
  });

  it('a deadline ends the call on both sides', async () => {
    const before = await counters();
    const began = Date.now();
    const { end } = await collect(client.Expand({ replies: -1, delay_ms: 20 }, { deadline: Date.now() + 300 }));
    assert.equal(end.code, status.DEADLINE_EXCEEDED);
    assert.ok(Date.now() - began < 5000);
    await cancelledMoreThan(before);
    await assert.rejects(call(client, 'Unary', { misbehave: 'HANG_CALL' }, { deadline: Date.now() + 200 }),
      (error) => error.code === status.DEADLINE_EXCEEDED);
  });

  it('the metadata of a call reaches the function', async () => {
    const metadata = new grpc.Metadata();
    metadata.add('x-text', 'one');
    metadata.add('x-text', 'two');
    metadata.add('x-raw-bin', Buffer.from([0, 255, 10]));
    metadata.add('headgate-secret', 'not for functions');
    const seen = (reply) => (key) => reply.metadata.filter((entry) => entry.key === key);
    const check = (of) => {
      assert.deepEqual(of('x-text').map((entry) => entry.text), ['one', 'two']);
      assert.deepEqual(of('x-raw-bin').map((entry) => [...entry.raw]), [[0, 255, 10]]);
      assert.equal(of('user-agent').length, 1);
      for (const key of ['content-type', 'te', 'grpc-timeout', 'headgate-secret', ':path']) assert.equal(of(key).length, 0, key);
    };
    check(seen(await new Promise((resolve, reject) => {
      client.Unary({ show_metadata: true }, metadata, (error, reply) => (error ? reject(error) : resolve(reply)));
    })));
    const stream = client.Chat(metadata);
    const done = collect(stream);
    stream.write({ show_metadata: true });
    stream.end();
    check(seen((await done).messages[0]));
  });

  it('the metadata of the first reply becomes headers, filtered', async () => {
    const headers = [
      { key: 'X-Text', text: 'one' }, { key: 'x-text', text: 'two' }, { key: 'x-raw-bin', raw: Buffer.from([0, 255]) },
      { key: 'content-type', text: 'text/evil' }, { key: 'grpc-status', text: '7' }, { key: 'x-line', text: 'a\r\nb: c' },
    ];
    const check = (metadata) => {
      // clients join repeated text values as HTTP has it
      assert.equal(metadata.get('x-text').join(', '), 'one, two');
      assert.deepEqual(metadata.get('x-raw-bin').map((value) => [...value]), [[0, 255]]);
      assert.deepEqual(metadata.get('x-line'), []);
    };
    const unary = await new Promise((resolve, reject) => {
      client.Unary({ headers }, (error) => error && reject(error)).on('metadata', resolve);
    });
    check(unary);
    const { headers: streamed, messages, end } = await collect(client.Expand({ replies: 3, headers }));
    assert.equal(end.code, status.OK);
    assert.equal(messages.length, 3);
    check(streamed);
  });

  // request, code, text, messages before
  const failures = [
    ['Unary', { fail: 'no', fail_code: 5 }, status.NOT_FOUND, 'no', 0],
    ['Unary', { fail: 'no way äö' }, status.UNKNOWN, 'no way äö', 0],
    ['Unary', { misbehave: 'ABORT_CALL' }, status.INTERNAL, /aborted/, 0],
    ['Unary', { misbehave: 'END_CALL' }, status.INTERNAL, /without an answer/, 0],
    ['Unary', { misbehave: 'ONLY_EFFECT' }, status.INTERNAL, /without a payload/, 0],
    ['Unary', { misbehave: 'GARBAGE_RESPONSE' }, status.INTERNAL, /malformed/, 0],
    ['Unary', { forward: 'Unary' }, status.INTERNAL, /^10 forwards and side effects in a row: /, 0],
    ['Unary', { forward: 'Expand' }, status.INTERNAL, /answers with a stream/, 0],
    ['Unary', { forward: 'None' }, status.INTERNAL, 'Service [headgate.test.Actions] does not have a command named: [None]', 0],
    ['Expand', { replies: 10, fail: 'at once', fail_code: 9 }, status.FAILED_PRECONDITION, 'at once', 0],
    ['Expand', { replies: 10, fail: 'after five', fail_after: 5, fail_code: 8 }, status.RESOURCE_EXHAUSTED, 'after five', 5],
    ['Expand', { misbehave: 'ABORT_CALL' }, status.INTERNAL, /aborted/, 0],
    ['Expand', { misbehave: 'GARBAGE_RESPONSE' }, status.INTERNAL, /malformed/, 0],
    ['Chat', { replies: 2, fail: 'later', fail_after: 4, fail_code: 10 }, status.ABORTED, 'later', 4],
    ['Chat', { misbehave: 'ABORT_CALL' }, status.INTERNAL, /aborted/, 0],
    ['Collect', { fail: 'in between', fail_code: 3 }, status.INVALID_ARGUMENT, 'in between', 0],
    ['Collect', { misbehave: 'ABORT_CALL' }, status.INTERNAL, /aborted/, 0],
  ];
  for (const [method, request, code, text, count] of failures) {
    it(`${method} ${JSON.stringify(request)} fails with ${status[code]}`, async () => {
      let end;
      let messages = [];
      if (method === 'Unary') {
        end = await call(client, 'Unary', request).then(() => assert.fail('no error'), (error) => error);
      } else if (method === 'Collect') {
        end = await new Promise((resolve) => {
          const stream = client.Collect((error) => resolve(error));
          stream.on('error', () => {});
          stream.write({ text: 'first' });
          stream.write(request); // and the client would go on
        });
      } else if (method === 'Chat') {
        const stream = client.Chat();
        const done = collect(stream);
        for (let n = 0; n < 3; n += 1) stream.write(request);
        ({ messages, end } = await done);
      } else {
        ({ messages, end } = await collect(client.Expand(request)));
      }
      assert.equal(end.code, code, end.details);
      if (typeof text === 'string') assert.equal(end.details, text);
      else assert.match(end.details, text);
      assert.equal(messages.length, count);
    });
  }

  it('a side effect runs beside the reply', async () => {
    const started = { kind: 'effect', outcome: 'started' };
    const before = await metric(gateway, 'headgate_followups_total', started);
    assert.equal((await call(client, 'Unary', { text: 'x', effect: 'Unary' })).text, 'x');
    // the effect asks for itself again, ten times in a row at the most
    await waitFor('the last of the chain', async () => (await metric(gateway, 'headgate_followups_total', started)) >= before + 10);
    await waitFor('the report', () => fn.lines.some((line) => /10 forwards and side effects in a row: \[Unary\]/.test(line)));
    assert.equal(await metric(gateway, 'headgate_followups_total', started), before + 10);
  });

  it('a unary call that the function answers late is waited for', async () => {
    assert.equal((await call(client, 'Unary', { text: 'late', delay_ms: 200 })).text, 'late');
  });

  it('500 conversations at once', async () => {
    await waitFor('earlier calls to be over', async () => (await metric(gateway, 'headgate_action_calls_active')) === 0);
    const before = await counters();
    const talks = Array.from({ length: 500 }, (_, n) => {
      const stream = client.Chat();
      const done = collect(stream);
      stream.write({ text: `talk ${n}` });
      return { stream, done };
    });
    await waitFor('all to be open', async () => (await counters()).active >= before.active + 500);
    assert.ok(await metric(gateway, 'headgate_action_calls_active') >= 500);
    for (const { stream } of talks) {
      stream.write({ text: 'second', replies: 3 });
      stream.end();
    }
    const ends = await Promise.all(talks.map(({ done }) => done));
    ends.forEach(({ messages, end }, n) => {
      assert.equal(end.code, status.OK);
      assert.deepEqual(messages.map((message) => message.text), [`talk ${n}`, 'second', 'second', 'second']);
    });
    await waitFor('all to be gone', async () => (await metric(gateway, 'headgate_action_calls_active')) === 0);
  });
});

describe('actions and a function that comes and goes', () => {
  const world = new World();
  after(() => world.end());
  const newClient = (gw) => world.client(gw, path.join(srcdir, 'tests/fakes/headgate/test/action.proto'),
    'headgate.test.Actions', [path.join(srcdir, 'tests/fakes')]);

  it('a function that dies is UNAVAILABLE, and serves again when it is back', async () => {
    const fn = await world.testFunction();
    const gateway = await world.gateway({ functionPort: fn.port });
    const client = newClient(gateway);
    const chat = client.Chat();
    const talk = collect(chat);
    const expand = client.Expand({ replies: -1, delay_ms: 5 });
    const stream = collect(expand);
    chat.write({ text: 'x' });
    await new Promise((resolve) => { expand.once('data', resolve); });
    await fn.kill('SIGKILL');
    assert.equal((await talk).end.code, status.UNAVAILABLE);
    assert.equal((await stream).end.code, status.UNAVAILABLE);
    await assert.rejects(call(client, 'Unary', { text: 'nobody' }), (error) => error.code === status.UNAVAILABLE);
    await world.testFunction({ PORT: String(fn.port) });
    await waitFor('the function to be back', async () => (await fetch(`${gateway.admin}/ready`)).status === 200);
    assert.equal((await call(client, 'Unary', { text: 'again' })).text, 'again');
  });

  it('a stream without an end is cut when the grace of a shutdown is over', async () => {
    const fn = await world.testFunction();
    const gateway = await world.gateway({ functionPort: fn.port, env: { HEADGATE_SHUTDOWN_GRACE: '300ms', JOURNAL_URL: `embedded:${path.join(world.dir, 'third')}` } });
    const expand = newClient(gateway).Expand({ replies: -1, delay_ms: 5 });
    const stream = collect(expand);
    await new Promise((resolve) => { expand.once('data', resolve); });
    const began = Date.now();
    await gateway.kill('SIGTERM');
    assert.ok(Date.now() - began < 5000);
    assert.ok([status.UNAVAILABLE, status.CANCELLED].includes((await stream).end.code));
  });

  it('the limit of calls is RESOURCE_EXHAUSTED with a time to try again', async () => {
    const fn = await world.testFunction();
    const gateway = await world.gateway({ functionPort: fn.port, env: { HEADGATE_ACTION_MAX_CALLS: '2', JOURNAL_URL: `embedded:${path.join(world.dir, 'other')}` } });
    const client = newClient(gateway);
    const streams = [0, 1].map(() => {
      const stream = client.Expand({ replies: -1, delay_ms: 10 });
      stream.on('error', () => {});
      return stream;
    });
    await Promise.all(streams.map((stream) => new Promise((resolve) => { stream.once('data', resolve); })));
    await assert.rejects(call(client, 'Unary', {}), (error) => error.code === status.RESOURCE_EXHAUSTED
      && error.metadata.get('grpc-status-details-bin').length === 1);
    assert.equal(await metric(gateway, 'headgate_action_calls_refused_total'), 1);
    streams[0].cancel();
    await waitFor('room', () => call(client, 'Unary', { text: 'fits' }).then(() => true, () => false));
    streams[1].cancel();
    await waitFor('all to be gone', async () => (await metric(gateway, 'headgate_action_calls_active')) === 0);
  });
});

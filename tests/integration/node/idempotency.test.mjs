// Commands with an idempotency key are executed once: over JSON, gRPC and gRPC-Web, for both kinds of entities, at
// once and one after the other, over restarts, crashes at the worst moment, and several gateways.
import assert from 'node:assert/strict';
import net from 'node:net';
import { it } from 'node:test';
import { World, call, curl, freePort, grpc, metric, path, redisCommand, srcdir, waitFor } from './harness.mjs';

const includeDirs = [path.join(srcdir, 'tests/fakes')];
const proto = (name) => path.join(srcdir, `tests/fakes/headgate/test/${name}.proto`);

async function withGateway(body, env = {}) {
  const world = new World();
  try {
    const fn = await world.testFunction();
    const gateway = await world.gateway({ functionPort: fn.port, env });
    await body({ world, fn, gateway });
  } finally {
    await world.end();
  }
}

const post = (gateway, target, body, ...headers) => curl('-X', 'POST', '-H', 'Content-Type: application/json',
  ...headers.flatMap((header) => ['-H', header]), '-d', JSON.stringify(body), `${gateway.url}${target}`);
const keyed = (gateway, target, body, key) => post(gateway, target, body, `Idempotency-Key: ${key}`);
const isReplayed = (answer) => answer.headers['idempotency-replayed'] === 'true';
const good = async (promise) => {
  const answer = await promise;
  assert.equal(answer.status, 200, answer.body);
  return answer;
};

// One write, and how many there were.
const KINDS = {
  'event sourced': {
    target: (id) => `/test/${id}`, write: { emit: 1, text: 'a' }, other: { emit: 2, text: 'a' },
    count: async (gateway, id) => Number(JSON.parse((await good(post(gateway, `/test/${id}`, {}))).body).count),
  },
  value: {
    target: (id) => `/register/${id}`, write: { add: 1, text: 'a' }, other: { add: 2, text: 'a' },
    count: async (gateway, id) => Number(JSON.parse((await good(curl(`${gateway.url}/register/${id}`))).body).count),
  },
};

for (const [kind, { target, write, other, count }] of Object.entries(KINDS)) {
  it(`${kind}: the same key twice is one command with one answer`, () => withGateway(async ({ gateway }) => {
    const first = await good(keyed(gateway, target('a'), write, '"key 1"'));
    assert.equal(first.headers['headgate-entity-seq'], '1');
    assert.ok(!('idempotency-replayed' in first.headers));
    for (const key of ['"key 1"', 'key 1']) { // a string, and a bare one
      const again = await good(keyed(gateway, target('a'), write, key));
      assert.equal(again.body, first.body);
      assert.equal(again.headers['headgate-entity-seq'], '1');
      assert.ok(isReplayed(again));
    }
    const plain = await good(post(gateway, target('a'), write));
    assert.equal(plain.headers['headgate-entity-seq'], '2', 'without a key, too');
    assert.equal(await count(gateway, 'a'), 2);
    assert.ok(!isReplayed(await good(keyed(gateway, target('b'), write, '"key 1"'))), 'another entity');
    assert.equal(await metric(gateway, 'headgate_commands_recalled_total', { outcome: 'replayed' }), 2);
  }));

  it(`${kind}: twenty at once`, () => withGateway(async ({ gateway }) => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => good(keyed(gateway, target('a'), write, 'k'))));
    assert.equal(new Set(answers.map(({ body }) => body)).size, 1);
    assert.equal(answers.filter(isReplayed).length, 19);
    assert.equal(await count(gateway, 'a'), 1);
  }));

  it(`${kind}: another request with the same key is 422`, () => withGateway(async ({ gateway }) => {
    await good(keyed(gateway, target('a'), write, 'k'));
    const answer = await keyed(gateway, target('a'), other, 'k');
    assert.equal(answer.status, 422);
    const { code, message, details } = JSON.parse(answer.body);
    assert.equal(code, grpc.status.FAILED_PRECONDITION);
    assert.equal(message, 'The idempotency key was used for another request');
    assert.deepEqual(details, [{ '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: 'IDEMPOTENCY_KEY_REUSED', domain: 'headgate' }]);
    assert.equal(await count(gateway, 'a'), 1);
    assert.equal(await metric(gateway, 'headgate_commands_recalled_total', { outcome: 'reused' }), 1);
  }));

  it(`${kind}: over a restart of the gateway`, () => withGateway(async ({ world, fn, gateway }) => {
    const first = await good(keyed(gateway, target('a'), write, 'k'));
    await good(keyed(gateway, target('a'), write, 'other'));
    await gateway.kill('SIGTERM');
    const next = await world.gateway({ functionPort: fn.port });
    const again = await good(keyed(next, target('a'), write, 'k'));
    assert.ok(isReplayed(again));
    assert.equal(again.body, first.body);
    assert.equal((await keyed(next, target('a'), other, 'k')).status, 422);
    assert.equal(await count(next, 'a'), 2);
    assert.equal(await metric(next, 'headgate_dedupe_windows_read_total'), 1, 'once for all');
  }));

  it(`${kind}: the gateway is killed between append and reply`, async () => {
    const world = new World();
    try {
      const redis = await world.redis();
      const fn = await world.testFunction();
      const proxy = await holding(path.join(world.dir, 'proxy.sock'), redis.socket, 'the-key');
      const gateway = await world.gateway({ functionPort: fn.port, env: { JOURNAL_URL: `unix:${proxy.socket}` } });
      const lost = keyed(gateway, target('a'), write, 'the-key').catch(() => 'lost');
      await waitFor('the append', () => proxy.isHeld);
      assert.ok(await redisCommand(redis.socket, 'EXISTS', ...await keysOf(redis, '*:h:*/a')) === '1', 'durable');
      await gateway.kill('SIGKILL');
      assert.equal(await lost, 'lost');
      proxy.close();
      const next = await world.gateway({ functionPort: fn.port, env: { JOURNAL_URL: `unix:${redis.socket}` } });
      const again = await good(keyed(next, target('a'), write, 'the-key'));
      assert.ok(isReplayed(again));
      assert.equal(again.headers['headgate-entity-seq'], '1');
      assert.equal(await count(next, 'a'), 1);
    } finally {
      await world.end();
    }
  });

  it(`${kind}: two gateways, one of which owns the entity`, () => withTwo(async ({ gateways }) => {
    for (let i = 0; i < 6; i += 1) {
      const first = await good(keyed(gateways[i % 2], target(`e${i}`), write, 'k'));
      const again = await good(keyed(gateways[(i + 1) % 2], target(`e${i}`), write, 'k'));
      assert.ok(!isReplayed(first) && isReplayed(again));
      assert.equal(again.body, first.body);
      assert.equal(again.headers['headgate-entity-seq'], '1');
      assert.equal((await keyed(gateways[i % 2], target(`e${i}`), other, 'k')).status, 422);
      assert.equal(await count(gateways[i % 2], `e${i}`), 1);
    }
  }));

  it(`${kind}: two gateways that do not reach each other`, () => withTwo(async ({ gateways }) => {
    for (let i = 0; i < 5; i += 1) {
      // UNAVAILABLE is what a gateway says that shall not fight for an entity: come again
      const once = async (gateway) => {
        for (;;) {
          const answer = await keyed(gateway, target(`e${i}`), write, 'k');
          if (answer.status !== 503) return good(answer);
        }
      };
      const answers = await Promise.all(Array.from({ length: 8 }, (_, n) => once(gateways[n % 2])));
      assert.equal(new Set(answers.map(({ body }) => body)).size, 1);
      assert.equal(answers.filter((answer) => !isReplayed(answer)).length, 1);
      for (const answer of answers) assert.equal(answer.headers['headgate-entity-seq'], '1');
    }
  }, false));
}

const keysOf = (redis, pattern) => redisCommand(redis.socket, 'KEYS', pattern);

// A way to Redis that keeps its answers for itself from the moment a write with that text has passed.
async function holding(socket, target, text) {
  const proxy = { socket, isHeld: false };
  const sockets = [];
  const server = net.createServer((client) => {
    const redis = net.connect(target);
    let isHolding = false;
    sockets.push(client, redis);
    client.on('data', (data) => {
      isHolding ||= data.includes(text);
      redis.write(data);
    });
    redis.on('data', (data) => {
      if (isHolding) proxy.isHeld = true;
      else client.write(data);
    });
    for (const [one, other] of [[client, redis], [redis, client]]) {
      one.on('error', () => other.destroy());
      one.on('close', () => other.destroy());
    }
  });
  await new Promise((resolve) => server.listen(socket, resolve));
  proxy.close = () => { sockets.forEach((one) => one.destroy()); server.close(); };
  return proxy;
}

// Two members of a namespace with a function each.
async function withTwo(body, canReach = true) {
  const world = new World();
  try {
    const redis = await world.redis();
    const gateways = [];
    for (let i = 0; i < 2; i += 1) {
      const fn = await world.testFunction();
      const port = await freePort();
      const address = canReach ? `127.0.0.1:${port}` : `127.0.0.1:${await freePort()}`;
      gateways.push(await world.gateway({
        functionPort: fn.port,
        env: { JOURNAL_URL: `unix:${redis.socket}`, HEADGATE_PEER_ADDRESS: address, PEER_PORT: String(port) },
      }));
    }
    for (const gateway of gateways) {
      await waitFor('two members', async () =>
        (await (await fetch(`${gateway.admin}/status`)).json()).members.view.filter(({ state }) => state === 'up').length === 2);
    }
    await body({ world, redis, gateways });
  } finally {
    await world.end();
  }
}

// A unary call with metadata, and what came with its answer.
function callWith(client, method, request, pairs) {
  return new Promise((resolve) => {
    const metadata = new grpc.Metadata();
    for (const [key, value] of Object.entries(pairs)) metadata.set(key, value);
    let headers = {};
    client[method](request, metadata, { deadline: Date.now() + 10000 }, (error, reply) =>
      resolve({ error, reply, headers })).on('metadata', (got) => { headers = got.getMap(); });
  });
}

it('gRPC', () => withGateway(async ({ world, gateway }) => {
  const client = world.client(gateway, proto('entity'), 'headgate.test.Entity', includeDirs);
  const request = { id: 'a', emit: 3, text: 'x' };
  const first = await callWith(client, 'Process', request, { 'idempotency-key': 'k' });
  assert.equal(first.headers['headgate-entity-seq'], '3');
  assert.ok(!('idempotency-replayed' in first.headers));
  const again = await callWith(client, 'Process', request, { 'idempotency-key': '"k"' });
  assert.deepEqual(again.reply, first.reply);
  assert.equal(again.headers['headgate-entity-seq'], '3');
  assert.equal(again.headers['idempotency-replayed'], 'true');
  const { error } = await callWith(client, 'Process', { ...request, text: 'y' }, { 'idempotency-key': 'k' });
  assert.equal(error.code, grpc.status.FAILED_PRECONDITION);
  assert.ok(error.metadata.get('grpc-status-details-bin')[0].includes('IDEMPOTENCY_KEY_REUSED'));
  const read = await callWith(client, 'Process', { id: 'a' }, {});
  assert.equal(read.reply.count, '3');
  assert.ok(!('headgate-entity-seq' in read.headers), 'nothing was written');
}));

it('gRPC-Web', () => withGateway(async ({ gateway }) => {
  const message = Buffer.from('0a01611801', 'hex'); // id "a", emit 1
  const body = Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message]);
  const send = async () => {
    const answer = await fetch(`${gateway.url}/headgate.test.Entity/Process`, {
      method: 'POST', body, headers: { 'content-type': 'application/grpc-web+proto', 'idempotency-key': 'k' },
    });
    return { headers: answer.headers, bytes: Buffer.from(await answer.arrayBuffer()) };
  };
  const first = await send();
  const again = await send();
  assert.equal(first.headers.get('headgate-entity-seq'), '1');
  assert.equal(first.headers.get('idempotency-replayed'), null);
  assert.equal(again.headers.get('idempotency-replayed'), 'true');
  assert.ok(first.bytes.length > 20 && again.bytes.equals(first.bytes));
}));

it('replies up to 64 KiB are kept, of larger ones it is known that they were given', () => withGateway(async ({ gateway }) => {
  const small = { emit: 1, replyBytes: 64000 };
  const first = await good(keyed(gateway, '/test/small', small, 'k'));
  const again = await good(keyed(gateway, '/test/small', small, 'k'));
  assert.ok(isReplayed(again) && again.body === first.body);
  const large = { emit: 1, replyBytes: 70000 };
  await good(keyed(gateway, '/test/large', large, 'k'));
  const refused = await keyed(gateway, '/test/large', large, 'k');
  assert.equal(refused.status, 409);
  assert.equal(JSON.parse(refused.body).code, grpc.status.ALREADY_EXISTS);
  assert.match(JSON.parse(refused.body).message, /already executed; its reply was too large/);
  assert.ok(isReplayed(refused));
  assert.equal(refused.headers['headgate-entity-seq'], '1');
  assert.equal((await keyed(gateway, '/test/large', { emit: 1 }, 'k')).status, 422);
  assert.equal(await KINDS['event sourced'].count(gateway, 'large'), 1);
  assert.equal(await metric(gateway, 'headgate_commands_recalled_total', { outcome: 'lost' }), 1);
}));

it('beyond the window a key is forgotten', () => withGateway(async ({ world, fn, gateway }) => {
  const send = (to, key) => good(keyed(to, '/test/a', { emit: 1 }, key));
  for (const key of ['k1', 'k2', 'k3']) await send(gateway, key);
  assert.ok(isReplayed(await send(gateway, 'k1')));
  await send(gateway, 'k4');
  assert.ok(isReplayed(await send(gateway, 'k2')));
  await gateway.kill('SIGTERM');
  const next = await world.gateway({ functionPort: fn.port, env: { HEADGATE_ENTITY_DEDUPE_WINDOW: '3' } });
  assert.ok(isReplayed(await send(next, 'k2')), 'the same as before');
  assert.equal((await send(next, 'k1')).headers['headgate-entity-seq'], '5');
}, { HEADGATE_ENTITY_DEDUPE_WINDOW: '3' }));

it('keys that are none are refused, and named', () => withGateway(async ({ world, gateway }) => {
  const client = world.client(gateway, proto('entity'), 'headgate.test.Entity', includeDirs);
  const rows = [
    ['empty', '""', /is empty/], ['no end', '"abc', /quotes/], ['long', 'x'.repeat(256), /longer than 255 bytes/],
    ['long string', `"${'x'.repeat(256)}"`, /longer than 255 bytes/], ['parameters', '"a";b=1', /quotes/],
  ];
  for (const [name, key, text] of rows) {
    const answer = await keyed(gateway, '/test/a', { emit: 1 }, key);
    assert.equal(answer.status, 400, name);
    const { code, message, details } = JSON.parse(answer.body);
    assert.equal(code, grpc.status.INVALID_ARGUMENT, name);
    assert.match(message, /^Idempotency-Key /, name);
    assert.match(message, text, name);
    assert.equal(details[0].fieldViolations[0].field, 'idempotency-key', name);
    const { error } = await callWith(client, 'Process', { id: 'a', emit: 1 }, { 'idempotency-key': key });
    assert.equal(error.code, grpc.status.INVALID_ARGUMENT, name);
    assert.match(error.details, text, name);
  }
  assert.equal((await post(gateway, '/test/a', { emit: 1 }, 'Idempotency-Key: a', 'Idempotency-Key: a')).status, 400, 'twice');
  assert.equal((await post(gateway, '/test/a', { emit: 1 }, 'Idempotency-Key: ä')).status, 400, 'not ASCII');
  await good(keyed(gateway, '/test/a', { emit: 1 }, 'x'.repeat(255)));
  assert.equal(await KINDS['event sourced'].count(gateway, 'a'), 1);
}));

it('failures: with events they are kept, without they leave no trace', () => withGateway(async ({ gateway }) => {
  const withEvents = { emit: 1, misbehave: 'FAIL_WITH_EVENTS' };
  const first = await keyed(gateway, '/test/a', withEvents, 'k');
  const again = await keyed(gateway, '/test/a', withEvents, 'k');
  assert.ok(first.status === again.status && first.status >= 400);
  assert.equal(again.body, first.body);
  assert.ok(!isReplayed(first) && isReplayed(again));
  assert.equal(await KINDS['event sourced'].count(gateway, 'a'), 1);
  for (let i = 0; i < 2; i += 1) {
    const refused = await keyed(gateway, '/test/b', { fail: 'no' }, 'k');
    assert.ok(!isReplayed(refused) && refused.status === 500);
  }
  await good(keyed(gateway, '/test/b', { emit: 1 }, 'k'));
  const seen = async () => Number(JSON.parse((await good(keyed(gateway, '/test/c', {}, 'k'))).body).activationCommands);
  assert.equal(await seen() + 1, await seen(), 'a read is asked again');
}));

// What is asked for beside an answer asks for the same again, until the chain is too long: ten commands.
it('forwards and effects of a command with a key are made once', () => withGateway(async ({ gateway }) => {
  const second = async (id) => Number(JSON.parse((await good(post(gateway, `/second/${id}`, {}))).body).count);
  const atRest = () => waitFor('the end of the effects', async () => await metric(gateway, 'headgate_followups_running') === 0);
  for (const extra of [{ effect: 'Process' }, { effect: 'Process', synchronous: true }, { forward: 'Process' }]) {
    const id = Object.keys(extra).join('-');
    const send = async (...headers) => {
      const answer = await post(gateway, `/test/${id}`, { emit: 1, ...extra }, ...headers);
      await atRest();
      return answer;
    };
    const first = await send('Idempotency-Key: k');
    assert.equal(first.status, extra.forward ? 500 : 200, id);
    assert.equal(await second(id), 10, id);
    for (let i = 0; i < 2; i += 1) {
      const again = await send('Idempotency-Key: k');
      assert.equal(again.body, first.body, id);
      assert.equal(again.status, first.status, id);
      assert.ok(extra.forward || isReplayed(again), id);
    }
    assert.equal(await KINDS['event sourced'].count(gateway, id), 1, id);
    assert.equal(await second(id), 10, id);
    await send();
    assert.equal(await second(id), 20, 'without a key as often as the command');
  }
}));

it('no list of metadata hides the key or what is said of it', () => withGateway(async ({ gateway }) => {
  const first = await good(post(gateway, '/test/a', { emit: 1 }, 'Idempotency-Key: k', 'Origin: https://a.example'));
  assert.match(first.headers['access-control-expose-headers'], /headgate-entity-seq, idempotency-replayed/);
  assert.equal(first.headers['headgate-entity-seq'], '1');
  assert.ok(isReplayed(await good(keyed(gateway, '/test/a', { emit: 1 }, 'k'))));
}, {
  HEADGATE_HTTP_METADATA_REQUEST_ALLOW: 'x-nothing', HEADGATE_HTTP_METADATA_RESPONSE_ALLOW: 'x-nothing',
  HEADGATE_HTTP_METADATA_RESPONSE_DENY: '*', HEADGATE_HTTP_GRPC_METADATA_PREFIX: 'true',
  HEADGATE_HTTP_CORS_ORIGINS: 'https://a.example',
}));

it('an entity that others erase or change while a reply is recalled', async () => {
  const world = new World();
  try {
    const redis = await world.redis();
    const fn = await world.testFunction();
    const gateway = await world.gateway({ functionPort: fn.port, env: { JOURNAL_URL: `unix:${redis.socket}` } });
    const send = (id) => keyed(gateway, `/test/${id}`, { emit: 1 }, 'k');
    await good(send('a'));
    const [head] = await keysOf(redis, '*:h:*/a');
    const tag = await redisCommand(redis.socket, 'HGET', head, 'g');
    // as after an append of somebody else: what we hold is stale, what is stored is not
    const [events] = await keysOf(redis, '*:e:*/a');
    const fields = (await redisCommand(redis.socket, 'XRANGE', events, '-', '+'))[0][1];
    assert.ok(fields.includes('k') && fields.includes('r'));
    await redisCommand(redis.socket, 'XADD', events, '2-0', 'c', '0123456789abcdef', 'g', 'fedcba9876543210', 'w', '1', 't', fields[7], 'p', '');
    await redisCommand(redis.socket, 'HSET', head, 's', '2', 'g', 'fedcba9876543210');
    assert.notEqual(tag, 'fedcba9876543210');
    const again = await good(send('a'));
    assert.ok(isReplayed(again));
    assert.equal(again.headers['headgate-entity-seq'], '1');
    await redisCommand(redis.socket, 'HSET', head, 'x', '1');
    const erased = await send('a');
    assert.equal(erased.status, 400);
    assert.equal(JSON.parse(erased.body).message, 'The entity was erased');
  } finally {
    await world.end();
  }
});

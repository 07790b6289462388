// What a user function says it is, for as long as it lives: every mistake told at once, to its author and on /status,
// and asked for again; another description put in force while clients are being served.
import assert from 'node:assert/strict';
import http from 'node:http';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { World, call, curl, freePort, grpc, waitFor, waitReady } from './harness.mjs';
import { ACTION, CRDT, EVENT_SOURCED, Scripted, compile, saying, source } from './scripted.mjs';

const world = new World();
after(() => world.end());
const dir = path.join(world.dir, 'proto');

const page = async (gateway) => (await fetch(`${gateway.admin}/status`)).json();
const rule = (name, text, request = 'Say', reply = 'Said') => `rpc ${name}(${request}) returns (${reply}) { option (google.api.http) = { ${text} }; }`;

const SERVICES = `
service Good { rpc Do(Say) returns (Said); }
service Second { rpc Do(Say) returns (Said); }
service Streams { rpc In(stream Say) returns (Said); rpc Out(Say) returns (stream Said); rpc Do(Say) returns (Said); }
service Keyless { rpc A(Other) returns (Said); rpc Do(Say) returns (Said); rpc B(Other) returns (Said); }
service NoPattern { ${rule('Do', 'body: "*"')} }
service Selector { ${rule('Do', 'selector: "not.me" get: "/a"')} }
service Template { ${rule('Do', 'get: "/a/{id"')} }
service Variable { ${rule('Do', 'get: "/a/{nothing}"')} }
service Body { ${rule('Do', 'post: "/a" body: "nothing"')} }
service ResponseBody { ${rule('Do', 'post: "/a" body: "*" response_body: "nothing"')} }
service Nested { ${rule('Do', 'get: "/a" additional_bindings { get: "/b" additional_bindings { get: "/c" } }')} }
service Twice { ${rule('Do', 'get: "/same"')} ${rule('Also', 'get: "/same"')} }
`;
const es = (service, persistenceId = 'p') => [EVENT_SOURCED, `scripted.${service}`, persistenceId];
const crdt = (service, persistenceId = 'c') => [CRDT, `scripted.${service}`, persistenceId];
const act = (service) => [ACTION, `scripted.${service}`];
const noKey = (service, methods, kind = 'Event sourced') => `${kind} entities do not support methods whose parameters do not have at least one field `
  + `marked as entity_key, but scripted.${service} has the following methods without keys: ${methods}`;
const field = (number, bytes) => Buffer.concat([Buffer.from([number << 3 | 2, bytes.length]), bytes]);
const file = (name, ...imports) => field(1, Buffer.concat([field(1, Buffer.from(name)), ...imports.map((from) => field(3, Buffer.from(from)))]));

// label, entities, what is reported (all of it, or an expression), what else differs
const MISTAKES = [
  ['D-20 newer', [es('Good')], 'Incompatible protocol version 0.3, only 0.2 is supported', { version: [0, 3] }],
  ['D-20 major', [es('Good')], 'Incompatible protocol version 1.0, only 0.2 is supported', { version: [1, 0] }],
  ['D-21', [], 'No entities were reported by the discover call!'],
  ['D-22', [es('Bad')], 'Service [scripted.Bad] not found in descriptors!'],
  ['D-22 package', [[EVENT_SOURCED, 'other.Good', 'p']], 'Service [other.Good] not found in descriptors!'],
  ['D-23', [es('Good')], /^.*circular.*a\.proto/i, { proto: Buffer.concat([file('a.proto', 'b.proto'), file('b.proto', 'a.proto')]) }],
  ['D-24', [es('Good')], /nowhere\.proto.*a\.proto/, { proto: file('a.proto', 'nowhere.proto') }],
  ['D-26', [['some.Entity', 'scripted.Good', 'p']],
    /^Service \[scripted\.Good\] has declared an unsupported entity type \[some\.Entity\]\. Supported types are cloudstate\.[\w.]+(,cloudstate\.[\w.]+)+$/],
  ['D-27', [es('Streams')],
    'Event sourced entities do not support streamed methods, but scripted.Streams has the following streamed methods: In,Out'],
  ['D-28', [es('Keyless')], noKey('Keyless', 'A,B')],
  ['D-29', [crdt('Streams')],
    'CRDT entities do not support streaming in from the client, but scripted.Streams has the following streamed in methods: In'],
  ['D-30', [crdt('Keyless')], noKey('Keyless', 'A,B', 'CRDT')],
  ['D-31 no pattern', [act('NoPattern')], /^HTTP API Config: Pattern missing for rule .*scripted\.NoPattern\.Do/],
  ['D-31 selector', [act('Selector')], /^HTTP API Config: Rule selector \[not\.me\] must be empty or \[scripted\.Selector\.Do\]/],
  ['D-31 variable', [act('Variable')], /^HTTP API Config: Unknown field name \[nothing\] in type \[scripted\.Say\]/],
  ['D-31 body', [act('Body')], /^HTTP API Config: Body configured to \[nothing\] but that field does not exist on input type/],
  ['D-31 response body', [act('ResponseBody')], /^HTTP API Config: Response body field \[nothing\] does not exist on type \[scripted\.Said\]/],
  ['D-31 nested', [act('Nested')], /^HTTP API Config: Only one level of additionalBindings supported/],
  ['D-31 same route', [act('Twice')], /^HTTP API Config: .*is the same route as/],
  ['D-32', [act('Template')], /of '\/a\/\{id' \(GET/],
  ['D-34', [es('Good')], /malformed descriptor set/, { proto: Buffer.from([0x0a, 0x7f, 1]) }],
  ['D-37', [es('Good'), es('Second')], 'Services [scripted.Good] and [scripted.Second] have the same persistence id [p]'],
  ['no persistence id', [es('Good', '')], 'Service [scripted.Good] has no persistence id'],
  ['service twice', [es('Good'), es('Good', 'q')], 'Service [scripted.Good] is declared more than once'],
  ['all at once', [es('Bad'), es('Good'), es('Keyless', 'p'), es('Streams', 's'), act('Variable'), act('Body')],
    new RegExp(['Incompatible protocol version 0\\.9.*', 'Service \\[scripted\\.Bad\\] not found.*',
      'Services .* have the same persistence id \\[p\\]', 'Event sourced .* streamed methods: In,Out',
      'HTTP API Config: Unknown field name \\[nothing\\].*', 'HTTP API Config: Body configured to \\[nothing\\].*'].join('\n')), { version: [0, 9] }],
];

describe('a description with mistakes', () => {
  let whole;
  let port;
  let gateway;
  let fn;
  before(async () => {
    whole = compile(dir, source(SERVICES));
    port = await freePort();
    fn = await new Scripted({ proto: whole, entities: [es('Bad')] }).listen(port);
    gateway = await world.gateway({ functionPort: port, ready: false, env: { HEADGATE_FUNCTION_REFUSED_RETRY: '100ms' } });
  });
  after(() => fn.kill());

  for (const [label, entities, text, other = {}] of MISTAKES) {
    it(`${label}: told to the function, on /status and by /ready`, async () => {
      Object.assign(fn, { proto: whole, version: [0, 2], ...other, entities });
      const fits = (report) => (typeof text === 'string' ? report === text : text.test(report));
      const report = await waitFor(`the report of ${label}`, () => fn.reports.find(fits) ?? assert.fail(fn.reports.at(-1)));
      await waitFor('/status', async () => {
        const { function: { ready, reason, refused } } = await page(gateway);
        assert.equal(ready, false);
        assert.deepEqual(refused.reasons, report.split('\n'));
        assert.match(reason, /^the user function's description is refused: /);
        assert.ok(reason.includes(refused.reasons[0].slice(0, 100)));
        return true;
      });
      assert.match(await (await fetch(`${gateway.admin}/ready`)).text(), /description is refused/);
    });
  }

  it('when, how often, and that it is asked for again, until it is right', async () => {
    const { refused } = (await page(gateway)).function;
    assert.ok(refused.times >= MISTAKES.length);
    for (const time of [refused.first, refused.last]) {
      assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      assert.ok(Math.abs(Date.now() - Date.parse(time)) < 120000);
    }
    assert.ok(Date.parse(refused.first) < Date.parse(refused.last));
    assert.ok(refused.retry_in_ms >= 0 && refused.retry_in_ms <= 100);
    Object.assign(fn, { proto: whole, version: [0, 2], entities: [es('Good')] });
    await waitReady(gateway);
    assert.equal((await page(gateway)).function.refused, undefined);
  });

  it('what the gateway offers is what it takes', () => {
    assert.equal(fn.proxy.protocol_major_version, 0);
    assert.equal(fn.proxy.protocol_minor_version, 2);
    for (const type of [ACTION, CRDT, EVENT_SOURCED]) assert.ok(fn.proxy.supported_entity_types.includes(type));
  });
});

const LIVE = (extra = '') => `
service Thing { ${rule('Do', 'post: "/things/{id}" body: "*"')} }
service Act {
  ${rule('Unary', 'post: "/unary" body: "*"')}
  ${rule('Out', 'post: "/out" body: "*"', 'Say', 'stream Said')}
  rpc In(stream Say) returns (Said);
  rpc Both(stream Say) returns (stream Said);
}
${extra}`;

describe('a function that comes back as another', () => {
  let port;
  let gateway;
  let fn;
  let client;
  let entityClient;
  const first = { entities: [[EVENT_SOURCED, 'scripted.Thing', 'thing'], [ACTION, 'scripted.Act']] };
  const more = { entities: [...first.entities, [ACTION, 'scripted.More']] };

  before(async () => {
    first.proto = compile(dir, source(LIVE()));
    more.proto = compile(dir, source(LIVE(`service More { ${rule('Do', 'get: "/more/{id}"')} }`)));
    port = await freePort();
    fn = await new Scripted(first).listen(port);
    gateway = await world.gateway({
      functionPort: port,
      env: { HEADGATE_FUNCTION_REFUSED_RETRY: '100ms', JOURNAL_URL: `embedded:${path.join(world.dir, 'live')}` },
    });
    client = world.client(gateway, path.join(dir, 'scripted.proto'), 'scripted.Act');
    entityClient = world.client(gateway, path.join(dir, 'scripted.proto'), 'scripted.Thing');
  });
  after(() => fn.kill());

  // The new one is at its place before the old one ends in order. Gives a promise of that end, in an object, so that
  // nobody waits for it by mistake.
  async function replace(description) {
    const old = fn;
    old.server.unbind(`127.0.0.1:${port}`);
    fn = await new Scripted(description).listen(port);
    return { gone: old.drain() };
  }

  const collect = (stream) => new Promise((resolve) => {
    const texts = [];
    stream.on('data', ({ text }) => texts.push(text));
    stream.on('error', (error) => resolve({ texts, error }));
    stream.on('end', () => resolve({ texts }));
  });
  const stream = (accept, contentType = 'application/json') => new Promise((resolve, reject) => {
    const request = http.request(`${gateway.url}/out`, { method: 'POST', headers: { accept, 'content-type': contentType } }, (answer) => {
      const got = { answer, text: '' };
      got.done = new Promise((done) => {
        answer.setEncoding('utf8').on('data', (chunk) => { got.text += chunk; });
        answer.on('end', () => done(true)).on('error', () => done(false));
      });
      resolve(got);
    });
    request.on('error', reject);
    request.end(JSON.stringify(saying('x', { results: [{ reply: 'one' }], hang: true })));
  });

  it('streams of every kind end with UNAVAILABLE in their own form, unary calls finish, entities renew, routes change', async () => {
    assert.equal((await call(entityClient, 'Do', saying('1', { reply: 'old' }))).text, 'old');
    assert.equal((await curl(`${gateway.url}/more/1`)).status, 404);
    const out = client.Out(saying('x', { results: [{ reply: 'one' }], hang: true }));
    const outDone = collect(out);
    const both = client.Both();
    const bothDone = collect(both);
    both.write(saying('x', { results: [{ reply: 'one' }] }));
    const inDone = new Promise((resolve) => {
      const into = client.In((error, reply) => resolve({ error, reply }));
      into.on('error', () => {});
      into.write(saying('x', { name: 'in' }));
    });
    const [sse, ndjson, array] = await Promise.all(['text/event-stream', 'application/x-ndjson', 'application/json'].map((type) => stream(type)));
    const web = new Promise((resolve, reject) => {
      const message = client.Out.requestSerialize(saying('x', { results: [{ reply: 'one' }], hang: true }));
      const head = Buffer.alloc(5);
      head.writeUInt32BE(message.length, 1);
      const request = http.request(`${gateway.url}/scripted.Act/Out`, { method: 'POST', headers: { 'content-type': 'application/grpc-web+proto' } }, (answer) => {
        let text = '';
        answer.setEncoding('latin1').on('data', (chunk) => { text += chunk; }).on('end', () => resolve(text));
      });
      request.on('error', reject);
      request.end(Buffer.concat([head, message]));
    });
    const unary = call(client, 'Unary', saying('x', { name: 'slow', gate: 'slow', reply: 'finished' }));
    const busy = call(entityClient, 'Do', saying('2', { name: 'busy', gate: 'slow', reply: 'busy' }));
    const old = fn;
    await waitFor('all to be under way', () => old.log.filter((line) => line === 'Act.Out result one').length === 5
      && ['Act.In in', 'Act.Unary slow', 'Thing.Do busy', 'Act.Both result one'].every((line) => old.log.includes(line))
      && [sse, ndjson, array].every(({ text }) => text.includes('one')));
    const { gone } = await replace(more);
    for (const done of [outDone, bothDone]) {
      const { texts, error } = await done;
      assert.deepEqual(texts, ['one']);
      assert.equal(error.code, grpc.status.UNAVAILABLE);
      assert.match(error.details, /replaced/);
    }
    const { error } = await inDone;
    assert.equal(error.code, grpc.status.UNAVAILABLE);
    assert.deepEqual(await Promise.all([sse.done, ndjson.done, array.done]), [true, true, false], 'half an array is not taken for a whole one');
    assert.match(sse.text, /event: error\ndata: .*"code":14/);
    assert.equal(JSON.parse(ndjson.text.trim().split('\n').at(-1)).error.code, 14);
    assert.match(await web, /grpc-status: ?14/);
    await waitReady(gateway);
    old.open('slow');
    assert.equal((await unary).text, 'finished');
    assert.equal((await busy).text, 'busy');
    await gone; // for nothing holds it any more
    assert.equal((await call(entityClient, 'Do', saying('1', { reply: 'new' }))).text, 'new');
    assert.ok(fn.log.includes('init Thing 1'));
    assert.deepEqual(JSON.parse((await curl(`${gateway.url}/more/1?text=${encodeURIComponent('{"reply":"more"}')}`)).body), { text: 'more' });
    assert.match((await curl(`${gateway.url}/openapi.json`)).body, /\/more\//);
  });

  it('a service that is no more is not found any more', async () => {
    assert.equal((await curl(`${gateway.url}/more/1`)).status, 200);
    await replace(first);
    await waitFor('the routes to change', async () => (await curl(`${gateway.url}/more/1`)).status === 404);
    const gone = world.client(gateway, path.join(dir, 'scripted.proto'), 'scripted.More');
    await assert.rejects(call(gone, 'Do', { id: 'x' }), (error) => error.code === grpc.status.UNIMPLEMENTED);
  });

  it('the same description again lets streams run on', async () => {
    const out = client.Out(saying('x', { results: [{ reply: 'one' }, { reply: 'two', gate: 'later' }] }));
    const done = collect(out);
    await waitFor('the first', () => fn.log.includes('Act.Out result one'));
    const old = fn;
    const { gone } = await replace(first);
    await waitFor('the new one', () => fn.proxy);
    await waitReady(gateway);
    old.open('later');
    assert.deepEqual(await done, { texts: ['one', 'two'] });
    await gone;
  });

  for (const version of [[0, 1], [0, 0], [0, 2]]) {
    it(`generation ${version.join('.')} takes over`, async () => {
      await replace({ ...first, version });
      await waitFor('discovery', () => fn.proxy);
      await waitReady(gateway);
      assert.equal((await call(entityClient, 'Do', saying('1', { reply: 'here' }))).text, 'here');
      assert.equal((await call(client, 'Unary', saying('1', { reply: 'too' }))).text, 'too');
      assert.equal(fn.reports.length, 0);
    });
  }

  it('a new description that is refused: the routes stay, nobody is served, and everyone is told why', async () => {
    const old = fn;
    const running = call(client, 'Unary', saying('x', { name: 'last', gate: 'last', reply: 'finished' }));
    await waitFor('a call', () => fn.log.includes('Act.Unary last'));
    const { gone } = await replace({ ...first, version: [0, 3] });
    await waitFor('the report', () => fn.reports.length > 0);
    assert.equal((await fetch(`${gateway.admin}/ready`)).status, 503);
    const { function: status } = await page(gateway);
    assert.equal(status.ready, false);
    assert.equal(status.refused.reasons[0], 'Incompatible protocol version 0.3, only 0.2 is supported');
    assert.deepEqual(status.services.map(({ name }) => name), ['scripted.Thing', 'scripted.Act']);
    for (const [who, method] of [[client, 'Unary'], [entityClient, 'Do']]) {
      await assert.rejects(call(who, method, saying('1', {})),
        (error) => error.code === grpc.status.UNAVAILABLE && /refused, see \/status/.test(error.details));
    }
    const answer = await curl('-d', '{}', '-H', 'content-type: application/json', `${gateway.url}/unary`);
    assert.equal(answer.status, 503);
    assert.match(answer.body, /refused/);
    assert.equal((await collect(client.Out(saying('x', {})))).error.code, grpc.status.UNAVAILABLE);
    assert.deepEqual(fn.log, [], 'nothing reached the refused one');
    old.open('last');
    assert.equal((await running).text, 'finished');
    await gone;
    fn.version = [0, 2];
    await waitReady(gateway);
    assert.equal((await call(client, 'Unary', saying('1', { reply: 'again' }))).text, 'again');
  });
});

it('a refused description holds back calls of CRDTs, too', async () => {
  const port = await freePort();
  const description = { entities: [[CRDT, 'scripted.Thing', 'shared']], proto: compile(dir, source(LIVE())) };
  const fn = await new Scripted(description).listen(port);
  try {
    const gateway = await world.gateway({
      functionPort: port,
      env: { HEADGATE_FUNCTION_REFUSED_RETRY: '100ms', JOURNAL_URL: `embedded:${path.join(world.dir, 'shared')}` },
    });
    const thing = world.client(gateway, path.join(dir, 'scripted.proto'), 'scripted.Thing');
    fn.server.unbind(`127.0.0.1:${port}`);
    const refused = await new Scripted({ ...description, version: [0, 3] }).listen(port);
    try {
      void fn.drain();
      await waitFor('the report', () => refused.reports.length > 0);
      await assert.rejects(call(thing, 'Do', saying('1', {})),
        (error) => error.code === grpc.status.UNAVAILABLE && /refused, see \/status/.test(error.details));
    } finally {
      refused.kill();
    }
  } finally {
    fn.kill();
  }
});

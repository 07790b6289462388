// What gRPC clients rely on besides messages: statuses with their details, what becomes of calls that are
// none, the size of messages, and signs of life.
import assert from 'node:assert/strict';
import http2 from 'node:http2';
import net from 'node:net';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import protoLoader from '@grpc/proto-loader';
import protobuf from 'protobufjs';
import { World, builddir, call, curl, freePort, fs, grpc, once, srcdir, waitFor } from './harness.mjs';

const MiB = 1 << 20;
const options = {
  keepCase: true, longs: Number, enums: String, defaults: true, oneofs: true,
  includeDirs: [path.join(srcdir, 'proto/idl'), path.join(srcdir, 'tests/fakes'), '/usr/include'],
};
const load = (file) => grpc.loadPackageDefinition(protoLoader.loadSync(file, options)).cloudstate;
const discovery = load('cloudstate/entity.proto');
const action = load('cloudstate/action.proto').action;
const entity = load('cloudstate/event_sourced.proto').eventsourced;
const root = new protobuf.Root();
root.resolvePath = (_, target) => (fs.existsSync(target) ? target : options.includeDirs.map((dir) => path.join(dir, target)).find((file) => fs.existsSync(file)));
root.loadSync('google/rpc/status.proto', { keepCase: true });
const Status = root.lookupType('google.rpc.Status');
const actionProto = path.join(srcdir, 'tests/fakes/headgate/test/action.proto');
const entityProto = path.join(srcdir, 'tests/fakes/headgate/test/entity.proto');
const includeDirs = [path.join(srcdir, 'tests/fakes')];
const Actions = protoLoader.loadSync('headgate/test/action.proto', options)['headgate.test.Actions'];

const frame = (bytes) => {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
};

// One HTTP/2 request, and all of its answer.
function exchange(session, headers, body) {
  const stream = session.request({ ':method': 'POST', te: 'trailers', 'content-type': 'application/grpc', ...headers });
  return new Promise((resolve, reject) => {
    const answer = { body: [] };
    stream.on('response', (head) => { answer.head = head; });
    stream.on('trailers', (tail) => { answer.tail = tail; });
    stream.on('data', (chunk) => answer.body.push(chunk));
    stream.on('error', reject);
    stream.on('close', () => resolve({ ...answer, body: Buffer.concat(answer.body) }));
    stream.end(body);
  });
}

// Fails whatever comes, with the status it was given, or else a description.
class Failing {
  constructor() {
    this.server = new grpc.Server();
    this.server.addService(discovery.EntityDiscovery.service, {
      discover: (_, done) => done(null, {
        proto: fs.readFileSync(path.join(builddir, 'tests/fakes/gen/test.desc')),
        entities: [
          { entity_type: 'cloudstate.action.ActionProtocol', service_name: 'headgate.test.Actions' },
          { entity_type: 'cloudstate.eventsourced.EventSourced', service_name: 'headgate.test.Entity', persistence_id: 'failing' },
        ],
        service_info: { service_name: 'js', protocol_major_version: 0, protocol_minor_version: 2 },
      }),
      reportError: (_, done) => done(null, {}),
    });
    const answer = () => ({ failure: { description: this.status ? '' : 'described', status: this.status } });
    this.server.addService(action.ActionProtocol.service, {
      handleUnary: (_, done) => done(null, answer()),
      handleStreamedOut: (stream) => { stream.write(answer()); stream.end(); },
      handleStreamedIn: (stream, done) => { stream.on('data', () => {}); stream.on('end', () => done(null, answer())); },
      handleStreamed: (stream) => { stream.on('data', () => {}); stream.on('end', () => { stream.write(answer()); stream.end(); }); },
    });
    this.server.addService(entity.EventSourced.service, {
      handle: (stream) => {
        stream.on('data', ({ command }) => {
          if (!command) return;
          const { failure } = answer();
          stream.write({ reply: { command_id: command.id, client_action: { failure: { ...failure, command_id: command.id } } } });
        });
        stream.on('end', () => stream.end());
      },
    });
  }

  async listen(port) {
    await new Promise((resolve, reject) => {
      this.server.bindAsync(`127.0.0.1:${port}`, grpc.ServerCredentials.createInsecure(), (error) => (error ? reject(error) : resolve()));
    });
    return this;
  }
}

describe('statuses of the function', () => {
  const world = new World();
  let fn;
  let actions;
  let entities;
  let gateway;

  before(async () => {
    const port = await freePort();
    fn = await new Failing().listen(port);
    gateway = await world.gateway({ functionPort: port });
    actions = world.client(gateway, actionProto, 'headgate.test.Actions', includeDirs);
    entities = world.client(gateway, entityProto, 'headgate.test.Entity', includeDirs);
  });
  after(async () => {
    await world.end();
    fn.server.forceShutdown();
  });

  const shapes = [
    ['a unary action', () => call(actions, 'Unary', {})],
    ['a collecting action', () => new Promise((_, reject) => { actions.Collect(reject).end(); })],
    ['an expanding action', () => new Promise((_, reject) => { actions.Expand({}).on('error', reject).on('data', () => {}); })],
    ['a chatting action', () => new Promise((_, reject) => { actions.Chat().on('error', reject).on('data', () => {}).end(); })],
    ['an entity', () => call(entities, 'Process', { id: 'one' })],
  ];
  const text = 'nicht möglich: 100 % "so"\r\n\u{1F600}';
  for (const [name, make] of shapes) {
    it(`of ${name} arrive byte for byte`, async () => {
      fn.status = {
        code: 9, message: text,
        details: [
          { type_url: 'type.googleapis.com/google.rpc.ErrorInfo', value: Buffer.from('\n\u0004WHY!') },
          { type_url: 'type.example/unknown.Type', value: Buffer.from([0, 1, 2, 255, 254]) },
        ],
      };
      await assert.rejects(make(), (error) => {
        assert.equal(error.code, grpc.status.FAILED_PRECONDITION);
        assert.equal(error.details, text);
        assert.deepEqual(error.metadata.get('grpc-status-details-bin'), [Buffer.from(Status.encode(fn.status).finish())]);
        return true;
      });
    });
  }

  it('arrive without details that are larger than clients take', async () => {
    const details = (length) => [{ type_url: 'type.example/a', value: Buffer.alloc(length, 7) }];
    for (const [length, count] of [[6000, 1], [7000, 0]]) {
      fn.status = { code: 7, message: 'no', details: details(length) };
      await assert.rejects(call(actions, 'Unary', {}), (error) => {
        assert.equal(error.code, grpc.status.PERMISSION_DENIED);
        assert.equal(error.metadata.get('grpc-status-details-bin').length, count);
        return true;
      });
    }
  });

  it('are percent-encoded and base64 in trailers alone', async () => {
    const session = http2.connect(gateway.url);
    fn.status = { code: 9, message: text, details: [] };
    const { head, tail, body } = await exchange(session, { ':path': '/headgate.test.Actions/Unary' }, frame(Buffer.alloc(0)));
    session.close();
    assert.equal(head['grpc-status'], '9');
    assert.equal(tail, undefined);
    assert.equal(body.length, 0);
    assert.equal(head['grpc-message'], 'nicht m%C3%B6glich: 100 %25 "so"%0D%0A%F0%9F%98%80');
    assert.deepEqual(Buffer.from(head['grpc-status-details-bin'], 'base64'), Buffer.from(Status.encode(fn.status).finish()));
  });

  it('without a status are UNKNOWN with the description', async () => {
    fn.status = undefined;
    await assert.rejects(call(actions, 'Unary', {}), { code: grpc.status.UNKNOWN, details: 'described' });
    await assert.rejects(call(entities, 'Process', { id: 'two' }), { code: grpc.status.UNKNOWN, details: 'described' });
  });
});

describe('calls', () => {
  const world = new World();
  let gateway;
  let client;
  let session;
  const unary = '/headgate.test.Actions/Unary';
  const message = frame(Actions.Unary.requestSerialize({ text: 'hi' }));

  before(async () => {
    gateway = await world.gateway({ functionPort: (await world.testFunction()).port });
    client = world.client(gateway, actionProto, 'headgate.test.Actions', includeDirs,
      { 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 });
    session = http2.connect(gateway.url);
  });
  after(() => {
    session.destroy();
    return world.end();
  });

  const refusals = [
    ['of an unknown method', { ':path': '/headgate.test.Actions/Nope' }, 12, /unknown method/],
    ['of an unknown service', { ':path': '/no.Such/Thing' }, 12, /unknown method/],
    ['to a path that is no method', { ':path': '/' }, 12, /unknown method/],
    ['of reflection in a method it does not have', { ':path': '/grpc.reflection.v1.ServerReflection/Nope' }, 12, /unknown method/],
    ['with GET', { ':method': 'GET', ':path': unary }, 12, /POST/],
    ['with PUT', { ':method': 'PUT', ':path': unary }, 12, /POST/],
    ['with a timeout that is none', { ':path': unary, 'grpc-timeout': 'soon' }, 3, /grpc-timeout/],
  ];
  for (const [name, headers, status, text] of refusals) {
    it(`${name} end with trailers only`, async () => {
      const { head, tail, body } = await exchange(session, headers, headers[':method'] === 'GET' ? undefined : message);
      assert.equal(head[':status'], 200);
      assert.equal(head['content-type'], 'application/grpc');
      assert.equal(head['grpc-status'], String(status));
      assert.match(head['grpc-message'], text);
      assert.equal(tail, undefined);
      assert.equal(body.length, 0);
    });
  }

  for (const type of ['application/grpc', 'application/grpc+proto', 'application/grpc;charset=utf-8', 'Application/GRPC']) {
    it(`may have the content type ${type}`, async () => {
      const { head, tail } = await exchange(session, { ':path': unary, 'content-type': type }, message);
      assert.equal(head[':status'], 200);
      assert.equal(tail['grpc-status'], '0');
    });
  }

  for (const type of ['application/grpc+json', 'application/grpc+thrift', 'application/grpcx', 'text/plain']) {
    it(`may not have the content type ${type}`, async () => {
      const { head } = await exchange(session, { ':path': unary, 'content-type': type }, message);
      assert.equal(head[':status'], 415);
    });
  }

  it('over HTTP/1.1 are refused in words', async () => {
    for (const target of [unary, '/no.Such/Thing']) {
      const answer = await curl('--http1.1', '-X', 'POST', '-H', 'content-type: application/grpc', '--data-binary', 'x', gateway.url + target);
      assert.ok([404, 415].includes(answer.status), String(answer.status));
      assert.match(answer.headers['content-type'], /json/);
    }
  });

  it('may be as large as grpc.max_message_size, and no larger', async () => {
    const size = (padding) => Actions.Unary.requestSerialize({ padding }).length;
    const overhead = size(Buffer.alloc(4 * MiB)) - 4 * MiB;
    const reply = await call(client, 'Unary', { padding: Buffer.alloc(4 * MiB - overhead) });
    assert.equal(reply.messages, '1');
    await assert.rejects(call(client, 'Unary', { padding: Buffer.alloc(4 * MiB - overhead + 1) }),
      { code: grpc.status.RESOURCE_EXHAUSTED, details: /4194305 bytes is larger than the limit of 4194304/ });
    const stream = client.Chat();
    const ended = new Promise((resolve) => { stream.on('status', resolve); });
    stream.on('error', () => {});
    stream.on('data', () => {});
    stream.write({ text: 'small' });
    stream.write({ padding: Buffer.alloc(5 * MiB) });
    assert.equal((await ended).code, grpc.status.RESOURCE_EXHAUSTED);
  });

  it('may have replies as large as function.max_message_size, and no larger', async () => {
    assert.equal((await call(client, 'Unary', { reply_bytes: 11 * MiB })).padding.length, 11 * MiB);
    await assert.rejects(call(client, 'Unary', { reply_bytes: 13 * MiB }), { code: grpc.status.RESOURCE_EXHAUSTED });
    assert.equal((await call(client, 'Unary', { text: 'still' })).text, 'still');
  });
});

describe('signs of life', () => {
  const world = new World();
  let fn;
  before(async () => { fn = await world.testFunction(); });
  after(() => world.end());

  let journals = 0;
  const gatewayWith = (env) => world.gateway({
    functionPort: fn.port, env: { JOURNAL_URL: `embedded:${path.join(world.dir, `journal${journals += 1}`)}`, ...env },
  });
  const ping = (session) => new Promise((resolve, reject) => {
    if (!session.ping(Buffer.from('12345678'), (error, _, payload) => (error ? reject(error) : resolve(payload)))) reject(new Error('not sent'));
  });

  it('are answered', async () => {
    const gateway = await gatewayWith({});
    const session = http2.connect(gateway.url);
    await once(session, 'connect');
    for (let n = 0; n < 100; n += 1) assert.equal(String(await ping(session)), '12345678');
    session.close();
  });

  it('end with too_many_pings when there are more than http2.max_pings within 10 s without a reply', async () => {
    const gateway = await gatewayWith({});
    const session = http2.connect(gateway.url);
    await once(session, 'connect');
    session.on('error', () => {});
    const gone = once(session, 'goaway');
    for (let n = 0; n < 101 && !session.destroyed; n += 1) await ping(session).catch(() => {});
    const [code, , text] = await gone;
    assert.equal(code, http2.constants.NGHTTP2_ENHANCE_YOUR_CALM);
    assert.equal(String(text), 'too_many_pings');
  });

  it('are as many as a client likes while it gets replies', async () => {
    const gateway = await gatewayWith({ HEADGATE_HTTP2_MAX_PINGS: '10' });
    const session = http2.connect(gateway.url);
    for (let round = 0; round < 5; round += 1) {
      const { tail } = await exchange(session, { ':path': '/headgate.test.Actions/Unary' }, frame(Buffer.alloc(0)));
      assert.equal(tail['grpc-status'], '0');
      for (let n = 0; n < 9; n += 1) await ping(session);
    }
    session.close();
  });

  it('of grpc-js keep a connection, and too many only cost it that', async () => {
    for (const [pings, lost] of [[100, false], [10, true]]) {
      const gateway = await gatewayWith({ HEADGATE_HTTP2_MAX_PINGS: String(pings) });
      const client = world.client(gateway, actionProto, 'headgate.test.Actions', includeDirs, {
        'grpc.keepalive_time_ms': 50, 'grpc.keepalive_timeout_ms': 2000, 'grpc.keepalive_permit_without_calls': 1,
      });
      await call(client, 'Unary', { text: 'first' });
      const channel = client.getChannel();
      const states = new Set();
      const end = Date.now() + 1200;
      await waitFor('some pings', () => {
        states.add(channel.getConnectivityState(false));
        return Date.now() > end;
      });
      assert.equal([...states].some((state) => state !== grpc.connectivityState.READY), lost, String([...states]));
      assert.equal((await call(client, 'Unary', { text: 'after' }, { waitForReady: true })).text, 'after');
    }
  });

  it('are asked of a silent client, who is dropped without an answer', async () => {
    const gateway = await gatewayWith({ HEADGATE_HTTP2_KEEPALIVE_IDLE: '100ms', HEADGATE_HTTP2_KEEPALIVE_TIMEOUT: '200ms' });
    const session = http2.connect(gateway.url);
    let asked = 0;
    session.on('ping', () => { asked += 1; });
    const mute = net.connect(gateway.port, '127.0.0.1');
    mute.on('error', () => {});
    mute.on('data', () => {});
    mute.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    mute.write(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0])); // SETTINGS
    await once(mute, 'close');
    await waitFor('pings', () => asked >= 3);
    assert.ok(!session.closed && !session.destroyed);
    const { tail } = await exchange(session, { ':path': '/headgate.test.Actions/Unary' }, frame(Buffer.alloc(0)));
    assert.equal(tail['grpc-status'], '0');
    session.close();
  });
});

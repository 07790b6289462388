// A user function in JavaScript that describes itself as the test wishes, is told what is wrong with it, and is
// replaced by another one while its entities are awake and busy.
import assert from 'node:assert/strict';
import path from 'node:path';
import { it } from 'node:test';
import protoLoader from '@grpc/proto-loader';
import { World, builddir, call, freePort, fs, grpc, metric, srcdir, waitFor, waitReady } from './harness.mjs';

const options = {
  keepCase: true, longs: String, enums: String, defaults: true, oneofs: true,
  includeDirs: [path.join(srcdir, 'proto/idl'), path.join(srcdir, 'tests/fakes'), '/usr/include'],
};
const protocol = grpc.loadPackageDefinition(protoLoader.loadSync('cloudstate/event_sourced.proto', options)).cloudstate;
const testProto = path.join(srcdir, 'tests/fakes/headgate/test/entity.proto');
const { Process } = protoLoader.loadSync(testProto, options)['headgate.test.Entity'];

// Counts its events; every command emits one.
class JsFunction {
  constructor(version) {
    this.version = version;
    this.reports = [];
    this.inits = [];
    this.server = new grpc.Server();
    this.server.addService(protocol.EntityDiscovery.service, {
      discover: (_, reply) => reply(null, this.describe()),
      reportError: ({ request }, reply) => { this.reports.push(request.message); reply(null, {}); },
    });
    this.server.addService(protocol.eventsourced.EventSourced.service, { handle: (stream) => this.handle(stream) });
  }

  describe() {
    return {
      proto: fs.readFileSync(path.join(builddir, 'tests/fakes/gen/test.desc')),
      entities: [{ entity_type: 'cloudstate.eventsourced.EventSourced', service_name: 'headgate.test.Entity', persistence_id: 'thing' }],
      service_info: { service_name: 'js', protocol_major_version: this.version[0], protocol_minor_version: this.version[1] },
    };
  }

  handle(stream) {
    let count = 0;
    stream.on('data', ({ message, init, command }) => {
      if (message === 'init') this.inits.push(init.service_name);
      if (message === 'event' || message === 'command') count += 1;
      if (message !== 'command') return;
      stream.write({
        reply: {
          command_id: command.id,
          client_action: { reply: { payload: { type_url: 'type.googleapis.com/headgate.test.Response', value: Process.responseSerialize({ count }) } } },
          events: [{ type_url: 'json.cloudstate.io/happened', value: Buffer.from('{}') }],
        },
      });
    });
    stream.on('end', () => stream.end());
    stream.on('error', () => {});
  }

  async listen(port) {
    await waitFor('the port', () => new Promise((resolve) => {
      this.server.bindAsync(`127.0.0.1:${port}`, grpc.ServerCredentials.createInsecure(), (error) => resolve(!error));
    }));
    return this;
  }

  drain() {
    return new Promise((resolve) => { this.server.tryShutdown(resolve); });
  }
}

const status = async (gateway) => (await fetch(`${gateway.admin}/status`)).json();

it('a refused description is told to the function and on /status, and asked for again', async () => {
  const world = new World();
  const port = await freePort();
  const fn = await new JsFunction([0, 7]).listen(port);
  try {
    const gateway = await world.gateway({ functionPort: port, ready: false, env: { HEADGATE_FUNCTION_REFUSED_RETRY: '200ms' } });
    await waitFor('reports', () => fn.reports.length >= 2);
    assert.equal(fn.reports[0], 'Incompatible protocol version 0.7, only 0.2 is supported');
    const page = await status(gateway);
    assert.equal(page.function.ready, false);
    assert.match(page.function.reason, /refused: Incompatible protocol version 0\.7/);
    assert.match(await (await fetch(`${gateway.admin}/ready`)).text(), /Incompatible protocol version 0\.7/);
    fn.version = [0, 2];
    await waitReady(gateway);
    assert.equal((await status(gateway)).function.name, 'js');
  } finally {
    await world.end();
    fn.server.forceShutdown();
  }
});

it('a function that is replaced in order gets rid of its entities, and no command is lost', async () => {
  const world = new World();
  const port = await freePort();
  let fn = await new JsFunction([0, 2]).listen(port);
  try {
    const gateway = await world.gateway({ functionPort: port });
    const client = world.client(gateway, testProto, 'headgate.test.Entity', [path.join(srcdir, 'tests/fakes')]);
    const counts = new Map();
    let isOver = false;
    // Each caller adds to its own entity, one after the other; UNAVAILABLE is tried again.
    const callers = Array.from({ length: 16 }, async (_, n) => {
      const id = `busy-${n}`;
      while (!isOver) {
        try {
          const { count } = await call(client, 'Process', { id });
          assert.equal(Number(count), (counts.get(id) ?? 0) + 1);
          counts.set(id, Number(count));
        } catch (error) {
          if (error.code !== 14) throw error;
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
      }
    });
    await call(client, 'Process', { id: 'idle' });
    for (let round = 0; round < 3; round += 1) {
      await waitFor('some commands', () => counts.size === 16 && Math.min(...counts.values()) > (round + 1) * 5);
      const began = Date.now();
      await fn.drain();
      const took = Date.now() - began;
      assert.ok(took < 2000, `the old function was free after ${took} ms`);
      fn = await new JsFunction([0, 2]).listen(port);
      await waitReady(gateway);
      const floor = Math.max(...counts.values());
      await waitFor('all to go on', () => Math.min(...counts.values()) > floor);
    }
    isOver = true;
    await Promise.all(callers);
    assert.equal((await call(client, 'Process', { id: 'idle' })).count, '2');
    assert.equal(await metric(gateway, 'headgate_entity_crashes_total'), 0);
  } finally {
    await world.end();
    fn.server.forceShutdown();
  }
});

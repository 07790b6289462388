// Server reflection as tools use it: services are listed, the files that describe them are fetched one
// by one, and a client is made from these alone.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import protoLoader from '@grpc/proto-loader';
import descriptor from 'protobufjs/ext/descriptor/index.js';
import { World, call, grpc, srcdir } from './harness.mjs';

const idl = path.join(srcdir, 'proto/idl/grpc/reflection');

// One stream of questions, with answers in order.
class Asking {
  constructor(client) {
    this.stream = client.ServerReflectionInfo();
    this.answers = [];
    this.waiting = [];
    this.stream.on('data', (answer) => {
      const next = this.waiting.shift();
      if (next) next.resolve(answer);
      else this.answers.push(answer);
    });
    this.ended = new Promise((resolve) => this.stream.on('status', resolve));
    this.stream.on('error', (error) => this.waiting.splice(0).forEach(({ reject }) => reject(error)));
  }

  ask(question) {
    const answer = new Promise((resolve, reject) => { this.waiting.push({ resolve, reject }); });
    this.stream.write(question);
    return answer;
  }

  async services() {
    const { list_services_response: list } = await this.ask({ list_services: '' });
    return list.service.map(({ name }) => name);
  }

  async file(question) {
    const { file_descriptor_response: files } = await this.ask(question);
    return files.file_descriptor_proto.map((bytes) => ({
      bytes, ...descriptor.FileDescriptorProto.toObject(descriptor.FileDescriptorProto.decode(bytes)),
    }));
  }

  // As grpcurl does it: the file with the symbol, then whatever it imports.
  async filesOf(symbol) {
    const found = new Map();
    const add = async (file) => {
      if (found.has(file.name)) return;
      for (const name of file.dependency ?? []) {
        if (!found.has(name)) await add((await this.file({ file_by_filename: name }))[0]);
      }
      found.set(file.name, file);
    };
    await add((await this.file({ file_containing_symbol: symbol }))[0]);
    return [...found.values()];
  }

  async end() {
    this.stream.end();
    return this.ended;
  }
}

function clientOf(world, gateway, files, service) {
  const parts = files.map(({ bytes }) => {
    const head = [0x0a];
    let n = bytes.length;
    for (; n > 127; n >>>= 7) head.push((n & 127) | 128);
    return Buffer.concat([Buffer.from([...head, n]), bytes]);
  });
  const definition = protoLoader.loadFileDescriptorSetFromBuffer(Buffer.concat(parts),
    { keepCase: true, longs: String, enums: String, defaults: true });
  const Client = service.split('.').reduce((at, name) => at[name], grpc.loadPackageDefinition(definition));
  const client = new Client(`127.0.0.1:${gateway.port}`, grpc.credentials.createInsecure());
  world.clients.push(client);
  return client;
}

for (const version of ['v1', 'v1alpha']) {
  const self = `grpc.reflection.${version}.ServerReflection`;
  const newAsking = (world, gateway) =>
    new Asking(world.client(gateway, path.join(idl, version, 'reflection.proto'), self));

  describe(`reflection ${version}`, () => {
    const world = new World();
    let gateway;

    before(async () => {
      gateway = await world.gateway({ functionPort: (await world.testFunction()).port });
    });
    after(() => world.end());

    it('lists itself first, then the services of the function by name', async () => {
      const asking = newAsking(world, gateway);
      const [first, ...rest] = await asking.services();
      assert.equal(first, self);
      assert.ok(rest.includes('headgate.test.Entity') && rest.includes('headgate.test.Actions'), String(rest));
      assert.deepEqual(rest, rest.toSorted());
      assert.ok(!rest.some((name) => name.startsWith('grpc.')));
      const again = await asking.ask({ host: 'there', list_services: 'nonsense' });
      assert.equal(again.valid_host, 'there');
      assert.equal(again.original_request.list_services, 'nonsense');
      assert.equal(again.original_request.host, 'there');
      assert.equal(again.list_services_response.service.length, rest.length + 1);
      assert.equal((await asking.end()).code, grpc.status.OK);
    });

    it('is enough to make a client of, for every service listed', async () => {
      const asking = newAsking(world, gateway);
      for (const service of await asking.services()) {
        const files = await asking.filesOf(service);
        const last = files.at(-1);
        assert.ok(last.service.some(({ name }) => service.endsWith(`.${name}`)), service);
        const client = clientOf(world, gateway, files, service);
        if (service === 'headgate.test.Actions') {
          const reply = await call(client, 'Unary', { text: 'by reflection' });
          assert.equal(reply.text, 'by reflection');
        }
        if (service === self) {
          const second = new Asking(client);
          assert.equal((await second.services())[0], self);
          await second.end();
        }
      }
      await asking.end();
    });

    it('answers what it does not know with an empty list and goes on', async () => {
      const asking = newAsking(world, gateway);
      assert.deepEqual(await asking.file({ file_containing_symbol: 'no.such.Thing' }), []);
      assert.deepEqual(await asking.file({ file_by_filename: 'no/such.proto' }), []);
      assert.deepEqual(await asking.file({ file_containing_extension: { containing_type: 'no.Thing', extension_number: 1 } }), []);
      const nothing = await asking.ask({});
      assert.equal(nothing.error_response.error_code, grpc.status.INVALID_ARGUMENT);
      const [method] = await asking.file({ file_containing_symbol: 'headgate.test.Actions.Unary' });
      assert.equal(method.name, 'headgate/test/action.proto');
      await asking.end();
    });

    it('knows extensions', async () => {
      const asking = newAsking(world, gateway);
      const { all_extension_numbers_response: numbers } =
        await asking.ask({ all_extension_numbers_of_type: 'google.protobuf.MethodOptions' });
      assert.equal(numbers.base_type_name, 'google.protobuf.MethodOptions');
      assert.ok(numbers.extension_number.includes(72295728), String(numbers.extension_number));
      const [file] = await asking.file({
        file_containing_extension: { containing_type: 'google.protobuf.MethodOptions', extension_number: 72295728 },
      });
      assert.equal(file.name, 'google/api/annotations.proto');
      await asking.end();
    });

    it('answers thousands of questions that are asked at once, in order', async () => {
      const asking = newAsking(world, gateway);
      const answers = await Promise.all(Array.from({ length: 2000 }, (_, n) =>
        asking.ask({ host: String(n), file_containing_symbol: 'headgate.test.Actions' })));
      answers.forEach((answer, n) => assert.equal(answer.valid_host, String(n)));
      await asking.end();
    });

    it('refuses a question that is too long', async () => {
      const asking = newAsking(world, gateway);
      await assert.rejects(asking.ask({ file_containing_symbol: 'x'.repeat(20000) }), { code: grpc.status.RESOURCE_EXHAUSTED });
    });

    it('serves the well-known types that a client may lack', async () => {
      const asking = newAsking(world, gateway);
      for (const name of ['google/protobuf/any.proto', 'google/protobuf/timestamp.proto', 'google/rpc/status.proto'])
        assert.equal((await asking.file({ file_by_filename: name }))[0].name, name);
      await asking.end();
    });
  });

  describe(`reflection ${version} before and without a function`, () => {
    it('lists only itself', async () => {
      const world = new World();
      try {
        const gateway = await world.gateway({ ready: false });
        const asking = newAsking(world, gateway);
        assert.deepEqual(await asking.services(), [self]);
        await asking.end();
        await gateway.kill('SIGTERM'); // and its journal, before the directory goes
      } finally {
        await world.end();
      }
    });

    it('can be off', async () => {
      const world = new World();
      try {
        const gateway = await world.gateway({
          functionPort: (await world.testFunction()).port, env: { HEADGATE_GRPC_REFLECTION: 'false' },
        });
        await assert.rejects(newAsking(world, gateway).services(), { code: grpc.status.UNIMPLEMENTED });
      } finally {
        await world.end();
      }
    });

    it('does not keep the gateway from ending', async () => {
      const world = new World();
      try {
        const gateway = await world.gateway({ functionPort: (await world.testFunction()).port });
        const asking = newAsking(world, gateway);
        await asking.services();
        gateway.child.kill('SIGTERM');
        assert.equal((await asking.ended).code, grpc.status.UNAVAILABLE);
        assert.deepEqual(await gateway.exited, { code: 0, signal: null });
      } finally {
        await world.end();
      }
    });
  });
}

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import grpc from '@grpc/grpc-js';
import protobuf from 'protobufjs';
import { Action, EventSourced, Headgate, ValueEntity } from '../src/index.js';
import { describe as read } from '../src/proto/source.js';
import { idlDir, protoDir, startFunction, unary } from './proxy.js';

const includeDirs = [protoDir];
const steps = (options) => new Action('model.proto', 'headgate.test.Steps', { includeDirs, ...options });
const vault = (options) => new ValueEntity('model.proto', 'headgate.test.Vault', { includeDirs, ...options });
const PROXY = { protocol_major_version: 0, protocol_minor_version: 2, proxy_name: 'fake', proxy_version: '1' };

describe('discovery', () => {
  it('tells what there is', async () => {
    const fn = await startFunction([vault({ persistenceId: 'safe', passivationTimeout: 100 }), steps()],
      { serviceName: 'mine', serviceVersion: '7' });
    try {
      const spec = await unary(fn.discovery, 'discover', PROXY);
      assert.deepEqual(spec.entities.map(({ entity_type: type, service_name: name, persistence_id: id, passivation_strategy: strategy }) =>
        [type, name, id ?? '', strategy?.timeout.timeout]), [
        ['cloudstate.valueentity.ValueEntity', 'headgate.test.Vault', 'safe', 100],
        ['cloudstate.action.ActionProtocol', 'headgate.test.Steps', '', undefined],
      ]);
      const { service_info: info } = spec;
      assert.deepEqual([info.service_name, info.service_version, info.service_runtime, info.support_library_name],
        ['mine', '7', `node ${process.version}`, 'headgate']);
      assert.deepEqual([info.protocol_major_version ?? 0, info.protocol_minor_version], [0, 2]);
      const { files, root } = read(Buffer.from(spec.proto));
      assert.ok(files.some(({ name }) => name === 'google/api/annotations.proto'));
      assert.equal(root.lookupService('headgate.test.Steps').methods.Both.requestStream, true);
      const old = await unary(fn.discovery, 'discover', { ...PROXY, protocol_minor_version: 1 });
      assert.equal(old.service_info.protocol_minor_version, 1);
    } finally {
      await fn.stop();
    }
  });

  it('prints what the proxy reports, with the place in the .proto file', async () => {
    const fn = await startFunction([steps()]);
    try {
      await unary(fn.discovery, 'reportError', { message: 'headgate.test.Steps: the method Out is not liked\n  at all' });
      const printed = fn.logged.at(-1);
      const line = fs.readFileSync(`${protoDir}/model.proto`, 'utf8').split('\n').findIndex((text) => text.includes('rpc Out(')) + 1;
      assert.match(printed, /^Error reported by the proxy:\n {2}headgate\.test\.Steps: the method Out is not liked\n {4}at all\n/);
      assert.ok(printed.endsWith(`\n    at ${protoDir}/model.proto:${line}`), printed);
    } finally {
      await fn.stop();
    }
  });

  for (const [name, make, text] of [
    ['an unknown service', () => new Action('model.proto', 'headgate.test.No', { includeDirs }), /headgate.test.No is not defined in model.proto/],
    ['an unknown file', () => new Action('none.proto', 'x.Y', { includeDirs }), /none.proto is in none of/],
    ['the same service twice', () => new Headgate().addEntity(steps(), steps()), /there already/],
    ['the same persistence id twice', () => new Headgate().addEntity(vault(), new EventSourced('model.proto', 'headgate.test.Log', { includeDirs })),
      /same persistenceId "entity"/],
    ['an unknown protocol', () => new Headgate({ protocolVersion: '1.0' }), /0.1 and 0.2/],
    ['nothing to serve', () => new Headgate().start(), /nothing to serve/],
    ['no behavior', () => new Headgate().addEntity(new EventSourced('model.proto', 'headgate.test.Log', { includeDirs })).start(), /has no initial/],
  ]) {
    it(`refuses ${name}`, async () => assert.rejects(async () => make(), text));
  }

  it('starts once, on the port that is asked for, and stops', async () => {
    const server = new Headgate({ logger: { info() {}, error() {} } }).addComponent(steps());
    const port = await server.start({ bindAddress: '127.0.0.1', bindPort: 0 });
    await assert.rejects(server.start({ port: 0 }), /started already/);
    await assert.rejects(new Headgate().addAction(steps()).start({ port }), /EADDRINUSE|No address/);
    await server.shutdown();
    await server.shutdown();
  });

  it('survives a promise that nobody waits for', async () => {
    const child = spawn(process.execPath, [fileURLToPath(new URL('fixtures/stray.js', import.meta.url))], { stdio: 'pipe' });
    try {
      let errors = '';
      child.stderr.on('data', (text) => { errors += text; });
      const port = await new Promise((resolve, reject) => {
        child.stdout.once('data', (text) => resolve(Number(text)));
        child.on('exit', () => reject(new Error(errors)));
      });
      const { entityStream, request } = await import('./proxy.js');
      const { protocol } = await import('../src/protocol.js');
      assert.ok(protocol.eventSourced.handle);
      const Client = grpc.makeGenericClientConstructor(protocol.eventSourced, 'EventSourced');
      const client = new Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
      const stream = entityStream({ handle: () => camel(client.handle()) }, 'headgate.test.Log');
      for (const id of [1, 2]) assert.ok((await stream.command(id, 'Say', request('e', 'x'))).reply);
      client.close();
      assert.match(errors, /nobody waited for failed: Error: lost/);
    } finally {
      child.removeAllListeners('exit');
      child.kill('SIGKILL');
    }
  });
});

// The library's own messages have other names for their fields.
function camel(call) {
  const write = call.write.bind(call);
  call.write = (message) => write(JSON.parse(JSON.stringify(message, (key, value) => (
    value?.value instanceof Uint8Array ? { ...value, value: Buffer.from(value.value).toString('base64') } : value)),
  (key, value) => (value?.service_name ? { serviceName: value.service_name, entityId: value.entity_id } : value)));
  return call;
}

// -- the description of the .proto files --------------------------------------------------------------

const protoc = spawnSync('protoc', ['--version']).status === 0;

// The set as text by protoc, without comments, and without the files of protobuf itself.
function decoded(bytes) {
  const { stdout, stderr } = spawnSync('protoc', [`-I${protoDir}`, `-I${idlDir}`, '-I/usr/include',
    '--decode=google.protobuf.FileDescriptorSet', 'google/protobuf/descriptor.proto', 'google/api/annotations.proto',
    'cloudstate/entity_key.proto', 'cloudstate/eventing.proto'], { input: bytes, maxBuffer: 1 << 26 });
  assert.equal(String(stderr), '');
  const files = String(stdout).replace(/^ {2}source_code_info \{\n[\s\S]*?^ {2}\}\n/gm, '').split(/^(?=file \{$)/m);
  return files.filter((text) => !/^ {2}name: "google\/protobuf\//m.test(text)).sort();
}

describe('descriptions', () => {
  it('are those that protoc writes', { skip: !protoc && 'no protoc' }, () => {
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'headgate-node-'));
    try {
      const made = spawnSync('protoc', [`-I${protoDir}`, `-I${idlDir}`, '--include_imports', '--include_source_info',
        `--descriptor_set_out=${dir}/set`, 'model.proto']);
      assert.equal(made.status, 0, String(made.stderr));
      const theirs = fs.readFileSync(`${dir}/set`);
      const ours = read('model.proto', includeDirs).bytes;
      assert.deepEqual(decoded(ours), decoded(theirs));
      const { root } = read(`${dir}/set`);
      assert.ok(root.lookupType('headgate.test.Everything').fields.oldName, 'fields of a descriptor set have JavaScript names');
    } finally {
      fs.rmSync(dir, { recursive: true });
    }
  });

  it('keep the comments', () => {
    const { bytes } = read('model.proto', includeDirs);
    assert.ok(Buffer.from(bytes).includes('Remembers what was said.'));
    assert.ok(Buffer.from(bytes).includes('Says something.'));
  });

  it('say which file imports what is not there', () => {
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'headgate-node-'));
    try {
      fs.writeFileSync(`${dir}/a.proto`, 'syntax = "proto3";\nimport "b.proto";\n');
      assert.throws(() => read(`${dir}/a.proto`), /b\.proto, which a\.proto imports, is in none of/);
      fs.writeFileSync(`${dir}/b.proto`, 'syntax = "proto3";\nmessage B { string a = 1 [(x.y) = 1]; }\n');
      assert.throws(() => read(`${dir}/a.proto`), /the option \(x\.y\) is not defined/);
      fs.writeFileSync(`${dir}/b.proto`, 'syntax = "proto3";\nmessage B { strin a = }\n');
      assert.throws(() => read(`${dir}/a.proto`), /b\.proto, line 2/);
    } finally {
      fs.rmSync(dir, { recursive: true });
    }
  });

  it('leave the options of protobufjs alone', () => {
    assert.equal(protobuf.parse.filename, null);
  });
});

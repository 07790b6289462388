// A user function that does what the text of each request says, a JSON object, and remembers in order what came to
// it. It describes itself as the test wishes, so that one can come back as another. Words of a script:
//   name           how the log calls it: "Service.Method name", and "Service.Method name over" when it answers
//   gate           waits until the test opens the gate of that name
//   reply          text of the answer; null: none
//   metadata       of the answer, an object
//   fail, code     a failure instead
//   effects        [{ to: 'Service.Method', sync, script, metadata, bytes }]; bytes stand in for a whole side effect
//   forward        { to, script, metadata }
//   results        of streamed replies: a script each
//   hang           no answer and no end
//   crash          the call ends with an error
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import protoLoader from '@grpc/proto-loader';
import { fs, grpc, srcdir, waitFor } from './harness.mjs';

const include = [path.join(srcdir, 'proto/idl'), '/usr/include'];
const options = { keepCase: true, longs: Number, enums: String, defaults: true, oneofs: true, includeDirs: include };
const load = (file) => grpc.loadPackageDefinition(protoLoader.loadSync(file, options)).cloudstate;
const { EntityDiscovery } = load('cloudstate/entity.proto');
const { ActionProtocol } = load('cloudstate/action.proto').action;
const { EventSourced } = load('cloudstate/event_sourced.proto').eventsourced;

export const ACTION = 'cloudstate.action.ActionProtocol';
export const CRDT = 'cloudstate.crdt.Crdt';
export const EVENT_SOURCED = 'cloudstate.eventsourced.EventSourced';

// The file that most functions here have; rest: further services and messages.
export const source = (rest) => `syntax = "proto3";
package scripted;
import "cloudstate/entity_key.proto";
import "google/api/annotations.proto";
message Say { string id = 1 [(cloudstate.entity_key) = true]; string text = 2; }
message Said { string text = 1; }
message Other { string text = 1; }
${rest}
`;

// The bytes of a descriptor set; with include_imports the whole of it.
export function compile(dir, text, flags = ['--include_imports'], name = 'scripted.proto') {
  fs.mkdirSync(dir, { recursive: true });
  fs.writeFileSync(path.join(dir, name), text);
  execFileSync('protoc', [`-I${dir}`, ...include.map((folder) => `-I${folder}`), ...flags,
    `--descriptor_set_out=${path.join(dir, 'out.desc')}`, name], { stdio: ['ignore', 'ignore', 'pipe'] });
  return fs.readFileSync(path.join(dir, 'out.desc'));
}

const messages = protoLoader.fromJSON({
  nested: {
    scripted: {
      nested: {
        Say: { fields: { id: { type: 'string', id: 1 }, text: { type: 'string', id: 2 } } },
        Said: { fields: { text: { type: 'string', id: 1 } } },
        Codec: { methods: { Do: { requestType: 'Say', responseType: 'Said' } } },
      },
    },
  },
}, { keepCase: true, defaults: true })['scripted.Codec'].Do;

export const saying = (id, script) => ({ id, text: JSON.stringify(script) });
const any = (type, value) => ({ type_url: `type.googleapis.com/scripted.${type}`, value });
const entries = (object) => ({ entries: Object.entries(object ?? {}).map(([key, string_value]) => ({ key, string_value })) });

function target({ to, script, metadata }) {
  const at = to.lastIndexOf('.');
  return {
    service_name: to.slice(0, at).includes('.') ? to.slice(0, at) : `scripted.${to.slice(0, at)}`,
    command_name: to.slice(at + 1),
    payload: any('Say', messages.requestSerialize(saying(script?.id ?? 'other', script ?? {}))),
    metadata: entries(metadata),
  };
}

function action(script) {
  if (script.fail !== undefined) {
    return { failure: { description: script.fail, ...(script.code ? { status: { code: script.code, message: script.fail } } : {}) } };
  }
  if (script.forward) return { forward: target(script.forward) };
  if (script.reply === null) return {};
  return { reply: { payload: any(script.type ?? 'Said', messages.responseSerialize({ text: script.reply ?? '' })), metadata: entries(script.metadata) } };
}

const effects = (script) => (script.effects ?? []).map((effect) => ({ ...target(effect), synchronous: effect.sync === true }));

export class Scripted {
  constructor({ proto, entities, version = [0, 2] }) {
    Object.assign(this, { proto, entities, version });
    this.log = [];
    this.reports = [];
    this.seen = {}; // metadata by name of the script
    this.gates = new Map();
    this.server = new grpc.Server();
    this.server.addService(EntityDiscovery.service, {
      discover: ({ request }, done) => { this.proxy = request; done(null, this.describe()); },
      reportError: ({ request }, done) => { this.reports.push(request.message); done(null, {}); },
    });
    this.server.addService(ActionProtocol.service, {
      handleUnary: (call, done) => this.unary(call, done),
      handleStreamedOut: (call) => this.out(call),
      handleStreamedIn: (call, done) => this.in(call, done),
      handleStreamed: (call) => this.both(call),
    });
    this.server.addService(EventSourced.service, { handle: (stream) => this.entity(stream) });
  }

  describe() {
    return {
      proto: this.proto,
      entities: this.entities.map(([entity_type, service_name, persistence_id = '']) => ({ entity_type, service_name, persistence_id })),
      service_info: { service_name: 'scripted', protocol_major_version: this.version[0], protocol_minor_version: this.version[1] },
    };
  }

  gate(name) {
    if (!this.gates.has(name)) {
      let open;
      const opened = new Promise((resolve) => { open = resolve; });
      this.gates.set(name, { open, opened });
    }
    return this.gates.get(name);
  }

  open(name) { this.gate(name).open(); }

  async run(where, payload, metadata) {
    const script = JSON.parse(messages.requestDeserialize(payload.value).text || '{}');
    const name = script.name ? ` ${script.name}` : '';
    this.log.push(`${where}${name}`);
    if (script.name) this.seen[script.name] = Object.fromEntries((metadata?.entries ?? []).map(({ key, string_value }) => [key, string_value]));
    if (script.gate) await this.gate(script.gate).opened;
    this.log.push(`${where}${name} over`);
    return script;
  }

  where({ service_name, name }) { return `${service_name.replace(/^scripted\./, '')}.${name}`; }

  async unary(call, done) {
    const where = this.where(call.request);
    call.on('cancelled', () => this.log.push(`${where} cancelled`));
    const script = await this.run(where, call.request.payload, call.request.metadata);
    if (script.hang) return;
    if (script.crash) done({ code: 13, details: 'crashed' });
    else done(null, { ...action(script), side_effects: effects(script) });
  }

  // The results of one script, in order.
  async answers(call, where, script) {
    for (const result of script.results ?? []) {
      if (result.gate) await this.gate(result.gate).opened;
      this.log.push(`${where} result ${result.name ?? result.reply ?? ''}`.trimEnd());
      call.write({ ...action(result), side_effects: effects(result) });
    }
  }

  async out(call) {
    const where = this.where(call.request);
    call.on('cancelled', () => this.log.push(`${where} cancelled`));
    call.on('error', () => {});
    const script = await this.run(where, call.request.payload, call.request.metadata);
    await this.answers(call, where, script);
    if (script.crash) call.emit('error', { code: 13, details: 'crashed' });
    else if (!script.hang) call.end();
  }

  in(call, done) {
    let where;
    let last = Promise.resolve({});
    call.on('cancelled', () => this.log.push(`${where} cancelled`));
    call.on('error', () => {});
    call.on('data', (command) => {
      if (!command.payload) { where = this.where(command); return; }
      last = last.then(() => this.run(where, command.payload, command.metadata));
      last.then((script) => { if (script.fail !== undefined) done(null, action(script)); });
    });
    call.on('end', async () => {
      const script = await last;
      if (!script.hang && script.fail === undefined) done(null, { ...action(script), side_effects: effects(script) });
    });
  }

  both(call) {
    let where;
    let last = Promise.resolve();
    call.on('cancelled', () => this.log.push(`${where} cancelled`));
    call.on('error', () => {});
    call.on('data', (command) => {
      if (!command.payload) { where = this.where(command); return; }
      last = last.then(async () => this.answers(call, where, await this.run(where, command.payload, command.metadata)));
    });
    call.on('end', async () => { await last; call.end(); });
  }

  entity(stream) {
    let service;
    let last = Promise.resolve();
    stream.on('data', ({ message, init, command }) => {
      if (message === 'init') { service = init.service_name; this.log.push(`init ${service.replace(/^scripted\./, '')} ${init.entity_id}`); }
      if (message !== 'command') return;
      last = last.then(async () => {
        const script = await this.run(this.where({ service_name: service, name: command.name }), command.payload, command.metadata);
        if (script.hang) return;
        if (script.crash) { stream.emit('error', { code: 13, details: 'crashed' }); return; }
        const { failure, ...rest } = action(script);
        stream.write({
          reply: {
            command_id: command.id,
            client_action: failure ? { failure: { ...failure, command_id: command.id } } : rest,
            side_effects: effects(script),
          },
        });
      });
    });
    stream.on('end', () => stream.end());
    stream.on('error', () => {});
  }

  async listen(port) {
    this.port = port;
    await waitFor('the port', () => new Promise((resolve) => {
      this.server.bindAsync(`127.0.0.1:${port}`, grpc.ServerCredentials.createInsecure(), (error) => resolve(!error));
    }));
    return this;
  }

  // As an orderly end does: running calls go on, no new ones come; resolves when it has gone.
  drain() { return new Promise((resolve) => { this.server.tryShutdown(resolve); }); }

  kill() { this.server.forceShutdown(); }
}

// A fake proxy: a client of the function, with messages read by another library than the function uses.
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import grpc from '@grpc/grpc-js';
import protoLoader from '@grpc/proto-loader';
import { Headgate } from '../src/index.js';

const here = path.dirname(fileURLToPath(import.meta.url));
export const protoDir = here;
export const idlDir = path.resolve(here, '../../../proto/idl');

const definition = protoLoader.loadSync(
  ['entity', 'event_sourced', 'value_entity', 'action', 'crdt'].map((name) => `cloudstate/${name}.proto`),
  { includeDirs: [idlDir], keepCase: true, longs: Number, enums: String, oneofs: true },
);
const { cloudstate } = grpc.loadPackageDefinition(definition);
const models = protoLoader.loadSync('model.proto', { includeDirs: [here, idlDir], keepCase: true, longs: Number });

const DEADLINE_MS = 5000;

/** The Any of a message of model.proto. */
export function any(name, fields = {}) {
  const { serialize } = codec(name);
  return { type_url: `type.googleapis.com/headgate.test.${name}`, value: serialize(fields) };
}

function codec(name) {
  const method = { Request: ['Log', 'Say', 'request'], Response: ['Log', 'Say', 'response'] }[name];
  const found = models[`headgate.test.${method[0]}`][method[1]];
  return { serialize: found[`${method[2]}Serialize`], deserialize: found[`${method[2]}Deserialize`] };
}

export const request = (id, text = '', steps = []) => any('Request', { id, text, steps });
export const textOf = (payload) => codec('Response').deserialize(payload.value).text ?? '';

/** The function under test with its logs, and a client of each of its protocol services. */
export async function startFunction(components, options = {}) {
  const logged = [];
  const keep = (...words) => logged.push(words.map((word) => String(word?.stack ?? word)).join(' '));
  const server = new Headgate({ logger: { info: keep, error: keep, warn: keep }, ...options });
  server.addEntity(...components);
  const port = await server.start({ host: '127.0.0.1', port: 0 });
  const clients = [];
  const client = (Service) => {
    const made = new Service(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
    clients.push(made);
    return made;
  };
  return {
    server, port, logged,
    discovery: client(cloudstate.EntityDiscovery),
    actions: client(cloudstate.action.ActionProtocol),
    eventSourced: client(cloudstate.eventsourced.EventSourced),
    valueEntity: client(cloudstate.valueentity.ValueEntity),
    crdt: client(cloudstate.crdt.Crdt),
    async stop() {
      for (const one of clients) one.close();
      await server.shutdown({ graceMs: 100 });
    },
  };
}

export function unary(client, method, message) {
  return new Promise((resolve, reject) => {
    client[method](message, { deadline: Date.now() + DEADLINE_MS }, (error, reply) => (error ? reject(error) : resolve(reply)));
  });
}

/** A stream whose messages are read one by one; next() is undefined at its end. */
export class Stream {
  constructor(call) {
    this.call = call;
    this.arrived = [];
    this.waiting = [];
    const give = (item) => (this.waiting.length > 0 ? this.waiting.shift()(item) : this.arrived.push(item));
    call.on('data', (message) => give({ message }));
    call.on('end', () => give({}));
    call.on('error', (error) => { if (error.code !== grpc.status.CANCELLED) give({ error }); });
    this.status = new Promise((resolve) => { call.on('status', resolve); });
  }

  send(message) {
    this.call.write(message);
    return this;
  }

  async next() {
    const item = this.arrived.shift() ?? await new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('nothing came')), DEADLINE_MS);
      this.waiting.push((got) => { clearTimeout(timer); resolve(got); });
    });
    if (item.error) throw item.error;
    return item.message;
  }

  /** Sends a command and gives what comes back. */
  async command(id, name, payload, rest = {}) {
    this.send({ command: { entity_id: 'e1', id, name, payload, ...rest } });
    return this.next();
  }

  half() {
    this.call.end();
    return this;
  }
}

export function entityStream(client, serviceName, init = {}) {
  const stream = new Stream(client.handle());
  return stream.send({ init: { service_name: serviceName, entity_id: 'e1', ...init } });
}

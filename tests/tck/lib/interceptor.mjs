// Stands between the proxy and the function: passes every call of the protocol on, as bytes, and keeps
// what went by in both directions.
import { Changes, openRaw } from './calls.mjs';
import { decode, encode, expectEqual, grpc, isEqual, methodsOf, plainOf } from './types.mjs';

const SERVICES = [
  'cloudstate.EntityDiscovery',
  'cloudstate.action.ActionProtocol',
  'cloudstate.eventsourced.EventSourced',
  'cloudstate.valueentity.ValueEntity',
  'cloudstate.crdt.Crdt',
];
const raw = (bytes) => bytes;
const LATE_MS = 40; // what nobody expects would come soon after what was expected

// What headers a client sends is its own business, so the metadata of actions are not compared.
function withoutMetadata(type, bytes) {
  if (type !== 'cloudstate.action.ActionCommand') return bytes;
  const message = decode(type, bytes);
  delete message.metadata;
  return message;
}

/** A call that went by. Each direction is read in its order; what was not read is found by expectQuiet. */
export class Passed {
  constructor(recorder, method) {
    this.recorder = recorder;
    this.method = method;
    this.sides = {
      in: { type: method.request, messages: [], read: 0, ended: undefined },
      out: { type: method.response, messages: [], read: 0, ended: undefined },
    };
  }

  get first() {
    return this.sides.in.messages[0];
  }

  async #next(name) {
    const side = this.sides[name];
    await this.recorder.until(`${name === 'in' ? 'a message of the proxy' : 'a message of the function'} in ${this.method.path}`,
      () => side.messages.length > side.read);
    side.read += 1;
    return side.messages[side.read - 1];
  }

  /** What the proxy sent next. */
  async in(...wanted) {
    expectEqual(this.method.request, withoutMetadata(this.method.request, await this.#next('in')), ...wanted);
    return this;
  }

  /** What the function sent next. */
  async out(...wanted) {
    expectEqual(this.method.response, await this.#next('out'), ...wanted);
    return this;
  }

  /** What the function sent next, in whatever order. */
  async outInAnyOrder(...wanted) {
    const left = [...wanted];
    while (left.length > 0) {
      const bytes = await this.#next('out');
      expectEqual(this.method.response, bytes, ...left);
      left.splice(left.findIndex((one) => isEqual(this.method.response, bytes, one)), 1);
    }
    return this;
  }

  async nextOut() {
    return plainOf(this.method.response, await this.#next('out'));
  }

  /** Both sides ended their half in order. */
  async closed(ms) {
    await this.recorder.until(`the end of ${this.method.path} on both sides`, () => {
      const { in: { ended: fromProxy }, out: { ended: fromFunction } } = this.sides;
      if (fromProxy === 'cancelled') throw new Error(`the proxy cancelled ${this.method.path}`);
      if (fromFunction?.code) throw new Error(`the function ended ${this.method.path} with ${fromFunction.code} ${fromFunction.details}`);
      return Boolean(fromProxy && fromFunction);
    }, ms);
    return this;
  }

  /** The proxy broke it off. */
  async cancelled() {
    await this.recorder.until(`the cancellation of ${this.method.path}`, () => this.sides.in.ended === 'cancelled');
    return this;
  }

  get unread() {
    return Object.entries(this.sides).flatMap(([name, { type, messages, read }]) => messages.slice(read)
      .map((bytes) => `${this.method.path} ${name}: ${JSON.stringify(plainOf(type, bytes))}`));
  }
}

export class Recorder extends Changes {
  calls = []; // those that nobody has taken
  taken = [];

  /** The next call of that method that accept() wants; the order among different ones is open. */
  async call(path, accept = () => true, ms = undefined) {
    const found = await this.until(`a call of ${path}`, () => this.calls.find((one) => one.method.path === path && accept(one)), ms);
    this.calls.splice(this.calls.indexOf(found), 1);
    this.taken.push(found);
    return found;
  }

  /** The stream of that entity, begun with exactly that init. */
  async entity(protocol, init, ms) {
    const path = `/${protocol}/handle`;
    const { service_name: service, entity_id: id } = init;
    const found = await this.call(path, ({ first, method }) => {
      const message = first && plainOf(method.request, first);
      return message?.init?.service_name === service && message.init.entity_id === id;
    }, ms);
    return found.in({ init });
  }

  /** Nothing went by that no check has read, on none of the probes. */
  async expectQuiet() {
    await new Promise((resolve) => setTimeout(resolve, LATE_MS));
    const extra = [
      ...this.calls.map((one) => `a call of ${one.method.path} with ${one.first ? JSON.stringify(plainOf(one.method.request, one.first)) : 'no message'}`),
      ...this.taken.flatMap((one) => one.unread),
    ];
    if (extra.length > 0) throw new Error(`unexpected on the way between proxy and function:\n${extra.join('\n')}`);
  }

  /** The next check starts from nothing; the streams of the last one may still end. */
  forget() {
    this.calls = [];
    this.taken = this.taken.filter(({ sides }) => !(sides.in.ended && sides.out.ended));
    for (const one of this.taken) for (const side of Object.values(one.sides)) side.read = side.messages.length;
  }
}

// What the proxy does not support is kept from it: the rest of the function can still be checked.
function onlySupported(passed, bytes) {
  if (passed.method.response !== 'cloudstate.EntitySpec') return bytes;
  const { supported_entity_types: types } = decode(passed.method.request, passed.first);
  const spec = decode('cloudstate.EntitySpec', bytes);
  const entities = spec.entities.filter((entity) => types.includes(entity.entity_type));
  return entities.length === spec.entities.length ? bytes : encode('cloudstate.EntitySpec', { ...spec, entities });
}

function pass(recorder, client, method, inbound) {
  const passed = new Passed(recorder, method);
  recorder.calls.push(passed);
  const { in: fromProxy, out: fromFunction } = passed.sides;
  const note = (act) => { act(); recorder.changed(); };
  const outbound = openRaw(client, method.path);
  inbound.on('data', (bytes) => { note(() => fromProxy.messages.push(bytes)); outbound.write(bytes); });
  inbound.on('end', () => { note(() => { fromProxy.ended ??= 'completed'; }); outbound.end(); });
  inbound.on('error', () => {});
  inbound.on('cancelled', () => { // grpc-js tells it of calls that are over, too
    if (fromProxy.ended && fromFunction.ended) return;
    note(() => { fromProxy.ended = 'cancelled'; });
    outbound.cancel();
  });
  outbound.on('data', (bytes) => { note(() => fromFunction.messages.push(bytes)); inbound.write(onlySupported(passed, bytes)); });
  outbound.on('error', () => {});
  outbound.on('status', (status) => {
    note(() => { fromFunction.ended = status; });
    if (status.code === grpc.status.OK) inbound.end();
    else inbound.emit('error', { code: status.code, details: status.details, metadata: status.metadata });
  });
}

export class Interceptor {
  constructor(client) {
    this.recorder = new Recorder();
    this.server = new grpc.Server({ 'grpc.max_receive_message_length': 16 << 20 });
    for (const service of SERVICES) {
      const methods = methodsOf(service);
      this.server.addService(
        Object.fromEntries(Object.entries(methods).map(([name, { path }]) => [name, {
          path, requestStream: true, responseStream: true,
          requestSerialize: raw, requestDeserialize: raw, responseSerialize: raw, responseDeserialize: raw,
        }])),
        Object.fromEntries(Object.entries(methods).map(([name, method]) => [name,
          (inbound) => pass(this.recorder, client, method, inbound)])),
      );
    }
  }

  listen(host, port) {
    return new Promise((resolve, reject) => {
      this.server.bindAsync(`${host}:${port}`, grpc.ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound)));
    });
  }

  close() {
    this.server.forceShutdown();
  }
}

// Calls of raw bytes, one queue of what came back for each; what the checks read has a time to arrive in.
import { decode, encode, expectEqual, grpc, plainOf } from './types.mjs';

export const PATIENCE_MS = Number(process.env.HEADGATE_TCK_PATIENCE_MS ?? 3000);

const raw = (bytes) => bytes;
const channelOptions = {
  'grpc.use_local_subchannel_pool': 1, 'grpc.max_receive_message_length': 16 << 20,
  'grpc.initial_reconnect_backoff_ms': 100, 'grpc.max_reconnect_backoff_ms': 500,
};

export const connect = (address) => new grpc.Client(address, grpc.credentials.createInsecure(), channelOptions);

/** Every shape of call is a stream both ways on the wire. */
export const openRaw = (client, path, metadata = new grpc.Metadata()) => client.makeBidiStreamRequest(path, raw, raw, metadata, {});

/** Whoever waits for a condition is asked again when something changes. */
export class Changes {
  #waiting = new Set();

  changed() {
    for (const waiting of [...this.#waiting]) waiting();
  }

  /** What probe() gives, as soon as it gives something. */
  until(what, probe, ms = PATIENCE_MS) {
    return new Promise((resolve, reject) => {
      const done = (act, value) => {
        clearTimeout(timer);
        this.#waiting.delete(look);
        act(value);
      };
      const look = () => {
        try {
          const found = probe();
          if (found !== undefined && found !== false) done(resolve, found);
        } catch (error) {
          done(reject, error);
        }
      };
      const timer = setTimeout(() => done(reject, new Error(`${what} did not come within ${ms} ms`)), ms);
      this.#waiting.add(look);
      look();
    });
  }
}

/** One call of a method: messages are objects, replies are checked one by one. */
export class Call extends Changes {
  constructor(client, method, metadata) {
    super();
    this.method = method;
    this.arrived = [];
    this.status = undefined;
    this.call = openRaw(client, method.path, metadata);
    this.call.on('data', (bytes) => { this.arrived.push(bytes); this.changed(); });
    this.call.on('error', () => {});
    this.call.on('status', (status) => { this.status = status; this.changed(); });
  }

  send(message) {
    this.call.write(encode(this.method.request, message));
    return this;
  }

  half() {
    this.call.end();
    return this;
  }

  cancel() {
    this.call.cancel();
    return this;
  }

  /** The bytes of the next reply. */
  async take() {
    return this.until(`a reply of ${this.method.path}`, () => {
      if (this.arrived.length > 0) return this.arrived.shift();
      if (this.status) throw new Error(`${this.method.path} ended with ${this.status.code} ${this.status.details} before the reply`);
      return undefined;
    });
  }

  async next() {
    return decode(this.method.response, await this.take());
  }

  /** The next reply must be one of these. */
  async expect(...wanted) {
    expectEqual(this.method.response, await this.take(), ...wanted);
    return this;
  }

  /** No more replies; the end, by default with OK. */
  async expectEnd(code = grpc.status.OK, details = undefined) {
    const status = await this.until(`the end of ${this.method.path}`, () => this.status);
    if (this.arrived.length > 0) {
      throw new Error(`unexpected reply: ${JSON.stringify(plainOf(this.method.response, this.arrived[0]))}`);
    }
    if (status.code !== code || (details !== undefined && status.details !== details)) {
      throw new Error(`${this.method.path} ended with ${status.code} "${status.details}", expected ${code} "${details ?? ''}"`);
    }
    return this;
  }

  /** Nothing came, and the call is open. */
  expectSilence() {
    if (this.arrived.length > 0 || this.status) throw new Error(`${this.method.path}: something came that nobody expected`);
    return this;
  }
}

/** A call with one request: the reply bytes, or an error with code and details. */
export async function unary(client, method, message, metadata) {
  const call = new Call(client, method, metadata).send(message).half();
  await call.until(`the end of ${method.path}`, () => call.status);
  if (call.status.code !== grpc.status.OK) throw Object.assign(new Error(call.status.details), { code: call.status.code, details: call.status.details });
  if (call.arrived.length !== 1) throw new Error(`${method.path} gave ${call.arrived.length} replies`);
  return call.arrived[0];
}

// A client of Redis, and the final journal read with it: directly, by none of the gateway's own code.
import net from 'node:net';

export class Redis {
  // to: a socket path, or { host, port }.
  constructor(to) {
    this.waiting = [];
    this.data = Buffer.alloc(0);
    this.socket = net.connect(typeof to === 'string' ? { path: to } : to);
    this.socket.on('data', (data) => this.take(data));
    const end = (error) => {
      for (const { reject } of this.waiting.splice(0)) reject(error ?? new Error('closed'));
    };
    this.socket.on('error', end);
    this.socket.on('close', () => end());
  }

  ask(...words) {
    return new Promise((resolve, reject) => {
      if (this.socket.destroyed) { reject(new Error('closed')); return; }
      this.waiting.push({ resolve, reject });
      const parts = words.map((word) => (Buffer.isBuffer(word) ? word : Buffer.from(String(word))));
      this.socket.write(Buffer.concat([Buffer.from(`*${parts.length}\r\n`),
        ...parts.flatMap((part) => [Buffer.from(`$${part.length}\r\n`), part, Buffer.from('\r\n')])]));
    });
  }

  take(data) {
    this.data = this.data.length ? Buffer.concat([this.data, data]) : data;
    let at = 0;
    for (let parsed = read(this.data, at); parsed; parsed = read(this.data, at)) {
      at = parsed.next;
      const { resolve, reject } = this.waiting.shift();
      if (parsed.value instanceof Error) reject(parsed.value);
      else resolve(parsed.value);
    }
    this.data = this.data.subarray(at);
  }

  close() {
    this.socket.destroy();
  }
}

// One reply: bulk strings stay bytes.
function read(data, at) {
  const eol = data.indexOf('\r\n', at);
  if (eol < 0) return undefined;
  const head = data.toString('latin1', at + 1, eol);
  const next = eol + 2;
  switch (data[at]) {
    case 0x2b: case 0x3a: return { value: head, next };
    case 0x2d: return { value: new Error(head), next };
    case 0x24: {
      const length = Number(head);
      if (length < 0) return { value: null, next };
      return data.length < next + length + 2 ? undefined : { value: data.subarray(next, next + length), next: next + length + 2 };
    }
    default: {
      const items = [];
      let position = next;
      for (let i = 0; i < Number(head); i += 1) {
        const item = read(data, position);
        if (!item) return undefined;
        items.push(item.value);
        position = item.next;
      }
      return { value: items, next: position };
    }
  }
}

// One command on a connection of its own; fails after ms.
export async function ask(to, words, ms = 2000) {
  const redis = new Redis(to);
  const timer = setTimeout(() => redis.socket.destroy(new Error('no answer')), ms);
  try {
    const reply = await redis.ask(...words);
    return Buffer.isBuffer(reply) ? reply.toString() : reply;
  } finally {
    clearTimeout(timer);
    redis.close();
  }
}

const fields = (list) => {
  const found = {};
  for (let i = 0; i < list.length; i += 2) found[list[i].toString()] = list[i + 1];
  return found;
};

// headgate.chaos.Written, of ledger.proto.
export function decode(payload) {
  const event = { op: '', baseCount: 0, baseDigest: 0 };
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = payload[at];
      at += 1;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < payload.length) {
    const tag = varint();
    const value = varint();
    if (tag === 10) {
      event.op = payload.toString('latin1', at, at + value);
      at += value;
    } else if (tag === 16) event.baseCount = value;
    else if (tag === 24) event.baseDigest = value;
    else throw new Error(`an event of a ledger has no tag ${tag}`);
  }
  return event;
}

async function* stream(redis, key) {
  for (let from = '-'; ;) {
    const page = await redis.ask('XRANGE', key, from, '+', 'COUNT', 2000);
    yield* page;
    if (page.length < 2000) return;
    from = `(${page.at(-1)[0]}`;
  }
}

async function readEntity(redis, partition, entity) {
  const head = fields(await redis.ask('HGETALL', `hg1:chaos:{${partition}}:h:ledger/${entity}`));
  const events = [];
  for await (const [id, list] of stream(redis, `hg1:chaos:{${partition}}:e:ledger/${entity}`)) {
    const { c, g, p } = fields(list);
    const [sequence, rest] = id.toString().split('-');
    events.push({ sequence: rest === '0' ? Number(sequence) : NaN, command: c.toString('hex'), tag: g.toString('hex'), ...decode(p) });
  }
  return { sequence: Number(head.s ?? 0), tag: head.g?.toString('hex'), events };
}

// The ledgers and the feed on these servers, which together have all partitions once.
export async function readJournal(servers) {
  const entities = new Map();
  const feed = new Map();
  for (const server of servers) {
    const redis = new Redis(server);
    try {
      let cursor = '0';
      const keys = new Set();
      do {
        const [next, page] = await redis.ask('SCAN', cursor, 'MATCH', 'hg1:chaos:*', 'COUNT', 1000);
        for (const key of page) keys.add(key.toString());
        cursor = next.toString();
      } while (cursor !== '0');
      for (const key of keys) {
        const [, partition, kind, entity] = /^hg1:chaos:\{(\d+)\}:([hf]):ledger\/?(.*)$/.exec(key) ?? [];
        if (kind === 'h') entities.set(entity, await readEntity(redis, partition, entity));
        if (kind !== 'f') continue;
        const entries = [];
        for await (const [id, list] of stream(redis, key)) {
          const { e, s, n } = fields(list);
          const [rest, position] = id.toString().split('-');
          entries.push({ position: rest === '0' ? Number(position) : NaN, entity: e.toString(), sequence: Number(s), count: Number(n) });
        }
        feed.set(partition, entries);
      }
    } finally {
      redis.close();
    }
  }
  return { entities, feed };
}

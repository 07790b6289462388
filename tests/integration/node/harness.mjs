// What every integration test stands on: temporary directories, real processes on free ports, waiting
// for a condition with a deadline, curl and gRPC clients. Whatever is started is ended again by pid.
import { spawn, execFile } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import grpc from '@grpc/grpc-js';
import protoLoader from '@grpc/proto-loader';

const here = path.dirname(fileURLToPath(import.meta.url));
export const srcdir = path.resolve(here, '../../..');
export const builddir = process.env.HEADGATE_BUILDDIR ?? path.join(srcdir, 'build');
const deadlineMs = Number(process.env.HEADGATE_TEST_DEADLINE_MS ?? 15000);

// Resolves once probe() gives something other than false or undefined; rejects after the deadline.
export async function waitFor(what, probe, ms = deadlineMs) {
  const end = Date.now() + ms;
  let last;
  for (;;) {
    try {
      last = await probe();
      if (last !== false && last !== undefined) return last;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) throw new Error(`gave up waiting for ${what}: ${last?.message ?? last}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

// One below those that the kernel gives to connections, which would take it again before it is used.
export async function freePort() {
  for (;;) {
    const port = 12000 + Math.floor(Math.random() * 20000);
    const server = net.createServer();
    server.listen(port, '127.0.0.1');
    const isFree = await Promise.race([
      once(server, 'listening').then(() => true),
      once(server, 'error').then(() => false),
    ]).catch(() => false);
    if (!isFree) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
}

// A started program: its output by line, its end, and a way to end it.
class Program {
  constructor(file, args, env, cwd) {
    this.lines = [];
    this.child = spawn(file, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.pid = this.child.pid;
    this.closed = once(this.child, 'close').catch(() => {}); // an error is told below
    this.exited = new Promise((resolve) => {
      this.child.on('error', (error) => resolve({ error }));
      this.child.on('exit', async (code, signal) => {
        // Its last lines may still be on their way; a child of its own may hold the other end for longer.
        await Promise.race([this.closed, new Promise((over) => setTimeout(over, 1000).unref())]);
        this.exit = { code, signal };
        resolve(this.exit);
      });
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      let rest = '';
      stream.setEncoding('utf8').on('data', (text) => {
        const parts = (rest + text).split('\n');
        rest = parts.pop();
        this.lines.push(...parts);
      });
    }
  }

  // The first log line (JSON object) of that event that the test accepts.
  event(name, accept = () => true) {
    for (const line of this.lines) {
      if (!line.startsWith('{')) continue;
      const entry = JSON.parse(line);
      if (entry.event === name && accept(entry)) return entry;
    }
    return undefined;
  }

  async kill(signal = 'SIGKILL') {
    if (!this.exit) this.child.kill(signal);
    return this.exited;
  }
}

// One test's world: made per test, torn down whole.
let gateways = 0;

export class World {
  constructor() {
    this.dir = fs.mkdtempSync(path.join(os.tmpdir(), 'headgate-test-'));
    this.programs = [];
    this.clients = [];
  }

  start(file, args = [], env = {}, cwd = this.dir) {
    const program = new Program(file, args, env, cwd);
    this.programs.push(program);
    return program;
  }

  async redis(args = []) {
    const socket = path.join(this.dir, 'redis.sock');
    const dir = path.join(this.dir, 'redis');
    fs.mkdirSync(dir, { recursive: true });
    const program = this.start('redis-server', [
      '--port', '0', '--unixsocket', socket, '--dir', dir, '--save', '',
      '--appendonly', 'yes', '--appendfsync', 'always', ...args,
    ]);
    program.socket = socket;
    await waitFor('redis-server', async () => (await redisCommand(socket, 'PING')) === 'PONG');
    return program;
  }

  // The shopping cart, written in C or JavaScript: the same service and the same journal.
  async cart(env = {}, language = 'C') {
    if (language === 'C') return this.userFunction('samples/shopping-cart/shopping-cart', env);
    return this.userFunction(process.execPath, env, [path.join(srcdir, 'samples/shopping-cart-js/index.js')]);
  }

  async testFunction(env = {}) {
    return this.userFunction('tests/fakes/testfunction', env);
  }

  // binary is a path in the build tree or absolute.
  async userFunction(binary, env, args = []) {
    const port = env.PORT ?? (await freePort());
    const program = this.start(path.resolve(builddir, binary), args, {
      HOST: '127.0.0.1', ...env, PORT: String(port),
    });
    program.port = port;
    await waitFor(binary, () => {
      if (program.exit) throw new Error(`exited: ${program.lines.join('\n')}`);
      return canConnect(port);
    });
    return program;
  }

  // env may name JOURNAL_URL; by default the gateway runs its embedded journal in the world's directory.
  // under is a command that runs it, as valgrind does.
  async gateway({ functionPort, env = {}, args = [], ready = true, under = [] } = {}) {
    const [file, ...rest] = [...under, path.join(builddir, 'headgate'), ...args];
    const program = this.start(file, rest, {
      PORT: '0', ADMIN_PORT: '0',
      JOURNAL_URL: `embedded:${path.join(this.dir, 'journal')}`,
      // No two of one namespace may share it, and one that is started anew waits until the last is forgotten.
      HEADGATE_PEER_ADDRESS: `gateway-${process.pid}-${(gateways += 1)}.example:7355`,
      PEER_PORT: String(await freePort()),
      USER_FUNCTION_HOST: '127.0.0.1',
      USER_FUNCTION_PORT: String(functionPort ?? 1),
      ...env,
    });
    const port = async (listener) =>
      (await waitFor(`${listener} listener`, () => {
        if (program.exit) throw new Error(`exited: ${program.lines.join('\n')}`);
        return program.event('listening', (entry) => entry.listener === listener);
      })).port;
    program.port = await port('ingress');
    program.adminPort = await port('admin');
    program.url = `http://127.0.0.1:${program.port}`;
    program.admin = `http://127.0.0.1:${program.adminPort}`;
    if (ready) await waitReady(program);
    return program;
  }

  // A generated client of one service of a .proto file.
  client(gateway, protoFile, service, includeDirs = [], options = {}) {
    const definition = protoLoader.loadSync(protoFile, {
      keepCase: true, longs: String, enums: String, defaults: true, oneofs: true,
      includeDirs: [path.join(srcdir, 'proto/idl'), path.dirname(protoFile), '/usr/include', ...includeDirs],
    });
    const constructor = service.split('.').reduce((at, name) => at[name], grpc.loadPackageDefinition(definition));
    const client = new constructor(`127.0.0.1:${gateway.port}`, grpc.credentials.createInsecure(), {
      'grpc.initial_reconnect_backoff_ms': 100, 'grpc.max_reconnect_backoff_ms': 200,
      'grpc.use_local_subchannel_pool': 1, ...options,
    });
    this.clients.push(client);
    return client;
  }

  cartClient(gateway) {
    return this.client(gateway, path.join(srcdir, 'samples/shopping-cart/shoppingcart.proto'),
      'com.example.shoppingcart.ShoppingCart');
  }

  async end() {
    for (const client of this.clients) client.close();
    await Promise.all(this.programs.map((program) => program.kill('SIGKILL')));
    fs.rmSync(this.dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
  }
}

export async function waitReady(gateway, ms) {
  await waitFor('readiness', async () => {
    const answer = await fetch(`${gateway.admin}/ready`);
    if (answer.status !== 200) throw new Error(await answer.text());
    return true;
  }, ms);
}

export function canConnect(port) {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.on('connect', () => { socket.destroy(); resolve(true); });
    socket.on('error', () => resolve(false));
  });
}

// Calls a unary method; resolves to the reply or rejects with the ServiceError.
export function call(client, method, request, options = {}) {
  return new Promise((resolve, reject) => {
    client[method](request, new grpc.Metadata(), { deadline: Date.now() + 10000, ...options },
      (error, reply) => (error ? reject(error) : resolve(reply)));
  });
}

// Gateways of a World do not reach each other under their addresses, so each executes what it gets. When they keep making
// each other load an entity again, the one that does not own it steps aside for a moment.
export function isSteppingAside(error) {
  return error.code === grpc.status.UNAVAILABLE && error.details === 'another member of the namespace serves this entity' &&
    error.metadata.get('grpc-status-details-bin').some((details) => details.includes('google.rpc.RetryInfo'));
}

// As a caller who then asks again.
export async function callAgain(client, method, request) {
  for (;;) {
    try {
      return await call(client, method, request);
    } catch (error) {
      if (!isSteppingAside(error)) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

// Runs curl; gives status, headers (lower case) and body.
export function curl(...args) {
  return new Promise((resolve, reject) => {
    execFile('curl', ['-sS', '-i', '--max-time', '20', ...args], { maxBuffer: 64 << 20, encoding: 'buffer' },
      (error, stdout, stderr) => {
        if (error && stdout.length === 0) return reject(new Error(`curl: ${stderr}`));
        let rest = stdout;
        let head;
        do { // skip interim answers
          const at = rest.indexOf('\r\n\r\n');
          head = rest.subarray(0, at).toString('latin1');
          rest = rest.subarray(at + 4);
        } while (/^HTTP\/\S+ 1\d\d/.test(head));
        const [first, ...lines] = head.split('\r\n');
        const headers = {};
        for (const line of lines) {
          const colon = line.indexOf(':');
          headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
        }
        return resolve({ status: Number(first.split(' ')[1]), version: first.split(' ')[0], headers, body: rest.toString('utf8') });
      });
  });
}

// Sends raw bytes on a fresh connection; gives all that came back until the peer closed or ms passed.
export function rawExchange(port, bytes, { ms = 5000, keepOpen = true } = {}) {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    const chunks = [];
    let closed = false;
    const done = () => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ text: Buffer.concat(chunks).toString('latin1'), closed });
    };
    const timer = setTimeout(done, ms);
    socket.on('connect', () => (keepOpen ? socket.write(bytes) : socket.end(bytes)));
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('end', () => { closed = true; done(); });
    socket.on('error', () => { closed = true; done(); });
  });
}

// One Redis command over a unix socket, reply as text (simple, bulk or integer) or array of texts.
export function redisCommand(socketPath, ...words) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(socketPath);
    let data = Buffer.alloc(0);
    socket.on('error', reject);
    socket.on('connect', () => {
      socket.write(`*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(String(word))}\r\n${word}\r\n`).join('')}`);
    });
    socket.on('data', (chunk) => {
      data = Buffer.concat([data, chunk]);
      const parsed = parseReply(data, 0);
      if (!parsed) return;
      socket.destroy();
      if (parsed.value instanceof Error) reject(parsed.value);
      else resolve(parsed.value);
    });
  });
}

function parseReply(data, at) {
  const eol = data.indexOf('\r\n', at);
  if (eol < 0) return undefined;
  const head = data.subarray(at + 1, eol).toString();
  const next = eol + 2;
  switch (String.fromCharCode(data[at])) {
    case '+': case ':': return { value: head, next };
    case '-': return { value: new Error(head), next };
    case '$': {
      const length = Number(head);
      if (length < 0) return { value: null, next };
      if (data.length < next + length + 2) return undefined;
      return { value: data.subarray(next, next + length).toString('latin1'), next: next + length + 2 };
    }
    default: {
      const items = [];
      let position = next;
      for (let i = 0; i < Number(head); i += 1) {
        const item = parseReply(data, position);
        if (!item) return undefined;
        items.push(item.value);
        position = item.next;
      }
      return { value: items, next: position };
    }
  }
}

// The sum over all series of a metric whose labels include every given pair.
export async function metric(gateway, name, labels = {}) {
  const text = await (await fetch(`${gateway.admin}/metrics`)).text();
  let sum = 0;
  for (const line of text.split('\n')) {
    const match = /^([a-z_0-9]+)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (!match || match[1] !== name) continue;
    if (Object.entries(labels).every(([key, value]) => match[2]?.includes(`${key}="${value}"`))) sum += Number(match[3]);
  }
  return sum;
}

export { grpc, path, fs, once };

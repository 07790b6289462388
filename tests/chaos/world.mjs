// The programs of a run: three gateways, each with its function and its relay, and Redis in one of three
// topologies. Whatever is started is ended by pid, and dies with this process at the latest.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import netModule from 'node:net';
import path from 'node:path';
import { Disk, Loopback, Namespaces } from './net.mjs';
import { ask } from './journal.mjs';

export const GATEWAYS = 3;
// Ports within namespaces; on loopback each is a free one.
const PORTS = { ingress: 9000, peer: 7355, peerBehind: 7400, redisRelay: 6400, function: 8080, redis: 6379, sentinel: 26379, bus: 16379 };
const DEADLINE_MS = 20000;

export const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });
export const nowUs = () => Number(process.hrtime.bigint() / 1000n);

export async function waitFor(what, probe, ms = DEADLINE_MS) {
  const end = nowUs() + ms * 1000;
  let last;
  for (;;) {
    try {
      last = await probe();
      if (last) return last;
    } catch (error) {
      last = error.message;
    }
    if (nowUs() > end) throw new Error(`gave up waiting for ${what}: ${last}`);
    await pause(20);
  }
}

async function freePort() {
  for (;;) {
    const port = 12000 + Math.floor(Math.random() * 20000);
    const server = netModule.createServer().listen(port, '127.0.0.1');
    const isFree = await Promise.race([once(server, 'listening').then(() => true), once(server, 'error').then(() => false)]).catch(() => false);
    if (!isFree) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
}

// A server or client of the run, which may be started again and again.
class Program {
  constructor(world, name, node, command, env = {}) {
    Object.assign(this, { world, name, node, command, env, lines: [] });
  }

  start() {
    const [file, ...args] = [...this.world.net.at(this.node), 'setpriv', '--pdeathsig', 'KILL', ...this.command];
    const log = fs.openSync(path.join(this.world.dir, `${this.name}.log`), 'a');
    this.child = spawn(file, args, { env: { ...process.env, ...this.env }, stdio: ['pipe', 'pipe', log], detached: true });
    fs.closeSync(log);
    this.child.stdin.on('error', () => {}); // it has ended, which is told by exited
    let rest = '';
    this.child.stdout.setEncoding('utf8').on('data', (text) => {
      const parts = (rest + text).split('\n');
      rest = parts.pop();
      for (const line of parts) this.onLine?.(line);
    });
    const { child } = this;
    this.exited = new Promise((resolve) => {
      child.on('error', (error) => resolve({ error }));
      child.on('exit', (code, signal) => {
        if (this.child === child) this.child = undefined;
        resolve({ code, signal });
      });
    });
  }

  get isRunning() {
    return this.child !== undefined;
  }

  signal(name) {
    this.child?.kill(name);
  }

  order(line) {
    this.child?.stdin.write(`${line}\n`);
  }

  async kill(signal = 'SIGKILL') {
    const { exited } = this;
    this.signal(signal);
    if (signal !== 'SIGKILL') this.signal('SIGCONT');
    return exited;
  }
}

function get(socketPath, url, ms = 1000) {
  return new Promise((resolve, reject) => {
    const request = http.get({ socketPath, path: url, timeout: ms, agent: false }, (answer) => {
      let body = '';
      answer.setEncoding('utf8').on('data', (text) => { body += text; }).on('end', () => resolve({ status: answer.statusCode, body }));
      answer.on('error', reject);
    });
    request.on('timeout', () => request.destroy(new Error('timeout')));
    request.on('error', reject);
  });
}

// What is added up over all gateways and all their lives.
const COUNTED = /^(headgate_(?:journal_appends|journal_verifies|journal_resends|forward|suspicions|handovers|entity_activations|entity_crashes|commands_recalled|commands_damped|commands_handed_over|dedupe_windows_read)(?:_total)?(?:\{[^}]*\})?) (\S+)$/;

export class World {
  constructor({ dir, builddir, topology, namespaces }) {
    Object.assign(this, { dir, builddir, topology, programs: [], gateways: [], servers: [], sentinels: [], counters: new Map() });
    this.net = namespaces ? new Namespaces() : new Loopback();
    this.disk = new Disk(path.join(dir, 'disk'));
    this.isIsolated = namespaces;
  }

  async port(name) {
    return this.isIsolated ? PORTS[name] : freePort();
  }

  program(...args) {
    const program = new Program(this, ...args);
    this.programs.push(program);
    return program;
  }

  // A file of two numbers for preload.c: ms of delay of fdatasync, s of offset of the clock.
  control(name) {
    const file = path.join(this.dir, `${name}.control`);
    const set = (delayMs, offsetS) => {
      const bytes = Buffer.alloc(16);
      bytes.writeBigInt64LE(BigInt(delayMs), 0);
      bytes.writeBigInt64LE(BigInt(offsetS), 8);
      const fd = fs.openSync(file, fs.existsSync(file) ? 'r+' : 'w');
      fs.writeSync(fd, bytes, 0, 16, 0);
      fs.closeSync(fd);
    };
    set(0, 0);
    const env = process.env.HEADGATE_SANITIZED ? {} : { CHAOS_CONTROL: file, LD_PRELOAD: path.join(this.builddir, 'tests/chaos/preload.so') };
    return { set, env };
  }

  // -- Redis ---------------------------------------------------------------------------------------

  async server(number, more = []) {
    const name = `r${number}`;
    const { redis: host } = this.net.node(name, 10 + number, ['redis']);
    const port = await this.port('redis');
    const dir = path.join(this.disk.dir, name);
    fs.mkdirSync(dir);
    const socket = path.join(this.dir, `${name}.sock`);
    const control = this.control(name);
    const program = this.program(name, name, ['redis-server', '--port', String(port), '--bind', host, '--protected-mode', 'no',
      '--unixsocket', socket, '--dir', dir, '--save', '', '--appendonly', 'yes', '--appendfsync', 'always',
      '--repl-diskless-sync-delay', '0', ...more], control.env);
    Object.assign(program, { host, port, socket, control });
    this.servers.push(program);
    program.start();
    await this.answering(program);
    return program;
  }

  answering(server) {
    return waitFor(`${server.name} to answer`, async () => {
      if (!server.isRunning) throw new Error(`it ended, see ${server.name}.log`);
      return (await ask(server.socket, ['PING'])) === 'PONG';
    });
  }

  async startRedis() {
    if (this.topology === 'standalone') {
      const server = await this.server(0);
      return `redis://${server.host}:${server.port}`;
    }
    return this.topology === 'sentinel' ? this.startSentinels() : this.startCluster();
  }

  async startSentinels() {
    const first = await this.server(0);
    for (const i of [1, 2]) await this.server(i, ['--replicaof', `${first.host} ${first.port}`]);
    for (const server of this.servers) {
      const name = `s-${server.name}`;
      const port = await this.port('sentinel');
      const file = path.join(this.dir, `${name}.conf`);
      fs.writeFileSync(file, `port ${port}\nbind ${server.host}\nprotected-mode no\ndir ${this.dir}\nsentinel monitor shop ${first.host} ${first.port} 2\n`
        + 'sentinel down-after-milliseconds shop 1000\nsentinel failover-timeout shop 5000\n');
      const program = this.program(name, server.name, ['redis-server', file, '--sentinel', '--unixsocket', path.join(this.dir, `${name}.sock`)]);
      Object.assign(program, { port, host: server.host, socket: path.join(this.dir, `${name}.sock`) });
      this.sentinels.push(program);
      program.start();
    }
    await this.settleRedis();
    return `redis+sentinel://${this.sentinels.map(({ host, port }) => `${host}:${port}`).join(',')}/shop`;
  }

  async startCluster() {
    for (let i = 0; i < 6; i += 1) {
      await this.server(i, ['--cluster-enabled', 'yes', '--cluster-port', String(await this.port('bus')), '--cluster-node-timeout', '2000']);
    }
    const [first] = this.servers;
    const busPort = async (server) => (await ask(server.socket, ['CONFIG', 'GET', 'cluster-port']))[1].toString();
    for (let i = 0; i < 3; i += 1) {
      await ask(this.servers[i].socket, ['CLUSTER', 'ADDSLOTSRANGE', Math.floor((i * 16384) / 3), Math.floor(((i + 1) * 16384) / 3) - 1]);
    }
    for (const server of this.servers.slice(1)) await ask(server.socket, ['CLUSTER', 'MEET', first.host, first.port, await busPort(first)]);
    await waitFor('the cluster', async () => {
      for (const server of this.servers) if (!/cluster_known_nodes:6/.test(await ask(server.socket, ['CLUSTER', 'INFO']))) return false;
      return true;
    });
    for (let i = 0; i < 3; i += 1) {
      await ask(this.servers[3 + i].socket, ['CLUSTER', 'REPLICATE', await ask(this.servers[i].socket, ['CLUSTER', 'MYID'])]);
    }
    await this.settleRedis();
    return `redis+cluster://${this.servers.slice(0, 3).map(({ host, port }) => `${host}:${port}`).join(',')}`;
  }

  async roles() {
    const found = new Map();
    for (const server of this.servers) {
      const info = await ask(server.socket, ['INFO', 'replication']).catch(() => '');
      found.set(server, { role: /role:(\w+)/.exec(info)?.[1], link: /master_link_status:(\w+)/.exec(info)?.[1] });
    }
    return found;
  }

  async primaries() {
    return [...(await this.roles())].filter(([, { role }]) => role === 'master').map(([server]) => server);
  }

  // Every server is there, has the role that it should, and replicas follow.
  settleRedis() {
    const wanted = { standalone: 1, sentinel: 1, cluster: 3 }[this.topology];
    return waitFor('Redis to settle', async () => {
      const roles = [...(await this.roles()).values()];
      const masters = roles.filter(({ role }) => role === 'master').length;
      if (masters !== wanted || roles.some(({ role, link }) => role === 'slave' && link !== 'up') || roles.some(({ role }) => !role)) {
        throw new Error(JSON.stringify(roles));
      }
      for (const sentinel of this.sentinels) {
        const answer = (await ask(sentinel.socket, ['SENTINEL', 'MASTER', 'shop'])).map(String);
        if (answer[answer.indexOf('num-other-sentinels') + 1] !== '2' || answer[answer.indexOf('flags') + 1] !== 'master') return false;
      }
      if (this.topology !== 'cluster') return true;
      for (const server of this.servers) if (!/cluster_state:ok/.test(await ask(server.socket, ['CLUSTER', 'INFO']))) return false;
      return true;
    }, 60000);
  }

  // -- Gateways ------------------------------------------------------------------------------------

  async gateway(number, redisUrl, settings) {
    const name = `g${number}`;
    const hosts = this.net.node(name, number, ['peer', 'redis', 'client']);
    const [ingress, peer, peerBehind, redisRelay, functionPort] = [await this.port('ingress'), await this.port('peer'),
      await this.port('peerBehind'), await this.port('redisRelay'), await this.port('function')];
    const relay = this.program(`${name}-relay`, name, [path.join(this.builddir, 'tests/chaos/relay'),
      `${hosts.peer}:${peer}=127.0.0.1:${peerBehind}`,
      ...(this.topology === 'standalone' ? [`127.0.0.1:${redisRelay}=${new URL(redisUrl).host}`] : [])]);
    const ledger = this.program(`${name}-function`, name, [path.join(this.builddir, 'tests/chaos/ledger')],
      { HOST: '127.0.0.1', PORT: String(functionPort) });
    const control = this.control(name);
    const socket = path.join(this.dir, `${name}.sock`);
    const gateway = this.program(name, name, [path.join(this.builddir, 'headgate')], {
      PORT: undefined, HEADGATE_LISTEN: `${hosts.client}:${ingress}`, HEADGATE_ADMIN_LISTEN: `unix:${socket}`,
      JOURNAL_URL: this.topology === 'standalone' ? `redis://127.0.0.1:${redisRelay}` : redisUrl, HEADGATE_JOURNAL_NAMESPACE: 'chaos',
      HEADGATE_PEER_ADDRESS: `${hosts.peer}:${peer}`, PEER_PORT: String(peerBehind),
      USER_FUNCTION_HOST: '127.0.0.1', USER_FUNCTION_PORT: String(functionPort),
      ...settings, ...control.env,
    });
    Object.assign(gateway, { relay, ledger, control, socket, number, hosts, address: `${hosts.client}:${ingress}`, dropped: 0 });
    relay.onLine = (line) => { if (line.startsWith('dropped')) gateway.dropped += 1; };
    this.gateways.push(gateway);
    relay.start();
    ledger.start();
    this.startGateway(gateway);
  }

  startGateway(gateway) {
    fs.rmSync(gateway.socket, { force: true }); // of one that was killed
    gateway.start();
    gateway.life = (gateway.life ?? 0) + 1;
  }

  async isReady(gateway) {
    return (await get(gateway.socket, '/ready')).status === 200;
  }

  settle() {
    return waitFor('all gateways to be ready', async () => {
      for (const gateway of this.gateways) {
        if (!gateway.isRunning) throw new Error(`${gateway.name} ended, see its log`);
        if (!(await this.isReady(gateway))) throw new Error(`${gateway.name}: ${(await get(gateway.socket, '/ready')).body}`);
      }
      const { body } = await get(this.gateways[0].socket, '/status');
      return JSON.parse(body).members.view.filter(({ state }) => state === 'up').length === GATEWAYS;
    }, 30000);
  }

  // The counters as they stand; those of a life that ended are the last ones that were seen.
  async count() {
    await Promise.all(this.gateways.map(async (gateway) => {
      const { life } = gateway;
      const answer = await get(gateway.socket, '/metrics', 500).catch(() => undefined);
      for (const line of answer?.body.split('\n') ?? []) {
        const [, name, value] = COUNTED.exec(line) ?? [];
        if (name) this.counters.set(`${gateway.number}.${life} ${name}`, Number(value));
      }
    }));
  }

  get totals() {
    const sums = {};
    for (const [key, value] of this.counters) {
      const name = key.slice(key.indexOf(' ') + 1);
      if (value) sums[name] = (sums[name] ?? 0) + value;
    }
    return Object.fromEntries(Object.entries(sums).sort());
  }

  async start(settings) {
    if (this.isIsolated) this.net.node('c', 100, ['client']);
    const url = await this.startRedis();
    for (let i = 1; i <= GATEWAYS; i += 1) await this.gateway(i, url, settings);
    await this.settle();
  }

  async end() {
    await Promise.all(this.programs.map((program) => program.kill('SIGKILL')));
    this.net.end();
    this.disk.end();
  }
}

// More than one redis-server on loopback: a primary with replicas and sentinels, or a cluster; and
// writers of carts that know what they were told.
import fs from 'node:fs';
import path from 'node:path';
import { call, freePort, redisCommand, waitFor } from './harness.mjs';

const HOST = '127.0.0.1';

export const ask = (server, ...words) => redisCommand({ port: server.port, host: HOST }, ...words);

const info = async (server, section) => Object.fromEntries((await ask(server, 'INFO', section)).split('\r\n').map((line) => line.split(':')));

async function startServer(world, args = [], password = undefined) {
  const port = await freePort();
  const dir = path.join(world.dir, `redis-${port}`);
  fs.mkdirSync(dir);
  const auth = password ? ['--requirepass', password, '--masterauth', password] : [];
  const program = world.start('redis-server', ['--port', String(port), '--bind', HOST, '--dir', dir, '--save', '', '--appendonly', 'yes', '--appendfsync', 'everysec', '--repl-diskless-sync-delay', '0', ...auth, ...args], {}, dir);
  program.port = port;
  await waitFor('redis-server', async () => {
    if (program.exit) throw new Error(program.lines.join('\n'));
    return ask(program, 'PING').then(() => true, (error) => /NOAUTH/.test(error.message));
  });
  return program;
}

// A primary and one replica; nobody fails over but the test.
export async function startPair(world) {
  const primary = await startServer(world);
  const replica = await startServer(world, ['--replicaof', `${HOST} ${primary.port}`]);
  await waitFor('the replica', async () => (await ask(primary, 'ROLE'))[2].length === 1);
  return { primary, replica };
}

// A primary, its replicas, and sentinels that take it for dead after a second.
export async function startSentinels(world, { replicas = 2, sentinels = 3 } = {}) {
  const servers = [await startServer(world)];
  for (let i = 0; i < replicas; i += 1) servers.push(await startServer(world, ['--replicaof', `${HOST} ${servers[0].port}`]));
  await waitFor('the replicas', async () => (await info(servers[0], 'replication')).connected_slaves === String(replicas));
  const watchers = [];
  for (let i = 0; i < sentinels; i += 1) {
    const port = await freePort();
    const file = path.join(world.dir, `sentinel-${port}.conf`);
    fs.writeFileSync(file, `port ${port}\nbind ${HOST}\ndir ${world.dir}\nsentinel monitor shop ${HOST} ${servers[0].port} ${Math.floor(sentinels / 2) + 1}\n`
      + 'sentinel down-after-milliseconds shop 1000\nsentinel failover-timeout shop 5000\n');
    const program = world.start('redis-server', [file, '--sentinel']);
    program.port = port;
    watchers.push(program);
  }
  for (const watcher of watchers) {
    await waitFor('the sentinels to know each other', async () => {
      const answer = await ask(watcher, 'SENTINEL', 'MASTER', 'shop');
      const of = (name) => answer[answer.indexOf(name) + 1];
      return of('num-slaves') === String(replicas) && of('num-other-sentinels') === String(sentinels - 1);
    });
  }
  return { servers, sentinels: watchers, url: `redis+sentinel://${watchers.map(({ port }) => `${HOST}:${port}`).join(',')}/shop` };
}

// Masters with equal shares of the slots, replicas of the first of them, and servers with nothing yet.
export async function startCluster(world, { masters = 3, replicas = 0, spare = 0, password = undefined } = {}) {
  const servers = [];
  for (let i = 0; i < masters + replicas + spare; i += 1) {
    const busPort = await freePort();
    const server = await startServer(world, ['--cluster-enabled', 'yes', '--cluster-port', String(busPort), '--cluster-node-timeout', '2000'], password);
    server.busPort = busPort;
    server.id = await askAs(server, password, 'CLUSTER', 'MYID');
    servers.push(server);
  }
  for (let i = 0; i < masters; i += 1) await askAs(servers[i], password, 'CLUSTER', 'ADDSLOTSRANGE', Math.floor((i * 16384) / masters), Math.floor(((i + 1) * 16384) / masters) - 1);
  for (const server of servers.slice(1)) await askAs(server, password, 'CLUSTER', 'MEET', HOST, servers[0].port, servers[0].busPort);
  const state = async (server) => Object.fromEntries((await askAs(server, password, 'CLUSTER', 'INFO')).split('\r\n').map((line) => line.split(':')));
  for (const server of servers) {
    await waitFor('the cluster', async () => {
      const now = await state(server);
      return now.cluster_state === 'ok' && now.cluster_known_nodes === String(servers.length);
    });
  }
  for (let i = 0; i < replicas; i += 1) {
    await askAs(servers[masters + i], password, 'CLUSTER', 'REPLICATE', servers[i].id);
    await waitFor('a replica', async () => (await info(servers[masters + i], 'replication')).master_link_status === 'up');
  }
  return { servers, url: `redis+cluster://${servers.slice(0, 2).map(({ port }) => `${HOST}:${port}`).join(',')}` };
}

// As ask, on a server with a password.
export async function askAs(server, password, ...words) {
  if (!password) return ask(server, ...words);
  const { execFile } = await import('node:child_process');
  return new Promise((resolve, reject) => {
    execFile('redis-cli', ['--no-auth-warning', '-h', HOST, '-p', String(server.port), '-a', password, ...words.map(String)], (error, stdout) => (error ? reject(error) : resolve(stdout.replace(/\n$/, '').replaceAll('\r', '').replaceAll('\n', '\r\n'))));
  });
}

// One slot goes from one master to another while it is used, key by key, as redis-cli --cluster does.
export async function moveSlot(from, to, slot, { whileMoving = async () => {} } = {}) {
  await ask(to, 'CLUSTER', 'SETSLOT', slot, 'IMPORTING', from.id);
  await ask(from, 'CLUSTER', 'SETSLOT', slot, 'MIGRATING', to.id);
  await whileMoving();
  for (;;) {
    const keys = await ask(from, 'CLUSTER', 'GETKEYSINSLOT', slot, 3);
    if (keys.length === 0) break;
    await ask(from, 'MIGRATE', HOST, to.port, '', 0, 5000, 'KEYS', ...keys);
    await whileMoving();
  }
  await ask(to, 'CLUSTER', 'SETSLOT', slot, 'NODE', to.id);
  await ask(from, 'CLUSTER', 'SETSLOT', slot, 'NODE', to.id);
}

// Writers that add to carts one after the other until stop(): what each cart was told to have, what it may
// have besides, and the longest time in which nobody was told anything.
export class Writers {
  constructor(client, count = 8, carts = 40, name = 'user') {
    this.name = name;
    this.client = client;
    this.acknowledged = new Map();
    this.unknown = new Map();
    this.failures = new Map();
    this.longestGapMs = 0;
    this.last = Date.now();
    this.running = true;
    this.done = 0;
    this.tasks = Array.from({ length: count }, (_, i) => this.write(i, count, carts));
  }

  async write(i, count, carts) {
    for (let n = i; this.running; n += count) {
      const user = `${this.name}-${n % carts}`;
      try {
        await call(this.client, 'AddItem', { user_id: user, product_id: 'A1', name: 'x', quantity: 1 });
        this.acknowledged.set(user, (this.acknowledged.get(user) ?? 0) + 1);
        this.done += 1;
        this.longestGapMs = Math.max(this.longestGapMs, Date.now() - this.last);
        this.last = Date.now();
      } catch (error) {
        this.unknown.set(user, (this.unknown.get(user) ?? 0) + 1);
        const text = `${error.code} ${error.details}`;
        this.failures.set(text, (this.failures.get(text) ?? 0) + 1);
        if (![14, 4, 8, 10].includes(error.code)) throw error;
        await new Promise((resolve) => { setTimeout(resolve, 20); });
      }
    }
  }

  // Nothing that was acknowledged is missing, and nothing is there that nobody asked for.
  async check(client) {
    const wrong = [];
    for (const [user, told] of this.acknowledged) {
      const found = (await call(client, 'GetCart', { user_id: user })).items[0]?.quantity ?? 0;
      if (found < told || found > told + (this.unknown.get(user) ?? 0)) wrong.push(`${user}: told ${told}, found ${found}, unknown ${this.unknown.get(user) ?? 0}`);
    }
    return wrong;
  }

  async more(n, ms) {
    const from = this.done;
    await waitFor(`${n} more commands (${[...this.failures.keys()].join('; ')})`, () => this.done >= from + n, ms);
  }

  async stop() {
    this.running = false;
    await Promise.all(this.tasks);
  }
}

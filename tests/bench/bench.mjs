// ./dev bench [throughput|startup|memory|instructions|http|kinds|journal|workers]...: what a command costs, as ratios against
// redis-benchmark on the same machine in the same run. Absolute numbers depend on the machine; nothing here
// gates on them. Measures take turns over several short rounds, so that what else the machine does hits
// all of them alike; printed are medians, and the ratio is the median of the rounds' own ratios.
//
// throughput, startup and memory run by default, in about a minute. instructions runs the gateway under
// valgrind: slow, but the same on every machine, which makes it the measure to compare two versions by.
// http is the JSON side: transcoding, routes, and whole requests beside grpc-gateway; see http.mjs.
// kinds is what one call of each kind costs, an entity that everybody wants, and very many entities; see kinds.mjs.
// journal is waking an entity with few and many events, and what entities take in Redis; see journal.mjs.
// workers is what several processes on one port, or several gateways, cost beside one; see workers.mjs.
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { World, builddir, call, metric, redisCommand, srcdir, waitFor } from '../integration/node/harness.mjs';
import { http } from './http.mjs';
import { journal } from './journal.mjs';
import { kinds } from './kinds.mjs';
import { CLIENTS, ROUNDS, SECONDS, cpuSeconds, median } from './measure.mjs';
import { workers } from './workers.mjs';

const exec = promisify(execFile);
const ENTITIES = Number(process.env.BENCH_ENTITIES ?? 10000);
const KEYS = 1000;
const REDIS_CALLS = 30000 * SECONDS; // about as long as a round of the others
const VALGRIND_CALLS = 3000; // connecting 64 clients is then 2 % of the work

const rssMiB = (pid) => Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;

// Virtual machines often have no such counter, and perf may be missing or forbidden.
async function hasInstructionCounter() {
  try {
    const { stderr } = await exec('perf', ['stat', '-x', ',', '-e', 'instructions:u', 'true']);
    return /^\d+,/m.test(stderr);
  } catch {
    return false;
  }
}
const countsInstructions = await hasInstructionCounter();

// Drives the gateway; adds what the gateway itself spent.
async function load(gateway, ...flags) {
  const program = [path.join(builddir, 'tests/bench/load'), '--target', `127.0.0.1:${gateway.port}`,
    '--clients', String(CLIENTS), '--keys', String(KEYS), '--seconds', String(SECONDS), ...flags];
  const counter = countsInstructions ? ['perf', 'stat', '-x', ',', '-e', 'instructions:u', '-p', String(gateway.pid), '--'] : [];
  const [file, ...args] = [...counter, ...program];
  const before = cpuSeconds(gateway.pid);
  const { stdout, stderr } = await exec(file, args);
  const result = JSON.parse(stdout);
  result.gateway_cpu_us = ((cpuSeconds(gateway.pid) - before) * 1e6) / result.ops;
  const counted = /^(\d+),/m.exec(stderr);
  if (counted) result.instructions = Number(counted[1]) / result.ops;
  if (result.errors > 0) console.log(`  ${result.errors} errors, the first: ${result.first_error}`);
  return result;
}

async function redisBenchmark(socket, clients, ...command) {
  const calls = clients === 1 ? REDIS_CALLS / 10 : REDIS_CALLS; // one waits for each sync
  const { stdout } = await exec('redis-benchmark', ['-s', socket, '-c', String(clients), '-n', String(calls),
    '-r', '1000000000', '--csv', ...command], { maxBuffer: 1 << 24 });
  const row = stdout.trim().split('\n').pop().split('","').map((cell) => cell.replaceAll('"', ''));
  return { ops_per_s: Number(row[1]), p50_us: Number(row[4]) * 1000, p99_us: Number(row[6]) * 1000 };
}

// The append script with one event of about the cart's size. Its compare wants the right sequence, so each
// call has an entity of its own: a little more work for Redis than the gateway's appends to old ones.
async function redisAppend(socket, clients = CLIENTS) {
  const script = fs.readFileSync(path.join(srcdir, 'journal/redis/lua/append.lua'), 'utf8');
  const sha = await redisCommand(socket, 'SCRIPT', 'LOAD', script);
  // Each place gets a number of its own; two of them make a repetition improbable.
  const key = (kind) => `hg1:bench:{7}:${kind}:bench/__rand_int____rand_int__`;
  return redisBenchmark(socket, clients, 'EVALSHA', sha, '4', key('h'), key('e'), 'hg1:bench:{7}:f:bench', 'hg1:bench:{7}:i:bench',
    '__rand_int__', '0', '', 'tagtagtagtagtag1', 'cmdcmdcmdcmdcmd1', '1700000000000', '', '', '1',
    'type.googleapis.com/com.example.shoppingcart.persistence.ItemAdded', 'x'.repeat(40));
}

// What a read-only command asks Redis: whether the head is still the same.
const redisVerify = (socket) => redisBenchmark(socket, CLIENTS, 'HMGET', 'hg1:bench:{7}:h:bench/__rand_int__', 's', 'g', 'x');

const grpc = (mode) => ['--protocol', 'grpc', '--mode', mode];
const json = (mode) => ['--protocol', 'http1', '--mode', mode];

// name, what runs, and the row it is compared with
const measures = [
  ['redis-benchmark, append script', (at) => redisAppend(at.socket), 0],
  ['gRPC, one event', (at) => load(at.gateway, ...grpc('write')), 0],
  ['HTTP/1.1 JSON, one event', (at) => load(at.gateway, ...json('write')), 0],
  ['redis-benchmark, read of a head', (at) => redisVerify(at.socket), 3],
  ['gRPC, read only', (at) => load(at.gateway, ...grpc('read')), 3],
  ['HTTP/1.1 JSON, read only', (at) => load(at.gateway, ...json('read')), 3],
];

function print(index, rounds) {
  const mid = (field) => median(rounds.map((round) => round[index][field]));
  const cell = (value, width, unit) => (Number.isNaN(value) ? '-' : `${value} ${unit}`).padStart(width);
  const [name, , reference] = measures[index];
  const speeds = rounds.map((round) => round[index].ops_per_s);
  const ratio = median(rounds.map((round) => round[index].ops_per_s / round[reference].ops_per_s));
  const spread = (Math.max(...speeds) - Math.min(...speeds)) / median(speeds);
  const own = rounds[0][index].gateway_cpu_us !== undefined;
  console.log([name.padEnd(32), `${Math.round(median(speeds))}/s`.padStart(9), `±${Math.round(spread * 50)}%`.padStart(5),
    cell(Math.round(mid('p50_us')), 9, 'us'), cell(Math.round(mid('p99_us')), 9, 'us'),
    cell(own ? Number(mid('gateway_cpu_us').toFixed(1)) : NaN, 9, 'us'),
    cell(own && countsInstructions ? Math.round(mid('instructions')) : NaN, 7, ''), `${ratio.toFixed(2)}x`.padStart(6)].join(' '));
}

async function throughputOf(durability) {
  const world = new World();
  try {
    const cart = await world.cart();
    const gateway = await world.gateway({ functionPort: cart.port, env: { HEADGATE_JOURNAL_DURABILITY: durability } });
    const at = { gateway, socket: path.join(world.dir, 'journal/s.sock') };
    const rounds = [];
    await load(gateway, ...grpc('touch')); // wake the entities
    for (let i = 0; i < ROUNDS; i += 1) {
      const results = [];
      for (const [, run] of measures) results.push(await run(at));
      rounds.push(results);
    }
    console.log(`\nembedded journal, durability ${durability}: ${CLIENTS} clients, ${KEYS} carts, ${ROUNDS} rounds of ${SECONDS} s`);
    console.log(`${''.padEnd(32)}       median        p50       p99 gateway CPU  instr.  ratio`);
    measures.forEach((_, index) => print(index, rounds));
    const against = (a, b) => median(rounds.map((round) => round[a].ops_per_s / round[b].ops_per_s)).toFixed(2);
    console.log(`HTTP/1.1 JSON against gRPC: one event ${against(2, 1)}x, read only ${against(5, 4)}x`);
  } finally {
    await world.end();
  }
}

async function throughput() {
  for (const durability of (process.env.BENCH_DURABILITY ?? 'always everysec').split(' ')) await throughputOf(durability);
  if (!countsInstructions) console.log('(no instruction counter here: ./dev bench instructions asks valgrind)');
}

// User instructions per command, all clients ready at once: under valgrind the gateway is the slow part.
async function instructions() {
  const world = new World();
  const profile = path.join(world.dir, 'callgrind.out');
  try {
    const cart = await world.cart();
    const gateway = await world.gateway({
      functionPort: cart.port,
      env: { HEADGATE_JOURNAL_DURABILITY: 'everysec', HEADGATE_ENTITY_PASSIVATION_TIMEOUT: '10m' },
      under: ['valgrind', '--tool=callgrind', '--instr-atstart=no', `--callgrind-out-file=${profile}`],
    });
    const control = (what) => exec('callgrind_control', [what, String(gateway.pid)]);
    await load(gateway, ...grpc('touch'), '--seconds', '60');
    console.log(`\nuser instructions per command (valgrind), ${CLIENTS} clients, ${KEYS} carts`);
    for (const [name, flags] of [['gRPC, read only', grpc('read')], ['gRPC, one event', grpc('write')],
      ['HTTP/1.1 JSON, read only', json('read')], ['HTTP/1.1 JSON, one event', json('write')]]) {
      await control('--instr=on');
      await load(gateway, ...flags, '--seconds', '60', '--ops', String(VALGRIND_CALLS));
      await control('--instr=off');
      await control('--dump');
      const total = await waitFor('the profile', () => {
        const file = fs.readdirSync(world.dir).find((entry) => /^callgrind\.out\.\d+$/.test(entry));
        return file && /^totals: (\d+)/m.exec(fs.readFileSync(path.join(world.dir, file), 'latin1'))?.[1];
      });
      for (const entry of fs.readdirSync(world.dir)) if (entry.startsWith('callgrind.out.')) fs.rmSync(path.join(world.dir, entry));
      console.log(`${name.padEnd(32)} ${String(Math.round(Number(total) / VALGRIND_CALLS)).padStart(8)}`);
    }
  } finally {
    await world.end();
  }
}

// From before exec to the log line that says ready, function and Redis being up: includes what node takes
// to start a process, in the log's milliseconds.
async function startUp() {
  const world = new World();
  try {
    const cart = await world.cart();
    const redis = await world.redis();
    const took = [];
    for (let i = 0; i < 9; i += 1) {
      const began = Date.now();
      const gateway = await world.gateway({ functionPort: cart.port, env: { JOURNAL_URL: `unix:${redis.socket}` }, ready: false });
      const ready = await waitFor('ready', () => gateway.event('ready'));
      took.push(Date.parse(ready.timestamp) - began);
      await gateway.kill('SIGTERM');
    }
    console.log(`\nexec to ready (function and Redis up): median ${median(took)} ms, best ${Math.min(...took)} ms`);
  } finally {
    await world.end();
  }
}

async function memory() {
  const world = new World();
  try {
    const cart = await world.cart();
    const gateway = await world.gateway({ functionPort: cart.port, env: { HEADGATE_ENTITY_PASSIVATION_TIMEOUT: '10m' } });
    await call(world.cartClient(gateway), 'GetCart', { user_id: 'one' });
    console.log(`\nRSS idle ${rssMiB(gateway.pid).toFixed(1)} MiB`);
    await load(gateway, '--mode', 'touch', '--keys', String(ENTITIES), '--protocol', 'grpc');
    console.log(`RSS with ${await metric(gateway, 'headgate_entities_active')} active entities ${rssMiB(gateway.pid).toFixed(1)} MiB`);
  } finally {
    await world.end();
  }
}

const sections = { throughput, startup: startUp, memory, instructions, http, kinds: () => kinds(load, redisAppend, rssMiB),
  journal: () => journal(load), workers };
const wanted = process.argv.length > 2 ? process.argv.slice(2) : ['throughput', 'startup', 'memory'];
for (const name of wanted) {
  if (!sections[name]) throw new Error(`no such section: ${name}; there are ${Object.keys(sections).join(', ')}`);
  await sections[name]();
}

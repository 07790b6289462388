// ./dev bench: what a command costs, as ratios against redis-benchmark running the same append script on
// the same machine in the same run. Absolute numbers depend on the machine; nothing here gates on them.
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { World, builddir, call, metric, redisCommand, srcdir, waitFor } from '../integration/node/harness.mjs';

const exec = promisify(execFile);
const SECONDS = Number(process.env.BENCH_SECONDS ?? 4);
const CLIENTS = Number(process.env.BENCH_CLIENTS ?? 64);
const ENTITIES = Number(process.env.BENCH_ENTITIES ?? 10000);
const TICKS_PER_SECOND = 100; // USER_HZ, fixed by the kernel's interface

const cpuSeconds = (pid) => {
  const fields = fs.readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
};
const rssMiB = (pid) => Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;

async function load(gateway, ...flags) {
  const before = cpuSeconds(gateway.pid);
  const { stdout } = await exec(path.join(builddir, 'tests/bench/load'),
    ['--target', `127.0.0.1:${gateway.port}`, '--clients', String(CLIENTS), '--seconds', String(SECONDS), ...flags]);
  const result = JSON.parse(stdout);
  result.gateway_cpu_us = ((cpuSeconds(gateway.pid) - before) * 1e6) / result.ops;
  if (result.errors > 0) console.log(`  ${result.errors} errors, the first: ${result.first_error}`);
  return result;
}

// The append script with a fresh random entity per call: sequence 0, one event of about the cart's size.
async function redisBenchmark(socket) {
  const script = fs.readFileSync(path.join(srcdir, 'journal/redis/lua/append.lua'), 'utf8');
  const sha = await redisCommand(socket, 'SCRIPT', 'LOAD', script);
  // Each place gets a number of its own; two of them make a repetition improbable.
  const key = (kind) => `hg1:bench:{7}:${kind}:bench/__rand_int____rand_int__`;
  const { stdout } = await exec('redis-benchmark', ['-s', socket, '-c', String(CLIENTS), '-n', '100000', '-r', '1000000000', '--csv',
    'EVALSHA', sha, '4', key('h'), key('e'), 'hg1:bench:{7}:f:bench', 'hg1:bench:{7}:i:bench',
    '__rand_int__', '0', '', 'tagtagtagtagtag1', 'cmdcmdcmdcmdcmd1', '1700000000000', '1',
    'type.googleapis.com/com.example.shoppingcart.persistence.ItemAdded', 'x'.repeat(40), '', '', '', '', ''], { maxBuffer: 1 << 24 });
  const row = stdout.trim().split('\n').pop().split('","').map((cell) => cell.replaceAll('"', ''));
  return { ops_per_s: Number(row[1]), p50_us: Number(row[4]) * 1000, p99_us: Number(row[6]) * 1000 };
}

const print = (name, result, reference) => {
  const ratio = reference ? `${(result.ops_per_s / reference.ops_per_s).toFixed(2)}x` : '1.00x';
  const cpu = result.gateway_cpu_us === undefined ? '-' : `${result.gateway_cpu_us.toFixed(1)} us`;
  console.log(`${name.padEnd(34)} ${String(Math.round(result.ops_per_s)).padStart(8)}/s  p50 ${String(Math.round(result.p50_us)).padStart(6)} us  p99 ${String(Math.round(result.p99_us)).padStart(6)} us  gateway CPU ${cpu.padStart(8)}  ${ratio.padStart(6)}`);
};

async function throughput(durability) {
  const world = new World();
  try {
    const cart = await world.cart();
    const gateway = await world.gateway({ functionPort: cart.port, env: { HEADGATE_JOURNAL_DURABILITY: durability } });
    await load(gateway, '--mode', 'touch', '--keys', '1000', '--protocol', 'grpc'); // wake the entities
    const grpcRead = await load(gateway, '--protocol', 'grpc', '--mode', 'read');
    const jsonRead = await load(gateway, '--protocol', 'http1', '--mode', 'read');
    const grpcWrite = await load(gateway, '--protocol', 'grpc', '--mode', 'write');
    const jsonWrite = await load(gateway, '--protocol', 'http1', '--mode', 'write');
    const reference = await redisBenchmark(path.join(world.dir, 'journal/s.sock'));
    console.log(`\nembedded journal, durability ${durability}, ${CLIENTS} clients, 1000 carts, ${SECONDS} s each; last column against redis-benchmark`);
    print('redis-benchmark, append script', reference);
    print('gRPC, one event', grpcWrite, reference);
    print('HTTP/1.1 JSON, one event', jsonWrite, reference);
    print('gRPC, read only', grpcRead, reference);
    print('HTTP/1.1 JSON, read only', jsonRead, reference);
    console.log(`HTTP/1.1 JSON against gRPC: one event ${(jsonWrite.ops_per_s / grpcWrite.ops_per_s).toFixed(2)}x, read only ${(jsonRead.ops_per_s / grpcRead.ops_per_s).toFixed(2)}x`);
  } finally {
    await world.end();
  }
}

// From exec to the first 200 of /ready, function and Redis being up; the smallest of several tries is
// the program's own share, the median is what one sees.
async function startUp() {
  const world = new World();
  try {
    const cart = await world.cart();
    const redis = await world.redis();
    const took = [];
    for (let i = 0; i < 9; i += 1) {
      const began = performance.now();
      const gateway = await world.gateway({ functionPort: cart.port, env: { JOURNAL_URL: `unix:${redis.socket}` }, ready: false });
      await waitFor('ready', () => gateway.event('ready'));
      const ready = gateway.event('ready');
      took.push(ready.since_start_ms ?? performance.now() - began);
      await gateway.kill('SIGTERM');
    }
    took.sort((a, b) => a - b);
    console.log(`\nexec to ready (function and Redis up): median ${took[4].toFixed(1)} ms, best ${took[0].toFixed(1)} ms`);
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

for (const durability of (process.env.BENCH_DURABILITY ?? 'always everysec').split(' ')) await throughput(durability);
await startUp();
await memory();

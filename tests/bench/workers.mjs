// ./dev bench workers: one process, two and three workers on one port, and three gateways on one Redis, with the same
// clients and the same carts: commands a second, CPU per command over all processes of the gateway, and
// the share of commands that were forwarded. They take turns, so that the ratios are of one run.
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { World, builddir, freePort, waitFor } from '../integration/node/harness.mjs';
import { CLIENTS, ROUNDS, SECONDS, cpuSeconds, median } from './measure.mjs';

const exec = promisify(execFile);
const KEYS = 1000;

const status = async (gateway) => (await fetch(`${gateway.admin}/status`)).json();
const parts = async (gateway) => {
  const page = await status(gateway);
  return page.workers ? page.workers.map((worker) => ({ pid: worker.pid, status: worker.status })) : [{ pid: gateway.pid, status: page }];
};

// The gateways of one set-up on a Redis of their own, all members up.
async function open(world, setup) {
  const redis = await world.redis();
  const cart = await world.cart();
  const gateways = [];
  for (let i = 0; i < setup.gateways; i += 1) {
    const peers = await freePort();
    gateways.push(await world.gateway({
      functionPort: cart.port,
      env: {
        JOURNAL_URL: `unix:${redis.socket}`, PEER_PORT: String(peers), HEADGATE_PEER_ADDRESS: `127.0.0.1:${peers}`,
        HEADGATE_WORKERS: String(setup.workers),
      },
    }));
  }
  const members = setup.gateways * setup.workers;
  const at = { gateways };
  await waitFor('all members', async () => {
    at.parts = (await Promise.all(gateways.map(parts))).flat();
    return at.parts.length === members &&
      at.parts.every(({ status: own }) => own?.members.view.filter(({ state }) => state === 'up').length === members);
  });
  return at;
}

const forwards = async ({ gateways }) => (await Promise.all(gateways.map(parts))).flat()
  .reduce((sum, { status: own }) => sum + (own.members.commands?.forwarded ?? 0), 0);

async function load(at, mode) {
  const pids = [...new Set([...at.gateways.map(({ pid }) => pid), ...at.parts.map(({ pid }) => pid)])];
  const spent = () => pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
  const before = await forwards(at);
  const cpu = spent();
  const results = await Promise.all(at.gateways.map(async (gateway) => JSON.parse((await exec(path.join(builddir, 'tests/bench/load'), [
    '--target', `127.0.0.1:${gateway.port}`, '--clients', String(Math.ceil(CLIENTS / at.gateways.length)), '--keys', String(KEYS),
    '--seconds', String(SECONDS), '--protocol', 'grpc', '--mode', mode,
  ])).stdout)));
  const ops = results.reduce((sum, result) => sum + result.ops, 0);
  const errors = results.reduce((sum, result) => sum + result.errors, 0);
  const forwarded = (await forwards(at)) - before;

  if (errors) console.log(`  ${errors} errors, the first: ${results.find((result) => result.errors).first_error}`);
  return {
    ops_per_s: results.reduce((sum, result) => sum + result.ops_per_s, 0),
    cpu_us: ((spent() - cpu) * 1e6) / ops,
    forwarded: forwarded / ops,
  };
}

const setups = [
  { name: '1 gateway', gateways: 1, workers: 1 },
  { name: '2 workers', gateways: 1, workers: 2 },
  { name: '3 workers', gateways: 1, workers: 3 },
  { name: '3 gateways', gateways: 3, workers: 1 },
];

export async function workers() {
  const worlds = [];
  try {
    const all = [];
    for (const setup of setups) {
      worlds.push(new World());
      all.push(await open(worlds.at(-1), setup));
    }
    for (const at of all) await load(at, 'touch'); // wakes the entities
    for (const [mode, name] of [['write', 'one event'], ['read', 'read only']]) {
      const rounds = [];
      for (let i = 0; i < ROUNDS; i += 1) {
        const row = [];
        for (const at of all) row.push(await load(at, mode));
        rounds.push(row);
      }
      console.log(`\ngRPC, ${name}: ${CLIENTS} clients, ${KEYS} carts, ${ROUNDS} rounds of ${SECONDS} s`);
      console.log(`${''.padEnd(16)}    median    ratio  CPU/command    ratio  forwarded`);
      setups.forEach((setup, i) => {
        const mid = (field) => median(rounds.map((row) => row[i][field]));
        const ratio = (field) => median(rounds.map((row) => row[i][field] / row[0][field])).toFixed(2);
        console.log([setup.name.padEnd(16), `${Math.round(mid('ops_per_s'))}/s`.padStart(9), `${ratio('ops_per_s')}x`.padStart(8),
          `${mid('cpu_us').toFixed(1)} us`.padStart(12), `${ratio('cpu_us')}x`.padStart(8),
          `${(mid('forwarded') * 100).toFixed(0)} %`.padStart(10)].join(' '));
      });
    }
  } finally {
    for (const world of worlds) await world.end();
  }
}

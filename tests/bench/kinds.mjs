// ./dev bench kinds: a call of an action beside a relay that knows nothing (h2_relay.c) with the same messages
// from the same clients to the same backend; updates of value entities; one entity that all clients want; and
// very many entities, each woken once. Journals are embedded and synced before every reply ("always").
import path from 'node:path';
import { World, builddir, metric } from '../integration/node/harness.mjs';
import { STREAMS, h2load, makeBodies, startListening } from './http.mjs';
import { CLIENTS, ROUNDS, median } from './measure.mjs';

const MANY = Number(process.env.BENCH_MANY ?? 100000);

const bench = (name) => path.join(builddir, 'tests/bench', name);

async function inWorld(run) {
  const world = new World();
  try {
    await run(world);
  } finally {
    await world.end();
  }
}

// The relay asks the plain side of the backend: 5 + 488 bytes each way, as the client's call of the action.
async function actionRelay(world) {
  const backend = await startListening(world, bench('orders_backend'), [bench('gen/orders.pb')]);
  const relay = await startListening(world, bench('h2_relay'), [String(backend.port)]);
  const gateway = await world.gateway({ functionPort: backend.port });
  const { grpc } = makeBodies(world.dir);
  const flags = ['-c', String(CLIENTS / STREAMS), '-m', String(STREAMS), '-d', grpc,
    '-H', 'content-type: application/grpc', '-H', 'te: trailers'];
  const rounds = [];
  for (let i = 0; i <= ROUNDS; i += 1) {
    const round = [];
    for (const program of [relay, gateway]) round.push(await h2load(program, '/headgate.bench.Orders/Put', flags));
    if (i > 0) rounds.push(round); // the first warms up
  }
  for (const [index, name] of ['plain relay', 'Headgate, action'].entries()) {
    const mid = (field) => median(rounds.map((round) => round[index][field]));
    console.log(`${name.padEnd(32)} ${mid('us').toFixed(1).padStart(8)} us CPU ${String(Math.round(mid('wall'))).padStart(8)}/s`);
  }
  console.log(`an action's CPU against the plain relay's: ${median(rounds.map(([a, b]) => b.us / a.us)).toFixed(2)}x`);
}

async function several(name, run) {
  const rounds = [];
  for (let i = 0; i < ROUNDS; i += 1) rounds.push(await run());
  const mid = (field) => median(rounds.map((round) => round[field]));
  console.log(`${name.padEnd(32)} ${String(Math.round(mid('ops_per_s'))).padStart(8)}/s, p50 ${mid('p50_us')} us, ` +
    `p99 ${mid('p99_us')} us, ${mid('gateway_cpu_us').toFixed(1)} us CPU`);
}

export async function kinds(load, redisAppend, rssMiB) {
  const env = { HEADGATE_JOURNAL_DURABILITY: 'always', HEADGATE_ENTITY_PASSIVATION_TIMEOUT: '10m' };
  await inWorld(actionRelay);
  console.log(`\n${CLIENTS} clients, durability always`);
  await inWorld(async (world) => {
    const gateway = await world.gateway({ functionPort: (await world.testFunction()).port, env });
    await several('value entities, updates, 1000', () => load(gateway, '--protocol', 'grpc', '--mode', 'value'));
  });
  await inWorld(async (world) => {
    const gateway = await world.gateway({ functionPort: (await world.cart()).port, env });
    // In strict order: no append begins before the last is on the disk, as with a single client of Redis.
    const alone = await redisAppend(path.join(world.dir, 'journal/s.sock'), 1);
    console.log(`redis-benchmark, append, alone   ${String(Math.round(alone.ops_per_s)).padStart(8)}/s, p50 ${alone.p50_us} us`);
    // A cart grows with its products; this one has a single product.
    await several('one entity, one event each', () => load(gateway, '--protocol', 'grpc', '--mode', 'write', '--keys', '1'));
    const idle = rssMiB(gateway.pid);
    const { ops, ops_per_s: speed, errors, gateway_cpu_us: cpu } =
      await load(gateway, '--protocol', 'grpc', '--mode', 'touch', '--keys', String(MANY), '--prefix', 'many-', '--seconds', '60');
    console.log(`${String(ops).padStart(6)} entities woken once: ${Math.round(speed)}/s, ${cpu.toFixed(1)} us CPU, ${errors} errors; ` +
      `${await metric(gateway, 'headgate_entities_active')} awake, RSS ${idle.toFixed(1)} to ${rssMiB(gateway.pid).toFixed(1)} MiB`);
  });
}

// ./dev bench http: transcoding and routing alone, then whole requests through Headgate and through
// grpc-gateway, in front of the same backend (orders_backend.c), which is not counted: compared is the CPU
// time that the gateway's process spends on a request. h2load asks, so that both are asked alike.
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { isDeepStrictEqual, promisify } from 'node:util';
import { World, builddir, curl, srcdir, waitFor } from '../integration/node/harness.mjs';
import { CLIENTS, ROUNDS, SECONDS, cpuSeconds, median } from './measure.mjs';

const exec = promisify(execFile);
const protoLoader = createRequire(path.join(srcdir, 'tests/integration/node/harness.mjs'))('@grpc/proto-loader');
const here = path.join(srcdir, 'tests/bench');
const idl = path.join(srcdir, 'proto/idl');
const REQUESTS = 20000 * SECONDS;
export const STREAMS = 8; // on each of CLIENTS / STREAMS connections

const order = {
  customer: 'customers/4711',
  createdMs: '1700000000000',
  items: Array.from({ length: 7 }, (_, i) => ({
    productId: `A1436234${i}`, name: 'Deluxe garden chair, oak', quantity: i + 1, price: 129.5 + i, isGift: i % 2 === 0, tags: ['garden', 'wood'],
  })),
};

// Built where it cannot ask a network: from Debian's packages alone.
async function buildGrpcGateway() {
  const go = path.join(builddir, 'tests/bench/go');
  const generated = path.join(go, 'src/orders');
  const program = path.join(go, 'grpc_gateway');
  fs.mkdirSync(generated, { recursive: true });
  fs.mkdirSync(path.join(go, 'src/grpc_gateway'), { recursive: true });
  fs.copyFileSync(path.join(here, 'grpc_gateway/main.go'), path.join(go, 'src/grpc_gateway/main.go'));
  await exec('protoc', [`-I${here}`, `-I${idl}`, '-I/usr/include', `--go_out=plugins=grpc:${generated}`,
    `--grpc-gateway_out=logtostderr=true:${generated}`, path.join(here, 'orders.proto')]);
  await exec('go', ['build', '-o', program, 'grpc_gateway'], {
    cwd: go,
    env: { ...process.env, GOPATH: `${go}:/usr/share/gocode`, GO111MODULE: 'off', GOCACHE: path.join(go, 'cache'), GOFLAGS: '' },
  });
  return program;
}

// A program whose first line is the port it listens on.
export async function startListening(world, file, args) {
  const program = world.start(file, args);
  program.port = Number(await waitFor(path.basename(file), () => program.lines[0]));
  return program;
}

export async function h2load(gateway, target, flags) {
  const before = cpuSeconds(gateway.pid);
  const { stdout } = await exec('h2load', ['-n', String(REQUESTS), ...flags, `http://127.0.0.1:${gateway.port}${target}`]);
  const spent = cpuSeconds(gateway.pid) - before;
  const succeeded = Number(/(\d+) succeeded/.exec(stdout)[1]);
  if (succeeded !== REQUESTS) throw new Error(`${target}: ${stdout}`);
  return { us: (spent * 1e6) / REQUESTS, wall: Number(/([\d.]+) req\/s/.exec(stdout)[1]) };
}

// A gateway that answers something else would be compared with nothing.
async function checkSame(headgate, other) {
  for (const args of [['/orders/7'], ['/orders/7', '--json', JSON.stringify(order)]]) {
    const [a, b] = await Promise.all([headgate, other].map(async (gateway) => {
      const answer = await curl(`http://127.0.0.1:${gateway.port}${args[0]}`, ...args.slice(1), '-H', 'content-type: application/json');
      if (answer.status !== 200) throw new Error(answer.body);
      return answer.body;
    }));
    // The other keeps the names of the proto file and leaves out what is unset.
    const plain = (text) => JSON.parse(text.replaceAll(/"(\w+)":/g, (_, name) => `"${name.replaceAll('_', '').toLowerCase()}":`)
      .replaceAll(/,"isgift":false/g, ''));
    if (!isDeepStrictEqual(plain(a), plain(b))) throw new Error(`different answers: ${a} and ${b}`);
  }
}

export function makeBodies(dir) {
  const { Put } = protoLoader.loadSync(path.join(here, 'orders.proto'), { includeDirs: [here, idl, '/usr/include'] })['headgate.bench.Orders'];
  const wire = Put.requestSerialize({ id: '7', ...order });
  const frame = Buffer.alloc(5);
  frame.writeUInt32BE(wire.length, 1);
  const bodies = { json: path.join(dir, 'order.json'), grpc: path.join(dir, 'order.grpc') };
  fs.writeFileSync(bodies.json, JSON.stringify(order));
  fs.writeFileSync(bodies.grpc, Buffer.concat([frame, wire]));
  console.log(`\nwhole requests: ${JSON.stringify(order).length} bytes of JSON are ${wire.length} on the wire; ${CLIENTS} at once, ` +
    `${ROUNDS} rounds of ${REQUESTS} requests`);
  return bodies;
}

function rowsOf(headgate, other, bodies) {
  const http1 = ['--h1', '-c', String(CLIENTS)];
  const h2c = ['-c', String(CLIENTS / STREAMS), '-m', String(STREAMS)];
  const json = ['-d', bodies.json, '-H', 'content-type: application/json'];
  const grpc = ['-d', bodies.grpc, '-H', 'content-type: application/grpc', '-H', 'te: trailers'];
  return [
    ['grpc-gateway, HTTP/1.1 POST', other, '/orders/7', [...http1, ...json]],
    ['Headgate, HTTP/1.1 POST', headgate, '/orders/7', [...http1, ...json]],
    ['grpc-gateway, HTTP/1.1 GET', other, '/orders/7', http1],
    ['Headgate, HTTP/1.1 GET', headgate, '/orders/7', http1],
    ['grpc-gateway, h2c POST', other, '/orders/7', [...h2c, ...json]],
    ['Headgate, h2c POST', headgate, '/orders/7', [...h2c, ...json]],
    ['Headgate, gRPC', headgate, '/headgate.bench.Orders/Put', [...h2c, ...grpc]],
  ];
}

async function requests() {
  const world = new World();
  try {
    const backend = await startListening(world, path.join(builddir, 'tests/bench/orders_backend'), [path.join(builddir, 'tests/bench/gen/orders.pb')]);
    const headgate = await world.gateway({ functionPort: backend.port });
    const other = await startListening(world, await buildGrpcGateway(), [`127.0.0.1:${backend.port}`]);
    await checkSame(headgate, other);
    const rows = rowsOf(headgate, other, makeBodies(world.dir));
    const rounds = [];
    for (let i = 0; i <= ROUNDS; i += 1) {
      const round = [];
      for (const [, gateway, target, flags] of rows) round.push(await h2load(gateway, target, flags));
      if (i > 0) rounds.push(round); // the first warms up
    }
    console.log(`${''.padEnd(30)} CPU/request  requests/CPU s`);
    rows.forEach(([name], index) => {
      const us = median(rounds.map((round) => round[index].us));
      console.log(`${name.padEnd(30)} ${us.toFixed(1).padStart(8)} us ${String(Math.round(1e6 / us)).padStart(15)}`);
    });
    const times = (a, b) => median(rounds.map((round) => round[a].us / round[b].us)).toFixed(1);
    console.log(`requests per CPU second against grpc-gateway: POST ${times(0, 1)}x, GET ${times(2, 3)}x, POST over h2c ${times(4, 5)}x`);
    console.log(`JSON over the native gRPC call: ${median(rounds.map((round) => round[5].us - round[6].us)).toFixed(1)} us`);
  } finally {
    await world.end();
  }
}

async function program(name, ...args) {
  const { stdout } = await exec(path.join(builddir, 'tests/bench', name), args);
  console.log(`\n${stdout.trimEnd()}`);
}

export async function http() {
  await program('bench_transcode');
  await program('bench_routes');
  await requests();
}

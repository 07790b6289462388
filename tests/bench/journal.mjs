// ./dev bench journal: what it costs to wake an entity with 10, 1,000 and 100,000 events, with and without a
// snapshot, beside redis-benchmark reading the same events from the same Redis; and what an entity takes there.
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { World, call, redisCommand } from '../integration/node/harness.mjs';
import { median } from './measure.mjs';

const exec = promisify(execFile);
const LENGTHS = [10, 1000, 100000];
const COPIES = { 10: 30, 1000: 10, 100000: 3 };
const BEHIND = 10; // events after the snapshot

// Makes an entity of ARGV[1] events of copies of an event that a real command made, with or without its snapshot.
const MAKE = `
local e = redis.call('XRANGE', KEYS[1], '1-0', '1-0')[1][2]
for i = 1, tonumber(ARGV[1]) do redis.call('XADD', KEYS[3], string.format('%.0f-0', i), unpack(e)) end
redis.call('HSET', KEYS[4], 's', ARGV[1], 'g', e[4])
if ARGV[2] ~= '' then
  local h = redis.call('HMGET', KEYS[2], 'zt', 'zp', 'zw')
  redis.call('HSET', KEYS[4], 'zs', ARGV[2], 'zt', h[1], 'zp', h[2], 'zw', h[3])
end`;

async function findKey(socket, ending) {
  const keys = await redisCommand(socket, 'KEYS', `hg1:*${ending}`);
  if (keys.length !== 1) throw new Error(`${keys.length} keys end in ${ending}`);
  return keys[0];
}

// A command reaches its entity in one partition only: the copy's keys come from a touch of it.
async function makeEntity(world, client, socket, id, length, snapshot) {
  await call(client, 'AddItem', { user_id: id, product_id: 'p', name: 'n', quantity: 1 });
  const head = await findKey(socket, `:h:*/${id}`);
  const events = head.replace(':h:', ':e:');
  await redisCommand(socket, 'DEL', events);
  await redisCommand(socket, 'EVAL', MAKE, '4', world.source.events, world.source.head, events, head,
    String(length), snapshot ? String(Math.max(length - BEHIND, 1)) : '');
  return events;
}

async function timeOf(run) {
  const start = process.hrtime.bigint();
  await run();
  return Number(process.hrtime.bigint() - start) / 1e3;
}

async function readAlone(socket, events) {
  const { stdout } = await exec('redis-benchmark', ['-s', socket, '-c', '1', '-n', '20', '--csv', 'XRANGE', events, '-', '+'],
    { maxBuffer: 1 << 24 });
  return Number(stdout.trim().split('\n').pop().split('","')[4]) * 1000; // p50, us
}

const us = (value) => (value < 10000 ? `${Math.round(value)} us` : `${(value / 1000).toFixed(1)} ms`).padStart(9);

async function activation(load) {
  const world = new World();
  try {
    const cart = await world.cart();
    const redis = await world.redis();
    const start = () => world.gateway({ functionPort: cart.port, env: { JOURNAL_URL: `unix:${redis.socket}` } });
    let gateway = await start();
    await load(gateway, '--protocol', 'grpc', '--mode', 'write', '--keys', '1', '--prefix', 'source-', '--ops', '300');
    const head = await findKey(redis.socket, ':h:*/source-0');
    world.source = { head, events: head.replace(':h:', ':e:') };
    const made = [];
    for (const length of LENGTHS) {
      for (const snapshot of [false, true]) {
        for (let i = 0; i < COPIES[length]; i += 1) {
          const id = `c${length}${snapshot ? 's' : 'n'}${i}`;
          const events = await makeEntity(world, world.cartClient(gateway), redis.socket, id, length, snapshot);
          made.push({ id, length, snapshot, events });
        }
      }
    }
    await gateway.kill('SIGTERM');
    gateway = await start();
    const client = world.cartClient(gateway);
    await call(client, 'GetCart', { user_id: 'nobody' });
    console.log('\nthe first command of a sleeping entity, against the same once it is awake and against XRANGE alone');
    for (const length of LENGTHS) {
      for (const snapshot of [false, true]) {
        const rows = made.filter((row) => row.length === length && row.snapshot === snapshot);
        const asleep = [];
        const awake = [];
        for (const { id } of rows) {
          asleep.push(await timeOf(() => call(client, 'GetCart', { user_id: id })));
          awake.push(await timeOf(() => call(client, 'GetCart', { user_id: id })));
        }
        const alone = await readAlone(redis.socket, rows[0].events);
        console.log(`${String(length).padStart(7)} events${snapshot ? `, snapshot before the last ${BEHIND}` : ''}`.padEnd(44) +
          `${us(median(asleep))} asleep ${us(median(awake))} awake ${us(alone)} XRANGE of all`);
      }
    }
  } finally {
    await world.end();
  }
}

async function room(load) {
  const world = new World();
  try {
    const redis = await world.redis();
    const gateway = await world.gateway({ functionPort: (await world.cart()).port, env: { JOURNAL_URL: `unix:${redis.socket}` } });
    const used = async () => Number(/used_memory:(\d+)/.exec(await redisCommand(redis.socket, 'INFO', 'memory'))[1]);
    console.log('\nmemory in Redis, redis-server as Debian configures it');
    for (const [name, keys, ops] of [['an entity with one event', 10000, 10000], ['an entity with about 20 events', 1000, 20000]]) {
      const before = await used();
      await load(gateway, '--protocol', 'grpc', '--mode', 'write', '--keys', String(keys), '--ops', String(ops), '--prefix', `room${keys}-`,
        '--seconds', '60');
      console.log(`${name.padEnd(36)} ${Math.round(((await used()) - before) / keys)} B`);
    }
  } finally {
    await world.end();
  }
}

export async function journal(load) {
  await activation(load);
  await room(load);
}

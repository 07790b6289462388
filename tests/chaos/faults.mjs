// What goes wrong. A fault is a function of the world and random numbers that does it, waits, and mends it;
// it gives a word on what it did. Everything random comes from the seed, in the order of the plan.
import { ask } from './journal.mjs';
import { pause, waitFor } from './world.mjs';

// mulberry32: in [0, 1).
export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const between = (rng, least, most) => Math.round(least + rng() * (most - least));
const pick = (rng, list) => list[Math.floor(rng() * list.length)];
const twoOf = (rng, list) => {
  const first = pick(rng, list);
  return [first, pick(rng, list.filter((one) => one !== first))];
};

async function again(world, gateway, signal, ms) {
  await gateway.kill(signal);
  await pause(ms);
  world.startGateway(gateway);
  await waitFor(`${gateway.name} to be ready`, () => world.isReady(gateway));
}

async function stopped(program, ms) {
  program.signal('SIGSTOP');
  try { await pause(ms); } finally { program.signal('SIGCONT'); }
}

async function redisAgain(world, server, signal, ms) {
  await server.kill(signal);
  await pause(ms);
  server.start();
  await world.answering(server);
  await world.settleRedis();
}

// Faults of any topology, of those that need namespaces, and of one Redis behind the relays. weight: how often.
export const FAULTS = {
  'gateway kill -9': { weight: 4, moves: true, run: (world, rng) => again(world, pick(rng, world.gateways), 'SIGKILL', between(rng, 0, 800)) },
  'gateway SIGSTOP': { weight: 4, moves: true, run: (world, rng) => stopped(pick(rng, world.gateways), between(rng, 200, 3500)) },
  'gateway SIGTERM': { weight: 2, moves: true, run: (world, rng) => again(world, pick(rng, world.gateways), 'SIGTERM', between(rng, 0, 300)) },
  'function kill -9': {
    weight: 1,
    run: async (world, rng) => {
      const { ledger } = pick(rng, world.gateways);
      await ledger.kill();
      await pause(between(rng, 0, 500));
      ledger.start();
    },
  },
  'clock of a gateway': {
    weight: 1,
    run: async (world, rng) => {
      const { control } = pick(rng, world.gateways);
      control.set(0, pick(rng, [-86400, -3600, -2, 2, 3600, 86400]));
      await pause(between(rng, 300, 2000));
      control.set(0, 0);
    },
    needs: 'preload',
  },
  'peer connections reset': { weight: 2, run: async (world, rng) => pick(rng, world.gateways).relay.order('reset 0') },
  'peer replies dropped': {
    weight: 3,
    run: async (world, rng) => {
      const { relay } = pick(rng, world.gateways);
      for (let i = between(rng, 1, 5); i > 0; i -= 1) {
        relay.order('drop 0');
        await pause(between(rng, 5, 60));
      }
    },
  },
  'partition from the peers': {
    weight: 3,
    needs: 'namespaces',
    run: async (world, rng) => {
      const { name } = pick(rng, world.gateways);
      world.net.cut(name, 'peer');
      await pause(between(rng, 200, 3500));
      world.net.heal(name, 'peer');
    },
  },
  'partition of two, one way': {
    weight: 2,
    needs: 'namespaces',
    run: async (world, rng) => {
      const [from, to] = twoOf(rng, world.gateways);
      world.net.silence(from.name, to.hosts.peer);
      await pause(between(rng, 200, 3000));
      world.net.speak(from.name, to.hosts.peer);
    },
  },
  'partition from Redis': {
    weight: 3,
    needs: 'namespaces',
    run: async (world, rng) => {
      const { name } = pick(rng, world.gateways);
      world.net.cut(name, 'redis');
      await pause(between(rng, 200, 3500));
      world.net.heal(name, 'redis');
    },
  },
  'Redis answers nobody, one way': {
    weight: 2,
    needs: 'namespaces',
    run: async (world, rng) => {
      const { hosts } = pick(rng, world.gateways);
      const server = pick(rng, await world.primaries());
      world.net.silence(server.name, hosts.redis);
      await pause(between(rng, 200, 2500));
      world.net.speak(server.name, hosts.redis);
    },
  },
  'gateway held by its relays': {
    weight: 3,
    needs: 'loopback',
    run: async (world, rng) => {
      const { relay } = pick(rng, world.gateways);
      const route = world.topology === 'standalone' ? pick(rng, [0, 1]) : 0;
      relay.order(`hold ${route}`);
      await pause(between(rng, 200, 3500));
      relay.order(`pass ${route}`);
    },
  },
  'Redis connections reset': {
    weight: 2,
    run: async (world, rng) => {
      for (let i = between(rng, 1, 4); i > 0; i -= 1) {
        for (const server of await world.primaries()) await ask(server.socket, ['CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes']).catch(() => {});
        await pause(between(rng, 10, 150));
      }
    },
  },
  'Redis replies dropped': {
    weight: 3,
    needs: 'standalone',
    run: async (world, rng) => {
      const { relay } = pick(rng, world.gateways);
      for (let i = between(rng, 1, 5); i > 0; i -= 1) {
        relay.order('drop 1');
        await pause(between(rng, 5, 60));
      }
    },
  },
  'Redis kill -9': {
    weight: 2, exclusive: true,
    run: async (world, rng) => redisAgain(world, pick(rng, await world.primaries()), 'SIGKILL', between(rng, 0, world.topology === 'standalone' ? 300 : 3000)),
  },
  'Redis SIGTERM': {
    weight: 1, exclusive: true,
    run: async (world, rng) => redisAgain(world, pick(rng, await world.primaries()), 'SIGTERM', between(rng, 0, world.topology === 'standalone' ? 300 : 3000)),
  },
  'Redis SIGSTOP': {
    weight: 2, exclusive: true,
    run: async (world, rng) => {
      await stopped(pick(rng, await world.primaries()), between(rng, 200, world.topology === 'standalone' ? 2500 : 6000));
      await world.settleRedis();
    },
  },
  'replica kill -9': {
    weight: 1, exclusive: true, needs: 'replicas',
    run: async (world, rng) => {
      const primaries = await world.primaries();
      await redisAgain(world, pick(rng, world.servers.filter((server) => !primaries.includes(server))), 'SIGKILL', between(rng, 0, 1000));
    },
  },
  'primary partitioned': {
    weight: 2, exclusive: true, needs: 'replicas', needsToo: 'namespaces',
    run: async (world, rng) => {
      const { name } = pick(rng, await world.primaries());
      world.net.cut(name, 'redis');
      await pause(between(rng, 500, 7000));
      world.net.heal(name, 'redis');
      await world.settleRedis();
    },
  },
  'slow disk': {
    weight: 2, needs: 'preload',
    run: async (world, rng) => {
      const { control } = pick(rng, await world.primaries());
      control.set(between(rng, 5, 400), 0);
      await pause(between(rng, 300, 1500));
      control.set(0, 0);
    },
  },
  'clock of Redis': {
    weight: 1, needs: 'preload',
    run: async (world, rng) => {
      const { control } = pick(rng, await world.primaries());
      control.set(0, pick(rng, [-3600, -1, 1, 3, 3600]));
      await pause(between(rng, 300, 2000));
      control.set(0, 0);
    },
  },
  'full disk': {
    weight: 1, exclusive: true, needs: 'disk', needsToo: 'standalone',
    run: async (world, rng) => {
      const [server] = world.servers;
      world.disk.fill(between(rng, 0, 64) * 1024);
      await pause(between(rng, 200, 800));
      world.disk.free();
      if (server.isRunning) return;
      // With appendfsync always Redis ends when it cannot write.
      server.start();
      await world.answering(server);
    },
  },
};

export function available(world) {
  const has = {
    namespaces: world.isIsolated, loopback: !world.isIsolated, standalone: world.topology === 'standalone',
    replicas: world.topology !== 'standalone', disk: world.disk.isOwn, preload: !process.env.HEADGATE_SANITIZED,
  };
  return Object.entries(FAULTS).filter(([, { needs, needsToo }]) => (!needs || has[needs]) && (!needsToo || has[needsToo]));
}

// Faults until the time is over: mostly one after the other, now and then two at once. record(kind, from, to).
export async function wreak(world, { rng, until, now, record, onError, only }) {
  const kinds = available(world).filter(([kind]) => !only || kind.includes(only));
  let bag = [];
  const draw = (accept) => {
    if (!bag.some(([, fault]) => accept(fault))) {
      bag = kinds.flatMap((entry) => Array.from({ length: entry[1].weight }, () => entry));
      for (let i = bag.length - 1; i > 0; i -= 1) {
        const j = Math.floor(rng() * (i + 1));
        [bag[i], bag[j]] = [bag[j], bag[i]];
      }
    }
    return bag.splice(bag.findIndex(([, fault]) => accept(fault)), 1)[0];
  };
  const one = async ([kind, fault], own) => {
    const from = now();
    await fault.run(world, own);
    record(kind, from, now());
  };
  while (now() < until) {
    const first = draw(() => true);
    const both = [first];
    if (rng() < 0.2 && !first[1].exclusive) both.push(draw((fault) => fault !== first[1] && !fault.exclusive && !(fault.moves && first[1].moves)));
    // Each has random numbers of its own, for two at once would take them in any order.
    const results = await Promise.allSettled(both.map((entry) => [entry, random(rng() * 4294967296)]).map((args) => one(...args)));
    for (const { status, reason } of results) if (status === 'rejected') onError(reason);
    await pause(between(rng, 50, 500));
  }
}

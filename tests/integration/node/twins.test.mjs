// The cart in C and the cart in JavaScript are twins: the same random commands give the same replies, the
// same errors and the same journal, byte for byte, but for ids, tags and times. In the second half each goes
// on with what the other one stored. HEADGATE_TWINS_SEED repeats a run.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { World, call, redisCommand } from './harness.mjs';

const SEED = Number(process.env.HEADGATE_TWINS_SEED ?? Date.now() % 0x100000000);
const LANGUAGES = ['C', 'JavaScript'];
const USERS = ['ada', 'grace hopper', 'Zoë/{1}', '\u{1F6D2}'];
const COMMANDS = 250; // of each user in each half: past several snapshots, which are 100 events apart
const SNAPSHOT_EVERY = 100;
const INT32_MAX = 0x7fffffff;
const FIELDS_OF_A_RUN = new Set(['c', 'g', 'w', 'zw']); // command id, tag, times: see docs/journal-format.md

// mulberry32: numbers below `end`, the same for the same seed.
function generator(seed) {
  let state = seed >>> 0;
  return (end) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % end;
  };
}

function commandsOf(user, seed) {
  const below = generator(seed);
  const pick = (from) => from[below(from.length)];
  const product = () => pick(['p1', 'p2', 'p3', 'a longer id', 'ö', '', `rare${below(30)}`]);
  const add = (quantity) => ['AddItem', { user_id: user, product_id: product(), name: pick(['Punched cards', 'Tape', '穿孔卡', '']), quantity }];
  return Array.from({ length: COMMANDS }, () => {
    const dice = below(100);
    if (dice < 60) return add(1 + below(1000));
    if (dice < 65) return add(pick([0, -1, -INT32_MAX - 1]));
    if (dice < 66) return add(INT32_MAX - below(3)); // the second one of them is too many
    if (dice < 85) return ['RemoveItem', { user_id: user, product_id: product() }];
    if (dice < 88) return ['GetCart', { user_id: '' }];
    return ['GetCart', { user_id: user }];
  });
}

async function answersOf(client, commands) {
  const answers = [];
  for (const [method, request] of commands) {
    answers.push(await call(client, method, request).catch(({ code, details }) => ({ code, details })));
  }
  return answers;
}

function pairs(list, without = FIELDS_OF_A_RUN) {
  const entries = Array.from({ length: list.length / 2 }, (_, i) => [list[2 * i], Buffer.from(list[2 * i + 1], 'latin1').toString('base64')]);
  return entries.filter(([name]) => !without.has(name));
}

// Heads, events and feeds by key. The feed of several entities in one partition is in the order of the run.
async function journalOf(socket) {
  const journal = {};
  for (const key of (await redisCommand(socket, 'KEYS', 'hg1:*:{*}:[hef]:*')).sort()) {
    if (/:h:/.test(key)) {
      journal[key] = Object.fromEntries(pairs(await redisCommand(socket, 'HGETALL', key)));
    } else {
      const entries = await redisCommand(socket, 'XRANGE', key, '-', '+');
      journal[key] = /:e:/.test(key)
        ? entries.map(([id, fields]) => [id, pairs(fields)])
        : entries.map(([, fields]) => pairs(fields).join()).sort();
    }
  }
  return journal;
}

describe(`the carts in C and JavaScript, seed ${SEED}`, () => {
  const worlds = LANGUAGES.map(() => new World()); // one for each journal
  const sockets = [];
  let programs = [];

  before(async () => {
    for (const each of worlds) sockets.push((await each.redis(['--appendfsync', 'no'])).socket);
  });
  after(() => Promise.all(worlds.map((each) => each.end())));

  // A client for each journal, its cart in the language of that place.
  async function clientsOf(languages) {
    await Promise.all(programs.map((program) => program.kill()));
    programs = [];
    return Promise.all(languages.map(async (language, i) => {
      const cart = await worlds[i].cart({}, language);
      const gateway = await worlds[i].gateway({ functionPort: cart.port, env: { JOURNAL_URL: `unix:${sockets[i]}` } });
      programs.push(cart, gateway);
      return worlds[i].cartClient(gateway);
    }));
  }

  for (const [half, languages] of [LANGUAGES, [...LANGUAGES].reverse()].entries()) {
    it(`answer alike, journals of ${LANGUAGES.join(' and ')} served by ${languages.join(' and ')}`, async () => {
      const clients = await clientsOf(languages);
      await Promise.all(USERS.map(async (user, i) => {
        const commands = commandsOf(user, SEED + half * USERS.length + i);
        const [one, other] = await Promise.all(clients.map((client) => answersOf(client, commands)));
        commands.forEach((command, at) => {
          assert.deepEqual(one[at], other[at], `seed ${SEED}, half ${half}, command ${at} of ${user}: ${JSON.stringify(command)}`);
        });
        assert.ok(one.some(({ code }) => code === undefined) && one.some(({ code }) => code !== undefined), 'all sorts of answers');
      }));
    });

    it('and store alike, snapshots included', async () => {
      const [one, other] = await Promise.all(sockets.map(journalOf));
      assert.deepEqual(Object.keys(one), Object.keys(other));
      for (const key of Object.keys(one)) assert.deepEqual(one[key], other[key], `seed ${SEED}, half ${half}: ${key}`);
      const heads = Object.entries(one).filter(([key]) => /:h:shopping-cart\//.test(key)).map(([, head]) => head);
      assert.equal(heads.length, USERS.length);
      for (const { s, zs } of heads) {
        const [events, covered] = [s, zs ?? ''].map((text) => Number(Buffer.from(text, 'base64')));
        assert.ok(events > (half + 1) * SNAPSHOT_EVERY, `${events} events`);
        assert.equal(covered, events - (events % SNAPSHOT_EVERY), 'the newest snapshot');
      }
    });
  }
});

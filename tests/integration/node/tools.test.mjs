// headgate journal: every command over real journals, with a gateway at work and without, and journals
// that are damaged in every way verify knows.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { World, builddir, call, curl, fs, path, redisCommand, srcdir, waitFor } from './harness.mjs';

const cartTypes = path.join(builddir, 'samples/shopping-cart/gen/shopping-cart.desc');
const protos = path.join(srcdir, 'tests/fakes/headgate/test');
const ENTITIES = Number(process.env.HEADGATE_TOOLS_ENTITIES ?? 1000);

// The journal's tool, with nothing of a gateway in its environment but what the test names.
function tool(args, { env = {}, input } = {}) {
  return new Promise((resolve) => {
    const child = execFile(path.join(builddir, 'headgate'), ['journal', ...args],
      { maxBuffer: 256 << 20, env: { ...process.env, USER_FUNCTION_PORT: '1', ...env } },
      (error, stdout, stderr) => resolve({ code: error ? error.code : 0, stdout, stderr }));
    child.stdin.on('error', () => {}); // a command that does not read it
    child.stdin.end(input ?? '');
  });
}

const lines = (text) => text.split('\n').filter((line) => line !== '').map((line) => JSON.parse(line));

// What a test must succeed with.
async function good(args, options) {
  const answer = await tool(args, options);
  assert.equal(answer.code, 0, `${args.join(' ')}: ${answer.stderr}${answer.stdout}`);
  return answer;
}

describe('headgate journal beside a gateway', () => {
  const world = new World();
  let fn;
  let redis;
  let gateway;
  let entity;
  let register;
  let counters;
  let journal;
  const client = (file, service) => world.client(gateway, path.join(protos, file), service, [path.join(srcdir, 'tests/fakes')]);
  const run = (...args) => tool([...args, '--journal', journal], { env: { USER_FUNCTION_PORT: String(fn.port) } });
  const must = async (...args) => {
    const answer = await run(...args);
    assert.equal(answer.code, 0, `${args.join(' ')}: ${answer.stderr}${answer.stdout}`);
    return answer;
  };
  const key = (sort, rest) => redisCommand(redis.socket, 'KEYS', `hg1:default:{*}:${sort}:${rest}`).then((found) => found[0]);
  const emit = (id, count, more = {}) => call(entity, 'Process', { id, text: 'x', emit: count, ...more });

  before(async () => {
    fn = await world.testFunction();
    redis = await world.redis();
    journal = `unix:${redis.socket}`;
    gateway = await world.gateway({ functionPort: fn.port, env: { JOURNAL_URL: journal, HEADGATE_ENTITY_PASSIVATION_TIMEOUT: '300ms' } });
    entity = client('entity.proto', 'headgate.test.Entity');
    register = client('value.proto', 'headgate.test.Register');
    counters = client('crdt.proto', 'headgate.test.CrdtCounter');
    await emit('alice', 3);
    await emit('bob/2 ä', 1);
    await call(register, 'Process', { id: 'reg', add: 7, text: 'seven' });
    await call(counters, 'Apply', { id: 'hits', by: 5 });
  });
  after(() => world.end());

  it('types: which there are, of which kind, and how many', async () => {
    const { stdout } = await must('types', '--json');
    assert.deepEqual(lines(stdout), [
      { type: 'test-counters', kind: 'crdt', entities: 1, erased: 0 },
      { type: 'test-entity', kind: 'event_sourced', entities: 2, erased: 0 },
      { type: 'test-register', kind: 'value', entities: 1, erased: 0 },
    ]);
    assert.match((await must('types')).stdout, /^test-entity +event_sourced +2$/m);
  });

  it('list: pages that go on behind the last id', async () => {
    for (let i = 0; i < 20; i += 1) await emit(`page-${i}`, 1);
    const all = (await must('list', 'test-entity', '--prefix', 'page-')).stdout.trim().split('\n');
    assert.equal(new Set(all).size, 20);
    const paged = [];
    for (;;) {
      const args = paged.length ? ['--after', paged.at(-1)] : [];
      const { stdout } = await must('list', 'test-entity', '--prefix', 'page-', '--limit', '7', ...args);
      if (stdout === '') break;
      paged.push(...stdout.trim().split('\n'));
    }
    assert.deepEqual(paged, all);
    const { stdout } = await must('list', 'test-entity', '--json', '--prefix', 'bob');
    assert.deepEqual(lines(stdout).map(({ type, id }) => [type, id]), [['test-entity', 'bob/2 ä']]);
    assert.deepEqual((await must('list', 'test-counters')).stdout, 'hits\n');
    assert.equal((await must('list', 'nothing')).stdout, '');
  });

  it('show: head, snapshot and owner', async () => {
    await emit('shown', 5);
    const [shown] = lines((await must('show', 'test-entity/shown')).stdout);
    assert.equal(shown.kind, 'event_sourced');
    assert.equal(shown.sequence, 5);
    assert.equal(shown.events, 5);
    assert.equal(shown.snapshot.sequence, 5);
    assert.match(shown.tag, /^[0-9a-f]{32}$/);
    assert.match(shown.owner, /^gateway-/);
    const [value] = lines((await must('show', 'test-register/reg')).stdout);
    assert.deepEqual(value.state, { '@type': 'type.googleapis.com/headgate.test.Kept', count: '7', text: 'seven' });
    const [crdt] = lines((await must('show', 'test-counters/hits')).stdout);
    assert.equal(crdt.kind, 'crdt');
    const none = await run('show', 'test-entity/nobody');
    assert.equal(none.code, 1);
    assert.match(none.stderr, /no such entity/);
  });

  it('events: as JSON by what the function says of itself, else in base64', async () => {
    const events = lines((await must('events', 'test-entity/alice')).stdout);
    assert.deepEqual(events.map((event) => event.seq), [1, 2, 3]);
    assert.match(events[0].event['@type'], /^type\.googleapis\.com\/headgate\.test\./);
    assert.equal(events[0].event.text, 'x');
    assert.match(events[0].time, /^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.equal(new Set(events.map((event) => event.tag)).size, 1);
    assert.equal(events[0].cmd.length, 32);
    const [raw] = lines((await must('events', 'test-entity/alice', '--raw', '--from', '2', '--to', '2')).stdout);
    assert.equal(raw.seq, 2);
    assert.equal(typeof raw.event['@base64'], 'string');
    assert.equal((await run('events', 'test-entity/nobody')).code, 1);
    assert.equal((await run('events', 'test-entity')).code, 2);
  });

  it('follow: shows a new event within a second', async () => {
    const child = spawn(path.join(builddir, 'headgate'), ['journal', 'follow', 'test-entity', '--limit', '2', '--raw', '--journal', journal]);
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (more) => { text += more; });
    const ended = new Promise((resolve) => { child.on('exit', resolve); });
    try {
      // It starts at the end of the feed: the first event that shows tells that it listens.
      await waitFor('the first event', async () => { await emit('followed', 1); return text.includes('\n'); });
      const seen = lines(text).length;
      const began = Date.now();
      if (seen < 2) await emit('followed', 1);
      assert.equal(await ended, 0);
      assert.ok(Date.now() - began < 1000, `${Date.now() - began} ms`);
      assert.ok(lines(text).every((event) => event.id === 'followed' && event.seq >= 1));
    } finally {
      child.kill('SIGKILL');
    }
    const all = lines((await must('follow', 'test-entity/alice', '--all', '--limit', '3')).stdout);
    assert.deepEqual(all.map((event) => event.seq), [1, 2, 3]);
    const [put] = lines((await must('follow', 'test-register', '--all', '--limit', '1')).stdout);
    assert.equal(put.state.text, 'seven');
  });

  it('members and owner: the gateways, and who has an entity', async () => {
    const members = lines((await must('members', '--json')).stdout);
    assert.equal(members.length, 1);
    assert.equal(members[0].state, 'up');
    assert.equal((await must('owner', 'test-entity/alice')).stdout, `${members[0].address}\n`);
    assert.equal((await run('owner', 'test-entity')).code, 2);
  });

  it('state: what an entity was, and nothing of it is stored', async () => {
    await emit('past', 2, { text: 'early' });
    await emit('past', 1, { text: 'late' });
    const ask = async (at) => lines((await must('state', 'test-entity/past', '--at', String(at), '--call', 'Process', '{"id":"past","emit":1}')).stdout)[0];
    assert.equal((await ask(2)).reply.count, '3');
    const now = await ask(3);
    assert.equal(now.reply.count, '4');
    assert.equal(now.events.length, 1);
    assert.equal(lines((await must('show', 'test-entity/past')).stdout)[0].sequence, 3);
    const [value] = lines((await must('state', 'test-register/reg', '--call', 'headgate.test.Register.Process', '{"id":"reg","add":1}')).stdout);
    assert.equal(value.reply.count, '8');
    const failed = lines((await must('state', 'test-entity/past', '--call', 'Process', '{"id":"past","fail":"no"}')).stdout)[0];
    assert.equal(failed.failure, 'no');
    for (const [args, text] of [
      [['state', 'test-entity/past', '--at', '4', '--call', 'Process'], /--at is 0 to 3/],
      [['state', 'test-entity/past', '--call', 'Nope'], /no method Nope/],
      [['state', 'nothing/past', '--call', 'Process'], /no event sourced or value entity/],
      [['state', 'test-entity/past', '--call', 'Process', '{"nope":1}'], /nope: .*no such field/],
      [['state', 'test-register/reg', '--at', '0', '--call', 'Process'], /newest state/],
    ]) {
      const { code, stderr } = await run(...args);
      assert.equal(code, 1, args.join(' '));
      assert.match(stderr, text);
    }
  });

  it('erase: a tombstone that the gateway keeps to', async () => {
    await emit('gone', 2);
    assert.equal((await run('erase', 'test-entity/gone')).code, 2); // without a reason
    const { stdout } = await must('erase', 'test-entity/gone', '--reason', 'asked for on 24 November', '--rewrite');
    assert.match(stdout, /has rewritten its file; replicas, backups/);
    // At once, by the entity that is still awake, and by one that wakes.
    await assert.rejects(emit('gone', 1), (error) => error.code === 9 && /erased/.test(error.details));
    await assert.rejects(call(entity, 'Process', { id: 'gone' }), (error) => error.code === 9 && /erased/.test(error.details));
    const [shown] = lines((await must('show', 'test-entity/gone')).stdout);
    assert.equal(shown.reason, 'asked for on 24 November');
    assert.equal(shown.events, 0);
    assert.doesNotMatch((await must('list', 'test-entity')).stdout, /^gone$/m);
    assert.equal((await must('list', 'test-entity', '--erased')).stdout, 'gone\n');
    const told = lines((await must('follow', 'test-entity/gone', '--all', '--limit', '1', '--raw')).stdout);
    assert.equal(told.at(-1).erased, true);
    assert.equal((await run('erase', 'test-entity/gone', '--reason', 'x')).code, 1);
    assert.equal((await run('erase', 'test-entity/nobody', '--reason', 'x')).code, 1);
    assert.equal((await run('events', 'test-entity/gone')).code, 1);
  });

  it('erase: value entities and CRDTs', async () => {
    await call(register, 'Process', { id: 'gone', add: 1 });
    assert.match((await must('erase', 'test-register/gone', '--reason', 'x')).stdout, /until they are rewritten/);
    await assert.rejects(call(register, 'Process', { id: 'gone', add: 1 }), { code: 9 });
    await call(counters, 'Apply', { id: 'gone', by: 1 });
    await must('erase', 'test-counters/gone', '--reason', 'x');
    const [shown] = lines((await must('show', 'test-counters/gone')).stdout);
    assert.equal(shown.reason, 'x');
  });

  it('truncate: only what a snapshot stands for, and the rest still loads', async () => {
    await emit('long', 10); // with a snapshot
    await emit('long', 2);
    let answer = await run('truncate', 'test-entity/long', '--before', '5');
    assert.equal(answer.code, 1);
    assert.match(answer.stderr, /newest 1000 events/);
    answer = await run('truncate', 'test-entity/long', '--before', '12', '--keep', '0');
    assert.equal(answer.code, 1);
    assert.match(answer.stderr, /no snapshot stands for these events/);
    answer = await run('truncate', 'test-register/reg', '--before', '1', '--keep', '0');
    assert.equal(answer.code, 1);
    assert.deepEqual(lines((await must('truncate', 'test-entity/long', '--before', '9', '--keep', '0', '--json')).stdout),
      [{ removed: 8, entities: 1, refused: 0 }]);
    const [shown] = lines((await must('show', 'test-entity/long')).stdout);
    assert.deepEqual([shown.first, shown.events, shown.sequence], [9, 4, 12]);
    await new Promise((resolve) => { setTimeout(resolve, 400); }); // passivated: it is loaded anew
    assert.equal((await emit('long', 1)).count, '13');
    const early = await run('state', 'test-entity/long', '--at', '3', '--call', 'Process');
    assert.equal(early.code, 1);
    assert.match(early.stderr, /events before 9 were removed/);
  });

  it('truncate: nothing that a consumer has not passed', async () => {
    await emit('fed', 5);
    await emit('fed', 5);
    const feed = await key('h', 'test-entity/fed').then((name) => name.replace(':h:', ':f:').replace('/fed', ''));
    const offsets = feed.replace(/:f:.*/, ':o:projection');
    const entries = await redisCommand(redis.socket, 'XRANGE', feed, '-', '+');
    const mine = entries.filter(([, fields]) => fields[1] === 'fed').map(([id]) => Number(id.split('-')[1]));
    await redisCommand(redis.socket, 'HSET', offsets, 'test-entity', mine[0]);
    const { code, stderr } = await run('truncate', 'test-entity/fed', '--before', '8', '--keep', '0');
    assert.equal(code, 1);
    assert.match(stderr, /consumer projection has not passed event 10/);
    const many = await run('truncate', 'test-entity', '--keep', '1');
    assert.equal(many.code, 1);
    assert.match(many.stderr, /fed: consumer projection has not passed/);
    await must('truncate', 'test-entity/fed', '--before', '6', '--keep', '0');
    await redisCommand(redis.socket, 'HSET', offsets, 'test-entity', mine[1]);
    await must('truncate', 'test-entity', '--keep', '1');
    const [shown] = lines((await must('show', 'test-entity/fed')).stdout);
    assert.equal(shown.first, 10);
    await redisCommand(redis.socket, 'DEL', offsets);
  });

  it('verify: all is well after all that', async () => {
    const { stdout } = await must('verify', '--json');
    assert.equal(lines(stdout).at(-1).findings, 0);
    assert.ok(lines(stdout).at(-1).entities > 20);
  });

  // What each sort of damage is called. before: the entity's commands; then what is done to Redis.
  const damages = [
    ['gap', async (name) => redisCommand(redis.socket, 'XDEL', await key('e', name), '2-0')],
    ['sequence', async (name) => redisCommand(redis.socket, 'XDEL', await key('e', name), '3-0')],
    ['sequence', async (name) => redisCommand(redis.socket, 'HSET', await key('h', name), 's', '9')],
    ['tag', async (name) => redisCommand(redis.socket, 'HSET', await key('h', name), 'g', 'another tag here')],
    ['head', async (name) => redisCommand(redis.socket, 'HSET', await key('h', name), 's', 'many')],
    ['head', async (name) => redisCommand(redis.socket, 'HSET', await key('h', name), 'zs', '7', 'zt', 't', 'zp', 'p')],
    ['record', async (name) => redisCommand(redis.socket, 'XADD', await key('e', name), '4-0', 'what', 'is this')],
    ['orphan', async (name) => redisCommand(redis.socket, 'DEL', await key('h', name))],
    ['index', async (name) => redisCommand(redis.socket, 'ZREM', (await key('h', name)).replace(':h:', ':i:').replace(/\/.*/, ''), name.split('/')[1])],
    ['feed', async (name) => {
      const feed = (await key('h', name)).replace(':h:', ':f:').replace(/\/.*/, '');
      for (const [id, fields] of await redisCommand(redis.socket, 'XRANGE', feed, '-', '+')) {
        if (fields[1] === name.split('/')[1]) await redisCommand(redis.socket, 'XDEL', feed, id);
      }
    }],
    ['head', async (name) => { const head = await key('h', name); await redisCommand(redis.socket, 'DEL', head); await redisCommand(redis.socket, 'SET', head, 'foreign'); }],
    ['partition', async (name) => { const head = await key('h', name); await redisCommand(redis.socket, 'RENAME', head, head.replace(/\{\d+\}/, (tag) => (tag === '{0}' ? '{1}' : '{0}'))); }],
    ['key', async () => redisCommand(redis.socket, 'SET', 'hg1:default:nonsense', '1')],
  ];
  for (const [i, [finding, damage]] of damages.entries()) {
    it(`verify: finds ${finding} (${i})`, async () => {
      const id = `hurt-${i}`;
      await emit(id, 3);
      const saved = new Map();
      await damage(`test-entity/${id}`, saved);
      const { code, stdout } = await run('verify', '--json');
      assert.equal(code, 1, stdout);
      const found = lines(stdout).filter((line) => line.finding);
      assert.ok(found.some((line) => line.finding === finding && (line.id === id || finding === 'key')), stdout);
      assert.match((await run('verify')).stdout, new RegExp(`^${finding}: `, 'm'));
      if (finding === 'index' || finding === 'feed') {
        assert.equal((await run('verify', '--repair', finding)).code, 1);
        assert.equal((await run('verify')).code, 0);
        return;
      }
      // Everything of it goes, so that the next row has a journal that is well.
      for (const name of await redisCommand(redis.socket, 'KEYS', `hg1:default:*${id}*`)) await redisCommand(redis.socket, 'DEL', name);
      await redisCommand(redis.socket, 'DEL', 'hg1:default:nonsense');
      const tag = (await run('verify', '--json')).stdout;
      for (const line of lines(tag).filter((entry) => entry.finding)) assert.equal(line.id, id, tag);
      for (const name of await redisCommand(redis.socket, 'KEYS', 'hg1:default:*:i:test-entity')) await redisCommand(redis.socket, 'ZREM', name, id);
      for (const feed of await redisCommand(redis.socket, 'KEYS', 'hg1:default:*:f:test-entity')) {
        for (const [entry, fields] of await redisCommand(redis.socket, 'XRANGE', feed, '-', '+')) {
          if (fields[1] === id) await redisCommand(redis.socket, 'XDEL', feed, entry);
        }
      }
      assert.equal((await run('verify')).code, 0);
    });
  }

  it('verify: repairs nothing that is no derived data', async () => {
    assert.equal((await run('verify', '--repair', 'heads')).code, 2);
  });

  it('tells wrong usage, and that a journal is away', async () => {
    for (const args of [[], ['nonsense'], ['list'], ['list', 'a', 'b'], ['types', '--limit', '1'], ['list', 't', '--limit', 'x'],
      ['show', 'x'], ['import', '/nowhere/x'], ['export', 'a', 'b'], ['truncate', 'test-entity'], ['salvage', 'eat', 'x'],
      ['types', '--config', '/nowhere/x'], ['types', '--timeout', 'x'], ['events', 'test-entity/alice', '--descriptors', '/nowhere/x']]) {
      const { code, stderr } = await run(...args);
      assert.equal(code, 2, args.join(' '));
      assert.match(stderr, /^headgate: /);
    }
    assert.equal((await tool(['types', '--journal', `unix:${world.dir}/nowhere`, '--timeout', '1'])).code, 3);
    const elsewhere = await run('types', '--namespace', 'elsewhere');
    assert.equal(elsewhere.code, 3);
    assert.match(elsewhere.stderr, /no journal with the namespace "elsewhere"/);
    assert.deepEqual(await redisCommand(redis.socket, 'KEYS', 'hg1:elsewhere:*'), []); // and none was made
    const none = await tool(['types', '--journal', `embedded:${world.dir}/none`]);
    assert.equal(none.code, 3);
    assert.equal(fs.existsSync(`${world.dir}/none`), false);
    assert.match((await tool(['--help'])).stdout, /^usage: headgate journal/);
  });

  it('salvage: puts back only what still fits', async () => {
    await emit('lost', 2);
    await emit('went-on', 1);
    const lost = (await must('export', 'test-entity/lost')).stdout;
    await emit('lost', 2);
    await emit('went-on', 1);
    // The newest append of each is lost, as with a failover; one goes on without it.
    const salvaged = [];
    for (const id of ['lost', 'went-on']) {
      const kept = id === 'lost' ? 2 : 1;
      const all = lines((await must('export', `test-entity/${id}`)).stdout);
      const [head, events, feed] = await Promise.all([key('h', `test-entity/${id}`), key('e', `test-entity/${id}`),
        key('h', `test-entity/${id}`).then((name) => name.replace(':h:', ':f:').replace(/\/.*/, ''))]);
      const before = all.find((line) => line.sequence === kept).fields.g;
      for (const line of all.filter((entry) => entry.line === 'event' && entry.sequence > kept)) {
        salvaged.push({ ...line, ...(line.sequence === kept + 1 ? { base: before } : {}) });
        await redisCommand(redis.socket, 'XDEL', events, `${line.sequence}-0`);
      }
      for (const [entry, fields] of await redisCommand(redis.socket, 'XRANGE', feed, '-', '+')) {
        if (fields[1] === id && Number(fields[3]) > kept) await redisCommand(redis.socket, 'XDEL', feed, entry);
      }
      // The stream's last id goes back, too, as in a server that never saw the rest.
      await redisCommand(redis.socket, 'XSETID', events, `${kept}-0`);
      const tag = typeof before === 'string' ? before : Buffer.from(before.base64, 'base64').toString('latin1');
      await redisCommand(redis.socket, 'EVAL', `return redis.call('HSET', KEYS[1], 's', ARGV[1], 'g', (ARGV[2]:gsub('..', function (h) return string.char(tonumber(h, 16)) end)))`,
        '1', head, String(kept), Buffer.from(tag, 'latin1').toString('hex'));
      await redisCommand(redis.socket, 'HDEL', head, 'zs', 'zt', 'zp', 'zw');
    }
    await waitFor('both to be put to sleep', async () => {
      try { await emit('went-on', 1); return true; } catch { return false; }
    });
    const file = path.join(world.dir, 'salvage-1.jsonl');
    fs.writeFileSync(file, [{ line: 'begin', format: 1, partitions: 64, salvage: true }, ...salvaged].map(seal).join(''));
    assert.match((await must('salvage', 'list', world.dir)).stdout, /salvage-1\.jsonl: 3 events, 0 values$/m);
    const diff = await run('salvage', 'diff', file, '--json');
    assert.equal(diff.code, 1);
    assert.deepEqual(lines(diff.stdout).map(({ id, seq, is }) => [id, seq, is]),
      [['lost', 3, 'missing'], ['lost', 4, 'missing'], ['went-on', 2, 'overtaken']]);
    const put = await run('salvage', 'import', file);
    assert.equal(put.code, 1); // one was overtaken
    assert.match(put.stdout, /^there 0, missing 2, overtaken 1$/m);
    assert.match((await run('salvage', 'import', file)).stdout, /^there 2, missing 0, overtaken 1$/m);
    assert.equal(lines((await must('events', 'test-entity/lost', '--raw')).stdout).length, 4);
    assert.equal((await run('verify')).code, 0);
    assert.equal((await run('salvage', 'diff', '/nowhere/x')).code, 2);
    const wrong = path.join(world.dir, 'export.jsonl');
    fs.writeFileSync(wrong, lost);
    assert.match((await run('salvage', 'diff', wrong)).stderr, /this is an export/);
    assert.match((await run('import', file)).stderr, /what a journal lost/);
  });
});

// A line with its sum.
function seal(object) {
  const { crc32c: ignored, ...rest } = object;
  const text = JSON.stringify(rest).slice(0, -1);
  let crc = ~0;
  for (const byte of Buffer.from(text)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return `${text},"crc32c":"${(~crc >>> 0).toString(16).padStart(8, '0')}"}\n`;
}

describe('export and import', () => {
  const world = new World();
  let redis;
  let journal;
  let text;
  const file = (name, content) => {
    const where = path.join(world.dir, name);
    fs.writeFileSync(where, content);
    return where;
  };
  const into = (namespace, ...args) => tool([...args, '--journal', journal, '--namespace', namespace]);

  // A thousand entities of all kinds, with snapshots, tombstones, trimmed events and odd names.
  before(async () => {
    const fn = await world.testFunction();
    redis = await world.redis(['--appendfsync', 'no']);
    journal = `unix:${redis.socket}`;
    const gateway = await world.gateway({ functionPort: fn.port, env: { JOURNAL_URL: journal } });
    const client = (name, service) => world.client(gateway, path.join(protos, name), service, [path.join(srcdir, 'tests/fakes')]);
    const entity = client('entity.proto', 'headgate.test.Entity');
    const register = client('value.proto', 'headgate.test.Register');
    const counters = client('crdt.proto', 'headgate.test.CrdtCounter');
    const jobs = [];
    for (let i = 0; i < ENTITIES; i += 1) {
      const id = `e${i}/{*} ä\n`;
      if (i % 4 === 0) jobs.push(() => call(register, 'Process', { id, add: i + 1, text: `t${i}` }));
      else if (i % 4 === 1) jobs.push(() => call(counters, 'Apply', { id, by: i }));
      else jobs.push(() => call(entity, 'Process', { id, text: `t${i}`, emit: 1 + (i % 12), event_bytes: i % 100 }));
    }
    while (jobs.length) await Promise.all(jobs.splice(0, 50).map((job) => job()));
    await call(entity, 'Process', { id: 'large', text: 'x', emit: 1000, event_bytes: 100 });
    await call(entity, 'Process', { id: 'large', text: 'y', emit: 1000, event_bytes: 100 });
    await call(entity, 'Process', { id: 'large', text: 'z', emit: 3, event_bytes: 100 });
    await call(entity, 'Process', { id: 'trimmed', text: 'x', emit: 10 });
    await call(entity, 'Process', { id: 'erased', text: 'x', emit: 1 });
    await call(register, 'Process', { id: 'deleted', add: 1 });
    await call(register, 'Process', { id: 'deleted', remove: true });
    await good(['truncate', 'test-entity/trimmed', '--before', '7', '--keep', '0', '--journal', journal]);
    await good(['erase', 'test-entity/erased', '--reason', 'x', '--journal', journal]);
    await good(['erase', 'test-counters/e1/{*} ä\n', '--reason', 'x', '--journal', journal]);
    await gateway.kill('SIGTERM');
    text = (await good(['export', '--journal', journal])).stdout;
  });
  after(() => world.end());

  it('an export says how much it has', () => {
    const end = lines(text.slice(text.lastIndexOf('\n', text.length - 2)))[0];
    assert.equal(end.line, 'end');
    assert.equal(end.heads + end.crdts, ENTITIES + 4);
    assert.equal(lines(text).filter((line) => line.line === 'event').length, end.events);
    assert.match(end.sha256, /^[0-9a-f]{64}$/);
  });

  it('comes back byte for byte, and again changes nothing', async () => {
    const where = file('all.jsonl', text);
    const first = await into('copy', 'import', where, '--json');
    assert.equal(first.code, 0, first.stderr);
    assert.deepEqual(lines(first.stdout), [{ imported: ENTITIES + 4, identical: 0, different: 0 }]);
    assert.equal((await into('copy', 'export')).stdout, text);
    const verified = await into('copy', 'verify');
    assert.equal(verified.code, 0, verified.stdout);
    const again = await into('copy', 'import', where, '--json');
    assert.deepEqual(lines(again.stdout), [{ imported: 0, identical: ENTITIES + 4, different: 0 }]);
    assert.equal((await into('copy', 'export')).stdout, text);
  });

  it('goes on where it was interrupted', async () => {
    // All of a large entity but what it was given last, as an import leaves it that is killed.
    const one = (await good(['export', 'test-entity/large', '--journal', journal])).stdout;
    assert.equal((await into('part', 'import', file('one.jsonl', one))).code, 0);
    const [events] = await redisCommand(redis.socket, 'KEYS', 'hg1:part:*:e:*');
    const [head] = await redisCommand(redis.socket, 'KEYS', 'hg1:part:*:h:*');
    const last = lines(one).find((line) => line.sequence === 1000).fields.g.base64;
    for (let s = 1001; s <= 2003; s += 1) await redisCommand(redis.socket, 'XDEL', events, `${s}-0`);
    await redisCommand(redis.socket, 'XSETID', events, '1000-0');
    await redisCommand(redis.socket, 'EVAL', "redis.call('HDEL', KEYS[1], 'zs', 'zt', 'zp', 'zw') return redis.call('HSET', KEYS[1], 's', '1000', 'g', (ARGV[1]:gsub('..', function (h) return string.char(tonumber(h, 16)) end)))",
      '1', head, Buffer.from(last, 'base64').toString('hex'));
    assert.equal((await into('part', 'import', path.join(world.dir, 'one.jsonl'))).code, 0);
    assert.equal((await into('part', 'export')).stdout, one);
  });

  it('from standard input, one type, one entity', async () => {
    const one = (await good(['export', 'test-register', '--journal', journal])).stdout;
    assert.equal((await tool(['import', '-', '--journal', journal, '--namespace', 'pipe'], { input: one })).code, 0);
    assert.equal((await into('pipe', 'export')).stdout, one);
    assert.equal((await into('pipe', 'export', 'test-register/nobody')).code, 1);
  });

  it('refuses what is there and another, and tells with --check what it would do', async () => {
    const where = path.join(world.dir, 'all.jsonl');
    const [head] = await redisCommand(redis.socket, 'KEYS', 'hg1:copy:*:h:test-register/deleted');
    await redisCommand(redis.socket, 'HSET', head, 's', '77');
    const [events] = await redisCommand(redis.socket, 'KEYS', 'hg1:copy:*:e:test-entity/trimmed');
    await redisCommand(redis.socket, 'DEL', events, events.replace(':e:', ':h:'));
    const check = await into('copy', 'import', where, '--check', '--json');
    assert.equal(check.code, 1);
    assert.match(check.stderr, /test-register\/deleted: it is there already, with another head/);
    assert.deepEqual(lines(check.stdout), [{ missing: 1, identical: ENTITIES + 2, different: 1 }]);
    const really = await into('copy', 'import', where, '--json');
    assert.equal(really.code, 1);
    assert.deepEqual(lines(really.stdout), [{ imported: 1, identical: ENTITIES + 2, different: 1 }]);
  });

  it('refuses a file that is not whole, before it writes anything', async () => {
    const some = text.split('\n');
    for (const [name, content, says] of [
      ['cut', text.slice(0, text.length / 2), /line \d+: it has no sum|sum is another/],
      ['without its end', some.slice(0, -2).join('\n') + '\n', /the end is missing/],
      ['without a line', some.filter((_, i) => i !== 5).join('\n'), /were written/],
      ['changed', text.replace('"line":"head"', '"line":"Head"'), /the line was changed/],
      ['empty', '', /the file is empty/],
    ]) {
      const { code, stderr } = await into('broken', 'import', file('broken.jsonl', content));
      assert.equal(code, 1, name);
      assert.match(stderr, says);
      assert.deepEqual(await redisCommand(redis.socket, 'KEYS', 'hg1:broken:*:[heic]:*'), []);
    }
  });

  it('is served by a gateway as if it had been there', async () => {
    await good(['import', path.join(world.dir, 'all.jsonl'), '--journal', journal, '--namespace', 'served']);
    const fn = await world.testFunction();
    const gateway = await world.gateway({ functionPort: fn.port, env: { JOURNAL_URL: journal, HEADGATE_JOURNAL_NAMESPACE: 'served' } });
    const client = (name, service) => world.client(gateway, path.join(protos, name), service, [path.join(srcdir, 'tests/fakes')]);
    assert.equal((await call(client('entity.proto', 'headgate.test.Entity'), 'Process', { id: 'large', emit: 1 })).count, '2004');
    assert.equal((await call(client('entity.proto', 'headgate.test.Entity'), 'Process', { id: 'trimmed', emit: 1 })).count, '11');
    await assert.rejects(call(client('entity.proto', 'headgate.test.Entity'), 'Process', { id: 'erased' }), { code: 9 });
    const value = await call(client('value.proto', 'headgate.test.Register'), 'Peek', { id: 'e4/{*} ä\n' });
    assert.deepEqual([value.count, value.text], ['5', 't4']);
    assert.equal((await call(client('crdt.proto', 'headgate.test.CrdtCounter'), 'Apply', { id: 'e5/{*} ä\n', by: 1 })).number, '6');
  });
});

describe('headgate journal and the embedded journal', () => {
  const world = new World();
  const url = () => `embedded:${path.join(world.dir, 'journal')}`;
  after(() => world.end());

  it('reads it while a gateway runs, and alone; a backup is as good', async () => {
    const cart = await world.cart();
    const gateway = await world.gateway({ functionPort: cart.port });
    const add = (name) => curl('-X', 'POST', '-H', 'Content-Type: application/json', '-d', `{"productId":"${name}","name":"${name}","quantity":1}`, `${gateway.url}/cart/ann/items/add`);
    assert.equal((await add('tea')).status, 200);
    const types = ['--descriptors', cartTypes];
    const events = lines((await good(['events', 'shopping-cart/ann', ...types, '--journal', url()])).stdout);
    assert.equal(events.length, 1);
    assert.deepEqual(events[0].event.item, { productId: 'tea', name: 'tea', quantity: 1 });
    const copy = path.join(world.dir, 'copy');
    assert.match((await good(['backup', copy, '--journal', url()])).stdout, /copied/);
    assert.equal((await add('milk')).status, 200); // it is served as before
    const again = await tool(['backup', copy, '--journal', url()]);
    assert.equal(again.code, 1);
    assert.match(again.stderr, /journal in that directory already/);
    await gateway.kill('SIGTERM');

    // The same without a gateway: a server of its own, as long as it takes.
    const alone = (await good(['events', 'shopping-cart/ann', ...types, '--journal', url()])).stdout;
    assert.equal(lines(alone).length, 2);
    assert.deepEqual(lines(alone)[0], events[0]);
    const restored = (await good(['events', 'shopping-cart/ann', ...types], { env: { JOURNAL_URL: `embedded:${copy}` } })).stdout;
    assert.deepEqual(lines(restored), events);
    assert.match((await good(['verify', '--journal', `embedded:${copy}`])).stdout, /1 entities, 1 events, 0 CRDTs: 0 findings/);
    const second = await world.gateway({ functionPort: cart.port, env: { JOURNAL_URL: `embedded:${copy}` } });
    const shown = await fetch(`${second.url}/carts/ann/items`);
    assert.equal((await shown.json()).length, 1);
  });
});

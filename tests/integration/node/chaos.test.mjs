// The checker of tests/chaos finds what is spoiled; and three gateways and Redis live through a bounded run of faults.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { check, extend, gaps } from '../../chaos/check.mjs';
import { chaos, defaults } from '../../chaos/chaos.mjs';
import { print } from '../../chaos/report.mjs';

// Two ledgers of good appends and reads, one after the other; the third append of each has two events.
function good() {
  const operations = [];
  const entities = new Map();
  const feed = [];
  let now = 0;
  for (const entity of ['e1', 'e2']) {
    const events = [];
    let digest = 2166136261;
    for (let n = 1; n <= 6; n += 1) {
      const op = `${entity}o${n}`;
      const times = n === 3 ? 2 : 1;
      const start = now += 10;
      for (let i = 0; i < times; i += 1) {
        events.push({ sequence: events.length + 1, op, command: `c${op}`, tag: `t${op}`, baseCount: events.length, baseDigest: digest });
        digest = extend(digest, op);
      }
      const told = { entity, count: events.length, digest, outcome: 'k' };
      operations.push({ kind: 'a', op, start, end: now += 10, times, sequence: events.length, ...told });
      operations.push({ kind: 'r', op: `${op}r`, start: now += 10, end: now += 10, times: 0, sequence: 0, ...told });
      feed.push({ position: feed.length + 1, entity, sequence: events.length, count: times });
    }
    entities.set(entity, { sequence: events.length, tag: events.at(-1).tag, events });
  }
  return { operations, entities, feed: new Map([['7', feed]]) };
}

const append = (history, op) => history.operations.find((operation) => operation.op === op);
const events = (history, entity) => history.entities.get(entity).events;
const feedOf = (history) => history.feed.get('7');
const renumber = (history, entity) => {
  let digest = 2166136261;
  const list = events(history, entity);
  list.forEach((event, i) => {
    Object.assign(event, { sequence: i + 1, baseCount: i, baseDigest: digest });
    digest = extend(digest, event.op);
  });
  Object.assign(history.entities.get(entity), { sequence: list.length, tag: list.at(-1).tag });
};

// How a history is spoiled, and the rule that must say so.
const SPOILED = [
  ['the newest acknowledged append is lost', 1, (history) => { events(history, 'e1').pop(); renumber(history, 'e1'); }],
  ['an entity is lost', 1, (history) => { history.entities.delete('e2'); }],
  ['an acknowledged append is there twice', 1, (history) => {
    events(history, 'e1').push({ ...events(history, 'e1')[1], tag: 'another' });
    renumber(history, 'e1');
  }],
  ['an acknowledged batch is there in part', 1, (history) => { events(history, 'e1').splice(3, 1); renumber(history, 'e1'); }],
  ['a reply names another position', 1, (history) => { append(history, 'e1o2').count = 1; }],
  ['headgate-entity-seq is another', 1, (history) => { append(history, 'e1o2').sequence = 7; }],
  ['an unknown append is there twice', 2, (history) => {
    append(history, 'e1o2').outcome = 'u';
    events(history, 'e1').push({ ...events(history, 'e1')[1], tag: 'another' });
    renumber(history, 'e1');
  }],
  ['an unknown batch is there in part', 2, (history) => {
    append(history, 'e1o3').outcome = 'u';
    events(history, 'e1').splice(3, 1);
    renumber(history, 'e1');
  }],
  ['an event that nobody sent', 2, (history) => {
    history.operations = history.operations.filter(({ op }) => op !== 'e1o6');
  }],
  ['a gap in the sequence', 3, (history) => { events(history, 'e1')[4].sequence = 9; }],
  ['the head is ahead of its events', 3, (history) => { history.entities.get('e1').sequence += 1; }],
  ['two appends have changed places', 5, (history) => {
    const list = events(history, 'e1');
    [list[0], list[1]] = [list[1], list[0]];
    renumber(history, 'e1');
    [append(history, 'e1o1').count, append(history, 'e1o2').count] = [2, 1];
  }],
  ['an event was decided on another state', 4, (history) => { events(history, 'e1')[4].baseDigest ^= 1; }],
  ['an event was decided on an older state', 4, (history) => { events(history, 'e1')[4].baseCount -= 1; }],
  ['a tag comes again', 4, (history) => { events(history, 'e1')[5].tag = events(history, 'e1')[0].tag; }],
  ['one tag for two commands', 4, (history) => { events(history, 'e1')[1].tag = events(history, 'e1')[0].tag; }],
  ['the head has the tag of another append', 4, (history) => { history.entities.get('e1').tag = 'tx'; }],
  ['a stale read', 5, (history) => {
    const { count, digest } = append(history, 'e1o1r');
    Object.assign(append(history, 'e1o6r'), { count, digest });
  }],
  ['a read of the future', 6, (history) => {
    const { count, digest } = append(history, 'e1o6r');
    Object.assign(append(history, 'e1o2r'), { count, digest });
  }],
  ['a read of something else', 6, (history) => { append(history, 'e1o2r').digest ^= 1; }],
  ['a read of more than there is', 6, (history) => { append(history, 'e2o6r').count += 1; }],
  ['the feed lacks an append', 7, (history) => { feedOf(history).splice(2, 1); }],
  ['the feed has a gap', 7, (history) => { feedOf(history)[5].position += 1; }],
  ['the feed ends early', 7, (history) => { feedOf(history).pop(); }],
  ['the feed has an append twice', 7, (history) => { feedOf(history).splice(2, 0, { ...feedOf(history)[1] }); }],
  ['the feed has one entity\'s appends in another order', 7, (history) => {
    const list = feedOf(history);
    [list[0].sequence, list[1].sequence] = [2, 1];
  }],
  ['the feed has two appends in one entry', 7, (history) => {
    feedOf(history).splice(0, 2, { position: 1, entity: 'e1', sequence: 2, count: 2 });
  }],
];

describe('the checker', () => {
  it('finds nothing in a good history', () => {
    const verdict = check(good());
    assert.deepEqual(verdict.rules.filter(({ breaches }) => breaches), []);
    assert.ok(verdict.rules.every(({ checked }) => checked > 0));
  });

  it('lets an unknown append be there or not', () => {
    const there = good();
    append(there, 'e1o6').outcome = 'u';
    assert.equal(check(there).breaches, 0);
    const away = good();
    append(away, 'e1o6').outcome = 'u';
    away.operations = away.operations.filter(({ op }) => op !== 'e1o6r');
    events(away, 'e1').pop();
    renumber(away, 'e1');
    away.feed.set('7', feedOf(away).filter(({ entity, sequence }) => entity !== 'e1' || sequence < 7)
      .map((entry, i) => ({ ...entry, position: i + 1 })));
    assert.equal(check(away).breaches, 0);
  });

  for (const [name, rule, spoil] of SPOILED) {
    it(`finds: ${name}`, () => {
      const history = good();
      spoil(history);
      const { rules } = check(history);
      assert.ok(rules[rule - 1].breaches > 0, JSON.stringify(rules.filter(({ breaches }) => breaches)));
    });
  }

  it('measures how long nobody was told anything', () => {
    const at = (start, end, outcome = 'k') => ({ entity: 'e', start, end, outcome });
    assert.deepEqual(gaps([at(0, 1), at(500, 501)], 50), [], 'nobody asked');
    assert.deepEqual(gaps([at(0, 1), at(2, 400), at(399, 401)], 50), [{ entity: 'e', from: 2, to: 400 }]);
    assert.deepEqual(gaps([at(0, 1), at(2, 300, 'u'), at(290, 400)], 50), [{ entity: 'e', from: 290, to: 400 }]);
  });
});

it('three gateways on Redis, 40 s of faults', async () => {
  const lines = [];
  const seed = Number(process.env.HEADGATE_CHAOS_SEED ?? Math.floor(Math.random() * 1e9));
  const { summary, isGood } = await chaos({ ...defaults, seconds: 40, rate: 600, clients: 24, seed }, (line) => lines.push(line));
  print(summary, (line) => lines.push(line));
  assert.ok(isGood, `./dev chaos --seed ${seed} --seconds 40 --rate 600 --clients 24\n${lines.join('\n')}`);
  assert.ok(summary.acknowledged > 1000 && summary.faults > 5, lines.join('\n'));
});

it('a rolling restart of three gateways: no command fails, though nobody asks twice', async () => {
  const lines = [];
  const { summary, isGood } = await chaos({ ...defaults, rolling: true, rate: 500, clients: 24, seed: 7 }, (line) => lines.push(line));
  print(summary, (line) => lines.push(line));
  assert.ok(isGood, lines.join('\n'));
  assert.equal(summary.failed, 0);
});

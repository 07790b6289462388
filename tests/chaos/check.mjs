// The checker: what clients were told, against what the journal has in the end. Pure; O(n log n).
//
// A history is { operations, entities, feed }:
//   operations  of clients: { kind: 'a' | 'r', op, entity, start, end, outcome: 'k' | 'u', times, count, digest, sequence }
//   entities    Map of entity to { sequence, tag, events: [{ sequence, op, command, tag, baseCount, baseDigest }] }
//   feed        Map of partition to its entries in order: [{ position, entity, sequence, count }]
//
// An entity is a list that is only appended to, so positions are the order: nothing has to be searched for.

export const RULES = [
  'every acknowledged append is there once, at the position it was told',
  'an unknown append is there at most once, as a whole, and nothing that nobody sent',
  'sequence numbers 1 to n without a gap, n is the head\'s',
  'every event was decided on exactly the events before it; tags belong to one append',
  'real time: what started after another ended comes behind it, and is not shown less',
  'nothing is shown that had not started; what is shown is a beginning of the journal',
  'the feed is the appends of all entities, without a gap, in their order',
];

const BASIS = 2166136261;
const PRIME = 16777619;

// FNV-1a as in ledger.c.
export function extend(digest, op) {
  let now = digest;
  for (let i = 0; i < op.length; i += 1) now = Math.imul(now ^ op.charCodeAt(i), PRIME) >>> 0;
  return Math.imul(now ^ 10, PRIME) >>> 0;
}

class Verdict {
  constructor() {
    this.rules = RULES.map((text, i) => ({ rule: i + 1, text, checked: 0, breaches: 0, examples: [] }));
  }

  look(rule, isGood, describe) {
    const at = this.rules[rule - 1];
    at.checked += 1;
    if (isGood) return;
    at.breaches += 1;
    if (at.examples.length < 10) at.examples.push(describe());
  }

  get breaches() {
    return this.rules.reduce((sum, { breaches }) => sum + breaches, 0);
  }
}

// Where each operation stands: op -> { entity, positions }.
function index(entities) {
  const places = new Map();
  for (const [entity, { events }] of entities) {
    events.forEach(({ op }, i) => {
      const key = `${entity} ${op}`;
      const at = places.get(key);
      if (at) at.push(i + 1);
      else places.set(key, [i + 1]);
    });
  }
  return places;
}

const text = (operation, positions) =>
  `${operation.kind} ${operation.op} of ${operation.entity}, ${operation.start}..${operation.end} ${operation.outcome}, `
  + `told ${operation.count}, journal ${positions?.join(',') ?? 'nothing'}`;

function checkOperations(verdict, operations, places) {
  const sent = new Set();
  for (const operation of operations) {
    if (operation.kind !== 'a') continue;
    const key = `${operation.entity} ${operation.op}`;
    const positions = places.get(key);
    sent.add(key);
    const isRun = positions?.every((position, i) => position === positions[0] + i);
    if (operation.outcome === 'k') {
      const last = operation.count;
      verdict.look(1, isRun && positions.length === operation.times && positions.at(-1) === last
        && (operation.sequence === 0 || operation.sequence === last), () => text(operation, positions));
    } else {
      verdict.look(2, !positions || (isRun && positions.length === operation.times), () => text(operation, positions));
    }
  }
  for (const [key, positions] of places) {
    verdict.look(2, sent.has(key), () => `${key} at ${positions.join(',')} was never sent`);
  }
}

// Sequences, bases and tags of an entity; the digest after each event, and the latest start up to it.
function checkEntity(verdict, entity, { sequence, tag, events }, startOf) {
  const digests = [BASIS];
  const starts = [-Infinity];
  const tags = new Set();
  let digest = BASIS;
  let before;
  events.forEach((event, i) => {
    verdict.look(3, event.sequence === i + 1, () => `${entity}: ${event.sequence} at place ${i + 1}`);
    const isSameAppend = before !== undefined && before.tag === event.tag;
    const isGoodTag = isSameAppend ? before.command === event.command : !tags.has(event.tag);
    verdict.look(4, event.baseCount === i && event.baseDigest === digest && isGoodTag, () =>
      `${entity}: event ${i + 1} (${event.op}) was decided on ${event.baseCount}/${event.baseDigest}, there is ${i}/${digest}; tag ${event.tag}`);
    tags.add(event.tag);
    digest = extend(digest, event.op);
    digests.push(digest);
    starts.push(Math.max(starts.at(-1), startOf.get(`${entity} ${event.op}`) ?? -Infinity));
    before = event;
  });
  verdict.look(3, sequence === events.length, () => `${entity}: the head says ${sequence}, there are ${events.length}`);
  verdict.look(4, events.length === 0 || tag === events.at(-1).tag, () => `${entity}: the head's tag is not that of the last event`);
  return { digests, starts };
}

// One entity's acknowledged operations: rules 5 and 6.
function checkTime(verdict, told, { digests, starts }) {
  const byStart = [...told].sort((a, b) => a.start - b.start);
  const byEnd = [...told].sort((a, b) => a.end - b.end);
  let ended = 0;
  let greatest = 0;
  let by;
  for (const operation of byStart) {
    for (; ended < byEnd.length && byEnd[ended].end < operation.start; ended += 1) {
      if (byEnd[ended].count > greatest) {
        greatest = byEnd[ended].count;
        by = byEnd[ended];
      }
    }
    const least = operation.kind === 'a' ? operation.count - operation.times : operation.count;
    verdict.look(5, least >= greatest, () => `${text(operation)}, but before it began ${by.op} was told ${greatest}`);
    verdict.look(6, operation.count < digests.length && operation.digest === digests[operation.count]
      && starts[operation.count] <= operation.end, () => `${text(operation)}, digest ${operation.digest}, there is ${digests[operation.count]}, `
      + `the latest start ${starts[operation.count]}`);
  }
}

function checkFeed(verdict, feed, entities) {
  const reached = new Map();
  for (const [partition, entries] of feed) {
    entries.forEach(({ position, entity, sequence, count }, i) => {
      const before = reached.get(entity) ?? 0;
      const events = entities.get(entity)?.events ?? [];
      const mine = events.slice(before, sequence);
      const isWhole = mine.length === count && mine.every(({ tag }) => tag === mine[0].tag)
        && (sequence >= events.length || events[sequence].tag !== mine.at(-1)?.tag);
      verdict.look(7, position === i + 1 && sequence - count === before && count > 0 && isWhole,
        () => `partition ${partition} entry ${position} (place ${i + 1}): ${entity} up to ${sequence}, ${count} events, behind ${before}`);
      reached.set(entity, sequence);
    });
  }
  for (const [entity, { events }] of entities) {
    verdict.look(7, (reached.get(entity) ?? 0) === events.length, () =>
      `${entity}: the feed ends with ${reached.get(entity) ?? 0}, the journal with ${events.length}`);
  }
}

export function check({ operations, entities, feed }) {
  const verdict = new Verdict();
  const startOf = new Map();
  const told = new Map();
  for (const operation of operations) {
    if (operation.kind === 'a') startOf.set(`${operation.entity} ${operation.op}`, operation.start);
    if (operation.outcome !== 'k') continue;
    if (!told.has(operation.entity)) told.set(operation.entity, []);
    told.get(operation.entity).push(operation);
  }
  checkOperations(verdict, operations, index(entities));
  for (const [entity, journal] of entities) {
    const shape = checkEntity(verdict, entity, journal, startOf);
    checkTime(verdict, told.get(entity) ?? [], shape);
  }
  for (const [entity, mine] of told) {
    if (!entities.has(entity)) checkTime(verdict, mine, { digests: [BASIS], starts: [-Infinity] });
  }
  checkFeed(verdict, feed, entities);
  return verdict;
}

// Times without progress: for every entity, how long somebody waited for it while nobody was told anything.
// Gives { entity, from, to } for those of at least leastUs.
export function gaps(operations, leastUs) {
  const byEntity = new Map();
  for (const operation of operations) {
    if (!byEntity.has(operation.entity)) byEntity.set(operation.entity, []);
    byEntity.get(operation.entity).push(operation);
  }
  const found = [];
  for (const [entity, mine] of byEntity) {
    mine.sort((a, b) => a.end - b.end);
    const earliest = new Array(mine.length + 1).fill(Infinity); // start of what ends at i or later
    for (let i = mine.length - 1; i >= 0; i -= 1) earliest[i] = Math.min(earliest[i + 1], mine[i].start);
    let last = -Infinity;
    mine.forEach(({ end, outcome }, i) => {
      if (outcome !== 'k') return;
      const from = Math.max(last, earliest[i]);
      if (end - from >= leastUs) found.push({ entity, from, to: end });
      last = end;
    });
  }
  return found;
}

// One line of load.c.
export function parse(line) {
  const [kind, op, entity, start, end, outcome, times, count, digest, sequence, keyed, replayed, attempts] = line.split(' ');
  return {
    kind, op, entity: `e${entity}`, start: Number(start), end: Number(end), outcome, times: Number(times), count: Number(count),
    digest: Number(digest), sequence: Number(sequence), keyed: keyed === '1', replayed: replayed === '1', attempts: Number(attempts),
  };
}

// A second opinion on ProtoJSON: random messages go through conformance-testee and through
// @bufbuild/protobuf, both ways, and must come to the same. The seed is fixed, so that a change is judged
// and not luck; HEADGATE_ORACLE_SEED and HEADGATE_ORACLE_MESSAGES choose other runs, a failure prints the seed.
import assert from 'node:assert/strict';
import { spawn, execFileSync } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { clone, createFileRegistry, createRegistry, fromBinary, fromJson, toBinary, toJson } from '@bufbuild/protobuf';
import { Edition, FeatureSet_EnumType, FeatureSet_FieldPresence, FeatureSet_MessageEncoding, FeatureSet_RepeatedFieldEncoding,
  FieldDescriptorProto_Label, FieldDescriptorProto_Type, FileDescriptorSetSchema, FieldOptionsSchema, FileOptionsSchema,
  FeatureSetSchema } from '@bufbuild/protobuf/wkt';
import { create } from '@bufbuild/protobuf';
import { World, builddir, fs, path, srcdir } from './harness.mjs';
import { Maker, Random } from './oracle.mjs';

const seed = Number(process.env.HEADGATE_ORACLE_SEED ?? 1);
const total = Number(process.env.HEADGATE_ORACLE_MESSAGES ?? 100000);
const spoiled = Math.ceil(total / 5);
const batchSize = 1000;

// The set with a copy of the proto3 file as edition 2023: other presence, closed enums, groups,
// lists written one by one.
function descriptorSet(world) {
  const idl = path.join(srcdir, 'tests/conformance/oracle');
  const file = path.join(world.dir, 'oracle.set');
  execFileSync(process.env.PROTOC ?? 'protoc', [`-I${idl}`, '-I/usr/include', '--include_imports', `--descriptor_set_out=${file}`,
    path.join(idl, 'modern.proto'), path.join(idl, 'classic.proto')]);
  const set = fromBinary(FileDescriptorSetSchema, fs.readFileSync(file));
  const edition = clone(FileDescriptorSetSchema, set).file.find((one) => one.name.endsWith('modern.proto'));
  Object.assign(edition, { name: 'edition.proto', package: 'oracle.edition', syntax: 'editions', edition: Edition.EDITION_2023 });
  edition.options = create(FileOptionsSchema, { features: create(FeatureSetSchema, {
    fieldPresence: FeatureSet_FieldPresence.EXPLICIT, enumType: FeatureSet_EnumType.CLOSED,
    repeatedFieldEncoding: FeatureSet_RepeatedFieldEncoding.EXPANDED, messageEncoding: FeatureSet_MessageEncoding.DELIMITED }) });
  for (const message of edition.messageType) {
    message.oneofDecl = message.oneofDecl.filter((oneof) => !oneof.name.startsWith('_'));
    for (const field of [...message.field, ...message.nestedType.flatMap((nested) => nested.field)]) {
      field.typeName = field.typeName.replace('.oracle.modern.', '.oracle.edition.');
      if (field.proto3Optional) for (const key of ['proto3Optional', 'oneofIndex']) delete field[key];
      if (field.options) field.options.packed = undefined;
      if (field.number === 2 && field.type === FieldDescriptorProto_Type.INT64 && field.label === FieldDescriptorProto_Label.OPTIONAL && !Object.hasOwn(field, 'oneofIndex'))
        field.options = create(FieldOptionsSchema, { features: create(FeatureSetSchema, { fieldPresence: FeatureSet_FieldPresence.IMPLICIT }) });
    }
  }
  set.file.push(edition);
  const bytes = toBinary(FileDescriptorSetSchema, set);
  fs.writeFileSync(file, bytes);
  return { file, set: fromBinary(FileDescriptorSetSchema, bytes) };
}

const FORMAT = { wire: 1, json: 2 };

// conformance-testee behind its pipe: many requests at once, answers in their order.
class Testee {
  constructor(file) {
    this.child = spawn(path.join(builddir, 'tests/conformance-testee'), [file], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.waiting = [];
    this.rest = Buffer.alloc(0);
    this.child.stdout.on('data', (chunk) => this.take(chunk));
    this.child.on('exit', (code) => this.waiting.splice(0).forEach(({ reject }) => reject(new Error(`testee ended with ${code}`))));
  }

  take(chunk) {
    this.rest = this.rest.length ? Buffer.concat([this.rest, chunk]) : chunk;
    let at = 0;
    while (this.rest.length - at >= 4) {
      const length = this.rest.readUInt32LE(at);
      if (this.rest.length - at - 4 < length) break;
      this.answers.push(answerOf(this.rest.subarray(at + 4, at + 4 + length)));
      at += 4 + length;
    }
    this.rest = this.rest.subarray(at);
    if (this.answers.length === this.wanted) this.waiting.shift().resolve(this.answers);
  }

  ask(requests) {
    this.answers = [];
    this.wanted = requests.length;
    return new Promise((resolve, reject) => {
      this.waiting.push({ resolve, reject });
      this.child.stdin.write(requestsOf(requests));
    });
  }
}

// The length of a field with a length, and its bytes, in the one buffer of a batch.
const lengthOf = (size) => (size < 0x80 ? 1 : size < 0x4000 ? 2 : size < 0x200000 ? 3 : 4);
function putHead(out, at, tag, size) {
  out[at++] = tag;
  let rest = size;
  for (; rest > 0x7f; rest >>>= 7) out[at++] = (rest & 0x7f) | 0x80;
  out[at++] = rest;
  return at;
}

// ConformanceRequests, each behind its length. Written by hand: there are 300,000 of them.
function requestsOf(asked) {
  const sized = asked.map(({ type, wire, json, to }) => {
    const size = wire ? wire.length : Buffer.byteLength(json);
    return { type, wire, json, to, size, total: 1 + lengthOf(size) + size + 2 + 1 + lengthOf(type.length) + type.length };
  });
  const out = Buffer.allocUnsafe(sized.reduce((sum, { total: one }) => sum + 4 + one, 0));
  let at = 0;
  for (const { type, wire, json, to, size, total: one } of sized) {
    at = out.writeUInt32LE(one, at);
    at = putHead(out, at, wire ? 0x0a : 0x12, size);
    if (wire) out.set(wire, at);
    else out.utf8Write(json, at, size);
    at += size;
    out[at++] = 0x18;
    out[at++] = FORMAT[to];
    at = putHead(out, at, 0x22, type.length);
    at += out.latin1Write(type, at, type.length);
  }
  return out;
}

function answerOf(bytes) {
  let at = 1;
  while (bytes[at] & 0x80) at += 1;
  const value = bytes.subarray(at + 1);
  switch (bytes[0] >> 3) {
    case 3: return { wire: value };
    case 4: return { json: value.toString('utf8') };
    default: return { error: value.toString('utf8') || 'refused' };
  }
}

// Like JSON.stringify, but -0 stays -0, and numbers, keys, white space and escapes vary.
function print(value, random) {
  const space = () => (random.chance(5) ? random.pick([' ', '\n', '\t', '\r', ' \n ']) : '');
  const string = (text) => {
    return random.chance(5) ? escaped(text) : JSON.stringify(text);
  };
  const walk = (v) => {
    if (typeof v === 'number') return Object.is(v, -0) ? '-0' : String(v);
    if (typeof v === 'string') return string(v);
    if (v === null || typeof v === 'boolean') return String(v);
    if (Array.isArray(v)) return `[${space()}${v.map(walk).join(`${space()},${space()}`)}]`;
    return `{${Object.entries(v).map(([key, one]) => `${space()}${string(key)}${space()}:${space()}${walk(one)}`).join(',')}${space()}}`;
  };
  return space() + walk(value) + space();
}

function escaped(text) {
  return `"${[...Array(text.length).keys()].map((i) => `\\u${text.charCodeAt(i).toString(16).padStart(4, '0')}`).join('')}"`;
}

// Equal to the sign of zero. Numbers that only agree as floats are counted: they are looked at again.
function same(a, b, loose) {
  if (Object.is(a, b)) return true;
  if (typeof a === 'number' && typeof b === 'number') {
    loose.count += 1;
    return Math.fround(a) === b;
  }
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && same(a[key], b[key], loose));
}

const exactly = (a, b) => {
  const loose = { count: 0 };
  return same(a, b, loose) && loose.count === 0;
};

const attempt = (make) => {
  try {
    return { value: make() };
  } catch (error) {
    return { error: error.message };
  }
};

// A number in the text with more digits than JavaScript needs for the same value.
const numbers = /(?<=[[:,])-?\d[\d.eE+-]*(?=[\],}])/g;
const digits = (number) => number.replace(/e.*/, '').replace(/\D/g, '').replace(/^0+|0+$/g, '').length;
function longNumber(json) {
  return json.replace(/"(?:[^"\\]|\\.)*"/g, '""').match(numbers)?.find((number) => digits(number) > digits(String(Number(number))));
}

const tokens = ['null', '""', '0', '-1', '1e3', '1.5', '[]', '{}', 'true', '"x"', ',', ':', '"', '\\', '[', '}', '01', '+1', '.5', '1.', 'NaN', '"NaN"', '"1"', '"1.0"',
  '9223372036854775808', '4294967296', '1e400', '\u0000', '\u00a0', '"\\ud800"', '"AQ"', '"A-_="', '"KIND_UNO"', '1e', ' ', "'a'", '/**/', '"1970-01-01T00:00:00Z"', '"1s"', '{"a":1}'];
const token = /"(?:[^"\\]|\\.)*"|-?[\d.eE+-]+|true|false|null|[[\]{},:]/g;

function mutate(text, random) {
  const parts = [...text.matchAll(token)];
  const part = random.pick(parts);
  const end = part.index + part[0].length;
  switch (random.below(5)) {
    case 0: return text.slice(0, part.index) + text.slice(end);
    case 1: return text.slice(0, part.index) + random.pick(tokens) + text.slice(end);
    case 2: return text.slice(0, end) + random.pick(tokens) + text.slice(end);
    case 3: return text.slice(0, random.below(text.length));
    default: return text.slice(0, part.index) + random.pick(parts)[0] + text.slice(end);
  }
}

// What is read differently on purpose, and why.
const colons = (text) => text.replace(/"(?:[^"\\]|\\.)*"/g, '').split(':').length;
const differences = [
  // JSON.parse takes the last of two equal keys; ProtoJSON has them refused.
  { is: (text, ours) => ours.error && colons(text) !== colons(JSON.stringify(JSON.parse(text))) },
  // Keys of maps are decimal integers here, not any number of the same value.
  { is: (text, ours) => /not a value of type .?(int|fixed)/.test(ours.error) && /"[-\d]*(\.\d+|[eE][-+]?\d+)":/.test(text) },
  // Numbers that JavaScript rounds before they are looked at.
  { is: (text) => /[eE][-+]?\d{3}|(?<![\w"])-?\d{16}/.test(text) },
  // JavaScript turns half of a surrogate pair into U+FFFD when it writes UTF-8.
  { is: (text, ours) => /half of a surrogate pair/.test(ours.error) && /\\ud[89a-f]/.test(text) },
  // A 64-bit integer in quotes may be any number of an integral value, as for 32 bits; BigInt knows
  // digits alone, but takes white space for 0.
  { is: (text, ours, theirs) => /expected bigint/.test(theirs.error) && /"-?\d+(\.\d+|[eE]\d+)"/.test(text) },
  { is: (text, ours) => /not a value of type \w*64/.test(ours.error) && /"\s+"/.test(text) },
];

describe(`a second opinion on JSON, seed ${seed}`, () => {
  const world = new World();
  const random = new Random(seed);
  let testee;
  let maker;
  let options;
  let roots;

  before(() => {
    const { file, set } = descriptorSet(world);
    const files = createFileRegistry(set);
    const registry = createRegistry(...files);
    options = { registry };
    roots = [...files].filter((type) => type.kind === 'message' && /^oracle\.\w+\.\w+$/.test(type.typeName) && !type.typeName.endsWith('Entry'));
    const anyTypes = [...roots, ...['Duration', 'Timestamp', 'FieldMask', 'Struct', 'Value', 'ListValue', 'Int64Value', 'StringValue', 'Empty', 'Any']
      .map((name) => registry.getMessage(`google.protobuf.${name}`))];
    maker = new Maker(random, registry, anyTypes);
    testee = new Testee(file);
  });
  after(async () => {
    testee?.child.kill();
    await world.end();
  });

  const read = (type, wire) => toJson(type, fromBinary(type, wire), options);
  const readJson = (type, text) => read(type, toBinary(type, fromJson(type, JSON.parse(text), options)));
  const fails = [];
  const fail = (number, what, type, details) => {
    fails.push(`case ${number}: ${what}, ${type.typeName}\n${JSON.stringify(details, (key, value) => (value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value)).slice(0, 1500)}`);
    assert.ok(fails.length < Number(process.env.HEADGATE_ORACLE_FAILS ?? 1), `seed ${seed}\n${fails.join('\n')}`);
  };

  // One message: what is asked, and what the answers must be.
  function prepare(number) {
    const type = random.pick(roots);
    const wire = maker.message(type);
    const expected = attempt(() => read(type, wire));
    const one = { number, type, wire, expected, requests: [{ type: type.typeName, wire, to: 'json' }] };
    if (number % 10 === 0) one.requests.push({ type: type.typeName, wire, to: 'wire' });
    if (!expected.error) {
      one.text = print(expected.value, random);
      one.requests.push({ type: type.typeName, json: one.text, to: 'wire' });
    }
    return one;
  }

  function check({ number, type, wire, expected, text }, [json, ...wires]) {
    if (Boolean(json.error) !== Boolean(expected.error))
      return fail(number, 'one refuses to print', type, { wire, ours: json, theirs: expected });
    if (expected.error) return undefined;
    const loose = { count: 0 };
    if (!same(JSON.parse(json.json), expected.value, loose) ||
      (loose.count && !exactly(readJson(type, json.json), expected.value)))
      fail(number, 'prints differ', type, { wire, ours: json.json, theirs: expected.value });
    if (longNumber(json.json)) fail(number, `${longNumber(json.json)} is not shortest`, type, { ours: json.json });
    for (const answer of wires) {
      const got = answer.error ? answer : attempt(() => read(type, answer.wire));
      if (got.error || !exactly(got.value, expected.value)) fail(number, 'read again', type, { wire, text, ours: got, theirs: expected.value });
    }
    return undefined;
  }

  // The next batch is made while the testee works on this one.
  async function run(count, make, judge) {
    const batch = (at) => Array.from({ length: Math.min(batchSize, count - at) }, (_, i) => make(at + i));
    let next = batch(0);
    for (let at = 0; at < count; at += batchSize) {
      const cases = next;
      const asked = testee.ask(cases.flatMap((one) => one.requests));
      next = batch(at + batchSize);
      const answers = await asked;
      let from = 0;
      for (const one of cases) {
        judge(one, answers.slice(from, from + one.requests.length));
        from += one.requests.length;
      }
    }
    assert.deepEqual(fails, []);
  }

  it(`${total} messages, both ways`, () => run(total, prepare, check));

  // A text that is one edit away from a good one. Both refuse it, or both read the same.
  function spoil(number) {
    for (;;) {
      const type = random.pick(roots);
      const good = attempt(() => JSON.stringify(read(type, maker.message(type))));
      if (good.error) continue;
      const text = mutate(good.value, random);
      return { number, type, text, requests: [{ type: type.typeName, json: text, to: 'wire' }] };
    }
  }

  function judge({ number, type, text }, [answer]) {
    const theirs = attempt(() => readJson(type, text));
    const ours = answer.error ? answer : attempt(() => read(type, answer.wire));
    if (Boolean(ours.error) !== Boolean(theirs.error)) {
      if (!differences.some((known) => known.is(text, ours, theirs))) fail(number, 'one refuses', type, { text, ours, theirs });
    } else if (!ours.error && !exactly(ours.value, theirs.value) && !differences.some((known) => known.is(text, ours, theirs))) {
      fail(number, 'read differently', type, { text, ours, theirs });
    }
  }

  it(`${spoiled} spoiled texts`, () => run(spoiled, spoil, judge));
});

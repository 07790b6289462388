import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { comparable, deserialize, serialize, stableStringify } from '../src/any.js';
import { Metadata } from '../src/index.js';
import { describe as read } from '../src/proto/source.js';
import { protoDir } from './proxy.js';
import Long from '../src/long.js';

const { root } = read('model.proto', [protoDir]);
const Everything = root.lookupType('headgate.test.Everything');
const all = { allowPrimitives: true, fallbackToJson: true };

describe('Any', () => {
  for (const [value, type, bytes, back = value] of [
    ['', 'p.cloudstate.io/string', []],
    ['hé', 'p.cloudstate.io/string', [10, 3, 104, 0xc3, 0xa9]],
    [0, 'p.cloudstate.io/double', []],
    [-0, 'p.cloudstate.io/double', [9, 0, 0, 0, 0, 0, 0, 0, 0x80]],
    [1, 'p.cloudstate.io/double', [9, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f]],
    [false, 'p.cloudstate.io/bool', []],
    [true, 'p.cloudstate.io/bool', [8, 1]],
    [Long.fromNumber(300), 'p.cloudstate.io/int64', [8, 0xac, 2]],
    [300n, 'p.cloudstate.io/int64', [8, 0xac, 2], Long.fromNumber(300)],
    [Long.ZERO, 'p.cloudstate.io/int64', []],
    [Buffer.from([1, 2]), 'p.cloudstate.io/bytes', [10, 2, 1, 2]],
    [{ b: [{ z: 1, y: 2 }], a: null }, 'json.cloudstate.io/object', [10, 28, ...Buffer.from('{"a":null,"b":[{"y":2,"z":1}]}')]],
    [{ type: 'T' }, 'json.cloudstate.io/T', [10, 12, ...Buffer.from('{"type":"T"}')]],
    [[1], 'json.cloudstate.io/object', [10, 3, ...Buffer.from('[1]')]],
    [null, 'json.cloudstate.io/object', [10, 4, ...Buffer.from('null')]],
  ]) {
    it(`${typeof value} ${stableStringify(String(value))}`, () => {
      const any = serialize(value, all);
      assert.equal(any.type_url, type);
      if (type.startsWith('json')) bytes[1] = bytes.length - 2;
      assert.deepEqual([...any.value], bytes);
      assert.deepEqual(deserialize(any, root), back);
    });
  }

  for (const [name, bytes, value] of [['int32', [8, 5], 5], ['float', [13, 0, 0, 0x80, 0x3f], 1], ['int32', [], 0], ['bool', [16, 1, 8, 1], true]]) {
    it(`reads a ${name} of other languages`, () => {
      assert.equal(deserialize({ type_url: `p.cloudstate.io/${name}`, value: Buffer.from(bytes) }, root), value);
    });
  }

  it('says which option is missing, and what is not known', () => {
    assert.throws(() => serialize('x'), /serializeAllowPrimitives/);
    assert.throws(() => serialize({}), /serializeFallbackToJson/);
    assert.throws(() => serialize(undefined, all), /cannot be serialized/);
    assert.throws(() => deserialize({ type_url: 'p.cloudstate.io/what', value: [] }, root), /not a primitive/);
    assert.throws(() => deserialize({ type_url: 'type.googleapis.com/no.Such', value: [] }, root), /no\.Such is not defined/);
    assert.throws(() => deserialize(undefined, root), /without a type/);
  });

  it('is the same for messages that mean the same', () => {
    const one = Everything.fromObject({ colours: { 2: 'GREEN', 1: 'RED' }, oldName: 0, numbers: [0], left: '', inners: { a: { raw: '' } } });
    const other = Everything.fromObject({ inners: { a: {} }, colours: { 1: 0, 2: 2 }, left: '', numbers: [0] });
    assert.equal(comparable(one), comparable(other));
    assert.notEqual(comparable(Everything.fromObject({ left: '' })), comparable(Everything.create({})), 'a choice that is made');
    assert.notEqual(comparable(Everything.fromObject({ perhaps: '' })), comparable(Everything.create({})), 'an optional field');
    assert.notEqual(comparable('1'), comparable(1));
  });
});

describe('Metadata', () => {
  it('keeps texts and bytes by key, whatever its case', () => {
    const metadata = new Metadata({ a: '1' }).add('A', '2').set('b', Buffer.from('x'));
    assert.deepEqual(metadata.get('a'), ['1', '2']);
    assert.equal(metadata.has('B'), true);
    assert.equal(metadata.size, 3);
    const copy = Metadata.fromProtocol({ entries: metadata.toProtocol().entries.map((entry) => (
      { ...entry, value: entry.bytesValue ? 'bytesValue' : 'stringValue' })) });
    assert.deepEqual([...copy], [...metadata]);
    assert.equal(metadata.clear().toProtocol(), undefined);
    assert.throws(() => metadata.add('a', 5), /neither text nor bytes/);
  });

  it('shows a CloudEvent', () => {
    const { cloudevent } = new Metadata({
      'ce-specversion': '1.0', 'ce-id': '9', 'CE-Type': 't', 'ce-source': '/s', 'ce-subject': 'u', 'ce-time': '2020-01-02T03:04:05Z',
      'Content-Type': 'application/json',
    });
    assert.deepEqual([cloudevent.specversion, cloudevent.id, cloudevent.type, cloudevent.source, cloudevent.subject, cloudevent.datacontenttype],
      ['1.0', '9', 't', '/s', 'u', 'application/json']);
    assert.equal(cloudevent.time.getUTCHours(), 3);
    assert.equal(cloudevent.dataschema, undefined);
  });
});

// Random messages for the comparison of ProtoJSON with a second implementation: wire bytes are made
// from descriptors with a seeded generator, so that a case can be had again, and with what encoders
// rarely write: lists packed or not against their declaration, singular fields twice, unknown fields.
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

// mulberry32
export class Random {
  constructor(seed) { this.state = seed >>> 0; }

  next() {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  }

  below(n) { return this.next() % n; }
  chance(percent) { return this.below(100) < percent; }
  pick(list) { return list[this.below(list.length)]; }
}

const two53 = 9007199254740992n;
const edges64 = [0n, 1n, -1n, two53 - 1n, two53, two53 + 1n, -two53 - 1n, 2n ** 63n - 1n, -(2n ** 63n), 2n ** 31n, -(2n ** 31n) - 1n, 2n ** 32n];
const edgesU64 = [0n, 1n, two53 - 1n, two53, two53 + 1n, 2n ** 63n, 2n ** 64n - 1n, 2n ** 32n, 10n ** 19n];
const edges32 = [0, 1, -1, 2147483647, -2147483648, 65536, 1000000000];
const edgesU32 = [0, 1, 4294967295, 2147483648, 65535];
const doubles = [0, -0, 1, -1, 0.1, 1 / 3, 5e-324, -5e-324, 2.2250738585072014e-308, 2.225073858507201e-308, Number.MAX_VALUE, -Number.MAX_VALUE,
  NaN, Infinity, -Infinity, 9007199254740991, 9007199254740993, 1e21, 1e-7, 123456789012345680000, 1e22, 4.35, 1.7976931348623157e308, 3.4028234663852886e38, 3.4028235677973366e38, 1e23, 9e15, 0.000001];
const floats = [0, -0, 1, 0.1, 1e-45, 1.17549435e-38, 1.1754942e-38, 3.4028234663852886e38, -3.4028234663852886e38, NaN, Infinity, -Infinity, 16777216, 16777217, 1e10, 8388608.5, 1e21, 1e-7, 33554432];
const pieces = ['', 'a', 'null', '\u0000', '\u0001\u0008\t\n\u000b\f\r\u001f', '\u007f\u0080\u009f', '"', '\\', '/', '</script>', '&<>', '\u00e9', '\u2028\u2029', '\ud7ff\ue000\ufffd\uffff', '\u{10000}\u{1f600}\u{10ffff}', '{}', '1e5', '\ufeff', 'x'.repeat(40)];
const secondsMin = -62135596800n;
const secondsMax = 253402300799n;

const scalarMakers = {
  1: (r) => (r.chance(60) ? r.pick(doubles) : bits64(r)),
  2: (r) => (r.chance(60) ? r.pick(floats) : bits32(r)),
  3: (r) => big(r, edges64, true), 4: (r) => big(r, edgesU64, false), 5: (r) => small(r, edges32, true),
  6: (r) => big(r, edgesU64, false), 7: (r) => small(r, edgesU32, false), 8: (r) => r.chance(50),
  9: (r) => text(r), 12: (r) => bytes(r), 13: (r) => small(r, edgesU32, false), 15: (r) => small(r, edges32, true),
  16: (r) => big(r, edges64, true), 17: (r) => small(r, edges32, true), 18: (r) => big(r, edges64, true),
};
const writers = {
  1: ['double', WireType.Bit64], 2: ['float', WireType.Bit32], 3: ['int64', WireType.Varint], 4: ['uint64', WireType.Varint],
  5: ['int32', WireType.Varint], 6: ['fixed64', WireType.Bit64], 7: ['fixed32', WireType.Bit32], 8: ['bool', WireType.Varint],
  9: ['string', WireType.LengthDelimited], 12: ['bytes', WireType.LengthDelimited], 13: ['uint32', WireType.Varint],
  15: ['sfixed32', WireType.Bit32], 16: ['sfixed64', WireType.Bit64], 17: ['sint32', WireType.Varint], 18: ['sint64', WireType.Varint],
};
const INT32 = 5;

const view = new DataView(new ArrayBuffer(8));
function bits64(r) { view.setUint32(0, r.next()); view.setUint32(4, r.next()); return view.getFloat64(0); }
function bits32(r) { view.setUint32(0, r.next()); return view.getFloat32(0); }
function big(r, edges, signed) {
  if (r.chance(60)) return r.pick(edges);
  const value = (BigInt(r.next()) << 32n) | BigInt(r.next());
  return signed ? BigInt.asIntN(64, value >> BigInt(r.below(64))) : value >> BigInt(r.below(64));
}
function small(r, edges, signed) {
  if (r.chance(60)) return r.pick(edges);
  return signed ? r.next() >> r.below(32) : r.next() >>> r.below(32);
}
function text(r) {
  let all = '';
  for (let n = r.below(4); n > 0; n -= 1) all += r.pick(pieces);
  return all;
}
function bytes(r) { return Uint8Array.from({ length: r.below(12) }, () => r.below(256)); }

const isValue = (message) => message?.typeName === 'google.protobuf.Value';

export class Maker {
  constructor(random, registry, anyTypes) {
    this.random = random;
    this.registry = registry;
    this.anyTypes = anyTypes;
    this.special = {
      'google.protobuf.Timestamp': (w) => this.seconds(w, secondsMin, secondsMax, false),
      'google.protobuf.Duration': (w) => this.seconds(w, -315576000000n, 315576000000n, true),
      'google.protobuf.FieldMask': (w) => this.mask(w),
      'google.protobuf.Any': (w, depth) => this.any(w, depth),
      'google.protobuf.Value': (w, depth) => this.value(w, depth),
    };
  }

  message(desc, depth = 0) {
    const writer = new BinaryWriter();
    this.fill(writer, desc, depth);
    return writer.finish();
  }

  fill(writer, desc, depth) {
    const special = this.special[desc.typeName];
    if (special) return special(writer, depth);
    const fields = this.fieldsOf(desc);
    if (!fields.length) return undefined;
    const count = this.random.below(depth > 4 ? 2 : 4) + (depth ? 0 : 1);
    for (let i = 0; i < count; i += 1) this.field(writer, this.random.pick(fields), depth);
    // A field number that no type here has.
    if (this.random.chance(3)) writer.tag(1999, WireType.LengthDelimited).string(text(this.random));
    return undefined;
  }

  fieldsOf(desc) {
    this.cache ??= new Map();
    let fields = this.cache.get(desc);
    if (!fields) {
      fields = [...desc.fields, ...[...this.registry].filter((type) => type.kind === 'extension' && type.extendee.typeName === desc.typeName)];
      this.cache.set(desc, fields);
    }
    return fields;
  }

  field(writer, field, depth) {
    const r = this.random;
    switch (field.fieldKind) {
      case 'map':
        for (let n = r.below(4); n > 0; n -= 1) this.entry(writer, field, depth);
        break;
      case 'list':
        this.list(writer, field, depth);
        break;
      default:
        this.single(writer, field, field.scalar, field.message, field.enum, field.number, depth);
    }
  }

  entry(writer, field, depth) {
    writer.tag(field.number, WireType.LengthDelimited).fork();
    if (this.random.chance(95)) this.scalar(writer, 1, field.mapKey);
    if (isValue(field.message) || this.random.chance(95)) this.single(writer, field, field.scalar, field.message, field.enum, 2, depth);
    writer.join();
  }

  list(writer, field, depth) {
    const r = this.random;
    const scalar = field.listKind === 'enum' ? INT32 : field.scalar;
    const canPack = field.listKind !== 'message' && scalar !== 9 && scalar !== 12;
    const count = r.below(4);
    if (canPack && (r.chance(10) ? !field.packed : field.packed)) {
      writer.tag(field.number, WireType.LengthDelimited).fork();
      for (let i = 0; i < count; i += 1) writer[writers[scalar][0]](field.enum ? this.enumNumber(field.enum, true) : scalarMakers[scalar](r));
      writer.join();
      return;
    }
    for (let i = 0; i < count; i += 1) this.single(writer, field, field.scalar, field.message, field.enum, field.number, depth);
  }

  single(writer, field, scalar, message, enumeration, number, depth) {
    if (message) {
      if (depth > 12 && !isValue(message)) return;
      if (field.delimitedEncoding) {
        writer.tag(number, WireType.StartGroup);
        this.fill(writer, message, depth + 1);
        writer.tag(number, WireType.EndGroup);
      } else {
        writer.tag(number, WireType.LengthDelimited).fork();
        this.fill(writer, message, depth + 1);
        writer.join();
      }
    } else if (enumeration) {
      writer.tag(number, WireType.Varint).int32(this.enumNumber(enumeration, field.fieldKind === 'map' || field.fieldKind === 'list' || field.kind === 'extension'));
    } else {
      this.scalar(writer, number, scalar);
    }
  }

  scalar(writer, number, type) {
    const [name, wireType] = writers[type];
    writer.tag(number, wireType)[name](scalarMakers[type](this.random));
  }

  // Unknown numbers of closed enums are unknown fields; @bufbuild/protobuf keeps them in lists and
  // maps and makes 0 of them in extensions, so there they are left out.
  enumNumber(enumeration, isKnown) {
    if (enumeration.typeName === 'google.protobuf.NullValue') return 0;
    if (isKnown && !enumeration.open) return this.random.pick(enumeration.values).number;
    return this.random.chance(85) ? this.random.pick(enumeration.values).number : this.random.pick(edges32);
  }

  // One in fifty is out of range, and must be refused by both.
  seconds(writer, min, max, isSigned) {
    const r = this.random;
    const seconds = r.chance(2) ? r.pick([min - 1n, max + 1n]) : r.chance(30) ? r.pick([min, max, 0n, -1n, 1n]) : BigInt(r.next()) - 2147483648n;
    let nanos = r.chance(40) ? 0 : r.pick([1, 1000, 1000000, 999999999, 120000000, 10, r.below(1000000000)]);
    if (isSigned && (seconds < 0n || (seconds === 0n && r.chance(50)))) nanos = -nanos;
    if (r.chance(1)) nanos = r.pick([1000000000, -1000000000]);
    writer.tag(1, WireType.Varint).int64(seconds);
    if (nanos) writer.tag(2, WireType.Varint).int32(nanos);
  }

  mask(writer) {
    for (let n = this.random.below(4); n > 0; n -= 1)
      writer.tag(1, WireType.LengthDelimited).string(this.random.pick(['a', 'foo_bar', 'a.b_c.d', 'x1', 'foo_bar.baz_qux']));
  }

  any(writer, depth) {
    if (this.random.chance(15) || depth > 6) return;
    const type = this.random.pick(this.anyTypes);
    writer.tag(1, WireType.LengthDelimited).string(`type.googleapis.com/${type.typeName}`);
    writer.tag(2, WireType.LengthDelimited).bytes(this.message(type, depth + 2));
  }

  // A Value without a kind has no JSON form (google/protobuf/struct.proto); @bufbuild/protobuf prints
  // null for it, so there is none here.
  value(writer, depth) {
    const r = this.random;
    const kind = 1 + r.below(depth > 5 ? 4 : 6);
    const fields = this.registry.getMessage('google.protobuf.Value').fields;
    if (kind === 2) writer.tag(2, WireType.Bit64).double(r.chance(98) ? this.finite() : r.pick([NaN, Infinity]));
    else if (kind) this.field(writer, fields.find((field) => field.number === kind), depth);
  }

  finite() {
    const value = scalarMakers[1](this.random);
    return Number.isFinite(value) ? value : 0.5;
  }
}


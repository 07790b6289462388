// google.protobuf.Any and JavaScript values: protobuf messages, single primitives (p.cloudstate.io) and
// objects as JSON (json.cloudstate.io). The same value always gives the same bytes, because such values are
// keys of maps and elements of sets.
import protobuf from 'protobufjs';
import Long from './long.js';

const MESSAGE_PREFIX = 'type.googleapis.com/';
const PRIMITIVE_PREFIX = 'p.cloudstate.io/';
const JSON_PREFIX = 'json.cloudstate.io/';
const EMPTY = new Uint8Array(0);

// Each primitive: how it is written and read as field 1, and the value that is left out.
const PRIMITIVES = {
  string: { wire: 2, isDefault: (value) => value === '', initial: '' },
  bytes: { wire: 2, isDefault: (value) => value.length === 0, initial: Buffer.alloc(0) },
  bool: { wire: 0, isDefault: (value) => !value, initial: false },
  int32: { wire: 0, isDefault: (value) => value === 0, initial: 0 },
  int64: { wire: 0, isDefault: (value) => Long.fromValue(value).isZero(), initial: Long.ZERO },
  uint32: { wire: 0, isDefault: (value) => value === 0, initial: 0 },
  uint64: { wire: 0, isDefault: (value) => Long.fromValue(value).isZero(), initial: Long.UZERO },
  float: { wire: 5, isDefault: (value) => Object.is(value, 0), initial: 0 },
  double: { wire: 1, isDefault: (value) => Object.is(value, 0), initial: 0 },
};

function writePrimitive(name, value) {
  const { wire, isDefault } = PRIMITIVES[name];
  if (isDefault(value)) return EMPTY;
  return protobuf.Writer.create().uint32((1 << 3) | wire)[name](value).finish();
}

function readPrimitive(name, bytes) {
  const primitive = PRIMITIVES[name];
  if (!primitive) throw new Error(`${PRIMITIVE_PREFIX}${name} is not a primitive that can be read`);
  const reader = protobuf.Reader.create(bytes);
  let value = primitive.initial;
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag === ((1 << 3) | primitive.wire)) value = reader[name]();
    else reader.skipType(tag & 7);
  }
  return value;
}

/** JSON with sorted keys and no spaces. */
export function stableStringify(value) {
  return JSON.stringify(value, (key, inner) => {
    if (inner === null || typeof inner !== 'object' || Array.isArray(inner)) return inner;
    return Object.fromEntries(Object.keys(inner).sort().map((name) => [name, inner[name]]));
  });
}

/** The protobufjs type of a message object, if it is one. */
export function typeOf(value) {
  const type = value?.$type;
  return type instanceof protobuf.Type ? type : undefined;
}

const isDefault = (value, preset) => (Long.isLong(value) ? value.isZero()
  : value instanceof Uint8Array ? value.length === 0 : Object.is(value, preset));

// protobufjs writes every field that was given, also one with the default: equal messages would differ.
function withoutDefaults(type, message) {
  const kept = {};
  for (const field of type.fieldsArray) {
    const value = Object.hasOwn(message, field.name) ? message[field.name] : undefined;
    if (value === undefined || value === null) continue;
    field.resolve();
    const inner = field.resolvedType instanceof protobuf.Type ? (one) => withoutDefaults(field.resolvedType, one) : (one) => one;
    if (field.map) kept[field.name] = Object.fromEntries(Object.keys(value).sort().map((key) => [key, inner(value[key])]));
    else if (field.repeated) kept[field.name] = value.map(inner);
    else if (field.hasPresence || field.resolvedType instanceof protobuf.Type) kept[field.name] = inner(value);
    else if (!isDefault(value, field.defaultValue)) kept[field.name] = value;
  }
  return kept;
}

const fullName = (type) => type.fullName.replace(/^\./, '');

/** The message as its Any. */
export function messageToAny(type, message) {
  return { type_url: MESSAGE_PREFIX + fullName(type), value: type.encode(withoutDefaults(type, message)).finish() };
}

/** An object of that type from whatever has its fields; a message of another type lends what it has set. */
export function toMessage(type, value, what) {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    const shown = value === null ? 'null' : Array.isArray(value) ? 'an array' : `a ${typeof value}`;
    throw new TypeError(`${what} must be an object with the fields of ${fullName(type)}, and is ${shown}`);
  }
  const own = typeOf(value);
  if (own === type) return value;
  return type.fromObject(own ? own.toObject(value) : value);
}

function primitiveName(value) {
  if (typeof value === 'string') return 'string';
  if (typeof value === 'number') return 'double';
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'bigint' || Long.isLong(value)) return 'int64';
  return value instanceof Uint8Array ? 'bytes' : undefined;
}

/** Options: allowPrimitives, fallbackToJson. */
export function serialize(value, { allowPrimitives = false, fallbackToJson = false } = {}) {
  const type = typeOf(value);
  if (type) return messageToAny(type, value);
  const primitive = primitiveName(value);
  if (primitive) {
    if (!allowPrimitives) {
      throw new TypeError(`a ${primitive} can only be serialized with the option serializeAllowPrimitives: true`);
    }
    const plain = typeof value === 'bigint' ? Long.fromString(value.toString()) : value;
    return { type_url: PRIMITIVE_PREFIX + primitive, value: writePrimitive(primitive, plain) };
  }
  if (value === undefined || typeof value === 'function' || typeof value === 'symbol') {
    throw new TypeError(`${String(value)} cannot be serialized`);
  }
  if (!fallbackToJson) {
    throw new TypeError('an object that is not a protobuf message can only be serialized with the option ' +
      'serializeFallbackToJson: true; messages are made with entity.lookupType(name).create(...)');
  }
  const kind = typeof value?.type === 'string' && value.type !== '' ? value.type : 'object';
  return { type_url: JSON_PREFIX + kind, value: writePrimitive('string', stableStringify(value)) };
}

/** The value of an Any; messages are looked up in the root. */
export function deserialize(any, root) {
  const url = any?.type_url ?? '';
  const bytes = any?.value ?? EMPTY;
  if (url.startsWith(PRIMITIVE_PREFIX)) return readPrimitive(url.slice(PRIMITIVE_PREFIX.length), bytes);
  if (url.startsWith(JSON_PREFIX)) return JSON.parse(readPrimitive('string', bytes));
  const name = url.slice(url.lastIndexOf('/') + 1);
  let type;
  try {
    type = name && root.lookupType(name);
  } catch {
    throw new Error(`the type ${url} is not defined in the .proto files of this entity`);
  }
  if (!type) throw new Error('a value without a type came');
  return type.decode(bytes);
}

/** What handlers are named by: the full name of a message, or the type of a JSON object. */
export function nameOf(any) {
  return any.type_url.slice(any.type_url.indexOf('/') + 1);
}

/** A text that is equal for equal values: the key of elements of sets and maps. */
export function comparable(value) {
  const any = serialize(value, { allowPrimitives: true, fallbackToJson: true });
  return `${any.type_url}\n${Buffer.from(any.value).toString('latin1')}`;
}

// The messages of the protocol and of the models: how they are written, read, compared and shown. Fields
// have the names of the .proto files.
import { createRequire } from 'node:module';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual, inspect } from 'node:util';

const here = path.dirname(fileURLToPath(import.meta.url));
const protoDir = path.resolve(here, '../proto');
const idlDir = path.resolve(here, '../../../proto/idl');

// The packages are those of the integration tests.
const integration = createRequire(path.resolve(here, '../../integration/node/package.json'));
export const grpc = integration('@grpc/grpc-js');
const protobuf = createRequire(integration.resolve('@grpc/proto-loader'))('protobufjs');
const bundled = path.dirname(createRequire(integration.resolve('@grpc/proto-loader')).resolve('protobufjs/package.json'));

const FILES = [
  ...['entity', 'event_sourced', 'value_entity', 'action', 'crdt'].map((name) => `cloudstate/${name}.proto`),
  ...['action', 'eventsourced', 'valueentity', 'crdt', 'eventlogeventing'].map((name) => `cloudstate/tck/model/${name}.proto`),
  'grpc/tck/reflection.proto',
  'google/protobuf/descriptor.proto',
];

const root = new protobuf.Root();
root.resolvePath = (origin, target) => [protoDir, idlDir, bundled].map((dir) => path.join(dir, target)).find((file) => fs.existsSync(file)) ?? target;
root.loadSync(FILES, { keepCase: true });
root.resolveAll();

const ANY_PREFIX = 'type.googleapis.com/';
const isAny = (type) => type.fullName === '.google.protobuf.Any';

const types = new Map();
export function typeOf(name) {
  if (!types.has(name)) types.set(name, root.lookupType(name));
  return types.get(name);
}

// A name that the message does not have is a mistake of the test.
function checkNames(type, value) {
  for (const [key, inner] of Object.entries(value)) {
    const field = type.fields[key];
    if (!field) throw new Error(`${type.fullName} has no field ${key}`);
    if (field.resolvedType instanceof protobuf.Type && inner) [inner].flat().forEach((one) => checkNames(field.resolvedType, one));
  }
}

export function encode(name, value = {}) {
  const type = typeOf(name);
  checkNames(type, value);
  return Buffer.from(type.encode(type.fromObject(value)).finish());
}

export const decode = (name, bytes) => typeOf(name).decode(bytes);

/** A message as google.protobuf.Any. */
export const any = (name, value = {}) => ({ type_url: ANY_PREFIX + name, value: encode(name, value) });

/** A string as the primitive p.cloudstate.io/string; the empty one has no bytes. */
export function text(value) {
  const bytes = value === '' ? Buffer.alloc(0) : protobuf.Writer.create().uint32(10).string(value).finish();
  return { type_url: 'p.cloudstate.io/string', value: Buffer.from(bytes) };
}

const isDefault = (value, preset) => (protobuf.util.Long.isLong(value) ? value.isZero()
  : value instanceof Uint8Array ? value.length === 0 : value === preset);

function plainValue(field, value) {
  if (field.resolvedType instanceof protobuf.Type) return plain(field.resolvedType, value);
  if (field.resolvedType instanceof protobuf.Enum) return field.resolvedType.valuesById[value] ?? value;
  if (protobuf.util.Long.isLong(value)) return value.toString();
  return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value;
}

/** The one object that stands for a message: without defaults, payloads decoded, numbers of 64 bits as text. */
function plain(type, message) {
  const out = {};
  for (const field of type.fieldsArray) {
    const value = Object.hasOwn(message, field.name) ? message[field.name] : undefined;
    if (value === undefined || value === null) continue;
    field.resolve();
    if (field.repeated) {
      if (value.length > 0) out[field.name] = value.map((one) => plainValue(field, one));
    } else if (field.partOf || field.resolvedType instanceof protobuf.Type || !isDefault(value, field.defaultValue)) {
      out[field.name] = plainValue(field, value);
    }
  }
  return isAny(type) ? plainAny(message) : out;
}

function plainAny({ type_url: url = '', value = Buffer.alloc(0) }) {
  if (url.startsWith(ANY_PREFIX)) {
    try {
      const type = typeOf(url.slice(ANY_PREFIX.length));
      return { type: url, ...plain(type, type.decode(value)) };
    } catch { /* shown as bytes */ }
  }
  return { type_url: url, value: Buffer.from(value).toString('hex') };
}

export function plainOf(name, value) {
  const type = typeOf(name);
  return plain(type, value instanceof Uint8Array ? type.decode(value) : type.decode(encode(name, value)));
}

const show = (value) => inspect(value, { depth: 12, breakLength: 110 });

/** Throws unless the message is one of the expected ones, all fields counting. */
export function expectEqual(name, got, ...wanted) {
  const actual = plainOf(name, got);
  const all = wanted.map((one) => plainOf(name, one));
  if (all.some((one) => isDeepStrictEqual(actual, one))) return actual;
  throw new Error(`expected ${name} ${all.map(show).join('\nor ')}\ngot ${show(actual)}`);
}

export const isEqual = (name, got, wanted) => isDeepStrictEqual(plainOf(name, got), plainOf(name, wanted));

export function same(got, wanted, what) {
  if (!isDeepStrictEqual(got, wanted)) throw new Error(`${what}: expected ${show(wanted)}\ngot ${show(got)}`);
}

/** The methods of a service: path and types. */
export function methodsOf(serviceName) {
  const service = root.lookupService(serviceName);
  return Object.fromEntries(service.methodsArray.map((method) => {
    method.resolve();
    return [method.name, {
      path: `/${serviceName}/${method.name}`,
      request: method.resolvedRequestType.fullName.slice(1),
      response: method.resolvedResponseType.fullName.slice(1),
    }];
  }));
}

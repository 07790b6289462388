// Writes parsed .proto files as a serialized google.protobuf.FileDescriptorSet, as protoc would, with the
// options of any extension and with the comments.
import { createRequire } from 'node:module';
import protobuf from 'protobufjs';

const json = createRequire(import.meta.url)('protobufjs/google/protobuf/descriptor.json');

// A copy of descriptor.proto in which options are bytes, which look the same on the wire: extensions are
// known to the files of the user alone.
const plain = protobuf.Root.fromJSON(json);
const raw = protobuf.Root.fromJSON(withRawOptions(structuredClone(json)));
const FileDescriptorSet = raw.lookupType('google.protobuf.FileDescriptorSet');

function withRawOptions(node) {
  for (const [name, type] of Object.entries(node.nested ?? {})) {
    withRawOptions(type);
    if (name.endsWith('Proto') && type.fields?.options) type.fields.options.type = 'bytes';
  }
  return node;
}

const KINDS = {
  double: 1, float: 2, int64: 3, uint64: 4, int32: 5, fixed64: 6, fixed32: 7, bool: 8, string: 9, group: 10,
  message: 11, bytes: 12, uint32: 13, enum: 14, sfixed32: 15, sfixed64: 16, sint32: 17, sint64: 18,
};
const LABEL = { optional: 1, required: 2, repeated: 3 };

const typeName = (object) => (object.fullName.startsWith('.') ? object.fullName : `.${object.fullName}`);
const camel = (name) => name.replace(/_+(.?)/g, (_, letter) => letter.toUpperCase());
const nonEmpty = (list) => (list.length > 0 ? list : undefined);

// -- options ----------------------------------------------------------------------------------------

// Gives a value read from an option the shape that fromObject wants: names of the type, lists as lists.
function shape(value, type) {
  if (!(type instanceof protobuf.Type) || typeof value !== 'object' || value === null) return value;
  const shaped = {};
  for (const [key, inner] of Object.entries(value)) {
    const field = type.fields[key] ?? type.fields[protobuf.util.camelCase(key)];
    if (!field) throw new Error(`${type.fullName} has no field ${key}`);
    const each = (one) => shape(one, field.resolvedType);
    const list = Array.isArray(inner) ? inner : [inner];
    shaped[field.name] = field.repeated ? list.map(each) : each(inner);
  }
  return shaped;
}

// The bytes of one extension field: the same as those of a message that has only this field.
function extensionBytes(field, value) {
  const holder = new protobuf.Type('Option');
  const only = new protobuf.Field('value', field.id, field.type, field.repeated ? 'repeated' : undefined);
  holder.add(only);
  field.parent.root.define('headgate_options').add(holder);
  try {
    only.resolvedType = field.resolvedType;
    only.resolve();
    const shaped = shape(value, field.resolvedType);
    return holder.encode(holder.fromObject({ value: field.repeated ? [].concat(shaped) : shaped })).finish();
  } finally {
    holder.parent.remove(holder);
  }
}

function findExtension(object, name) {
  const found = object.parent.lookup(name.replace(/^\./, '')) ?? object.root.lookup(name);
  if (!(found instanceof protobuf.Field) || found.extend === undefined) {
    throw new Error(`${object.fullName}: the option (${name}) is not defined in any imported file`);
  }
  found.resolve();
  return found;
}

// Several settings of one extension are one message: (google.api.http).get beside .body.
function customOptions(object) {
  const custom = new Map();
  for (const entry of object.parsedOptions ?? []) {
    for (const [key, value] of Object.entries(entry)) {
      if (!key.startsWith('(')) continue;
      const before = custom.get(key);
      const both = typeof before === 'object' && typeof value === 'object';
      custom.set(key, both ? { ...before, ...value } : value);
    }
  }
  return custom;
}

function options(object, kind, given = object.options) {
  const type = plain.lookupType(`google.protobuf.${kind}`);
  const standard = {};
  for (const [key, value] of Object.entries(given ?? {})) {
    const name = protobuf.util.camelCase(key);
    if (key in type.fields || name in type.fields) standard[key in type.fields ? key : name] = value;
  }
  const parts = [type.encode(type.fromObject(shape(standard, type))).finish()];
  for (const [key, value] of customOptions(object)) {
    parts.push(extensionBytes(findExtension(object, key.slice(1, -1)), value));
  }
  const bytes = Buffer.concat(parts);
  return bytes.length > 0 ? bytes : undefined;
}

// -- messages, enums, services ----------------------------------------------------------------------

function fieldType(field) {
  field.resolve();
  if (field.resolvedType instanceof protobuf.Enum) return { type: KINDS.enum, typeName: typeName(field.resolvedType) };
  if (!field.resolvedType) return { type: KINDS[field.type] };
  return { type: field.delimited ? KINDS.group : KINDS.message, typeName: typeName(field.resolvedType) };
}

function writeField(field, rest = {}) {
  const { default: preset, json_name: jsonName, proto3_optional: optional } = field.options ?? {};
  const required = field.rule === 'required' || (field.rule === undefined && field.required === true);
  return {
    name: field.name,
    number: field.id,
    label: field.repeated ? LABEL.repeated : LABEL[required ? 'required' : 'optional'],
    ...fieldType(field),
    jsonName: jsonName ?? camel(field.name),
    defaultValue: preset === undefined ? undefined : String(preset),
    proto3Optional: optional || undefined,
    options: options(field, 'FieldOptions'),
    ...rest,
  };
}

// A map is a repeated message with a key and a value.
function writeMap(field, place) {
  const name = `${camel(`_${field.name}`)}Entry`;
  field.resolve();
  return {
    entry: {
      name,
      field: [
        { name: 'key', number: 1, label: 1, type: KINDS[field.keyType], jsonName: 'key' },
        { name: 'value', number: 2, label: 1, ...fieldType(field), jsonName: 'value' },
      ],
      options: Buffer.from([0x38, 1]), // map_entry = true
    },
    field: {
      name: field.name, number: field.id, label: LABEL.repeated, type: KINDS.message, jsonName: camel(field.name),
      typeName: `${place}.${name}`, options: options(field, 'FieldOptions'),
    },
  };
}

// Real oneofs come first; an optional field has one of its own behind them.
function writeOneofs(type) {
  const single = (oneof) => oneof.fieldsArray.length === 1 && oneof.fieldsArray[0].options?.proto3_optional;
  const ordered = [...type.oneofsArray].sort((a, b) => Number(Boolean(single(a))) - Number(Boolean(single(b))));
  const index = new Map(ordered.map((oneof, at) => [oneof.name, at]));
  return {
    declared: ordered.map((oneof) => ({ name: oneof.name, options: options(oneof, 'OneofOptions') })),
    of: (field) => (field.partOf ? { oneofIndex: index.get(field.partOf.name) } : {}),
  };
}

function writeReserved(holder, last) {
  const ranges = (holder.reserved ?? []).filter(Array.isArray);
  return {
    reservedRange: nonEmpty(ranges.map(([start, end]) => ({ start, end: end + last }))),
    reservedName: nonEmpty((holder.reserved ?? []).filter((one) => typeof one === 'string')),
  };
}

function writeMessage(type, comments, at) {
  comments.add(type, at);
  const oneofs = writeOneofs(type);
  const nested = [];
  const fields = type.fieldsArray.filter((field) => !field.declaringField).map((field, i) => {
    comments.add(field, [...at, 2, i]);
    if (!(field instanceof protobuf.MapField)) return writeField(field, oneofs.of(field));
    const map = writeMap(field, typeName(type));
    nested.push(map.entry);
    return map.field;
  });
  const inner = writeScope(type, type.nestedArray, comments, (kind, i) => (
    [...at, ...({ message: [3, i], enum: [4, i], extension: [6, i] })[kind]]));
  return {
    name: type.name,
    field: nonEmpty(fields),
    nestedType: nonEmpty([...inner.messages, ...nested]),
    enumType: nonEmpty(inner.enums),
    extension: nonEmpty(inner.extensions),
    extensionRange: nonEmpty((type.extensions ?? []).map(([start, end]) => ({ start, end: end + 1 }))),
    oneofDecl: nonEmpty(oneofs.declared),
    options: options(type, 'MessageOptions'),
    ...writeReserved(type, 1),
  };
}

function writeEnum(type, comments, at) {
  comments.add(type, at);
  return {
    name: type.name,
    value: Object.entries(type.values).map(([name, number], i) => {
      comments.text(type.comments[name], [...at, 2, i]);
      const own = { parsedOptions: null, fullName: name, options: type.valuesOptions?.[name] };
      return { name, number, options: options(own, 'EnumValueOptions') };
    }),
    options: options(type, 'EnumOptions'),
    ...writeReserved(type, 0),
  };
}

function writeService(service, comments, at) {
  comments.add(service, at);
  return {
    name: service.name,
    method: service.methodsArray.map((method, i) => {
      comments.add(method, [...at, 2, i]);
      method.resolve();
      return {
        name: method.name,
        inputType: typeName(method.resolvedRequestType),
        outputType: typeName(method.resolvedResponseType),
        clientStreaming: method.requestStream || undefined,
        serverStreaming: method.responseStream || undefined,
        options: options(method, 'MethodOptions'),
      };
    }),
    options: options(service, 'ServiceOptions'),
  };
}

function writeExtension(field) {
  const extendee = field.parent.lookup(field.extend);
  return writeField(field, { extendee: extendee ? typeName(extendee) : field.extend });
}

// What stands side by side in a file or a message; pathOf(kind, index) is the place of each.
function writeScope(scope, objects, comments, pathOf) {
  const of = (Kind) => objects.filter((object) => object instanceof Kind);
  const extensions = of(protobuf.Field).filter((field) => field.extend !== undefined);
  return {
    messages: of(protobuf.Type).map((type, i) => writeMessage(type, comments, pathOf('message', i))),
    enums: of(protobuf.Enum).map((type, i) => writeEnum(type, comments, pathOf('enum', i))),
    services: of(protobuf.Service).map((service, i) => writeService(service, comments, pathOf('service', i))),
    extensions: extensions.map((field, i) => {
      comments.add(field, pathOf('extension', i));
      return writeExtension(field);
    }),
  };
}

// -- files ------------------------------------------------------------------------------------------

class Comments {
  constructor() {
    this.locations = [];
  }

  add(object, path) {
    this.text(object.comment, path);
  }

  text(comment, path) {
    if (!comment) return;
    this.locations.push({ path, span: [0, 0, 0], leadingComments: `${comment.replace(/^/gm, ' ')}\n` });
  }
}

const FILE_PLACE = { message: 4, enum: 5, service: 6, extension: 7 };
const FILE_OPTION = /^\s*option\s+([a-z_]+)\s*=\s*("[^"]*"|\w+)\s*;/gm;

// Options of the file are read from its text: protobufjs gives those of a whole package to one object.
function fileOptions(file) {
  const given = {};
  for (const [, name, value] of (file.text ?? '').split(/^(?:message|service|enum|extend)\b/m)[0].matchAll(FILE_OPTION)) {
    given[name] = value.startsWith('"') ? value.slice(1, -1) : { true: true, false: false }[value] ?? value;
  }
  return options({ parsedOptions: null, fullName: file.name, options: given }, 'FileOptions');
}

function writeFile(root, file) {
  const scope = file.package ? root.lookup(file.package) : root;
  const objects = (scope?.nestedArray ?? []).filter((object) => object.filename === file.name);
  const comments = new Comments();
  const inner = writeScope(scope, objects, comments, (kind, i) => [FILE_PLACE[kind], i]);
  return {
    name: file.name,
    package: file.package || undefined,
    dependency: nonEmpty(file.imports),
    messageType: nonEmpty(inner.messages),
    enumType: nonEmpty(inner.enums),
    service: nonEmpty(inner.services),
    extension: nonEmpty(inner.extensions),
    options: fileOptions(file),
    sourceCodeInfo: comments.locations.length > 0 ? { location: comments.locations } : undefined,
    syntax: file.syntax === 'proto3' ? 'proto3' : undefined,
  };
}

/** root was read with the names as they are; files are in the order of their imports. */
export function writeDescriptorSet(root, files) {
  const set = { file: files.map((file) => writeFile(root, file)) };
  return FileDescriptorSet.encode(FileDescriptorSet.create(set)).finish();
}

// Reads .proto files with all they import. Each is kept twice: with the field names that JavaScript
// uses, for messages, and with those of the file, for the description that the proxy gets.
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import protobuf from 'protobufjs';
import descriptor from 'protobufjs/ext/descriptor/index.js';
import { idlDir } from './idl.js';
import { writeDescriptorSet } from './descriptor.js';

const bundled = path.resolve(path.dirname(createRequire(import.meta.url).resolve('protobufjs/package.json')));

// The well-known types come with protobufjs, some as text and some as objects.
function wellKnown(name) {
  const file = path.join(bundled, name);
  if (fs.existsSync(file)) return { text: fs.readFileSync(file, 'utf8') };
  const common = protobuf.common.get(name);
  return common && { object: common };
}

function readSource(name, dirs, importer) {
  for (const dir of dirs) {
    const file = path.resolve(dir, name);
    if (fs.existsSync(file)) return { path: file, text: fs.readFileSync(file, 'utf8') };
  }
  const known = wellKnown(name);
  if (known) return known;
  const by = importer ? `, which ${importer} imports,` : '';
  throw new Error(`${name}${by} is in none of: ${dirs.join(', ')}`);
}

function syntaxOf(text) {
  const code = text.replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, '');
  return /^\s*syntax\s*=\s*["'](proto[23])["']/.exec(code)?.[1] ?? 'proto2';
}

// The package, imports and file options of a source, and its objects in both roots.
function parseInto(roots, name, source) {
  if (source.object) {
    for (const root of Object.values(roots)) addObject(root, name, source.object);
    return { name, package: 'google.protobuf', imports: [], syntax: 'proto3', objects: source.object };
  }
  const parsed = {};
  for (const [kind, root] of Object.entries(roots)) {
    protobuf.parse.filename = name;
    try {
      parsed[kind] = protobuf.parse(source.text, root, { keepCase: kind === 'wire', alternateCommentMode: true });
    } finally {
      protobuf.parse.filename = null;
    }
  }
  const { wire } = parsed;
  return {
    name, path: source.path, text: source.text, package: wire.package, syntax: syntaxOf(source.text),
    imports: [...(wire.imports ?? []), ...(wire.weakImports ?? [])],
  };
}

function addObject(root, name, object) {
  const place = root.define('google.protobuf');
  for (const [key, json] of Object.entries(object.nested.google.nested.protobuf.nested)) {
    if (place.get(key)) continue;
    place.addJSON({ [key]: json });
    place.get(key).filename = name;
  }
}

// All a set of entities is described by: `root` to look types up in, `bytes` for the proxy, `files`
// with their text.
class Description {
  constructor(root, files, bytes) {
    this.root = root;
    this.files = files;
    this.bytes = bytes;
  }
}

// From .proto files; names are as an importer would write them, or paths.
function fromSources(names, includeDirs) {
  const roots = { wire: new protobuf.Root(), message: new protobuf.Root() };
  const files = new Map();
  const dirs = [...includeDirs, idlDir].filter(Boolean);
  const add = (name, importer) => {
    if (files.has(name)) return;
    const file = parseInto(roots, name, readSource(name, dirs, importer));
    files.set(name, file);
    for (const imported of file.imports) add(imported, name);
  };
  for (const name of names) add(nameWithin(name, dirs), undefined);
  for (const root of Object.values(roots)) root.resolveAll();
  const order = [];
  const seen = new Set();
  const visit = (name) => { // what is imported stands before its importer
    if (seen.has(name)) return;
    seen.add(name);
    files.get(name).imports.forEach(visit);
    order.push(files.get(name));
  };
  [...files.keys()].forEach(visit);
  return new Description(roots.message, order, writeDescriptorSet(roots.wire, order));
}

// An absolute path becomes a name below one of the folders, or its last part.
function nameWithin(name, dirs) {
  if (!path.isAbsolute(name)) return name;
  for (const dir of dirs) {
    const relative = path.relative(path.resolve(dir), name);
    if (!relative.startsWith('..') && !path.isAbsolute(relative)) return relative.split(path.sep).join('/');
  }
  dirs.unshift(path.dirname(name));
  return path.basename(name);
}

// From what `protoc --include_imports --descriptor_set_out` wrote.
function fromDescriptorSet(bytes) {
  const set = descriptor.FileDescriptorSet.decode(bytes);
  for (const file of set.file) camelFields(file);
  const root = protobuf.Root.fromDescriptor(set);
  root.resolveAll();
  return new Description(root, set.file.map((file) => ({ name: file.name })), bytes);
}

function camelFields(holder) {
  for (const field of holder.field ?? []) field.name = protobuf.util.camelCase(field.name);
  for (const inner of holder.nestedType ?? holder.messageType ?? []) camelFields(inner);
}

const isSet = (desc) => desc instanceof Uint8Array || (typeof desc === 'string' && !desc.endsWith('.proto'));

/** Reads .proto files, or one descriptor set as a path or as bytes. */
export function describe(desc, includeDirs = ['.']) {
  const all = Array.isArray(desc) ? desc : [desc];
  if (all.length === 0) throw new TypeError('no .proto file and no descriptor set is given');
  if (!all.some(isSet)) return fromSources(all, includeDirs);
  if (all.length > 1) throw new TypeError('give either .proto files or one descriptor set');
  return fromDescriptorSet(typeof all[0] === 'string' ? fs.readFileSync(all[0]) : all[0]);
}

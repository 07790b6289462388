// What the proxy asks first: which services there are; and where it tells what is wrong with them.
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import protobuf from 'protobufjs';

const library = createRequire(import.meta.url)('../package.json');

/** Name and version of the program: those of the package.json in the working directory. */
export function programInfo() {
  try {
    const { name, version } = JSON.parse(fs.readFileSync('package.json', 'utf8'));
    return { name: name ?? '', version: version ?? '' };
  } catch {
    return { name: path.basename(process.argv[1] ?? ''), version: '' };
  }
}

function fileNames(bytes) {
  const reader = protobuf.Reader.create(bytes);
  const files = [];
  while (reader.pos < reader.len) {
    if (reader.uint32() !== 10) throw new Error('the descriptor set is not a google.protobuf.FileDescriptorSet');
    const file = reader.bytes();
    const inner = protobuf.Reader.create(file);
    let name = '';
    while (inner.pos < inner.len) {
      const tag = inner.uint32();
      if (tag === 10) name = inner.string();
      else inner.skipType(tag & 7);
    }
    files.push([name, file]);
  }
  return files;
}

/** One descriptor set of several: each file once. */
export function mergeDescriptorSets(sets) {
  const merged = new Map();
  for (const [name, file] of sets.flatMap(fileNames)) {
    const before = merged.get(name);
    if (before && !Buffer.from(before).equals(Buffer.from(file))) {
      if (name.startsWith('google/protobuf/')) continue; // other compilers write them a little differently
      throw new Error(`two different files are called ${name}`);
    }
    merged.set(name, file);
  }
  const writer = protobuf.Writer.create();
  for (const file of merged.values()) writer.uint32(10).bytes(file);
  return writer.finish();
}

export function entitySpec(components, { descriptorSet, serviceName, serviceVersion, minorVersion }) {
  return {
    proto: descriptorSet,
    entities: components.map(({ spec }) => spec),
    serviceInfo: {
      serviceName,
      serviceVersion,
      serviceRuntime: `node ${process.version}`,
      supportLibraryName: library.name,
      supportLibraryVersion: library.version,
      protocolMajorVersion: 0,
      protocolMinorVersion: minorVersion,
    },
  };
}

const lineOf = (text, at) => text.slice(0, at).split('\n').length;

function find(file, expression) {
  const at = file.text?.search(expression) ?? -1;
  return at < 0 ? undefined : `${file.path ?? file.name}:${lineOf(file.text, at)}`;
}

/** The places in .proto files that a text from the proxy speaks of: of services, and of their methods. */
export function placesIn(message, components) {
  const places = new Set();
  for (const { service, description } of components) {
    const fullName = service.fullName.slice(1);
    if (!message.includes(fullName) && !new RegExp(`\\b${service.name}\\b`).test(message)) continue;
    const methods = service.methodsArray.filter(({ name }) => new RegExp(`\\b${name}\\b`).test(message));
    const wanted = methods.length > 0 ? methods.map(({ name }) => `\\brpc\\s+${name}\\s*\\(`) : [`\\bservice\\s+${service.name}\\b`];
    for (const file of description.files.filter(({ text }) => text?.includes(service.name))) {
      for (const expression of wanted) {
        const place = find(file, new RegExp(expression));
        if (place) places.add(place);
      }
    }
  }
  return [...places];
}

/** The text of the proxy as it is printed. */
export function printedError(message, components) {
  const lines = message.split('\n').map((line) => `  ${line}`);
  const places = placesIn(message, components).map((place) => `    at ${place}`);
  return ['Error reported by the proxy:', ...lines, ...places].join('\n');
}

// What every kind of entity and an action have in common: the service, its types, its options.
import protobuf from 'protobufjs';
import { deserialize, messageToAny, serialize, toMessage } from './any.js';
import { describe } from './proto/source.js';

const descriptions = new Map(); // the same files make the same types

function describeOnce(desc, includeDirs) {
  const list = [desc].flat();
  if (list.some((one) => typeof one !== 'string')) return describe(desc, includeDirs);
  const key = JSON.stringify([process.cwd(), list, includeDirs]);
  if (!descriptions.has(key)) descriptions.set(key, describe(desc, includeDirs));
  return descriptions.get(key);
}

const isType = (type, name) => type.fullName === `.${name}`;

export class Component {
  /** entityType is the protocol service that handles it. */
  constructor(entityType, desc, serviceName, options = {}) {
    this.entityType = entityType;
    this.serviceName = serviceName;
    this.options = {
      includeDirs: ['.'], serializeAllowPrimitives: false, serializeFallbackToJson: false, ...options,
    };
    this.description = describeOnce(desc, this.options.includeDirs);
    this.service = this.root.lookup(serviceName);
    if (!(this.service instanceof protobuf.Service)) {
      throw new Error(`the service ${serviceName} is not defined in ${[desc].flat().filter((d) => typeof d === 'string').join(', ') || 'the descriptor set'}`);
    }
    for (const method of this.service.methodsArray) method.resolve();
    this.siblings = [this];
  }

  /** The protobufjs root with all types of the .proto files. */
  get root() {
    return this.description.root;
  }

  /** The protobufjs type of that name, full or relative to the package of the service. */
  lookupType(name) {
    const found = this.service.parent.lookup(name) ?? this.root.lookup(name);
    if (!(found instanceof protobuf.Type)) throw new Error(`no message type ${name} is defined`);
    return found;
  }

  /** How discovery tells the proxy of this. */
  get spec() {
    const { passivationTimeout: timeout } = this.options;
    return {
      entityType: this.entityType,
      serviceName: this.serviceName,
      persistenceId: this.persistenceId,
      passivationStrategy: timeout === undefined ? undefined : { timeout: { timeout } },
    };
  }

  get persistenceId() {
    return this.options.persistenceId ?? 'entity';
  }

  /** A method of this or another service: "package.Service/Method", "package.Service.Method" or a protobufjs method. */
  findMethod(target) {
    if (target instanceof protobuf.Method) return target.resolve();
    const [, serviceName, methodName] = /^\.?([\w.]+)[./](\w+)$/.exec(String(target)) ?? [];
    for (const { root } of serviceName ? [this, ...this.siblings] : []) {
      const service = root.lookup(serviceName);
      const method = service instanceof protobuf.Service && service.methods[methodName];
      if (method) return method.resolve();
    }
    throw new Error(`the method ${String(target)} is not known; name it as package.Service/Method`);
  }

  serialize(value) {
    const { serializeAllowPrimitives: allowPrimitives, serializeFallbackToJson: fallbackToJson } = this.options;
    return serialize(value, { allowPrimitives, fallbackToJson });
  }

  deserialize(any) {
    return deserialize(any, this.root);
  }

  /** The Any of a message for a method, or of one of its replies. */
  messageOf(type, value, what) {
    if (isType(type, 'google.protobuf.Any')) {
      return value && typeof value === 'object' && 'type_url' in value ? value : this.serialize(value);
    }
    return messageToAny(type, toMessage(type, value, what));
  }

  /** The message of a command. */
  requestOf(method, payload) {
    const type = method.resolvedRequestType;
    if (isType(type, 'google.protobuf.Any')) return this.deserialize(payload);
    const wanted = type.fullName.slice(1);
    const given = payload?.type_url ?? '';
    if (given.slice(given.lastIndexOf('/') + 1) !== wanted) {
      throw new Error(`${method.name} takes a ${wanted} and was given ${given || 'nothing'}`);
    }
    return type.decode(payload.value ?? new Uint8Array(0));
  }

  /** The client action of what a handler returned; undefined for none. */
  replyOf(method, result, metadata) {
    const type = method.resolvedResponseType;
    if (result === undefined || result === null) {
      if (!isType(type, 'google.protobuf.Empty')) return undefined;
      result = {};
    }
    return { payload: this.messageOf(type, result, `the reply of ${method.name}`), metadata: metadata?.toProtocol() };
  }
}

/** The handler of that name, never something every object has. */
export function handlerOf(handlers, name) {
  const handler = handlers && Object.hasOwn(handlers, name) ? handlers[name] : undefined;
  return typeof handler === 'function' ? handler : undefined;
}

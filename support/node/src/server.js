// The server that the proxy talks to.
import fs from 'node:fs';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { ActionServer } from './action.js';
import { entitySpec, mergeDescriptorSets, printedError, programInfo } from './discovery.js';
import { describeThrown } from './failure.js';
import { protocol } from './protocol.js';
import { ProtocolError, serveEntity } from './stream.js';

// States and snapshots come in whole: a little more than the 12 MiB that the proxy takes from us.
const MAX_RECEIVED = 16 << 20;
const SHUTDOWN_MS = 2000; // streams of idle entities end only with the proxy

const ENTITY_SERVICES = {
  'cloudstate.eventsourced.EventSourced': protocol.eventSourced,
  'cloudstate.valueentity.ValueEntity': protocol.valueEntity,
  'cloudstate.crdt.Crdt': protocol.crdt,
};
const ACTION = 'cloudstate.action.ActionProtocol';

function minorOf(version) {
  const minor = { '0.1': 1, '0.2': 2 }[version];
  if (!minor) throw new TypeError(`protocol version ${String(version)}: 0.1 and 0.2 are spoken`);
  return minor;
}

// A logger may stumble over what was thrown; that must not end a stream.
function careful(logger) {
  const guard = (level) => (...words) => {
    try {
      logger[level](...words);
    } catch {
      console.error(...words.map(describeThrown));
    }
  };
  return { info: guard('info'), error: guard('error') };
}

export class Headgate {
  #components = [];
  #server;
  #onRejection;
  #minorVersion;

  /**
   * Options: serviceName, serviceVersion (default: of package.json), descriptorSetPath (default: from the
   * entities), protocolVersion ('0.2' or '0.1'), logger (default: console), containRejections (default: true;
   * a promise of a handler that nobody waits for is logged when it fails, and does not end the process).
   */
  constructor(options = {}) {
    this.options = { protocolVersion: '0.2', containRejections: true, ...options };
    this.options.logger = careful(options.logger ?? console);
    this.#minorVersion = minorOf(this.options.protocolVersion);
  }

  /** Adds entities and actions. */
  addEntity(...components) {
    if (this.#server) throw new Error('entities are added before the start');
    for (const component of components.flat()) {
      this.#refuseTwice(component);
      this.#components.push(component);
      component.siblings = this.#components;
    }
    return this;
  }

  addComponent(...components) {
    return this.addEntity(...components);
  }

  addAction(...components) {
    return this.addEntity(...components);
  }

  #refuseTwice(component) {
    for (const other of this.#components) {
      if (other.serviceName === component.serviceName) throw new Error(`the service ${other.serviceName} is there already`);
      if (component.persistenceId && other.persistenceId === component.persistenceId) {
        throw new Error(`${other.serviceName} and ${component.serviceName} have the same persistenceId ` +
          `"${other.persistenceId}": each kind of entity needs its own`);
      }
    }
  }

  /** Listens; resolves to the port. Defaults: HOST (127.0.0.1) and PORT (8080) of the environment. */
  async start({ host, port, bindAddress, bindPort } = {}) {
    if (this.#server) throw new Error('it is started already');
    if (this.#components.length === 0) throw new Error('there is nothing to serve: add an entity or an action');
    for (const component of this.#components) component.check();
    const address = host ?? bindAddress ?? (process.env.HOST || '127.0.0.1');
    const number = port ?? bindPort ?? (process.env.PORT || 8080);
    const server = this.#makeServer();
    const bound = await new Promise((resolve, reject) => {
      const target = address.startsWith('unix:') ? address : `${address.includes(':') ? `[${address}]` : address}:${number}`;
      server.bindAsync(target, ServerCredentials.createInsecure(), (error, got) => (error ? reject(error) : resolve(got)));
    });
    this.#server = server;
    this.#containRejections();
    return bound;
  }

  /** Takes no more calls, lets those under way finish for a while, then ends. */
  async shutdown({ graceMs = SHUTDOWN_MS } = {}) {
    const server = this.#server;
    if (!server) return;
    this.#server = undefined;
    await new Promise((resolve) => {
      const timer = setTimeout(() => { server.forceShutdown(); resolve(); }, graceMs);
      server.tryShutdown(() => { clearTimeout(timer); resolve(); });
    });
    if (this.#onRejection) process.off('unhandledRejection', this.#onRejection);
  }

  #containRejections() {
    if (!this.options.containRejections) return;
    this.#onRejection = (reason) => this.options.logger.error('a promise that nobody waited for failed:', reason);
    process.on('unhandledRejection', this.#onRejection);
  }

  // -- services -----------------------------------------------------------------------------------

  #makeServer() {
    const server = new Server({ 'grpc.max_receive_message_length': MAX_RECEIVED });
    server.addService(protocol.discovery, this.#discovery());
    const kinds = new Set(this.#components.map(({ entityType }) => entityType));
    for (const [entityType, definition] of Object.entries(ENTITY_SERVICES)) {
      if (kinds.has(entityType)) server.addService(definition, { handle: (call) => this.#entity(entityType, call) });
    }
    if (kinds.has(ACTION)) server.addService(protocol.action, this.#actions());
    return server;
  }

  #find(entityType, serviceName) {
    return this.#components.find((one) => one.entityType === entityType && one.serviceName === serviceName);
  }

  #discovery() {
    const { descriptorSetPath, logger } = this.options;
    const program = programInfo();
    const spec = {
      descriptorSet: descriptorSetPath ? fs.readFileSync(descriptorSetPath)
        : mergeDescriptorSets(this.#components.map(({ description }) => description.bytes)),
      serviceName: this.options.serviceName ?? program.name,
      serviceVersion: this.options.serviceVersion ?? program.version,
    };
    return {
      discover: ({ request: proxy }, callback) => {
        logger.info(`discovered by ${proxy.proxyName || 'a proxy'} ${proxy.proxyVersion}`.trimEnd());
        // A proxy of before 0.2 says so; it would refuse a newer version.
        const isOld = proxy.protocolMajorVersion === 0 && proxy.protocolMinorVersion === 1;
        this.#minorVersion = isOld ? 1 : minorOf(this.options.protocolVersion);
        callback(null, entitySpec(this.#components, { ...spec, minorVersion: this.#minorVersion }));
      },
      reportError: ({ request }, callback) => {
        logger.error(printedError(request.message, this.#components));
        callback(null, {});
      },
    };
  }

  #entity(entityType, call) {
    const log = this.options.logger;
    const open = (init, wires) => {
      const component = this.#find(entityType, init.serviceName);
      if (!component) throw new ProtocolError(`Service '${init.serviceName}' unknown.`);
      return component.open(init, { ...wires, log, generation: () => this.#minorVersion });
    };
    serveEntity(call, open, log).catch((error) => log.error('a stream could not be ended:', error));
  }

  #actions() {
    const log = this.options.logger;
    const actions = new ActionServer((name) => this.#find(ACTION, name), log);
    return Object.fromEntries(['handleUnary', 'handleStreamedIn', 'handleStreamedOut', 'handleStreamed'].map((name) => [
      name, (call, callback) => {
        actions[name](call, callback).catch((error) => log.error('a call could not be ended:', error));
      },
    ]));
  }
}

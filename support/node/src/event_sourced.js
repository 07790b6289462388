// Event sourced entities: a command looks at the state and emits events, events change the state.
import { nameOf } from './any.js';
import { Component, handlerOf } from './component.js';
import { EntityContext, clientAction } from './context.js';
import { CommandFailure, toProtocol, unexpected } from './failure.js';
import { ProtocolError } from './stream.js';

const SNAPSHOT_EVERY = 100;

export class EventSourced extends Component {
  /** Options: persistenceId, snapshotEvery (0: never), passivationTimeout, includeDirs, serialize... */
  constructor(desc, serviceName, options = {}) {
    super('cloudstate.eventsourced.EventSourced', desc, serviceName, { snapshotEvery: SNAPSHOT_EVERY, ...options });
  }

  /** (entityId) => state */
  setInitial(initial) {
    this.initial = initial;
    return this;
  }

  /** (state) => ({commandHandlers, eventHandlers}) */
  setBehavior(behavior) {
    this.behavior = behavior;
    return this;
  }

  check() {
    if (typeof this.initial !== 'function') throw new Error(`${this.serviceName} has no initial state: set initial`);
    if (typeof this.behavior !== 'function') throw new Error(`${this.serviceName} has no behavior`);
  }

  async open(init, wires) {
    const machine = new EventSourcedMachine(this, init.entityId, wires);
    await machine.load(init.snapshot);
    return machine;
  }
}

class EventSourcedContext extends EntityContext {
  #component;

  constructor(component, ...rest) {
    super(component, ...rest);
    this.#component = component;
    this.outcome.events = [];
  }

  /** The event is stored with the reply, or not at all when the command fails. */
  emit(event) {
    this.ensureActive();
    this.outcome.events.push(this.#component.serialize(event));
  }
}

class EventSourcedMachine {
  constructor(component, entityId, { send, signal, generation, log }) {
    Object.assign(this, { component, entityId, send, signal, generation, log });
    this.sequence = 0;
    this.isBroken = false; // the state may be wrong; the proxy was asked to load it again
  }

  async load(snapshot) {
    if (snapshot) {
      this.sequence = Number(snapshot.snapshotSequence);
      this.state = this.component.deserialize(snapshot.snapshot);
    } else {
      this.state = await this.component.initial(this.entityId);
    }
  }

  async handle(kind, message) {
    if (kind === 'event') {
      await this.apply(message.payload);
      this.sequence = Number(message.sequence);
      return false;
    }
    if (kind !== 'command') throw new ProtocolError(`Unknown message ${kind} received`);
    return this.command(message);
  }

  // True when the stream is of no use any more.
  async command(command) {
    const context = new EventSourcedContext(this.component, this.entityId, command, this.signal);
    try {
      if (this.isBroken) throw new Error('the entity waits to be loaded again');
      await this.send({ reply: await this.run(command, context) });
      return false;
    } catch (thrown) {
      const failure = context.outcome.failure ?? (thrown instanceof CommandFailure ? thrown : undefined);
      if (failure) return await this.fail(command, failure, false);
      this.log.error(`${this.component.serviceName}.${command.name} of ${this.entityId} failed:`, thrown);
      return await this.fail(command, unexpected(command.name, thrown), true);
    } finally {
      context.close();
    }
  }

  // Before protocol 0.2 a failure message was the answer of a command that failed.
  async fail(command, failure, mayBeBroken) {
    if (this.generation() === 1) {
      await this.send({ failure: toProtocol(command.id, failure) });
      return mayBeBroken;
    }
    this.isBroken ||= mayBeBroken;
    await this.send({ reply: {
      commandId: command.id, clientAction: { failure: toProtocol(command.id, failure, mayBeBroken) },
    } });
    return false;
  }

  async run(command, context) {
    const { component } = this;
    const { commandHandlers } = await component.behavior(this.state);
    const method = component.service.methods[command.name];
    const handler = handlerOf(commandHandlers, command.name);
    if (!method || !handler) throw new CommandFailure(`Unknown command named ${command.name}`);
    const result = await handler(component.requestOf(method, command.payload), this.state, context);
    context.close();
    const action = clientAction(component, method, context, result);
    const { effects, events } = context.outcome;
    return {
      commandId: command.id, clientAction: action, sideEffects: effects, events,
      snapshot: await this.applyAll(events),
    };
  }

  // Applies what a command emitted; gives the snapshot when one is due.
  async applyAll(events) {
    const before = this.sequence;
    for (const event of events) {
      await this.apply(event);
      this.sequence += 1;
    }
    const every = this.component.options.snapshotEvery;
    if (!(every > 0) || Math.floor(this.sequence / every) === Math.floor(before / every)) return undefined;
    try {
      return this.component.serialize(this.state);
    } catch (error) { // the events are all that is needed
      this.log.error(`no snapshot of ${this.component.serviceName}, its state cannot be serialized:`, error);
      return undefined;
    }
  }

  async apply(any) {
    const { eventHandlers } = await this.component.behavior(this.state);
    const name = nameOf(any);
    const handler = handlerOf(eventHandlers, name) ?? handlerOf(eventHandlers, name.slice(name.lastIndexOf('.') + 1));
    if (!handler) throw new Error(`No handler found for event '${name}'`);
    this.state = await handler(this.component.deserialize(any), this.state);
  }
}

// Entities whose state is replicated data: every member has a copy, changes travel as deltas.
import { deserialize } from '../any.js';
import { Component, handlerOf } from '../component.js';
import { Context, EntityContext, clientAction, hide } from '../context.js';
import { CommandFailure, toProtocol, unexpected } from '../failure.js';
import { ProtocolError } from '../stream.js';
import { WriteConsistency, fromDelta } from './index.js';
import { Replicated } from './replicated.js';

export class Crdt extends Component {
  /** Options: persistenceId, passivationTimeout, includeDirs, serializeAllowPrimitives, serializeFallbackToJson. */
  constructor(desc, serviceName, options = {}) {
    super('cloudstate.crdt.Crdt', desc, serviceName, options);
    this.commandHandlers = {};
    /** (entityId) => the state of an entity that has none, or null */
    this.defaultValue = () => null;
    /** (state, entityId): called whenever there is another state object */
    this.onStateSet = () => {};
  }

  setCommandHandlers(handlers) {
    this.commandHandlers = handlers;
    return this;
  }

  setDefaultValue(defaultValue) {
    this.defaultValue = defaultValue;
    return this;
  }

  check() {}

  async open(init, wires) {
    const machine = new CrdtMachine(this, init.entityId, wires);
    await machine.load(init.delta);
    return machine;
  }
}

function consistencyNumber(wanted) {
  const number = typeof wanted === 'string' ? WriteConsistency[wanted] : wanted;
  if (!Object.values(WriteConsistency).includes(number)) throw new TypeError(`${String(wanted)} is not a write consistency`);
  return number;
}

// What commands and cancellations share: they may change the state.
const changing = (Base) => class extends Base {
  #consistency = WriteConsistency.LOCAL;

  get state() { return this.machine.state; }

  /** Gives a state to an entity that has none. */
  set state(state) {
    this.ensureActive();
    if (this.machine.state || this.machine.isDeleted) throw new Error('Cannot create a new CRDT after it has been created.');
    if (!(state instanceof Replicated)) throw new TypeError('the state of a CRDT entity is one of the replicated data types');
    this.outcome.isCreated = true;
    this.machine.setState(state);
  }

  delete() {
    this.ensureActive();
    if (!this.machine.state) throw new Error("Can't delete entity that has not been created.");
    this.outcome.isDeleted = true;
  }

  get writeConsistency() { return this.#consistency; }
  set writeConsistency(wanted) { this.#consistency = consistencyNumber(wanted); }
};

class CrdtContext extends changing(EntityContext) {
  #onStateChange;
  #onStreamCancel;

  constructor(machine, command) {
    super(machine.component, machine.entityId, command, machine.signal);
    hide(this, 'machine', machine);
    this.streamed = command.streamed;
  }

  get onStateChange() { return this.#onStateChange; }
  get onStreamCancel() { return this.#onStreamCancel; }
  set onStateChange(callback) { this.#onStateChange = this.#callback(callback); }
  set onStreamCancel(callback) { this.#onStreamCancel = this.#callback(callback); }

  #callback(callback) {
    this.ensureActive();
    if (!this.streamed) throw new Error('the command is not streamed: there is nothing to subscribe to');
    if (callback !== undefined && typeof callback !== 'function') throw new TypeError('a callback is a function');
    return callback;
  }

  get subscription() {
    return this.#onStateChange || this.#onStreamCancel
      ? { onStateChange: this.#onStateChange, onStreamCancel: this.#onStreamCancel } : undefined;
  }
}

/** Given to onStateChange: it may answer, and end the stream, but not change the state. */
class ChangeContext extends Context {
  constructor(machine, { metadata }) {
    super(machine.component, { metadata, signal: machine.signal });
    hide(this, 'machine', machine);
    this.entityId = machine.entityId;
  }

  get state() { return this.machine.state; }

  end() {
    this.ensureActive();
    this.outcome.isEnded = true;
  }
}

/** Given to onStreamCancel: nobody is there to be answered. */
class CancelContext extends changing(Context) {
  constructor(machine, { metadata }) {
    super(machine.component, { metadata, signal: machine.signal });
    hide(this, 'machine', machine);
    this.entityId = machine.entityId;
  }
}

class CrdtMachine {
  constructor(component, entityId, { send, signal, log }) {
    Object.assign(this, { component, entityId, send, signal, log });
    this.state = null;
    this.isDeleted = false;
    this.subscribers = new Map(); // command id → what it listens with
  }

  read = (any) => deserialize(any, this.component.root);

  setState(state) {
    this.state = state;
    this.component.onStateSet(state, this.entityId);
  }

  async load(delta) {
    this.isKnown = Boolean(delta);
    if (delta) {
      this.setState(fromDelta(delta, this.read));
      return;
    }
    const state = await this.component.defaultValue(this.entityId);
    if (state) this.setState(state);
  }

  async handle(kind, message) {
    switch (kind) {
      case 'command':
        await this.command(message);
        return false;
      case 'delta':
        await this.replicate(message);
        return false;
      case 'streamCancelled':
        await this.cancelled(message);
        return false;
      case 'delete':
        this.becomeDeleted();
        return true;
      default:
        throw new ProtocolError(`Unknown message ${kind} received`);
    }
  }

  async replicate(delta) {
    if (!this.state || (this.state.kind !== delta.delta && !this.isKnown)) this.setState(fromDelta(delta, this.read));
    else this.state.applyDelta(delta, this.read);
    this.isKnown = true;
    await this.notify();
  }

  becomeDeleted() {
    this.state = null;
    this.isDeleted = true;
    this.subscribers.clear();
  }

  // -- commands -----------------------------------------------------------------------------------

  async command(command) {
    const context = new CrdtContext(this, command);
    const others = [...this.subscribers.keys()]; // the reply shows the change to its own caller
    let reply;
    try {
      reply = await this.run(command, context);
    } catch (thrown) {
      const known = context.outcome.failure ?? (thrown instanceof CommandFailure ? thrown : undefined);
      if (!known) this.log.error(`${this.component.serviceName}.${command.name} of ${this.entityId} failed:`, thrown);
      this.undo(context);
      reply = { clientAction: { failure: toProtocol(command.id, known ?? unexpected(command.name, thrown)) } };
    } finally {
      context.close();
    }
    await this.send({ reply: { commandId: command.id, ...reply } });
    if (reply.stateAction?.update) await this.notify(others);
  }

  async run(command, context) {
    const { component } = this;
    if (this.isDeleted) throw new CommandFailure('Entity deleted');
    const method = component.service.methods[command.name];
    const handler = handlerOf(component.commandHandlers, command.name);
    if (!method || !handler) throw new CommandFailure(`Unknown command named ${command.name}`);
    const result = await handler(component.requestOf(method, command.payload), context);
    context.close();
    const action = clientAction(component, method, context, result);
    const stateAction = this.takeAction(context);
    const { subscription } = context;
    if (subscription && !this.isDeleted) {
      this.subscribers.set(String(command.id), { ...subscription, id: command.id, method, metadata: command.metadata });
    }
    return {
      clientAction: action, sideEffects: context.outcome.effects, stateAction,
      streamed: Boolean(subscription) && !this.isDeleted,
    };
  }

  takeAction(context) {
    const writeConsistency = context.writeConsistency;
    if (context.outcome.isDeleted) {
      this.becomeDeleted();
      return { delete: {}, writeConsistency };
    }
    const update = this.state?.takeDelta();
    if (update) this.isKnown = true;
    return update && { update, writeConsistency };
  }

  // A command that failed has changed nothing.
  undo(context) {
    if (context.outcome.isCreated) this.state = null;
    else this.state?.revert();
  }

  // -- streams ------------------------------------------------------------------------------------

  async notify(ids = [...this.subscribers.keys()]) {
    for (const id of ids) {
      const subscriber = this.subscribers.get(id);
      if (subscriber?.onStateChange) await this.notifyOne(id, subscriber);
    }
  }

  async notifyOne(id, subscriber) {
    const context = new ChangeContext(this, subscriber);
    let message;
    try {
      const result = await subscriber.onStateChange(this.state, context);
      context.close();
      if (this.state?.hasDelta) throw new Error('the state was changed in onStateChange, which may only look at it');
      const { effects, isEnded: endStream } = context.outcome;
      const isSilent = result === undefined || result === null;
      const isNothing = isSilent && !context.outcome.forward && !context.outcome.failure;
      const action = isNothing ? undefined : clientAction(this.component, subscriber.method, context, result);
      if (!action && effects.length === 0 && !endStream) return;
      message = { clientAction: action, sideEffects: effects, endStream };
    } catch (thrown) {
      const known = context.outcome.failure;
      if (!known) this.log.error(`onStateChange of ${this.component.serviceName} ${this.entityId} failed:`, thrown);
      this.state?.revert();
      const failure = toProtocol(subscriber.id, known ?? unexpected(subscriber.method.name, thrown));
      message = { clientAction: { failure }, endStream: true };
    } finally {
      context.close();
    }
    if (message.endStream) this.subscribers.delete(id);
    await this.send({ streamedMessage: { commandId: subscriber.id, ...message } });
  }

  // Always answered, also when nobody listens: the proxy holds deltas back until then.
  async cancelled({ id }) {
    const subscriber = this.subscribers.get(String(id));
    this.subscribers.delete(String(id));
    let response = {};
    if (subscriber?.onStreamCancel) {
      const context = new CancelContext(this, subscriber);
      try {
        await subscriber.onStreamCancel(this.state, context);
        context.close();
        if (context.outcome.failure) throw context.outcome.failure;
        response = { sideEffects: context.outcome.effects, stateAction: this.takeAction(context) };
      } catch (thrown) {
        this.log.error(`onStreamCancel of ${this.component.serviceName} ${this.entityId} failed:`, thrown);
        this.undo(context);
      } finally {
        context.close();
      }
    }
    await this.send({ streamCancelledResponse: { commandId: id, ...response } });
    if (response.stateAction?.update) await this.notify();
  }
}

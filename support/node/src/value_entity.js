// Value entities: the state is one value, which a command replaces or deletes.
import { Component, handlerOf } from './component.js';
import { EntityContext, clientAction } from './context.js';
import { CommandFailure, toProtocol, unexpected } from './failure.js';
import { ProtocolError } from './stream.js';

export class ValueEntity extends Component {
  /** Options: persistenceId, passivationTimeout, includeDirs, serializeAllowPrimitives, serializeFallbackToJson. */
  constructor(desc, serviceName, options = {}) {
    super('cloudstate.valueentity.ValueEntity', desc, serviceName, options);
    this.commandHandlers = {};
  }

  /** (entityId) => state of an entity of which nothing is stored */
  setInitial(initial) {
    this.initial = initial;
    return this;
  }

  /** By method: (command, state, context) => reply */
  setCommandHandlers(handlers) {
    this.commandHandlers = handlers;
    return this;
  }

  check() {}

  async open(init, wires) {
    return new ValueMachine(this, init, wires);
  }
}

class ValueContext extends EntityContext {
  #component;
  #state;

  constructor(component, state, ...rest) {
    super(component, ...rest);
    this.#component = component;
    this.#state = state;
    this.outcome.action = undefined;
  }

  getState() {
    return this.#state;
  }

  /** The last update or deletion of a command counts. */
  updateState(state) {
    this.ensureActive();
    this.outcome.action = { update: { value: this.#component.serialize(state) } };
    this.#state = state;
  }

  deleteState() {
    this.ensureActive();
    this.outcome.action = { delete: {} };
    this.#state = undefined;
  }
}

class ValueMachine {
  constructor(component, { entityId, state }, { send, signal, log }) {
    Object.assign(this, { component, entityId, send, signal, log });
    this.stored = state?.value ?? undefined; // as it is stored: handlers cannot change it by accident
  }

  async handle(kind, command) {
    if (kind !== 'command') throw new ProtocolError(`Unknown message ${kind} received`);
    await this.send({ reply: { commandId: command.id, ...(await this.answer(command)) } });
    return false;
  }

  async answer(command) {
    let context;
    try {
      const state = this.stored ? this.component.deserialize(this.stored) : await this.component.initial?.(this.entityId);
      context = new ValueContext(this.component, state, this.entityId, command, this.signal);
      return await this.run(command, state, context);
    } catch (thrown) {
      const known = context?.outcome.failure ?? (thrown instanceof CommandFailure ? thrown : undefined);
      if (!known) this.log.error(`${this.component.serviceName}.${command.name} of ${this.entityId} failed:`, thrown);
      return { clientAction: { failure: toProtocol(command.id, known ?? unexpected(command.name, thrown)) } };
    } finally {
      context?.close();
    }
  }

  async run(command, state, context) {
    const { component } = this;
    const method = component.service.methods[command.name];
    const handler = handlerOf(component.commandHandlers, command.name);
    if (!method || !handler) throw new CommandFailure(`Unknown command named ${command.name}`);
    const result = await handler(component.requestOf(method, command.payload), state, context);
    context.close();
    const action = clientAction(component, method, context, result);
    const { action: stateAction, effects } = context.outcome;
    if (stateAction) this.stored = stateAction.update?.value;
    return { clientAction: action, sideEffects: effects, stateAction };
  }
}

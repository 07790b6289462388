// The last argument of every command handler: what it may do besides returning a reply.
import { makeFailure } from './failure.js';
import { Metadata } from './metadata.js';

const target = (method) => ({ serviceName: method.parent.fullName.slice(1), commandName: method.name });

export class Context {
  #active = true;
  #component;

  /** signal is aborted when nobody waits for the command any more. */
  constructor(component, { metadata, signal }) {
    this.#component = component;
    this.metadata = Metadata.fromProtocol(metadata);
    this.replyMetadata = new Metadata();
    this.signal = signal;
    hide(this, 'outcome', { effects: [], forward: undefined, failure: undefined });
  }

  get cloudevent() {
    return this.metadata.cloudevent;
  }

  /** True once the caller's stream has gone. */
  get cancelled() {
    return this.signal.aborted;
  }

  /** Fails the command; leaves the handler by throwing. */
  fail(message, code, details) {
    this.ensureActive();
    this.outcome.failure = makeFailure(message, code, details);
    throw this.outcome.failure;
  }

  /** Another method answers instead. */
  thenForward(method, message, metadata) {
    this.ensureActive();
    this.outcome.forward = this.makeCall(method, message, metadata, 'the message to forward');
  }

  forward(method, message, metadata) {
    this.thenForward(method, message, metadata);
  }

  /** Calls another method, whose reply nobody gets. Synchronous: the caller waits for its end. */
  effect(method, message, synchronous = false, metadata = undefined) {
    this.ensureActive();
    const call = this.makeCall(method, message, metadata, 'the message of an effect');
    this.outcome.effects.push({ ...call, synchronous: synchronous === true });
  }

  // -- for the library ----------------------------------------------------------------------------

  makeCall(method, message, metadata, what) {
    const found = this.#component.findMethod(method);
    return {
      ...target(found),
      payload: this.#component.messageOf(found.resolvedRequestType, message, what),
      metadata: metadata === undefined ? undefined : asMetadata(metadata).toProtocol(),
    };
  }

  ensureActive() {
    if (!this.#active) throw new Error('the command is done, its context can no longer be used');
  }

  close() {
    this.#active = false;
  }
}

const asMetadata = (metadata) => (metadata instanceof Metadata ? metadata : new Metadata(metadata));

/** A property that printing the object does not show. */
export function hide(object, name, value) {
  Object.defineProperty(object, name, { value, writable: true });
}

/** The context of a command to an entity. */
export class EntityContext extends Context {
  constructor(component, entityId, command, signal) {
    super(component, { metadata: command.metadata, signal });
    this.entityId = entityId;
    this.commandId = command.id;
    this.commandName = command.name;
  }
}

/** The client action of a handler that came to its end. */
export function clientAction(component, method, context, result) {
  const { failure, forward } = context.outcome;
  if (failure) throw failure;
  if (forward) return { forward };
  const reply = component.replyOf(method, result, context.replyMetadata);
  return reply && { reply };
}

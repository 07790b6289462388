// Actions: methods without an entity, of every shape that gRPC has.
import { Component, handlerOf } from './component.js';
import { Context, clientAction, hide } from './context.js';
import { CommandFailure, makeFailure, toProtocol, unexpected } from './failure.js';
import { messagesOf, send, signalOf } from './stream.js';

const EVENTS = ['data', 'end', 'cancelled'];

export class Action extends Component {
  /** Options: includeDirs, serializeAllowPrimitives, serializeFallbackToJson. */
  constructor(desc, serviceName, options = {}) {
    super('cloudstate.action.ActionProtocol', desc, serviceName, options);
    this.commandHandlers = {};
  }

  get persistenceId() {
    return ''; // nothing is stored
  }

  /** By method: unary and streamed out (message, context), streamed in and both ways (context). */
  setCommandHandlers(handlers) {
    this.commandHandlers = handlers;
    return this;
  }

  check() {}
}

const isIterable = (value) => value !== null && typeof value === 'object' &&
  (Symbol.asyncIterator in value || Symbol.iterator in value);

/** The context of one call; calls with streams have more to do than unary ones. */
class ActionContext extends Context {
  #listeners = new Map(EVENTS.map((name) => [name, []]));
  #inputs;

  constructor(component, method, { command, signal, inputs, cancel }) {
    super(component, { metadata: command.metadata, signal });
    this.commandName = method.name;
    this.#inputs = inputs;
    hide(this, 'parts', { component, method, cancel });
    signal.addEventListener('abort', () => {
      for (const listener of this.#listeners.get('cancelled')) Promise.resolve().then(listener).catch(() => {});
    });
  }

  /** "data" (message), "end" () and "cancelled" (). What a listener returns is waited for. */
  on(event, listener) {
    if (!EVENTS.includes(event)) throw new TypeError(`there is no event ${event}; there are: ${EVENTS.join(', ')}`);
    this.#listeners.get(event).push(listener);
    return this;
  }

  listeners(event) {
    return this.#listeners.get(event);
  }

  /** The messages of the client, for `for await`. */
  [Symbol.asyncIterator]() {
    if (!this.#inputs) throw new Error(`${this.commandName} has no stream of messages coming in`);
    return this.#inputs[Symbol.asyncIterator]();
  }

  /** Breaks the call off. */
  cancel() {
    this.parts.cancel();
  }
}

/** Streams in, one response out: the last thing written is the reply. */
class SingleContext extends ActionContext {
  write(message, metadata) {
    this.ensureActive();
    this.outcome.forward = undefined;
    this.outcome.reply = message;
    for (const [key, value] of metadata ?? []) this.replyMetadata.add(key, value);
  }
}

/** Responses go out one by one. */
class StreamContext extends ActionContext {
  constructor(component, method, wires) {
    super(component, method, wires);
    hide(this, 'out', { send: wires.send, last: Promise.resolve() });
    hide(this, 'ended', new Promise((resolve) => { this.outcome.end = resolve; }));
    this.signal.addEventListener('abort', () => this.outcome.end());
  }

  /** One message to the client, with the effects since the last; undefined: the effects alone. */
  write(message, metadata) {
    this.ensureActive();
    const { component, method } = this.parts;
    for (const [key, value] of metadata ?? []) this.replyMetadata.add(key, value);
    const reply = message === undefined || message === null ? undefined
      : component.replyOf(method, message, this.replyMetadata);
    return this.respond({ reply });
  }

  thenForward(method, message, metadata) {
    super.thenForward(method, message, metadata);
    return this.respond({ forward: this.outcome.forward });
  }

  /** Fails the call of the client. The handler goes on; usually it returns. */
  fail(message, code, details) {
    this.ensureActive();
    return this.respond({ failure: toProtocol(0, makeFailure(message, code, details)) });
  }

  end() {
    this.outcome.end();
  }

  respond(response) {
    const sideEffects = this.outcome.effects;
    this.outcome.effects = [];
    this.out.last = this.out.send({ ...response, sideEffects });
    return this.out.last;
  }

  flush() {
    return this.outcome.effects.length > 0 ? this.respond({}) : this.out.last;
  }
}

/** Serves cloudstate.action.ActionProtocol; find(name) gives the action of a service. */
export class ActionServer {
  constructor(find, log) {
    this.find = find;
    this.log = log;
  }

  lookup(command) {
    const component = this.find(command?.serviceName);
    if (!component) throw new CommandFailure(`Service '${command?.serviceName}' unknown.`);
    const method = component.service.methods[command.name];
    const handler = handlerOf(component.commandHandlers, command.name);
    if (!method || !handler) throw new CommandFailure(`Unknown command named ${command.name}`);
    return { component, method, handler };
  }

  // The response to whatever was thrown.
  failed(command, thrown, context) {
    const known = context?.outcome.failure ?? (thrown instanceof CommandFailure ? thrown : undefined);
    if (!known) this.log.error(`${command?.serviceName}.${command?.name} failed:`, thrown);
    const failure = toProtocol(0, known ?? unexpected(command?.name, thrown));
    return { failure, sideEffects: context?.outcome.effects };
  }

  async handleUnary(call, callback) {
    const command = call.request;
    let context;
    try {
      const { component, method, handler } = this.lookup(command);
      context = new ActionContext(component, method, { command, signal: signalOf(call), cancel: () => cancelCall(call) });
      const result = await handler(component.requestOf(method, command.payload), context);
      callback(null, { ...clientAction(component, method, context, result), sideEffects: context.outcome.effects });
    } catch (thrown) {
      callback(null, this.failed(command, thrown, context));
    } finally {
      context?.close();
    }
  }

  async handleStreamedIn(call, callback) {
    const signal = signalOf(call);
    let command;
    let context;
    try {
      const inputs = await openInputs(call);
      command = inputs.command;
      const { component, method, handler } = this.lookup(command);
      context = new SingleContext(component, method, {
        command, signal, inputs: inputs.of(component, method), cancel: () => cancelCall(call),
      });
      let result = await handler(context);
      result = (await pump(context)) ?? result ?? context.outcome.reply;
      callback(null, { ...clientAction(component, method, context, result), sideEffects: context.outcome.effects });
    } catch (thrown) {
      callback(null, this.failed(command, thrown, context));
    } finally {
      context?.close();
    }
  }

  async handleStreamedOut(call) {
    const command = call.request;
    await this.stream(call, command, (component, method) => component.requestOf(method, command.payload));
  }

  async handleStreamed(call) {
    let inputs;
    try {
      inputs = await openInputs(call);
    } catch (thrown) {
      this.log.error('a call of an action ended before it began:', thrown);
    }
    await this.stream(call, inputs?.command, undefined, inputs);
  }

  // Both shapes that stream out. readFirst gives the message of a call that has only one.
  async stream(call, command, readFirst, inputs) {
    let context;
    try {
      const { component, method, handler } = this.lookup(command);
      context = new StreamContext(component, method, {
        command, signal: signalOf(call), send: (message) => send(call, message),
        inputs: inputs?.of(component, method), cancel: () => cancelCall(call),
      });
      await this.produce(context, readFirst ? handler(readFirst(component, method), context) : handler(context));
      await context.flush();
    } catch (thrown) {
      if (!call.cancelled) await send(call, this.failed(command, thrown, context));
    } finally {
      context?.close();
    }
    if (!call.cancelled && !call.destroyed) call.end();
  }

  // An iterable is written out; a promise ends the stream when it is done; else context.end() does, or
  // the end of what comes in when nobody listens for it.
  async produce(context, returned) {
    const isPromise = typeof returned?.then === 'function';
    const result = await returned;
    if (isIterable(result)) {
      for await (const message of result) {
        if (context.cancelled) return;
        await context.write(message);
      }
      return;
    }
    if (result !== undefined && result !== null) await context.write(result);
    const isListening = context.listeners('data').length > 0 || context.listeners('end').length > 0;
    if (isListening) {
      await pump(context);
      if (context.listeners('end').length === 0) return;
    } else if (isPromise || result !== undefined) {
      return;
    }
    await context.ended;
  }
}

function cancelCall(call) {
  call.emit('error', Object.assign(new Error('cancelled by the function'), { code: 1, details: 'Cancelled' }));
}

// The first message of a stream names the method, the others have the payloads.
async function openInputs(call) {
  const messages = messagesOf(call);
  const { value: command, done } = await messages.next();
  if (done) throw new CommandFailure('The stream ended before it named a command');
  return {
    command,
    async* of(component, method) {
      for await (const message of messages) yield component.requestOf(method, message.payload);
    },
  };
}

// Gives the messages to the listeners; what the last "end" listener returns may be a reply.
async function pump(context) {
  if (context.listeners('data').length === 0 && context.listeners('end').length === 0) return undefined;
  for await (const message of context) {
    for (const listener of context.listeners('data')) await listener(message);
    if (context instanceof StreamContext) await context.flush();
  }
  if (context.cancelled) return undefined;
  let result;
  for (const listener of context.listeners('end')) result = await listener();
  return result;
}

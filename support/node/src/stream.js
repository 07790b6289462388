// The stream of one active entity: messages in order, one at a time, with the flow control of HTTP/2.
import { describeThrown } from './failure.js';

/** Resolves when the message is on its way, or at once when nobody listens any more. */
export function send(call, message) {
  if (call.cancelled || call.destroyed || call.writableEnded) return Promise.resolve();
  if (call.write(message)) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      for (const name of ['drain', 'close', 'cancelled', 'error']) call.off(name, done);
      resolve();
    };
    for (const name of ['drain', 'close', 'cancelled', 'error']) call.on(name, done);
  });
}

/** A signal that is aborted when the call is cancelled. */
export function signalOf(call) {
  const controller = new AbortController();
  call.on('cancelled', () => controller.abort());
  call.on('error', () => {}); // without a listener it would end the process
  return controller.signal;
}

/** The messages of the call; ends early when it is cancelled. */
export async function* messagesOf(call) {
  try {
    yield* call.iterator({ destroyOnReturn: false });
  } catch (error) {
    if (!call.cancelled && !call.destroyed) throw error;
  }
}

/** An error in what the proxy sent; the stream ends with this text. */
export class ProtocolError extends Error {}

/**
 * Runs the machine of an entity on its stream. open(init, {send, signal}) makes the machine of a service;
 * machine.handle(kind, message) takes what follows. Whatever goes wrong ends this stream alone.
 */
export async function serveEntity(call, open, log) {
  const signal = signalOf(call);
  const out = (message) => send(call, message);
  try {
    let machine;
    for await (const message of messagesOf(call)) {
      const kind = message.message;
      if (kind === undefined) throw new ProtocolError('Empty or unknown message received');
      if (kind === 'init') {
        if (machine) throw new ProtocolError('Init message received twice.');
        machine = await open(message.init, { send: out, signal });
      } else if (!machine) {
        throw new ProtocolError('Unknown message received before init');
      } else if (await machine.handle(kind, message[kind])) {
        break;
      }
    }
  } catch (error) {
    const known = error instanceof ProtocolError;
    log.error(known ? error.message : 'the stream of an entity failed:', ...(known ? [] : [error]));
    await out({ failure: {
      commandId: 0,
      description: known ? error.message : `Fatal error handling message: ${describeThrown(error)}`,
    } });
  }
  if (!call.cancelled && !call.destroyed) call.end();
}

// Failing a command: on purpose with ctx.fail, or by throwing anything else.
import { status as codes } from '@grpc/grpc-js';
import { serialize } from './any.js';

/** What ctx.fail throws to leave the handler. */
export class CommandFailure extends Error {
  constructor(message, code, details = []) {
    super(message);
    this.name = 'CommandFailure';
    this.code = code;
    this.details = details;
  }
}

const LARGEST_CODE = 16; // of google.rpc.Code

function codeNumber(code) {
  const number = typeof code === 'string' ? codes[code] : code;
  if (!Number.isInteger(number) || number <= 0 || number > LARGEST_CODE) {
    throw new TypeError(`${String(code)} is not the status code of an error`);
  }
  return number;
}

/** fail(message), fail(message, code, details) or fail(message, {code, details}); codes as number or name. */
export function makeFailure(message, code, details) {
  const given = code !== null && typeof code === 'object' ? code : { code, details };
  const number = given.code === undefined ? undefined : codeNumber(given.code);
  const anys = (given.details ?? []).map((one) => ('type_url' in one ? one : serialize(one)));
  if (anys.length > 0 && number === undefined) throw new TypeError('details of a failure need a code');
  return new CommandFailure(String(message), number, anys);
}

/** The protocol's message. Without a code the caller gets UNKNOWN. */
export function toProtocol(commandId, failure, restart = false) {
  const { message: description, code, details } = failure;
  return {
    commandId: commandId ?? 0,
    description,
    restart: restart || undefined,
    status: code === undefined ? undefined : { code, message: description, details },
  };
}

// Anything can be thrown, also things that cannot be printed.
export function describeThrown(thrown) {
  try {
    return String(thrown);
  } catch {
    return 'something that cannot be printed was thrown';
  }
}

/** What the caller gets when a handler throws. */
export function unexpected(commandName, thrown) {
  return new CommandFailure(`Error handling command '${commandName}': ${describeThrown(thrown)}`);
}

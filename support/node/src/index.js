// Stateful functions behind a Headgate or Cloudstate proxy. Start reading in server.js.
import { Crdt } from './crdt/entity.js';
import * as types from './crdt/index.js';

export { Action } from './action.js';
export { EventSourced } from './event_sourced.js';
export { CommandFailure } from './failure.js';
export { CloudEvent, Metadata } from './metadata.js';
export { Headgate, Headgate as CloudState, Headgate as Cloudstate } from './server.js';
export { ValueEntity } from './value_entity.js';
export { Crdt };
export const crdt = { ...types, Crdt };

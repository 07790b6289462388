// The replicated data types, and the entity whose state is one of them.
import { GCounter, PNCounter } from './counters.js';
import { Flag } from './flag.js';
import { ORMap } from './map.js';
import { Clocks, LWWRegister } from './register.js';
import { GSet, ORSet } from './sets.js';
import { Vote } from './vote.js';

/** How many members must have a change before its command is answered. */
export const WriteConsistency = Object.freeze({ LOCAL: 0, MAJORITY: 1, ALL: 2 });

const EMPTY = {
  gcounter: () => new GCounter(),
  pncounter: () => new PNCounter(),
  gset: () => new GSet(),
  orset: () => new ORSet(),
  lwwregister: () => new LWWRegister(null),
  flag: () => new Flag(),
  ormap: () => new ORMap(),
  vote: () => new Vote(),
};

/** The value that a delta makes out of nothing. */
export function fromDelta(delta, read) {
  const make = EMPTY[delta?.delta];
  if (!make) throw new Error('a delta of an unknown type came');
  const value = make();
  value.applyDelta(delta, read);
  return value;
}

ORMap.make = fromDelta;

export { Clocks, Flag, GCounter, GSet, LWWRegister, ORMap, ORSet, PNCounter, Vote };

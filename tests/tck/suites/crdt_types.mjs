// What each replicated data type does to its model entity, as rows from which the checks are made.
//
// zero     the state of a new entity; create: the delta with which the first command creates it
// steps    [update, delta, state]: commands in a row on a new entity
// full     [delta, state]: a value that comes from elsewhere; next: a step after it
// mix      steps, and {remote: delta, state}, on a new entity
import { text } from '../lib/types.mjs';

const texts = (...values) => values.map(text);

// -- counters and flags ----------------------------------------------------------------------------

const gcounter = (increment) => ({ gcounter: { increment } });
const gcounterState = (value) => ({ gcounter: { value } });
const pncounter = (change) => ({ pncounter: { change } });
const pncounterState = (value) => ({ pncounter: { value } });
const flag = (value) => ({ flag: value ? { value } : {} });

const GCounter = {
  zero: gcounterState(0),
  steps: [
    [gcounter(1), gcounter(1), gcounterState(1)],
    [gcounter(2), gcounter(2), gcounterState(3)],
    [gcounter(3), gcounter(3), gcounterState(6)],
  ],
  full: [gcounter(42), gcounterState(42)],
  next: [gcounter(123), gcounter(123), gcounterState(165)],
  mix: [
    [gcounter(10), gcounter(10), gcounterState(10)],
    { remote: gcounter(20), state: gcounterState(30) },
    [gcounter(4), gcounter(4), gcounterState(34)],
    { remote: gcounter(6), state: gcounterState(40) },
    { remote: gcounter(2), state: gcounterState(42) },
  ],
};

const PNCounter = {
  zero: pncounterState(0),
  steps: [
    [pncounter(1), pncounter(1), pncounterState(1)],
    [pncounter(-2), pncounter(-2), pncounterState(-1)],
    [pncounter(5), pncounter(5), pncounterState(4)],
  ],
  full: [pncounter(-42), pncounterState(-42)],
  next: [pncounter(43), pncounter(43), pncounterState(1)],
  mix: [
    [pncounter(10), pncounter(10), pncounterState(10)],
    { remote: pncounter(-20), state: pncounterState(-10) },
    [pncounter(-4), pncounter(-4), pncounterState(-14)],
    { remote: pncounter(56), state: pncounterState(42) },
  ],
};

const Flag = {
  zero: flag(false),
  steps: [[flag(false), flag(true), flag(true)], [flag(false), undefined, flag(true)]],
  full: [flag(true), flag(true)],
  next: [flag(false), undefined, flag(true)],
  mix: [
    { remote: flag(false), state: flag(false) },
    [flag(false), flag(true), flag(true)],
    { remote: flag(true), state: flag(true) },
  ],
};

// -- sets ------------------------------------------------------------------------------------------

const gset = (add) => ({ gset: { add } });
const gsetDelta = (...values) => ({ gset: { added: texts(...values) } });
const elements = (kind) => (...values) => ({ [kind]: { elements: values } });
const gsetState = elements('gset');

const GSet = {
  zero: gsetState(),
  steps: [
    [gset('a'), gsetDelta('a'), gsetState('a')],
    [gset('c'), gsetDelta('c'), gsetState('a', 'c')],
    [gset('b'), gsetDelta('b'), gsetState('a', 'b', 'c')],
    [gset('a'), undefined, gsetState('a', 'b', 'c')],
  ],
  full: [gsetDelta('a', 'b', 'c'), gsetState('a', 'b', 'c')],
  next: [gset('d'), gsetDelta('d'), gsetState('a', 'b', 'c', 'd')],
  mix: [
    [gset('a'), gsetDelta('a'), gsetState('a')],
    { remote: gsetDelta('b'), state: gsetState('a', 'b') },
    [gset('b'), undefined, gsetState('a', 'b')],
    [gset('c'), gsetDelta('c'), gsetState('a', 'b', 'c')],
    { remote: gsetDelta('d', 'e'), state: gsetState('a', 'b', 'c', 'd', 'e') },
  ],
};

const orset = (action) => ({ orset: action });
const orsetDelta = ({ added = [], removed = [], cleared }) => ({ orset: { added: texts(...added), removed: texts(...removed), cleared } });
const orsetState = elements('orset');

const ORSet = {
  zero: orsetState(),
  steps: [
    [orset({ add: 'a' }), orsetDelta({ added: ['a'] }), orsetState('a')],
    [orset({ add: 'c' }), orsetDelta({ added: ['c'] }), orsetState('a', 'c')],
    [orset({ add: 'c' }), undefined, orsetState('a', 'c')],
    [orset({ add: 'b' }), orsetDelta({ added: ['b'] }), orsetState('a', 'b', 'c')],
    [orset({ remove: 'b' }), orsetDelta({ removed: ['b'] }), orsetState('a', 'c')],
    [orset({ remove: 'x' }), undefined, orsetState('a', 'c')],
    [orset({ add: 'b' }), orsetDelta({ added: ['b'] }), orsetState('a', 'b', 'c')],
    [orset({ clear: true }), orsetDelta({ cleared: true }), orsetState()],
    [orset({ add: 'a' }), orsetDelta({ added: ['a'] }), orsetState('a')],
    [orset({ remove: 'a' }), orsetDelta({ cleared: true }), orsetState()],
  ],
  full: [orsetDelta({ added: ['a', 'b', 'c'] }), orsetState('a', 'b', 'c')],
  next: [orset({ remove: 'b' }), orsetDelta({ removed: ['b'] }), orsetState('a', 'c')],
  mix: [
    [orset({ add: 'a' }), orsetDelta({ added: ['a'] }), orsetState('a')],
    { remote: orsetDelta({ added: ['b', 'c'] }), state: orsetState('a', 'b', 'c') },
    { remote: orsetDelta({ removed: ['a'], added: ['d'] }), state: orsetState('b', 'c', 'd') },
    [orset({ remove: 'c' }), orsetDelta({ removed: ['c'] }), orsetState('b', 'd')],
    { remote: orsetDelta({ cleared: true }), state: orsetState() },
    { remote: orsetDelta({ cleared: true, added: ['x'] }), state: orsetState('x') },
    [orset({ add: 'y' }), orsetDelta({ added: ['y'] }), orsetState('x', 'y')],
  ],
};

// -- registers and votes ---------------------------------------------------------------------------

const register = (value, clock) => ({ lwwregister: { value, clock } });
const registerDelta = (value, parts = {}) => ({ lwwregister: { value: text(value), ...parts } });
const registerState = (value) => ({ lwwregister: { value } });

const LWWRegister = {
  zero: registerState(''),
  create: registerDelta(''),
  steps: [
    [register('A'), registerDelta('A'), registerState('A')],
    [register('B'), registerDelta('B'), registerState('B')],
    [register(''), registerDelta(''), registerState('')],
  ],
  full: [registerDelta('one'), registerState('one')],
  next: [register('two'), registerDelta('two'), registerState('two')],
  mix: [
    [register('A'), registerDelta('A'), registerState('A')],
    { remote: registerDelta('B'), state: registerState('B') },
    [register('C'), registerDelta('C'), registerState('C')],
    { remote: registerDelta('D'), state: registerState('D') },
  ],
  clocks: [
    [register('A', { clock_type: 'DEFAULT' }), registerDelta('A'), registerState('A')],
    [register('B', { clock_type: 'REVERSE' }), registerDelta('B', { clock: 'REVERSE' }), registerState('B')],
    [register('C', { clock_type: 'CUSTOM', custom_clock_value: 123 }),
      registerDelta('C', { clock: 'CUSTOM', custom_clock_value: 123 }), registerState('C')],
    [register('D', { clock_type: 'CUSTOM_AUTO_INCREMENT', custom_clock_value: 456 }),
      registerDelta('D', { clock: 'CUSTOM_AUTO_INCREMENT', custom_clock_value: 456 }), registerState('D')],
  ],
};

const vote = (self) => ({ vote: { self_vote: self } });
const voteState = (self, votesFor, total) => ({ vote: { self_vote: self, votes_for: votesFor, total_voters: total } });

const Vote = {
  zero: voteState(false, 0, 1),
  steps: [
    [vote(true), vote(true), voteState(true, 1, 1)],
    [vote(true), undefined, voteState(true, 1, 1)],
    [vote(false), vote(false), voteState(false, 0, 1)],
  ],
  full: [voteState(true, 2, 3), voteState(true, 2, 3)],
  next: [vote(false), vote(false), voteState(false, 1, 3)],
  mix: [
    [vote(true), vote(true), voteState(true, 1, 1)],
    { remote: voteState(true, 2, 3), state: voteState(true, 2, 3) },
    [vote(false), vote(false), voteState(false, 1, 3)],
    { remote: voteState(false, 3, 5), state: voteState(false, 3, 5) },
    [vote(true), vote(true), voteState(true, 4, 5)],
  ],
};

// -- maps ------------------------------------------------------------------------------------------

const FLAT = { Flag, GCounter, GSet, LWWRegister, ORSet, PNCounter, Vote };


const mapUpdate = (key, update) => ({ ormap: { update: { key, update } } });
const entries = (values) => Object.entries(values).map(([key, delta]) => ({ key: text(key), delta }));
const mapDelta = ({ added = {}, updated = {}, removed = [], cleared }) => ({
  ormap: { added: entries(added), updated: entries(updated), removed: texts(...removed), cleared },
});
const mapState = (values) => ({ ormap: { entries: Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, value]) => ({ key, value })) } });

// A value of every type is put into the map, then changed where it lies.
function nestedSteps() {
  const state = {};
  const steps = [];
  for (const [name, { steps: [first, ...rest] }] of Object.entries({ ...FLAT, ORMap: inner })) {
    const key = `${name}-1`;
    const second = rest.find(([, delta]) => delta);
    state[key] = first[2];
    steps.push([mapUpdate(key, first[0]), mapDelta({ added: { [key]: first[1] } }), mapState(state)]);
    if (!second) continue;
    state[key] = second[2];
    steps.push([mapUpdate(key, second[0]), mapDelta({ updated: { [key]: second[1] } }), mapState(state)]);
  }
  return { steps, state };
}

const inner = {
  steps: [
    [mapUpdate('PNCounter-1', pncounter(1)), mapDelta({ added: { 'PNCounter-1': pncounter(1) } }), mapState({ 'PNCounter-1': pncounterState(1) })],
    [mapUpdate('PNCounter-1', pncounter(2)), mapDelta({ updated: { 'PNCounter-1': pncounter(2) } }), mapState({ 'PNCounter-1': pncounterState(3) })],
  ],
};
const nested = nestedSteps();
const kept = Object.fromEntries(Object.entries(nested.state).filter(([key]) => key !== 'Flag-1'));

const ORMap = {
  zero: mapState({}),
  steps: [
    [{ ormap: { add: 'PNCounter-0' } }, mapDelta({ added: { 'PNCounter-0': pncounter(0) } }), mapState({ 'PNCounter-0': pncounterState(0) })],
    [{ ormap: { remove: 'PNCounter-0' } }, mapDelta({ cleared: true }), mapState({})],
    ...nested.steps,
    [{ ormap: { remove: 'Flag-1' } }, mapDelta({ removed: ['Flag-1'] }), mapState(kept)],
    [{ ormap: { remove: 'Flag-1' } }, undefined, mapState(kept)],
    [{ ormap: { add: 'Flag-1' } }, mapDelta({ added: { 'Flag-1': flag(false) } }), mapState({ ...kept, 'Flag-1': flag(false) })],
    [{ ormap: { clear: true } }, mapDelta({ cleared: true }), mapState({})],
    [{ ormap: { add: 'GSet-1' } }, mapDelta({ added: { 'GSet-1': gsetDelta() } }), mapState({ 'GSet-1': gsetState() })],
  ],
  full: [
    mapDelta({ added: Object.fromEntries(Object.entries(FLAT).map(([name, { full }]) => [`${name}-1`, full[0]])) }),
    mapState(Object.fromEntries(Object.entries(FLAT).map(([name, { full }]) => [`${name}-1`, full[1]]))),
  ],
  next: [
    mapUpdate('GCounter-1', GCounter.next[0]), mapDelta({ updated: { 'GCounter-1': GCounter.next[1] } }),
    mapState({ ...Object.fromEntries(Object.entries(FLAT).map(([name, { full }]) => [`${name}-1`, full[1]])), 'GCounter-1': GCounter.next[2] }),
  ],
  mix: [
    [mapUpdate('PNCounter-1', pncounter(23)), mapDelta({ added: { 'PNCounter-1': pncounter(23) } }), mapState({ 'PNCounter-1': pncounterState(23) })],
    {
      remote: mapDelta({ updated: { 'PNCounter-1': pncounter(19) }, added: { 'ORSet-1': orsetDelta({ added: ['x'] }) } }),
      state: mapState({ 'PNCounter-1': pncounterState(42), 'ORSet-1': orsetState('x') }),
    },
    [mapUpdate('ORSet-1', orset({ add: 'y' })), mapDelta({ updated: { 'ORSet-1': orsetDelta({ added: ['y'] }) } }),
      mapState({ 'PNCounter-1': pncounterState(42), 'ORSet-1': orsetState('x', 'y') })],
    { remote: mapDelta({ removed: ['PNCounter-1'] }), state: mapState({ 'ORSet-1': orsetState('x', 'y') }) },
    { remote: mapDelta({ cleared: true, added: { 'Flag-1': flag(true) } }), state: mapState({ 'Flag-1': flag(true) }) },
  ],
};

export const TYPES = { GCounter, PNCounter, GSet, ORSet, LWWRegister, Flag, ORMap, Vote };

export {
  gcounter, gcounterState, mapDelta, mapState, mapUpdate, pncounter, pncounterState, vote, voteState,
};

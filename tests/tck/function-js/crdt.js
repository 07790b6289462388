import { Crdt, crdt } from '../../../support/node/src/index.js';

const FILE = 'cloudstate/tck/model/crdt.proto';
const PACKAGE = 'cloudstate.tck.model.crdt';
const CALL = `${PACKAGE}.CrdtTwo/Call`;
const CONSISTENCY = ['LOCAL', 'MAJORITY', 'ALL'];

// What each kind of data does: make a new one, change it, and tell its value.
const KINDS = {
  GCounter: {
    make: () => new crdt.GCounter(),
    change: (data, { gcounter }) => data.increment(gcounter.increment),
    value: (data) => ({ gcounter: { value: data.longValue } }),
  },
  PNCounter: {
    make: () => new crdt.PNCounter(),
    change: (data, { pncounter }) => data.increment(pncounter.change),
    value: (data) => ({ pncounter: { value: data.longValue } }),
  },
  GSet: {
    make: () => new crdt.GSet(),
    change: (data, { gset }) => data.add(gset.add),
    value: (data) => ({ gset: { elements: [...data].sort() } }),
  },
  ORSet: {
    make: () => new crdt.ORSet(),
    change(data, { orset: { action, add, remove } }) {
      if (action === 'add') data.add(add);
      else if (action === 'remove') data.delete(remove);
      else if (action === 'clear') data.clear();
    },
    value: (data) => ({ orset: { elements: [...data].sort() } }),
  },
  LWWRegister: {
    make: () => new crdt.LWWRegister(''),
    change: (data, { lwwregister: { value, clock } }) => data.setWithClock(value, clock?.clockType, clock?.customClockValue),
    value: (data) => ({ lwwregister: { value: data.value } }),
  },
  Flag: {
    make: () => new crdt.Flag(),
    change: (data) => data.enable(),
    value: (data) => ({ flag: { value: data.value } }),
  },
  ORMap: {
    make: () => new crdt.ORMap(),
    change(data, { ormap: { action, add, update, remove } }) {
      if (action === 'add') inner(data, add);
      else if (action === 'update') kindOf(update.key).change(inner(data, update.key), update.update);
      else if (action === 'remove') data.delete(remove);
      else if (action === 'clear') data.clear();
    },
    value: (data) => ({
      ormap: { entries: [...data.keys()].sort().map((key) => ({ key, value: kindOf(key).value(data.get(key)) })) },
    }),
  },
  Vote: {
    make: () => new crdt.Vote(),
    change: (data, { vote }) => { data.vote = vote.selfVote; },
    value: (data) => ({ vote: { selfVote: data.vote, votesFor: data.votesFor, totalVoters: data.totalVoters } }),
  },
};

// The kind stands in the id before the first "-".
const kindOf = (id) => KINDS[id.slice(0, id.indexOf('-'))];

function inner(map, key) {
  if (!map.has(key)) map.set(key, kindOf(key).make());
  return map.get(key);
}

export function crdts(options) {
  const model = new Crdt(FILE, `${PACKAGE}.CrdtTckModel`, { ...options, persistenceId: 'crdt-tck-model' });
  const State = model.lookupType('State');
  const stateOf = (data, id) => kindOf(id).value(data);
  const sameState = (one, other) => Buffer.compare(State.encode(State.fromObject(one)).finish(), State.encode(other).finish()) === 0;
  model.defaultValue = (id) => kindOf(id).make();

  function apply(update, ctx) {
    ctx.writeConsistency = CONSISTENCY[update.writeConsistency];
    kindOf(ctx.entityId).change(ctx.state, update);
  }

  model.commandHandlers = {
    Process({ id, actions }, ctx) {
      let isDeleted = false;
      for (const { action, update, forward, effect, fail } of actions) {
        if (action === 'update') apply(update, ctx);
        else if (action === 'delete') { ctx.delete(); isDeleted = true; }
        else if (action === 'forward') ctx.forward(CALL, { id: forward.id });
        else if (action === 'effect') ctx.effect(CALL, { id: effect.id }, effect.synchronous);
        else if (action === 'fail') ctx.fail(fail.message);
      }
      return isDeleted ? {} : { state: stateOf(ctx.state, id) };
    },

    ProcessStreamed({ id, endState, cancelUpdate, effects, initialUpdate, empty }, ctx) {
      if (initialUpdate) apply(initialUpdate, ctx);
      if (ctx.streamed) {
        ctx.onStateChange = (data, change) => {
          for (const effect of effects) change.effect(CALL, { id: effect.id }, effect.synchronous);
          const state = stateOf(data, id);
          if (endState && sameState(state, endState)) change.end();
          return empty ? undefined : { state };
        };
        if (cancelUpdate) ctx.onStreamCancel = (data, cancel) => apply(cancelUpdate, cancel);
      }
      return empty ? undefined : { state: stateOf(ctx.state, id) };
    },
  };

  const two = new Crdt(FILE, `${PACKAGE}.CrdtTwo`, { ...options, persistenceId: 'crdt-tck-model-two' });
  const configured = new Crdt(FILE, `${PACKAGE}.CrdtConfigured`, { ...options, persistenceId: 'crdt-configured', passivationTimeout: 100 });
  for (const entity of [two, configured]) entity.commandHandlers = { Call: () => ({}) };
  return [model, two, configured];
}

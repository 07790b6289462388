import { EventSourced } from '../../../support/node/src/index.js';

const FILE = 'cloudstate/tck/model/eventsourced.proto';
const PACKAGE = 'cloudstate.tck.model.eventsourced';
const CALL = `${PACKAGE}.EventSourcedTwo/Call`;

// An entity that answers and does nothing else.
export function idle(entity) {
  const Persisted = entity.lookupType(`${PACKAGE}.Persisted`);
  entity.initial = () => Persisted.create();
  entity.behavior = () => ({ commandHandlers: { Call: () => ({}) }, eventHandlers: {} });
  return entity;
}

export function eventSourced(options) {
  const model = new EventSourced(FILE, `${PACKAGE}.EventSourcedTckModel`, {
    ...options, persistenceId: 'event-sourced-tck-model', snapshotEvery: 5,
  });
  const Persisted = model.lookupType('Persisted');
  const Response = model.lookupType('Response');
  model.initial = () => Persisted.create({ value: '' });
  model.behavior = () => ({
    commandHandlers: {
      Process({ actions }, state, ctx) {
        const emitted = [];
        for (const { action, emit, forward, effect, fail } of actions) {
          if (action === 'emit') {
            ctx.emit(Persisted.create({ value: emit.value }));
            emitted.push(emit.value);
          } else if (action === 'forward') ctx.forward(CALL, { id: forward.id });
          else if (action === 'effect') ctx.effect(CALL, { id: effect.id }, effect.synchronous);
          else if (action === 'fail') ctx.fail(fail.message);
        }
        return Response.create({ message: state.value + emitted.join('') });
      },
    },
    eventHandlers: { Persisted: ({ value }, state) => Persisted.create({ value: state.value + value }) },
  });
  const two = new EventSourced(FILE, `${PACKAGE}.EventSourcedTwo`, { ...options, persistenceId: 'event-sourced-tck-model-two' });
  const configured = new EventSourced(FILE, `${PACKAGE}.EventSourcedConfigured`, {
    ...options, persistenceId: 'event-sourced-configured', passivationTimeout: 100,
  });
  return [model, idle(two), idle(configured)];
}

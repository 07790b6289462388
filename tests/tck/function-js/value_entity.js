import { ValueEntity } from '../../../support/node/src/index.js';

const FILE = 'cloudstate/tck/model/valueentity.proto';
const PACKAGE = 'cloudstate.tck.model.valueentity';
const CALL = `${PACKAGE}.ValueEntityTwo/Call`;

export function valueEntities(options) {
  const model = new ValueEntity(FILE, `${PACKAGE}.ValueEntityTckModel`, { ...options, persistenceId: 'value-entity-tck-model' });
  const Persisted = model.lookupType('Persisted');
  model.commandHandlers = {
    Process({ actions }, state, ctx) {
      for (const { action, update, forward, effect, fail } of actions) {
        if (action === 'update') ctx.updateState(Persisted.create({ value: update.value }));
        else if (action === 'delete') ctx.deleteState();
        else if (action === 'forward') ctx.forward(CALL, { id: forward.id });
        else if (action === 'effect') ctx.effect(CALL, { id: effect.id }, effect.synchronous);
        else if (action === 'fail') ctx.fail(fail.message);
      }
      return { message: ctx.getState()?.value ?? '' };
    },
  };
  const two = new ValueEntity(FILE, `${PACKAGE}.ValueEntityTwo`, { ...options, persistenceId: 'value-entity-tck-model-two' });
  const configured = new ValueEntity(FILE, `${PACKAGE}.ValueEntityConfigured`, {
    ...options, persistenceId: 'value-entity-configured', passivationTimeout: 100,
  });
  for (const entity of [two, configured]) entity.commandHandlers = { Call: () => ({}) };
  return [model, two, configured];
}

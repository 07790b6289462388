import { Action, EventSourced } from '../../../support/node/src/index.js';

const FILE = 'cloudstate/tck/model/eventlogeventing.proto';
const PACKAGE = 'cloudstate.tck.model.eventlogeventing';
const EFFECT = `${PACKAGE}.EventLogSubscriberModel/Effect`;

const idOf = (ctx) => ctx.cloudevent.subject;

// One step: a reply, or a forward to Effect.
function take({ step, reply, forward }, ctx) {
  if (step === 'forward') return ctx.forward(EFFECT, { id: idOf(ctx), message: forward.message });
  return { id: idOf(ctx), message: reply.message };
}

function emitting(service, options, commandHandlers, eventHandlers) {
  const entity = new EventSourced(FILE, `${PACKAGE}.${service}`, options);
  const State = entity.lookupType('Response'); // nothing is kept in it
  entity.initial = () => State.create();
  entity.behavior = () => ({ commandHandlers: commandHandlers(entity), eventHandlers });
  return entity;
}

// An object's type names its JSON; as a getter it is not part of it.
class JsonEvent {
  constructor(message) {
    this.message = message;
  }

  get type() {
    return 'JsonEvent';
  }
}

export function eventing(options) {
  const subscriber = new Action(FILE, `${PACKAGE}.EventLogSubscriberModel`, options);
  subscriber.commandHandlers = {
    ProcessEventOne: ({ step }, ctx) => take(step, ctx),
    async ProcessEventTwo({ step: steps }, ctx) {
      for (const step of steps) {
        const reply = take(step, ctx);
        if (step.step !== 'forward') await ctx.write(reply);
      }
    },
    ProcessAnyEvent: ({ message }, ctx) => ({ id: idOf(ctx), message }),
    Effect: ({ id, message }) => ({ id, message }),
  };
  const keep = (event, state) => state;
  const one = emitting('EventSourcedEntityOne', { ...options, persistenceId: 'eventlogeventing-one' }, (entity) => ({
    EmitEvent({ event, eventOne, eventTwo }, state, ctx) {
      const name = { eventOne: 'EventOne', eventTwo: 'EventTwo' }[event];
      if (!name) ctx.fail('no event is given');
      ctx.emit(entity.lookupType(name).create(eventOne ?? eventTwo));
      return {};
    },
  }), { EventOne: keep, EventTwo: keep });
  const two = emitting('EventSourcedEntityTwo', {
    ...options, persistenceId: 'eventlogeventing-two', serializeFallbackToJson: true,
  }, () => ({
    EmitJsonEvent({ message }, state, ctx) {
      ctx.emit(new JsonEvent(message));
      return {};
    },
  }), { JsonEvent: keep });
  return [subscriber, one, two];
}

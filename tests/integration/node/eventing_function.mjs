// The services of tests/fakes/headgate/test/eventing.proto. The view is this process's memory: it outlives
// gateways that are killed, and keeps every delivery in the order it came.
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Action, EventSourced, Headgate, ValueEntity } from '../../../support/node/src/index.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const FILE = 'headgate/test/eventing.proto';
const options = { includeDirs: [path.join(root, 'tests/fakes'), path.join(root, 'proto/idl')] };
// Always fails, and fails when it comes first.
const POISON = 666;
const SHY = 13;

const shop = new EventSourced(FILE, 'headgate.test.Shop', { ...options, persistenceId: 'test-shop' });
const Added = shop.lookupType('headgate.test.Added');
shop.initial = () => shop.lookupType('headgate.test.Sum').create();
shop.behavior = () => ({
  commandHandlers: {
    Add({ numbers }, state, ctx) {
      for (const number of numbers) ctx.emit(Added.create({ number }));
      return {};
    },
  },
  eventHandlers: { Added: (event, state) => state },
});

const seen = [];
const shied = new Set();
const view = new Action(FILE, 'headgate.test.View', options);
view.commandHandlers = {
  OnAdded({ number }, ctx) {
    const { subject: id, id: eventId } = ctx.cloudevent;
    if (number === POISON) throw new Error('poison');
    if (number === SHY && !shied.has(eventId)) {
      shied.add(eventId);
      throw new Error('not yet');
    }
    const { type, source, specversion, datacontenttype } = ctx.cloudevent;
    seen.push({ id, number, eventId, text: [type, source, specversion, datacontenttype].join(' ') });
    return {};
  },
  OnAnything(message, ctx) {
    seen.push({ id: 'outside', number: 0, eventId: ctx.cloudevent.id, text: JSON.stringify(message) });
    return {};
  },
  Seen: () => ({ seen }),
};

const relay = new Action(FILE, 'headgate.test.Relay', options);
relay.commandHandlers = {
  Tell: ({ number }, ctx) => ({ id: ctx.cloudevent.subject, number }),
  Announce: (notice) => notice,
};

const tally = new ValueEntity(FILE, 'headgate.test.Tally', { ...options, persistenceId: 'test-tally' });
const Sum = tally.lookupType('headgate.test.Sum');
tally.setCommandHandlers({
  Count({ number }, state, ctx) {
    const numbers = [...(state?.numbers ?? [])];
    if (!numbers.includes(number)) ctx.updateState(Sum.create({ numbers: [...numbers, number] }));
    return {};
  },
  Peek: (key, state) => ({ numbers: state?.numbers ?? [] }),
  Tell({ number }, state, ctx) {
    ctx.updateState(Sum.create({ numbers: [number] }));
    return { numbers: [number] };
  },
});

await new Headgate().addEntity([shop, view, relay, tally]).start();

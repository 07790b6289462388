// headgate.test.Sharing and headgate.test.Presence of tests/fakes/headgate/test/shared.proto.
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Crdt, Headgate, crdt } from '../../../support/node/src/index.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const options = (persistenceId) => ({
  persistenceId,
  includeDirs: [path.join(root, 'tests/fakes'), path.join(root, 'proto/idl')],
});
const sharing = new Crdt('headgate/test/shared.proto', 'headgate.test.Sharing', options('test-shared'));
const presence = new Crdt('headgate/test/shared.proto', 'headgate.test.Presence', options('test-presence'));
const connections = new Map();

// By id: "set..." is a set of the numbers that were added, "grow..." a counter that only grows.
sharing.defaultValue = (id) => {
  if (id.startsWith('set')) return new crdt.ORSet();
  return id.startsWith('grow') ? new crdt.GCounter() : new crdt.PNCounter();
};
const size = (state) => (state instanceof crdt.ORSet ? state.size : state.value);
sharing.commandHandlers = {
  Change(change, ctx) {
    if (change.forAll) ctx.writeConsistency = crdt.WriteConsistency.ALL;
    if (change.fail) ctx.fail(change.fail);
    if (ctx.state instanceof crdt.ORSet) {
      if (Number(change.add) > 0) ctx.state.add(String(change.add));
      if (Number(change.add) < 0) ctx.state.delete(String(-change.add));
    } else if (Number(change.add) !== 0) {
      ctx.state.increment(Number(change.add));
    }
    if (change.effect) ctx.effect('headgate.test.Sharing/Change', { id: change.effect, add: 1 });
    return { count: size(ctx.state) };
  },
  Remove(_, ctx) {
    ctx.delete();
    return { count: 0 };
  },
  Watch(_, ctx) {
    ctx.onStateChange = (state) => ({ count: state.value });
    return { count: ctx.state.value };
  },
};

const seen = (state) => ({ online: state.atLeastOne, voters: state.totalVoters });

presence.defaultValue = () => new crdt.Vote();
presence.commandHandlers = {
  Connect({ id }, ctx) {
    connections.set(id, (connections.get(id) ?? 0) + 1);
    ctx.onStreamCancel = (state) => {
      const left = connections.get(id) - 1;
      connections.set(id, left);
      if (left === 0) state.vote = false;
    };
    ctx.state.vote = true;
    return undefined;
  },
  Monitor(_, ctx) {
    ctx.onStateChange = seen;
    return seen(ctx.state);
  },
};

await new Headgate().addEntity(sharing).addEntity(presence).start();

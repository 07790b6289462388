// The types as an author uses them; tsc accepts this file, and only because of the lines that expect errors.
import { Action, Cloudstate, Crdt, EventSourced, Headgate, Metadata, ValueEntity, crdt } from 'headgate';

interface Cart { items: { productId: string; quantity: number }[] }

const cart = new EventSourced<Cart>(['cart.proto'], 'shop.Cart', { persistenceId: 'cart', snapshotEvery: 5, passivationTimeout: 1000 });
const Added = cart.lookupType('shop.Added');
cart.initial = () => ({ items: [] });
cart.behavior = (state) => ({
  commandHandlers: {
    async Add(command, current, ctx) {
      if (command.quantity < 1) ctx.fail('too few', 'INVALID_ARGUMENT');
      ctx.emit(Added.create({ productId: command.productId }));
      ctx.effect('shop.Mail/Send', { to: ctx.entityId }, true, { why: 'added' });
      ctx.replyMetadata.set('count', String(current.items.length + state.items.length));
      // @ts-expect-error a state of event sourced entities changes by events alone
      ctx.updateState(current);
      return {};
    },
  },
  eventHandlers: { Added: (event, current) => ({ items: [...current.items, event] }) },
});
// @ts-expect-error the state is a Cart
cart.initial = () => ({ things: [] });

const profile = new ValueEntity<{ name: string }>('profile.proto', 'shop.Profile');
profile.setInitial(async () => ({ name: '' })).setCommandHandlers({
  Rename(command, state, ctx) {
    ctx.updateState({ name: command.name + state.name });
    if (ctx.cancelled) ctx.deleteState();
  },
});

const presence = new Crdt<crdt.Vote>('presence.proto', 'shop.Presence');
presence.defaultValue = () => new crdt.Vote();
presence.commandHandlers = {
  Watch(command, ctx) {
    if (ctx.streamed && ctx.state) {
      ctx.state.vote = true;
      ctx.writeConsistency = 'MAJORITY';
      ctx.onStateChange = (state, change) => { if (state.all) change.end(); return { online: state.atLeastOne }; };
      ctx.onStreamCancel = (state) => { state.vote = false; };
    }
    return {};
  },
};
const map = new crdt.ORMap<string, crdt.GCounter>();
map.defaultValue = () => new crdt.GCounter();
map.get('a')?.increment(2n);
const names: string[] = [...new crdt.ORSet<string>(['a'])];
new crdt.LWWRegister('x').setWithClock('y', crdt.Clocks.CUSTOM, 5);

const steps = new Action('steps.proto', 'shop.Steps');
steps.commandHandlers = {
  unary: async (message: { text: string }) => ({ text: message.text }),
  async* out(message: { texts: string[] }) { for (const text of message.texts) yield { text }; },
};

const metadata = new Metadata({ a: 'b' });
const when: Date | undefined = metadata.cloudevent.time;

const server: Headgate = new Cloudstate({ serviceName: 'shop', protocolVersion: '0.2' });
server.addEntity(cart, profile, presence).addAction(steps);
const port: number = await server.start({ host: '127.0.0.1', port: 0 });
await server.shutdown({ graceMs: 10 });
// @ts-expect-error there is no such generation
new Headgate({ protocolVersion: '3' });
export { names, port, when };

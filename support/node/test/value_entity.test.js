import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ValueEntity } from '../src/index.js';
import { entityStream, protoDir, request, startFunction, textOf } from './proxy.js';

const SERVICE = 'headgate.test.Vault';

function vault(options = {}) {
  const entity = new ValueEntity('model.proto', SERVICE, { includeDirs: [protoDir], persistenceId: 'vault', ...options });
  const Kept = entity.lookupType('Kept');
  entity.initial = () => Kept.create({ texts: [] });
  entity.commandHandlers = {
    async Do({ steps }, state, ctx) {
      for (const step of steps) {
        const [verb, word] = step.split(' ');
        if (verb === 'put') ctx.updateState(Kept.create({ texts: [...(ctx.getState()?.texts ?? []), word] }));
        if (verb === 'drop') ctx.deleteState();
        if (verb === 'spoil') state.texts.push(word);
        if (verb === 'fail') ctx.fail(word, { code: 9 });
        if (verb === 'throw') throw new TypeError(word);
        if (verb === 'plain') ctx.updateState({ some: word });
        if (verb === 'effect') ctx.effect('headgate.test.Vault/Do', { text: word });
        if (verb === 'forward') ctx.forward('headgate.test.Vault/Do', { text: word });
      }
      return { text: (ctx.getState()?.texts ?? []).join(',') };
    },
  };
  return entity;
}

const kept = (...texts) => ({
  type_url: 'type.googleapis.com/headgate.test.Kept',
  value: Buffer.concat(texts.map((text) => Buffer.from([10, text.length, ...Buffer.from(text)]))),
});

describe('value entities', () => {
  let fn;
  before(async () => { fn = await startFunction([vault({ passivationTimeout: 100 })]); });
  after(() => fn.stop());

  const open = (state = {}) => entityStream(fn.valueEntity, SERVICE, { state });
  const act = async (stream, ...steps) => (await stream.command(1, 'Do', request('e1', '', steps))).reply;

  it('updates, reads and deletes', async () => {
    const stream = open();
    let reply = await act(stream);
    assert.equal(textOf(reply.client_action.reply.payload), '');
    assert.equal(reply.state_action, undefined);
    reply = await act(stream, 'put a');
    assert.deepEqual(reply.state_action.update.value, kept('a'));
    assert.equal(textOf((await act(stream)).client_action.reply.payload), 'a');
    reply = await act(stream, 'drop');
    assert.deepEqual(reply.state_action.delete, {});
    assert.equal(textOf((await act(stream)).client_action.reply.payload), '');
  });

  it('starts from what is stored', async () => {
    assert.equal(textOf((await act(open({ value: kept('d', 'e') }))).client_action.reply.payload), 'd,e');
  });

  for (const [steps, action] of [
    [['put a', 'put b'], { update: { value: kept('a', 'b') }, action: 'update' }],
    [['put a', 'drop'], { delete: {}, action: 'delete' }],
    [['put a', 'drop', 'put b'], { update: { value: kept('b') }, action: 'update' }],
  ]) {
    it(`sends the last of: ${steps}`, async () => {
      assert.deepEqual((await act(open(), ...steps)).state_action, action);
    });
  }

  it('changes nothing when it fails, and goes on', async () => {
    const stream = open({ value: kept('x') });
    for (const [steps, description] of [
      [['put a', 'effect z', 'fail no'], 'no'],
      [['put a', 'effect z', 'throw bang'], "Error handling command 'Do': TypeError: bang"],
      [['spoil y', 'throw bang'], "Error handling command 'Do': TypeError: bang"],
      [['plain y'], /serializeFallbackToJson/],
    ]) {
      const reply = await act(stream, ...steps);
      assert.match(reply.client_action.failure.description, description instanceof RegExp ? description : new RegExp(`^${description}$`));
      assert.equal(reply.state_action, undefined);
      assert.equal(reply.side_effects, undefined);
      assert.equal(textOf((await act(stream)).client_action.reply.payload), 'x');
    }
    assert.equal((await act(stream, 'fail no')).client_action.failure.status.code, 9);
    const { reply } = await stream.command(5, 'Nope', request('e1'));
    assert.equal(reply.client_action.failure.description, 'Unknown command named Nope');
  });

  it('forwards and has effects beside an update', async () => {
    const reply = await act(open(), 'put a', 'effect one', 'effect two', 'forward three');
    assert.equal(reply.client_action.forward.command_name, 'Do');
    assert.equal(reply.side_effects.length, 2);
    assert.ok(reply.state_action.update);
  });

  it('keeps JSON and primitives when that is wished for', async () => {
    const entity = vault({ serializeFallbackToJson: true, serializeAllowPrimitives: true });
    entity.initial = undefined;
    entity.commandHandlers.Do = (message, state, ctx) => {
      ctx.updateState(message.text === 'number' ? 3 : { b: 1, a: [state?.b ?? null], type: 'Thing' });
      return { text: JSON.stringify(state ?? null) };
    };
    const own = await startFunction([entity]);
    try {
      const stream = entityStream(own.valueEntity, SERVICE);
      const { reply } = await stream.command(1, 'Do', request('e1'));
      assert.equal(reply.state_action.update.value.type_url, 'json.cloudstate.io/Thing');
      const again = (await stream.command(2, 'Do', request('e1', 'number'))).reply;
      assert.equal(textOf(again.client_action.reply.payload), '{"a":[null],"b":1,"type":"Thing"}');
      assert.equal(again.state_action.update.value.type_url, 'p.cloudstate.io/double');
    } finally {
      await own.stop();
    }
  });

  it('ends a stream that brings an event', async () => {
    const stream = open();
    stream.send({ init: { service_name: SERVICE } });
    assert.equal((await stream.next()).failure.description, 'Init message received twice.');
    assert.equal(await stream.next(), undefined);
  });
});

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { EventSourced } from '../src/index.js';
import { Stream, entityStream, protoDir, request, startFunction, textOf } from './proxy.js';

const SERVICE = 'headgate.test.Log';

function logEntity(options = {}) {
  const entity = new EventSourced('model.proto', SERVICE, {
    includeDirs: [protoDir], persistenceId: 'log', snapshotEvery: 3, ...options,
  });
  const Said = entity.lookupType('headgate.test.Said');
  const Kept = entity.lookupType('Kept');
  entity.initial = async () => Kept.create({ texts: [] });
  entity.behavior = (state) => ({
    commandHandlers: {
      async Say({ text, steps }, kept, ctx) {
        await null;
        for (const step of steps) {
          const [verb, word] = step.split(' ');
          if (verb === 'emit') ctx.emit(Said.create({ text: word }));
          if (verb === 'fail') ctx.fail(word);
          if (verb === 'code') ctx.fail(word, 'NOT_FOUND', [Said.create({ text: 'detail' })]);
          if (verb === 'swallow') { try { ctx.fail(word); } catch { /* tries to go on */ } }
          if (verb === 'throw') throw new Error(word);
          if (verb === 'odd') throw { toString() { throw new Error('no text'); } }; // eslint-disable-line
          if (verb === 'reject') await Promise.reject(new Error(word));
          if (verb === 'forward') ctx.forward('headgate.test.Steps/Unary', { text: word });
          if (verb === 'effect') ctx.effect('headgate.test.Steps.Unary', { text: word }, true, { why: 'because' });
          if (verb === 'later') globalThis.late = ctx;
          if (verb === 'number') return 5;
          if (verb === 'nothing') return undefined;
          if (verb === 'meta') ctx.replyMetadata.set('saw', ctx.metadata.get('X-Word')[0]);
          if (verb === 'emitbad') ctx.emit({ plain: true });
        }
        return { text: `${kept.texts.join(',')}${text}` };
      },
      Clear() {},
    },
    eventHandlers: {
      Said({ text }, kept) {
        if (text === 'poison') throw new Error('cannot be applied');
        kept.texts.push(text);
        assert.equal(state, kept);
        return kept;
      },
    },
  });
  return entity;
}

const said = (text) => ({
  type_url: 'type.googleapis.com/headgate.test.Said', value: Buffer.concat([Buffer.from([10, text.length]), Buffer.from(text)]),
});

describe('event sourced entities', () => {
  let fn;
  before(async () => { fn = await startFunction([logEntity()]); });
  after(() => fn.stop());

  const open = (init) => entityStream(fn.eventSourced, SERVICE, init);
  const say = (stream, id, ...steps) => stream.command(id, 'Say', request('e1', '', steps));

  it('replies, emits and keeps the state', async () => {
    const stream = open();
    let { reply } = await say(stream, 1, 'emit a', 'emit b');
    assert.equal(reply.command_id, 1);
    assert.equal(textOf(reply.client_action.reply.payload), '');
    assert.deepEqual(reply.events.map(({ type_url: url, value }) => [url, value]),
      [said('a'), said('b')].map(({ type_url: url, value }) => [url, value]));
    assert.equal(reply.snapshot, undefined);
    ({ reply } = await say(stream, 2));
    assert.equal(textOf(reply.client_action.reply.payload), 'a,b');
  });

  it('makes a snapshot when a multiple is reached or crossed, after all events', async () => {
    const stream = open();
    await say(stream, 1, 'emit a', 'emit b');
    const { reply } = await say(stream, 2, 'emit c', 'emit d');
    assert.equal(reply.snapshot.type_url, 'type.googleapis.com/headgate.test.Kept');
    assert.deepEqual([...reply.snapshot.value], [10, 1, 97, 10, 1, 98, 10, 1, 99, 10, 1, 100]);
    assert.equal((await say(stream, 3, 'emit e')).reply.snapshot, undefined);
    assert.ok((await say(stream, 4, 'emit f')).reply.snapshot);
  });

  it('starts from a snapshot and events', async () => {
    const snapshot = { type_url: 'type.googleapis.com/headgate.test.Kept', value: Buffer.from([10, 1, 97]) };
    const stream = open({ snapshot: { snapshot_sequence: 4, snapshot } });
    stream.send({ event: { sequence: 5, payload: said('z') } });
    const { reply } = await say(stream, 1, 'emit y');
    assert.equal(textOf(reply.client_action.reply.payload), 'a,z');
    assert.ok(reply.snapshot, 'event 6');
  });

  it('fails on purpose, without events and effects, and goes on', async () => {
    const stream = open();
    for (const steps of [['emit a', 'effect x', 'fail no'], ['emit a', 'effect x', 'swallow no']]) {
      const { reply } = await say(stream, 1, ...steps);
      assert.deepEqual(reply.client_action.failure, { command_id: 1, description: 'no' });
      assert.equal(reply.events, undefined);
      assert.equal(reply.side_effects, undefined);
    }
    assert.equal(textOf((await say(stream, 2)).reply.client_action.reply.payload), '');
  });

  it('chooses the code and the details of a failure', async () => {
    const { reply: { client_action: { failure } } } = await say(open(), 1, 'code gone');
    assert.equal(failure.status.code, 5);
    assert.equal(failure.status.message, 'gone');
    assert.equal(failure.status.details[0].type_url, 'type.googleapis.com/headgate.test.Said');
  });

  for (const [step, text] of [
    ['throw bang', "Error handling command 'Say': Error: bang"],
    ['reject bang', "Error handling command 'Say': Error: bang"],
    ['odd', "Error handling command 'Say': something that cannot be printed was thrown"],
    ['emit poison', "Error handling command 'Say': Error: cannot be applied"],
    ['emitbad', /serializeFallbackToJson/],
    ['number', /the reply of Say must be an object with the fields of headgate.test.Response, and is a number/],
  ]) {
    it(`asks to be loaded again after: ${step}`, async () => {
      const stream = open();
      const { reply } = await say(stream, 7, 'emit a', step);
      const { failure } = reply.client_action;
      if (typeof text === 'string') assert.equal(failure.description, text);
      else assert.match(failure.description, text);
      assert.equal(failure.restart, true);
      assert.equal(failure.command_id, 7);
      assert.equal(reply.events, undefined);
      assert.equal((await say(stream, 8)).reply.client_action.failure.restart, true, 'until it is');
      assert.equal(await stream.half().next(), undefined);
    });
  }

  it('names a command that nobody handles', async () => {
    const stream = open();
    for (const name of ['Nope', 'constructor', 'toString']) {
      const { reply } = await stream.command(3, name, request('e1'));
      assert.deepEqual(reply.client_action.failure, { command_id: 3, description: `Unknown command named ${name}` });
    }
    assert.ok((await say(stream, 4)).reply.client_action.reply);
  });

  it('answers nothing with Empty where that is the reply, else with no action', async () => {
    const stream = open();
    const { reply } = await stream.command(1, 'Clear', request('e1'));
    assert.equal(reply.client_action.reply.payload.type_url, 'type.googleapis.com/google.protobuf.Empty');
    assert.equal((await say(stream, 2, 'nothing')).reply.client_action, undefined);
  });

  it('forwards, has effects, and carries metadata both ways', async () => {
    const stream = open();
    const { reply } = await say(stream, 1, 'effect one', 'effect two', 'forward three', 'emit a');
    assert.equal(reply.client_action.forward.service_name, 'headgate.test.Steps');
    assert.equal(reply.client_action.forward.command_name, 'Unary');
    assert.equal(reply.client_action.forward.payload.type_url, 'type.googleapis.com/headgate.test.Request');
    assert.equal(reply.events.length, 1);
    assert.deepEqual(reply.side_effects.map((effect) => [effect.service_name, effect.synchronous, effect.metadata.entries[0].key]),
      [['headgate.test.Steps', true, 'why'], ['headgate.test.Steps', true, 'why']]);
    const metadata = { entries: [{ key: 'x-word', string_value: 'seen' }] };
    const { reply: other } = await stream.command(2, 'Say', request('e1', '', ['meta']), { metadata });
    assert.equal(other.client_action.reply.metadata.entries[0].string_value, 'seen');
  });

  it('refuses a context whose command is done', async () => {
    await say(open(), 1, 'later');
    assert.throws(() => globalThis.late.emit({}), /can no longer be used/);
    delete globalThis.late;
  });

  for (const [name, messages, text] of [
    ['two inits', [{ init: { service_name: SERVICE } }, { init: { service_name: SERVICE } }], 'Init message received twice.'],
    ['no init', [{ command: { id: 1, name: 'Say' } }], 'Unknown message received before init'],
    ['an unknown service', [{ init: { service_name: 'no.Such' } }], "Service 'no.Such' unknown."],
    ['an empty message', [{}], 'Empty or unknown message received'],
    ['an unknown event', [{ init: { service_name: SERVICE } }, { event: { sequence: 1, payload: { type_url: 'x/y.Z' } } }],
      "Fatal error handling message: Error: No handler found for event 'y.Z'"],
  ]) {
    it(`ends a stream with ${name}`, async () => {
      const bare = new Stream(fn.eventSourced.handle());
      for (const message of messages) bare.send(message);
      assert.equal((await bare.next()).failure.description, text);
      assert.equal(await bare.next(), undefined);
    });
  }

  it('hears of a caller that has gone while a handler hangs', async () => {
    const entity = logEntity({ persistenceId: 'hanging' });
    let heard;
    const hangs = new Promise((resolve) => { heard = resolve; });
    entity.behavior = () => ({ commandHandlers: { Say(message, state, ctx) {
      ctx.signal.addEventListener('abort', () => heard(ctx.cancelled));
      return new Promise(() => {});
    } } });
    const own = await startFunction([entity]);
    try {
      const stream = entityStream(own.eventSourced, SERVICE);
      stream.send({ command: { id: 1, name: 'Say', payload: request('e1') } });
      const other = entityStream(own.eventSourced, SERVICE); // another entity is served all the same
      assert.ok((await other.command(1, 'Nope', request('e1'))).reply);
      stream.call.cancel();
      assert.equal(await hangs, true);
    } finally {
      await own.stop();
    }
  });

  it('fails the way of protocol 0.1 when that is asked for', async () => {
    const own = await startFunction([logEntity()], { protocolVersion: '0.1' });
    try {
      const stream = entityStream(own.eventSourced, SERVICE);
      assert.deepEqual((await say(stream, 1, 'fail no')).failure, { command_id: 1, description: 'no' });
      assert.ok((await say(stream, 2)).reply, 'the entity goes on');
      assert.match((await say(stream, 3, 'throw bang')).failure.description, /bang/);
      assert.equal(await stream.next(), undefined);
    } finally {
      await own.stop();
    }
  });
});

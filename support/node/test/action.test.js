import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Action } from '../src/index.js';
import { Stream, protoDir, request, startFunction, textOf, unary } from './proxy.js';

const SERVICE = 'headgate.test.Steps';

const target = 'headgate.test.Steps/Unary';

function unarySteps({ text, steps }, ctx) {
  for (const step of steps) {
    const [verb, word] = step.split(' ');
    if (verb === 'effect') ctx.effect(target, { text: word }, word === 'sync');
    if (verb === 'forward') ctx.forward(target, { text: word });
    if (verb === 'fail') ctx.fail(word);
    if (verb === 'throw') throw new Error(word);
    if (verb === 'nothing') return undefined;
  }
  return { text: `re ${text}` };
}

// The same words for a stream that goes on.
function streamSteps({ text, steps }, ctx) {
  let isDone = false;
  for (const step of steps) {
    const [verb, word] = step.split(' ');
    if (verb === 'effect') ctx.effect(target, { text: word });
    if (verb === 'throw') throw new Error(word);
    if (verb === 'forward') ctx.forward(target, { text: word });
    if (verb === 'fail') ctx.fail(word);
    isDone ||= verb !== 'effect';
  }
  if (!isDone) ctx.write(text ? { text: `re ${text}` } : undefined);
}

function action(handlers = {}) {
  const made = new Action('model.proto', SERVICE, {
    includeDirs: [protoDir], serializeFallbackToJson: true, serializeAllowPrimitives: true,
  });
  made.commandHandlers = {
    Unary: async (message, ctx) => unarySteps(message, ctx),
    async In(ctx) {
      const texts = [];
      for await (const message of ctx) {
        texts.push(message.text);
        for (const step of message.steps) {
          const [verb, word] = step.split(' ');
          if (verb === 'effect') ctx.effect(target, { text: word });
          if (verb === 'forward') ctx.forward(target, { text: word });
          if (verb === 'fail') ctx.fail(word);
        }
      }
      return texts.length > 0 ? { text: texts.join(',') } : undefined;
    },
    async* Out({ text, steps }, ctx) {
      for (const step of steps) {
        if (step === 'throw') throw new Error('bang');
        ctx.effect(target, { text: step });
        yield { text: `${text} ${step}` };
      }
    },
    Both(ctx) {
      ctx.on('data', (message) => streamSteps(message, ctx));
    },
    Whatever: (value) => value,
    ...handlers,
  };
  return made;
}

const command = (name, payload, rest = {}) => ({ service_name: SERVICE, name, payload, ...rest });

async function all(stream) {
  const messages = [];
  for (let message = await stream.next(); message; message = await stream.next()) messages.push(message);
  return messages;
}

const show = (response) => [
  response.reply ? textOf(response.reply.payload) : response.failure?.description ?? response.forward?.command_name,
  (response.side_effects ?? []).length,
];

describe('actions', () => {
  let fn;
  before(async () => { fn = await startFunction([action()]); });
  after(() => fn.stop());

  for (const [steps, shown] of [
    [[], ['re t', 0]],
    [['effect a', 'effect sync', 'effect b'], ['re t', 3]],
    [['nothing'], [undefined, 0]],
    [['effect a', 'nothing'], [undefined, 1]],
    [['effect a', 'forward b'], ['Unary', 1]],
    [['effect a', 'fail no'], ['no', 1]],
    [['throw bang'], ["Error handling command 'Unary': Error: bang", 0]],
  ]) {
    it(`unary: ${steps}`, async () => {
      const response = await unary(fn.actions, 'handleUnary', command('Unary', request('', 't', steps)));
      assert.deepEqual(show(response), shown);
      if (steps.includes('effect sync')) {
        assert.deepEqual(response.side_effects.map(({ synchronous }) => synchronous ?? false), [false, true, false]);
      }
    });
  }

  it('names what is unknown or does not fit', async () => {
    for (const [message, text] of [
      [command('Nope'), 'Unknown command named Nope'],
      [{ service_name: 'no.Such', name: 'Unary' }, "Service 'no.Such' unknown."],
      [command('Unary', { type_url: 'type.googleapis.com/headgate.test.Response', value: Buffer.alloc(0) }), /takes a headgate.test.Request/],
      [command('Unary', { type_url: 'type.googleapis.com/headgate.test.Request', value: Buffer.from([0xff]) }), /Error handling command 'Unary'/],
    ]) {
      const { failure } = await unary(fn.actions, 'handleUnary', message);
      assert.match(failure.description, text instanceof RegExp ? text : new RegExp(`^${text}$`));
    }
  });

  for (const [name, payload] of [
    ['JSON', { type_url: 'json.cloudstate.io/object', value: Buffer.from('\x0a\x07{"a":1}') }],
    ['a primitive', { type_url: 'p.cloudstate.io/string', value: Buffer.from('\x0a\x02hi') }],
    ['a message', request('i', 'x')],
  ]) {
    it(`takes and gives ${name} as Any`, async () => {
      const { reply } = await unary(fn.actions, 'handleUnary', command('Whatever', payload));
      assert.deepEqual(reply.payload, payload);
    });
  }

  for (const [name, inputs, shown] of [
    ['nothing at all', [], [undefined, 0]],
    ['two messages', [['a', ['effect x']], ['b', ['effect y']]], ['a,b', 2]],
    ['a forward', [['a', ['effect x', 'forward y']]], ['Unary', 1]],
    ['a failure', [['a', ['effect x']], ['b', ['fail no']]], ['no', 1]],
  ]) {
    it(`streamed in: ${name}`, async () => {
      const response = await new Promise((resolve, reject) => {
        const call = fn.actions.handleStreamedIn((error, reply) => (error ? reject(error) : resolve(reply)));
        call.write(command('In'));
        for (const [text, steps] of inputs) call.write({ payload: request('', text, steps) });
        call.end();
      });
      assert.deepEqual(show(response), shown);
    });
  }

  it('streamed out: a generator', async () => {
    const stream = new Stream(fn.actions.handleStreamedOut(command('Out', request('', 't', ['a', 'b']))));
    assert.deepEqual((await all(stream)).map(show), [['t a', 1], ['t b', 1]]);
  });

  it('streamed out: a generator that throws', async () => {
    const stream = new Stream(fn.actions.handleStreamedOut(command('Out', request('', 't', ['a', 'throw']))));
    assert.deepEqual((await all(stream)).map(show), [['t a', 1], ["Error handling command 'Out': Error: bang", 0]]);
  });

  it('streamed both ways: one response for each message', async () => {
    const stream = new Stream(fn.actions.handleStreamed());
    stream.send(command('Both'));
    for (const [text, steps, shown] of [
      ['a', [], ['re a', 0]],
      ['b', ['effect x', 'effect y'], ['re b', 2]],
      ['', ['effect x'], [undefined, 1]],
      ['', ['effect x', 'forward y'], ['Unary', 1]],
      ['', ['effect x', 'fail no'], ['no', 1]],
      ['c', [], ['re c', 0]],
    ]) {
      stream.send({ payload: request('', text, steps) });
      assert.deepEqual(show(await stream.next()), shown);
    }
    stream.half();
    assert.equal(await stream.next(), undefined);
  });

  it('streamed both ways: a listener that throws ends the stream with its text', async () => {
    const stream = new Stream(fn.actions.handleStreamed());
    stream.send(command('Both')).send({ payload: request('', '', ['throw bang']) });
    assert.deepEqual(show(await stream.next()), ["Error handling command 'Both': Error: bang", 0]);
    assert.equal(await stream.next(), undefined);
  });

  it('streamed: context.end, the "end" and "cancelled" events, context.cancel', async () => {
    let cancelled;
    const gone = new Promise((resolve) => { cancelled = resolve; });
    const own = await startFunction([action({
      In: (ctx) => {
        let count = 0;
        ctx.on('data', () => { count += 1; });
        ctx.on('end', async () => ({ text: `${count}` }));
      },
      Out: ({ text }, ctx) => {
        ctx.on('cancelled', () => cancelled(ctx.cancelled));
        ctx.write({ text });
        if (text === 'end') ctx.end();
        if (text === 'cancel') setImmediate(() => ctx.cancel());
      },
    })]);
    try {
      const counted = await new Promise((resolve, reject) => {
        const call = own.actions.handleStreamedIn((error, reply) => (error ? reject(error) : resolve(reply)));
        call.write(command('In'));
        call.write({ payload: request('', 'x') });
        call.end({ payload: request('', 'x') });
      });
      assert.deepEqual(show(counted), ['2', 0]);
      const ending = new Stream(own.actions.handleStreamedOut(command('Out', request('', 'end'))));
      assert.deepEqual((await all(ending)).map(show), [['end', 0]]);
      const broken = new Stream(own.actions.handleStreamedOut(command('Out', request('', 'cancel'))));
      assert.equal((await broken.status).code, 1);
      const left = new Stream(own.actions.handleStreamedOut(command('Out', request('', 'wait'))));
      assert.deepEqual(show(await left.next()), ['wait', 0]);
      left.call.cancel();
      assert.equal(await gone, true);
    } finally {
      await own.stop();
    }
  });
});

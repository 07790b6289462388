import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Crdt, crdt } from '../src/index.js';
import { entityStream, protoDir, request, startFunction, textOf } from './proxy.js';

const SERVICE = 'headgate.test.Shared';

const TYPES = {
  GCounter: () => new crdt.GCounter(), PNCounter: () => new crdt.PNCounter(), GSet: () => new crdt.GSet(),
  ORSet: () => new crdt.ORSet(), Flag: () => new crdt.Flag(), Vote: () => new crdt.Vote(),
  LWWRegister: () => new crdt.LWWRegister(''), ORMap: () => new crdt.ORMap(), None: () => null,
};

const show = (state) => ({
  gcounter: () => String(state.longValue), pncounter: () => String(state.longValue), gset: () => [...state].join(),
  orset: () => [...state].join(), flag: () => String(state.value), lwwregister: () => String(state.value),
  vote: () => `${state.vote}/${state.votesFor}/${state.totalVoters}`,
  ormap: () => [...state].map(([key, value]) => `${key}=${show(value)}`).sort().join(),
})[state?.kind]?.() ?? 'none';

// Each step is a line of JavaScript on the state.
function shared() {
  const entity = new Crdt('model.proto', SERVICE, { includeDirs: [protoDir], persistenceId: 'shared' });
  entity.defaultValue = (id) => TYPES[id.split('-')[0]]();
  const run = async ({ steps }, ctx) => {
    for (const step of steps) await new Function('state', 'ctx', 'crdt', step)(ctx.state, ctx, crdt);
    return { text: show(ctx.state) };
  };
  entity.commandHandlers = {
    Do: run,
    async Watch(message, ctx) {
      if (message.text !== 'once') {
        ctx.onStateChange = (state, change) => {
          if (show(state) === 'spoil') state.value = 'spoilt';
          if (show(state) === 'effect') change.effect('headgate.test.Shared/Do', {});
          if (show(state) === 'end') change.end();
          if (show(state) === 'fail') change.fail('enough');
          if (show(state) === 'silent') return undefined;
          return { text: `now ${show(state)}` };
        };
        ctx.onStreamCancel = (state, end) => {
          if (message.text === 'throw') throw new Error('bang');
          if (state.kind === 'vote') state.vote = false;
          if (message.text === 'delete') end.delete();
        };
      }
      const reply = await run(message, ctx);
      return message.text === 'empty' ? undefined : reply;
    },
  };
  return entity;
}

const text = (word) => ({ type_url: 'p.cloudstate.io/string', value: Buffer.from([10, word.length, ...Buffer.from(word)]) });
// A delta without what is not set, its Anys as their text.
const plain = (delta) => JSON.parse(JSON.stringify(delta, (key, value) => {
  if (value === false || value === 0 || value === 'DEFAULT') return undefined;
  if (value?.type_url !== undefined) return Buffer.from(value.value).toString('latin1').slice(2);
  return ['delta', 'action'].includes(key) && typeof value === 'string' ? undefined : value;
}));

describe('CRDTs', () => {
  let fn;
  before(async () => { fn = await startFunction([shared()]); });
  after(() => fn.stop());

  const open = (type, init = {}) => entityStream(fn.crdt, SERVICE, { entity_id: `${type}-1`, ...init });
  let id = 0;
  const act = async (stream, ...steps) => {
    id += 1;
    const { reply } = await stream.command(id, 'Do', request('x', '', steps));
    return [reply.client_action.reply ? textOf(reply.client_action.reply.payload) : reply.client_action.failure.description,
      reply.state_action ? plain(reply.state_action.update ?? { deleted: true }) : undefined];
  };

  // Type, steps, what it then is, the delta of the steps; a delta from the proxy, what it then is.
  for (const [type, first, steps, value, delta, incoming, after_] of [
    ['GCounter', '0', ['state.increment(3)', 'state.increment(2n)'], '5', { gcounter: { increment: 5 } }, { gcounter: { increment: 2 } }, '7'],
    ['PNCounter', '0', ['state.increment()', 'state.decrement(4)'], '-3', { pncounter: { change: -3 } }, { pncounter: { change: 2 } }, '-1'],
    ['GSet', '', ['state.add("a").add("a").add("b")'], 'a,b', { gset: { added: ['a', 'b'] } }, { gset: { added: [text('c')] } }, 'a,b,c'],
    ['ORSet', '', ['state.add("a").add("b")'], 'a,b', { orset: { added: ['a', 'b'] } }, { orset: { removed: [text('a')], added: [text('c')] } }, 'b,c'],
    ['Flag', 'false', ['state.enable()'], 'true', { flag: { value: true } }, { flag: { value: true } }, 'true'],
    ['Vote', 'false/0/1', ['state.vote = true'], 'true/1/1', { vote: { self_vote: true } },
      { vote: { self_vote: true, votes_for: 2, total_voters: 3 } }, 'true/2/3'],
    ['LWWRegister', '', ['state.value = "v"'], 'v', { lwwregister: { value: 'v' } }, { lwwregister: { value: text('w') } }, 'w'],
    ['ORMap', '', ['state.set("a", new crdt.GCounter())', 'state.set("b", new crdt.Flag()).get("b").enable()'], 'a=0,b=true',
      { ormap: { added: [{ key: 'a', delta: { gcounter: {} } }, { key: 'b', delta: { flag: { value: true } } }] } },
      { ormap: { updated: [{ key: text('a'), delta: { gcounter: { increment: 2 } } }], removed: [text('b')], added: [{ key: text('c'), delta: { vote: {} } }] } },
      'a=2,c=false/0/0'],
  ]) {
    it(`${type}: changes of its own and of others`, async () => {
      const stream = open(type);
      const [shown, created] = await act(stream);
      assert.equal(shown, first);
      if (type !== 'LWWRegister') assert.equal(created, undefined);
      else assert.ok(created, 'reading creates a register');
      assert.deepEqual(await act(stream, ...steps), [value, delta]);
      assert.deepEqual(await act(stream), [value, undefined]);
      stream.send({ delta: incoming });
      assert.deepEqual(await act(stream), [after_, undefined]);
      const [failed] = await act(stream, ...steps, 'ctx.fail("no")');
      assert.equal(failed, 'no');
      assert.deepEqual(await act(stream), [after_, undefined], 'a failure changes nothing');
      const [thrown] = await act(stream, ...steps, 'throw new Error("bang")');
      assert.equal(thrown, "Error handling command 'Do': Error: bang");
      assert.deepEqual(await act(stream), [after_, undefined]);
    });

    it(`${type}: starts from a delta, at once or a little later`, async () => {
      const whole = type === 'ORMap' ? { ormap: { added: incoming.ormap.added } } : incoming;
      const expected = (await act(open(type, { delta: whole })))[0];
      const stream = open(type);
      stream.send({ delta: whole });
      assert.equal((await act(stream))[0], expected);
      assert.deepEqual(await act(open(type, { delta: whole }), 'ctx.delete()'), [expected, { deleted: true }]);
    });
  }

  it('ORSet: clears, removes and adds again', async () => {
    const stream = open('ORSet', { delta: { orset: { added: [text('a'), text('b'), text('c')] } } });
    assert.deepEqual(await act(stream, 'state.delete("a")'), ['b,c', { orset: { removed: ['a'] } }]);
    assert.deepEqual(await act(stream, 'state.delete("b")', 'state.add("b")'), ['c,b', undefined]);
    assert.deepEqual(await act(stream, 'state.clear()', 'state.add("d")'), ['d', { orset: { cleared: true, added: ['d'] } }]);
    assert.deepEqual(await act(stream, 'state.add("e")', 'state.clear()', 'throw 1'), ["Error handling command 'Do': 1", undefined]);
    assert.deepEqual(await act(stream, 'state.delete("d")'), ['', { orset: { cleared: true } }]);
  });

  it('ORMap: updates, replaces, clears; an object to look at it', async () => {
    const counter = (n) => ({ gcounter: { increment: n } });
    const stream = open('ORMap', { delta: { ormap: { added: [{ key: text('a'), delta: counter(1) }, { key: text('b'), delta: counter(2) }] } } });
    assert.deepEqual(await act(stream, 'state.asObject.a.increment(4)'), ['a=5,b=2', { ormap: { updated: [{ key: 'a', delta: counter(4) }] } }]);
    assert.deepEqual(await act(stream, 'state.set("a", new crdt.Flag())'),
      ['a=false,b=2', { ormap: { removed: ['a'], added: [{ key: 'a', delta: { flag: {} } }] } }]);
    assert.deepEqual(await act(stream, 'state.delete("a")'), ['b=2', { ormap: { removed: ['a'] } }]);
    assert.deepEqual(await act(stream, 'state.clear()'), ['', { ormap: { cleared: true } }]);
    assert.deepEqual(await act(stream, 'state.defaultValue = () => new crdt.GCounter()', 'state.get("z").increment()'),
      ['z=1', { ormap: { added: [{ key: 'z', delta: counter(1) }] } }]);
  });

  it('LWWRegister: every clock', async () => {
    const stream = open('LWWRegister');
    for (const [call, clock] of [
      ['state.setWithClock("r", crdt.Clocks.REVERSE)', { clock: 'REVERSE' }],
      ['state.setWithClock("c", crdt.Clocks.CUSTOM, 12)', { clock: 'CUSTOM', custom_clock_value: 12 }],
      ['state.setWithClock("i", "CUSTOM_AUTO_INCREMENT", 13n)', { clock: 'CUSTOM_AUTO_INCREMENT', custom_clock_value: 13 }],
    ]) {
      const [, { lwwregister: { value, ...rest } }] = await act(stream, call);
      assert.equal(value, call.split('"')[1]);
      assert.deepEqual(rest, clock);
    }
  });

  for (const [type, step, message] of [
    ['GCounter', 'state.increment(-3)', /Cannot decrement a GCounter, requested amount was -3/],
    ['GCounter', 'state.increment(1.5)', /not a whole number/],
    ['GCounter', 'ctx.state = new crdt.Flag()', /Cannot create a new CRDT/],
    ['None', 'ctx.state = {}', /replicated data types/],
    ['None', 'ctx.delete()', /has not been created/],
    ['None', 'ctx.onStateChange = () => {}', /not streamed/],
    ['None', 'ctx.writeConsistency = "SOME"', /not a write consistency/],
  ]) {
    it(`refuses ${step}`, async () => assert.match((await act(open(type), step))[0], message));
  }

  it('is created by a command, and not when that fails', async () => {
    const stream = open('None');
    assert.equal((await act(stream, 'ctx.state = new crdt.GCounter()', 'ctx.fail("no")'))[0], 'no');
    assert.equal((await act(stream))[0], 'none');
    assert.deepEqual(await act(stream, 'ctx.state = new crdt.GCounter(); ctx.state.increment(2)'), ['2', { gcounter: { increment: 2 } }]);
    assert.equal((await act(stream, 'ctx.delete()'))[1].deleted, true);
    assert.equal((await act(stream))[0], 'Entity deleted');
  });

  it('ends the stream of what others deleted', async () => {
    const stream = open('GCounter');
    stream.send({ delete: {} });
    assert.equal(await stream.next(), undefined);
  });

  for (const [given, sent] of [['"LOCAL"', 'LOCAL'], ['crdt.WriteConsistency.MAJORITY', 'MAJORITY'], ['"ALL"', 'ALL']]) {
    it(`writes with consistency ${given}`, async () => {
      const { reply } = await open('Flag').command(1, 'Do', request('x', '', ['state.enable()', `ctx.writeConsistency = ${given}`]));
      assert.equal(reply.state_action.write_consistency, sent);
    });
  }

  // -- streamed commands --------------------------------------------------------------------------

  const watch = (stream, number, word = '', ...steps) =>
    stream.command(number, 'Watch', request('x', word, steps), { streamed: true });

  it('tells those who watch of every change, after the reply of who made it', async () => {
    const stream = open('GCounter');
    assert.equal((await watch(stream, 1)).reply.streamed, true);
    assert.equal((await watch(stream, 2, 'once')).reply.streamed, false);
    const third = await watch(stream, 3, 'empty', 'state.increment(1)');
    assert.equal(third.reply.client_action, undefined);
    let message = (await stream.next()).streamed_message;
    assert.deepEqual([message.command_id, textOf(message.client_action.reply.payload)], [1, 'now 1']);
    stream.send({ delta: { gcounter: { increment: 4 } } });
    for (const watcher of [1, 3]) {
      message = (await stream.next()).streamed_message;
      assert.deepEqual([message.command_id, textOf(message.client_action.reply.payload)], [watcher, 'now 5']);
    }
  });

  it('ends, fails, has effects or says nothing, as the callback wishes', async () => {
    const stream = open('LWWRegister');
    for (const [number, value] of [[1, 'end'], [2, 'fail'], [3, 'spoil']]) {
      await watch(stream, number);
      stream.send({ delta: { lwwregister: { value: text(value) } } });
      const { streamed_message: message } = await stream.next();
      assert.equal(message.command_id, number);
      assert.equal(message.end_stream, true);
      if (value === 'fail') assert.equal(message.client_action.failure.description, 'enough');
      if (value === 'spoil') assert.match(message.client_action.failure.description, /may only look at it/);
    }
    assert.equal((await act(stream))[0], 'spoil', 'and was not changed');
    await watch(stream, 4);
    stream.send({ delta: { lwwregister: { value: text('silent') } } });
    stream.send({ delta: { lwwregister: { value: text('effect') } } });
    const { streamed_message: message } = await stream.next();
    assert.equal(message.side_effects.length, 1);
  });

  it('answers a cancelled stream, with what it changes', async () => {
    const stream = open('Vote');
    await watch(stream, 1);
    await watch(stream, 2, 'empty', 'state.vote = true');
    assert.equal(textOf((await stream.next()).streamed_message.client_action.reply.payload), 'now true/1/1');
    stream.send({ stream_cancelled: { entity_id: 'Vote-1', id: 2 } });
    const { stream_cancelled_response: response } = await stream.next();
    assert.equal(response.command_id, 2);
    assert.deepEqual(plain(response.state_action.update), { vote: {} });
    assert.equal(textOf((await stream.next()).streamed_message.client_action.reply.payload), 'now false/0/1');
  });

  for (const [name, word] of [['whose callback throws', 'throw'], ['that has no callback', 'once']]) {
    it(`answers a cancelled stream ${name}`, async () => {
      const stream = open('Flag');
      await watch(stream, 1, word);
      stream.send({ stream_cancelled: { entity_id: 'Flag-1', id: 1 } });
      assert.deepEqual((await stream.next()).stream_cancelled_response, { command_id: 1 });
      assert.equal((await act(stream))[0], 'false');
    });
  }

  it('deletes when a stream is cancelled', async () => {
    const stream = open('Flag');
    await watch(stream, 1, 'delete');
    stream.send({ stream_cancelled: { entity_id: 'Flag-1', id: 1 } });
    assert.ok((await stream.next()).stream_cancelled_response.state_action.delete);
  });

  for (const [name, message] of [['of another type', { flag: { value: true } }], ['of no type', {}]]) {
    it(`ends a stream with a delta ${name}`, async () => {
      const stream = open('GCounter', { delta: { gcounter: { increment: 1 } } });
      stream.send({ delta: message });
      assert.match((await stream.next()).failure.description, /^Fatal error handling message/);
      assert.equal(await stream.next(), undefined);
    });
  }
});

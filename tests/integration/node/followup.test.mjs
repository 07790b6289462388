// What a reply asks for beside an answer: side effects in order, forwards, and what becomes of both when something
// fails or somebody leaves. The function is scripted.mjs, whose log is the order in which things reached it.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { World, call, freePort, grpc, metric, waitFor } from './harness.mjs';
import { ACTION, EVENT_SOURCED, Scripted, compile, saying, source } from './scripted.mjs';

const world = new World();
after(() => world.end());
const dir = path.join(world.dir, 'proto');
const { status } = grpc;

const SERVICES = `
service Thing { rpc Do(Say) returns (Said); }
service Second { rpc Do(Say) returns (Said); }
service Act {
  rpc Unary(Say) returns (Said);
  rpc Strange(Say) returns (Other);
  rpc Out(Say) returns (stream Said);
  rpc In(stream Say) returns (Said);
  rpc Both(stream Say) returns (stream Said);
}`;
const ENTITIES = [[EVENT_SOURCED, 'scripted.Thing', 'thing'], [EVENT_SOURCED, 'scripted.Second', 'second'], [ACTION, 'scripted.Act']];

let fn;
let port;
let gateway;
let act;
let thing;
let ids = 0;

before(async () => {
  port = await freePort();
  fn = await new Scripted({ proto: compile(dir, source(SERVICES)), entities: ENTITIES }).listen(port);
  gateway = await world.gateway({ functionPort: port, env: { HEADGATE_FOLLOWUP_MAX_RUNNING: '20' } });
  act = world.client(gateway, path.join(dir, 'scripted.proto'), 'scripted.Act');
  thing = world.client(gateway, path.join(dir, 'scripted.proto'), 'scripted.Thing');
});
after(() => fn.kill());

const fresh = () => { fn.log.length = 0; fn.reports.length = 0; ids += 1; return `id-${ids}`; };
const begun = (...lines) => waitFor(lines.join(', '), () => lines.every((line) => fn.log.includes(line)) || assert.fail(JSON.stringify(fn.log)));
const commands = () => fn.log.filter((line) => !line.startsWith('init '));
const collect = (stream) => new Promise((resolve) => {
  const texts = [];
  stream.on('data', ({ text }) => texts.push(text));
  stream.on('error', (error) => resolve({ texts, code: error.code, details: error.details }));
  stream.on('end', () => resolve({ texts, code: status.OK }));
});
// Whether it is open still after the gateway had time to answer others.
async function isPending(promise) {
  let isOver = false;
  const end = () => { isOver = true; };
  promise.then(end, end);
  for (let n = 0; n < 3; n += 1) await fetch(`${gateway.admin}/status`);
  return !isOver;
}

// From an action and from an entity alike.
const callers = { action: (id, script) => call(act, 'Unary', saying(id, script)), entity: (id, script) => call(thing, 'Do', saying(id, script)) };

for (const [kind, ask] of Object.entries(callers)) {
  describe(`effects of an ${kind}`, () => {
    it('run in their order, synchronous ones with everything that follows from them, and the answer is last', async () => {
      const id = fresh();
      const answer = ask(id, {
        reply: 'answer',
        effects: [
          { to: 'Act.Unary', script: { name: 'a' } },
          {
            to: 'Second.Do', sync: true, script: {
              name: 'b',
              effects: [{ to: 'Act.Unary', sync: true, script: { name: 'c', gate: `c${id}` } }],
              forward: { to: 'Act.Unary', script: { name: 'd', gate: `d${id}` } },
            },
          },
          { to: 'Act.Unary', script: { name: 'e', gate: `e${id}` } },
          { to: 'Act.Out', sync: true, script: { name: 'f', results: [{ reply: '1' }, { reply: '2', gate: `f${id}` }] } },
        ],
      });
      const order = [];
      for (const [gate, line, not] of [['c', 'Act.Unary c', 'Act.Unary d'], ['d', 'Act.Unary d', 'Act.Unary e'], ['f', 'Act.Out result 1']]) {
        await begun(line);
        assert.ok(await isPending(answer));
        if (not) assert.ok(!fn.log.includes(not), `${not} does not run yet`);
        order.push(line);
        fn.open(`${gate}${id}`);
      }
      assert.equal((await answer).text, 'answer');
      assert.ok(!fn.log.includes('Act.Unary e over'), 'an asynchronous effect is not waited for');
      fn.open(`e${id}`);
      const at = (line) => fn.log.indexOf(line);
      await begun('Act.Unary a over', 'Act.Unary e over');
      assert.ok(at('Second.Do b over') < at('Act.Unary c') && at('Act.Unary c over') < at('Act.Unary d')
        && at('Act.Unary d over') < at('Act.Unary e') && at('Act.Unary e') < at('Act.Out result 1'), JSON.stringify(fn.log));
    });

    const effects = [{ to: 'Second.Do', sync: true, script: { name: 'effect' } }];
    it('run beside a failure, a forward and no answer at all', async () => {
      await assert.rejects(ask(fresh(), { fail: 'no', code: 9, effects }), (error) => error.code === 9 && error.details === 'no');
      assert.ok(fn.log.includes('Second.Do effect over'));
      assert.equal((await ask(fresh(), { forward: { to: 'Act.Unary', script: { name: 'target', reply: 'forwarded' } }, effects })).text, 'forwarded');
      assert.ok(fn.log.indexOf('Second.Do effect over') < fn.log.indexOf('Act.Unary target'));
      await assert.rejects(ask(fresh(), { reply: null, effects }), (error) => error.code === status.INTERNAL && /without a payload/.test(error.details));
      assert.ok(fn.log.includes('Second.Do effect over'));
    });

    // what, the effect, what the function is told
    for (const [what, effect, report] of [
      ['fails', { to: 'Second.Do', script: { fail: 'broken' } }],
      ['crashes an action', { to: 'Act.Unary', script: { crash: true } }],
      ['crashes an entity', { to: 'Second.Do', script: { id: 'crashing', crash: true } }],
      ['is for no service', { to: 'None.Do' }, 'Service [scripted.None] unknown'],
      ['is for no command', { to: 'Second.None' }, 'Service [scripted.Second] does not have a command named: [None]'],
      ['is for another package', { to: 'other.Second.Do' }, 'Service [other.Second] unknown'],
    ]) {
      for (const sync of [true, false]) {
        it(`one that ${what} (${sync ? '' : 'a'}synchronous) is not the caller's fault, and the next one runs`, async () => {
          const id = fresh();
          const next = { to: 'Act.Unary', sync: true, script: { name: 'next' } };
          assert.equal((await ask(id, { reply: 'fine', effects: [{ ...effect, sync }, next] })).text, 'fine');
          assert.ok(fn.log.includes('Act.Unary next over'));
          const origin = kind === 'action' ? 'scripted.Act.Unary' : 'scripted.Thing.Do';
          if (report) await waitFor('the report', () => fn.reports.includes(`${report}\n  side-effect of ${origin}`) || assert.fail(JSON.stringify(fn.reports)));
        });
      }
    }

    it('the trace of an unknown target tells every hop, the innermost first', async () => {
      const wrong = { to: 'Nowhere.Do' };
      const origin = kind === 'action' ? 'scripted.Act.Unary' : 'scripted.Thing.Do';
      await ask(fresh(), {
        reply: 'x', effects: [{ to: 'Second.Do', sync: true, script: { forward: { to: 'Act.Unary', script: { effects: [{ ...wrong, sync: true }] } } } }],
      });
      await waitFor('the report', () => fn.reports.includes(
        `Service [scripted.Nowhere] unknown\n  side-effect of scripted.Act.Unary\n  forwarded from scripted.Second.Do\n  side-effect of ${origin}`)
        || assert.fail(JSON.stringify(fn.reports)));
      await assert.rejects(ask(fresh(), { forward: { to: 'Second.Do', script: { id: `${ids}`, forward: wrong } } }),
        (error) => error.code === status.INTERNAL && error.details === 'Service [scripted.Nowhere] unknown');
      await waitFor('the report', () => fn.reports.includes(`Service [scripted.Nowhere] unknown\n  forwarded from scripted.Second.Do\n  forwarded from ${origin}`));
    });

    it('their own metadata reach actions, and nothing of the caller\'s', async () => {
      const id = fresh();
      await ask(id, {
        reply: 'x', effects: [{ to: 'Act.Unary', sync: true, metadata: { 'x-effect': 'one' }, script: { name: `m${id}` } }],
      });
      assert.deepEqual(fn.seen[`m${id}`], { 'x-effect': 'one' });
      await ask(fresh(), { forward: { to: 'Act.Unary', metadata: { 'x-forward': 'two' }, script: { name: `f${id}`, reply: 'x' } } });
      assert.deepEqual(fn.seen[`f${id}`], { 'x-forward': 'two' });
    });

    it('a client that leaves during a synchronous effect: the others run all the same, the forward does not', async () => {
      const id = fresh();
      const client = kind === 'action' ? act : thing;
      const stream = client[kind === 'action' ? 'Unary' : 'Do'](saying(id, {
        effects: [{ to: 'Act.Unary', sync: true, script: { name: 'first', gate: `left${id}` } }, { to: 'Second.Do', sync: true, script: { name: 'second' } },
          { to: 'Act.Unary', script: { name: 'third' } }],
        forward: { to: 'Act.Unary', script: { name: 'forward' } },
      }), () => {});
      await begun('Act.Unary first');
      stream.cancel();
      await ask(`${id}-other`, { reply: 'on the same connection, so the cancellation was read' });
      fn.open(`left${id}`);
      await begun('Act.Unary first over', 'Second.Do second over', 'Act.Unary third over');
      assert.ok(!fn.log.includes('Act.Unary forward'));
      await waitFor('all to be over', async () => (await metric(gateway, 'headgate_followups_running')) === 0);
    });

    for (const [to, name] of [['Act.Unary', 'an action'], ['Second.Do', 'an entity']]) {
      it(`a client that leaves during a forward to ${name}`, async () => {
        const id = fresh();
        const client = kind === 'action' ? act : thing;
        const stream = client[kind === 'action' ? 'Unary' : 'Do'](saying(id, { forward: { to, script: { id, name: 'target', gate: `g${id}` } } }), () => {});
        await begun(`${to} target`);
        stream.cancel();
        if (to === 'Act.Unary') await begun('Act.Unary cancelled'); // an entity hears nothing
        fn.open(`g${id}`);
        await begun(`${to} target over`);
        await waitFor('all to be over', async () => (await metric(gateway, 'headgate_followups_running')) === 0);
      });
    }

    it('ten in a row at the most', async () => {
      const id = fresh();
      const deep = (n) => (n === 0 ? { reply: 'end' } : { forward: { to: 'Act.Unary', script: deep(n - 1) } });
      assert.equal((await ask(id, deep(10))).text, 'end');
      await assert.rejects(ask(fresh(), deep(11)), (error) => error.code === status.INTERNAL && /^10 forwards and side effects in a row/.test(error.details));
    });
  });
}

describe('streams', () => {
  it('a later reply waits for the effects of the one before, and its own come after it in order', async () => {
    const id = fresh();
    const stream = act.Out(saying(id, {
      results: [
        { reply: 'one', effects: [{ to: 'Act.Unary', sync: true, script: { name: 'first', gate: `s${id}` } }] },
        { reply: 'two', effects: [{ to: 'Second.Do', sync: true, script: { name: 'second' } }] },
        { reply: 'three' },
      ],
    }));
    const done = collect(stream);
    await begun('Act.Unary first', 'Act.Out result three');
    assert.ok(await isPending(done));
    assert.ok(!fn.log.includes('Second.Do second'));
    fn.open(`s${id}`);
    assert.deepEqual(await done, { texts: ['one', 'two', 'three'], code: status.OK });
    assert.ok(fn.log.indexOf('Act.Unary first over') < fn.log.indexOf('Second.Do second'));
  });

  const mixed = [
    { reply: 'one' },
    { forward: { to: 'Act.Unary', script: { reply: 'two' } } },
    { forward: { to: 'Act.Out', script: { results: [{ reply: 'three' }, { forward: { to: 'Second.Do', script: { reply: 'four' } } }] } } },
    { reply: null, effects: [{ to: 'Act.Unary', sync: true, script: { name: 'silent' } }] },
    { reply: 'five' },
  ];
  it('forwards stand in their place, streamed ones with all their replies; nothing is emitted for no reply (A-05, A-06)', async () => {
    const want = { texts: ['one', 'two', 'three', 'four', 'five'], code: status.OK };
    assert.deepEqual(await collect(act.Out(saying(fresh(), { results: mixed }))), want);
    assert.ok(fn.log.includes('Act.Unary silent over'));
    const both = act.Both();
    const done = collect(both);
    both.write(saying(fresh(), { results: mixed }));
    both.end();
    assert.deepEqual(await done, want);
  });

  // name, what ends the stream, code, text
  for (const [name, last, code, text] of [
    ['a failure', { fail: 'enough', code: 10 }, status.ABORTED, 'enough'],
    ['a failure without a code', { fail: 'enough' }, status.UNKNOWN, 'enough'],
    ['a forward that fails', { forward: { to: 'Act.Unary', script: { fail: 'over there', code: 5 } } }, status.NOT_FOUND, 'over there'],
    ['a streamed forward that fails', { forward: { to: 'Act.Out', script: { results: [{ reply: 'two' }, { fail: 'there', code: 5 }] } } },
      status.NOT_FOUND, 'there'],
    ['a forward to nowhere', { forward: { to: 'No.Do' } }, status.INTERNAL, 'Service [scripted.No] unknown'],
    ['a forward that crashes', { forward: { to: 'Act.Unary', script: { crash: true } } }, status.INTERNAL, 'crashed'],
  ]) {
    const more = name.startsWith('a streamed') ? ['two'] : [];
    it(`${name} in the middle ends it and cancels both directions (R-23)`, async () => {
      const results = [{ reply: 'one' }, last, { reply: 'never' }];
      fresh();
      const out = await collect(act.Out(saying('x', { results, hang: true })));
      assert.deepEqual(out, { texts: ['one', ...more], code, details: text });
      await begun('Act.Out cancelled');
      const both = act.Both();
      const done = collect(both);
      both.write(saying('x', { results })); // and the client would go on
      assert.deepEqual(await done, { texts: ['one', ...more], code, details: text });
      await begun('Act.Both cancelled');
    });
  }

  it('a client that leaves cancels the stream it was forwarded to, and the one before (R-21)', async () => {
    const stream = act.Both();
    fresh();
    stream.on('error', () => {});
    const first = new Promise((resolve) => { stream.once('data', resolve); });
    stream.write(saying('x', { results: [{ forward: { to: 'Act.Out', script: { results: [{ reply: 'one' }], hang: true } } }] }));
    assert.equal((await first).text, 'one');
    stream.cancel();
    await begun('Act.Out cancelled', 'Act.Both cancelled');
  });

  it('a client stream is forwarded with its answer, after its effects', async () => {
    fresh();
    const answer = new Promise((resolve, reject) => {
      const stream = act.In((error, reply) => (error ? reject(error) : resolve(reply)));
      stream.write(saying('x', {}));
      stream.end(saying('x', { effects: [{ to: 'Second.Do', sync: true, script: { name: 'effect' } }], forward: { to: 'Act.Unary', script: { name: 'target', reply: 'there' } } }));
    });
    assert.equal((await answer).text, 'there');
    assert.ok(fn.log.indexOf('Second.Do effect over') < fn.log.indexOf('Act.Unary target'));
  });

  it('a unary call cannot be forwarded to a stream; a stream can', async () => {
    await assert.rejects(call(act, 'Unary', saying(fresh(), { forward: { to: 'Act.Out' } })), /answers with a stream/);
    assert.deepEqual(await collect(act.Out(saying('x', { results: [{ forward: { to: 'Act.Out', script: { results: [{ reply: 'a' }] } } }] }))), { texts: ['a'], code: status.OK });
  });
});

describe('limits and ends', () => {
  it('a forward whose answer is of another type is told (D-40), and passes', async () => {
    await call(act, 'Unary', saying(fresh(), { forward: { to: 'Act.Strange', script: { reply: 'odd' } } }));
    await waitFor('the report', () => fn.reports.some((text) => /^Warning: scripted\.Act\.Unary: Expected reply type_url to be \[type\.googleapis\.com\/scripted\.Said\] but was \[type\.googleapis\.com\/scripted\.Other\]\.$/.test(text)));
  });

  it('and is refused, as any reply of another type, by function.reply_type: refuse', async () => {
    const strict = await world.gateway({
      functionPort: port,
      env: { HEADGATE_FUNCTION_REPLY_TYPE: 'refuse', JOURNAL_URL: `embedded:${path.join(world.dir, 'strict')}` },
    });
    const client = world.client(strict, path.join(dir, 'scripted.proto'), 'scripted.Act');
    const said = { reply: 'odd', type: 'Other' };
    const isRefused = (error) => error.code === status.INTERNAL && /of another type$/.test(error.details);
    await assert.rejects(call(client, 'Unary', saying(fresh(), { forward: { to: 'Act.Strange', script: { name: 'stranger', reply: 'odd' } } })), isRefused);
    assert.ok(!fn.log.some((line) => line.includes('stranger')), 'the other method is not called');
    await assert.rejects(call(client, 'Unary', saying(fresh(), said)), isRefused);
    assert.equal((await call(client, 'Unary', saying(fresh(), { reply: 'fine' }))).text, 'fine');
    await strict.kill('SIGTERM');
  });

  it('more at once than followup.max_running are refused and told; the command is fine', async () => {
    const id = fresh();
    const effects = Array.from({ length: 25 }, (_, n) => ({ to: 'Act.Unary', script: { name: `many${n}`, gate: `many${id}` } }));
    assert.equal((await call(act, 'Unary', saying(id, { reply: 'fine', effects }))).text, 'fine');
    await waitFor('the reports', () => fn.reports.filter((text) => /^Too many forwards and side effects at once: \[Unary\] of \[scripted\.Act\] is not called\n/.test(text)).length === 5);
    await assert.rejects(call(act, 'Unary', saying(id, { forward: { to: 'Act.Unary' } })), (error) => error.code === status.RESOURCE_EXHAUSTED);
    fn.open(`many${id}`);
    await waitFor('all to be over', async () => (await metric(gateway, 'headgate_followups_running')) === 0);
    assert.equal(commands().filter((line) => /many\d+ over$/.test(line)).length, 20);
  });

  it('an effect on a stream without an end is cut in time, and the command is fine (R-10)', async () => {
    const hasty = await world.gateway({
      functionPort: fn.port, env: { HEADGATE_FOLLOWUP_TIMEOUT: '1s', JOURNAL_URL: `embedded:${path.join(world.dir, 'hasty')}` },
    });
    const client = world.client(hasty, path.join(dir, 'scripted.proto'), 'scripted.Act');
    const effects = [{ to: 'Act.Out', sync: true, script: { results: [{ reply: '1' }], hang: true } }, { to: 'Act.Unary', sync: true, script: { name: 'next' } }];
    assert.equal((await call(client, 'Unary', saying(fresh(), { reply: 'fine', effects }))).text, 'fine');
    await begun('Act.Out cancelled', 'Act.Unary next over');
    assert.ok(hasty.event('effect_failed', ({ code }) => code === 'DEADLINE_EXCEEDED'));
  });

  it('a gateway that ends waits for the effects that an answer waits for', async () => {
    const id = fresh();
    const answer = call(thing, 'Do', saying(id, { reply: 'answered', effects: [{ to: 'Second.Do', sync: true, script: { id, name: 'slow', gate: `end${id}` } }] }));
    await begun('Second.Do slow');
    gateway.child.kill('SIGTERM');
    await waitFor('the drain', () => gateway.lines.some((line) => /shut/i.test(line)));
    fn.open(`end${id}`);
    assert.equal((await answer).text, 'answered');
    assert.equal((await gateway.exited).code, 0);
  });

  // The caller is answered, and the connection gone.
  const answered = async (name, env, effects) => {
    const id = fresh();
    const ending = await world.gateway({ functionPort: fn.port, env: { ...env, JOURNAL_URL: `embedded:${path.join(world.dir, name)}` } });
    const client = world.client(ending, path.join(dir, 'scripted.proto'), 'scripted.Act');
    assert.equal((await call(client, 'Unary', saying(id, { reply: 'answered', effects: effects(id) }))).text, 'answered');
    client.close();
    return { id, ending };
  };

  it('and for those that no answer waits for, with what follows from them', async () => {
    const { id, ending } = await answered('slow', {}, (key) => [
      { to: 'Act.Unary', script: { name: 'slow', gate: `slow${key}`, effects: [{ to: 'Second.Do', script: { id: key, name: 'after' } }] } },
    ]);
    await begun('Act.Unary slow');
    ending.child.kill('SIGTERM');
    await waitFor('the drain', () => ending.event('shutting_down'));
    fn.open(`slow${id}`);
    assert.equal((await ending.exited).code, 0);
    assert.ok(fn.log.includes('Second.Do after over'), JSON.stringify(fn.log));
    assert.equal(ending.event('stopped').effects_cut, 0);
  });

  it('until its grace is over: then they are cut, and counted', async () => {
    const { id, ending } = await answered('cut', { HEADGATE_SHUTDOWN_GRACE: '300ms' }, (key) => [
      { to: 'Act.Unary', sync: false, script: { name: 'slow', gate: `cut${key}` } },
      { to: 'Second.Do', sync: false, script: { id: key, name: 'slow', gate: `cut${key}` } },
    ]);
    await begun('Act.Unary slow', 'Second.Do slow');
    await ending.kill('SIGTERM');
    assert.equal(ending.exit.code, 0);
    assert.equal(ending.event('stopped').effects_cut, 2);
    fn.open(`cut${id}`);
  });
});

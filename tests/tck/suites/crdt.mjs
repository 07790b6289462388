// CrdtEntityTCK. The checks of the eight data types are made from the rows of crdt_types.mjs.
import { freshId } from '../lib/kit.mjs';
import { describe, servicesOf } from '../lib/suite.mjs';
import { any, same, text } from '../lib/types.mjs';
import {
  TYPES, gcounter, gcounterState, mapDelta, mapState, mapUpdate, pncounter, pncounterState, vote, voteState,
} from './crdt_types.mjs';

const PACKAGE = 'cloudstate.tck.model.crdt';
const MODEL = `${PACKAGE}.CrdtTckModel`;
const TWO = `${PACKAGE}.CrdtTwo`;
const CONFIGURED = `${PACKAGE}.CrdtConfigured`;
const PROTOCOL = 'cloudstate.crdt.Crdt';
const BOTH = [MODEL, TWO];
const PASSIVATED_MS = 2000;

// -- messages --------------------------------------------------------------------------------------

const update = (value, consistency) => ({ update: { ...value, write_consistency: consistency } });
const erase = { delete: {} };
const forward = (id) => ({ forward: { id } });
const effect = (id, synchronous = false) => ({ effect: { id, synchronous } });
const fail = (message) => ({ fail: { message } });

const request = (id, actions = []) => ({ id, actions });
const command = (number, id, actions, name = 'Process') => ({
  command: { entity_id: id, id: number, name, payload: any(`${PACKAGE}.Request`, request(id, actions)) },
});
const streamed = (number, id, parts) => ({
  command: { entity_id: id, id: number, name: 'ProcessStreamed', payload: any(`${PACKAGE}.StreamedRequest`, { id, ...parts }), streamed: true },
});
const init = (id, delta, service = MODEL) => ({ init: { service_name: service, entity_id: id, delta } });
const cancelled = (number, id) => ({ stream_cancelled: { entity_id: id, id: number } });

const answer = (state) => ({ client_action: { reply: { payload: any(`${PACKAGE}.Response`, { state }) } } });
const target = (id) => ({ service_name: TWO, command_name: 'Call', payload: any(`${PACKAGE}.Request`, { id }) });
const forwarded = (id) => ({ client_action: { forward: target(id) } });
const failed = (number) => ({ client_action: { failure: { command_id: number, description: 'expected failure' } } });
const sent = (...list) => ({ side_effects: list.map(([id, synchronous = false]) => ({ ...target(id), synchronous })) });
const changed = (delta, consistency) => (delta ? { state_action: { update: delta, write_consistency: consistency } } : {});
const deleted = { state_action: { delete: {} } };
const reply = (number, ...parts) => ({ reply: Object.assign({ command_id: number }, ...parts) });
const pushed = (number, ...parts) => ({ streamed_message: Object.assign({ command_id: number }, ...parts) });
const cancelledResponse = (number, ...parts) => ({ stream_cancelled_response: Object.assign({ command_id: number }, ...parts) });
const STREAMED = { streamed: true };

// The response to a command that deletes may still have the state.
const deletions = (number, state) => [reply(number, answer(undefined), deleted), reply(number, answer(state), deleted)];

export const suite = describe('CrdtEntityTCK');

// -- discovery -------------------------------------------------------------------------------------

suite.model('verify CRDT entity discovery', BOTH, async (kit) => {
  const spec = await kit.discover();
  const services = servicesOf(spec.proto);
  for (const name of BOTH) {
    same(services.includes(name), true, `${name} is in the descriptors`);
    same(spec.entities.find((one) => one.service_name === name)?.entity_type, PROTOCOL, `the type of ${name}`);
  }
});

suite.model('verify CRDT configured entity', [CONFIGURED], async (kit) => {
  const entity = (await kit.discover()).entities.find((one) => one.service_name === CONFIGURED);
  same(entity.entity_type, PROTOCOL, 'the type');
  same(String(entity.passivation_strategy?.timeout?.timeout), '100', 'the passivation timeout');
});

// -- each data type --------------------------------------------------------------------------------

// One stream of an entity; commands are numbered.
class Conversation {
  constructor(kit, id, delta, service = MODEL) {
    this.id = id;
    this.number = 0;
    this.stream = kit.protocol(PROTOCOL).send(init(id, delta, service));
  }

  async command(actions, ...parts) {
    this.number += 1;
    this.stream.send(command(this.number, this.id, actions));
    await this.stream.expect(...(typeof parts[0] === 'function' ? parts[0](this.number) : [reply(this.number, ...parts)]));
  }

  async step([value, delta, state]) {
    await this.command([update(value)], answer(state), changed(delta));
  }

  async read(state, delta) {
    await this.command([], answer(state), changed(delta));
  }

  replicated(delta) {
    this.stream.send({ delta });
  }

  async end() {
    await this.stream.half().expectEnd();
  }
}

for (const [type, rows] of Object.entries(TYPES)) {
  const check = (name, run) => suite.model(`verify ${type} ${name}`, BOTH, (kit) => run(kit, `${type}-${freshId()}`));
  const { zero, create, steps, full: [delta, state], next, mix } = rows;

  check('initial empty state', async (kit, id) => {
    const entity = new Conversation(kit, id);
    await entity.read(zero, create);
    await entity.read(zero);
    await entity.end();
  });

  check('state changes', async (kit, id) => {
    const entity = new Conversation(kit, id);
    await entity.read(zero, create);
    for (const step of steps) {
      await entity.step(step);
      await entity.read(step[2]);
    }
    await entity.end();
  });

  check('initial delta in init', async (kit, id) => {
    const entity = new Conversation(kit, id, delta);
    await entity.read(state);
    await entity.step(next);
    await entity.end();
  });

  check('initial empty state with replicated initial delta', async (kit, id) => {
    const entity = new Conversation(kit, id);
    entity.replicated(delta);
    await entity.read(state);
    await entity.step(next);
    await entity.end();
  });

  check('mix of local and replicated state changes', async (kit, id) => {
    const entity = new Conversation(kit, id);
    await entity.read(zero, create);
    for (const step of mix) {
      if (step.remote) {
        entity.replicated(step.remote);
        await entity.read(step.state);
      } else {
        await entity.step(step);
      }
    }
    await entity.end();
  });

  check('rehydration after passivation', async (kit, id) => {
    const first = new Conversation(kit, id);
    await first.read(zero, create);
    for (const step of steps) await first.step(step);
    await first.end();
    const second = new Conversation(kit, id, delta);
    await second.read(state);
    await second.step(next);
    await second.end();
  });

  check('delete action received from entity', async (kit, id) => {
    const entity = new Conversation(kit, id);
    await entity.step(steps[0]);
    await entity.command([erase], (number) => deletions(number, steps[0][2]));
    await entity.end();
  });

  check('delete action sent to entity', async (kit, id) => {
    const entity = new Conversation(kit, id);
    await entity.read(zero, create);
    entity.stream.send(erase);
    await entity.end();
  });
  if (rows.clocks) {
    check('state changes with clock settings', async (kit, id) => {
      const entity = new Conversation(kit, id);
      for (const step of rows.clocks) await entity.step(step);
      await entity.end();
    });
  }
}

// -- what else a command may do --------------------------------------------------------------------

function conversation(name, type, ...commands) {
  suite.model(name, BOTH, async (kit) => {
    const entity = new Conversation(kit, `${type}-${freshId()}`);
    for (const [actions, ...parts] of commands) await entity.command(actions, ...parts);
    await entity.end();
  });
}

const SEVERAL = [effect('one'), effect('two', true), effect('three')];
const SENT = sent(['one'], ['two', true], ['three']);
const FAIL = (number) => [reply(number, failed(number))];

conversation('verify forward to second service', 'GSet',
  [[update({ gset: { add: 'a' } }), forward('X-GSet-1')], forwarded('X-GSet-1'), changed(TYPES.GSet.steps[0][1])],
  [[forward('X-GSet-2')], forwarded('X-GSet-2')],
  [[], answer(TYPES.GSet.steps[0][2])]);
conversation('verify forward with state changes', 'PNCounter',
  [[update(pncounter(42)), forward('X-PNCounter-1')], forwarded('X-PNCounter-1'), changed(pncounter(42))],
  [[], answer(pncounterState(42))]);
conversation('verify reply with side effect to second service', 'GCounter',
  [[effect('X-GCounter-1')], answer(gcounterState(0)), sent(['X-GCounter-1'])]);
conversation('verify synchronous side effect to second service', 'GCounter',
  [[effect('X-GCounter-1', true)], answer(gcounterState(0)), sent(['X-GCounter-1', true])]);
conversation('verify forward and side effect to second service', 'GCounter',
  [[effect('B'), forward('C')], forwarded('C'), sent(['B'])]);
conversation('verify reply with multiple side effects', 'GCounter', [SEVERAL, answer(gcounterState(0)), SENT]);
conversation('verify reply with multiple side effects and state changes', 'ORMap',
  [[...SEVERAL, update(mapUpdate('PNCounter-1', pncounter(7)))], answer(mapState({ 'PNCounter-1': pncounterState(7) })), SENT,
    changed(mapDelta({ added: { 'PNCounter-1': pncounter(7) } }))]);
conversation('verify failure action', 'PNCounter', [[fail('expected failure')], FAIL]);
conversation('verify connection after failure action', 'PNCounter',
  [[update(pncounter(1))], answer(pncounterState(1)), changed(pncounter(1))],
  [[update(pncounter(2)), fail('expected failure')], FAIL],
  [[], answer(pncounterState(1))]);

// -- streamed commands -----------------------------------------------------------------------------

function streaming(name, type, run) {
  suite.model(name, BOTH, async (kit) => {
    const id = `${type}-${freshId()}`;
    const stream = kit.protocol(PROTOCOL).send(init(id));
    await run(stream, id);
    await stream.half().expectEnd();
  });
}

const add = (number, id, by, value) => [command(number, id, [update(pncounter(by))]),
  reply(number, answer(pncounterState(value)), changed(pncounter(by)))];

async function change(stream, number, id, by, value, ...then) {
  const [sentCommand, wanted] = add(number, id, by, value);
  await stream.send(sentCommand).expect(wanted);
  for (const one of then) await stream.expect(one);
}

streaming('verify streamed responses', 'PNCounter', async (stream, id) => {
  await stream.send(streamed(1, id)).expect(reply(1, answer(pncounterState(0)), STREAMED));
  await change(stream, 2, id, 1, 1, pushed(1, answer(pncounterState(1))));
  await stream.send({ delta: pncounter(2) }).expect(pushed(1, answer(pncounterState(3))));
  await stream.send(streamed(3, id)).expect(reply(3, answer(pncounterState(3)), STREAMED));
  await change(stream, 4, id, -3, 0, pushed(1, answer(pncounterState(0))), pushed(3, answer(pncounterState(0))));
});

streaming('verify streamed responses with stream ending action', 'GCounter', async (stream, id) => {
  const step = async (number, by, value, ...then) => {
    await stream.send(command(number, id, [update(gcounter(by))]))
      .expect(reply(number, answer(gcounterState(value)), changed(gcounter(by))));
    for (const one of then) await stream.expect(one);
  };
  await stream.send(streamed(1, id, { end_state: gcounterState(3) })).expect(reply(1, answer(gcounterState(0)), STREAMED));
  await step(2, 1, 1, pushed(1, answer(gcounterState(1))));
  await step(3, 2, 3, pushed(1, answer(gcounterState(3)), { end_stream: true }));
  await step(4, 3, 6);
  await stream.send(command(5, id, [])).expect(reply(5, answer(gcounterState(6))));
});

const PRESENT = { cancel_update: { gset: { add: 'gone' } } };

streaming('verify streamed responses with cancellation', 'GSet', async (stream, id) => {
  const { steps: [[value, delta, state]] } = TYPES.GSet;
  await stream.send(streamed(1, id, PRESENT)).expect(reply(1, answer({ gset: {} }), STREAMED));
  await stream.send(command(2, id, [update(value)])).expect(reply(2, answer(state), changed(delta)));
  await stream.expect(pushed(1, answer(state)));
  await stream.send(cancelled(1, id)).expect(cancelledResponse(1, changed({ gset: { added: [text('gone')] } })));
  await stream.send(command(3, id, [])).expect(reply(3, answer({ gset: { elements: ['a', 'gone'] } })));
});

streaming('verify empty streamed responses with cancellation', 'Vote', async (stream, id) => {
  await stream.send(streamed(1, id, { initial_update: vote(true), cancel_update: vote(false), empty: true }))
    .expect(reply(1, changed(vote(true)), STREAMED));
  await stream.send(command(2, id, [])).expect(reply(2, answer(voteState(true, 1, 1))));
  await stream.send(cancelled(1, id)).expect(cancelledResponse(1, changed(vote(false))));
  await stream.send(command(3, id, [])).expect(reply(3, answer(voteState(false, 0, 1))));
});

streaming('verify streamed responses with side effects', 'PNCounter', async (stream, id) => {
  await stream.send(streamed(1, id, { effects: [{ id: 'one' }, { id: 'two', synchronous: true }] }))
    .expect(reply(1, answer(pncounterState(0)), STREAMED));
  await change(stream, 2, id, 1, 1, pushed(1, answer(pncounterState(1)), sent(['one'], ['two', true])));
  await change(stream, 3, id, 2, 3, pushed(1, answer(pncounterState(3)), sent(['one'], ['two', true])));
});

conversation('verify write consistency can be configured', 'GCounter',
  ...['LOCAL', 'MAJORITY', 'ALL'].map((consistency, at) => [
    [update(gcounter(1), consistency)], answer(gcounterState(at + 1)), changed(gcounter(1), consistency)]));

// -- through the proxy -----------------------------------------------------------------------------

async function expectStep(passed, number, id, actions, ...wanted) {
  await passed.in(command(number, id, actions));
  await passed.out(...wanted);
}

const PROCESS = 'Process';
const stateOf = async (kit, id, actions) => JSON.parse(JSON.stringify(await kit.request(MODEL, PROCESS, request(id, actions)))).state;

suite.proxy('verify state changes', BOTH, async (kit) => {
  const id = `PNCounter-${freshId()}`;
  let passed;
  const rows = [[[], 0], [[update(pncounter(1)), update(pncounter(2))], 3, 3], [[update(pncounter(-5))], -2, -5], [[], -2]];
  for (const [at, [actions, value, delta]] of rows.entries()) {
    const state = await stateOf(kit, id, actions);
    same(Number(state.pncounter.value ?? 0), value, 'the state');
    passed ??= await kit.recorder.entity(PROTOCOL, init(id).init);
    await expectStep(passed, at + 1, id, actions, reply(at + 1, answer(pncounterState(value)), changed(delta && pncounter(delta))));
  }
  await kit.request(MODEL, PROCESS, request(id, [erase]));
  await expectStep(passed, 5, id, [erase], ...deletions(5, pncounterState(-2)));
  await passed.closed();
});

async function expectTwo(kit, id) {
  const two = await kit.recorder.entity(PROTOCOL, init(id, undefined, TWO).init);
  await expectStepOfTwo(two, id);
}

async function expectStepOfTwo(two, id) {
  await two.in(command(1, id, [], 'Call'));
  await two.out(reply(1, answer(undefined)));
}

suite.proxy('verify forwards and side effects', BOTH, async (kit) => {
  const [id, other, third] = ['GSet', 'X-GSet', 'X-GSet'].map((prefix) => `${prefix}-${freshId()}`);
  const [value, delta, state] = TYPES.GSet.steps[0];
  same(await stateOf(kit, id, [update(value), forward(other)]), undefined, 'the reply of the second service');
  const passed = await kit.recorder.entity(PROTOCOL, init(id).init);
  await expectStep(passed, 1, id, [update(value), forward(other)], reply(1, forwarded(other), changed(delta)));
  await expectTwo(kit, other);
  same((await stateOf(kit, id, [effect(third)])).gset.elements, ['a'], 'the state');
  await expectStep(passed, 2, id, [effect(third)], reply(2, answer(state), sent([third])));
  await expectTwo(kit, third);
});

suite.proxy('verify failures', BOTH, async (kit) => {
  const id = `PNCounter-${freshId()}`;
  await kit.requestFails(MODEL, PROCESS, request(id, [fail('expected failure')]), 'expected failure');
  const passed = await kit.recorder.entity(PROTOCOL, init(id).init);
  await expectStep(passed, 1, id, [fail('expected failure')], reply(1, failed(1)));
  await kit.request(MODEL, PROCESS, request(id, [update(pncounter(42))]));
  await expectStep(passed, 2, id, [update(pncounter(42))], reply(2, answer(pncounterState(42)), changed(pncounter(42))));
  await kit.requestFails(MODEL, PROCESS, request(id, [update(pncounter(1)), fail('expected failure')]), 'expected failure');
  await expectStep(passed, 3, id, [update(pncounter(1)), fail('expected failure')], reply(3, failed(3)));
  same(Number((await stateOf(kit, id, [])).pncounter.value), 42, 'the state');
  await expectStep(passed, 4, id, [], reply(4, answer(pncounterState(42))));
});

suite.proxy('verify streamed responses for connection tracking', BOTH, async (kit) => {
  const id = `Vote-${freshId()}`;
  const response = (...parts) => ({ state: voteState(...parts) });
  const watch = kit.client(MODEL, 'ProcessStreamed').send({ id }).half();
  const passed = await kit.recorder.entity(PROTOCOL, init(id).init);
  await passed.in(streamed(1, id));
  await passed.out(reply(1, answer(voteState(false, 0, 1)), STREAMED));
  await watch.expect(response(false, 0, 1));

  const presence = { initial_update: vote(true), cancel_update: vote(false), empty: true };
  const present = kit.client(MODEL, 'ProcessStreamed').send({ id, ...presence }).half();
  await passed.in(streamed(2, id, presence));
  await passed.outInAnyOrder(reply(2, changed(vote(true)), STREAMED), pushed(1, answer(voteState(true, 1, 1))));
  await watch.expect(response(true, 1, 1));
  present.expectSilence().cancel();

  await passed.in(cancelled(2, id));
  await passed.outInAnyOrder(cancelledResponse(2, changed(vote(false))), pushed(1, answer(voteState(false, 0, 1))));
  await watch.expect(response(false, 0, 1));
  watch.cancel();
  await passed.in(cancelled(1, id));
  await passed.out(cancelledResponse(1));
});

suite.proxy('verify HTTP API', BOTH, async (kit) => {
  const id = `PNCounter-${freshId()}`;
  const path = `/tck/model/crdt/${id}`;
  const json = (value) => ({ state: { pncounter: { value: String(value) } } });
  await kit.httpGives(path, '{}', json(0));
  const passed = await kit.recorder.entity(PROTOCOL, init(id).init);
  await expectStep(passed, 1, id, [], reply(1, answer(pncounterState(0))));
  await kit.httpGives(path, '{"actions": [{"update": {"pncounter": {"change": 42}}}]}', json(42));
  await expectStep(passed, 2, id, [update(pncounter(42))], reply(2, answer(pncounterState(42)), changed(pncounter(42))));
  await kit.httpFails(path, '{"actions": [{"fail": {"message": "expected failure"}}]}', 'expected failure');
  await expectStep(passed, 3, id, [fail('expected failure')], reply(3, failed(3)));
  await kit.httpGives(path, '{"actions": [{"update": {"pncounter": {"change": "-50"}}}]}', json(-8));
  await expectStep(passed, 4, id, [update(pncounter(-50))], reply(4, answer(pncounterState(-8)), changed(pncounter(-50))));
  await kit.httpGives(path, '{"actions": [{"delete": {}}]}', {}, json(-8));
  await expectStep(passed, 5, id, [erase], ...deletions(5, pncounterState(-8)));
  await passed.closed();
  const other = `X-PNCounter-${freshId()}`;
  await kit.httpGives(`/${TWO}/Call`, JSON.stringify({ id: other }), {});
  await expectTwo(kit, other);
});

suite.proxy('verify passivation timeout', [CONFIGURED], async (kit) => {
  const id = `PNCounter-${freshId()}`;
  await kit.request(CONFIGURED, 'Call', { id });
  const passed = await kit.recorder.entity(PROTOCOL, init(id, undefined, CONFIGURED).init);
  await expectStepOfTwo(passed, id);
  await passed.closed(PASSIVATED_MS);
});

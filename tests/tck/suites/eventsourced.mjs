// EventSourcedEntityTCK.
import { freshId } from '../lib/kit.mjs';
import { describe, servicesOf } from '../lib/suite.mjs';
import { any, same } from '../lib/types.mjs';

const PACKAGE = 'cloudstate.tck.model.eventsourced';
const MODEL = `${PACKAGE}.EventSourcedTckModel`;
const TWO = `${PACKAGE}.EventSourcedTwo`;
const CONFIGURED = `${PACKAGE}.EventSourcedConfigured`;
const PROTOCOL = 'cloudstate.eventsourced.EventSourced';
const BOTH = [MODEL, TWO];
const PASSIVATED_MS = 2000;

// -- messages --------------------------------------------------------------------------------------

const emit = (value) => ({ emit: { value } });
const forward = (id) => ({ forward: { id } });
const effect = (id, synchronous = false) => ({ effect: { id, synchronous } });
const fail = (message) => ({ fail: { message } });

const persisted = (value) => any(`${PACKAGE}.Persisted`, { value });
const request = (id, actions) => ({ id, actions });
const command = (number, id, actions, name = 'Process') => ({
  command: { entity_id: id, id: number, name, payload: any(`${PACKAGE}.Request`, request(id, actions)) },
});
const init = (id, snapshot, service = MODEL) => ({
  init: { service_name: service, entity_id: id, snapshot: snapshot && { snapshot_sequence: snapshot[0], snapshot: persisted(snapshot[1]) } },
});
const event = (sequence, value) => ({ event: { sequence, payload: persisted(value) } });

const answer = (message) => ({ reply: { payload: any(`${PACKAGE}.Response`, { message }) } });
const target = (id) => ({ service_name: TWO, command_name: 'Call', payload: any(`${PACKAGE}.Request`, { id }) });
const forwarded = (id) => ({ forward: target(id) });
const sent = (...list) => list.map(([id, synchronous = false]) => ({ ...target(id), synchronous }));
const reply = (number, action, { events = [], snapshot, effects = [] } = {}) => ({
  reply: {
    command_id: number, client_action: action, events: events.map(persisted),
    snapshot: snapshot === undefined ? undefined : persisted(snapshot), side_effects: sent(...effects),
  },
});
const failed = (number, description, restart = false) => reply(number, { failure: { command_id: number, description, restart } });

export const suite = describe('EventSourcedEntityTCK');

// -- the function ----------------------------------------------------------------------------------

suite.model('verify event sourced entity discovery', BOTH, async (kit) => {
  const spec = await kit.discover();
  const services = servicesOf(spec.proto);
  for (const name of BOTH) {
    same(services.includes(name), true, `${name} is in the descriptors`);
    same(spec.entities.find((one) => one.service_name === name)?.entity_type, PROTOCOL, `the type of ${name}`);
  }
  same(spec.entities.find((one) => one.service_name === MODEL).persistence_id, 'event-sourced-tck-model', 'the persistence id');
});

suite.model('verify event sourced configured entity', [CONFIGURED], async (kit) => {
  const entity = (await kit.discover()).entities.find((one) => one.service_name === CONFIGURED);
  same([entity.entity_type, entity.persistence_id], [PROTOCOL, 'event-sourced-configured'], 'the type and persistence id');
  same(String(entity.passivation_strategy?.timeout?.timeout), '100', 'the passivation timeout');
});

// Commands in a row on one stream: [actions, what comes back], or an event to replay.
function conversation(name, { snapshot, events = [], commands }) {
  suite.model(name, BOTH, async (kit) => {
    const id = freshId();
    const stream = kit.protocol(PROTOCOL).send(init(id, snapshot));
    for (const one of events) stream.send(event(...one));
    for (const [at, [actions, action, parts]] of commands.entries()) {
      const wanted = action.failure ? failed(at + 1, action.failure.description) : reply(at + 1, action, parts);
      await stream.send(command(at + 1, id, actions)).expect(wanted);
    }
    await stream.half().expectEnd();
  });
}

const list = (values) => [...values].map(emit);

conversation('verify initial empty state', { commands: [[[], answer('')]] });
conversation('verify single emitted event', {
  commands: [[[emit('A')], answer('A'), { events: ['A'] }], [[], answer('A')]],
});
conversation('verify multiple emitted events', {
  commands: [[list('ABC'), answer('ABC'), { events: ['A', 'B', 'C'] }], [[], answer('ABC')]],
});
conversation('verify multiple emitted events and snapshots', {
  commands: [
    [list('A'), answer('A'), { events: ['A'] }],
    [list('B'), answer('AB'), { events: ['B'] }],
    [list('C'), answer('ABC'), { events: ['C'] }],
    [list('D'), answer('ABCD'), { events: ['D'] }],
    [list('E'), answer('ABCDE'), { events: ['E'], snapshot: 'ABCDE' }],
    [list('FGH'), answer('ABCDEFGH'), { events: ['F', 'G', 'H'] }],
    [list('IJKL'), answer('ABCDEFGHIJKL'), { events: ['I', 'J', 'K', 'L'], snapshot: 'ABCDEFGHIJKL' }],
    [[], answer('ABCDEFGHIJKL')],
  ],
});
conversation('verify initial snapshot', { snapshot: [5, 'ABCDE'], commands: [[[], answer('ABCDE')]] });
conversation('verify initial snapshot and events', {
  snapshot: [5, 'ABCDE'], events: [[6, 'F'], [7, 'G']], commands: [[[], answer('ABCDEFG')]],
});

suite.model('verify rehydration after passivation', BOTH, async (kit) => {
  const id = freshId();
  const first = kit.protocol(PROTOCOL).send(init(id));
  await first.send(command(1, id, list('ABC'))).expect(reply(1, answer('ABC'), { events: ['A', 'B', 'C'] }));
  await first.send(command(2, id, list('DE'))).expect(reply(2, answer('ABCDE'), { events: ['D', 'E'], snapshot: 'ABCDE' }));
  await first.send(command(3, id, list('F'))).expect(reply(3, answer('ABCDEF'), { events: ['F'] }));
  await first.send(command(4, id, list('G'))).expect(reply(4, answer('ABCDEFG'), { events: ['G'] }));
  await first.half().expectEnd();
  const second = kit.protocol(PROTOCOL).send(init(id, [5, 'ABCDE'])).send(event(6, 'F')).send(event(7, 'G'));
  await second.send(command(1, id, [])).expect(reply(1, answer('ABCDEFG')));
  await second.half().expectEnd();
});

conversation('verify forward to second service', { commands: [[[forward('two')], forwarded('two')]] });
conversation('verify forward with emitted events', {
  commands: [[[emit('A'), forward('two')], forwarded('two'), { events: ['A'] }]],
});
conversation('verify forward with emitted events and snapshot', {
  commands: [[list('ABC'), answer('ABC'), { events: ['A', 'B', 'C'] }],
    [[...list('DE'), forward('two')], forwarded('two'), { events: ['D', 'E'], snapshot: 'ABCDE' }]],
});
conversation('verify reply with side effect to second service', {
  commands: [[[effect('two')], answer(''), { effects: [['two']] }]],
});
conversation('verify synchronous side effect to second service', {
  commands: [[[effect('two', true)], answer(''), { effects: [['two', true]] }]],
});
conversation('verify forward and side effect to second service', {
  commands: [[[effect('B'), forward('C')], forwarded('C'), { effects: [['B']] }]],
});
conversation('verify reply with multiple side effects', {
  commands: [[[effect('one'), effect('two', true), effect('three')], answer(''), { effects: [['one'], ['two', true], ['three']] }]],
});
conversation('verify reply with multiple side effects, events, and snapshot', {
  commands: [[
    [emit('A'), effect('one'), emit('B'), effect('two', true), ...list('CDE'), effect('three')], answer('ABCDE'),
    { events: ['A', 'B', 'C', 'D', 'E'], snapshot: 'ABCDE', effects: [['one'], ['two', true], ['three']] },
  ]],
});
conversation('verify failure action', { commands: [[[fail('expected failure')], { failure: { description: 'expected failure' } }]] });
conversation('verify connection after failure action', {
  commands: [
    [[emit('A')], answer('A'), { events: ['A'] }],
    [[fail('expected failure')], { failure: { description: 'expected failure' } }],
    [[], answer('A')],
  ],
});

suite.model('verify failure actions do not retain emitted events (may request entity restart)', BOTH, async (kit) => {
  const id = freshId();
  const stream = kit.protocol(PROTOCOL).send(init(id));
  await stream.send(command(1, id, list('ABC'))).expect(reply(1, answer('ABC'), { events: ['A', 'B', 'C'] }));
  stream.send(command(2, id, [emit('4'), emit('5'), fail('expected failure')]));
  const outcome = await stream.next();
  const { restart } = outcome.reply?.client_action?.failure ?? {};
  same(outcome.reply?.events?.length ?? 0, 0, 'the events of a failed command');
  if (!restart) {
    await stream.send(command(3, id, list('D'))).expect(reply(3, answer('ABCD'), { events: ['D'] }));
    await stream.half().expectEnd();
    return;
  }
  await stream.half().expectEnd();
  const again = kit.protocol(PROTOCOL).send(init(id));
  [...'ABC'].forEach((value, at) => again.send(event(at + 1, value)));
  await again.send(command(1, id, list('D'))).expect(reply(1, answer('ABCD'), { events: ['D'] }));
  await again.half().expectEnd();
});

conversation('verify failure actions do not allow side effects', {
  commands: [[[effect('two'), fail('expected failure')], { failure: { description: 'expected failure' } }]],
});

// -- through the proxy -----------------------------------------------------------------------------

suite.proxy('verify state changes', BOTH, async (kit) => {
  const id = freshId();
  let passed;
  const rows = [
    [[], '', {}],
    [list('A'), 'A', { events: ['A'] }],
    [list('BC'), 'ABC', { events: ['B', 'C'] }],
    [list('DEF'), 'ABCDEF', { events: ['D', 'E', 'F'], snapshot: 'ABCDEF' }],
    [list('GHIJ'), 'ABCDEFGHIJ', { events: ['G', 'H', 'I', 'J'], snapshot: 'ABCDEFGHIJ' }],
    [[], 'ABCDEFGHIJ', {}],
  ];
  for (const [at, [actions, state, parts]] of rows.entries()) {
    same((await kit.request(MODEL, 'Process', request(id, actions))).message, state, 'the reply');
    passed ??= await kit.recorder.entity(PROTOCOL, init(id).init);
    await passed.in(command(at + 1, id, actions));
    await passed.out(reply(at + 1, answer(state), parts));
  }
});

// The first command of an entity of the second service.
async function expectTwo(kit, id) {
  const two = await kit.recorder.entity(PROTOCOL, init(id, undefined, TWO).init);
  await two.in(command(1, id, [], 'Call'));
  await two.out(reply(1, answer('')));
}

suite.proxy('verify forwards and side effects', BOTH, async (kit) => {
  const [id, other, third] = [freshId(), freshId(), freshId()];
  same((await kit.request(MODEL, 'Process', request(id, [emit('one'), forward(other)]))).message, '', 'the reply of the second service');
  const passed = await kit.recorder.entity(PROTOCOL, init(id).init);
  await passed.in(command(1, id, [emit('one'), forward(other)]));
  await passed.out(reply(1, forwarded(other), { events: ['one'] }));
  await expectTwo(kit, other);
  same((await kit.request(MODEL, 'Process', request(id, [emit('two'), effect(third)]))).message, 'onetwo', 'the reply');
  await passed.in(command(2, id, [emit('two'), effect(third)]));
  await passed.out(reply(2, answer('onetwo'), { events: ['two'], effects: [[third]] }));
  await expectTwo(kit, third);
});

// What follows a failure with emitted events: either the proxy loads the entity again, or it goes on.
async function expectFailure(kit, passed, { id, number, stored, actions }) {
  await passed.in(command(number, id, actions));
  const { reply: out } = await passed.nextOut();
  const restart = out.client_action.failure.restart === true;
  same(out, {
    command_id: String(number),
    client_action: { failure: { command_id: String(number), description: 'expected failure', ...(restart ? { restart } : {}) } },
  }, 'the failure');
  if (!restart) return { passed, number: number + 1 };
  await passed.closed();
  const again = await kit.recorder.entity(PROTOCOL, init(id).init);
  for (const [at, value] of stored.entries()) await again.in(event(at + 1, value));
  return { passed: again, number: 1 };
}

suite.proxy('verify failures', BOTH, async (kit) => {
  const id = freshId();
  await kit.requestFails(MODEL, 'Process', request(id, [fail('expected failure')]), 'expected failure');
  const first = await kit.recorder.entity(PROTOCOL, init(id).init);
  await first.in(command(1, id, [fail('expected failure')]));
  await first.out(failed(1, 'expected failure'));
  await kit.request(MODEL, 'Process', request(id, list('123')));
  await first.in(command(2, id, list('123')));
  await first.out(reply(2, answer('123'), { events: ['1', '2', '3'] }));
  const actions = [emit('4'), fail('expected failure')];
  await kit.requestFails(MODEL, 'Process', request(id, actions), 'expected failure');
  const { passed, number } = await expectFailure(kit, first, { id, number: 3, stored: ['1', '2', '3'], actions });
  same((await kit.request(MODEL, 'Process', request(id, list('4')))).message, '1234', 'the state');
  await passed.in(command(number, id, list('4')));
  await passed.out(reply(number, answer('1234'), { events: ['4'] }));
});

suite.proxy('verify HTTP API', BOTH, async (kit) => {
  const id = freshId();
  const path = `/tck/model/eventsourced/${id}`;
  await kit.httpGives(path, '{}', { message: '' });
  const first = await kit.recorder.entity(PROTOCOL, init(id).init);
  await first.in(command(1, id, []));
  await first.out(reply(1, answer('')));
  await kit.httpGives(path, '{"actions": [{"emit": {"value": "x"}}]}', { message: 'x' });
  await first.in(command(2, id, list('x')));
  await first.out(reply(2, answer('x'), { events: ['x'] }));
  await kit.httpFails(path, '{"actions": [{"emit": {"value": "y"}}, {"fail": {"message": "expected failure"}}]}', 'expected failure');
  const { passed, number } = await expectFailure(kit, first, {
    id, number: 3, stored: ['x'], actions: [emit('y'), fail('expected failure')],
  });
  await kit.httpGives(path, '{"actions": [{"emit": {"value": "y"}}]}', { message: 'xy' });
  await passed.in(command(number, id, list('y')));
  await passed.out(reply(number, answer('xy'), { events: ['y'] }));
  const other = freshId();
  await kit.httpGives(`/${TWO}/Call`, JSON.stringify({ id: other }), { message: '' });
  await expectTwo(kit, other);
});

suite.proxy('verify passivation timeout', [CONFIGURED], async (kit) => {
  const id = freshId();
  await kit.request(CONFIGURED, 'Call', { id });
  const passed = await kit.recorder.entity(PROTOCOL, init(id, undefined, CONFIGURED).init);
  await passed.in(command(1, id, [], 'Call'));
  await passed.out(reply(1, answer('')));
  await passed.closed(PASSIVATED_MS);
});

// EntityTCK: value entities.
import { freshId } from '../lib/kit.mjs';
import { describe, servicesOf } from '../lib/suite.mjs';
import { any, same } from '../lib/types.mjs';

const PACKAGE = 'cloudstate.tck.model.valueentity';
const MODEL = `${PACKAGE}.ValueEntityTckModel`;
const TWO = `${PACKAGE}.ValueEntityTwo`;
const CONFIGURED = `${PACKAGE}.ValueEntityConfigured`;
const PROTOCOL = 'cloudstate.valueentity.ValueEntity';
const BOTH = [MODEL, TWO];
const PASSIVATED_MS = 2000;

// -- messages --------------------------------------------------------------------------------------

const update = (value) => ({ update: { value } });
const erase = () => ({ delete: {} });
const forward = (id) => ({ forward: { id } });
const effect = (id, synchronous = false) => ({ effect: { id, synchronous } });
const fail = (message) => ({ fail: { message } });

const persisted = (value) => any(`${PACKAGE}.Persisted`, { value });
const request = (id, actions) => ({ id, actions });
const command = (number, id, actions, name = 'Process') => ({
  command: { entity_id: id, id: number, name, payload: any(`${PACKAGE}.Request`, request(id, actions)) },
});
const init = (id, value, service = MODEL) => ({
  init: { service_name: service, entity_id: id, state: value === undefined ? {} : { value: persisted(value) } },
});

const answer = (message) => ({ reply: { payload: any(`${PACKAGE}.Response`, { message }) } });
const target = (id) => ({ service_name: TWO, command_name: 'Call', payload: any(`${PACKAGE}.Request`, { id }) });
const forwarded = (id) => ({ forward: target(id) });
const updated = (value) => ({ state_action: { update: { value: persisted(value) } } });
const deleted = { state_action: { delete: {} } };
const sent = (...list) => ({ side_effects: list.map(([id, synchronous = false]) => ({ ...target(id), synchronous })) });
const reply = (number, action, parts = {}) => ({ reply: { command_id: number, client_action: action, ...parts } });
const failure = { failure: { description: 'expected failure' } };
const wantedReply = (number, action, parts) => (action === failure
  ? reply(number, { failure: { command_id: number, ...failure.failure } }) : reply(number, action, parts));

export const suite = describe('EntityTCK');

// -- the function ----------------------------------------------------------------------------------

suite.model('verify entity discovery', BOTH, async (kit) => {
  const spec = await kit.discover();
  const services = servicesOf(spec.proto);
  for (const [name, persistenceId] of [[MODEL, 'value-entity-tck-model'], [TWO, 'value-entity-tck-model-two']]) {
    same(services.includes(name), true, `${name} is in the descriptors`);
    const entity = spec.entities.find((one) => one.service_name === name);
    same([entity?.entity_type, entity?.persistence_id], [PROTOCOL, persistenceId], `${name}`);
  }
});

suite.model('verify configured entity', [CONFIGURED], async (kit) => {
  const entity = (await kit.discover()).entities.find((one) => one.service_name === CONFIGURED);
  same([entity.entity_type, entity.persistence_id], [PROTOCOL, 'value-entity-configured'], 'the type and persistence id');
  same(String(entity.passivation_strategy?.timeout?.timeout), '100', 'the passivation timeout');
});

// Commands in a row on one stream: [actions, client action, the other parts of the reply].
function conversation(name, ...commands) {
  suite.model(name, BOTH, async (kit) => {
    const id = freshId();
    const stream = kit.protocol(PROTOCOL).send(init(id));
    for (const [at, [actions, action, parts]] of commands.entries()) {
      await stream.send(command(at + 1, id, actions)).expect(wantedReply(at + 1, action, parts));
    }
    await stream.half().expectEnd();
  });
}

conversation('verify initial empty state', [[], answer('')]);
conversation('verify update state', [[update('A')], answer('A'), updated('A')], [[], answer('A')]);
conversation('verify delete state', [[update('A')], answer('A'), updated('A')], [[erase()], answer(''), deleted], [[], answer('')]);
conversation('verify sub invocations with multiple update states',
  [[update('A'), update('B'), update('C')], answer('C'), updated('C')], [[], answer('C')]);
conversation('verify sub invocations with multiple update states and delete states',
  [[update('A'), erase(), update('B'), erase()], answer(''), deleted], [[], answer('')]);
conversation('verify sub invocations with update, delete and update states',
  [[update('A'), erase(), update('B')], answer('B'), updated('B')], [[], answer('B')]);

suite.model('verify rehydration after passivation', BOTH, async (kit) => {
  const id = freshId();
  const first = kit.protocol(PROTOCOL).send(init(id));
  await first.send(command(1, id, [update('A')])).expect(reply(1, answer('A'), updated('A')));
  await first.send(command(2, id, [erase()])).expect(reply(2, answer(''), deleted));
  await first.send(command(3, id, [update('D')])).expect(reply(3, answer('D'), updated('D')));
  await first.half().expectEnd();
  const second = kit.protocol(PROTOCOL).send(init(id, 'D'));
  await second.send(command(1, id, [])).expect(reply(1, answer('D')));
  await second.send(command(2, id, [update('E')])).expect(reply(2, answer('E'), updated('E')));
  await second.half().expectEnd();
});

const SEVERAL = [effect('one'), effect('two', true), effect('three')];
const SENT = sent(['one'], ['two', true], ['three']);

conversation('verify reply with multiple side effects', [SEVERAL, answer(''), SENT]);
conversation('verify reply with side effect to second service', [[effect('two')], answer(''), sent(['two'])]);
conversation('verify reply with multiple side effects and state', [[...SEVERAL, update('A')], answer('A'), { ...updated('A'), ...SENT }]);
conversation('verify synchronous side effect to second service', [[effect('two', true)], answer(''), sent(['two', true])]);
conversation('verify forward to second service', [[forward('two')], forwarded('two')]);
conversation('verify forward with updated state to second service', [[update('A'), forward('two')], forwarded('two'), updated('A')], [[], answer('A')]);
conversation('verify forward and side effect to second service', [[effect('B'), forward('C')], forwarded('C'), sent(['B'])]);
conversation('verify failure action', [[fail('expected failure')], failure]);
conversation('verify connection after failure action', [[update('A')], answer('A'), updated('A')],
  [[update('B'), fail('expected failure')], failure], [[], answer('A')]);
conversation('verify failure action do not allow side effects', [[effect('two'), fail('expected failure')], failure]);

// -- through the proxy -----------------------------------------------------------------------------

suite.proxy('verify state changes', BOTH, async (kit) => {
  const id = freshId();
  let passed;
  const rows = [
    [[], '', {}], [[update('one')], 'one', updated('one')], [[update('two')], 'two', updated('two')], [[], 'two', {}],
    [[erase()], '', deleted], [[], '', {}], [[update('three')], 'three', updated('three')],
  ];
  for (const [at, [actions, state, parts]] of rows.entries()) {
    same((await kit.request(MODEL, 'Process', request(id, actions))).message, state, 'the reply');
    passed ??= await kit.recorder.entity(PROTOCOL, init(id).init);
    await passed.in(command(at + 1, id, actions));
    await passed.out(reply(at + 1, answer(state), parts));
  }
});

async function expectTwo(kit, id) {
  const two = await kit.recorder.entity(PROTOCOL, init(id, undefined, TWO).init);
  await two.in(command(1, id, [], 'Call'));
  await two.out(reply(1, answer('')));
}

suite.proxy('verify forwards and side effects', BOTH, async (kit) => {
  const [id, other, third] = [freshId(), freshId(), freshId()];
  same((await kit.request(MODEL, 'Process', request(id, [update('one'), forward(other)]))).message, '', 'the reply of the second service');
  const passed = await kit.recorder.entity(PROTOCOL, init(id).init);
  await passed.in(command(1, id, [update('one'), forward(other)]));
  await passed.out(reply(1, forwarded(other), updated('one')));
  await expectTwo(kit, other);
  same((await kit.request(MODEL, 'Process', request(id, [update('two'), effect(third)]))).message, 'two', 'the reply');
  await passed.in(command(2, id, [update('two'), effect(third)]));
  await passed.out(reply(2, answer('two'), { ...updated('two'), ...sent([third]) }));
  await expectTwo(kit, third);
});

suite.proxy('verify failures', BOTH, async (kit) => {
  const id = freshId();
  await kit.requestFails(MODEL, 'Process', request(id, [fail('expected failure')]), 'expected failure');
  const passed = await kit.recorder.entity(PROTOCOL, init(id).init);
  await passed.in(command(1, id, [fail('expected failure')]));
  await passed.out(wantedReply(1, failure));
  await kit.request(MODEL, 'Process', request(id, [update('one')]));
  await passed.in(command(2, id, [update('one')]));
  await passed.out(reply(2, answer('one'), updated('one')));
  await kit.requestFails(MODEL, 'Process', request(id, [update('two'), fail('expected failure')]), 'expected failure');
  await passed.in(command(3, id, [update('two'), fail('expected failure')]));
  await passed.out(wantedReply(3, failure));
  same((await kit.request(MODEL, 'Process', request(id, []))).message, 'one', 'the state');
  await passed.in(command(4, id, []));
  await passed.out(reply(4, answer('one')));
});

suite.proxy('verify HTTP API', BOTH, async (kit) => {
  const id = freshId();
  const path = `/tck/model/entity/${id}`;
  const step = async (number, passed, actions, gives) => {
    await passed.in(command(number, id, actions));
    await passed.out(gives);
  };
  await kit.httpGives(path, '{}', { message: '' });
  const passed = await kit.recorder.entity(PROTOCOL, init(id).init);
  await step(1, passed, [], reply(1, answer('')));
  await kit.httpGives(path, '{"actions": [{"update": {"value": "foo"}}]}', { message: 'foo' });
  await step(2, passed, [update('foo')], reply(2, answer('foo'), updated('foo')));
  await kit.httpFails(path, '{"actions": [{"update": {"value": "bar"}}, {"fail": {"message": "expected failure"}}]}', 'expected failure');
  await step(3, passed, [update('bar'), fail('expected failure')], wantedReply(3, failure));
  await kit.httpGives(path, '{"actions": [{"delete": {}}]}', { message: '' });
  await step(4, passed, [erase()], reply(4, answer(''), deleted));
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

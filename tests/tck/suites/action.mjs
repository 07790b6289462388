// ActionTCK.
import { describe, servicesOf } from '../lib/suite.mjs';
import { any, same } from '../lib/types.mjs';

const MODEL = 'cloudstate.tck.model.action.ActionTckModel';
const TWO = 'cloudstate.tck.model.action.ActionTwo';
const PROTOCOL = 'cloudstate.action.ActionProtocol';
const PACKAGE = 'cloudstate.tck.model.action';
const BOTH = [MODEL, TWO];

// -- messages --------------------------------------------------------------------------------------

const reply = (message) => ({ reply: { message } });
const forward = (id) => ({ forward: { id } });
const fail = (message) => ({ fail: { message } });
const effect = (id, synchronous = false) => ({ effect: { id, synchronous } });
const request = (...groups) => ({ groups: groups.map((steps) => ({ steps })) });
const payload = (message) => any(`${PACKAGE}.Request`, message);

const replied = (message) => ({ reply: { payload: any(`${PACKAGE}.Response`, { message }) } });
const target = (id) => ({ service_name: TWO, command_name: 'Call', payload: any(`${PACKAGE}.OtherRequest`, { id }) });
const forwarded = (id) => ({ forward: target(id) });
const failed = (description) => ({ failure: { description } });
const effects = (...list) => ({ side_effects: list.map(([id, synchronous = false]) => ({ ...target(id), synchronous })) });

const single = (name, message) => ({ service_name: MODEL, name, payload: payload(message) });
const head = (name) => ({ service_name: MODEL, name });
const more = (message) => ({ payload: payload(message) });

export const suite = describe('ActionTCK');

suite.model('verify action entity discovery', BOTH, async (kit) => {
  const spec = await kit.discover();
  const services = servicesOf(spec.proto);
  for (const name of BOTH) {
    same(services.includes(name), true, `${name} is in the descriptors`);
    same(spec.entities.find((one) => one.service_name === name)?.entity_type, PROTOCOL, `the type of ${name}`);
  }
});

// -- unary -----------------------------------------------------------------------------------------

const EFFECT = [[effect('one')], effects(['one'])];
const SYNCHRONOUS = [[effect('one', true)], effects(['one', true])];
const SEVERAL = [[effect('one'), effect('two', true), effect('three')], effects(['one'], ['two', true], ['three'])];

function unary(name, steps, response) {
  suite.model(`verify unary command ${name}`, BOTH, async (kit) => {
    const call = kit.protocol(PROTOCOL, 'handleUnary').send(single('ProcessUnary', request(steps))).half();
    await call.expect(response);
    await call.expectEnd();
  });
}

const UNARY = [
  ['reply', [reply('one')], replied('one')],
  ['no reply', [], {}],
  ['forward', [forward('one')], forwarded('one')],
  ['failure', [fail('one')], failed('one')],
];
for (const [name, steps, response] of UNARY) {
  unary(name, steps, response);
  unary(`${name} with side effect`, [...EFFECT[0], ...steps], { ...response, ...EFFECT[1] });
  unary(`${name} with synchronous side effect`, [...SYNCHRONOUS[0], ...steps], { ...response, ...SYNCHRONOUS[1] });
  unary(`${name} with multiple side effects`, [...SEVERAL[0], ...steps], { ...response, ...SEVERAL[1] });
}

// -- streams in ------------------------------------------------------------------------------------

function streamedIn(name, requests, response) {
  suite.model(`verify streamed-in command ${name}`, BOTH, async (kit) => {
    const call = kit.protocol(PROTOCOL, 'handleStreamedIn').send(head('ProcessStreamedIn'));
    for (const one of requests) call.send(more(one));
    await call.half().expect(response);
    await call.expectEnd();
  });
}

const inputsWithEffects = (...last) => [
  request([effect('one'), effect('two', true)]), request([effect('three')]), request([effect('four'), ...last]),
];
const collected = effects(['one'], ['two', true], ['three'], ['four']);

streamedIn('reply', [request([reply('one')])], replied('one'));
streamedIn('reply with side effects', inputsWithEffects(reply('done')), { ...replied('done'), ...collected });
streamedIn('no reply (no requests)', [], {});
streamedIn('no reply', [request([])], {});
streamedIn('no reply with side effects', inputsWithEffects(), collected);
streamedIn('forward', [request([forward('one')])], forwarded('one'));
streamedIn('forward with side effects', inputsWithEffects(forward('done')), { ...forwarded('done'), ...collected });
streamedIn('failure', [request([fail('one')])], failed('one'));
streamedIn('failure with side effects', inputsWithEffects(fail('done')), { ...failed('done'), ...collected });

// -- streams out -----------------------------------------------------------------------------------

// Three groups with what each must give.
const GROUPS = {
  replies: [[reply('one'), replied('one')], [reply('two'), replied('two')], [reply('three'), replied('three')]],
  'no replies': [[undefined, {}], [undefined, {}], [undefined, {}]],
  forwards: [[forward('one'), forwarded('one')], [forward('two'), forwarded('two')], [forward('three'), forwarded('three')]],
  failures: [[fail('one'), failed('one')], [fail('two'), failed('two')], [fail('three'), failed('three')]],
};

const withEffects = (groups) => groups.map(([step, response], at) => ({
  steps: [effect(`${at}-a`), effect(`${at}-b`, true), ...(step ? [step] : [])],
  response: { ...response, ...effects([`${at}-a`], [`${at}-b`, true]) },
}));

for (const [name, groups] of Object.entries(GROUPS)) {
  suite.model(`verify streamed-out command ${name} and side effects`, BOTH, async (kit) => {
    const list = withEffects(groups);
    const call = kit.protocol(PROTOCOL, 'handleStreamedOut')
      .send(single('ProcessStreamedOut', request(...list.map(({ steps }) => steps)))).half();
    for (const { response } of list) await call.expect(response);
    await call.expectEnd();
  });
}

for (const [name, groups] of Object.entries(GROUPS)) {
  suite.model(`verify streamed command ${name} and side effects`, BOTH, async (kit) => {
    const call = kit.protocol(PROTOCOL, 'handleStreamed').send(head('ProcessStreamed'));
    for (const { steps, response } of withEffects(groups)) await call.send(more(request(steps))).expect(response);
    await call.half().expectEnd();
  });
}

// -- through the proxy -----------------------------------------------------------------------------

const path = (method) => `/${PROTOCOL}/${method}`;
const response = (message) => ({ message });

suite.proxy('verify unary command processing', BOTH, async (kit) => {
  const message = request([reply('one')]);
  same((await kit.request(MODEL, 'ProcessUnary', message)).message, 'one', 'the reply');
  const passed = await kit.recorder.call(path('handleUnary'));
  await passed.in(single('ProcessUnary', message));
  await passed.out(replied('one'));
});

suite.proxy('verify streamed-in command processing', BOTH, async (kit) => {
  const message = request([reply('one')]);
  const call = kit.client(MODEL, 'ProcessStreamedIn').send(message);
  const passed = await kit.recorder.call(path('handleStreamedIn'));
  await passed.in(head('ProcessStreamedIn'));
  await passed.in(more(message));
  await call.half().expect(response('one'));
  await call.expectEnd();
  await passed.out(replied('one'));
  await passed.closed();
});

suite.proxy('verify streamed-out command processing', BOTH, async (kit) => {
  const message = request([reply('A')], [reply('B')], [reply('C')]);
  const call = kit.client(MODEL, 'ProcessStreamedOut').send(message).half();
  const passed = await kit.recorder.call(path('handleStreamedOut'));
  await passed.in(single('ProcessStreamedOut', message));
  for (const each of ['A', 'B', 'C']) {
    await passed.out(replied(each));
    await call.expect(response(each));
  }
  await call.expectEnd();
  await passed.closed();
});

suite.proxy('verify streamed command processing', BOTH, async (kit) => {
  const call = kit.client(MODEL, 'ProcessStreamed');
  let passed;
  for (const each of ['A', 'B', 'C']) {
    const message = request([reply(each)]);
    call.send(message);
    if (!passed) {
      passed = await kit.recorder.call(path('handleStreamed'));
      await passed.in(head('ProcessStreamed'));
    }
    await passed.in(more(message));
    await passed.out(replied(each));
    await call.expect(response(each));
  }
  await call.half().expectEnd();
  await passed.closed();
});

// The calls of ActionTwo, in whatever order they come.
async function expectCallsOfTwo(kit, ...ids) {
  for (const id of ids) {
    const wanted = { service_name: TWO, name: 'Call', payload: any(`${PACKAGE}.OtherRequest`, { id }) };
    const passed = await kit.recorder.call(path('handleUnary'), (one) => one.first?.includes(id));
    await passed.in(wanted);
    await passed.out(replied(''));
  }
}

suite.proxy('verify unary forwards and side effects', BOTH, async (kit) => {
  const message = request([forward('one-forward'), effect('one-effect')]);
  same((await kit.request(MODEL, 'ProcessUnary', message)).message, '', 'the reply of ActionTwo');
  const passed = await kit.recorder.call(path('handleUnary'), (one) => one.first?.includes('ProcessUnary'));
  await passed.in(single('ProcessUnary', message));
  await passed.out({ ...forwarded('one-forward'), ...effects(['one-effect']) });
  await expectCallsOfTwo(kit, 'one-forward', 'one-effect');
});

suite.proxy('verify streamed forwards and side effects', BOTH, async (kit) => {
  const call = kit.client(MODEL, 'ProcessStreamed');
  const forwarding = request([forward('a-forward')]);
  call.send(forwarding);
  const passed = await kit.recorder.call(path('handleStreamed'));
  await passed.in(head('ProcessStreamed'));
  await passed.in(more(forwarding));
  await passed.out(forwarded('a-forward'));
  await expectCallsOfTwo(kit, 'a-forward');
  await call.expect(response(''));
  const affecting = request([effect('an-effect')]);
  call.send(affecting);
  await passed.in(more(affecting));
  await passed.out(effects(['an-effect']));
  await expectCallsOfTwo(kit, 'an-effect');
  await call.half().expectEnd();
  await passed.closed();
});

suite.proxy('verify unary failures', BOTH, async (kit) => {
  const message = request([fail('expected failure')]);
  await kit.requestFails(MODEL, 'ProcessUnary', message, 'expected failure');
  const passed = await kit.recorder.call(path('handleUnary'));
  await passed.in(single('ProcessUnary', message));
  await passed.out(failed('expected failure'));
});

suite.proxy('verify streamed failures', BOTH, async (kit) => {
  const message = request([fail('expected failure')]);
  const call = kit.client(MODEL, 'ProcessStreamed').send(message);
  const passed = await kit.recorder.call(path('handleStreamed'));
  await passed.in(head('ProcessStreamed'));
  await passed.in(more(message));
  await passed.out(failed('expected failure'));
  await call.expectEnd(2, 'expected failure');
  await passed.cancelled();
});

suite.proxy('verify unary HTTP API', BOTH, async (kit) => {
  const expectPassed = async (message, gives) => {
    const passed = await kit.recorder.call(path('handleUnary'));
    await passed.in(single('ProcessUnary', message));
    await passed.out(gives);
  };
  const ask = (step) => JSON.stringify({ groups: [{ steps: [step] }] });
  await kit.httpGives('/tck/model/action/unary', ask({ reply: { message: 'foo' } }), { message: 'foo' });
  await expectPassed(request([reply('foo')]), replied('foo'));
  await kit.httpFails('/tck/model/action/unary', ask({ fail: { message: 'boom' } }), 'boom');
  await expectPassed(request([fail('boom')]), failed('boom'));
});

// EventingTCK: actions that consume the events of entities.
import { freshId } from '../lib/kit.mjs';
import { describe } from '../lib/suite.mjs';
import { any, same } from '../lib/types.mjs';

const PACKAGE = 'cloudstate.tck.model.eventlogeventing';
const SUBSCRIBER = `${PACKAGE}.EventLogSubscriberModel`;
const ONE = `${PACKAGE}.EventSourcedEntityOne`;
const TWO = `${PACKAGE}.EventSourcedEntityTwo`;
const PROTOCOL = 'cloudstate.eventsourced.EventSourced';
const HANDLE_UNARY = '/cloudstate.action.ActionProtocol/handleUnary';
const JSON_TYPE = 'json.cloudstate.io/JsonEvent';
const ALL = [SUBSCRIBER, ONE, TWO];

// -- messages --------------------------------------------------------------------------------------

const freshEntity = () => `eventlogeventing:${freshId()}`;
const eventOne = (step) => ({ step });
const response = (id, message) => ({ reply: { payload: any(`${PACKAGE}.Response`, { id, message }) } });
const effect = (id, message) => any(`${PACKAGE}.EffectRequest`, { id, message });

// JSON as every library puts it into an Any: the text as field 1.
function json(value) {
  const text = Buffer.from(JSON.stringify(value));
  return { type_url: JSON_TYPE, value: Buffer.concat([Buffer.from([0x0a, text.length]), text]) };
}

export const suite = describe('EventingTCK');

// A command of an entity of its own that emits one event, as it goes by.
async function emit(kit, service, name, id, message, event) {
  await kit.request(service, name, message);
  const entity = await kit.recorder.entity(PROTOCOL, { service_name: service, entity_id: id });
  await entity.in({ command: { entity_id: id, id: 1, name, payload: any(`${PACKAGE}.${name === 'EmitEvent' ? 'EmitEventRequest' : 'JsonEvent'}`, message) } });
  await entity.out({ reply: { command_id: 1, client_action: { reply: { payload: any('google.protobuf.Empty') } }, events: [event] } });
}

const emitOne = (kit, id, step) => emit(kit, ONE, 'EmitEvent', id, { id, event_one: eventOne(step) }, any(`${PACKAGE}.EventOne`, eventOne(step)));

async function expectCommand(kit, name, payload) {
  const passed = await kit.recorder.call(HANDLE_UNARY);
  return passed.in({ service_name: SUBSCRIBER, name, payload });
}

// -- through the proxy -----------------------------------------------------------------------------

suite.proxy('consume an event', ALL, async (kit) => {
  const id = freshEntity();
  const step = { reply: { message: 'some message' } };
  await emitOne(kit, id, step);
  const passed = await expectCommand(kit, 'ProcessEventOne', any(`${PACKAGE}.EventOne`, eventOne(step)));
  await passed.out(response(id, 'some message'));
});

suite.proxy('forward a consumed event', ALL, async (kit) => {
  const id = freshEntity();
  const step = { forward: { message: 'some message' } };
  await emitOne(kit, id, step);
  const passed = await expectCommand(kit, 'ProcessEventOne', any(`${PACKAGE}.EventOne`, eventOne(step)));
  await passed.out({ forward: { service_name: SUBSCRIBER, command_name: 'Effect', payload: effect(id, 'some message') } });
  const forwarded = await expectCommand(kit, 'Effect', effect(id, 'some message'));
  await forwarded.out(response(id, 'some message'));
});

suite.proxy('process json events', ALL, async (kit) => {
  const id = freshEntity();
  const message = { id, message: 'some json message' };
  await emit(kit, TWO, 'EmitJsonEvent', id, message, json({ message: message.message }));
  const passed = await expectCommand(kit, 'ProcessAnyEvent', json({ message: message.message }));
  const { reply } = await passed.nextOut();
  same(reply?.payload?.id, id, 'the id in the response');
  same(reply?.payload?.message, 'some json message', 'the message in the response');
});

// ProxyTCK: what the proxy says of itself, and server reflection.
import { DISCOVERY } from '../lib/kit.mjs';
import { Call } from '../lib/calls.mjs';
import { describe, servicesOf } from '../lib/suite.mjs';
import { methodsOf, same } from '../lib/types.mjs';

const REFLECTION = 'grpc.reflection.v1alpha.ServerReflection';
const TYPES = [
  'cloudstate.action.ActionProtocol', 'cloudstate.crdt.Crdt', 'cloudstate.eventsourced.EventSourced',
  'cloudstate.valueentity.ValueEntity',
];

export const suite = describe('ProxyTCK');

suite.proxy('verify proxy info and entity discovery', [], async ({ proxyInfo, spec }) => {
  same([proxyInfo.protocol_major_version, proxyInfo.protocol_minor_version], [0, 2], 'the protocol of the proxy');
  same([...proxyInfo.supported_entity_types].sort(), TYPES, 'the entity types of the proxy');
  const services = servicesOf(spec.proto);
  for (const entity of spec.entities) {
    if (!services.includes(entity.service_name)) throw new Error(`${entity.service_name} is not in the descriptors of ${DISCOVERY.discover.path}`);
  }
});

suite.proxy('verify that the proxy supports server reflection', [], async (kit) => {
  const call = new Call(kit.proxy, methodsOf(REFLECTION).ServerReflectionInfo);
  const names = [REFLECTION, ...kit.served.map((entity) => entity.service_name).sort()];
  const list = { service: names.map((name) => ({ name })) };
  const ask = async (original, answer) => {
    call.send(original);
    await call.expect({ valid_host: original.host, original_request: original, ...answer });
  };
  const host = 'headgate.test';
  await ask({ host, list_services: '' }, { list_services_response: list });
  await ask({ host, list_services: 'nonsense.blabla.Void' }, { list_services_response: list });
  await ask({ host, file_containing_symbol: 'nonsense.blabla.Void' }, { file_descriptor_response: {} });
  call.half();
  await call.expectEnd();
});

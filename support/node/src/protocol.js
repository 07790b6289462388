// The services of the Cloudstate protocol as grpc-js wants them, from the .proto files.
import { describe } from './proto/source.js';

const FILES = ['entity', 'event_sourced', 'value_entity', 'action', 'crdt'].map((name) => `cloudstate/${name}.proto`);

const { root } = describe(FILES, []);

function definitionOf(serviceName) {
  const service = root.lookupService(serviceName);
  const definition = {};
  for (const method of service.methodsArray) {
    method.resolve();
    const { resolvedRequestType: request, resolvedResponseType: response } = method;
    definition[method.name] = {
      path: `/${serviceName}/${method.name}`,
      requestStream: Boolean(method.requestStream),
      responseStream: Boolean(method.responseStream),
      requestSerialize: (message) => Buffer.from(request.encode(request.fromObject(message)).finish()),
      requestDeserialize: (bytes) => request.decode(bytes),
      responseSerialize: (message) => Buffer.from(response.encode(response.fromObject(message)).finish()),
      responseDeserialize: (bytes) => response.decode(bytes),
    };
  }
  return definition;
}

export const protocol = {
  discovery: definitionOf('cloudstate.EntityDiscovery'),
  eventSourced: definitionOf('cloudstate.eventsourced.EventSourced'),
  valueEntity: definitionOf('cloudstate.valueentity.ValueEntity'),
  action: definitionOf('cloudstate.action.ActionProtocol'),
  crdt: definitionOf('cloudstate.crdt.Crdt'),
};

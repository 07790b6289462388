// The model services of the compatibility kit with the JavaScript library.
import { fileURLToPath } from 'node:url';
import { Headgate } from '../../../support/node/src/index.js';
import { actions } from './action.js';
import { crdts } from './crdt.js';
import { eventing } from './eventing.js';
import { eventSourced } from './event_sourced.js';
import { valueEntities } from './value_entity.js';

const includeDirs = [fileURLToPath(new URL('../proto', import.meta.url))];

const server = new Headgate({ serviceName: 'headgate-tck-js', serviceVersion: '1' })
  .addEntity([actions, eventSourced, valueEntities, crdts, eventing].flatMap((make) => make({ includeDirs })));
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => server.shutdown({ graceMs: 200 }).then(() => process.exit(0)));
console.log(`listening on port ${await server.start()}`);

// The compatibility kit on the gateway and the model services in C.
import { registerChecks } from './lib/tap.mjs';

registerChecks('C', {
  'ProxyTCK: verify proxy info and entity discovery': 'the gateway does not serve CRDTs yet',
});

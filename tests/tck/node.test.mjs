// The compatibility kit on the gateway and the model services in JavaScript.
import { registerChecks } from './lib/tap.mjs';

registerChecks('Node');

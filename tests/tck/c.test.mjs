// The compatibility kit on the gateway and the model services in C.
import { registerChecks } from './lib/tap.mjs';

registerChecks('C');

// EventingTCK: actions that consume the events of entities.
import { describe } from '../lib/suite.mjs';

const REASON = 'the feed of events is not built yet';

export const suite = describe('EventingTCK');

suite.pending('consume an event', REASON);
suite.pending('forward a consumed event', REASON);
suite.pending('process json events', REASON);

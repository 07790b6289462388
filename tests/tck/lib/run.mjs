// Brings the parties together and runs the checks, one after the other: what goes by between proxy and
// function then belongs to one check.
import { connect, unary } from './calls.mjs';
import { Interceptor } from './interceptor.mjs';
import { DISCOVERY, Kit, PROXY_INFO, retry } from './kit.mjs';
import { decode } from './types.mjs';
import { suite as action } from '../suites/action.mjs';
import { suite as crdt } from '../suites/crdt.mjs';
import { suite as entity } from '../suites/entity.mjs';
import { suite as eventing } from '../suites/eventing.mjs';
import { suite as eventSourced } from '../suites/eventsourced.mjs';
import { suite as proxy } from '../suites/proxy.mjs';

export const suites = [proxy, action, eventSourced, entity, crdt, eventing];

const FUNCTION_MS = 60000; // until the function answers
const PROXY_MS = 10000;	   // until the proxy answers over HTTP at all
const DISCOVERY_MS = 20000; // until it has come to know the function: it may be waiting before a retry
const READY_MS = 15000;	   // from then until it serves

/** Puts the interceptor before the function; gives its port. The function must answer discovery first. */
export class Bench {
  constructor(functionAddress) {
    this.functionAddress = functionAddress;
    this.client = connect(functionAddress);
    this.interceptor = new Interceptor(this.client);
  }

  async listen(host = '127.0.0.1', port = 0) {
    await retry(`no discovery from the function at ${this.functionAddress}`,
      () => unary(this.client, DISCOVERY.discover, PROXY_INFO), FUNCTION_MS);
    return this.interceptor.listen(host, port);
  }

  /** Waits for the proxy to have discovered the function through the interceptor. */
  async meet(proxyAddress) {
    const { recorder } = this.interceptor;
    const kit = new Kit({ functionAddress: this.functionAddress, proxyAddress, recorder });
    this.kit = kit;
    await retry(`no HTTP answer from the proxy at ${proxyAddress}`, () => kit.alive(), PROXY_MS);
    const passed = await recorder.call(DISCOVERY.discover.path, (one) => one.sides.out.messages.length > 0, DISCOVERY_MS);
    kit.proxyInfo = decode('cloudstate.ProxyInfo', passed.sides.in.messages[0]);
    kit.spec = decode('cloudstate.EntitySpec', passed.sides.out.messages[0]);
    for (const side of Object.values(passed.sides)) side.read = 1;
    await retry('the proxy does not serve the function', () => this.#serves(), READY_MS);
    recorder.forget();
    return kit;
  }

  // A proxy may listen before it knows the function, and says that it cannot serve; it may tell why.
  async #serves() {
    const report = this.interceptor.recorder.calls.findLast(({ method }) => method.path === DISCOVERY.reportError.path);
    const { status } = await this.kit.alive();
    if (status === 503) {
      throw new Error(report?.first ? decode('cloudstate.UserFunctionError', report.first).message : 'HTTP status 503');
    }
  }

  close() {
    this.kit?.close();
    this.interceptor.close();
    this.client.close();
  }
}

/** Why a check cannot be run, if so. */
export function pendingReason(kit, check) {
  if (check.pending) return check.pending;
  const missing = check.needs.filter((service) => !kit.has([service]));
  if (missing.length > 0) return `the function has no ${missing.join(', ')}`;
  if (check.kind === 'M') return undefined;
  const types = new Set(check.needs.map((service) => kit.entityOf(service).entity_type));
  const unsupported = [...types].filter((type) => !kit.proxyInfo.supported_entity_types.includes(type));
  return unsupported.length > 0 ? `the proxy does not support ${unsupported.join(', ')}` : undefined;
}

/** Runs one check: {result: passed | failed | pending, ms, text}. */
export async function runCheck(kit, check) {
  const reason = pendingReason(kit, check);
  if (reason) return { result: 'pending', ms: 0, text: reason };
  const from = performance.now();
  try {
    kit.recorder.forget();
    await check.run(kit);
    if (check.kind === 'P') await kit.recorder.expectQuiet();
    return { result: 'passed', ms: performance.now() - from };
  } catch (error) {
    return { result: 'failed', ms: performance.now() - from, text: error.message };
  }
}

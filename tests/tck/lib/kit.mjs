// What a check is given: the function to play the proxy for, the proxy to be a client of, and what went by.
import fs from 'node:fs';
import http from 'node:http';
import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { Call, PATIENCE_MS, connect, unary } from './calls.mjs';
import { decode, methodsOf, same } from './types.mjs';

export const DISCOVERY = methodsOf('cloudstate.EntityDiscovery');
const VERSION = JSON.parse(fs.readFileSync(new URL('../../../support/node/package.json', import.meta.url), 'utf8')).version;

/** How the kit presents itself when it plays the proxy. */
export const PROXY_INFO = {
  protocol_major_version: 0, protocol_minor_version: 2, proxy_name: 'headgate-tck', proxy_version: VERSION,
  supported_entity_types: [
    'cloudstate.action.ActionProtocol', 'cloudstate.crdt.Crdt', 'cloudstate.eventsourced.EventSourced',
    'cloudstate.valueentity.ValueEntity',
  ],
};

export const freshId = () => randomUUID();

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Tries until it works; gives the result. */
export async function retry(what, act, ms) {
  const end = Date.now() + ms;
  for (;;) {
    try {
      return await act();
    } catch (error) {
      if (Date.now() > end) throw new Error(`${what}: ${error.message}`);
    }
    await sleep(50);
  }
}

export class Kit {
  /** Addresses as HOST:PORT; recorder of the interceptor; the discovery that went through it. */
  constructor({ functionAddress, proxyAddress, recorder, spec, proxyInfo }) {
    Object.assign(this, { proxyAddress, recorder, spec, proxyInfo });
    this.function = connect(functionAddress);
    this.proxy = proxyAddress && connect(proxyAddress);
  }

  has(services) {
    const present = new Set(this.spec.entities.map((entity) => entity.service_name));
    return services.every((service) => present.has(service));
  }

  /** The entities that the proxy was shown. */
  get served() {
    return this.spec.entities.filter(({ entity_type: type }) => this.proxyInfo.supported_entity_types.includes(type));
  }

  entityOf(service) {
    return this.spec.entities.find((entity) => entity.service_name === service);
  }

  /** Discovery of the function, as a proxy does it. */
  async discover() {
    return decode('cloudstate.EntitySpec', await unary(this.function, DISCOVERY.discover, PROXY_INFO));
  }

  /** A call of the function's side of the protocol. */
  protocol(service, method = 'handle') {
    return new Call(this.function, methodsOf(service)[method]);
  }

  /** A call of the served API, as a client does it. */
  client(service, method) {
    return new Call(this.proxy, methodsOf(service)[method]);
  }

  async request(service, method, message) {
    const found = methodsOf(service)[method];
    return decode(found.response, await unary(this.proxy, found, message));
  }

  /** The call fails with UNKNOWN and that text. */
  async requestFails(service, method, message, text) {
    const found = methodsOf(service)[method];
    const outcome = await unary(this.proxy, found, message).then(() => 'a reply', (error) => ({ code: error.code, details: error.details }));
    same(outcome, { code: 2, details: text }, `${method} fails`);
  }

  #http(path, body) {
    const [, host, port] = /^(.*):(\d+)$/.exec(this.proxyAddress);
    return new Promise((resolve, reject) => {
      const options = { host, port, path, method: body === undefined ? 'GET' : 'POST', timeout: PATIENCE_MS, agent: false };
      if (body !== undefined) options.headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
      const request = http.request(options, (answer) => {
        const chunks = [];
        answer.on('data', (chunk) => chunks.push(chunk));
        answer.on('end', () => resolve({
          status: answer.statusCode, type: answer.headers['content-type'], body: Buffer.concat(chunks).toString(),
        }));
      });
      request.on('error', reject);
      request.on('timeout', () => request.destroy(new Error(`no answer over HTTP within ${PATIENCE_MS} ms`)));
      request.end(body);
    });
  }

  /** Any answer at all. */
  alive() {
    return this.#http('/');
  }

  /** POST with a body, else GET: 200, application/json and exactly one of these values. */
  async httpGives(path, body, ...wanted) {
    const answer = await this.#http(path, body);
    same([answer.status, answer.type], [200, 'application/json'], `${path} answers (${answer.body})`);
    const got = JSON.parse(answer.body);
    same(got, wanted.find((one) => isDeepStrictEqual(one, got)) ?? wanted[0], `the body of ${path}`);
  }

  /** 500 and exactly that text. */
  async httpFails(path, body, text) {
    const answer = await this.#http(path, body);
    same([answer.status, answer.body], [500, text], `${path} fails`);
  }

  close() {
    this.function.close();
    this.proxy?.close();
  }
}

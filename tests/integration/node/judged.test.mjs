// headgate check --requests against the live gateway, over HTTP/1.1 and over HTTP/2: status, body of an
// error, Allow and the message must agree exactly, or the row says why they cannot.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import http2 from 'node:http2';
import { after, before, describe, it } from 'node:test';
import zlib from 'node:zlib';
import { World, builddir, fs, path } from './harness.mjs';
import { judgedRows, overHttp1, overHttp2, rows as transportRows } from './rows.mjs';

const set = path.join(builddir, 'tests/fakes/gen/test.desc');
const headgate = path.join(builddir, 'headgate');

// Why a row differs on one way.
const NO_H2 = 'not over HTTP/2: ';
const NO_LIVE = 'not compared: ';

// Of a row of rows.mjs: [method, path, body, headers, why].
const common = [
  ...transportRows.map(([method, where, body, , , headers = {}]) => [method, where, body, headers,
    where.includes('k'.repeat(1025)) && `${NO_LIVE}how long an entity's key may be is the router's affair`]),
  ...judgedRows.map(([method, where, headers, body]) => [method, where, body, headers,
    headers['Content-Type'] === 'application/grpc' && `${NO_H2}there it is gRPC`]),
];
const gzip = (text) => zlib.gzipSync(text);
const packed = { 'content-encoding': 'gzip' };
const preflight = { origin: 'https://a.example', 'access-control-request-method': 'PUT' };
const override = (method) => ({ 'x-http-method-override': method });
const unary = '/actions/unary';
const collect = '/actions/collect';
const chat = '/actions/chat';
const expand = '/actions/expand';

const plain = [
  // Packed bodies.
  ['PUT', '/shapes/a', gzip('{"name":"packed"}'), packed],
  ['PUT', '/shapes/a', gzip(`{"name":"${'x'.repeat(100000)}"}`), packed],
  ['PUT', '/shapes/a', gzip('{"nope":1}'), packed],
  ['PUT', '/shapes/a', gzip('{"name":"cut"}').subarray(0, 20), packed],
  ['PUT', '/shapes/a', Buffer.from('no gzip at all'), packed],
  ['PUT', '/shapes/a', gzip(Buffer.alloc(32 << 20, 0x20)), packed],
  ['PUT', '/shapes/a', '{}', { 'content-encoding': 'identity' }],
  ['PUT', '/shapes/a', '{}', { 'content-encoding': 'br' }],
  ['PUT', '/shapes/a', '{}', { 'content-encoding': 'gzip, gzip' }],
  ['GET', '/shapes/a', undefined, packed],
  ['POST', collect, gzip('[{"text":"a"},{"text":"b"}]'), packed],
  ['POST', collect, gzip('{"text":"a"}\n{"text":'), packed],
  // Length and framing.
  ['PUT', '/shapes/a', `{"name":"${'x'.repeat((4 << 20) - 11)}"}`, {}],
  ['PUT', '/shapes/a', `{"name":"${'x'.repeat((4 << 20) - 10)}"}`, {}],
  ['POST', collect, `[{"text":"a"},{"text":"${'x'.repeat(5 << 20)}"}]`, {}],
  ['PUT', '/shapes/a', '{}', { 'content-length': '2' }, `${NO_LIVE}the client writes its own length`],
  // What other people's headers ask for.
  ['PUT', '/shapes/a', '{}', { expect: '100-continue' }],
  ['GET', '/shapes/a', undefined, { upgrade: 'h2c' }, `${NO_H2}such a header breaks the stream`],
  ['GET', '/shapes/a', undefined, { upgrade: 'websocket' }, `${NO_H2}such a header breaks the stream`],
  ['POST', '/shapes/a', '{}', override('PUT')],
  ['OPTIONS', '/shapes/a', undefined, preflight],
  ['GET', '/shapes/a?fields=name', undefined, {}],
  ['GET', '/shapes/a?prettyPrint=true', undefined, {}],
  // Methods.
  ['HEAD', '/shapes/a?nope=1', undefined, {}],
  ['HEAD', unary, undefined, {}],
  ['HEAD', collect, undefined, {}],
  ['OPTIONS', unary, undefined, {}],
  ['OPTIONS', '/ready', undefined, {}],
  ['DELETE', unary, undefined, {}],
  ['CONNECT', '/shapes/a', undefined, {}, `${NO_LIVE}clients refuse to send it`],
  ['get', '/shapes/a', undefined, {}],
  // Deadlines.
  ...['1S', '1H', '99999999n', '0S', '', '-1S', '1.5S', '1s', '1 S', '999999999H'].map((value) => ['GET', '/shapes/a', undefined, { 'grpc-timeout': value }]),
  ...['1', '0.5', '1e3', '', '-1', '1.0000000001', '.5', '5.'].map((value) => ['GET', '/shapes/a', undefined, { 'x-server-timeout': value }]),
  ['POST', collect, '{}', { 'grpc-timeout': 'x' }],
  // Metadata.
  ...['AQI=', 'AQI', 'AQI, *', '=', 'A', 'AQ', '_-8'].map((value) => ['GET', '/shapes/a', undefined, { 'x-a-bin': value }]),
  ['GET', '/shapes/a', undefined, { 'grpc-metadata-x-a-bin': '%' }],
  ['GET', '/shapes/a', undefined, { 'x-many': ['a', 'b'] }],
  ['GET', '/shapes/a', undefined, { 'x-a-bin': ['AQI', '*'] }],
  ['POST', collect, '{}', { 'x-a-bin': '*' }],
  // Accept.
  ...['*/*', 'application/json', 'application/*', 'text/html, */*;q=0.1', 'application/json;q=0', 'image/png', 'text/event-stream', ''].flatMap((value) => [
    ['GET', '/shapes/a', undefined, { accept: value }],
    ['GET', expand, undefined, { accept: value }],
    ['POST', unary, '{}', { accept: value }],
  ]),
  ['GET', '/shapes/a', undefined, { accept: ['image/png', 'application/json'] }],
  ['GET', '/shapes/a/download?name=image/png', undefined, { accept: 'image/png' }],
  // Client streams.
  ...['[]', '[{"text":"a"}]', '[{"text":"a"},{"text":"b"}]', '{"text":"a"}', '{"text":"a"}\n{"text":"b"}\n', '{"text":"a"}{"text":"b"}', '', ' \n ',
    '[', '[{"text":"a"},]', '[{"text":"a"}', '[{"text":"a"}]x', '[null]', '[1]', 'null', '{"text":"a"}\n,', '{"nope":1}', '[{"text":"a"},{"nope":1}]',
    '{"text":"a"}\n{"text":1}'].flatMap((body) => [['POST', collect, body, {}], ['POST', chat, body, {}, `${NO_H2}there the answer may begin before the request ended`]]),
  ['POST', collect, '{"text":"a"}', { 'content-type': 'application/x-ndjson' }],
  ['POST', collect, '{"text":"a"}', { 'content-type': 'text/csv' }],
  ['POST', chat, '{"text":"a"}', { accept: 'image/png' }],
  ['POST', `${collect}?text=x`, '[{}]', {}],
  // Server streams.
  ['GET', `${expand}?text=x&replies=2`, undefined, {}],
  ['GET', `${expand}?replies=x`, undefined, {}],
  ['POST', expand, '{"text":"x","replies":1}', {}],
  ['POST', expand, '{"text":"x","replies":1}{}', {}],
  ['POST', expand, '{"text":', {}],
  ['POST', '/headgate.test.Actions/Expand', '{"text":"x","replies":1}', {}],
  // Bodies of one field, of many and of none.
  ['PATCH', '/shapes/a', '{"inner":{"number":1},"colour":null}', {}],
  ['PATCH', '/shapes/a?mask=name', '{"name":"x"}', {}],
  ['PATCH', '/shapes/a', '{}', {}],
  ['PATCH', '/shapes/a', '', {}],
  ['PATCH', '/shapes/a', 'null', {}],
  ['POST', '/shapes/a/strings', '{}', {}],
  ['POST', '/shapes/a/strings', '"x"', {}],
  ['POST', '/shapes/a/counts', '[]', {}],
  ['POST', '/shapes/a/name', '1', {}],
  ['POST', '/many/a', '{"name":"b"}', {}],
  ['PUT', '/many/a/nested', '{"name":"b"}', {}],
  ['GET', '/many/a/named/b', undefined, {}],
  ['POST', '/shapes/a/files/x/y:run', undefined, {}],
  ['GET', '/shapes/a/precedence/literal', undefined, {}],
  ['GET', '/shapes/a/precedence/other', undefined, {}],
  ['GET', '/shapes/a/star/x', undefined, {}],
  ['GET', '/shapes/a/unnamed/x/rest/y/z', undefined, {}],
  // Pages.
  ['GET', '/docs', undefined, {}],
  ['GET', '/openapi.json', undefined, {}],
  ['POST', '/docs', '{}', {}],
  ['GET', '/healthz', undefined, {}],
  ['GET', '/metrics', undefined, {}],
];

const manners = [
  ['OPTIONS', '/shapes/a', undefined, preflight],
  ['OPTIONS', '/shapes/a', undefined, { ...preflight, 'access-control-request-headers': 'X-A, content-type' }],
  ['OPTIONS', '/shapes/a', undefined, { ...preflight, origin: 'https://evil.example' }],
  ['OPTIONS', '/shapes/a', undefined, { origin: 'https://a.example' }],
  ['OPTIONS', '/shapes/a/anything', undefined, preflight],
  ['OPTIONS', '/nowhere', undefined, preflight],
  ['OPTIONS', collect, undefined, preflight],
  ['GET', '/shapes/a?nope=1', undefined, { origin: 'https://a.example' }],
  ['POST', '/shapes/a', '{"name":"o"}', override('PUT')],
  ['POST', '/shapes/a', '{"name":"o"}', override('PATCH')],
  ['POST', '/shapes/a', undefined, override('DELETE')],
  ['POST', '/shapes/a', undefined, override('GET')],
  ['POST', '/shapes/a', '{}', override('put')],
  ['POST', '/shapes/a', '{}', override('PURGE')],
  ['POST', '/ready', undefined, override('GET')],
  ['PUT', '/shapes/a', '{}', override('GET')],
  ['GET', '/shapes/a?fields=nope', undefined, {}],
  ['GET', '/shapes/a?fields=name,nested.nope', undefined, {}],
  ['GET', '/shapes/a?fields=%', undefined, {}],
  ['GET', '/shapes/a?prettyPrint=maybe', undefined, {}],
  ['GET', '/shapes/a?fields=id&nope=1', undefined, {}],
  ['GET', `${expand}?fields=text`, undefined, {}],
  ['PUT', '/shapes/a', '{"nope":1}', {}],
  ['GET', '/shapes/a/', undefined, {}],
  ['GET', '/shapes/a?colour=red', undefined, {}],
];

const original = [
  ['GET', '/shapes/a', undefined, {}],
  ['GET', '/shapes/a?nope=1', undefined, {}],
  ['PUT', '/shapes/a', '{', {}],
  ['PUT', '/shapes/a', '{}', { 'content-type': 'text/xml' }],
  ['PUT', '/shapes/a', gzip('x').subarray(0, 9), packed],
  ['GET', '/nowhere', undefined, {}],
  ['POST', '/shapes/a', '{}', {}],
  ['POST', collect, '[{"text":"a"},{"nope":1}]', {}],
];

const groups = [
  ['as it comes', '', [...common, ...plain]],
  ['with all manners', 'http:\n  cors: {origins: "https://a.example"}\n  method_override: true\n  fields: true\n  pretty_print: true\n  ignore_trailing_slash: true\n', manners],
  ['with the errors of the original', 'http:\n  errors: cloudstate\n', original],
];

// What the function answers to a message: of a Shape itself or a part, of a Step its text.
const parts = { BodyField: 'nested', BodyList: 'strings', BodyScalar: 'name', BodyMap: 'counts' };

function expected({ route, message, messages }) {
  const [service, rpc] = route.rpc.split('.').slice(-2);
  if (service === 'Transcoding' && rpc !== 'Remove' && rpc !== 'Download') {
    const part = parts[rpc] ?? (route.method === 'PUT' && route.template === '/many/{id}/nested' ? 'nested' : undefined);
    return part ? message[part] : message;
  }
  if (rpc === 'Collect') return messages.at(-1)?.text ?? '';
  if (rpc === 'Chat') return messages.map(({ text }) => text);
  if (rpc === 'Unary') return message.text;
  if (rpc === 'Expand') return Array(message.replies).fill(message.text);
  return undefined;
}

function answered({ route }, { body }) {
  const rpc = route.rpc.split('.').at(-1);
  if (rpc === 'Collect' || rpc === 'Unary') return JSON.parse(body).text;
  if (rpc === 'Chat' || rpc === 'Expand') return JSON.parse(body).map(({ text }) => text);
  return JSON.parse(body);
}

function judge(world, rows, config) {
  const file = path.join(world.dir, 'requests.jsonl');
  const yaml = path.join(world.dir, 'headgate.yaml');
  fs.writeFileSync(yaml, config);
  fs.writeFileSync(file, rows.map(([method, where, body, headers], id) => {
    const type = body !== undefined && !Object.keys(headers).some((name) => /^content-type$/i.test(name)) ? { 'content-type': 'application/json' } : {};
    const content = Buffer.isBuffer(body) ? { body_base64: body.toString('base64') } : { body };
    return JSON.stringify({ id, method, path: where, headers: { ...type, ...headers }, ...content });
  }).join('\n'));
  const text = execFileSync(headgate, ['check', '--descriptor-set', set, '--config', yaml, '--requests', file], { maxBuffer: 256 << 20, encoding: 'utf8' });
  return text.trim().split('\n').map((line) => JSON.parse(line));
}

function same(row, result, answer, way) {
  const [method] = row;
  const what = `${way}: ${JSON.stringify(result).slice(0, 2000)} and ${answer.status} ${answer.body.slice(0, 2000)}`;
  assert.equal(answer.status, result.http_status, what);
  assert.deepEqual(answer.headers.allow?.split(', '), result.allow, what);
  if (result.builtin) return; // pages name the function
  for (const name of Object.keys(result.headers ?? {})) assert.equal(answer.headers[name], result.headers[name], `${name}: ${what}`);
  if (method === 'HEAD') return;
  if (result.error) assert.deepEqual(JSON.parse(answer.body), result.error, what);
  if (result.error_text !== undefined) assert.equal(answer.body, result.error_text, what);
  if (!result.message && !result.messages) return;
  const wanted = expected(result);
  const isText = /event-stream|ndjson/.test(answer.headers['content-type']);
  if (wanted !== undefined && !isText) assert.deepEqual(answered(result, answer), wanted, what);
}

const show = ([method, where, body, headers], i) => {
  const short = (text) => (text.length > 50 ? `${text.slice(0, 47)}...` : text);
  return `${i}: ${method} ${short(where)} ${Buffer.isBuffer(body) ? 'bytes' : short(body ?? '')} ${short(JSON.stringify(headers))}`;
};

for (const [name, config, rows] of groups) {
  describe(`headgate check --requests and the gateway ${name}`, () => {
    const world = new World();
    let gateway;
    let session;
    let results;

    before(async () => {
      results = judge(world, rows, config);
      const fn = await world.testFunction();
      gateway = await world.gateway({ functionPort: fn.port, args: ['--config', path.join(world.dir, 'headgate.yaml')] });
      session = http2.connect(gateway.url);
      session.on('error', () => {});
    });
    after(async () => {
      session?.destroy();
      await world.end();
    });

    rows.forEach((row, i) => {
      const [method, where, body, headers, why] = row;
      it(`agree on ${show(row, i)}${why ? ` (${why})` : ''}`, async () => {
        assert.equal(results[i].id, i);
        assert.equal(results[i].fault, undefined);
        if (why && why.startsWith(NO_LIVE)) return;
        const sent = [method, where, body, undefined, undefined, Object.fromEntries(Object.entries(headers).map(([key, value]) => [key.toLowerCase(), value]))];
        same(row, results[i], await overHttp1(gateway.port, sent), 'HTTP/1.1');
        if (!why) same(row, results[i], await overHttp2(session, sent), 'HTTP/2');
      });
    });
  });
}

// headgate check --requests: what it says of a request is what the gateway does with it. Every row is
// judged offline and sent to a gateway whose function answers with its own request.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import http from 'node:http';
import { after, before, describe, it } from 'node:test';
import { World, builddir, fs, path } from './harness.mjs';
import { json, judgedRows as rows } from './rows.mjs';

const set = path.join(builddir, 'tests/fakes/gen/test.desc');
const headgate = path.join(builddir, 'headgate');

function judge(world, requests, config) {
  const file = path.join(world.dir, 'requests.jsonl');
  fs.writeFileSync(file, requests.map(([method, where, headers, body], id) =>
    JSON.stringify({ id, method, path: where, headers, body })).join('\n'));
  const args = ['check', '--descriptor-set', set, '--requests', file];
  if (config) {
    const where = path.join(world.dir, 'check.yaml');
    fs.writeFileSync(where, config);
    args.push('--config', where);
  }
  const results = execFileSync(headgate, args, { maxBuffer: 64 << 20, encoding: 'utf8' }).trim().split('\n').map((line) => JSON.parse(line));
  assert.deepEqual(results.map((result) => result.id), requests.map((_, id) => id));
  return results;
}

// As it is, path and all: fetch would put it right.
function send(gateway, [method, where, headers, body]) {
  return new Promise((resolve, reject) => {
    const request = http.request({ host: '127.0.0.1', port: gateway.port, method, path: where, headers }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (chunk) => { text += chunk; });
      answer.on('end', () => resolve({ status: answer.statusCode, allow: answer.headers.allow, text }));
    });
    request.on('error', reject);
    request.end(body);
  });
}

async function compare(gateway, row, result) {
  const answer = await send(gateway, row);
  const what = `${row[0]} ${row[1]}: ${JSON.stringify(result)} and ${answer.status} ${answer.text}`;
  assert.equal(answer.status, result.http_status, what);
  if (row[0] === 'HEAD') return;
  if (result.error) assert.deepEqual(JSON.parse(answer.text), result.error, what);
  if (result.allow) assert.deepEqual(answer.allow.split(', '), result.allow, what);
  if (!result.message || !answer.text.startsWith('{') || answer.text === '{}') return;
  if (/NestedPath|Patch/.test(result.route.rpc)) return; // the function does not echo all of a Nested
  const echoed = JSON.parse(answer.text);
  for (const name of ['id', 'name', 'int64Value', 'uint64Value', 'doubleValue', 'colour', 'duration', 'timestamp', 'numbers']) {
    if (name in echoed && name in result.message) assert.deepEqual(echoed[name], result.message[name], `${name} in ${what}`);
  }
}

describe('headgate check --requests', () => {
  const world = new World();
  let gateway;
  let results;

  before(async () => {
    const fn = await world.testFunction();
    gateway = await world.gateway({ functionPort: fn.port });
    results = judge(world, rows);
  });
  after(() => world.end());

  rows.forEach((row, i) => {
    it(`judges ${row[0]} ${row[1].slice(0, 60)} ${JSON.stringify(row[2])} as the gateway does`, async () => {
      for (const [name, value] of Object.entries(row[4])) assert.deepEqual(results[i][name], value, `${name} of ${JSON.stringify(results[i])}`);
      await compare(gateway, row, results[i]);
    });
  });

  it('prints the message whole', () => {
    const [{ message }] = judge(world, [['PATCH', '/shapes/a', json, '{"name":"n"}']]);
    assert.equal(message.id, 'a');
    assert.equal(message.nested.name, 'n');
    assert.equal(message.mask, 'name');
    assert.equal(message.int64Value, '0');
  });

  it('prints every message of a client stream', () => {
    const stream = (body, where = '/collected/n') => judge(world, [['POST', where, json, body]])[0];
    const items = [{ name: 'n', number: '1', text: '' }, { name: '', number: '2', text: '' }];
    for (const body of ['[{"number":1},{"number":2}]', '{"number":1}\n{"number":2}\n']) {
      assert.deepEqual(stream(body).messages, items);
      assert.equal(stream(body).http_status, 200);
    }
    assert.deepEqual(stream('[]').messages, []);
    const broken = stream('[{"number":1},{"nope":2}]');
    assert.equal(broken.http_status, 400);
    assert.match(broken.error.message, /message 2 of the stream/);
  });

  it('knows in which forms a server stream comes', () => {
    const status = (accept, where = '/items/a') => judge(world, [['GET', where, { Accept: accept }]])[0].http_status;
    for (const accept of ['*/*', 'application/json', 'application/x-ndjson', 'text/event-stream']) assert.equal(status(accept), 200, accept);
    assert.equal(status('image/png'), 406);
    assert.equal(status('image/png', '/downloads/a'), 200); // bytes of the function
  });

  it('takes a body in base64 and from standard input', () => {
    const line = JSON.stringify({ id: 'b', method: 'PUT', path: '/shapes/a', body_base64: Buffer.from('{"name":"ü"}').toString('base64') });
    const { stdout, status } = spawnSync(headgate, ['check', '--descriptor-set', set, '--requests', '-'], { input: `${line}\n\n`, encoding: 'utf8' });
    assert.equal(status, 0);
    assert.equal(JSON.parse(stdout).message.name, 'ü');
  });

  // option, request, what is so without it and with it
  const options = [
    ['query_plus_is_space: false', ['GET', '/shapes/a?name=x+y'], (result) => result.message.name, 'x y', 'x+y'],
    ['multi_segment_unescape: reserved', ['GET', '/shapes/a/files/x%2Fy%3Az%20w'], (result) => result.path_bindings.name, 'x%2Fy:z w', 'x%2Fy%3Az w'],
    ['multi_segment_unescape: all', ['GET', '/shapes/a/files/x%2Fy'], (result) => result.message.name, 'x%2Fy', 'x/y'],
    ['ignore_unknown_query_parameters: true', ['GET', '/shapes/a?nope=1'], (result) => result.http_status, 400, 200],
    ['ignored_query_parameters: "key, prettyPrint"', ['GET', '/shapes/a?key=1&prettyPrint=x'], (result) => result.http_status, 400, 200],
    ['ignore_unknown_fields: true', ['PUT', '/shapes/a', json, '{"nope":1}'], (result) => result.http_status, 400, 200],
    ['json: {always_print_primitive_fields: false}', ['GET', '/shapes/a'], (result) => Object.keys(result.message).length > 1, true, false],
    ['json: {always_print_enums_as_ints: true}', ['GET', '/shapes/a?colour=RED'], (result) => result.message.colour, 'RED', 1],
    ['json: {preserve_proto_field_names: true}', ['GET', '/shapes/a'], (result) => 'int64_value' in result.message, false, true],
  ];
  for (const [option, request, look, without, withIt] of options) {
    it(`keeps http.${option}, and so does the gateway`, async () => {
      assert.deepEqual(look(judge(world, [request])[0]), without);
      const [result] = judge(world, [request], `http:\n  ${option}\n`);
      assert.deepEqual(look(result), withIt);
      const fn = await world.testFunction();
      const own = await world.gateway({ functionPort: fn.port, args: ['--config', path.join(world.dir, 'check.yaml')], env: { JOURNAL_URL: `embedded:${world.dir}/own` } });
      const [method, where, headers, body] = request;
      const answer = await send(own, [method, where, headers, body]);
      assert.equal(answer.status, result.http_status, answer.text);
      if (option.startsWith('json')) {
        const reply = JSON.parse(answer.text);
        if ('colour' in result.message) assert.deepEqual(reply.colour, result.message.colour);
        assert.equal('int64_value' in reply, 'int64_value' in result.message);
      } else assert.deepEqual(JSON.parse(answer.text).name, result.message.name);
      await own.kill('SIGTERM');
      await fn.kill('SIGTERM');
    });
  }

  it('tells lines that are no requests', () => {
    for (const line of ['nonsense', '[]', '{"method":"GET"}', '{"path":"/","method":1}', '{"method":"GET","path":"/","headers":[]}',
      '{"method":"GET","path":"/","body_base64":"*"}', '{"method":"GET","path":"/","body":"x","body_base64":""}']) {
      const { stderr, status } = spawnSync(headgate, ['check', '--descriptor-set', set, '--requests', '-'], { input: line, encoding: 'utf8' });
      assert.equal(status, 2, line);
      assert.match(stderr, /-:1: /);
    }
  });

  it('goes on after a line that is no request', () => {
    const input = ['{"id":1,"method":"GET","path":"/shapes/a"}', 'nonsense', '', '{"id":3,"method":"PUT","path":"/shapes/a","headers":{"Content-Length":"9"},"body":"{}"}',
      '{"id":4,"method":"GET","path":"/alive"}'].join('\n');
    const { stdout, stderr, status } = spawnSync(headgate, ['check', '--descriptor-set', set, '--requests', '-'], { input, encoding: 'utf8' });
    const results = stdout.trim().split('\n').map((line) => JSON.parse(line));
    assert.equal(status, 2);
    assert.deepEqual(results.map(({ http_status, line }) => http_status ?? line), [200, 2, 4, 200]);
    assert.deepEqual(results[1], { id: null, line: 2, fault: 'not a JSON object' });
    assert.equal(results[2].id, 3);
    assert.match(stderr, /^headgate: -:2: .*\nheadgate: -:4: the body is not as long/);
  });

  it('tells a line that is too long and reads on', () => {
    const input = `${'x'.repeat(65 << 20)}\n{"method":"GET","path":"/alive"}`;
    const { stdout, status } = spawnSync(headgate, ['check', '--descriptor-set', set, '--requests', '-'], { input, encoding: 'utf8' });
    assert.equal(status, 2);
    assert.deepEqual(stdout.trim().split('\n').map((line) => JSON.parse(line)), [
      { id: null, line: 1, fault: 'the line is too long' }, { id: null, http_status: 200, builtin: true }]);
  });

  it('judges ten thousand lines in one go', () => {
    const line = (id) => JSON.stringify({ id, method: 'PUT', path: '/shapes/a', headers: { 'X-Many': ['a', 'b'] }, body: '{"name":"x"}' });
    const results = judge(world, Array(10000).fill(['PUT', '/shapes/a', {}, '{"name":"x"}']));
    assert.ok(results.every(({ http_status }) => http_status === 200));
    const { stdout } = spawnSync(headgate, ['check', '--descriptor-set', set, '--requests', '-'], { input: line(7), encoding: 'utf8' });
    assert.equal(JSON.parse(stdout).message.name, 'x');
  });

  it('is not blown up by a hostile path', () => {
    const began = process.hrtime.bigint();
    const hostile = [['GET', `/shapes${'/'.repeat(64000)}`], ['GET', `/shapes/${':'.repeat(64000)}`], ['GET', `/shapes/${'a/'.repeat(32000)}`]];
    assert.deepEqual(judge(world, hostile).map((result) => result.http_status), [404, 200, 404]);
    assert.ok(process.hrtime.bigint() - began < 5_000_000_000n);
  });
});

// Options of paths, requests and replies, for the whole gateway and for single methods, over both versions of HTTP.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { World, builddir, curl, fs, path } from './harness.mjs';

const versions = ['--http1.1', '--http2-prior-knowledge'];
const json = ['-H', 'Content-Type: application/json'];

// A row for each version of HTTP: args for curl, then what must hold.
function rows(gateway, list) {
  for (const [name, args, check] of list)
    for (const version of versions)
      it(`${name} (${version.slice(2, 7)})`, async () => {
        const answer = await curl(version, ...args.map((arg) => arg.replace('URL', gateway().url)));
        await check(answer, version);
      });
}

const is = (status) => (answer) => assert.equal(answer.status, status, answer.body);

describe('by default', () => {
  const world = new World();
  let g;
  before(async () => {
    g = await world.gateway({ functionPort: (await world.testFunction()).port });
  });
  after(() => world.end());

  rows(() => g, [
    ['a trailing slash is another path', ['URL/shapes/a/'], is(404)],
    ['a body without a type is JSON', ['-X', 'PUT', '-H', 'Content-Type:', '-d', '{"name":"n"}', 'URL/shapes/a'], is(200)],
    ['enum names are exact', ['URL/shapes/a?colour=red'], is(400)],
    ['a reply that Accept takes', ['-H', 'Accept: text/html, application/*;q=0.1', 'URL/shapes/a'], is(200)],
    ['a reply that it does not', ['-H', 'Accept: text/html', 'URL/shapes/a'], (a) => {
      assert.equal(a.status, 406);
      assert.equal(JSON.parse(a.body).code, 3);
    }],
    ['nor in a client stream', [...json, '-H', 'Accept: image/*', '-d', '[]', 'URL/actions/collect'], is(406)],
    ['raw bytes in a type of their own', ['-H', 'Accept: text/*', 'URL/shapes/a/download?name=text%2Fplain'], is(200)],
    ['which Accept does not take', ['-H', 'Accept: image/png', 'URL/shapes/a/download?name=text%2Fplain'], is(406)],
  ]);
});

describe('paths and requests otherwise', () => {
  const world = new World();
  let g;
  before(async () => {
    g = await world.gateway({
      functionPort: (await world.testFunction()).port,
      args: ['--http.path_prefix=/api/v1', '--http.ignore_trailing_slash=true', '--http.require_content_type=true',
        '--http.ignore_enum_case=true', '--http.lenient_accept=true'],
    });
  });
  after(() => world.end());

  rows(() => g, [
    ['the prefix', ['URL/api/v1/shapes/a'], is(200)],
    ['not without it', ['URL/shapes/a'], is(404)],
    ['generated paths too', [...json, '-d', '{"id":"a"}', 'URL/api/v1/headgate.test.Transcoding/NoRule'], is(200)],
    ['pages of the gateway stay', ['URL/alive'], is(200)],
    ['the document has it', ['URL/openapi.json'], (a) => {
      const paths = Object.keys(JSON.parse(a.body).paths);
      assert.ok(paths.length > 10);
      for (const one of paths) assert.match(one, /^\/api\/v1\//);
    }],
    ['a trailing slash', ['URL/api/v1/shapes/a/'], is(200)],
    ['a body without a type', ['-X', 'PUT', '-H', 'Content-Type:', '-d', '{"name":"n"}', 'URL/api/v1/shapes/a'], is(415)],
    ['no body without a type', ['-X', 'PUT', '-H', 'Content-Type:', 'URL/api/v1/shapes/a'], is(200)],
    ['enum names in any case', ['URL/api/v1/shapes/a?colour=red'], (a) => assert.equal(JSON.parse(a.body).colour, 'RED')],
    ['a reply that Accept does not take', ['-H', 'Accept: text/html', 'URL/api/v1/shapes/a'], is(200)],
    ['raw bytes that it does not', ['-H', 'Accept: image/png', 'URL/api/v1/shapes/a/download?name=text%2Fplain'], is(200)],
  ]);

  it('a prefix that is none does not start', async () => {
    for (const prefix of ['api', '/api/', '/{x}', '/a:b']) {
      const program = world.start(path.join(builddir, 'headgate'), [`--http.path_prefix=${prefix}`], {
        PORT: '0', ADMIN_PORT: '0', JOURNAL_URL: `embedded:${path.join(world.dir, 'other')}`,
      });
      const { code } = await program.exited;
      assert.equal(code, 1);
      assert.match(program.lines.join('\n'), /http\.path_prefix: .*literal segments/);
    }
  });
});

const set = path.join(builddir, 'tests/fakes/gen/test.desc');
const headgate = path.join(builddir, 'headgate');

describe('lists of headers and metadata', () => {
  const world = new World();
  let g;
  before(async () => {
    g = await world.gateway({
      functionPort: (await world.testFunction()).port,
      args: ['--http.metadata.request_allow=x-*', '--http.metadata.request_deny=x-forwarded-*, X-Secret',
        '--http.metadata.response_deny=x-inner*'],
    });
  });
  after(() => world.end());

  const step = JSON.stringify({
    showMetadata: true,
    headers: [{ key: 'x-outer', text: 'o' }, { key: 'x-inner-a', text: 'i' }],
  });
  const stream = ['-H', 'Content-Type: application/json', '-H', 'X-A: 1', '-H', 'X-Secret: 2', '-H', 'Authorization: b', '-d', step];
  const check = (a) => {
    assert.equal(a.status, 200, a.body);
    const [result] = [JSON.parse(a.body)].flat();
    const keys = result.metadata.map((entry) => entry.key.toLowerCase());
    assert.ok(keys.includes('x-a'), a.body);
    for (const key of ['x-secret', 'authorization', 'x-forwarded-for', 'user-agent']) assert.ok(!keys.includes(key), key);
    assert.equal(a.headers['x-outer'], 'o');
    assert.equal(a.headers['x-inner-a'], undefined);
  };
  rows(() => g, [
    ['of a call', [...stream, 'URL/actions/unary'], check],
    ['of a stream', [...stream.slice(0, -1), JSON.stringify({ ...JSON.parse(step), replies: 1 }), 'URL/actions/expand'], check],
  ]);
});

describe('options of services and methods', () => {
  const world = new World();
  let g;
  let file;
  before(async () => {
    file = path.join(world.dir, 'rules.yaml');
    fs.writeFileSync(file, `http:
  options:
  - selector: headgate.test.Transcoding.*
    etag: true
    json: {always_print_primitive_fields: false}
  - selector: headgate.test.Transcoding.Remove
    empty_no_content: true
  - selector: headgate.test.Transcoding.Anything
    etag: false
    json: {always_print_primitive_fields: true, add_whitespace: true, preserve_proto_field_names: true, int64_as_number: true}
  - selector: headgate.test.Actions.Expand
    stream_default: ndjson
  - selector: headgate.test.Actions.Unary
    timeout: 200ms
  - selector: headgate.test.Actions.Collect
    max_timeout: 200ms
`);
    g = await world.gateway({ functionPort: (await world.testFunction()).port, args: [`--http.rules_file=${file}`] });
  });
  after(() => world.end());

  rows(() => g, [
    ['of a service: print', ['URL/shapes/a'], (a) => assert.deepEqual(JSON.parse(a.body), { id: 'a' })],
    ['of a service: etag', ['-H', 'If-None-Match: *', 'URL/shapes/a'], is(304)],
    ['of a method: etag', ['URL/shapes/a/anything'], (a) => assert.equal(a.headers.etag, undefined)],
    ['of a method: print', ['URL/shapes/a/anything'], (a) => {
      assert.match(a.body, /\n/);
      assert.equal(JSON.parse(a.body).int64_value, 0);
    }],
    ['of a method: 204', ['-X', 'DELETE', 'URL/shapes/a'], is(204)],
    ['of a method: lines', ['URL/actions/expand?replies=2'], (a) => assert.equal(a.headers['content-type'], 'application/x-ndjson')],
    ['the document says so', ['URL/openapi.json'], (a) =>
      assert.equal(Object.keys(JSON.parse(a.body).paths['/actions/expand'].get.responses['200'].content)[0], 'application/x-ndjson')],
    ['of a method: timeout', ['URL/actions/unary?misbehave=HANG_CALL'], is(504)],
    ['of a method: bound', [...json, '-H', 'X-Server-Timeout: 15', '-d', '[{"misbehave":"HANG_CALL"}]', 'URL/actions/collect'], is(504)],
    ['others as ever', ['URL/actions/counters'], (a) => assert.equal(typeof JSON.parse(a.body).calls, 'string')],
  ]);

  it('check prints under the same options', () => {
    const requests = path.join(world.dir, 'requests.jsonl');
    fs.writeFileSync(requests, ['/shapes/a', '/shapes/a/anything'].map((where) => JSON.stringify({ method: 'GET', path: where })).join('\n'));
    const [first, second] = execFileSync(headgate, ['check', '--descriptor-set', set, '--rules', file, '--requests', requests], { encoding: 'utf8' })
      .trim().split('\n').map((line) => JSON.parse(line).message);
    assert.deepEqual(first, { id: 'a' });
    assert.equal(second.int64_value, 0);
  });

  it('a selector of nothing is refused with its line', () => {
    const other = path.join(world.dir, 'other.yaml');
    fs.writeFileSync(other, 'http:\n  options:\n  - selector: headgate.test.Nothing.*\n    etag: true\n');
    const { status, stdout, stderr } = spawnSync(headgate, ['check', '--descriptor-set', set, '--rules', other], { encoding: 'utf8' });
    assert.equal(status, 1);
    assert.match(stdout + stderr, /other\.yaml:3: .*headgate\.test\.Nothing\.\*.* names no method/);
  });
});

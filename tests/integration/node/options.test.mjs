// Options of paths, requests and replies, for the whole gateway and for single methods, over both versions of HTTP.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { World, builddir, curl, path } from './harness.mjs';

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

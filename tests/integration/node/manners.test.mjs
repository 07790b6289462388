// HTTP the way browsers, caches and careful clients expect it, over both versions of HTTP.
import assert from 'node:assert/strict';
import http from 'node:http';
import net from 'node:net';
import zlib from 'node:zlib';
import { after, before, describe, it } from 'node:test';
import { World, curl, fs, once, path } from './harness.mjs';

const versions = ['--http1.1', '--http2-prior-knowledge'];
const chromium = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((file) => fs.existsSync(file));
const skip = chromium ? false : 'no Chromium here; ./dev test installs it';
const json = ['-H', 'Content-Type: application/json'];

// A row for each version of HTTP: args for curl, then what must hold.
function rows(gateway, list) {
  for (const [name, args, check] of list)
    for (const version of versions)
      it(`${name} (${version.slice(2, 7)})`, async () => {
        const { g, url } = gateway();
        const list = typeof args === 'function' ? args(g) : args;
        await check(await curl(version, ...list.map((arg) => arg.replace('URL', url))), version);
      });
}

function isStatus(answer, http, code) {
  assert.equal(answer.status, http, answer.body);
  const body = JSON.parse(answer.body);
  assert.equal(body.code, code);
  return body;
}

describe('manners by default', () => {
  const world = new World();
  let g;
  let packed;
  let bomb;
  let cut;
  before(async () => {
    const fn = await world.testFunction();
    g = await world.gateway({ functionPort: fn.port });
    const write = (name, bytes) => {
      const file = path.join(world.dir, name);
      fs.writeFileSync(file, bytes);
      return `@${file}`;
    };
    packed = write('packed', zlib.gzipSync('{"text":"packed"}'));
    bomb = write('bomb', zlib.gzipSync(`{"text":"${'a'.repeat(16 << 20)}"}`));
    cut = write('cut', zlib.gzipSync('{"text":"packed"}').subarray(0, -4));
  });
  after(() => world.end());

  const gateway = () => ({ g, url: g.url });
  const body = (file) => () => [...json, '-H', 'Content-Encoding: gzip', '--data-binary', file(), 'URL/test/a'];
  rows(gateway, [
    ['OPTIONS says what a path takes', ['-X', 'OPTIONS', 'URL/test/a'], (a) => {
      assert.equal(a.status, 204);
      assert.deepEqual(a.headers.allow.split(', ').sort(), ['GET', 'HEAD', 'OPTIONS', 'POST']);
      assert.equal(a.body, '');
    }],
    ['OPTIONS of nothing is 404', ['-X', 'OPTIONS', 'URL/nothing'], (a) => isStatus(a, 404, 5)],
    ['OPTIONS *', ['-X', 'OPTIONS', '--request-target', '*', 'URL'], (a) => assert.equal(a.status, 200)],
    ['405 with Allow', ['-X', 'DELETE', 'URL/test/a'], (a) => {
      isStatus(a, 405, 12);
      assert.match(a.headers.allow, /POST/);
    }],
    ['TRACE is 501', ['-X', 'TRACE', 'URL/test/a'], (a) => isStatus(a, 501, 12)],
    ['HEAD has the headers of GET alone', ['-I', 'URL/test/a'], (a) => {
      assert.equal(a.status, 200);
      assert.equal(a.headers['content-type'], 'application/json');
      assert.ok(Number(a.headers['content-length']) > 2);
      assert.equal(a.body, '');
    }],
    ['no CORS', ['-H', 'Origin: http://page.example', 'URL/test/a'], (a) => {
      assert.equal(a.status, 200);
      assert.equal(a.headers['access-control-allow-origin'], undefined);
      assert.equal(a.headers.vary, undefined);
    }],
    ['a packed body is read', body(() => packed), (a) => {
      assert.equal(a.status, 200, a.body);
      assert.equal(JSON.parse(a.body).text, 'packed');
    }],
    ['a bomb is 413', body(() => bomb), (a) => isStatus(a, 413, 8)],
    ['a cut body is 400', body(() => cut), (a) => isStatus(a, 400, 3)],
    ['a body that is not packed is 400', [...json, '-H', 'Content-Encoding: gzip', '-d', '{}', 'URL/test/a'], (a) => isStatus(a, 400, 3)],
    ['other codings are 415', [...json, '-H', 'Content-Encoding: br', '-d', '{}', 'URL/test/a'], (a) => {
      isStatus(a, 415, 3);
      assert.equal(a.headers['accept-encoding'], 'gzip');
    }],
    ['identity is no coding', [...json, '-H', 'Content-Encoding: identity', '-d', '{}', 'URL/test/a'], (a) => assert.equal(a.status, 200)],
    ['large replies are packed', ['--compressed', 'URL/test/a?replyBytes=5000'], (a) => {
      assert.equal(a.status, 200);
      assert.equal(a.headers['content-encoding'], 'gzip');
      assert.equal(a.headers.vary, 'Accept-Encoding');
      assert.ok(Number(a.headers['content-length']) < 1000);
      assert.equal(Buffer.from(JSON.parse(a.body).padding, 'base64').length, 5000);
    }],
    ['not for clients that prefer identity', ['-H', 'Accept-Encoding: gzip;q=0.2, identity', 'URL/test/a?replyBytes=5000'], (a) => {
      assert.equal(a.headers['content-encoding'], undefined);
      assert.equal(a.headers.vary, 'Accept-Encoding');
      JSON.parse(a.body);
    }],
    ['HEAD of a packed reply', ['-I', '-H', 'Accept-Encoding: gzip', 'URL/test/a?replyBytes=5000'], (a) => {
      assert.equal(a.headers['content-encoding'], 'gzip');
      assert.ok(Number(a.headers['content-length']) < 1000);
    }],
    ['small replies are not', ['-H', 'Accept-Encoding: gzip', 'URL/test/a'], (a) => {
      assert.equal(a.headers['content-encoding'], undefined);
      assert.equal(a.headers.vary, undefined);
    }],
    ['no validators', ['URL/test/a'], (a) => assert.equal(a.headers.etag, undefined)],
    ['no other methods', [...json, '-H', 'X-HTTP-Method-Override: DELETE', '-d', '{}', 'URL/test/a'], (a) => assert.equal(a.status, 200)],
    ['401 has a challenge', ['URL/test/a?fail=who&failCode=16'], (a) => {
      assert.equal(isStatus(a, 401, 16).message, 'who');
      assert.equal(a.headers['www-authenticate'], 'Bearer');
    }],
  ]);

  it('a packed body in many small pieces', async () => {
    const bytes = zlib.gzipSync(JSON.stringify({ text: 'x'.repeat(3000) }));
    const request = http.request(`${g.url}/test/pieces`, { method: 'POST', headers: { 'Content-Type': 'application/json', 'Content-Encoding': 'gzip' } });
    for (const byte of bytes) request.write(Buffer.from([byte]));
    request.end();
    const [response] = await once(request, 'response');
    let text = '';
    for await (const part of response) text += part;
    assert.equal(response.statusCode, 200, text);
    assert.equal(JSON.parse(text).text.length, 3000);
  });

  it('Expect: 100-continue is answered after route, size and type were looked at', async () => {
    const head = (target, more) => `POST ${target} HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n${more}\r\n\r\n`;
    const first = (text) => new Promise((resolve, reject) => {
      const socket = net.connect(g.port, '127.0.0.1', () => socket.write(text));
      socket.once('data', (data) => { resolve(String(data).split('\r\n')[0]); socket.destroy(); });
      socket.once('error', reject);
    });
    const type = 'Content-Type: application/json\r\n';
    assert.match(await first(head('/test/a', `${type}Content-Length: 2`)), /^HTTP\/1.1 100 /);
    assert.match(await first(head('/nothing', `${type}Content-Length: 2`)), /^HTTP\/1.1 404 /);
    assert.match(await first(head('/test/a', `${type}Content-Length: 99999999`)), /^HTTP\/1.1 413 /);
    assert.match(await first(head('/test/a', 'Content-Type: text/plain\r\nContent-Length: 2')), /^HTTP\/1.1 415 /);
    assert.match(await first(head('/test/a', `${type}Content-Encoding: br\r\nContent-Length: 2`)), /^HTTP\/1.1 415 /);
  });
});

describe('manners that are asked for', () => {
  const world = new World();
  let g;
  let port;
  before(async () => {
    const fn = await world.testFunction();
    port = fn.port;
    g = await world.gateway({
      functionPort: fn.port,
      args: ['--http.cors.origins=https://a.example,https://*.b.example', '--http.cors.expose=x-one, x-two', '--http.cors.credentials=true',
        '--http.etag=true', '--http.method_override=true', '--http.gzip_min_size=100', '--http.challenge=Basic realm="x"'],
    });
  });
  after(() => world.end());

  const gateway = () => ({ g, url: g.url });
  const preflight = (origin, ...more) => ['-X', 'OPTIONS', '-H', `Origin: ${origin}`, '-H', 'Access-Control-Request-Method: POST', ...more];
  rows(gateway, [
    ['an origin that may call', ['-H', 'Origin: https://a.example', 'URL/test/a'], (a) => {
      assert.equal(a.headers['access-control-allow-origin'], 'https://a.example');
      assert.equal(a.headers['access-control-allow-credentials'], 'true');
      assert.equal(a.headers['access-control-expose-headers'], 'x-one, x-two');
      assert.match(a.headers.vary, /Origin/);
    }],
    ['errors too', ['-H', 'Origin: https://x.b.example', 'URL/test/a?nope=1'], (a) => {
      isStatus(a, 400, 3);
      assert.equal(a.headers['access-control-allow-origin'], 'https://x.b.example');
    }],
    ['an origin that may not', ['-H', 'Origin: https://b.example', 'URL/test/a'], (a) => {
      assert.equal(a.status, 200);
      assert.equal(a.headers['access-control-allow-origin'], undefined);
      assert.match(a.headers.vary, /Origin/);
    }],
    ['no origin', ['URL/test/a'], (a) => assert.match(a.headers.vary, /Origin/)],
    ['a preflight', preflight('https://a.example', '-H', 'Access-Control-Request-Headers: content-type,x-q', 'URL/test/a'), (a) => {
      assert.equal(a.status, 204);
      assert.equal(a.headers['access-control-allow-origin'], 'https://a.example');
      assert.deepEqual(a.headers['access-control-allow-methods'].split(', ').sort(), ['GET', 'HEAD', 'OPTIONS', 'POST']);
      assert.equal(a.headers['access-control-allow-headers'], 'content-type,x-q');
      assert.equal(a.headers['access-control-max-age'], '600');
    }],
    ['a preflight of another page', preflight('https://evil.example', 'URL/test/a'), (a) => {
      assert.equal(a.status, 204);
      assert.equal(a.headers['access-control-allow-origin'], undefined);
      assert.equal(a.headers['access-control-allow-methods'], undefined);
    }],
    ['a preflight of nothing', preflight('https://a.example', 'URL/nothing'), (a) => isStatus(a, 404, 5)],
    ['another method in a header', [...json, '-H', 'X-HTTP-Method-Override: DELETE', '-d', '{}', 'URL/test/a'], (a) => isStatus(a, 405, 12)],
    ['GET in a header', ['-X', 'POST', '-H', 'X-HTTP-Method-Override: GET', 'URL/test/a'], (a) => assert.equal(a.status, 200)],
    ['an unknown method in a header', [...json, '-H', 'X-HTTP-Method-Override: TRACE', '-d', '{}', 'URL/test/a'], (a) => isStatus(a, 400, 3)],
    ['the challenge', ['URL/test/a?fail=who&failCode=16'], (a) => assert.equal(a.headers['www-authenticate'], 'Basic realm="x"')],
    ['a POST has no ETag', [...json, '-d', '{"id":"a"}', 'URL/headgate.test.Second/Process'], (a) => {
      assert.equal(a.status, 200);
      assert.equal(a.headers.etag, undefined);
    }],
    ['an error has no ETag', ['URL/test/a?fail=x&failCode=5'], (a) => {
      assert.equal(a.status, 404);
      assert.equal(a.headers.etag, undefined);
    }],
  ]);

  for (const version of versions)
    it(`a reply that the client has is 304 (${version})`, async () => {
      // Of a read, so that it is the same twice.
      const cart = await world.cart();
      const cg = await world.gateway({ functionPort: cart.port, args: ['--http.etag=true', '--http.gzip_min_size=0'], env: { JOURNAL_URL: `embedded:${world.dir}/j${version.length}` } });
      await curl(version, ...json, '-d', '{"productId":"p","name":"n","quantity":1}', `${cg.url}/cart/u/items/add`);
      const url = `${cg.url}/carts/u`;
      const first = await curl(version, url);
      assert.match(first.headers.etag, /^"[0-9a-f]{16}"$/);
      const head = await curl(version, '-I', url);
      assert.equal(head.headers.etag, first.headers.etag);
      const again = await curl(version, '-H', `If-None-Match: "x", ${first.headers.etag}`, url);
      assert.equal(again.status, 304);
      assert.equal(again.body, '');
      assert.equal(again.headers.etag, first.headers.etag);
      const small = await curl(version, '--compressed', url);
      assert.equal(small.body, first.body);
      await curl(version, ...json, '-d', '{"productId":"p","name":"n","quantity":1}', `${cg.url}/cart/u/items/add`);
      const changed = await curl(version, '-H', `If-None-Match: ${first.headers.etag}`, url);
      assert.equal(changed.status, 200);
      assert.notEqual(changed.headers.etag, first.headers.etag);
      await cg.kill('SIGTERM');
    });

  it('* with credentials is refused at start-up', async () => {
    const bad = world.start(path.join(process.env.HEADGATE_BUILDDIR, 'headgate'), ['--http.cors.origins=*', '--http.cors.credentials=true'], {
      PORT: '0', ADMIN_PORT: '0', USER_FUNCTION_PORT: String(port), JOURNAL_URL: `embedded:${world.dir}/other`,
    });
    assert.notEqual((await bad.exited).code, 0);
    assert.match(bad.lines.join('\n'), /http\.cors\.origins/);
  });
});

describe('replies as the client wants them', () => {
  const world = new World();
  let g;
  before(async () => {
    const cart = await world.cart();
    g = await world.gateway({ functionPort: cart.port, args: ['--http.fields=true', '--http.pretty_print=true', '--http.empty_no_content=true'] });
    for (const p of ['p', 'q'])
      await curl(...json, '-d', `{"productId":"${p}","name":"N","quantity":2}`, `${g.url}/cart/u/items/add`);
  });
  after(() => world.end());
  const violation = (a, field) => {
    assert.equal(isStatus(a, 400, 3).details[0].fieldViolations[0].field, field);
  };
  rows(() => ({ g, url: g.url }), [
    ['fields', ['URL/carts/u?fields=items.productId'], (a) => assert.equal(a.body, '{"items":[{"productId":"p"},{"productId":"q"}]}')],
    ['fields of a response_body', ['URL/carts/u/items?fields=name,quantity'], (a) => assert.equal(a.body, '[{"name":"N","quantity":2},{"name":"N","quantity":2}]')],
    ['fields in two parameters', ['URL/carts/u?fields=items.name&fields=items.product_id'], (a) => assert.equal(a.body, '{"items":[{"productId":"p","name":"N"},{"productId":"q","name":"N"}]}')],
    ['all fields', ['URL/carts/u?fields=%2A'], (a) => assert.match(a.body, /quantity/)],
    ['unknown fields', ['URL/carts/u?fields=items.nope'], (a) => violation(a, '?fields')],
    ['fields and other parameters', ['URL/carts/u?nope=1&fields=items'], (a) => violation(a, '?nope')],
    ['prettyPrint', ['URL/carts/u?prettyPrint=true&fields=items.name'], (a) => {
      assert.deepEqual(JSON.parse(a.body), { items: [{ name: 'N' }, { name: 'N' }] });
      assert.match(a.body, /\n +"name": "N"\n/);
    }],
    ['no prettyPrint', ['URL/carts/u?prettyPrint=false'], (a) => assert.doesNotMatch(a.body, /\n/)],
    ['an odd prettyPrint', ['URL/carts/u?prettyPrint=2'], (a) => violation(a, '?prettyPrint')],
    ['Empty is 204', [...json, '-d', '{"productId":"z","name":"N","quantity":1}', 'URL/cart/w/items/add'], (a) => {
      assert.equal(a.status, 204);
      assert.equal(a.body, '');
      assert.equal(a.headers['content-type'], undefined);
    }],
  ]);

  it('print options of the gateway', async () => {
    const fn = await world.testFunction();
    const printing = await world.gateway({
      functionPort: fn.port, env: { JOURNAL_URL: `embedded:${world.dir}/printing` },
      args: ['--http.json.int64_as_number=true', '--http.json.add_whitespace=true', '--http.json.preserve_proto_field_names=true'],
    });
    const { body } = await curl(`${printing.url}/test/a?emit=1`);
    assert.match(body, /\n +"count": 1,/);
    assert.match(body, /"activation_commands": 1,/);
  });
});

describe('errors as the original has them', () => {
  const world = new World();
  let g;
  before(async () => {
    const fn = await world.testFunction();
    g = await world.gateway({ functionPort: fn.port, args: ['--http.errors=cloudstate'] });
  });
  after(() => world.end());
  const plain = (status, text) => (a) => {
    assert.equal(a.status, status);
    assert.equal(a.body, text);
    assert.match(a.headers['content-type'], /^text\/plain/);
  };
  rows(() => ({ g, url: g.url }), [
    ['a failed call is 500 and its text', ['URL/test/a?fail=no%20such%20thing'], plain(500, 'no such thing')],
    ['whatever its code', ['URL/test/a?fail=gone&failCode=5'], plain(500, 'gone')],
    ['a bad body is Bad Request', [...json, '-d', '{', 'URL/test/a'], plain(400, 'Bad Request')],
    ['an unknown parameter is Bad Request', ['URL/test/a?nope=1'], plain(400, 'Bad Request')],
    ['a wrong type is Bad Request', ['-H', 'Content-Type: text/plain', '-d', 'x', 'URL/test/a'], plain(400, 'Bad Request')],
    ['an unknown path', ['URL/nothing'], plain(404, 'nothing is served at this path')],
  ]);
});

describe('CORS in a browser', { skip }, () => {
  const world = new World();
  const pages = http.createServer((request, response) => response.end('<!doctype html><title>page</title>'));
  let g;
  let browser;
  before(async () => {
    pages.listen(0, '127.0.0.1');
    await once(pages, 'listening');
    const origin = `http://127.0.0.1:${pages.address().port}`;
    const fn = await world.testFunction();
    g = await world.gateway({ functionPort: fn.port, args: [`--http.cors.origins=${origin}`] });
    const { chromium: launcher } = await import('playwright-core');
    browser = await launcher.launchPersistentContext(path.join(world.dir, 'profile'), {
      executablePath: chromium,
      headless: true,
      args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
    });
  });
  after(async () => {
    await browser?.close();
    pages.close();
    await world.end();
  });
  const post = (url) => fetch(`${url}/test/page`, {
    method: 'POST', headers: { 'Content-Type': 'application/json', 'X-Mine': '1' }, body: '{"text":"from a page","emit":1}',
  }).then(async (answer) => ({ status: answer.status, body: await answer.json() }), (error) => ({ error: String(error) }));

  it('a page of the origin posts JSON, with a preflight', async () => {
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${pages.address().port}/`);
    const answer = await page.evaluate(post, g.url);
    assert.equal(answer.error, undefined);
    assert.equal(answer.status, 200);
    assert.equal(answer.body.text, 'from a page');
    assert.equal(answer.body.count, '1');
  });

  it('a page of another origin cannot, and the function never hears of it', async () => {
    const page = await browser.newPage();
    await page.goto(`http://localhost:${pages.address().port}/`);
    const answer = await page.evaluate(post, g.url);
    assert.match(answer.error, /Failed to fetch/);
    const count = JSON.parse((await curl(`${g.url}/test/page`)).body).count;
    assert.equal(count, '1');
  });
});

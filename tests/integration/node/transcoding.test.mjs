// HTTP rules of every kind, end to end: what a client wrote is what the function saw and what comes back.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { World, curl } from './harness.mjs';

describe('transcoding', () => {
  const world = new World();
  let gateway;

  before(async () => {
    const fn = await world.testFunction();
    gateway = await world.gateway({ functionPort: fn.port });
  });
  after(() => world.end());

  // method, path, body, status, the fields that must be so in the reply (a Shape) or the whole reply
  const rows = [
    ['GET', '/shapes/a', undefined, 200, { id: 'a' }],
    ['GET', '/shapes/a?name=x%20y+z&int64Value=9007199254740993&numbers=1&numbers=2&colour=RED', undefined, 200,
      { name: 'x y z', int64Value: '9007199254740993', numbers: [1, 2], colour: 'RED' }],
    ['GET', '/shapes/a?nested.name=n&nested.inner.number=3&timestamp=2020-01-02T03:04:05Z&duration=1.5s', undefined, 200,
      { timestamp: '2020-01-02T03:04:05Z', duration: '1.500s' }],
    ['GET', '/shapes/a?otherName=o', undefined, 200, { otherName: 'o' }],
    ['PUT', '/shapes/a', { name: 'put', uint64Value: '18446744073709551615', bytesValue: 'AQI=' }, 200,
      { name: 'put', uint64Value: '18446744073709551615', bytesValue: 'AQI=' }],
    ['PATCH', '/shapes/a?name=q', { name: 'inside' }, 200, { name: 'q' }],
    ['DELETE', '/shapes/a', undefined, 200, undefined],
    ['PURGE', '/shapes/a', undefined, 200, { id: 'a' }],
    ['LINK', '/shapes/a/anything', undefined, 200, { id: 'a' }],
    ['GET', '/shapes/a/nested/n/7', undefined, 200, {}],
    ['GET', '/shapes/a/coloured/GREEN/true/-5', undefined, 200, { colour: 'GREEN', boolValue: true, int64Value: '-5' }],
    ['GET', '/shapes/a/star/s%2Ft', undefined, 200, { name: 's/t' }],
    ['GET', '/shapes/a/files/x/y/z', undefined, 200, { name: 'x/y/z' }],
    ['GET', '/shapes/a/shelves/1/books/2', undefined, 200, { name: 'shelves/1/books/2' }],
    ['GET', '/shapes/a/unnamed/b/rest/c/d', undefined, 200, { id: 'a' }],
    ['POST', '/shapes/a:activate', { name: 'on' }, 200, { id: 'a', name: 'on' }],
    ['POST', '/shapes/a/files/x/y:run', undefined, 200, { name: 'x/y' }],
    ['GET', '/shapes/a/precedence/literal', undefined, 200, { name: '' }],
    ['GET', '/shapes/a/precedence/other', undefined, 200, { name: 'other' }],
    ['GET', '/many/a/named/n', undefined, 200, { id: 'a', name: 'n' }],
    ['POST', '/many/a', { name: 'p' }, 200, { id: 'a', name: 'p' }],
    ['POST', '/headgate.test.Transcoding/NoRule', { id: 'a', name: 'p' }, 200, { id: 'a', name: 'p' }],
    ['POST', '/headgate.test.Transcoding/Get', { id: 'a' }, 200, { id: 'a' }],
    ['GET', '/shapes/a/coloured/PURPLE/true/1', undefined, 400, undefined],
    ['GET', '/shapes/a/coloured/RED/maybe/1', undefined, 400, undefined],
    ['GET', '/shapes/a?int32Value=1.5', undefined, 400, undefined],
    ['GET', '/shapes/a?name=x&name=y', undefined, 400, undefined],
    ['GET', '/shapes', undefined, 404, undefined],
    ['GET', '/shapes/', undefined, 404, undefined],
    ['POST', '/shapes/a', undefined, 405, undefined],
  ];
  for (const [method, path, body, status, fields] of rows) {
    it(`${method} ${path} gives ${status}`, async () => {
      const flags = ['-X', method];
      if (body !== undefined) flags.push('-H', 'Content-Type: application/json', '-d', JSON.stringify(body));
      for (const version of ['--http1.1', '--http2-prior-knowledge']) {
        const answer = await curl(version, ...flags, `${gateway.url}${path}`);
        assert.equal(answer.status, status, answer.body);
        const reply = JSON.parse(answer.body);
        for (const [name, value] of Object.entries(fields ?? {})) assert.deepEqual(reply[name], value, name);
        if (status >= 400) assert.ok(reply.code > 0 && reply.message.length > 0);
      }
    });
  }

  it('response_body is the field alone, of any kind', async () => {
    const post = (path, body) => curl('-X', 'POST', '-H', 'Content-Type: application/json', '-d', JSON.stringify(body), `${gateway.url}${path}`);
    assert.deepEqual(JSON.parse((await post('/shapes/a/strings', ['x', 'y'])).body), ['x', 'y']);
    assert.deepEqual(JSON.parse((await post('/shapes/a/name', 'plain')).body), 'plain');
    assert.deepEqual(JSON.parse((await post('/shapes/a/counts', { one: 1 })).body), { one: 1 });
    assert.equal(JSON.parse((await post('/shapes/a/nested', { name: 'n', inner: { number: 4 } })).body).inner.number, 4);
  });

  it('Allow names the methods of a known path', async () => {
    const answer = await curl('-X', 'POST', `${gateway.url}/shapes/a`);
    assert.deepEqual(new Set(answer.headers.allow.split(', ')), new Set(['DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'PURGE', 'PUT']));
  });

  it('an HttpBody reply is sent as it is', async () => {
    const answer = await curl(`${gateway.url}/shapes/a/download?name=text/plain&bytesValue=aGk=`);
    assert.equal(answer.status, 200);
    assert.equal(answer.headers['content-type'], 'text/plain');
    assert.equal(answer.body, 'hi');
  });

  it('HEAD is GET without the body', async () => {
    const answer = await curl('-I', `${gateway.url}/shapes/a`);
    assert.equal(answer.status, 200);
    assert.equal(answer.headers['content-type'], 'application/json');
    assert.equal(answer.body, '');
  });
});

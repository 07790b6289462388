// Requests that more than one test sends, and two ways to send them that correct nothing.
import net from 'node:net';

const DEEP = 101;

// method, path, body, status, field of the first violation; further headers.
export const rows = [
  // Found and answered.
  ['GET', '/shapes/a', undefined, 200],
  ['HEAD', '/shapes/a', undefined, 200],
  ['GET', `/shapes/a?${'numbers=1&'.repeat(1000)}`, undefined, 200],
  ['GET', '/shapes/a?', undefined, 200],
  ['GET', '/shapes/a?&&', undefined, 200],
  ['GET', '/shapes/a?=x', undefined, 200],
  ['GET', '/shapes/a?name', undefined, 200],
  ['GET', '/shapes/a?name=a=b', undefined, 200],
  ['GET', '/shapes/a%2Fb%3Fc%23d', undefined, 200],
  ['GET', '/shapes/%E2%82%AC', undefined, 200],
  ['GET', '/shapes/a+b', undefined, 200],
  ['GET', "/shapes/!$&'()*,;=:@", undefined, 200],
  ['GET', '/shapes/..', undefined, 200],
  ['GET', '/shapes/.', undefined, 200],
  ['GET', '/shapes/%2e%2E', undefined, 200],
  ['GET', '/shapes/a"<>\\^`{|}', undefined, 200],
  ['GET', '/shapes/a/files/', undefined, 200],
  ['GET', '/shapes/a/files//x//', undefined, 200],
  ['GET', '/shapes/a/files/x%2Fy', undefined, 200],
  ['GET', '/shapes/a:b:c', undefined, 200],
  ['POST', '/shapes/a:activate', '{}', 200],
  ['POST', '/shapes/a:activate', '', 200],
  ['DELETE', '/shapes/a', undefined, 200],
  ['DELETE', '/shapes/a', '{}', 200],
  ['GET', '/shapes/a', ' {} ', 200],
  ['PURGE', '/shapes/a', undefined, 200],
  ['X-ODD', '/shapes/a/anything', undefined, 200],
  ['POST', '/shapes/a/strings', '["x","y"]', 200],
  ['POST', '/shapes/a/strings', 'null', 200],
  ['POST', '/shapes/a/name', '"x"', 200],
  ['POST', '/shapes/a/counts', '{"x":1}', 200],
  ['POST', '/shapes/a/nested', '', 200],
  ['GET', '/shapes/a/download?name=text/plain&bytesValue=aGk', undefined, 200],
  ['GET', '/shapes/a/download', undefined, 200],
  ['PUT', '/shapes/a', '{"id":"a"}', 200],
  ['PUT', '/shapes/a', '{"int64Value":-9223372036854775808,"uint64Value":"18446744073709551615"}', 200],
  ['PUT', '/shapes/a', '{"int32Value":1e2,"doubleValue":"NaN","floatValue":-0.0}', 200],
  ['PUT', '/shapes/a', '{"name":"\\ud83d\\ude00\\u0000\\u2028"}', 200],
  ['PUT', '/shapes/a', '{"name":null,"strings":null,"nested":null,"value":null}', 200],
  ['PUT', '/shapes/a', '{"struct":{"a":[1,{"b":null}]},"value":[1],"any":{}}', 200],
  ['PUT', '/shapes/a', '{"choiceText":"x","choiceNumber":null}', 200],
  ['PUT', '/shapes/a', '{}', 200, , { 'content-type': 'application/json; charset=UTF-8' }],
  ['PUT', '/shapes/a', '{}', 200, , { 'content-type': 'application/merge-patch+json' }],
  ['PUT', '/shapes/a', '{}', 200, , { 'content-type': 'APPLICATION/JSON' }],
  ['PUT', '/shapes/a', '{}', 200, , { 'grpc-timeout': '10S' }],
  ['PUT', '/shapes/a', '{}', 200, , { 'x-server-timeout': '1.5' }],
  ['PUT', '/shapes/a', '{}', 200, , { 'x-bytes-bin': 'AQI, AQI=' }],
  ['PUT', '/shapes/a', '{}', 200, , { 'x-text': 'gr\u00fc\u00df' }],
  ['PUT', '/shapes/a', '{}', 200, , { expect: '100-continue' }],
  ['POST', '/headgate.test.Transcoding/NoRule', '{"id":"a"}', 200],
  ['GET', '/ready', undefined, 200],
  ['HEAD', '/ready', undefined, 200],
  ['GET', '/alive?x', undefined, 200],
  ['GET', '/nowhere', undefined, 200, , { 'k-network-probe': 'queue' }],
  ['OPTIONS', '/shapes/a', undefined, 204],
  ['OPTIONS', '*', undefined, 200],
  // Refused: where it goes.
  ['GET', '/', undefined, 404],
  ['GET', '//', undefined, 404],
  ['GET', '/shapes', undefined, 404],
  ['GET', '/shapes/', undefined, 404],
  ['GET', '/shapes/a/', undefined, 404],
  ['HEAD', '/nowhere', undefined, 404],
  ['OPTIONS', '/nowhere', undefined, 404],
  ['POST', '/nowhere', '{}', 404],
  ['GET', `/${'/'.repeat(5000)}`, undefined, 404],
  ['GET', `/shapes/${':'.repeat(5000)}/`, undefined, 404],
  ['POST', '/shapes/a', '{}', 405],
  ['GET', '/headgate.test.Transcoding/NoRule', undefined, 405],
  ['POST', '/ready', '{}', 405],
  ['TRACE', '/shapes/a', undefined, 501],
  ['GET', '/shapes/a%', undefined, 400],
  ['GET', '/shapes/a%2', undefined, 400],
  ['GET', '/shapes/a%zz', undefined, 400],
  ['GET', '/shapes/a%00b', undefined, 400],
  ['GET', '/shapes/%FF', undefined, 400, 'id'],
  ['GET', '/shapes/%C0%AF', undefined, 400, 'id'],
  ['GET', '/shapes/%ED%A0%80', undefined, 400, 'id'],
  ['GET', `/shapes/${'k'.repeat(1025)}`, undefined, 400],
  // Refused: the query.
  ['GET', '/shapes/a?nope=1', undefined, 400, '?nope'],
  ['GET', '/shapes/a?nested.nope=1', undefined, 400, '?nested.nope'],
  ['GET', '/shapes/a?name.x=1', undefined, 400, '?name.x'],
  ['GET', '/shapes/a?nested=1', undefined, 400, '?nested'],
  ['GET', '/shapes/a?id=b', undefined, 400, '?id'],
  ['GET', '/shapes/a?id=a', undefined, 400, '?id'],
  ['GET', '/shapes/a?name=1&name=2', undefined, 400, '?name'],
  ['GET', '/shapes/a?int32_value=2147483648', undefined, 400, '?int32_value'],
  ['GET', '/shapes/a?int32Value=0x10', undefined, 400, '?int32Value'],
  ['GET', '/shapes/a?uint64Value=-1', undefined, 400, '?uint64Value'],
  ['GET', '/shapes/a?boolValue=TRUE', undefined, 400, '?boolValue'],
  ['GET', '/shapes/a?colour=PURPLE', undefined, 400, '?colour'],
  ['GET', '/shapes/a?floatValue=1e39', undefined, 400, '?floatValue'],
  ['GET', '/shapes/a?timestamp=yesterday', undefined, 400, '?timestamp'],
  ['GET', '/shapes/a?name=%FF', undefined, 400, '?name'],
  ['GET', '/shapes/a?name=%', undefined, 400, '?name'],
  ['GET', '/shapes/a?na%6De=1&otherName=2&renamed=3', undefined, 400, '?renamed'],
  ['GET', '/shapes/a?choiceText=x&choiceNumber=1', undefined, 400, '?choiceNumber'],
  ['GET', '/shapes/a?counts[x]=1&counts[x]=2', undefined, 400, '?counts[x]'],
  ['GET', `/shapes/a?${'numbers=1&'.repeat(1001)}`, undefined, 414],
  ['PUT', '/shapes/a?name=x', '{}', 400, '?name'],
  // Refused: the body.
  ['GET', '/shapes/a', '{"name":1}', 400],
  ['PUT', '/shapes/a', ' ', 400],
  ['PUT', '/shapes/a', 'null', 400],
  ['PUT', '/shapes/a', '[]', 400],
  ['PUT', '/shapes/a', '{}x', 400],
  ['PUT', '/shapes/a', '{"nope":1}', 400, 'nope'],
  ['PUT', '/shapes/a', '{"nested":{"inner":{"nope":1}}}', 400, 'nested.inner.nope'],
  ['PUT', '/shapes/a', '{"nesteds":[{},{"inners":[{},{},{"number":"x"}]}]}', 400, 'nesteds[1].inners[2].number'],
  ['PUT', '/shapes/a', '{"nesteds_by_number":{"1":{"inner":{"number":[]}}}}', 400, 'nesteds_by_number[1].inner.number'],
  ['PUT', '/shapes/a', '{"counts":{"a":1,"a":2}}', 400, 'counts[a]'],
  ['PUT', '/shapes/a', '{"int32_value":1,"int32Value":1}', 400, 'int32Value'],
  ['PUT', '/shapes/a', '{"name":"a","name":"b"}', 400, 'name'],
  ['PUT', '/shapes/a', '{"choiceText":"x","choiceNumber":1}', 400, 'choiceNumber'],
  ['PUT', '/shapes/a', '{"id":"b"}', 400, 'id'],
  ['PUT', '/shapes/a', '{"int64Value":9223372036854775808}', 400, 'int64Value'],
  ['PUT', '/shapes/a', '{"int64Value":1.5}', 400, 'int64Value'],
  ['PUT', '/shapes/a', '{"int64Value":+1}', 400, 'int64Value'],
  ['PUT', '/shapes/a', '{"int64Value":01}', 400, 'int64Value'],
  ['PUT', '/shapes/a', '{"floatValue":1e39}', 400, 'floatValue'],
  ['PUT', '/shapes/a', '{"doubleValue":1e400}', 400, 'doubleValue'],
  ['PUT', '/shapes/a', '{"name":"\\ud800"}', 400, 'name'],
  ['PUT', '/shapes/a', '{"name":"\\udc00\\ud800"}', 400, 'name'],
  ['PUT', '/shapes/a', '{"strings":[null]}', 400, 'strings[0]'],
  ['PUT', '/shapes/a', '{"bytesValue":"*"}', 400, 'bytesValue'],
  ['PUT', '/shapes/a', '{"colour":"PURPLE"}', 400, 'colour'],
  ['PUT', '/shapes/a', '{"boolValue":1}', 400, 'boolValue'],
  ['PUT', '/shapes/a', '{"timestamp":"2020-13-01T00:00:00Z"}', 400, 'timestamp'],
  ['PUT', '/shapes/a', '{"any":{"@type":"type.googleapis.com/no.Such"}}', 400],
  ['PUT', '/shapes/a', `${'{"nested":'.repeat(1)}${'{"deeper":'.repeat(DEEP)}{}${'}'.repeat(DEEP + 1)}`, 400],
  ['PUT', '/shapes/a', `{"value":${'['.repeat(DEEP)}${']'.repeat(DEEP)}}`, 400],
  ['PUT', '/shapes/a', '{}', 415, , { 'content-type': 'text/plain' }],
  ['PUT', '/shapes/a', '{}', 415, , { 'content-type': 'application/json; charset=utf-16' }],
  ['PUT', '/shapes/a', '{}', 415, , { 'content-type': 'application/grpc-web+json' }],
  ['PUT', '/shapes/a', '{}', 415, , { 'content-type': 'application/grpc+json' }],
  ['PUT', '/shapes/a', `{"name":"${'x'.repeat(5 << 20)}"}`, 413],
  // Refused: the headers.
  ['GET', '/shapes/a', undefined, 400, , { 'grpc-timeout': '1' }],
  ['GET', '/shapes/a', undefined, 400, , { 'grpc-timeout': '123456789S' }],
  ['GET', '/shapes/a', undefined, 400, , { 'x-server-timeout': '0' }],
  ['GET', '/shapes/a', undefined, 400, , { 'x-server-timeout': 'NaN' }],
  ['GET', '/shapes/a', undefined, 400, , { 'x-bytes-bin': '*' }],
];

// Bytes in, bytes out: no library that would correct what the row says.
export function overHttp1(port, [method, path, body, , , headers = {}], cut) {
  const bytes = body === undefined ? Buffer.alloc(0) : Buffer.from(body);
  const lines = [`${method} ${path} HTTP/1.1`, 'Host: x', 'Connection: close'];
  if (body !== undefined) {
    lines.push(cut ? 'Transfer-Encoding: chunked' : `Content-Length: ${bytes.length}`);
    if (!headers['content-type']) lines.push('Content-Type: application/json');
  }
  for (const [name, values] of Object.entries(headers)) for (const value of [values].flat()) lines.push(`${name}: ${value}`);
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1');
    const chunks = [];
    socket.on('error', () => {}); // a reset after the answer; without one the parse fails
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('close', () => {
      try {
        resolve(parseHttp1(Buffer.concat(chunks)));
      } catch (error) {
        reject(error);
      }
    });
    socket.write(`${lines.join('\r\n')}\r\n\r\n`, 'utf8');
    if (!cut) {
      socket.write(bytes);
    } else if (body !== undefined) {
      for (const byte of bytes) socket.write(Buffer.from([0x31, 13, 10, byte, 13, 10]));
      socket.write('0\r\n\r\n');
    }
  });
}

function joinChunks(body) {
  const chunks = [];
  for (let at = 0; at < body.length;) {
    const line = body.indexOf('\r\n', at);
    const length = parseInt(body.subarray(at, line).toString('latin1'), 16);
    chunks.push(body.subarray(line + 2, line + 2 + length));
    at = line + 4 + length;
  }
  return Buffer.concat(chunks);
}

function parseHttp1(answer) {
  for (;;) {
    const at = answer.indexOf('\r\n\r\n');
    if (at < 0) throw new Error(`no answer: ${answer}`);
    const [first, ...lines] = answer.subarray(0, at).toString('latin1').split('\r\n');
    const status = Number(first.split(' ')[1]);
    answer = answer.subarray(at + 4);
    if (status < 200) continue;
    const headers = {};
    for (const line of lines) {
      const colon = line.indexOf(':');
      const name = line.slice(0, colon).toLowerCase();
      const value = line.slice(colon + 1).trim();
      headers[name] = name in headers ? `${headers[name]}, ${value}` : value;
    }
    const body = headers['transfer-encoding'] === 'chunked' ? joinChunks(answer) : answer;
    return { status, headers, body: body.toString('utf8') };
  }
}

export function overHttp2(session, [method, path, body, , , headers = {}], cut) {
  return new Promise((resolve, reject) => {
    const all = { ':method': method, ':path': path, ...headers };
    if (body !== undefined && !headers['content-type']) all['content-type'] = 'application/json';
    const bytes = (text) => Buffer.from(text, 'utf8').toString('latin1');
  for (const name of Object.keys(all)) all[name] = Array.isArray(all[name]) ? all[name].map(bytes) : bytes(all[name]);
    const stream = session.request(all, { endStream: body === undefined });
    const chunks = [];
    let head;
    stream.on('response', (response) => { head = response; });
    stream.on('data', (chunk) => chunks.push(chunk));
    stream.on('error', (error) => { if (!head) reject(error); });
    stream.on('close', () => resolve({ status: head[':status'], headers: head, body: Buffer.concat(chunks).toString('utf8') }));
    if (body === undefined) return;
    if (cut) for (const byte of Buffer.from(body)) stream.write(Buffer.from([byte]));
    else stream.write(body);
    stream.end();
  });
}

// -- requests and what headgate check --requests says of them

export const json = { 'Content-Type': 'application/json' };
const deep = '/many'.repeat(50);

// method, path, headers, body, and the fields that must be so in the result
export const judgedRows = [
  ['GET', '/shapes/a', {}, undefined, { http_status: 200, route: { method: 'GET', template: '/shapes/{id}', rpc: 'headgate.test.Transcoding.Get' }, path_bindings: { id: 'a' } }],
  ['HEAD', '/shapes/a', {}, undefined, { http_status: 200 }],
  ['GET', '/shapes/a%2Fb%20c?name=x+y&int64Value=9007199254740993&numbers=1&numbers=2', {}, undefined, { http_status: 200, path_bindings: { id: 'a/b c' } }],
  ['GET', '/shapes/a/files/x%2Fy/z%20w', {}, undefined, { http_status: 200, path_bindings: { id: 'a', name: 'x%2Fy/z w' } }],
  ['GET', '/shapes/a/shelves/1/books/2', {}, undefined, { http_status: 200, path_bindings: { id: 'a', name: 'shelves/1/books/2' } }],
  ['GET', '/shapes/a/nested/n/7', {}, undefined, { http_status: 200, path_bindings: { id: 'a', 'nested.name': 'n', 'nested.inner.number': '7' } }],
  ['GET', '/shapes/a/coloured/GREEN/true/-5', {}, undefined, { http_status: 200 }],
  ['GET', '/shapes/a/coloured/PURPLE/true/1', {}, undefined, { http_status: 400 }],
  ['GET', '/shapes/a?duration=1.5s&timestamp=2020-01-02T03:04:05Z&counts[k]=3&struct=%7B%22a%22:1%7D', {}, undefined, { http_status: 200 }],
  ['GET', '/shapes/a?int32Value=1.5&nope=2', {}, undefined, { http_status: 400 }],
  ['GET', '/shapes/a?name=x&name=y', {}, undefined, { http_status: 400 }],
  ['GET', '/shapes/a?id=b', {}, undefined, { http_status: 400 }],
  ['PUT', '/shapes/a', json, '{"name":"put","uint64Value":"18446744073709551615","doubleValue":1e300}', { http_status: 200 }],
  ['PUT', '/shapes/a', {}, '{"nesteds":[{"inner":{"number":"x"}}]}', { http_status: 400 }],
  ['PUT', '/shapes/a', json, '{"name":"put"', { http_status: 400 }],
  ['PUT', '/shapes/a', json, '{"id":"other"}', { http_status: 400 }],
  ['PUT', '/shapes/a', { 'Content-Type': 'text/xml' }, '<a/>', { http_status: 415 }],
  ['PUT', '/shapes/a', { 'Content-Type': 'application/grpc' }, 'x', { http_status: 415 }],
  ['PATCH', '/shapes/a?name=q', json, '{"name":"inside","inner":null}', { http_status: 200 }],
  ['DELETE', '/shapes/a', {}, undefined, { http_status: 200 }],
  ['PURGE', '/shapes/a', {}, undefined, { http_status: 200, route: { method: 'PURGE', template: '/shapes/{id}', rpc: 'headgate.test.Transcoding.Purge' } }],
  ['LINK', '/shapes/a/anything', {}, undefined, { http_status: 200, route: { method: '*', template: '/shapes/{id}/anything', rpc: 'headgate.test.Transcoding.Anything' } }],
  ['POST', '/shapes/a:activate', json, '{}', { http_status: 200 }],
  ['POST', '/shapes/a/strings', json, '["x","y"]', { http_status: 200 }],
  ['POST', '/headgate.test.Transcoding/NoRule', json, '{"id":"a"}', { http_status: 200 }],
  ['POST', '/shapes/a', {}, undefined, { http_status: 405, allow: ['GET', 'PUT', 'PATCH', 'DELETE', 'PURGE', 'HEAD', 'OPTIONS'] }],
  ['OPTIONS', '/shapes/a', {}, undefined, { http_status: 204, allow: ['GET', 'PUT', 'PATCH', 'DELETE', 'PURGE', 'HEAD', 'OPTIONS'] }],
  ['GET', '/shapes', {}, undefined, { http_status: 404 }],
  ['GET', deep, {}, undefined, { http_status: 404 }],
  ['GET', '/shapes/%zz', {}, undefined, { http_status: 400 }],
  ['GET', '/shapes/a%00b', {}, undefined, { http_status: 400 }],
  ['GET', '/shapes/a', { 'Grpc-Timeout': 'soon' }, undefined, { http_status: 400 }],
  ['GET', '/shapes/a', { 'X-Data-Bin': '***' }, undefined, { http_status: 400 }],
  ['TRACE', '/shapes/a', {}, undefined, { http_status: 501 }],
  ['GET', '/alive', {}, undefined, { http_status: 200, builtin: true }],
  ['POST', '/openapi.json', {}, undefined, { http_status: 405, allow: ['GET', 'HEAD'] }],
];

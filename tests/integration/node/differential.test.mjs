// One request, two transports: HTTP/1.1 and HTTP/2 must give the same status, the same headers that
// matter and the same body, and every failure is a google.rpc.Status whose violations name the field as
// the client wrote it.
import assert from 'node:assert/strict';
import http2 from 'node:http2';
import { after, before, describe, it } from 'node:test';
import { World } from './harness.mjs';
import { overHttp1, overHttp2, rows } from './rows.mjs';

const SAME = ['content-type', 'content-length', 'allow', 'retry-after'];

const show = ([method, path, body = '', , , headers]) => {
  const short = (text) => (text.length > 60 ? `${text.slice(0, 57)}...` : text);
  return `${method} ${short(path)} ${short(body)} ${headers ? JSON.stringify(headers) : ''}`.trim();
};

describe('both transports', () => {
  const world = new World();
  let gateway;
  let session;

  before(async () => {
    const fn = await world.testFunction();
    gateway = await world.gateway({ functionPort: fn.port });
    session = http2.connect(gateway.url);
    session.on('error', () => {});
  });
  after(async () => {
    session.destroy();
    await world.end();
  });

  for (const row of rows) {
    const [method, , body, status, field] = row;

    it(`${show(row)} gives ${status}`, async () => {
      const answers = [await overHttp1(gateway.port, row), await overHttp2(session, row)];
      // Every byte in a piece of its own, where that is not too many.
      if (body && body.length < 4096) answers.push(await overHttp1(gateway.port, row, true), await overHttp2(session, row, true));
      for (const answer of answers) {
        assert.equal(answer.status, status, answer.body);
        for (const name of SAME) assert.equal(String(answer.headers[name]), String(answers[0].headers[name]), name);
        assert.equal(answer.body, answers[0].body);
        if (status < 400 || method === 'HEAD') continue;
        const error = JSON.parse(answer.body);
        assert.deepEqual(Object.keys(error), ['code', 'message', 'details']);
        assert.equal(answer.headers['content-type'], 'application/json');
        assert.ok(error.message);
        if (field) assert.equal(error.details[0]?.fieldViolations[0].field, field, answer.body);
      }
    });
  }
});

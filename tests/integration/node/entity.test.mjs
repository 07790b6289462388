// How failures of a function look from outside: every row of the reference's failure table that a
// function can cause, over gRPC and HTTP, and that the entity is well again afterwards.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { World, call, curl, grpc, metric, srcdir, waitFor } from './harness.mjs';

describe('a misbehaving function', () => {
  const world = new World();
  let gateway;
  let client;
  let fn;

  before(async () => {
    fn = await world.testFunction();
    gateway = await world.gateway({ functionPort: fn.port, env: { HEADGATE_ENTITY_COMMAND_TIMEOUT: '1s', HEADGATE_ENTITY_QUEUE_MAX: '5' } });
    client = world.client(gateway, path.join(srcdir, 'tests/fakes/headgate/test/entity.proto'), 'headgate.test.Entity', [path.join(srcdir, 'tests/fakes')]);
  });
  after(() => world.end());

  const process = (request) => call(client, 'Process', request);

  // misbehaviour, gRPC code, text, whether the events of the command are kept
  const rows = [
    ['WRONG_ID', 2, 'Unexpected entity reply', 0],
    ['FAILURE_ZERO', 2, 'Unexpected entity failure', 0],
    ['FAILURE_MESSAGE', 2, 'Unexpected entity failure', 0],
    ['EMPTY_MESSAGE', 2, 'Unexpected entity message', 0],
    ['GARBAGE', 2, 'Unexpected entity message', 0],
    ['END_STREAM', 2, 'Unexpected entity termination', 0],
    ['ABORT_STREAM', 2, 'Unexpected entity termination', 0],
  ];
  for (const [misbehave, code, text, kept] of rows) {
    it(`${misbehave} answers ${text} and the entity is well again`, async () => {
      const id = `row-${misbehave}`;
      await process({ id, text: 'first', emit: 2 });
      await assert.rejects(process({ id, emit: 1, misbehave }), (error) => error.code === code && error.details === text);
      const reply = await process({ id });
      assert.equal(reply.count, String(2 + kept));
      const answer = await curl('-X', 'POST', '-H', 'Content-Type: application/json', '-d', JSON.stringify({ misbehave }), `${gateway.url}/test/${id}`);
      assert.equal(answer.status, 500);
      assert.deepEqual(JSON.parse(answer.body), { code, message: text, details: [] });
    });
  }

  it('HANG ends with the command timeout and frees the entity', async () => {
    await process({ id: 'hang', text: 'x', emit: 1 });
    const began = Date.now();
    await assert.rejects(process({ id: 'hang', misbehave: 'HANG' }), (error) => error.code === grpc.status.DEADLINE_EXCEEDED);
    assert.ok(Date.now() - began < 4000);
    assert.equal((await process({ id: 'hang' })).count, '1');
  });

  it('a failure carries text and code', async () => {
    await assert.rejects(process({ id: 'fail', fail: 'too much 100% äö' }),
      (error) => error.code === grpc.status.UNKNOWN && error.details === 'too much 100% äö');
    await assert.rejects(process({ id: 'fail', fail: 'not so', fail_code: 9 }),
      (error) => error.code === grpc.status.FAILED_PRECONDITION && error.details === 'not so');
    const answer = await curl('-X', 'POST', '-H', 'Content-Type: application/json', '-d', '{"fail":"gone","failCode":5}', `${gateway.url}/test/fail`);
    assert.equal(answer.status, 404);
    assert.equal(JSON.parse(answer.body).message, 'gone');
  });

  it('events beside a failure are kept, with restart they are not', async () => {
    await process({ id: 'beside', text: 'a', emit: 1 });
    await assert.rejects(process({ id: 'beside', emit: 1, misbehave: 'FAIL_WITH_EVENTS' }));
    assert.equal((await process({ id: 'beside' })).count, '2');
    await assert.rejects(process({ id: 'beside', emit: 1, misbehave: 'RESTART_WITH_EVENTS' }));
    assert.equal((await process({ id: 'beside' })).count, '2');
  });

  it('many events of one reply are one append', async () => {
    const before = await metric(gateway, 'headgate_journal_appends_total', { result: 'ok' });
    assert.equal((await process({ id: 'many', text: 'x', emit: 100 })).count, '100');
    assert.equal(await metric(gateway, 'headgate_journal_appends_total', { result: 'ok' }), before + 1);
  });

  it('too many events for one append fail and leave nothing', async () => {
    await assert.rejects(process({ id: 'flood', text: 'x', emit: 1001 }),
      (error) => error.code === grpc.status.RESOURCE_EXHAUSTED || error.code === grpc.status.INVALID_ARGUMENT);
    assert.equal((await process({ id: 'flood' })).count, '0');
  });

  it('a large reply passes, a too large one costs its own entity only', async () => {
    assert.equal((await process({ id: 'large', reply_bytes: 3 << 20 })).padding.length, 3 << 20);
    await assert.rejects(process({ id: 'larger', reply_bytes: 13 << 20 }));
    assert.equal((await process({ id: 'large' })).count, '0');
    assert.equal((await process({ id: 'larger' })).count, '0');
  });

  it('a long history is replayed whole and in order', async () => {
    for (let i = 0; i < 5; i += 1) await process({ id: 'long', text: `t${i}`, emit: 900, event_bytes: 300 });
    await assert.rejects(process({ id: 'long', misbehave: 'ABORT_STREAM' }));
    const reply = await process({ id: 'long' });
    assert.equal(reply.count, '4500');
    assert.equal(reply.last, 't4');
  });

  it('a full queue answers RESOURCE_EXHAUSTED at once', async () => {
    await process({ id: 'queue' });
    const outcomes = await Promise.all(Array.from({ length: 12 }, () => process({ id: 'queue', delay_ms: 50 })
      .then(() => 'ok', (error) => error.code)));
    assert.equal(outcomes.filter((outcome) => outcome === 'ok').length, 6);
    assert.equal(outcomes.filter((outcome) => outcome === grpc.status.RESOURCE_EXHAUSTED).length, 6);
    assert.equal(await metric(gateway, 'headgate_entity_queue_full_total'), 6);
  });

  it('commands of one entity run one at a time and in order', async () => {
    const replies = await Promise.all(Array.from({ length: 5 }, (_, i) => process({ id: 'order', text: `c${i}`, emit: 1, delay_ms: 10 })));
    assert.deepEqual(replies.map((reply) => reply.count), ['1', '2', '3', '4', '5']);
  });

  it('a caller that goes away does not stop its command', async () => {
    await process({ id: 'gone' });
    const leaving = client.Process({ id: 'gone', text: 'kept', emit: 1, delay_ms: 300 }, () => {});
    await waitFor('the command to be in flight', async () => (await metric(gateway, 'headgate_requests_active')) >= 1);
    leaving.cancel();
    await waitFor('its event', async () => (await process({ id: 'gone' })).count === '1');
  });

  it('passivates by the time the function names', async () => {
    const shortLived = world.client(gateway, path.join(srcdir, 'tests/fakes/headgate/test/entity.proto'), 'headgate.test.ShortLived', [path.join(srcdir, 'tests/fakes')]);
    const first = await call(shortLived, 'Process', { id: 'short', text: 'x', emit: 1 });
    assert.equal(first.activation_commands, '1');
    await waitFor('passivation', async () => (await metric(gateway, 'headgate_entity_passivations_total', { entity_name: 'test-short-lived' })) >= 1);
    const second = await call(shortLived, 'Process', { id: 'short' });
    assert.deepEqual([second.count, second.activation_commands], ['1', '1']);
  });

  it('forwards in a circle end', async () => {
    await assert.rejects(process({ id: 'forward', forward: 'Process' }), (error) => error.code === grpc.status.INTERNAL && /10 forwards/.test(error.details));
  });
});

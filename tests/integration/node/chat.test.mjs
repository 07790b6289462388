// The chat of samples/chat: replicated data over server-sent events, JSON and gRPC, at one gateway and at two.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { World, curl, grpc, srcdir, waitFor } from './harness.mjs';

const SAMPLE = path.join(srcdir, 'samples/chat');
const KEPT = 5;
const SSE = { headers: { accept: 'text/event-stream' } };

const startChat = (world, env = {}) =>
  world.userFunction(process.execPath, { MESSAGES_KEPT: String(KEPT), ...env }, [path.join(SAMPLE, 'index.js')]);

const people = async (gateway, room) => (await (await fetch(`${gateway.url}/rooms/${room}/people`)).json()).users;
const said = async (gateway, room) =>
  (await (await fetch(`${gateway.url}/rooms/${room}/messages`)).json()).messages.map(({ user, text }) => `${user}: ${text}`);
const send = (url, body) => curl('--json', JSON.stringify(body), url);
const post = async (gateway, room, user, text) => {
  const answer = await send(`${gateway.url}/rooms/${room}/messages`, { user, text });
  assert.deepEqual([answer.status, answer.body], [200, '{}']);
};

// A stream of server-sent events; leave() hangs up.
class Events {
  static async open(url) {
    const events = new Events();
    events.all = [];
    events.abort = new AbortController();
    const answer = await fetch(url, { ...SSE, signal: events.abort.signal });
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get('content-type'), 'text/event-stream');
    events.ended = events.read(answer.body).catch(() => {}); // hanging up is an error here
    return events;
  }

  async read(body) {
    let text = '';
    for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
      const lines = (text + chunk).split('\n');
      text = lines.pop();
      for (const line of lines) if (line.startsWith('data: ')) this.all.push(JSON.parse(line.slice(6)));
    }
  }

  async leave() {
    this.abort.abort();
    await this.ended;
  }
}

const join = (gateway, room, user) => Events.open(`${gateway.url}/rooms/${room}/people/${user}`);
const sees = (events, users) => waitFor(`people ${users}`, () => {
  const last = events.all.at(-1)?.users ?? [];
  if (last.join() !== users.join()) throw new Error(`there are: ${last}`);
  return true;
});
const until = (gateway, room, users) => waitFor(`people ${users} in ${room}`, async () => {
  const found = await people(gateway, room);
  if (found.join() !== users.join()) throw new Error(`there are: ${found}`);
  return true;
});
const heard = (events, texts) => waitFor(`messages ${texts}`, () => {
  const all = events.all.flatMap(({ messages }) => messages).map(({ text }) => text);
  if (all.join() !== texts.join()) throw new Error(`there are: ${all}`);
  return true;
});

describe('chat', () => {
  const world = new World();
  let chat;
  let gateway;

  before(async () => {
    chat = await startChat(world);
    gateway = await world.gateway({ functionPort: chat.port });
  });
  after(() => world.end());

  it('shows who is there, to everybody, until they leave', async () => {
    const ada = await join(gateway, 'lobby', 'ada');
    await sees(ada, ['ada']);
    const charles = await join(gateway, 'lobby', 'charles');
    await sees(charles, ['ada', 'charles']);
    await sees(ada, ['ada', 'charles']);
    assert.deepEqual(await people(gateway, 'lobby'), ['ada', 'charles']);
    assert.deepEqual(await people(gateway, 'elsewhere'), []);
    await charles.leave();
    await sees(ada, ['ada']);
    assert.deepEqual(await people(gateway, 'lobby'), ['ada']);
    await ada.leave();
    await until(gateway, 'lobby', []);
  });

  it('keeps somebody who is there twice until both have left', async () => {
    const watcher = await join(gateway, 'twice', 'watcher');
    const [phone, desk] = [await join(gateway, 'twice', 'ada'), await join(gateway, 'twice', 'ada')];
    await sees(watcher, ['ada', 'watcher']);
    await phone.leave();
    const late = await join(gateway, 'twice', 'late'); // behind the leaving: one entity does one thing at a time
    await sees(watcher, ['ada', 'late', 'watcher']);
    await desk.leave();
    await sees(watcher, ['late', 'watcher']);
    await Promise.all([watcher.leave(), late.leave()]);
    assert.ok(watcher.all.every(({ users }) => users.includes('watcher')));
    assert.deepEqual(watcher.all.map(({ users }) => users.length), [1, 2, 3, 2], 'told of changes alone');
  });

  it('gives what was said, then what is said', async () => {
    await post(gateway, 'library', 'ada', 'one');
    await post(gateway, 'library', 'charles', 'two');
    const watch = await Events.open(`${gateway.url}/rooms/library/messages/watch`);
    await heard(watch, ['one', 'two']);
    await post(gateway, 'library', 'ada', 'three');
    await heard(watch, ['one', 'two', 'three']);
    const [{ messages }] = watch.all;
    assert.equal(new Set(messages.map(({ id }) => id)).size, 2);
    assert.ok(Math.abs(Date.now() - Date.parse(messages[0].at)) < 600_000, messages[0].at);
    assert.deepEqual(await said(gateway, 'library'), ['ada: one', 'charles: two', 'ada: three']);
    await watch.leave();
  });

  it('keeps the last messages', async () => {
    const watch = await Events.open(`${gateway.url}/rooms/busy/messages/watch`);
    const texts = Array.from({ length: KEPT + 3 }, (_, n) => `text ${n}`);
    for (const text of texts) await post(gateway, 'busy', 'ada', text);
    assert.deepEqual((await said(gateway, 'busy')).map((line) => line.slice(5)), texts.slice(-KEPT));
    await heard(watch, texts);
    await watch.leave();
  });

  it('announces to several rooms, and to one by its own answer', async () => {
    const url = `${gateway.url}/announcements`;
    const watch = await Events.open(`${gateway.url}/rooms/hall/messages/watch`);
    let answer = await send(url, { rooms: ['hall', 'garden', 'attic'], user: 'ada', text: 'Tea is ready' });
    assert.deepEqual([answer.status, answer.body], [200, '{}']);
    for (const room of ['hall', 'garden', 'attic']) assert.deepEqual(await said(gateway, room), ['ada: Tea is ready']);
    await heard(watch, ['Tea is ready']);
    answer = await send(url, { rooms: ['garden'], user: 'charles', text: 'Coffee too' });
    assert.deepEqual([answer.status, answer.body], [200, '{}']);
    assert.deepEqual(await said(gateway, 'garden'), ['ada: Tea is ready', 'charles: Coffee too']);
    assert.deepEqual(await said(gateway, 'attic'), ['ada: Tea is ready']);
    await watch.leave();
  });

  for (const [name, where, body, message] of [
    ['a message of nobody', 'rooms/quiet/messages', { text: 'x' }, /A name has/],
    ['a message without a text', 'rooms/quiet/messages', { user: 'ada' }, /A text has/],
    ['a text that is too long', 'rooms/quiet/messages', { user: 'ada', text: 'x'.repeat(2001) }, /A text has/],
    ['an announcement to nobody', 'announcements', { user: 'ada', text: 'x' }, /1 to 50 rooms/],
    ['an announcement without a text to one', 'announcements', { rooms: ['quiet'], user: 'ada' }, /A text has/],
    ['an announcement without a text to two', 'announcements', { rooms: ['quiet', 'attic2'], user: 'ada' }, /A text has/],
  ]) {
    it(`refuses ${name}`, async () => {
      const answer = await send(`${gateway.url}/${where}`, body);
      assert.equal(answer.status, 400);
      assert.match(JSON.parse(answer.body).message, message);
      assert.deepEqual(await said(gateway, 'quiet'), []);
    });
  }

  it('serves a gRPC client, whose cancellation is a farewell', async () => {
    const client = world.client(gateway, path.join(SAMPLE, 'chat.proto'), 'com.example.chat.Presence');
    const watcher = await join(gateway, 'grpc', 'watcher');
    const stream = client.Join({ room: 'grpc', user: 'ada' });
    const seen = [];
    const status = new Promise((resolve) => stream.on('error', (error) => resolve(error.code)));
    stream.on('data', ({ users }) => seen.push(users.join()));
    await sees(watcher, ['ada', 'watcher']);
    await waitFor('the first reply', () => seen.length > 0);
    assert.equal(seen[0], 'ada,watcher');
    stream.cancel();
    assert.equal(await status, grpc.status.CANCELLED);
    await sees(watcher, ['watcher']);
    await watcher.leave();
  });

  it('forgets who was there when the function dies, and nothing that was said', async () => {
    await post(gateway, 'crash', 'ada', 'before');
    const ada = await join(gateway, 'crash', 'ada');
    await sees(ada, ['ada']);
    await chat.kill('SIGKILL');
    await ada.ended;
    chat = await startChat(world, { PORT: String(chat.port) });
    await until(gateway, 'crash', []);
    await waitFor('what was said', async () => (await said(gateway, 'crash')).join() === 'ada: before'); // its stream broke too
  });
});

describe('chat at two gateways', () => {
  const world = new World();
  const gateways = [];

  before(async () => {
    const redis = await world.redis();
    const env = { JOURNAL_URL: `unix:${redis.socket}` };
    for (let i = 0; i < 2; i += 1) {
      const chat = await startChat(world); // each has its own, as in a pod
      gateways.push(await world.gateway({ functionPort: chat.port, env }));
    }
  });
  after(() => world.end());

  it('is one room', async () => {
    const [here, there] = gateways;
    const watch = await Events.open(`${there.url}/rooms/lobby/messages/watch`);
    const [ada, charles] = [await join(here, 'lobby', 'ada'), await join(there, 'lobby', 'charles')];
    for (const one of [ada, charles]) await sees(one, ['ada', 'charles']);
    await post(here, 'lobby', 'ada', 'hello over there');
    await heard(watch, ['hello over there']);
    await post(there, 'lobby', 'charles', 'hello back');
    await waitFor('the answer', async () => (await said(here, 'lobby')).length === 2);
    await charles.leave();
    await sees(ada, ['ada']);
    await Promise.all([ada.leave(), watch.leave()]);
    for (const gateway of gateways) await until(gateway, 'lobby', []);
  });

  it('keeps somebody who is at both until they left both', async () => {
    const [here, there] = gateways;
    const [one, other] = [await join(here, 'both', 'ada'), await join(there, 'both', 'ada')];
    const watcher = await join(there, 'both', 'watcher');
    await sees(watcher, ['ada', 'watcher']);
    await one.leave();
    const late = await join(here, 'both', 'late');
    await sees(watcher, ['ada', 'late', 'watcher']);
    await other.leave();
    await sees(watcher, ['late', 'watcher']);
    await Promise.all([watcher.leave(), late.leave()]);
  });

  it('counts nobody who was at a gateway that died', async () => {
    const [here, there] = gateways;
    const watcher = await join(there, 'dying', 'watcher');
    const ada = await join(here, 'dying', 'ada');
    await sees(watcher, ['ada', 'watcher']);
    await here.kill('SIGKILL');
    await ada.ended;
    await sees(watcher, ['watcher']);
    await watcher.leave();
  });
});

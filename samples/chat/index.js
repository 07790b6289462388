// A chat, a user function on replicated data (CRDTs): every gateway has a copy of each room, takes messages
// and people at once, and tells the others; changes merge. Headgate keeps it all, and serves it by HTTP and gRPC.
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { Action, Crdt, Headgate, crdt } from 'headgate';

const MESSAGES_KEPT = Number(process.env.MESSAGES_KEPT ?? 100); // in a room
const LONGEST_NAME = 64; // characters of a person's name; a room carries all of them
const LONGEST_TEXT = 2000; // characters of a message; at most MESSAGES_KEPT times that in a room
const MOST_ROOMS = 50; // of one announcement: each becomes a command
const PACKAGE = 'com.example.chat';
const includeDirs = [fileURLToPath(new URL('.', import.meta.url))];

const byName = (a, b) => (a < b ? -1 : Number(a > b));

function checkUser(user, ctx) {
  if (!user || user.length > LONGEST_NAME) ctx.fail(`A name has 1 to ${LONGEST_NAME} characters`, 'INVALID_ARGUMENT');
}

function checkMessage({ user, text }, ctx) {
  checkUser(user, ctx);
  if (!text || text.length > LONGEST_TEXT) ctx.fail(`A text has 1 to ${LONGEST_TEXT} characters`, 'INVALID_ARGUMENT');
}

// -- rooms: a set of messages, of which the oldest are removed --------------------------------------

const room = new Crdt('chat.proto', `${PACKAGE}.Room`, { includeDirs, persistenceId: 'chat-room' });
const Message = room.lookupType(`${PACKAGE}.Message`);

const millis = ({ at }) => Number(at.seconds) * 1000 + at.nanos / 1e6;
const inOrder = (messages) => [...messages].sort((a, b) => millis(a) - millis(b) || byName(a.id, b.id));

room.defaultValue = () => new crdt.ORSet();
room.commandHandlers = {
  Post({ user, text }, ctx) {
    checkMessage({ user, text }, ctx);
    const now = Date.now();
    const at = { seconds: Math.floor(now / 1000), nanos: (now % 1000) * 1e6 };
    ctx.state.add(Message.fromObject({ id: randomUUID(), at, user, text }));
    for (const old of inOrder(ctx.state).slice(0, -MESSAGES_KEPT)) ctx.state.delete(old);
  },

  List(request, ctx) {
    return { messages: inOrder(ctx.state) };
  },

  Watch(request, ctx) {
    let told = new Set();
    const news = (state) => {
      const all = inOrder(state);
      const fresh = all.filter(({ id }) => !told.has(id));
      told = new Set(all.map(({ id }) => id));
      return fresh.length > 0 ? { messages: fresh } : undefined; // undefined: nothing is sent
    };
    ctx.onStateChange = news;
    return news(ctx.state) ?? { messages: [] };
  },
};

// -- presence: a vote for each name, "is here" ------------------------------------------------------
//
// The voters are the gateways: each says whether somebody of that name is connected to it. The votes of a
// gateway that is gone count no more, so nobody stays in a room because a machine was switched off.

const presence = new Crdt('chat.proto', `${PACKAGE}.Presence`, {
  includeDirs, persistenceId: 'chat-presence', serializeAllowPrimitives: true, // the names, as keys
});

// State of a room → name → how many connections this process has.
const connections = new WeakMap();

// A state that is new to this process has nobody connected: votes that say so are from before a restart.
function connectionsOf(state) {
  let counts = connections.get(state);
  if (!counts) {
    connections.set(state, counts = new Map());
    for (const [user, vote] of [...state]) stepOut(state, user, vote);
  }
  return counts;
}

function stepOut(state, user, vote) {
  vote.vote = false;
  if (!vote.atLeastOne) state.delete(user); // somebody who comes at the same time wins
}

function arrive(state, user) {
  const counts = connectionsOf(state);
  if (!state.has(user)) state.set(user, new crdt.Vote());
  state.get(user).vote = true;
  counts.set(user, (counts.get(user) ?? 0) + 1);
}

function leave(state, user) {
  const counts = connectionsOf(state);
  const left = (counts.get(user) ?? 0) - 1;
  if (left > 0) {
    counts.set(user, left);
    return;
  }
  counts.delete(user);
  if (state.has(user)) stepOut(state, user, state.get(user));
}

const present = (state) => [...state].filter(([, vote]) => vote.atLeastOne).map(([user]) => user).sort(byName);

presence.defaultValue = () => new crdt.ORMap();
presence.commandHandlers = {
  Join({ user }, ctx) {
    checkUser(user, ctx);
    let told;
    const news = (state) => {
      const users = present(state);
      const isNew = users.join('\n') !== told;
      told = users.join('\n');
      return isNew ? { users } : undefined;
    };
    ctx.onStateChange = news;
    ctx.onStreamCancel = (state) => leave(state, user);
    arrive(ctx.state, user);
    return news(ctx.state);
  },

  Who(request, ctx) {
    connectionsOf(ctx.state);
    return { users: present(ctx.state) };
  },
};

// -- announcements: one message, several rooms ------------------------------------------------------

const POST = `${PACKAGE}.Room/Post`;
const announcer = new Action('chat.proto', `${PACKAGE}.Announcer`, { includeDirs });

announcer.commandHandlers = {
  Announce({ rooms, user, text }, ctx) {
    if (rooms.length === 1) { // that room answers, also if it refuses
      ctx.forward(POST, { room: rooms[0], user, text });
      return undefined;
    }
    if (rooms.length === 0 || rooms.length > MOST_ROOMS) ctx.fail(`An announcement has 1 to ${MOST_ROOMS} rooms`, 'INVALID_ARGUMENT');
    checkMessage({ user, text }, ctx); // nobody would hear of it from the effects
    for (const name of rooms) ctx.effect(POST, { room: name, user, text }, true); // true: answered when all have it
    return {};
  },
};

const server = new Headgate({ serviceName: 'chat', serviceVersion: '1' }).addEntity(room, presence, announcer);
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => server.shutdown().then(() => process.exit(0)));
console.log(`listening on port ${await server.start()}`);

import { Action } from '../../../support/node/src/index.js';

const FILE = 'cloudstate/tck/model/action.proto';
const PACKAGE = 'cloudstate.tck.model.action';
const CALL = `${PACKAGE}.ActionTwo/Call`;

// Does the steps in order. answer() takes a reply, forward or failure in place of the one before.
function take(steps, ctx, answer) {
  for (const { step, reply, forward, fail, effect } of steps) {
    if (step === 'reply') answer(() => ({ message: reply.message }));
    else if (step === 'forward') answer(() => ctx.forward(CALL, { id: forward.id }));
    else if (step === 'fail') answer(() => ctx.fail(fail.message));
    else if (step === 'effect') ctx.effect(CALL, { id: effect.id }, effect.synchronous);
  }
}

// All steps make one answer, the last one.
function answerOnce(groups, ctx, last = () => undefined) {
  for (const { steps } of groups) take(steps, ctx, (answer) => { last = answer; });
  return last;
}

// Each group makes an answer: what is no reply goes out by itself, an effect alone is written out.
async function answerEach(groups, ctx) {
  for (const { steps } of groups) {
    let last;
    take(steps, ctx, (answer) => { last = answer; });
    const isReply = steps.some(({ step }) => step === 'reply');
    if (!last) await ctx.write(undefined);
    else if (isReply) await ctx.write(last());
    else await last();
  }
}

export function actions(options) {
  const model = new Action(FILE, `${PACKAGE}.ActionTckModel`, options);
  model.commandHandlers = {
    ProcessUnary: ({ groups }, ctx) => answerOnce(groups, ctx)(),
    async ProcessStreamedIn(ctx) {
      let last = () => undefined;
      for await (const { groups } of ctx) last = answerOnce(groups, ctx, last);
      return last();
    },
    ProcessStreamedOut: async ({ groups }, ctx) => answerEach(groups, ctx),
    async ProcessStreamed(ctx) {
      for await (const { groups } of ctx) await answerEach(groups, ctx);
    },
  };
  const two = new Action(FILE, `${PACKAGE}.ActionTwo`, options);
  two.commandHandlers = { Call: () => ({}) };
  return [model, two];
}

// headgate.test.Register of tests/fakes/headgate/test/value.proto in JavaScript: the same service and the
// same state as testfunction's.
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Headgate, ValueEntity } from '../../../support/node/src/index.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const SERVICE = 'headgate.test.Register';
const register = new ValueEntity('headgate/test/value.proto', SERVICE, {
  persistenceId: 'test-register',
  includeDirs: [path.join(root, 'tests/fakes'), path.join(root, 'proto/idl')],
});
const Kept = register.lookupType('headgate.test.Kept');
const CODES = { 0: undefined, 5: 'NOT_FOUND', 9: 'FAILED_PRECONDITION' };

function answer({ id, metadata }, state, ctx) {
  const value = metadata ? ctx.metadata.get(metadata)[0] : '';
  return { id, count: state?.count ?? 0, text: state?.text ?? '', isThere: state !== undefined, metadata: String(value ?? '') };
}

register.setCommandHandlers({
  Process(change, state, ctx) {
    if (Number(change.add) !== 0) {
      ctx.updateState(Kept.create({ count: Number(state?.count ?? 0) + Number(change.add), text: change.text }));
    }
    if (change.remove) ctx.deleteState();
    if (change.effect) ctx.effect(`${SERVICE}/Process`, { id: change.effect, add: 1 });
    if (change.fail) ctx.fail(change.fail, CODES[change.failCode]);
    if (change.forward) return ctx.forward(`${SERVICE}/Peek`, change);
    return answer(change, ctx.getState(), ctx);
  },
  Peek: answer,
});

await new Headgate().addEntity(register).start();

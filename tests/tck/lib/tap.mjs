// The checks as tests of node's runner, for make check.
import { after, before, test } from 'node:test';
import { Parties } from './parties.mjs';
import { pendingReason, runCheck, suites } from './run.mjs';

const OUTPUT_LINES = 20; // of the programs, with a failure

export function registerChecks(language) {
  const parties = new Parties();
  let kit;
  before(async () => { kit = await parties.meet({ language }); });
  after(() => parties.end());
  for (const suite of suites) {
    for (const check of suite.checks) {
      test(`${suite.name}: ${check.name}`, async (context) => {
        const reason = pendingReason(kit, check);
        if (reason) return context.skip(`pending: ${reason}`);
        const { result, text } = await runCheck(kit, check);
        if (result === 'failed') throw new Error(`${text}\n${parties.output.slice(-OUTPUT_LINES).join('\n')}`);
        return undefined;
      });
    }
  }
}

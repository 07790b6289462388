// Loaded before every test file (run.sh), of this folder, of the kit and of support/node: a test or a hook
// that names no timeout of its own has one, so that what hangs fails and the next test runs.
import { createRequire, syncBuiltinESMExports } from 'node:module';

// The longest test takes 20 s alone on two cores. Beside other work, with sanitizers or under valgrind it may
// take several times that; and a test that gives up waiting (harness.mjs) should say so itself before this does.
const TEST_MS = Number(process.env.HEADGATE_TEST_TIMEOUT_MS ?? 180000);

// What is left open after the last test would keep the process, and whoever waits for it, for ever.
const IDLE_MS = TEST_MS + 60000;

const runner = createRequire(import.meta.url)('node:test');

// (name, options, body), of which each may be missing.
const timed = (run) => Object.assign((...args) => {
  const names = args.filter((arg) => typeof arg === 'string');
  const body = args.find((arg) => typeof arg === 'function');
  const options = args.find((arg) => typeof arg === 'object' && arg !== null);
  return run(...names, { timeout: TEST_MS, ...options }, body);
}, run);

for (const name of ['it', 'test']) runner[name] = timed(runner[name]);
for (const name of ['before', 'after', 'beforeEach', 'afterEach']) {
  const hook = runner[name];
  runner[name] = (body, options) => hook(body, { timeout: TEST_MS, ...options });
}
syncBuiltinESMExports();

const idle = setTimeout(() => {
  console.error(`nothing has happened for ${IDLE_MS} ms: something is still open, or a file hangs outside of its tests`);
  process.exit(1);
}, IDLE_MS).unref();
const touch = () => { idle.refresh(); };
runner.beforeEach(touch);
runner.afterEach(touch);

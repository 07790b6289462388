// Every example in docs/operations.md, in its order, beside a gateway with the shopping cart.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { World, builddir, fs, path, srcdir } from './harness.mjs';
import { isOutput, parse, shell, writeCurlrc } from './page.mjs';

const EXAMPLES_MIN = 25;

describe('docs/operations.md', () => {
  const world = new World();
  const { examples } = parse(fs.readFileSync(path.join(srcdir, 'docs/operations.md'), 'utf8'));
  let gateway;
  let env;

  before(async () => {
    writeCurlrc(world.dir);
    const cart = await world.cart();
    gateway = await world.gateway({ functionPort: cart.port });
    env = {
      CURL_HOME: world.dir, HOME: world.dir, PATH: `${builddir}:${process.env.PATH}`,
      JOURNAL_URL: `embedded:${path.join(world.dir, 'journal')}`, USER_FUNCTION_PORT: String(cart.port),
    };
  });
  after(() => world.end());

  it(`has at least ${EXAMPLES_MIN} examples`, () => {
    assert.ok(examples.length >= EXAMPLES_MIN, `${examples.length} examples`);
  });

  const backup = path.join(world.dir, 'backup');
  for (const example of examples) {
    it(`${example.section}, line ${example.line}: ${example.command}`, async () => {
      const command = example.command.replaceAll('localhost:9000', `127.0.0.1:${gateway.port}`).replaceAll('/tmp/backup', backup);
      const lines = (await shell(command, world.dir, env)).map((line) => line.replaceAll(backup, '/tmp/backup'));
      assert.ok(isOutput(example.output, lines), `expected:\n${example.output.join('\n')}\nprinted:\n${lines.join('\n')}`);
    });
  }
});

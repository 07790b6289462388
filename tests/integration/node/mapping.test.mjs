// Every example in docs/http-mapping.md, run against the library of tests/fakes/library.proto: what the
// page shows is what happens.
// How the page is written stands in page.mjs. Examples in a row share a gateway; files are in the directory
// of the commands, and what the page shows of the library stands in library.proto.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { World, builddir, fs, path, srcdir } from './harness.mjs';
import { isOutput, parse, shell, writeCurlrc, writeFiles } from './page.mjs';

const EXAMPLES_MIN = 60;
const page = fs.readFileSync(path.join(srcdir, 'docs/http-mapping.md'), 'utf8');
const proto = fs.readFileSync(path.join(srcdir, 'tests/fakes/library.proto'), 'utf8');

const plain = (text) => text.replace(/\s+/g, ' ').trim();

describe('docs/http-mapping.md', () => {
  const world = new World();
  const { examples, files, protos } = parse(page);
  const gateways = new Map(); // by options
  let functionPort;
  let env;

  before(async () => {
    writeCurlrc(world.dir);
    execFileSync('protoc', ['-I', path.join(srcdir, 'tests/fakes'), '-I', path.join(srcdir, 'proto/idl'), '--include_imports', `--descriptor_set_out=${path.join(world.dir, 'library.desc')}`, 'library.proto']);
    writeFiles(world.dir, files);
    functionPort = (await world.testFunction({ TESTFUNCTION_LIBRARY: '1' })).port;
    env = { CURL_HOME: world.dir, HOME: world.dir, PATH: `${builddir}:${process.env.PATH}` };
  });
  after(() => world.end());

  // Unset fields are not printed, unless an example is about just that.
  async function gatewayWith(options) {
    if (!gateways.has(options)) {
      const settings = { 'http.json.always_print_primitive_fields': 'false' };
      for (const option of options.split(' ').filter(Boolean)) settings[option.split('=')[0]] = option.slice(option.indexOf('=') + 1);
      const named = Object.entries(settings).map(([key, value]) => [`HEADGATE_${key.toUpperCase().replaceAll('.', '_')}`, value]);
      const journal = { JOURNAL_URL: `embedded:${path.join(world.dir, `journal${gateways.size}`)}` };
      gateways.set(options, world.gateway({ functionPort, env: { ...journal, ...Object.fromEntries(named) } }));
    }
    return gateways.get(options);
  }

  it(`has at least ${EXAMPLES_MIN} examples, and none that is not run`, () => {
    assert.ok(examples.length >= EXAMPLES_MIN, `${examples.length} examples`);
    const commands = page.split('\n').filter((line) => /^(```|\s*(\$ )?(\w.*\| )?(curl|headgate check) )/.test(line));
    const run = examples.flatMap(({ command }) => command.split('\n')).filter((line) => /(^|\| )\s*(curl|headgate check) /.test(line));
    assert.equal(commands.length, run.length, 'commands that are not written as examples');
  });

  for (const { line, lines } of protos) {
    it(`line ${line}: the library declares ${lines[0]}`, () => {
      assert.ok(plain(proto).includes(plain(lines.join('\n'))), lines.join('\n'));
    });
  }

  for (const example of examples) {
    it(`${example.section}, line ${example.line}: ${example.command}`, async () => {
      const gateway = await gatewayWith(example.options);
      const command = example.command.replaceAll('localhost:9000', `127.0.0.1:${gateway.port}`);
      const printed = await shell(command, world.dir, env);
      if (process.env.HEADGATE_SHOW_EXAMPLES) console.error(`@@${example.line}\n${printed.join('\n')}`);
      const lines = printed.map((it) => it.replaceAll(`127.0.0.1:${gateway.port}`, 'localhost:9000'));
      assert.ok(isOutput(example.output, lines), `expected:\n${example.output.join('\n')}\nprinted:\n${lines.join('\n')}`);
    });
  }
});

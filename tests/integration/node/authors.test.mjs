// docs/authors-c.md and docs/authors-javascript.md, from the first file to the last command: what an author
// pastes compiles, runs and answers as the page shows. How a page is written stands in page.mjs.
//
// `… &` starts a program: headgate is the gateway, anything else the function, both on free ports.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { World, builddir, canConnect, freePort, fs, path, srcdir, waitFor } from './harness.mjs';
import { isOutput, parse, shell, writeCurlrc, writeFiles } from './page.mjs';

// A tutorial that nobody reads to its end teaches nothing; C takes more lines to say the same.
const LINES_MAX = { 'authors-c': 305, 'authors-javascript': 250 };
const node = path.dirname(process.execPath);

// The library as `make install` leaves it, of what was built: its pkg-config file with paths of the tree.
function installed(dir) {
  const idl = path.join(srcdir, 'proto/idl');
  const libs = path.join(builddir, 'support/c/.libs');
  const places = { libdir: libs, includedir: path.join(srcdir, 'support/c'), idldir: idl };
  const pc = fs.readFileSync(path.join(builddir, 'support/c/headgate-function.pc'), 'utf8')
    .replace(/^(libdir|includedir|idldir)=.*$/gm, (_, name) => `${name}=${places[name]}`);
  fs.writeFileSync(path.join(dir, 'headgate-function.pc'), pc);
  // The compiler of the build, with its sanitizer, if any: the library wants the same.
  const made = fs.readFileSync(path.join(builddir, 'Makefile'), 'utf8');
  const [compiler, sanitizer] = ['CC', 'SANITIZER_CFLAGS'].map((name) => new RegExp(`^${name} = ?(.*)$`, 'm').exec(made)?.[1] ?? '');
  return { PKG_CONFIG_PATH: dir, LD_LIBRARY_PATH: libs, CC: `${compiler} ${sanitizer} -Wall -Wextra -Werror`, MAKEFLAGS: '' };
}

// And as `npm install` does.
function linked(dir) {
  fs.mkdirSync(path.join(dir, 'node_modules'));
  fs.symlinkSync(path.join(srcdir, 'support/node'), path.join(dir, 'node_modules/headgate'));
  return {};
}

for (const [name, install] of [['authors-c', installed], ['authors-javascript', linked]]) describe(`docs/${name}.md`, () => {
  const text = fs.readFileSync(path.join(srcdir, `docs/${name}.md`), 'utf8');
  const { examples, files } = parse(text);
  const world = new World();
  let env;
  let functionPort;
  let gateway;

  before(() => {
    const dir = path.join(world.dir, 'installed');
    fs.mkdirSync(dir);
    writeCurlrc(dir);
    writeFiles(world.dir, files);
    env = { CURL_HOME: dir, HOME: dir, PATH: `${node}:${builddir}:${process.env.PATH}`, ...install(name === 'authors-c' ? dir : world.dir) };
  });
  after(() => world.end());

  async function start(command) {
    if (command === 'headgate') {
      gateway = await world.gateway({ functionPort });
      return;
    }
    functionPort = await freePort();
    const program = world.start('bash', ['-c', `exec ${command}`], { ...env, HOST: '127.0.0.1', PORT: String(functionPort) });
    await waitFor(command, () => {
      if (program.exit) throw new Error(`exited: ${program.lines.join('\n')}`);
      return canConnect(functionPort);
    });
  }

  it('is short, and no block of code and no command in it is not run', () => {
    assert.ok(text.split('\n').length - 1 <= LINES_MAX[name], `more than ${LINES_MAX[name]} lines`);
    assert.equal(text.split('\n').filter((line) => /^```\w/.test(line) && line !== '```console').length, files.length);
    assert.equal(text.split('\n').filter((line) => /^\s*(\$ )?(timeout|curl|make|headgate|node|\.\/\w+) /.test(line)).length, examples.length);
  });

  for (const { section, line, command, output } of examples) {
    it(`${section}, line ${line}: ${command}`, async () => {
      if (command.endsWith(' &')) return start(command.slice(0, -2));
      const host = `127.0.0.1:${gateway?.port}`;
      const printed = await shell(command.replaceAll('localhost:9000', host), world.dir, env);
      return assert.ok(isOutput(output, printed), `expected:\n${output.join('\n')}\nprinted:\n${printed.join('\n')}`);
    });
  }
});

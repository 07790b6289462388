// Every example in docs/http-mapping.md, run against the library of tests/fakes/library.proto: what the
// page shows is what happens.
//
// An example is a line `    $ command` with what it prints below it, up to the next command or the end of
// the indented block. A line of its own of just `…` stands for any lines, `…` within a line for any text.
// Examples in a row share a gateway. Three comments steer them, each until the next heading:
//   <!-- headgate: http.etag=true … -->   options of the gateway
//   <!-- file: NAME -->                   the next block is that file, in the directory of the commands
//   <!-- proto -->                        the next block is in library.proto as it stands here
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { World, builddir, fs, path, srcdir } from './harness.mjs';

const EXAMPLES_MIN = 60;
const page = fs.readFileSync(path.join(srcdir, 'docs/http-mapping.md'), 'utf8');
const proto = fs.readFileSync(path.join(srcdir, 'tests/fakes/library.proto'), 'utf8');

function parse(text) {
  const examples = [];
  const files = [];
  const protos = [];
  let section = '';
  let options = '';
  let block; // lines of the block that a comment announced
  let example;
  let blank = 0;
  text.split('\n').forEach((line, i) => {
    const comment = /^<!-- (headgate|file|proto):? ?(.*?) ?-->$/.exec(line);
    if (/^#+ /.test(line)) {
      section = line.replace(/^#+ /, '');
      options = '';
    }
    if (comment?.[1] === 'headgate') options = comment[2];
    if (comment?.[1] === 'file') files.push({ name: comment[2], lines: block = [] });
    if (comment?.[1] === 'proto') protos.push({ line: i + 1, lines: block = [] });
    if (line === '') {
      blank += 1;
      return;
    }
    if (comment || !line.startsWith('    ')) {
      example = undefined;
      if (!comment) block = undefined;
      blank = 0;
      return;
    }
    // A block goes on behind an empty line.
    const content = line.slice(4);
    const gap = Array(blank).fill('');
    blank = 0;
    if (block && content.startsWith('$ ')) block = undefined;
    if (block) {
      block.push(...(block.length ? gap : []), content);
    } else if (content.startsWith('$ ')) {
      example = { section, options, line: i + 1, command: content.slice(2), output: [] };
      examples.push(example);
    } else if (example?.output.length === 0 && /[\\|]$/.test(example.command)) {
      example.command += `\n${content}`;
    } else {
      example?.output.push(...gap, content);
    }
  });
  return { examples, files, protos };
}

function isLine(want, line) {
  const pattern = want.split('…').map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join('.*');
  return new RegExp(`^${pattern}$`, 's').test(line);
}

function isOutput(want, lines) {
  if (want.length === 0) return lines.length === 0;
  if (want[0] !== '…') return lines.length > 0 && isLine(want[0], lines[0]) && isOutput(want.slice(1), lines.slice(1));
  return lines.some((_, i) => isOutput(want.slice(1), lines.slice(i))) || isOutput(want.slice(1), []);
}

// What a shell prints, on both of its outputs, in the order of printing.
function shell(command, cwd, env) {
  return new Promise((resolve, reject) => {
    const child = spawn('bash', ['-c', `exec 2>&1\n${command}`], { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'inherit'], timeout: 20000 });
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (part) => { text += part; });
    child.on('error', reject);
    child.on('close', () => resolve(text));
  });
}

function linesOf(text) {
  const lines = text.replaceAll('\r', '').split('\n');
  while (lines.at(-1) === '') lines.pop();
  return lines;
}

const plain = (text) => text.replace(/\s+/g, ' ').trim();

describe('docs/http-mapping.md', () => {
  const world = new World();
  const { examples, files, protos } = parse(page);
  const gateways = new Map(); // by options
  let functionPort;
  let env;

  before(async () => {
    fs.writeFileSync(path.join(world.dir, '.curlrc'), 'silent\nshow-error\nmax-time = 10\n');
    execFileSync('protoc', ['-I', path.join(srcdir, 'tests/fakes'), '-I', path.join(srcdir, 'proto/idl'), '--include_imports', `--descriptor_set_out=${path.join(world.dir, 'library.desc')}`, 'library.proto']);
    for (const { name, lines } of files) fs.writeFileSync(path.join(world.dir, name), `${lines.join('\n')}\n`);
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
      const printed = linesOf(await shell(command, world.dir, env));
      if (process.env.HEADGATE_SHOW_EXAMPLES) console.error(`@@${example.line}\n${printed.join('\n')}`);
      const lines = printed.map((it) => it.replaceAll(`127.0.0.1:${gateway.port}`, 'localhost:9000'));
      assert.ok(isOutput(example.output, lines), `expected:\n${example.output.join('\n')}\nprinted:\n${lines.join('\n')}`);
    });
  }
});

// Pages of docs/ that the tests execute. An example is a line `$ command` of an indented or fenced block,
// with what it prints below it, up to the next command or the end of the block. A line of its own of just
// `…` stands for any lines, `…` within a line for any text. Three comments steer them:
//   <!-- headgate: http.etag=true … -->   options of the gateway, until the next heading
//   <!-- file: NAME -->                   the next block is that file, or more of it
//   <!-- proto -->                        the next block stands in a .proto file of the tests
import { spawn } from 'node:child_process';
import { fs, path } from './harness.mjs';

const COMMAND_MS = 60000; // compilers too, on a busy machine

// Fenced blocks as indented ones, in the same lines.
function indent(text) {
  let isFenced = false;
  return text.split('\n').map((line) => {
    if (!line.startsWith('```')) return isFenced && line !== '' ? `    ${line}` : line;
    isFenced = !isFenced;
    return isFenced ? '' : '<!-- end -->';
  });
}

export function parse(text) {
  const examples = [];
  const files = [];
  const protos = [];
  let section = '';
  let options = '';
  let block; // lines of the block that a comment announced
  let example;
  let blank = 0;
  indent(text).forEach((line, i) => {
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

export function writeFiles(dir, files) {
  const started = new Set();
  for (const { name, lines } of files) {
    fs.writeFileSync(path.join(dir, name), `${started.has(name) ? '\n' : ''}${lines.join('\n')}\n`, { flag: started.has(name) ? 'a' : 'w' });
    started.add(name);
  }
}

function isLine(want, line) {
  const pattern = want.split('…').map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join('.*');
  return new RegExp(`^${pattern}$`, 's').test(line);
}

export function isOutput(want, lines) {
  if (want.length === 0) return lines.length === 0;
  if (want[0] !== '…') return lines.length > 0 && isLine(want[0], lines[0]) && isOutput(want.slice(1), lines.slice(1));
  return lines.some((_, i) => isOutput(want.slice(1), lines.slice(i))) || isOutput(want.slice(1), []);
}

// What a shell prints, on both of its outputs, in the order of printing, as lines.
export function shell(command, cwd, env) {
  return new Promise((resolve, reject) => {
    const child = spawn('bash', ['-c', `exec 2>&1\n${command}`], { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'inherit'], timeout: COMMAND_MS });
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (part) => { text += part; });
    child.on('error', reject);
    child.on('close', () => resolve(linesOf(text)));
  });
}

function linesOf(text) {
  const lines = text.replaceAll('\r', '').split('\n');
  while (lines.at(-1) === '') lines.pop();
  return lines;
}

// Curl as the pages show it: silent, but for errors.
export function writeCurlrc(dir) {
  fs.writeFileSync(path.join(dir, '.curlrc'), 'silent\nshow-error\nmax-time = 10\n');
}

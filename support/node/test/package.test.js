// The package as npm makes it: what is in it, that it works on its own, and that its types hold.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const library = fileURLToPath(new URL('..', import.meta.url));
const npm = spawnSync('npm', ['--version']).status === 0;

function run(file, args, options) {
  const { status, stdout, stderr } = spawnSync(file, args, { encoding: 'utf8', ...options });
  assert.equal(status, 0, `${file} ${args.join(' ')}: ${stdout}${stderr}`);
  return stdout;
}

describe('package', () => {
  it('has what it needs and no more, and works unpacked', { skip: !npm && 'no npm' }, () => {
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'headgate-node-'));
    try { // a copy: packing puts files beside the sources, which other tests would see
      const copy = path.join(dir, 'support/node');
      fs.cpSync(library, copy, { recursive: true, filter: (file) => path.basename(file) !== 'node_modules' });
      fs.mkdirSync(path.join(dir, 'proto'));
      fs.symlinkSync(path.join(library, '../../proto/idl'), path.join(dir, 'proto/idl'));
      const [{ filename, files }] = JSON.parse(run('npm', ['pack', '--json', '--silent'], { cwd: copy }));
      const names = files.map((file) => file.path);
      for (const name of ['package.json', 'README.md', 'index.d.ts', 'src/index.js', 'proto/cloudstate/crdt.proto',
        'proto/cloudstate/value_entity.proto', 'proto/google/api/http.proto', 'proto/google/rpc/status.proto']) {
        assert.ok(names.includes(name), `${name} is missing`);
      }
      const ours = /^(package\.json|README\.md|index\.d\.ts|src\/[\w/]+\.js|proto\/(cloudstate|google)\/[\w/]+\.proto)$/;
      assert.deepEqual(names.filter((name) => !ours.test(name)), []);
      assert.ok(!fs.existsSync(path.join(copy, 'proto')), 'the copied files are removed again');

      run('tar', ['-xzf', filename], { cwd: copy });
      const user = path.join(dir, 'user');
      fs.mkdirSync(path.join(user, 'node_modules'), { recursive: true });
      fs.renameSync(path.join(copy, 'package'), path.join(user, 'node_modules/headgate'));
      fs.symlinkSync(path.join(library, 'node_modules'), path.join(user, 'node_modules/headgate/node_modules'));
      fs.copyFileSync(path.join(library, 'test/model.proto'), path.join(user, 'model.proto'));
      fs.writeFileSync(path.join(user, 'main.mjs'), `
        import { Action, Headgate } from 'headgate';
        const server = new Headgate().addEntity(new Action('model.proto', 'headgate.test.Steps'));
        console.log(await server.start({ port: 0 }) > 0);
        await server.shutdown();
      `);
      assert.equal(run(process.execPath, ['main.mjs'], { cwd: user }), 'true\n');
    } finally {
      fs.rmSync(dir, { recursive: true, force: true });
    }
  });

  const tsc = path.join(library, 'node_modules/typescript/bin/tsc');
  it('has types that hold', { skip: !fs.existsSync(tsc) && 'no typescript' }, () => {
    run(process.execPath, [tsc, '--noEmit', '-p', path.join(library, 'test/types')]);
  });
});

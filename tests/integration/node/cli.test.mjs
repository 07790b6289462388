// The commands that only look at files: what they print, and the exit code a script goes by.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, describe, it } from 'node:test';
import { World, builddir, fs, path, waitFor } from './harness.mjs';

const cart = path.join(builddir, 'samples/shopping-cart/gen/shopping-cart.desc');
const Cart = 'com.example.shoppingcart.ShoppingCart';

function headgate(args, { input = '', env = {} } = {}) {
  return new Promise((resolve) => {
    const child = execFile(path.join(builddir, 'headgate'), args, { maxBuffer: 64 << 20, env: { ...process.env, ...env } },
      (error, stdout, stderr) => resolve({ code: error ? error.code : 0, stdout, stderr }));
    child.stdin.on('error', () => {}); // a command that does not read it
    child.stdin.end(input);
  });
}

describe('headgate check', () => {
  const world = new World();
  const file = (name, text) => {
    const where = path.join(world.dir, name);
    fs.writeFileSync(where, text);
    return where;
  };
  after(() => world.end());

  const check = (...args) => headgate(['check', '--descriptor-set', cart, ...args]);

  it('prints the routes of the set and is content', async () => {
    const { code, stdout, stderr } = await check();
    assert.equal(code, 0);
    assert.equal(stderr, '');
    assert.match(stdout, /^GET +\/carts\/\{user_id\}\/items -> com\.example\.shoppingcart\.ShoppingCart\.GetCart response_body:items$/m);
    assert.match(stdout, /^POST +\/com\.example\.shoppingcart\.ShoppingCart\/AddItem -> .*AddItem \(generated\)$/m);
    assert.match(stdout, /^7 routes, 0 errors, 0 warnings, 0 overlaps$/m);
  });

  it('reads the set from standard input', async () => {
    const { code, stdout } = await headgate(['check', '--descriptor-set=-'], { input: fs.readFileSync(cart) });
    assert.equal(code, 0);
    assert.match(stdout, /^7 routes/m);
  });

  it('lets a rule file replace the annotations', async () => {
    const rules = file('rules.yaml', `http:\n  rules:\n  - selector: ${Cart}.GetCart\n    get: /v2/{user_id}\n`);
    const { code, stdout } = await check('--rules', rules, '--json');
    assert.equal(code, 0);
    const page = JSON.parse(stdout);
    assert.deepEqual(page.routes.filter((route) => route.rpc === `${Cart}.GetCart`), [
      { method: 'GET', template: '/v2/{user_id}', rpc: `${Cart}.GetCart`, body: null, response_body: null, generated: false, file: `${rules}:3` },
      { method: 'POST', template: `/${Cart}/GetCart`, rpc: `${Cart}.GetCart`, body: '*', response_body: null, generated: true, file: 'shoppingcart.proto' },
    ]);
  });

  it('takes the rule file of a configuration that holds nothing but http', async () => {
    const rules = file('own.yaml', `http:\n  rules:\n  - selector: ${Cart}.GetCart\n    get: /v3/{user_id}\n`);
    const config = file('headgate.yaml', `http:\n  rules_file: ${rules}\n`);
    const { code, stdout } = await check('--config', config);
    assert.equal(code, 0);
    assert.match(stdout, /^GET +\/v3\/\{user_id\} -> /m);
  });

  it('takes an empty configuration for all defaults, but not empty rules', async () => {
    const config = file('empty.yaml', '');
    assert.equal((await check('--config', config)).code, 0);
    const { code, stderr } = await check('--config', config, '--rules', file('empty-rules.yaml', ''));
    assert.equal(code, 1);
    assert.match(stderr, /empty-rules\.yaml:1: the file is empty/);
  });

  it('takes nothing from the environment', async () => {
    const { code } = await headgate(['check', '--descriptor-set', cart], { env: { PORT: 'nonsense', HEADGATE_CONFIG: '/nowhere' } });
    assert.equal(code, 0);
  });

  // What must be refused: exit code 1 and a line that names file, method and template.
  const refused = [
    ['an unknown field', `get: /x/{nope}`, /nope.*\(GET '\/x\/\{nope\}', method .*GetCart in .*rules\.yaml:3\)/],
    ['a bad template', `get: x/{user_id}`, /must start with a slash.*'x\/\{user_id\}'.*GetCart in .*rules\.yaml:3/],
    ['a route that is there', `post: /cart/{a}/items/add`, /Unknown field name \[a\].*rules\.yaml:3/],
    ['the same route twice', `post: /cart/{user_id}/items/add`, /GetCart in .*rules\.yaml:3\) is the same route as .*AddItem in shoppingcart\.proto\)/],
    ['an unknown body', `get: /x\n    body: nope`, /Body configured to \[nope\].*'\/x'.*rules\.yaml:3/],
  ];
  for (const [name, rule, text] of refused) {
    it(`refuses ${name}`, async () => {
      const rules = file('rules.yaml', `http:\n  rules:\n  - selector: ${Cart}.GetCart\n    ${rule}\n`);
      const { code, stdout } = await check('--rules', rules);
      assert.equal(code, 1, stdout);
      assert.match(stdout, /^error: /m);
      assert.match(stdout, text);
      assert.match(stdout, /^0 routes, 1 errors/m);
    });
  }

  it('refuses an unknown selector and names the line', async () => {
    const rules = file('rules.yaml', `http:\n  rules:\n  - selector: ${Cart}.GetCrat\n    get: /x\n`);
    const { code, stdout } = await check('--rules', rules, '--json');
    assert.equal(code, 1);
    assert.deepEqual(JSON.parse(stdout).issues, [
      { kind: 'error', text: `${rules}:3: HTTP API Config: the selector [${Cart}.GetCrat] names no method` }]);
  });

  it('refuses a malformed rule file and a malformed set', async () => {
    let answer = await check('--rules', file('rules.yaml', 'http:\n  rules:\n  - selektor: x\n'));
    assert.equal(answer.code, 1);
    assert.match(answer.stderr, /rules\.yaml:3: selektor: unknown key/);
    answer = await headgate(['check', '--descriptor-set', file('bad.desc', 'nonsense')]);
    assert.equal(answer.code, 1);
    assert.match(answer.stderr, /bad\.desc/);
  });

  it('lets warnings and overlaps pass', async () => {
    const rules = file('rules.yaml', `http:\n  rules:\n  - selector: ${Cart}.GetCart\n    get: /{user_id=**}\n    body: '*'\n`
      + `  - selector: ${Cart}.RemoveItem\n    get: /x/{user_id}\n`);
    const { code, stdout } = await check('--rules', rules);
    assert.equal(code, 0, stdout);
    assert.match(stdout, /^warning: GET '\/\{user_id=\*\*\}' \(.*GetCart in .*rules\.yaml:3\): a body is configured/m);
    assert.match(stdout, /^warning: .* is not asked for '\/ready'/m);
    assert.match(stdout, /^overlap: GET '\/x\/\{user_id\}' .* wins over GET '\/\{user_id=\*\*\}'/m);
  });

  it('tells wrong usage by exit code 2', async () => {
    for (const args of [['check'], ['check', '--nonsense'], ['check', '--descriptor-set'], ['check', '--json=1'],
      ['check', '--descriptor-set', '/nowhere/x'], ['check', '--descriptor-set', cart, '--rules', '/nowhere/y'],
      ['check', '--descriptor-set', cart, '--config', '/nowhere/z'], ['nonsense']]) {
      const { code, stderr } = await headgate(args);
      assert.equal(code, 2, args.join(' '));
      assert.match(stderr, /^headgate: /);
    }
    const { code } = await check('--config', file('wrong.yaml', 'http:\n  max_body_sise: 1\n'));
    assert.equal(code, 2);
  });

  it('explains itself', async () => {
    const { code, stdout } = await headgate(['check', '--help']);
    assert.equal(code, 0);
    assert.match(stdout, /^usage: headgate check /);
  });
});

describe('http.rules_file', () => {
  const world = new World();
  after(() => world.end());
  const start = async (name, text, ready) => {
    const rules = path.join(world.dir, name);
    fs.writeFileSync(rules, text);
    const cart_ = await world.cart();
    return world.gateway({ functionPort: cart_.port, ready, env: { HEADGATE_HTTP_RULES_FILE: rules, JOURNAL_URL: `embedded:${world.dir}/${name}.d` } });
  };

  it('gives the gateway its routes', async () => {
    const gateway = await start('good.yaml', `http:\n  rules:\n  - selector: ${Cart}.GetCart\n    get: /v2/{user_id}\n`, true);
    const answer = await fetch(`${gateway.url}/v2/x`);
    assert.equal(answer.status, 200);
    assert.deepEqual(await answer.json(), { items: [] });
    assert.equal((await fetch(`${gateway.url}/carts/x`)).status, 404);
    assert.equal((await fetch(`${gateway.url}/cart/x/items/1/remove`, { method: 'POST' })).status, 500); // nothing to remove
  });

  it('keeps the gateway from being ready when it is wrong', async () => {
    const gateway = await start('wrong.yaml', `http:\n  rules:\n  - selector: ${Cart}.Nope\n    get: /x\n`, false);
    const text = await waitFor('the reason', async () => {
      const answer = await (await fetch(`${gateway.admin}/ready`)).text();
      return answer.includes('names no method') ? answer : false;
    });
    assert.match(text, /wrong\.yaml:3/);
  });

  it('keeps the gateway from starting when it is malformed', async () => {
    const rules = path.join(world.dir, 'malformed.yaml');
    fs.writeFileSync(rules, 'http: [\n');
    const program = world.start(path.join(builddir, 'headgate'), [], {
      PORT: '0', ADMIN_PORT: '0', JOURNAL_URL: `embedded:${world.dir}/malformed.d`, HEADGATE_HTTP_RULES_FILE: rules });
    const { code } = await program.exited;
    assert.equal(code, 1);
    assert.match(program.lines.join('\n'), /http\.rules_file: .*malformed\.yaml:2: not YAML/);
  });
});

// The compatibility kit by hand: ./dev tck. See docs/tck.md.
import { parseArgs } from 'node:util';
import { Parties, languages } from './lib/parties.mjs';
import { runCheck, suites } from './lib/run.mjs';

const DEFAULT_PORT = 8090; // where a proxy that runs already looks for the function

const USAGE = `usage: ./dev tck [OPTION]...

  --proxy HOST:PORT      the proxy to check; its USER_FUNCTION_PORT must be the port below
  --function HOST:PORT   the function to check; otherwise the model services of this tree
  --language C|Node      only this one of them (with --proxy: one, by default Node)
  --port N               where the proxy finds the function (${DEFAULT_PORT}; free if no proxy is given)
  --only TEXT            only checks whose suite and name contain TEXT
  --verbose              failures with what the programs wrote
`;

function parse() {
  const options = Object.fromEntries(['proxy', 'function', 'language', 'port', 'only'].map((name) => [name, { type: 'string' }]));
  const { values } = parseArgs({ options: { ...options, verbose: { type: 'boolean' }, help: { type: 'boolean' } } });
  for (const name of ['proxy', 'function']) {
    if (values[name] && !/^[^:]+:\d+$/.test(values[name])) throw new Error(`--${name} takes HOST:PORT`);
  }
  if (values.language && !languages.includes(values.language)) throw new Error(`--language takes ${languages.join(' or ')}`);
  return values;
}

const counted = () => ({ passed: 0, failed: 0, pending: 0, ms: 0 });
const summary = ({ passed, failed, pending, ms }) => `${passed} passed, ${failed} failed, ${pending} pending in ${(ms / 1000).toFixed(1)} s`;

function print(check, { result, ms, text }, isVerbose) {
  console.log(`  ${result.padEnd(7)} ${ms.toFixed(0).padStart(5)} ms  ${check.kind}  ${check.name}`);
  if (result === 'failed') console.log(text.split('\n').slice(0, isVerbose ? undefined : 12).map((line) => `      ${line}`).join('\n'));
}

// One proxy with one function: all suites, each with its table.
async function runAll(title, options, parties) {
  console.log(`\n${title}`);
  const kit = await parties.meet(options);
  const total = counted();
  for (const suite of suites) {
    const checks = suite.checks.filter(({ name }) => `${suite.name} ${name}`.includes(options.only ?? ''));
    if (checks.length === 0) continue;
    console.log(`\n${suite.name}`);
    const count = counted();
    const reasons = new Set();
    for (const check of checks) {
      const outcome = await runCheck(kit, check);
      count[outcome.result] += 1;
      count.ms += outcome.ms;
      if (outcome.result === 'pending') reasons.add(outcome.text);
      print(check, outcome, options.verbose);
    }
    for (const reason of reasons) console.log(`  pending: ${reason}`);
    console.log(`  ${summary(count)}`);
    for (const [key, value] of Object.entries(count)) total[key] += value;
  }
  console.log(`\n${title}: ${summary(total)}`);
  if (options.verbose && total.failed > 0) console.log(parties.output.join('\n'));
  return { title, ...total };
}

async function main() {
  const { proxy: proxyAddress, function: functionAddress, language, port, ...rest } = parse();
  if (rest.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const wanted = functionAddress ? [undefined] : [language ?? (proxyAddress ? 'Node' : languages)].flat();
  const results = [];
  for (const each of wanted) {
    const parties = new Parties();
    const title = `${proxyAddress ?? 'Headgate'} with ${functionAddress ?? `the function in ${each}`}`;
    try {
      results.push(await runAll(title, {
        ...rest, proxyAddress, functionAddress, language: each,
        port: Number(port ?? (proxyAddress ? DEFAULT_PORT : 0)),
      }, parties));
    } catch (error) {
      console.log([error.message, ...parties.output].join('\n'));
      results.push({ title, ...counted(), failed: 1 });
    } finally {
      await parties.end();
    }
  }
  console.log(`\n${results.map((one) => `${one.title}: ${summary(one)}`).join('\n')}`);
  return results.some(({ failed }) => failed > 0) ? 1 : 0;
}

main().then((code) => process.exit(code), (error) => {
  process.stderr.write(`tck: ${error.message}\n${USAGE}`);
  process.exit(2);
});

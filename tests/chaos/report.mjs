// What a run found, for people, as JSON, and as a page of docs/reliability.
import fs from 'node:fs';
import path from 'node:path';

const seconds = (us) => (us / 1e6).toFixed(2);
const thousands = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, ',');

export function percentile(sorted, share) {
  return sorted.length ? sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] : 0;
}

// Per kind of fault: how often, the longest, and the longest time in which somebody waited for an entity in vain
// while no other fault was about.
export function byKind(faults, gaps) {
  const kinds = {};
  for (const { kind, from, to } of faults) {
    const at = kinds[kind] ??= { count: 0, longestUs: 0, gapUs: 0 };
    at.count += 1;
    at.longestUs = Math.max(at.longestUs, to - from);
  }
  for (const gap of gaps) {
    const about = faults.filter(({ from, to }) => from < gap.to && to > gap.from - 5e5);
    const names = new Set(about.map(({ kind }) => kind));
    if (names.size !== 1) continue;
    const [name] = names;
    kinds[name].gapUs = Math.max(kinds[name].gapUs, gap.to - gap.from);
  }
  return kinds;
}

export function print(summary, say) {
  for (const { rule, text, checked, breaches, examples } of summary.rules) {
    say(`${breaches ? 'BREACH' : 'ok'} ${rule} ${text}: ${thousands(checked)} checked, ${breaches} breaches`);
    for (const example of examples) say(`    ${example}`);
  }
  say(`${thousands(summary.acknowledged)} commands acknowledged (${thousands(summary.appends)} appends, ${thousands(summary.reads)} reads), `
    + `${summary.unknown} unknown; ${thousands(summary.retries)} tried again, ${summary.replayed} replies replayed, ${summary.abandoned} not waited for`);
  say(`${summary.perSecond} commands/s over ${summary.seconds} s; p50 ${summary.p50Ms} ms, p99 ${summary.p99Ms} ms; longest time without progress of any entity ${seconds(summary.longestGapUs)} s`);
  say(`${summary.faults} faults:`);
  for (const [kind, { count, longestUs, gapUs }] of Object.entries(summary.kinds)) {
    say(`  ${String(count).padStart(4)} ${kind.padEnd(30)} longest ${seconds(longestUs)} s, without progress alone ${seconds(gapUs)} s`);
  }
  for (const [name, value] of Object.entries(summary.counters)) say(`  ${String(value).padStart(8)} ${name}`);
  for (const line of summary.odd) say(`  odd: ${line}`);
  for (const line of summary.errors) say(`  error: ${line}`);
}

export const tableHead = '| Run | Topology | Seed | Seconds | Acknowledged | Faults | Lost, doubled | Unknown | Other breaches | Longest without progress | Replayed |\n|---|---|---|---|---|---|---|---|---|---|---|';

export function tableLine(name, summary) {
  const [first, second, ...others] = summary.rules.map(({ breaches }) => breaches);
  return `| ${name} | ${summary.topology}${summary.isolated ? '' : ', loopback'} | ${summary.seed} | ${summary.seconds} | ${thousands(summary.acknowledged)} | ${summary.faults} | ${first} | ${summary.unknown} (${second}) | ${others.reduce((a, b) => a + b, 0)} | ${seconds(summary.longestGapUs)} s | ${summary.replayed} |`;
}

// docs/reliability/NAME.json, and a line of its table.
export function record(srcdir, name, summary) {
  const dir = path.join(srcdir, 'docs/reliability');
  const page = path.join(dir, 'runs.md');
  fs.mkdirSync(dir, { recursive: true });
  fs.writeFileSync(path.join(dir, `${name}.json`), `${JSON.stringify(summary, null, 1)}\n`);
  const text = fs.existsSync(page) ? fs.readFileSync(page, 'utf8') : `# Runs of \`./dev chaos\`\n\n`
    + 'Written by `--record NAME`; what each found in full stands in `NAME.json`. In brackets: unknown appends that are there more than once or in part.\n\n'
    + `${tableHead}\n`;
  const kept = text.split('\n').filter((line) => !line.startsWith(`| ${name} |`)).join('\n').trimEnd();
  fs.writeFileSync(page, `${kept}\n${tableLine(name, summary)}\n`);
}

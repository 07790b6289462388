// ./dev chaos: three gateways, their functions, Redis and clients, all real; faults by a seed; and in the end what
// the clients were told against what the journal has. Exit code 0: nothing was broken.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import readline from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { RULES, check, gaps, parse } from './check.mjs';
import { random, wreak } from './faults.mjs';
import { readJournal } from './journal.mjs';
import { Namespaces } from './net.mjs';
import { byKind, percentile, print, record } from './report.mjs';
import { World, nowUs, pause, waitFor } from './world.mjs';

const srcdir = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const builddir = process.env.HEADGATE_BUILDDIR ?? path.join(srcdir, 'build');
const ENTITIES = 40;
const LEAST_GAP_US = 50000;
// A key is asked for again within 20 s (load.c); a ledger gets fewer events than this in that time.
const SETTINGS = { HEADGATE_ENTITY_DEDUPE_WINDOW: '4000' };

export const USAGE = `usage: ./dev chaos [--minutes N | --seconds N] [--topology standalone|sentinel|cluster] [--seed S]
                   [--rate N] [--clients N] [--only KIND] [--rolling] [--record NAME] [--loopback] [--keep]`;

export const defaults = { seconds: 60, topology: 'standalone', rate: 2000, clients: 48 };

class Load {
  constructor(world, { seed, rate, clients, isRetrying }) {
    this.file = path.join(world.dir, 'history');
    this.figures = { acknowledged: 0 };
    this.odd = [];
    this.statuses = {};
    this.program = world.program('load', 'c', [path.join(builddir, 'tests/chaos/load'), this.file, 'o', String(seed), String(rate),
      String(clients), String(ENTITIES), isRetrying ? 'retry' : 'once', ...world.gateways.map(({ address }) => address)]);
    this.program.onLine = (line) => {
      const [word, ...rest] = line.split(' ');
      if (word === 'figures') {
        const [acknowledged, unknown, retries, replayed, abandoned, failed] = rest.map(Number);
        this.figures = { acknowledged, unknown, retries, replayed, abandoned, failed };
      } else if (word === 'avoided') this.avoided = Number(rest[0]);
      else if (word === 'status') this.statuses[rest[0]] = Number(rest[1]);
      else if (word === 'odd' && this.odd.length < 20) this.odd.push(rest.join(' '));
    };
    this.program.start();
  }

  more(count) {
    const aim = this.figures.acknowledged + count;
    return waitFor(`${count} more commands`, () => this.figures.acknowledged >= aim, 60000);
  }

  async stop() {
    const { exited } = this.program;
    this.program.order('stop');
    const { code } = await exited;
    if (code !== 0) throw new Error(`the clients ended with ${code}`);
  }

  async operations() {
    const found = [];
    for await (const line of readline.createInterface({ input: fs.createReadStream(this.file) })) found.push(parse(line));
    return found;
  }
}

// One gateway after the other gets no new requests, and is asked to end at once, whatever it has in progress.
async function roll(world, load, say) {
  for (const [i, gateway] of world.gateways.entries()) {
    await load.more(300);
    const { exited } = gateway;
    load.program.order(`avoid ${i}`);
    await waitFor('the order to be followed', () => load.avoided === i);
    gateway.signal('SIGTERM');
    const { code } = await exited;
    say(`${gateway.name} ended with ${code}`);
    world.startGateway(gateway);
    await waitFor(`${gateway.name} to be ready`, () => world.isReady(gateway));
    load.program.order(`use ${i}`);
  }
  await load.more(300);
}

function summarise({ world, options, operations, load, faults, verdict, errors, seconds }) {
  const told = operations.filter(({ outcome }) => outcome === 'k');
  const latencies = told.map(({ start, end }) => end - start).sort((a, b) => a - b);
  const found = gaps(operations, LEAST_GAP_US);
  const appends = told.filter(({ kind }) => kind === 'a').length;
  return {
    topology: world.topology, isolated: world.isIsolated, seed: options.seed, rolling: Boolean(options.rolling), seconds,
    acknowledged: told.length, appends, reads: told.length - appends,
    unknown: operations.filter(({ kind, outcome }) => kind === 'a' && outcome === 'u').length,
    ...Object.fromEntries(['retries', 'replayed', 'abandoned', 'failed'].map((name) => [name, load.figures[name]])),
    statuses: load.statuses,
    perSecond: Math.round(told.length / seconds),
    p50Ms: percentile(latencies, 0.5) / 1000, p99Ms: percentile(latencies, 0.99) / 1000,
    longestGapUs: Math.max(0, ...found.map(({ from, to }) => to - from)),
    faults: faults.length, kinds: byKind(faults, found), rules: verdict.rules, counters: world.totals, odd: load.odd, errors,
  };
}

// Runs, and gives { summary, isGood }. options: those of the command line.
export async function chaos(options, say) {
  const refusal = options.loopback ? 'asked for' : Namespaces.refusal();
  if (refusal) say(`no network namespaces (${refusal}): on loopback, partitions by relays`);
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'headgate-chaos-'));
  const world = new World({ dir, builddir, topology: options.topology, namespaces: !refusal });
  const errors = [];
  const interrupted = new Promise((resolve, reject) => {
    for (const name of ['SIGINT', 'SIGTERM']) process.once(name, () => reject(new Error(`interrupted by ${name}`)));
  });
  interrupted.catch(() => {});
  let counting;
  try {
    const body = async () => {
      await world.start(SETTINGS);
      say(`seed ${options.seed}, ${options.topology}${refusal ? ' on loopback' : ' in namespaces'}, ${options.rate} commands/s wanted of ${options.clients} clients; ${dir}`);
      const load = new Load(world, { ...options, isRetrying: !options.rolling });
      const faults = [];
      counting = setInterval(() => { world.count(); }, 1000);
      const from = nowUs();
      await load.more(1);
      if (options.rolling) await roll(world, load, say);
      else {
        await wreak(world, {
          rng: random(options.seed), until: from + options.seconds * 1e6, now: nowUs, only: options.only,
          record: (kind, start, end) => {
            faults.push({ kind, from: start, to: end });
            if (options.verbose) say(`${((start - from) / 1e6).toFixed(2)} ${kind} for ${((end - start) / 1e6).toFixed(2)} s`);
          },
          onError: (error) => errors.push(`${((nowUs() - from) / 1e6).toFixed(2)} s: ${error.message}`),
        });
      }
      await world.settleRedis().catch((error) => errors.push(error.message));
      await world.settle().catch((error) => errors.push(error.message));
      await load.more(1).catch((error) => errors.push(error.message));
      await load.stop();
      const seconds = Math.round((nowUs() - from) / 1e6);
      await world.count();
      const operations = await load.operations();
      const journal = await readJournal((await world.primaries()).map(({ socket }) => socket));
      const verdict = check({ operations, ...journal });
      return summarise({ world, options, operations, load, faults, verdict, errors, seconds });
    };
    const summary = await Promise.race([body(), interrupted]);
    const isGood = summary.rules.every(({ breaches }) => breaches === 0) && errors.length === 0 && summary.odd.length === 0
      && (!options.rolling || summary.failed === 0);
    if (!isGood || options.keep) {
      fs.writeFileSync(path.join(dir, 'summary.json'), JSON.stringify(summary, null, 1));
      options.keep = true;
    }
    return { summary, isGood };
  } catch (error) {
    options.keep = true;
    throw error;
  } finally {
    clearInterval(counting);
    await world.end();
    if (options.keep) say(`logs and history are kept in ${dir}`);
    else fs.rmSync(dir, { recursive: true, force: true });
  }
}

function readOptions() {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string' }, seconds: { type: 'string' }, topology: { type: 'string' }, seed: { type: 'string' }, rate: { type: 'string' },
      clients: { type: 'string' }, only: { type: 'string' }, record: { type: 'string' },
      rolling: { type: 'boolean' }, loopback: { type: 'boolean' }, keep: { type: 'boolean' }, verbose: { type: 'boolean' },
    },
  });
  const options = { ...defaults, seed: String(Math.floor(Math.random() * 1e9)), ...values };
  for (const name of ['seconds', 'seed', 'rate', 'clients']) options[name] = Number(options[name]);
  if (values.minutes) options.seconds = Number(values.minutes) * 60;
  if (!['standalone', 'sentinel', 'cluster'].includes(options.topology)) throw new Error(`no topology ${options.topology}`);
  return options;
}

async function main() {
  let options;
  try {
    options = readOptions();
  } catch (error) {
    console.error(`${error.message}\n${USAGE}`);
    process.exit(2);
  }
  const { summary, isGood } = await chaos(options, console.log);
  print(summary, console.log);
  if (options.rolling) console.log(`${summary.failed} commands failed without being tried again`);
  if (options.record) record(srcdir, options.record, summary);
  console.log(isGood ? `nothing broken in ${RULES.length} rules` : `broken; again with --seed ${options.seed}`);
  process.exit(isGood ? 0 : 1);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  main().catch((error) => {
    console.error(`chaos: ${error.message}`);
    process.exit(1);
  });
}

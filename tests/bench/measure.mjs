// What the sections of bench.mjs have in common.
import fs from 'node:fs';

export const SECONDS = Number(process.env.BENCH_SECONDS ?? 1);
export const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 4);
export const CLIENTS = Number(process.env.BENCH_CLIENTS ?? 64);

// What a process and all its threads spent. The kernel counts it in nanoseconds.
export const cpuSeconds = (pid) =>
  fs.readdirSync(`/proc/${pid}/task`).reduce((sum, thread) =>
    sum + Number(fs.readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]), 0) / 1e9;

export const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

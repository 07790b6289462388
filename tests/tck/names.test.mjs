// The kit has all checks of the original, under their names.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';
import { suites } from './lib/run.mjs';

test('every check of names.txt is there, and no other', () => {
  const names = fs.readFileSync(new URL('names.txt', import.meta.url), 'utf8').trimEnd().split('\n');
  const checks = suites.flatMap((suite) => suite.checks.map(({ kind, name }) => `${suite.name} ${kind} ${name}`));
  assert.equal(names.length, 186);
  assert.deepEqual(checks, names);
});

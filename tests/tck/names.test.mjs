// The kit has all checks of the original, under their names; docs/compatibility.md names tests that are there.
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

test('every test that docs/compatibility.md names is there', () => {
  const text = fs.readFileSync(new URL('../../docs/compatibility.md', import.meta.url), 'utf8');
  const rows = text.split('\n').filter((line) => /^\| \d+ /.test(line));
  assert.equal(rows.length, 52);
  const named = rows.flatMap((row) => [...row.split('|').at(-2).matchAll(/`([^`]+)`/g)].map(([, name]) => name));
  assert.ok(named.length > 50);
  const missing = named.filter((name) => !fs.existsSync(new URL(`../${name.replace(/^node\//, 'integration/node/')}`, import.meta.url)));
  assert.deepEqual(missing, []);
});

// Every rule of the transcoding as a row: the sentence, a request, and what must become of it. The rows
// stand in spec/*.mjs, by paragraph; each group has its own HTTP rules and is judged by one run of
// `headgate check --requests`, so that thousands of rows cost nothing.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { World, builddir, fs, path, srcdir } from './harness.mjs';
import routes from './spec/routes.mjs';
import values from './spec/values.mjs';
import sources from './spec/sources.mjs';
import bodies from './spec/bodies.mjs';
import json from './spec/json.mjs';
import startup from './spec/startup.mjs';

const headgate = path.join(builddir, 'headgate');
const protos = path.join(srcdir, 'tests/integration/node/spec');

function protoc(world, file, dir = protos) {
  const out = path.join(world.dir, `${path.basename(file)}.desc`);
  execFileSync('protoc', ['-I', dir, '-I', protos, '-I', path.join(srcdir, 'proto/idl'), '--include_imports', `--descriptor_set_out=${out}`, file], { stdio: ['ignore', 'ignore', 'pipe'] });
  return out;
}

// 'PUT /a/{str} inner str' is method, template, body and response_body; '-' is none.
function ruleOf(text) {
  const [method, template, body = '-', response = '-'] = text.split(' ');
  const known = ['GET', 'PUT', 'POST', 'DELETE', 'PATCH'].includes(method);
  return {
    ...(known ? { [method.toLowerCase()]: template } : { custom: { kind: method, path: template } }),
    ...(body === '-' ? {} : { body }),
    ...(response === '-' ? {} : { response_body: response }),
  };
}

function writeRules(world, rules) {
  const file = path.join(world.dir, 'rules.yaml');
  const list = Object.entries(rules).map(([rpc, [first, ...more]]) => ({ selector: `spec.Spec.${rpc}`, ...ruleOf(first), ...(more.length ? { additional_bindings: more.map(ruleOf) } : {}) }));
  fs.writeFileSync(file, JSON.stringify({ http: { rules: list } }));
  return file;
}

function judge(world, set, group) {
  const requests = path.join(world.dir, 'requests.jsonl');
  const config = path.join(world.dir, 'config.yaml');
  fs.writeFileSync(config, group.config ?? 'http: {json: {always_print_primitive_fields: false}}\n');
  fs.writeFileSync(requests, group.rows.map(([, request, , body, headers = {}], id) => {
    const [method, where] = request.split(' ');
    const raw = Buffer.isBuffer(body) ? { body_base64: body.toString('base64') } : { body };
    return JSON.stringify({ id, method, path: where, headers: typeof headers === 'string' ? { 'content-type': headers } : headers, ...raw });
  }).join('\n'));
  const args = ['check', '--descriptor-set', set, '--requests', requests, '--config', config];
  if (group.rules) args.push('--rules', writeRules(world, group.rules));
  const { stdout, stderr, status } = spawnSync(headgate, args, { maxBuffer: 64 << 20, encoding: 'utf8' });
  assert.equal(status, 0, stdout.slice(0, 2000) + stderr);
  return stdout.trim().split('\n').map((line) => JSON.parse(line));
}

function violations(result) {
  return (result.error?.details ?? []).flatMap((detail) => detail.fieldViolations ?? []);
}

// A number is the HTTP status; an object says more: message or messages (and then all of it), field or
// fields of the violations, text of the error, mask of the message, rpc, template, bindings, allow, builtin.
function compare(want, result) {
  const told = JSON.stringify(result);
  if (typeof want === 'number') {
    assert.equal(result.http_status, want, told);
    return;
  }
  assert.equal(result.http_status, want.status ?? 200, told);
  if (want.message) assert.deepStrictEqual(result.message, want.message, told);
  if (want.messages) assert.deepStrictEqual(result.messages, want.messages, told);
  if (want.mask !== undefined) assert.equal(result.message.mask, want.mask, told);
  if (want.rpc) assert.equal(result.route.rpc, `spec.Spec.${want.rpc}`, told);
  if (want.template) assert.equal(`${result.route.method} ${result.route.template}`, want.template, told);
  if (want.bindings) assert.deepStrictEqual(result.path_bindings, want.bindings, told);
  if (want.allow) assert.deepStrictEqual(result.allow, want.allow, told);
  if (want.fields) assert.deepStrictEqual(violations(result).map((it) => it.field), want.fields, told);
  if (want.text) assert.match(result.error.message, want.text, told);
  if (want.code) assert.equal(result.error.code, want.code, told);
}

describe('the transcoding keeps every rule of its specification', () => {
  const world = new World();
  let set;

  before(() => { set = protoc(world, 'spec.proto'); });
  after(() => world.end());

  for (const group of [...routes, ...values, ...sources, ...bodies, ...json]) {
    describe(group.title, () => {
      let results;

      before(() => { results = judge(world, set, group); });
      group.rows.forEach(([sentence, request, want, body], i) => {
        const shown = `${request.slice(0, 70)} ${typeof body === 'string' ? body.slice(0, 60) : ''}`;
        it(`${sentence}: ${shown}`, () => compare(want, results[i]));
      });
    });
  }

  for (const group of startup.files) {
    describe(group.title, () => {
      for (const [sentence, rules, want] of group.rows) {
        it(sentence, () => {
          const file = path.join(world.dir, 'startup.yaml');
          fs.writeFileSync(file, JSON.stringify({ http: { rules } }));
          const { stdout, status } = spawnSync(headgate, ['check', '--descriptor-set', set, '--rules', file], { encoding: 'utf8' });
          assert.equal(status, want.status ?? 1, stdout);
          for (const part of want.says ?? []) assert.ok(stdout.includes(part), `${part} in ${stdout}`);
          if (want.text) assert.match(stdout, want.text);
          // What is wrong is told with file, method and template.
          if (want.status === undefined) for (const part of [file, rules[0].selector, want.template ?? '']) assert.ok(stdout.includes(part), `${part} in ${stdout}`);
        });
      }
    });
  }

  describe('rules in .proto files', () => {
    startup.protos.forEach(([sentence, rpcs, want], i) => {
      it(sentence, () => {
        const name = `start${i}.proto`;
        fs.writeFileSync(path.join(world.dir, name), `syntax = "proto3"; package p${i}; import "google/api/annotations.proto"; import "spec.proto";\nservice S {\n${rpcs}\n}\n`);
        const { stdout, status } = spawnSync(headgate, ['check', '--descriptor-set', protoc(world, name, world.dir)], { encoding: 'utf8' });
        assert.equal(status, want.status ?? 1, stdout);
        for (const part of want.says) assert.ok(stdout.includes(part.replace('FILE', name).replace('PKG', `p${i}`)), `${part} in ${stdout}`);
      });
    });
  });
});

// The OpenAPI document: right in form by an independent validator, and true: its examples are sent to
// the gateway, and what comes back is held against its schemas.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { Validator } from '@seriousme/openapi-schema-validator';
import Ajv from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { World, builddir, curl, fs, path } from './harness.mjs';

async function mustBeOpenApi(document) {
  const validator = new Validator();
  const { valid, errors } = await validator.validate(structuredClone(document));
  assert.ok(valid, JSON.stringify(errors, null, 1));
  assert.equal(validator.version, '3.1');
}

// A function that checks values against schemas of the document; references work as they stand in it.
function checker(document) {
  const ajv = new Ajv({ strict: false, allErrors: true });
  addFormats(ajv);
  for (const [format, least, most] of [['int64', -(2n ** 63n), 2n ** 63n - 1n], ['uint64', 0n, 2n ** 64n - 1n]]) {
    ajv.addFormat(format, { type: 'string', validate: (text) => /^-?\d+$/.test(text) && BigInt(text) >= least && BigInt(text) <= most });
  }
  ajv.addFormat('uint32', { type: 'number', validate: (number) => Number.isInteger(number) && number >= 0 && number < 2 ** 32 });
  ajv.addFormat('binary', true);
  ajv.addSchema({ $id: 'doc', components: document.components });
  return (schema, value, what) => {
    const text = JSON.stringify(schema).replaceAll('"#/', '"doc#/');
    const validate = ajv.compile(JSON.parse(text));
    assert.ok(validate(value), `${what}: ${JSON.stringify(validate.errors)} for ${JSON.stringify(value)}`);
  };
}

// Calls visit(schema, where) for everything that has examples, anywhere.
function eachExample(node, visit, where = '#') {
  if (node === null || typeof node !== 'object') return;
  if (Array.isArray(node.examples) && !Array.isArray(node)) for (const value of node.examples) visit(node, value, where);
  if (node.schema && 'example' in node) visit(node.schema, node.example, where);
  for (const [key, value] of Object.entries(node)) if (key !== 'examples' && key !== 'example') eachExample(value, visit, `${where}/${key}`);
}

// Property names of a value that its schema does not have: schemas let strangers pass, examples must not.
function strangers(document, schema, value) {
  while (schema?.$ref) schema = schema.$ref.slice(2).split('/').reduce((at, key) => at[key], document);
  if (Array.isArray(value)) return value.flatMap((item) => strangers(document, schema?.items, item));
  if (value === null || typeof value !== 'object' || schema?.additionalProperties !== undefined || !schema?.properties) return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    (key in schema.properties ? strangers(document, schema.properties[key], inner) : [key]));
}

function bodySchema(document, operation) {
  return operation.requestBody?.content['application/json']?.schema;
}

function exampleOf(document, schema) {
  while (schema?.$ref) schema = schema.$ref.slice(2).split('/').reduce((at, key) => at[key], document);
  if (schema.examples) return schema.examples[0];
  if (schema.type === 'array') return [exampleOf(document, schema.items)];
  if (schema.type === 'object') return schema.additionalProperties ? { key: exampleOf(document, schema.additionalProperties) } : {};
  return { string: 'text', integer: 1, number: 1.5, boolean: true }[schema.type];
}

const methods = ['get', 'put', 'post', 'delete', 'patch', 'head', 'options', 'trace'];

function operations(document) {
  return Object.entries(document.paths).flatMap(([where, item]) => [
    ...methods.filter((method) => item[method]).map((method) => ({ where, method: method.toUpperCase(), operation: item[method] })),
    ...Object.entries(item['x-headgate-operations'] ?? {}).map(([method, operation]) => ({ where, method, operation })),
  ]);
}

describe('openapi.json of the shopping cart', () => {
  const world = new World();
  let gateway;
  let document;

  before(async () => {
    const cart = await world.cart();
    gateway = await world.gateway({ functionPort: cart.port });
    document = await (await fetch(`${gateway.url}/openapi.json`)).json();
  });
  after(() => world.end());

  it('is valid OpenAPI 3.1', () => mustBeOpenApi(document));

  it('has the bindings of the rules', () => {
    assert.deepEqual(operations(document).map(({ where, method, operation }) => [method, where, operation.operationId]), [
      ['POST', '/cart/{user_id}/items/add', 'ShoppingCart_AddItem'],
      ['POST', '/cart/{user_id}/items/{product_id}/remove', 'ShoppingCart_RemoveItem'],
      ['GET', '/carts/{user_id}', 'ShoppingCart_GetCart'],
      ['GET', '/carts/{user_id}/items', 'ShoppingCart_GetCart_2'],
    ]);
  });

  it('leaves out of the body what the path has', () => {
    const { schema } = document.paths['/cart/{user_id}/items/add'].post.requestBody.content['application/json'];
    assert.deepEqual(Object.keys(schema.properties), ['productId', 'name', 'quantity']);
    assert.deepEqual(schema.properties.quantity.format, 'int32');
  });

  it('shows the response_body', () => {
    const { schema } = document.paths['/carts/{user_id}/items'].get.responses[200].content['application/json'];
    assert.deepEqual(schema, { type: 'array', items: { $ref: '#/components/schemas/com.example.shoppingcart.LineItem' } });
  });

  it('has the comments of the .proto file', () => {
    assert.match(document.tags[0].description, /\w/);
    assert.match(document.paths['/cart/{user_id}/items/add'].post.summary, / /);
    assert.match(document.components.schemas['com.example.shoppingcart.LineItem'].properties.quantity.description, /\w/);
  });

  it('describes errors that really come', async () => {
    const check = checker(document);
    const schema = { $ref: '#/components/schemas/google.rpc.Status' };
    assert.deepEqual(document.components.responses.Error.content['application/json'].schema, schema);
    const answer = await fetch(`${gateway.url}/cart/nobody/items/A1/remove`, { method: 'POST' });
    assert.equal(answer.status, 500);
    check(schema, await answer.json(), 'error');
    check(schema, await (await fetch(`${gateway.url}/carts/x?nope=1`)).json(), 'error with details');
  });

  it('names the function and its version', async () => {
    const status = await (await fetch(`${gateway.admin}/status`)).json();
    assert.equal(document.info.title, status.function.name);
    assert.equal(document.info.version, status.function.version || '0');
  });

  for (const version of ['--http1.1', '--http2-prior-knowledge']) {
    it(`is not sent again to who has it, ${version}`, async () => {
      const url = `${gateway.url}/openapi.json`;
      const first = await curl(version, url);
      assert.equal(first.status, 200);
      assert.equal(first.headers['content-type'], 'application/json');
      assert.match(first.headers.etag, /^"[0-9a-f]{16}"$/);
      for (const tags of [first.headers.etag, `W/${first.headers.etag}`, `"other", ${first.headers.etag}`, '*']) {
        const again = await curl(version, '-H', `If-None-Match: ${tags}`, url);
        assert.equal(again.status, 304, tags);
        assert.equal(again.headers.etag, first.headers.etag);
        assert.equal(again.body, '');
      }
      assert.equal((await curl(version, '-H', 'If-None-Match: "other"', url)).status, 200);
      const head = await curl(version, '--head', url);
      assert.equal(head.status, 200);
      assert.equal(head.headers['content-length'], String(Buffer.byteLength(first.body)));
      assert.equal((await curl(version, '-X', 'POST', url)).status, 405);
    });
  }

  it('is what `headgate openapi` prints', () => {
    const printed = JSON.parse(execFileSync(path.join(builddir, 'headgate'), ['openapi', '--descriptor-set',
      path.join(builddir, 'samples/shopping-cart/gen/shopping-cart.desc'), '--title', document.info.title, '--api-version', document.info.version]));
    assert.deepEqual(printed, document);
  });
});

describe('openapi.json of rules of every kind', () => {
  const world = new World();
  let gateway;
  let document;
  let check;

  before(async () => {
    const fn = await world.testFunction();
    gateway = await world.gateway({ functionPort: fn.port });
    document = await (await fetch(`${gateway.url}/openapi.json`)).json();
    check = checker(document);
  });
  after(() => world.end());

  it('is valid OpenAPI 3.1', () => mustBeOpenApi(document));

  it('has examples that its schemas accept', () => {
    let count = 0;
    eachExample(document, (schema, value, where) => {
      check(schema, value, where);
      assert.deepEqual(strangers(document, schema, value), [], where);
      count += 1;
    });
    assert.ok(count > 50, `${count} examples`);
  });

  it('tells every operation apart', () => {
    const ids = operations(document).map(({ operation }) => operation.operationId);
    assert.equal(new Set(ids).size, ids.length);
    assert.ok(ids.length >= 35);
  });

  it('takes what its examples say and answers as it says', async () => {
    let count = 0;
    for (const { where, method, operation } of operations(document)) {
      if (!operation['x-headgate-rpc'].startsWith('headgate.test.Transcoding.')) continue;
      const url = where.replace(/\{([^}]+)\}/g, (_, name) =>
        encodeURIComponent(operation.parameters.find((parameter) => parameter.in === 'path' && parameter.name === name).example));
      const schema = bodySchema(document, operation);
      const flags = ['-X', method];
      if (schema) flags.push('-H', 'Content-Type: application/json', '-d', JSON.stringify(exampleOf(document, schema)));
      const answer = await curl(...flags, `${gateway.url}${url}`);
      assert.equal(answer.status, 200, `${method} ${url}: ${answer.body}`);
      const reply = operation.responses[200].content;
      if (reply['application/json']) check(reply['application/json'].schema, JSON.parse(answer.body), `reply of ${method} ${where}`);
      count += 1;
    }
    assert.ok(count >= 30, `${count} operations`);
  });

  it('lists query parameters that the gateway takes', async () => {
    const { parameters } = document.paths['/shapes/{id}'].get;
    const values = { string: 'x', integer: '1', number: '1.5', boolean: 'true' };
    const valueOf = (parameter) => {
      if (parameter.content) return JSON.stringify(exampleOf(document, parameter.content['application/json'].schema) ?? 'x');
      let { schema } = parameter;
      if (schema.type === 'array') schema = schema.items;
      if (schema.additionalProperties) schema = schema.additionalProperties;
      if (schema.$ref) schema = document.components.schemas[schema.$ref.split('/').pop()];
      if (schema.enum) return schema.enum[0];
      if (schema.format === 'date-time') return '2026-01-01T00:00:00Z';
      if (schema.pattern?.includes('s$')) return '1s';
      if (schema.format === 'byte') return 'AQID';
      return /int64/.test(schema.format) ? '1' : values[[schema.type].flat()[0]];
    };
    let count = 0;
    for (const parameter of parameters.filter((one) => one.in === 'query')) {
      const name = parameter.style === 'deepObject' ? `${parameter.name}[1]` : parameter.name;
      const answer = await fetch(`${gateway.url}/shapes/a?${encodeURIComponent(name)}=${encodeURIComponent(valueOf(parameter))}`);
      assert.equal(answer.status, 200, `${name}: ${await answer.clone().text()}`);
      count += 1;
    }
    assert.ok(count > 40, `${count} parameters`);
  });

  it('says what OpenAPI has no words for', () => {
    assert.match(document.paths['/shapes/{id}/files/{name}'].get.parameters[1].description, /slashes/);
    assert.match(document.paths['/shapes/{id}/shelves/{name_1}/books/{name_2}'].get.parameters[2].description, /`shelves\/\*\/books\/\*`/);
    assert.equal(document.paths['/shapes/{id}/files/{name}'].get['x-headgate-template'], '/shapes/{id}/files/{name=**}');
    assert.ok(document.paths['/shapes/{id}']['x-headgate-operations'].PURGE);
    assert.ok(document.paths['/shapes/{id}/anything'].patch);
    assert.ok(document.paths['/headgate.test.Transcoding/NoRule'].post);
    assert.equal(document.paths['/headgate.test.Transcoding/Get'], undefined);
    assert.deepEqual(Object.keys(document.paths['/shapes/{id}/download'].get.responses[200].content), ['*/*']);
  });
});

describe('streams in the document', () => {
  it('come and go as arrays, lines and events', () => {
    const text = execFileSync(path.join(builddir, 'headgate'), ['openapi', '--descriptor-set', path.join(builddir, 'tests/fakes/gen/test.desc'),
      '--service', 'headgate.test.Streaming'], { encoding: 'utf8' });
    const { paths, components } = JSON.parse(text);
    const item = { $ref: '#/components/schemas/headgate.test.Item' };
    assert.deepEqual(paths['/items/{name}'].get.responses[200].content, {
      'application/json': { schema: { type: 'array', items: item } },
      'application/x-ndjson': { schema: item },
      'text/event-stream': { schema: item },
    });
    const sent = paths['/collected/{name}'].post.requestBody.content;
    assert.deepEqual(Object.keys(sent), ['application/json', 'application/x-ndjson']);
    assert.equal(sent['application/json'].schema.type, 'array');
    assert.deepEqual(Object.keys(paths['/downloads/{name}'].get.responses[200].content), ['*/*']);
    assert.deepEqual(Object.keys(components.schemas), ['headgate.test.Item', 'google.protobuf.Any', 'google.rpc.Status']);
    return mustBeOpenApi(JSON.parse(text));
  });
});

describe('built-in pages', () => {
  const world = new World();
  after(() => world.end());

  it('go away by option', async () => {
    const cart = await world.cart();
    for (const [env, paths] of [
      [{ HEADGATE_HTTP_OPENAPI: 'false' }, ['/openapi.json', '/docs', '/docs/explorer.js']],
      [{ HEADGATE_HTTP_DOCS: 'false' }, ['/docs', '/docs/explorer.js']],
    ]) {
      const gateway = await world.gateway({ functionPort: cart.port, env });
      for (const where of paths) assert.equal((await fetch(gateway.url + where)).status, 404, where);
      await gateway.kill('SIGTERM');
    }
  });

  it('win over rules, with a warning', async () => {
    const cart = await world.cart();
    const rules = path.join(world.dir, 'rules.yaml');
    fs.writeFileSync(rules, `http:\n  rules:\n  - selector: com.example.shoppingcart.ShoppingCart.GetCart\n    get: /{user_id}\n`);
    const gateway = await world.gateway({ functionPort: cart.port, env: { HEADGATE_HTTP_RULES_FILE: rules } });
    assert.equal((await (await fetch(`${gateway.url}/openapi.json`)).json()).openapi, '3.1.0');
    assert.deepEqual(await (await fetch(`${gateway.url}/other`)).json(), { items: [] });
    for (const where of ['/openapi.json', '/docs']) {
      assert.ok(gateway.event('config_warning', (entry) => entry.rule.includes(`is not asked for '${where}'`)), where);
    }
    await gateway.kill('SIGTERM');
  });

  it('say how to get the explorer when it is not there', async () => {
    const cart = await world.cart();
    const gateway = await world.gateway({ functionPort: cart.port, env: { HEADGATE_HTTP_DOCS_DIR: world.dir } });
    const answer = await fetch(`${gateway.url}/docs`);
    assert.equal(answer.status, 404);
    assert.match(answer.headers.get('content-type'), /^text\/plain/);
    const text = await answer.text();
    assert.match(text, /\.\/dev build/);
    assert.equal(text.trim().split('\n').length, 1);
  });
});

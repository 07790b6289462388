// The API explorer in a real browser: the page loads from this gateway alone, and a call made from it
// changes the cart.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { World, curl, fs, path, waitFor } from './harness.mjs';

const chromium = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((file) => fs.existsSync(file));
const skip = chromium ? false : 'no Chromium here; ./dev test installs it';

describe('the API explorer', () => {
  const world = new World();
  let gateway;

  before(async () => {
    const cart = await world.cart();
    gateway = await world.gateway({ functionPort: cart.port });
  });
  after(() => world.end());

  const files = [
    ['/docs', /^text\/html; charset=utf-8$/, /docs\/explorer\.js/],
    ['/docs/explorer.js', /^text\/javascript/, /SwaggerUIBundle\(/],
    ['/docs/swagger-ui.css', /^text\/css/, /\.swagger-ui/],
    ['/docs/swagger-ui-bundle.js', /^text\/javascript/, /SwaggerUIBundle/],
  ];
  for (const [where, type, content] of files) {
    it(`${where} comes with type, policy and ETag, packed and not`, async () => {
      for (const version of ['--http1.1', '--http2-prior-knowledge']) {
        const plain = await curl(version, gateway.url + where);
        assert.equal(plain.status, 200, plain.body);
        assert.match(plain.headers['content-type'], type);
        assert.match(plain.headers['content-security-policy'], /default-src 'none'; script-src 'self'/);
        assert.equal(plain.headers['x-content-type-options'], 'nosniff');
        assert.equal(plain.headers['content-encoding'], undefined);
        assert.match(plain.body, content);
        const packed = await curl(version, '--compressed', gateway.url + where);
        assert.equal(packed.body, plain.body);
        assert.equal(packed.headers['content-encoding'], /swagger-ui/.test(where) ? 'gzip' : undefined);
        assert.equal(packed.headers.etag === plain.headers.etag, !/swagger-ui/.test(where));
        const again = await curl(version, '-H', `If-None-Match: ${plain.headers.etag}`, gateway.url + where);
        assert.equal(again.status, 304);
        assert.equal(again.body, '');
      }
    });
  }

  it('leaves other paths below /docs to the function', async () => {
    const answer = await fetch(`${gateway.url}/docs/other`);
    assert.equal(answer.status, 404);
    assert.equal((await answer.json()).message, 'nothing is served at this path');
  });

  it('executes a call from the page', { skip }, async () => {
    const { chromium: launcher } = await import('playwright-core');
    const profile = path.join(world.dir, 'profile');
    const browser = await launcher.launchPersistentContext(profile, {
      executablePath: chromium,
      headless: true,
      args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
        '--disable-component-update', '--disable-sync'],
    });
    try {
      const page = await browser.newPage();
      const complaints = [];
      const foreign = [];
      page.on('console', (message) => { if (message.type() === 'error') complaints.push(message.text()); });
      page.on('pageerror', (error) => complaints.push(String(error)));
      page.on('request', (request) => { if (!request.url().startsWith(gateway.url) && !request.url().startsWith('data:')) foreign.push(request.url()); });
      await page.goto(`${gateway.url}/docs`);
      await page.locator('#operations-ShoppingCart-ShoppingCart_AddItem .opblock-summary-control').click();
      const operation = page.locator('#operations-ShoppingCart-ShoppingCart_AddItem');
      assert.match(await page.title(), /shopping/i);
      await operation.locator('tr[data-param-name="user_id"] input').fill('browser');
      await operation.locator('textarea.body-param__text').fill('{"productId":"C3","name":"From the page","quantity":4}');
      await operation.locator('button.execute').click();
      await operation.locator('.live-responses-table tbody .response-col_status').first().waitFor();
      assert.match(await operation.locator('.live-responses-table tbody .response-col_status').first().innerText(), /^200/);
      assert.deepEqual(complaints, []);
      assert.deepEqual(foreign, []);
    } finally {
      await browser.close();
    }
    const cart = await (await fetch(`${gateway.url}/carts/browser`)).json();
    assert.deepEqual(cart, { items: [{ productId: 'C3', name: 'From the page', quantity: 4 }] });
  });
});

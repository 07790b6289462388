// The journal over TLS: a real redis-server with certificates of a CA that the test makes.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { World, call, freePort, redisCommand, waitFor } from './harness.mjs';

function makeCa(dir, name) {
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', `/CN=${name}`,
    '-keyout', path.join(dir, `${name}.key`), '-out', path.join(dir, `${name}.pem`)], { stdio: 'ignore' });
}

// A certificate for 127.0.0.1 in server.pem and server.key, replacing what is there.
function makeCertificate(dir, ca) {
  const at = (name) => path.join(dir, name);
  fs.writeFileSync(at('san'), 'subjectAltName=IP:127.0.0.1\n');
  execFileSync('openssl', ['req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=redis',
    '-keyout', at('new.key'), '-out', at('new.csr')], { stdio: 'ignore' });
  execFileSync('openssl', ['x509', '-req', '-in', at('new.csr'), '-CA', at(`${ca}.pem`), '-CAkey', at(`${ca}.key`), '-CAcreateserial', '-days', '2',
    '-extfile', at('san'), '-out', at('new.pem')], { stdio: 'ignore' });
  fs.renameSync(at('new.pem'), at('server.pem'));
  fs.renameSync(at('new.key'), at('server.key'));
}

const reason = async (gateway) => (await fetch(`${gateway.admin}/ready`)).text();

describe('a journal over TLS', () => {
  const world = new World();
  let port;
  let redis;
  let cart;

  const start = (env, ready = true) => world.gateway({
    functionPort: cart.port, ready, env: { JOURNAL_URL: `rediss://127.0.0.1:${port}`, HEADGATE_JOURNAL_NAMESPACE: 'tls', ...env },
  });
  const ca = (name) => ({ HEADGATE_JOURNAL_TLS_CA_FILE: path.join(world.dir, `${name}.pem`) });
  const add = (gateway, id) => call(world.cartClient(gateway), 'AddItem', { user_id: id, product_id: 'p', name: 'n', quantity: 1 });
  const quantity = async (gateway, id) => (await call(world.cartClient(gateway), 'GetCart', { user_id: id })).items[0]?.quantity;

  before(async () => {
    for (const name of ['ca', 'next', 'other']) makeCa(world.dir, name);
    makeCertificate(world.dir, 'ca');
    fs.copyFileSync(path.join(world.dir, 'ca.pem'), path.join(world.dir, 'trusted.pem'));
    port = await freePort();
    redis = await world.redis(['--tls-port', String(port), '--tls-auth-clients', 'no', '--tls-cert-file', path.join(world.dir, 'server.pem'),
      '--tls-key-file', path.join(world.dir, 'server.key'), '--tls-ca-cert-file', path.join(world.dir, 'ca.pem')]);
    cart = await world.cart();
  });
  after(() => world.end());

  it('serves carts', async () => {
    const gateway = await start(ca('ca'));
    await add(gateway, 'ann');
    assert.equal(await quantity(gateway, 'ann'), 1);
    await gateway.kill('SIGTERM');
  });

  it('a certificate of another CA is refused by name, and with journal.tls_insecure taken with a warning', async () => {
    const refused = await start(ca('other'), false);
    await waitFor('the reason', async () => /certificate/.test(await reason(refused)));
    await refused.kill('SIGTERM');
    const gateway = await start({ HEADGATE_JOURNAL_TLS_INSECURE: 'true' });
    assert.equal(gateway.event('journal_insecure').severity, 'WARNING');
    await add(gateway, 'bob');
    await gateway.kill('SIGTERM');
  });

  it('a certificate and its CA are replaced in place: the next connection has them', async () => {
    const gateway = await start(ca('trusted'));
    await add(gateway, 'cid');
    makeCertificate(world.dir, 'next');
    for (const [key, file] of [['tls-cert-file', 'server.pem'], ['tls-key-file', 'server.key']]) {
      // each reads both files again
      await redisCommand(redis.socket, 'CONFIG', 'SET', key, path.join(world.dir, file)).catch(() => {});
    }
    await redisCommand(redis.socket, 'CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    await waitFor('the reason', async () => /certificate/.test(await reason(gateway)));
    fs.copyFileSync(path.join(world.dir, 'next.pem'), path.join(world.dir, 'trusted.new'));
    fs.renameSync(path.join(world.dir, 'trusted.new'), path.join(world.dir, 'trusted.pem'));
    await waitFor('readiness', async () => (await fetch(`${gateway.admin}/ready`)).ok);
    await add(gateway, 'cid');
    assert.equal(await quantity(gateway, 'cid'), 2);
  });
});

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { TestAuthority } from '../../../lab/certificates.ts';
import { HttpNode, serverAddress } from '../../../lab/http-node.ts';
import { route, service } from './objects.ts';

const authority = new TestAuthority('eror authority');

describe('Legal but odd Routes in the compiled agent', () => {
  let node: HttpNode;

  beforeEach(async function () {
    this.timeout(30_000);
    node = new HttpNode('eror', {
      RELOAD_INTERVAL: '1s',
      ROUTER_GRACEFUL_SHUTDOWN_DELAY: '1ms',
      ROUTER_MAX_SHUTDOWN_TIMEOUT: '1s',
    });
    await node.up();
    await node.serve({ name: 's8001', port: 8001 });
    node.write('services', ...service('web', [8001]));
    node.write('web', route('web', 'web.test'));
    await node.start('--cleanup-on-exit');
  });
  afterEach(async () => {
    await node.end('SIGTERM');
    node.down();
  });

  async function expectStatusOf(scheme: 'http' | 'https', host: string, path: string, status: number): Promise<void> {
    let last = 0;
    for (const deadline = Date.now() + 6000; Date.now() < deadline; ) {
      last = (await node.ask(scheme, host, path)).status;
      if (last === status) return;
    }
    assert.equal(last, status, node.log.slice(-3000));
  }

  it('with keys that the agent or HAProxy cannot read are rejected individually without a reload', async () => {
    const openssl = (command: string, input = '') =>
      execFileSync('/usr/bin/openssl', command.split(' '), { input, stdio: ['pipe', 'pipe', 'ignore'] }).toString();
    const [root, leaf] = [join(node.folder, 'root.pem'), join(node.folder, 'leaf.pem')];
    const self = (words: string) => openssl(`req -x509 -newkey ${words} -nodes -keyout - -subj /CN=odd.test -days 2`);
    const odd = self('ec -pkeyopt ec_paramgen_curve:brainpoolP256r1');
    const short = self('rsa:1024');
    writeFileSync(root, odd);
    const rsa = 'req -newkey rsa:2048 -nodes -subj /CN=leaf.test -keyout';
    const request = openssl(`${rsa} ${leaf}`);
    const certificate = openssl(`x509 -req -CA ${root} -CAkey ${root} -days 2`, request);
    const key = readFileSync(leaf, 'utf8');
    const caCertificate = odd.replace(/[\s\S]*(?=-----BEGIN CERT)/, '');
    const edge = { termination: 'edge' };
    node.write(
      'odd',
      route('signed', 'signed.test', { spec: { tls: { ...edge, certificate, key, caCertificate } } }),
      route('chained', 'chained.test', { spec: { tls: { ...edge, certificate: certificate + caCertificate, key } } }),
      route('odd', 'odd.test', { spec: { tls: { ...edge, certificate: odd } } }),
      route('crossed', 'crossed.test', { spec: { tls: { ...edge, certificate: caCertificate, key } } }),
      route('short', 'short.test', { spec: { tls: { ...edge, certificate: short } } }),
      route('good', 'good.test'),
    );
    await expectStatusOf('http', 'good.test', '/', 200);
    for (const name of ['signed', 'chained', 'odd', 'crossed', 'short']) {
      await node.expectStatus(name, 'False ExtendedValidationFailed');
      assert.match(node.status(name)?.message ?? '', /^spec\.tls\./);
    }
    const { body } = await node.ask('http', 'localhost', '/metrics', { address: '127.0.0.1', port: 1936 });
    assert.match(body, /^egress_router_ingress_haproxy_reloads\{cause="refused"\} 0$/m);
  }).timeout(30_000);

  it('without an answer get a page for people, and hosts that are addresses and keys without certificate are served', async () => {
    const { key } = authority.issue({ name: 'alone', hosts: ['key.test'] });
    node.write(
      'answers',
      route('empty', 'empty.test', { service: 'none' }),
      { apiVersion: 'v1', kind: 'Service', metadata: { namespace: 'shop', name: 'none' }, spec: { ports: [] } },
      route('address', '203.0.113.9', {
        spec: { tls: { termination: 'edge', insecureEdgeTerminationPolicy: 'Allow' } },
      }),
      route('key', 'key.test', { spec: { tls: { termination: 'edge', key } } }),
    );
    await expectStatusOf('https', 'key.test', '/', 200);
    await node.expectStatus('key', 'True');
    assert.match(
      node.status('key')?.message ?? '',
      /^spec\.tls\.key .*must come with spec\.tls\.certificate; it is ignored$/,
    );
    assert.equal((await node.ask('https', 'key.test', '/')).subject, 'ingress-agent default certificate');
    await expectStatusOf('http', '203.0.113.9', '/', 200);
    assert.equal((await node.ask('http', '203.0.113.9:80', '/')).status, 200);
    assert.equal((await node.ask('https', '203.0.113.9', '/', { sni: undefined } as object)).status, 200);
    for (const [scheme, host] of [
      ['http', 'empty.test'],
      ['http', 'nobody.test'],
      ['https', 'nobody.test'],
    ] as const) {
      const { status, headers, body } = await node.ask(scheme, host, '/');
      assert.equal(status, 503);
      assert.equal(headers['cache-control'], 'private, max-age=0, no-cache, no-store');
      assert.match(String(headers['content-type']), /^text\/html/);
      assert.match(body, /<h1>Application is not available<\/h1>/);
    }
  }).timeout(30_000);

  it('with names of the maximum length are served like others, and delay no reload', async () => {
    const namespace = 'n'.repeat(63);
    const name = 'r'.repeat(253);
    const { certificate, key } = authority.issue({ name: 'long', hosts: ['long.test'] });
    const tls = { termination: 'edge', certificate, key };
    const secure = { termination: 'reencrypt', certificate, key, destinationCACertificate: authority.certificate };
    node.write(
      'long',
      ...service('web', [8001], { namespace }),
      route(name, 'long.test', { namespace, spec: { tls } }),
      route(`${name.slice(1)}s`, 'secure.test', { namespace, spec: { tls: secure } }),
    );
    await expectStatusOf('https', 'long.test', '/', 200);
    assert.equal((await node.ask('https', 'long.test', '/')).subject, 'long');
    const set = { name: 'x-set', action: { type: 'Set', set: { value: 'yes' } } };
    node.write('reload', route('reload', 'reload.test', { spec: { httpHeaders: { actions: { request: [set] } } } }));
    await expectStatusOf('http', 'reload.test', '/', 200);
    assert.equal((await node.ask('https', 'long.test', '/')).subject, 'long');
    await node.ready();
  }).timeout(30_000);

  it('with paths of the maximum length are served; longer ones and changes of the hop header are rejected', async () => {
    const longest = `/${'p'.repeat(4090 - 'path.test'.length)}`;
    const hop = { name: 'egress-router-HOP', action: { type: 'Delete' } };
    node.write(
      'paths',
      route('longest', 'path.test', { spec: { path: longest } }),
      route('longer', 'path.test', { age: 1, spec: { path: `${longest}p` } }),
      route('hops', 'hops.test', { spec: { httpHeaders: { actions: { request: [hop] } } } }),
    );
    await expectStatusOf('http', 'path.test', longest, 200);
    await expectStatusOf('http', 'path.test', `${longest}p`, 503);
    for (const [name, message] of [
      ['longer', 'spec.path of 4083 characters: must be at most 4082 with host path.test'],
      ['hops', /^spec\.httpHeaders\.actions\.request\[0\]\.name .*must not be one of .*egress-router-hop/],
    ] as const) {
      await node.expectStatus(name, 'False ExtendedValidationFailed');
      const said = node.status(name)?.message ?? '';
      if (typeof message === 'string') assert.equal(said, message);
      else assert.match(said, message);
    }
  }).timeout(30_000);

  it('of an idled Service lead to its own address, where a request unidles it, and then to its pods', async () => {
    await node.serve({ name: 'proxy', port: 8080 });
    const idled = (since: string, clusterIP: string) => ({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { namespace: 'shop', name: 'sleepy', annotations: { 'idling.alpha.openshift.io/idled-at': since } },
      spec: { clusterIP, ports: [{ name: 'web', port: 8080, targetPort: 8001 }] },
    });
    const [, slice] = service('sleepy', [8001]);
    assert.ok(slice);
    const spec = { port: { targetPort: 8001 } };
    const expectServer = async (name: string): Promise<void> => {
      let last: string | undefined;
      for (const deadline = Date.now() + 6000; Date.now() < deadline && last !== name; )
        last = (await node.ask('http', 'sleepy.test', '/')).echo?.server;
      assert.equal(last, name, node.log.slice(-2000));
    };
    node.write('routes', route('sleepy', 'sleepy.test', { service: 'sleepy', spec }));
    const now = '2026-11-26T00:00:00Z';
    node.write('sleepy', idled(now, serverAddress));
    await expectStatusOf('http', 'sleepy.test', '/', 200);
    await expectServer('proxy');
    // It has pods again; the annotation goes later.
    node.write('sleepy', idled(now, serverAddress), slice);
    await expectServer('s8001');
    // Without the annotation, or with an address that no Service has, it is one without endpoints.
    for (const [since, clusterIP] of [
      ['', serverAddress],
      [now, '127.0.0.1'],
      [now, 'None'],
    ] as const) {
      node.write('sleepy', idled(since, clusterIP));
      await expectStatusOf('http', 'sleepy.test', '/', 503);
      node.write('sleepy', idled(now, serverAddress));
      await expectStatusOf('http', 'sleepy.test', '/', 200);
    }
  });
});

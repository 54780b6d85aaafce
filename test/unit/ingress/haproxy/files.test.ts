import { describe, it } from 'mocha';
import { allEntries } from '../../../../src/ingress/haproxy/entries.ts';
import { renderFiles } from '../../../../src/ingress/haproxy/files.ts';
import { freshLayout } from '../../../../src/ingress/haproxy/layout.ts';
import { mapNames } from '../../../../src/ingress/haproxy/maps.ts';
import type { HttpState } from '../../../../src/ingress/haproxy/model.ts';
import { assertGolden } from '../../../golden.ts';
import { makeBackend, makeServer, makeSettings, makeSite, makeState } from '../../../netns/ingress/haproxy/fixtures.ts';

/** What a person finds on a node, one file after the other; keys and certificates left out. */
function render(state: HttpState): string {
  const inForce = { state, layout: freshLayout(state) };
  const place = {
    folder: '/d/gen',
    adminSocket: '/run/h/admin.sock',
    jail: '/run/h/jail',
    user: 'haproxy',
    group: 'haproxy',
  };
  const loopback = {
    bind: (name: string) => `unix@/run/h/jail/${name}.sock user haproxy mode 600`,
    health: 'unix@/run/health.sock mode 600',
    connect: (name: string) => `unix@/${name}.sock`,
  };
  const files = renderFiles(inForce, allEntries(inForce), place, loopback, 'gen-1');
  return [...files]
    .map(([path, content]) => [path, typeof content === 'string' ? content : [...content()].join('')] as const)
    .filter(([path, content]) => !path.endsWith('.pem') && content !== '')
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([path, content]) => `=== ${path}\n${content}`)
    .join('\n');
}

const cart = makeBackend(
  'be_edge_http:shop:cart',
  [
    makeServer('pod:cart-1:cart:http:10.1.2.3:8080', '10.1.2.3', 8080, { checked: true }),
    makeServer('pod:cart-2:cart:http:10.1.2.4:8080', '10.1.2.4', 8080, { checked: true, weight: 2 }),
  ],
  { http: { cookie: { name: 'd41d8cd98f00b204e9800998ecf8427e', secure: true, sameSite: 'None' } } },
);

describe('Files of HAProxy', () => {
  it('for ordinary hosts', () => {
    assertGolden(
      'haproxy/ordinary.txt',
      render(
        makeState({
          settings: makeSettings({
            tls: { defaultCertificate: 'PEM', minVersion: 'TLSv1.2', strictSni: false },
            spareBackends: 1,
          }),
          backends: [
            cart,
            makeBackend('be_tcp:shop:db', [makeServer('pod:db', '2001:db8::1', 5432)], {
              mode: 'tcp',
              balance: 'source',
            }),
          ],
          sites: [
            makeSite('shop.example', { backend: cart.id, plain: 'redirect' }),
            makeSite('*.shop.example', { path: '/cart/', backend: cart.id }),
          ],
          passthrough: [{ host: 'db.example', backend: 'be_tcp:shop:db' }],
          certificates: [{ name: 'shop:cart', pem: 'PEM', hosts: ['shop.example'], http2: true }],
        }),
      ),
    );
  });

  it('for hosts with all settings', () => {
    const { backends, ...rest } = makeState({ backends: [cart] });
    const server = { ...makeServer('pod:a', '10.0.0.1', 443), verifyHost: 'all.shop.svc' };
    const everything = makeBackend('be_secure:shop:all', [server], {
      allowList: ['192.0.2.0/30', '2001:db8::/33'],
      limits: { concurrent: 10, connectionRate: 20, requestRate: 30 },
      timeoutServer: 1000,
      timeoutTunnel: 2000,
      serverMaxconn: 7,
      balance: 'leastconn',
      http: {
        forwarded: 'if-none',
        rewrite: { prefix: '/all', target: '/' },
        hsts: 'max-age=31536000;includeSubDomains',
        requestHeaders: [{ action: 'set', name: 'X-Quote', value: `it's "%[req.hdr(host),lower]"` }],
        responseHeaders: [{ action: 'delete', name: 'Server' }],
        adjustCase: true,
        tls: { authority: 'shop:all' },
      },
    });
    const h2c = makeBackend('be_http:shop:h2c', [makeServer('pod:b', '10.0.0.2', 80, { h2c: true })], { http: {} });
    const settings = makeSettings({
      listen: { family: 'v4v6', httpPort: 80, httpsPort: 443, proxyProtocol: true },
      process: { maxconn: 50_000, threads: 4, bufsize: 32_768, maxrewrite: 8192, hardStopAfter: 3_600_000 },
      tls: {
        defaultCertificate: 'PEM',
        minVersion: 'TLSv1.2',
        maxVersion: 'TLSv1.3',
        ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256',
        ciphersuites: 'TLS_AES_128_GCM_SHA256',
        curves: 'X25519:P-256',
        strictSni: true,
      },
      clientTls: { verify: 'optional', authorities: 'PEM', revocations: 'PEM', subjectFilter: '^/CN=alice$' },
      log: {
        target: { kind: 'syslog', address: '10.0.0.9:514' },
        facility: 'local1',
        level: 'info',
        maxLength: 1024,
        httpFormat: '%ci %r',
        captureRequestHeaders: [{ name: 'Host', length: 20 }],
        captureResponseHeaders: [{ name: 'Server', length: 10 }],
        captureCookie: { name: 'id', prefix: true, length: 8 },
      },
      stats: { listen: { kind: 'tcp', port: 1936 }, username: 'admin', password: 'a b' },
      forwarded: 'replace',
      uniqueId: { name: 'X-Id', format: '%{+X}o%ci:%cp' },
      headerCases: ['X-Forwarded-For'],
      requestHeaders: [{ action: 'set', name: 'X-In', value: 'in' }],
      responseHeaders: [{ action: 'delete', name: 'X-Out' }],
      compression: ['text/html', 'text/css'],
      errorPages: { 404: 'HTTP/1.0 404 Not Found\r\n\r\n', 503: 'HTTP/1.0 503 Service Unavailable\r\n\r\n' },
      healthUri: '/_health',
      ignoreProbes: true,
      ignoreEmptyInLog: true,
      idleCloseOnResponse: true,
      abortOnClose: true,
      continuousStats: true,

      spareBackends: 0,
    });
    const state = {
      ...rest,
      settings,
      authorities: new Map([['shop:all', 'PEM']]),
      backends: new Map([...backends, [everything.id, everything], [h2c.id, h2c]]),
      sites: new Map([['all.example', makeSite('all.example', { path: '/all', backend: everything.id })]]),
    };
    assertGolden('haproxy/everything.txt', render(state));
  });

  it('for listeners of Gateways', () => {
    const place = '8080@10.0.0.1';
    const key = `${place}|*.shop.example`;
    const target = { kind: 'backend', backend: 'be_http:shop:web' } as const;
    assertGolden(
      'haproxy/gateways.txt',
      render(
        makeState({
          settings: makeSettings({
            tls: { defaultCertificate: 'PEM', minVersion: 'TLSv1.2', strictSni: false },
            gateways: {
              ports: { http: { from: 61_000, to: 61_001 }, tls: { from: 61_002, to: 61_003 } },
              inner: 1,
              sites: 1,
            },
            log: {
              target: { kind: 'stdout' },
              facility: 'local1',
              level: 'info',
              maxLength: 1024,
              captureRequestHeaders: [],
              captureResponseHeaders: [],
            },
            spareBackends: 0,
          }),
          backends: [makeBackend(target.backend, [makeServer('pod:web', '10.1.2.3', 8080)], { http: {} })],
          gateways: {
            hosts: new Map([
              [
                key,
                {
                  key,
                  listener: 'uid/http',
                  rules: [
                    {
                      path: { type: 'prefix', value: '/cart' },
                      conditions: [{ on: 'header', name: 'X-Version', type: 'exact', value: 'a b' }],
                      target,
                    },
                    { path: { type: 'prefix', value: '/' }, conditions: [], target },
                  ],
                },
              ],
            ]),
            tlsNames: new Map([['8443@*|db.example', { key: '8443@*|db.example', to: 'reject' }]]),
            places: new Map([[place, place]]),
            ports: new Map([['61000', '8080']]),
            inner: new Map([['8443@*', 1]]),
          },
        }),
      ),
    );
  });

  it('include all maps, even empty ones', () => {
    const state = makeState();
    const maps = allEntries({ state, layout: freshLayout(state) });
    for (const name of mapNames) if (!maps.has(name)) throw new Error(name);
  });
});

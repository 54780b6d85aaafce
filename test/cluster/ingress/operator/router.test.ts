import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type RequestOptions, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { createCertificate } from '../../../../src/ingress/operator/certificates.ts';
import { places } from '../../../../src/ingress/operator/names.ts';
import { mountPaths } from '../../../../src/ingress/operator/variables/paths.ts';
import { TestAuthority } from '../../../lab/certificates.ts';
import { executable } from '../../../lab/executable.ts';
import { until } from '../../../until.ts';
import type { KubeObject } from '../../lab/api-server.ts';
import { writeKubeconfig } from '../../lab/kubeconfig.ts';
import { OperatorLab, operatorPaths as paths } from '../../lab/operator-lab.ts';
import { Program } from '../../lab/program.ts';
import { mountPod, noDelay } from '../../lab/router-pod.ts';
import { listPermissions, permissionOf } from '../../manifests/rbac.ts';
import { render } from '../../manifests/rendered.ts';

const token = 'router';
const routerPaths = { ...paths, slices: '/apis/discovery.k8s.io/v1/endpointslices' };

/** Everything that HAProxy might misread. */
const full = {
  endpointPublishingStrategy: {
    type: 'HostNetwork',
    hostNetwork: { httpPort: 8080, httpsPort: 8443, statsPort: 19_361 },
  },
  tlsSecurityProfile: {
    type: 'Custom',
    custom: {
      ciphers: ['TLS_AES_128_GCM_SHA256', 'ECDHE-ECDSA-AES128-GCM-SHA256'],
      groups: ['X25519MLKEM768', 'X25519', 'secp256r1', 'secp521r1'],
      minTLSVersion: 'VersionTLS12',
    },
  },
  clientTLS: {
    clientCertificatePolicy: 'Optional',
    clientCA: { name: 'clients' },
    allowedSubjectPatterns: ['^/CN=a', '(?i)ou=b'],
  },
  logging: {
    access: {
      destination: { type: 'Syslog', syslog: { address: '127.0.0.1', port: 10_514, facility: 'local2' } },
      httpLogFormat: '{"client":"%ci","path":"%[capture.req.uri]","id":"%ID"}',
      httpCaptureHeaders: { request: [{ name: 'Host', maxLength: 15 }] },
      httpCaptureCookies: [{ matchType: 'Prefix', namePrefix: 'sess', maxLength: 8 }],
      logEmptyRequests: 'Ignore',
    },
  },
  httpHeaders: {
    forwardedHeaderPolicy: 'IfNone',
    uniqueId: { name: 'X-Id' },
    headerNameCaseAdjustments: ['Host'],
    actions: {
      request: [{ name: 'X-A', action: { type: 'Set', set: { value: '%[req.hdr(host),lower] "b" c:d,e' } } }],
      response: [{ name: 'Server', action: { type: 'Delete' } }],
    },
  },
  httpCompression: { mimeTypes: ['text/html', 'text/css; charset="utf-8"'] },
  httpErrorCodePages: { name: 'pages' },
  idleConnectionTerminationPolicy: 'Deferred',
  closedClientConnectionPolicy: 'Abort',
  httpEmptyRequestsPolicy: 'Ignore',
  routeSelector: { matchExpressions: [{ key: 'type', operator: 'NotIn', values: ['b', 'a'] }] },
  namespaceSelector: { matchLabels: { team: 'a' } },
  unsupportedConfigOverrides: { loadBalancingAlgorithm: 'leastconn', contStats: 'true', dynamicConfigManager: 'true' },
  tuningOptions: {
    headerBufferBytes: 65_536,
    maxConnections: 2000,
    clientTimeout: '1m30s',
    tunnelTimeout: '90m',
    healthCheckInterval: '10s',
    reloadInterval: '1s',
  },
};

/** IngressControllers, and where their routers listen. */
const samples: readonly (readonly [name: string, spec: object, https: number, stats: number])[] = [
  ['full', full, 8443, 19_361],
  [
    'cloud',
    { endpointPublishingStrategy: { type: 'LoadBalancerService' }, tlsSecurityProfile: { type: 'Modern' } },
    443,
    1936,
  ],
];

describe('The router of an IngressController', function () {
  this.timeout(180_000);
  const lab = new OperatorLab(Object.values(routerPaths));
  const requests: string[] = [];
  let folder: string;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'router-'));
    await lab.up();
    lab.server.onRequest = (line, from) => {
      if (from === token) requests.push(line);
    };
    const put = (name: string, data: object) =>
      lab.server.put(paths.configMaps, { metadata: { namespace: places.configuration, name, uid: name }, data });
    put('clients', { 'ca-bundle.pem': new TestAuthority('clients').certificate });
    put('pages', { 'error-page-503.http': 'HTTP/1.0 503 Gone\r\nContent-Length: 0\r\n\r\n' });
    lab.server.put(paths.namespaces, { metadata: { name: 'shop', uid: 'shop', labels: { team: 'a' } } });
    lab.server.put(paths.routes, {
      metadata: {
        namespace: 'shop',
        name: 'web',
        uid: 'web',
        annotations: { 'haproxy.router.openshift.io/external-tcp-port': '80' },
      },
      spec: { host: 'web.test', to: { kind: 'Service', name: 'web' } },
    } as KubeObject);
    lab.start();
    for (const [name, spec] of samples) lab.put(name, spec);
    for (const [name] of samples) await lab.awaitCondition(name, 'ConfigurationApplied', 'True AsExpected');
  });

  after(async () => {
    await lab.down();
    rmSync(folder, { recursive: true });
  });

  /** Starts a router's containers with its arguments and variables, and checks what it serves. */
  async function serve(name: string, https: number, stats: number): Promise<void> {
    const { router, haproxy, environment, place } = mountPod(lab, name, folder);
    const kubeconfig = writeKubeconfig(mkdtempSync(join(folder, 'k-')), lab.url, { user: { token } });
    const variables = { ...environment, KUBECONFIG: kubeconfig };
    const start = ([program = '', ...words]: readonly string[], own: Readonly<Record<string, string>>) =>
      new Program(executable(program), words, own);
    const programs = [start(haproxy, noDelay), start(router, variables)];
    const output = () => programs.map((program) => program.output);
    try {
      const ask = async (path: string, headers: Readonly<Record<string, string>> = {}) => {
        try {
          return (await fetch(`http://127.0.0.1:${stats}${path}`, { headers })).status;
        } catch {
          return undefined;
        }
      };
      await until(async () => (await ask('/healthz/ready')) === 200, output, 60_000);
      const credentials = lab.router('secrets', `router-stats-${name}`)?.data as Record<string, string>;
      const [user, password] = ['statsUsername', 'statsPassword'].map((key) =>
        Buffer.from(credentials[key] ?? '', 'base64').toString(),
      );
      assert.equal(await ask('/metrics'), 401);
      const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
      assert.equal(await ask('/metrics', { authorization }), 200);
      const ca = lab.server.get(paths.configMaps, `${places.published}/default-ingress-cert`)?.data as {
        'ca-bundle.crt': string;
      };
      const host = `router-internal-${name}.${places.routers}.svc`;
      const scrape = (headers: Readonly<Record<string, string>>) =>
        askWithTls({ port: stats, ca: ca['ca-bundle.crt'], servername: host, path: '/metrics', headers });
      assert.deepEqual([(await scrape({})).status, (await scrape({ authorization })).status], [401, 200]);
      // A certificate that the kubelet replaces is used without a restart; one that is invalid is not.
      const [certificate, key] = [
        place(`${mountPaths.metricsCertificate}/tls.crt`),
        place(`${mountPaths.metricsCertificate}/tls.key`),
      ];
      const { serial } = await scrape({ authorization });
      const [oldCertificate, oldKey] = [readFileSync(certificate), readFileSync(key)];
      writeFileSync(key, 'none');
      assert.equal((await scrape({ authorization })).serial, serial);
      const issuer = lab.server.get(paths.secrets, `${places.objects}/router-ca`)?.data as Record<string, string>;
      const decode = (word: string) => Buffer.from(issuer[word] ?? '', 'base64').toString();
      const next = await createCertificate({ certificate: decode('tls.crt'), key: decode('tls.key') }, [host]);
      writeFileSync(key, next.key);
      writeFileSync(certificate, next.certificate);
      assert.notEqual((await scrape({ authorization })).serial, serial);
      writeFileSync(key, oldKey);
      writeFileSync(certificate, oldCertificate);
      assert.equal(await readNames(https), `DNS:*.${name}.example.com`);
      // The Route also asks for a port, which is not this router's business.
      await until(
        () => entryOf(name)?.conditions?.[0]?.status === 'True',
        () => [lab.server.all(paths.routes), output()],
        20_000,
      );
      assert.doesNotMatch(output().join(), /ignoring it|using the default/);
    } finally {
      // HAProxy's own process ends with the program that keeps it.
      await Promise.all(programs.map((program) => program.end('SIGINT')));
    }
  }

  it('starts with exactly its arguments and variables, and serves next to another one on the node', async () => {
    await Promise.all(samples.map(([name, , https, stats]) => serve(name, https, stats)));
  });

  function entryOf(routerName: string) {
    const status = lab.server.get(paths.routes, 'shop/web')?.status as
      | { ingress?: readonly { routerName: string; conditions?: readonly { status: string }[] }[] }
      | undefined;
    return status?.ingress?.find((one) => one.routerName === routerName);
  }

  it('needs exactly the rights of its manifest', () => {
    const allowed = listPermissions(render('ingress-controllers'), 'ingress-router');
    const used = new Set([
      ...requests.map(permissionOf),
      // After a conflict, and for endpoints with addresses of nodes.
      'get route.openshift.io/routes',
      'get core/pods',
      'create core/events',
    ]);
    assert.deepEqual([...used.difference(allowed)].sort(), [], 'is asked for and not allowed');
    assert.deepEqual([...allowed.difference(used)].sort(), [], 'is allowed and not asked for');
  });
});

/** Asks with TLS, and verifies the certificate. */
function askWithTls(
  options: RequestOptions,
): Promise<{ readonly status: number | undefined; readonly serial: string }> {
  return new Promise((resolve, reject) => {
    const sent = request({ ...options, host: '127.0.0.1', agent: false }, (response) => {
      const { serialNumber } = (response.socket as TLSSocket).getPeerCertificate();
      response.resume().once('end', () => resolve({ status: response.statusCode, serial: serialNumber }));
    });
    sent.once('error', reject).end();
  });
}

/** The names in the certificate of a listener. */
function readNames(port: number): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, servername: 'any.test' }, () => {
      resolve(socket.getPeerCertificate().subjectaltname);
      socket.end();
    });
    socket.once('error', reject);
  });
}

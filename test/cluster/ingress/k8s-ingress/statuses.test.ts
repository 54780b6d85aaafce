import assert from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import { TestAuthority } from '../../../lab/certificates.ts';
import { HttpNode, serverAddress } from '../../../lab/http-node.ts';
import { inNamespace } from '../../../netns/base/linux/wire.ts';
import { ingress, ingressClass } from '../../../netns/ingress/k8s-ingress/objects.ts';
import { until } from '../../../until.ts';
import { agentPaths } from '../../lab/agent-node.ts';
import { type KubeObject, TestApiServer } from '../../lab/api-server.ts';
import { writeKubeconfig } from '../../lab/kubeconfig.ts';
import { ingressPermissions, permissionOf } from '../../manifests/rbac.ts';

const paths = {
  ...agentPaths,
  Ingress: '/apis/networking.k8s.io/v1/ingresses',
  IngressClass: '/apis/networking.k8s.io/v1/ingressclasses',
} as const;

const addresses = [{ ip: '192.0.2.7' }];

const secrets = '/api/v1/namespaces/shop/secrets';
const { certificate, key } = new TestAuthority('test').issue({ name: 'secure.test', hosts: ['secure.test'] });
const encode = (text: string) => Buffer.from(text).toString('base64');
const secret = {
  type: 'kubernetes.io/tls',
  metadata: { namespace: 'shop', name: 'pair' },
  data: { 'tls.crt': encode(certificate), 'tls.key': encode(key) },
};

describe('Ingresses of a cluster, by the agent as built', () => {
  const node = new HttpNode('erks', { ROUTER_GRACEFUL_SHUTDOWN_DELAY: '1ms', ROUTER_MAX_SHUTDOWN_TIMEOUT: '1s' });
  let server: TestApiServer;
  /** Certificate of the first answer. */
  let first: string | undefined;

  before(async function () {
    this.timeout(60_000);
    await node.up();
    await node.serve({ name: 'one', port: 8001 });
    server = new TestApiServer([...Object.values(paths), secrets], { address: 'any' });
    const kubeconfig = writeKubeconfig(node.folder, await inNamespace('erks', () => server.start()));
    server.put(paths.Namespace, { metadata: { name: 'shop' } });
    server.put(paths.Service, {
      metadata: { namespace: 'shop', name: 'web' },
      spec: { ports: [{ name: 'web', port: 80 }] },
    });
    server.put(paths.EndpointSlice, {
      metadata: { namespace: 'shop', name: 'web', labels: { 'kubernetes.io/service-name': 'web' } },
      addressType: 'IPv4',
      ports: [{ name: 'web', port: 8001 }],
      endpoints: [{ addresses: [serverAddress], conditions: { ready: true } }],
    });
    put(secrets, secret);
    put(paths.Ingress, ingress('secure', { 'secure.test': { '/': 'web' } }, { tls: [{ secretName: 'pair' }] }));
    put(paths.IngressClass, ingressClass());
    put(paths.Ingress, ingress('good', { 'good.test': { '/': 'web' } }));
    put(
      paths.Ingress,
      ingress('closed', { 'closed.test': { '/': 'web' } }, { annotations: { 'auth-url': 'http://a' } }),
    );
    put(
      paths.Ingress,
      ingress('partly', { 'partly.test': { '/': 'web' } }, { annotations: { 'mirror-target': '/m' } }),
    );
    put(paths.Ingress, ingress('nginx', { 'nginx.test': { '/': 'web' } }, { className: 'nginx' }));
    // Another client changed the status meanwhile, so the agent reads the object.
    server.fail({ on: /PATCH .*\/ingresses\/good\/status/, answer: 409 });
    const options = ['--node-endpoint-networks', '10.97.0.0/24', '--gateway-addresses', '192.0.2.7'];
    node.launchInCluster(kubeconfig, '--cleanup-on-exit', ...options);
    await until(
      async () => {
        const { status, subject } = await node.ask('https', 'secure.test', '/');
        first = subject;
        return status === 200;
      },
      () => node.log.slice(-2000),
      30_000,
    );
    await node.ready();
  });
  after(async () => {
    await node.end('SIGTERM');
    await server.stop();
    node.down();
  });

  function put(path: string, object: object): void {
    server.put(path, object as KubeObject);
  }

  const addressesOf = (name: string): readonly object[] => {
    const { status } = server.get(paths.Ingress, `shop/${name}`) as {
      status?: { loadBalancer?: { ingress?: object[] } };
    };
    return status?.loadBalancer?.ingress ?? [];
  };
  const eventsOf = (name: string) =>
    (server.all(paths.Event) as readonly (KubeObject & Event)[]).filter((one) => one.involvedObject.name === name);
  const expectAddresses = (name: string, wanted: readonly object[]) =>
    until(
      () => JSON.stringify(addressesOf(name)) === JSON.stringify(wanted),
      () => [addressesOf(name), node.log.slice(-2000)],
      20_000,
    );

  it('are served with their own certificate from the first request on', () => {
    assert.equal(first, 'secure.test');
  });

  it('get the addresses of the ingress nodes when they are served', async function () {
    this.timeout(30_000);
    await expectAddresses('good', addresses);
    await expectAddresses('partly', addresses);
    assert.equal((await node.ask('http', 'good.test', '/')).status, 200);
    assert.deepEqual(addressesOf('nginx'), []);
  });

  it('get a Warning Event for refused settings, and no addresses if every path is closed', async function () {
    this.timeout(30_000);
    await until(
      () => eventsOf('closed').length > 0 && eventsOf('partly').length > 0,
      () => [server.all(paths.Event), node.log.slice(-2000)],
      20_000,
    );
    const [closed] = eventsOf('closed');
    assert.deepEqual([closed?.type, closed?.reason], ['Warning', 'AnnotationNotSupported']);
    assert.match(
      closed?.message ?? '',
      /^every path answers 503: auth-url "http:\/\/a": authentication by an external/,
    );
    assert.match(eventsOf('partly')[0]?.message ?? '', /mirror-target .*requests are not mirrored/);
    assert.deepEqual(addressesOf('closed'), []);
    assert.deepEqual(eventsOf('good'), []);
  });

  it('lose the addresses when they leave the class of this router', async function () {
    this.timeout(30_000);
    put(paths.Ingress, {
      ...(server.get(paths.Ingress, 'shop/partly') as object),
      ...ingress('partly', { 'partly.test': { '/': 'web' } }, { className: 'nginx' }),
      status: { loadBalancer: { ingress: addresses } },
    });
    await expectAddresses('partly', []);
    await until(
      async () => (await node.ask('http', 'partly.test', '/')).status === 503,
      () => node.log.slice(-2000),
      20_000,
    );
  });

  it('need only the permissions in the manifests', () => {
    const asked = new Set(server.requests.map(permissionOf).filter((one) => one.includes('networking.k8s.io/ingress')));
    assert.deepEqual([...asked].sort(), [...ingressPermissions].sort());
  });
});

interface Event {
  readonly involvedObject: { readonly name: string };
  readonly type: string;
  readonly reason: string;
  readonly message: string;
}

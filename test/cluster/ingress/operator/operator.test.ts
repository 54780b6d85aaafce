import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { parse } from 'yaml';
import { finalizer, ownerLabel, places, podLabel } from '../../../../src/ingress/operator/names.ts';
import { until } from '../../../until.ts';
import type { KubeObject } from '../../lab/api-server.ts';
import { OperatorLab, operatorPaths as paths, rolledOut } from '../../lab/operator-lab.ts';
import { listPermissions, permissionOf } from '../../manifests/rbac.ts';
import { render } from '../../manifests/rendered.ts';

/** From OpenShift's documentation ("Ingress sharding by using route labels" and "Configuring an Ingress Controller"). */
const documented = `
apiVersion: operator.openshift.io/v1
kind: IngressController
metadata:
  name: sharded
  namespace: openshift-ingress-operator
spec:
  domain: apps-sharded.basedomain.example.net
  nodePlacement:
    nodeSelector:
      matchLabels:
        node-role.kubernetes.io/worker: ""
  routeSelector:
    matchLabels:
      type: sharded
`;

/** An entry of a Route's status. */
const entry = (routerName: string) => ({
  routerName,
  host: 'a.test',
  conditions: [{ type: 'Admitted', status: 'True' }],
});

interface Workload extends KubeObject {
  readonly spec: {
    readonly template: {
      readonly metadata: { readonly annotations?: Readonly<Record<string, string>> };
      readonly spec: {
        readonly containers: readonly { readonly env: readonly { readonly name: string; readonly value?: string }[] }[];
      };
    };
  };
}

function variable(workload: KubeObject | undefined, name: string): string | undefined {
  const [router] = (workload as Workload | undefined)?.spec.template.spec.containers ?? [];
  return router?.env.find((one) => one.name === name)?.value;
}

function dataOf(object: KubeObject | undefined): Readonly<Record<string, string>> {
  return (object?.data ?? {}) as Readonly<Record<string, string>>;
}

const objectsPath = `/apis/operator.openshift.io/v1/namespaces/${places.objects}/ingresscontrollers`;

/** Domain of objects that name none. */
const defaultDomain = 'apps.cluster.test';

describe('The operator of IngressControllers, as the compiled controller', function () {
  this.timeout(60_000);
  const lab = new OperatorLab();

  before(async () => {
    await lab.up();
    lab.put('default');
    lab.start([`--ingress-domain=${defaultDomain}`]);
  });

  after(() => lab.down());

  function putRoute(name: string, labels: object, routers: readonly string[]): void {
    lab.server.put(paths.routes, {
      metadata: { namespace: 'shop', name, uid: `route-${name}`, labels },
      status: { ingress: routers.map(entry) },
    } as KubeObject);
  }

  function statusOf(name: string): Readonly<Record<string, unknown>> {
    return (lab.controller(name)?.status ?? {}) as Readonly<Record<string, unknown>>;
  }

  function routersOf(name: string): readonly string[] {
    const status = lab.server.get(paths.routes, `shop/${name}`)?.status as { ingress: { routerName: string }[] };
    return status.ingress.map(({ routerName }) => routerName);
  }

  function putPod(name: string, router: string): void {
    const labels = { [podLabel]: router };
    lab.server.put(paths.pods, { metadata: { namespace: places.routers, name, uid: name, labels } });
  }

  it('creates every object of a router, with a certificate of its own authority', async () => {
    lab.put('default');
    await lab.awaitObserved('default');
    await lab.awaitCondition('default', 'ConfigurationApplied', 'True AsExpected');
    const own = lab.routerObjects.filter((one) => one.endsWith('-default'));
    assert.deepEqual(own, [
      'secrets router-certs-default',
      'secrets router-metrics-certs-default',
      'secrets router-stats-default',
      'deployments router-default',
      'services router-internal-default',
      'budgets router-default',
      'policies router-default',
    ]);
    const authority = lab.server.get(paths.secrets, `${places.objects}/router-ca`);
    const read = (secret: KubeObject | undefined, key: string) =>
      Buffer.from(dataOf(secret)[key] ?? '', 'base64').toString();
    const issuer = new X509Certificate(read(authority, 'tls.crt'));
    const leaf = new X509Certificate(read(lab.router('secrets', 'router-certs-default'), 'tls.crt'));
    assert.ok(leaf.verify(issuer.publicKey));
    assert.equal(leaf.subjectAltName, 'DNS:*.default.example.com');
    const metrics = new X509Certificate(read(lab.router('secrets', 'router-metrics-certs-default'), 'tls.crt'));
    assert.ok(metrics.verify(issuer.publicKey));
    assert.ok(metrics.checkHost('router-internal-default.openshift-ingress.svc') !== undefined);
    const published = lab.server.get(paths.configMaps, `${places.published}/default-ingress-cert`);
    assert.equal(dataOf(published)['ca-bundle.crt'], read(authority, 'tls.crt'));
    assert.match(read(lab.router('secrets', 'router-stats-default'), 'statsPassword'), /^pass[0-9a-f]{24}$/);
    const { metadata } = lab.controller('default') ?? {};
    assert.deepEqual(metadata?.finalizers, [finalizer]);
    await until(
      () => lab.server.all(paths.events).some(({ reason }) => reason === 'Admitted'),
      () => lab.trouble,
    );
  });

  it('reports the rollout as OpenShift’s operator does', async () => {
    lab.roll('deployments', 'router-default', rolledOut);
    await lab.awaitCondition('default', 'Available', 'True');
    assert.equal(lab.condition('default', 'Degraded')?.status, 'False');
    assert.equal(lab.condition('default', 'Progressing')?.status, 'False');
    const status = statusOf('default');
    assert.equal(status.availableReplicas, 2);
    assert.equal(status.selector, `${podLabel}=default`);
    assert.equal(status.domain, 'default.example.com');
  });

  it('works with the manifest of OpenShift’s documentation, unchanged', async () => {
    const { spec, metadata } = parse(documented);
    lab.put(metadata.name, spec);
    const workload = await lab.awaitRouter('daemonSets', 'router-sharded');
    assert.equal(variable(workload, 'ROUTE_LABELS'), 'type=sharded');
    assert.equal(variable(workload, 'ROUTER_DOMAIN'), 'apps-sharded.basedomain.example.net');
    await lab.awaitCondition('sharded', 'Admitted', 'True Valid');
    lab.roll('daemonSets', 'router-sharded', {
      desiredNumberScheduled: 3,
      currentNumberScheduled: 3,
      updatedNumberScheduled: 3,
      numberAvailable: 3,
    });
    await lab.awaitCondition('sharded', 'Available', 'True');
    // A replica count replaces the DaemonSet by a Deployment.
    lab.put('sharded', { ...spec, replicas: 2 });
    await lab.awaitRouter('deployments', 'router-sharded');
    await until(
      () => lab.router('daemonSets', 'router-sharded') === undefined,
      () => lab.trouble,
    );
  });

  it('gives a contested domain to the oldest, and to the next one when that is gone', async () => {
    lab.put('first', { domain: 'shared.example.com' });
    await lab.awaitCondition('first', 'Admitted', 'True Valid');
    lab.put('second', { domain: 'shared.example.com' });
    const { message } = await lab.awaitCondition('second', 'Admitted', 'False Invalid');
    assert.equal(message, 'conflicts with: first');
    assert.equal(lab.router('deployments', 'router-second'), undefined);
    lab.delete('first');
    await lab.awaitCondition('second', 'Admitted', 'True Valid');
    await lab.awaitRouter('deployments', 'router-second');
    assert.equal(lab.controller('first'), undefined);
    // A refused domain is judged again when it changes, too.
    lab.put('third', { domain: 'shared.example.com' });
    await lab.awaitCondition('third', 'Admitted', 'False Invalid');
    lab.put('third', { domain: 'third.example.com' });
    await lab.awaitCondition('third', 'Admitted', 'True Valid');
    assert.equal(statusOf('third').domain, 'third.example.com');
  });

  it('refuses another type of strategy with the reason, and leaves the router alone', async () => {
    const before = lab.router('deployments', 'router-second')?.metadata.resourceVersion;
    const strategy = { endpointPublishingStrategy: { type: 'Private' } };
    lab.put('second', { domain: 'shared.example.com', ...strategy });
    const { message } = await lab.awaitCondition('second', 'Admitted', 'False Invalid');
    assert.match(message, /type cannot change from HostNetwork to Private/);
    assert.equal(lab.condition('second', 'Degraded')?.status, 'True');
    assert.equal(lab.router('deployments', 'router-second')?.metadata.resourceVersion, before);
    lab.put('second', { domain: 'shared.example.com' });
    await lab.awaitCondition('second', 'Admitted', 'True Valid');
  });

  it('copies ConfigMaps, follows them, and does not start a router without its authorities', async () => {
    const spec = {
      clientTLS: { clientCertificatePolicy: 'Required', clientCA: { name: 'clients' } },
      httpErrorCodePages: { name: 'pages' },
      defaultCertificate: { name: 'own' },
    };
    lab.put('tls', spec);
    const { message } = await lab.awaitCondition('tls', 'ConfigurationApplied', 'False ObjectMissing');
    for (const word of ['Secret openshift-ingress/own', 'openshift-config/clients', 'openshift-config/pages']) {
      assert.ok(message.includes(word), message);
    }
    assert.equal(lab.router('deployments', 'router-tls'), undefined);
    const put = (name: string, data: object) =>
      lab.server.put(paths.configMaps, { metadata: { namespace: places.configuration, name, uid: name }, data });
    put('clients', { 'ca-bundle.pem': 'one' });
    put('pages', { 'error-page-503.http': 'HTTP/1.0 503 Gone\r\n\r\n' });
    lab.server.put(paths.secrets, { metadata: { namespace: places.routers, name: 'own', uid: 'own' }, data: {} });
    await lab.awaitCondition('tls', 'ConfigurationApplied', 'True AsExpected');
    const first = (await lab.awaitRouter('deployments', 'router-tls')) as Workload;
    assert.deepEqual(lab.router('configMaps', 'router-client-ca-tls')?.data, { 'ca-bundle.pem': 'one' });
    assert.ok(variable(first, 'ROUTER_ERRORFILE_503') !== undefined);
    assert.equal(variable(first, 'ROUTER_ERRORFILE_404'), undefined, 'a page that does not exist');
    // A pod reads them when it starts.
    put('clients', { 'ca-bundle.pem': 'two' });
    const filesOf = (one: Workload | undefined) => one?.spec.template.metadata.annotations?.['egress-router.io/files'];
    await until(
      () => filesOf(lab.router('deployments', 'router-tls') as Workload) !== filesOf(first),
      () => lab.trouble,
    );
    assert.deepEqual(lab.router('configMaps', 'router-client-ca-tls')?.data, { 'ca-bundle.pem': 'two' });
    // The copy stays while a router needs it.
    lab.server.remove(paths.configMaps, `${places.configuration}/clients`);
    await lab.awaitCondition('tls', 'ConfigurationApplied', 'False ObjectMissing');
    assert.ok(lab.router('configMaps', 'router-client-ca-tls') !== undefined);
    lab.put('tls', {});
    await until(
      () => lab.router('configMaps', 'router-client-ca-tls') === undefined,
      () => lab.trouble,
    );
  });

  it('publishes routers by Services, and keeps what an administrator changed there', async () => {
    lab.put('nodes', { endpointPublishingStrategy: { type: 'NodePortService' } });
    await lab.awaitRouter('services', 'router-nodeport-nodes');
    const service = lab.router('services', 'router-nodeport-nodes') as KubeObject & { spec: { ports: object[] } };
    // An administrator chooses ports, and removes that of the metrics.
    const ports = service.spec.ports.slice(0, 2).map((port, index) => ({ ...port, nodePort: 30_080 + index }));
    lab.server.put(paths.services, { ...service, spec: { ...service.spec, ports } } as KubeObject);
    lab.put('nodes', { endpointPublishingStrategy: { type: 'NodePortService', nodePort: { protocol: 'PROXY' } } });
    await lab.awaitObserved('nodes');
    await until(
      () => variable(lab.router('deployments', 'router-nodes'), 'ROUTER_USE_PROXY_PROTOCOL') === 'true',
      () => lab.trouble,
    );
    const kept = (lab.router('services', 'router-nodeport-nodes') as typeof service).spec.ports;
    // Server-side apply merges ports by number and protocol, and the operator names no port of the node.
    assert.deepEqual(
      kept.map((port) => (port as { name: string }).name),
      ['http', 'https'],
    );

    lab.put('cloud', { endpointPublishingStrategy: { type: 'LoadBalancerService' } });
    await lab.awaitCondition('cloud', 'LoadBalancerReady', 'False LoadBalancerPending');
    const balancer = lab.router('services', 'router-cloud') as KubeObject;
    lab.server.put(paths.services, { ...balancer, status: { loadBalancer: { ingress: [{ ip: '192.0.2.9' }] } } });
    await lab.awaitCondition('cloud', 'LoadBalancerReady', 'True LoadBalancerProvisioned');
  });

  it('does not touch an object of another owner, and reports it', async () => {
    lab.server.put(paths.services, {
      metadata: { namespace: places.routers, name: 'router-internal-taken', uid: 'foreign' },
      spec: { type: 'ClusterIP' },
    });
    lab.put('taken');
    const { message } = await lab.awaitCondition('taken', 'ConfigurationApplied', 'False NameTaken');
    assert.match(message, /Service openshift-ingress\/router-internal-taken exists and belongs to another owner/);
    assert.deepEqual(lab.router('services', 'router-internal-taken')?.spec, { type: 'ClusterIP' });
    lab.server.remove(paths.services, `${places.routers}/router-internal-taken`);
    await lab.awaitCondition('taken', 'ConfigurationApplied', 'True AsExpected');
  });

  it('recreates deleted objects, and deletes what a router no longer needs', async () => {
    lab.server.remove(paths.budgets, `${places.routers}/router-taken`);
    await lab.awaitRouter('budgets', 'router-taken');
    lab.put('taken', { replicas: 1 });
    await until(
      () => lab.router('budgets', 'router-taken') === undefined,
      () => lab.trouble,
    );
  });

  it('removes entries of Routes that a changed selector excludes, after the rollout', async () => {
    putRoute('in', { type: 'a' }, ['taken', 'other']);
    putRoute('out', { type: 'b' }, ['other', 'taken']);
    // The cluster's controller has not seen the new template yet.
    lab.roll('deployments', 'router-taken', { ...rolledOut, observedGeneration: -1 });
    lab.server.put(paths.namespaces, { metadata: { name: 'shop', uid: 'shop', labels: { team: 'a' } } });
    const namespaceSelector = { matchLabels: { team: 'a' } };
    lab.put('taken', { replicas: 1, namespaceSelector, routeSelector: { matchLabels: { type: 'a' } } });
    await until(
      () => variable(lab.router('deployments', 'router-taken'), 'ROUTE_LABELS') === 'type=a',
      () => lab.trouble,
    );
    lab.roll('deployments', 'router-taken', { ...rolledOut, replicas: 2, updatedReplicas: 1, availableReplicas: 1 });
    await lab.awaitCondition('taken', 'DeploymentRollingOut', 'True ReplicasStabilizing');
    assert.deepEqual(routersOf('out'), ['other', 'taken']);
    lab.roll('deployments', 'router-taken', { ...rolledOut, replicas: 1, updatedReplicas: 1, availableReplicas: 1 });
    await until(
      () => routersOf('out').length === 1,
      () => lab.trouble,
    );
    assert.deepEqual([routersOf('out'), routersOf('in')], [['other'], ['taken', 'other']]);
    await until(
      () => statusOf('taken').routeSelector !== undefined,
      () => lab.trouble,
    );
  });

  it('drains a deleted router, then clears Routes, and leaves nothing', async () => {
    putPod('router-taken-1', 'taken');
    lab.server.put(paths.leases, { metadata: { namespace: places.routers, name: 'ingress-agent-taken', uid: 'l' } });
    lab.delete('taken');
    await until(
      () => lab.router('deployments', 'router-taken') === undefined,
      () => lab.trouble,
    );
    // Balancers send requests until the pods have ended.
    assert.ok(lab.router('services', 'router-internal-taken') !== undefined);
    assert.deepEqual(routersOf('in'), ['taken', 'other']);
    lab.server.remove(paths.pods, `${places.routers}/router-taken-1`);
    await until(
      () => lab.controller('taken') === undefined,
      () => [lab.controller('taken'), lab.program?.output],
      20_000,
    );
    assert.deepEqual(routersOf('in'), ['other']);
    assert.deepEqual(
      lab.routerObjects.filter((one) => one.endsWith('-taken')),
      [],
    );
    assert.equal(lab.server.get(paths.leases, `${places.routers}/ingress-agent-taken`), undefined);
  });

  it('cleans up after an object whose finalizer was removed by hand', async () => {
    const labels = { [ownerLabel]: 'gone', 'app.kubernetes.io/managed-by': 'egress-router-controller' };
    const metadata = { namespace: places.routers, name: 'router-gone', uid: 'gone', labels };
    lab.server.put(paths.policies, { metadata });
    await until(
      () => lab.router('policies', 'router-gone') === undefined,
      () => lab.trouble,
    );
  });

  it('creates the object "default" again when it was deleted', async () => {
    const uid = lab.controller('default')?.metadata.uid;
    lab.delete('default');
    const isNew = () => lab.controller('default') !== undefined && lab.controller('default')?.metadata.uid !== uid;
    await until(isNew, () => lab.trouble, 20_000);
    assert.deepEqual(lab.controller('default')?.spec, { replicas: 2 });
    await lab.awaitCondition('default', 'ConfigurationApplied', 'True AsExpected');
    assert.equal(statusOf('default').domain, defaultDomain);
  });

  it('has exactly the rights that it uses', () => {
    const manifests = render('ingress-controllers');
    const own = listPermissions(manifests, 'egress-router-ingress-controllers');
    const all = own.union(listPermissions(manifests, 'egress-router-controller'));
    const used = new Set([
      ...lab.server.requests.map(permissionOf),
      ...creations,
      // After a conflict.
      'get operator.openshift.io/ingresscontrollers',
      'get route.openshift.io/routes',
      // To find out whether the cluster is OpenShift, which discovery tells everyone.
    ]);
    used.delete(permissionOf('GET /apis/config.openshift.io/v1'));
    assert.deepEqual([...used.difference(all)].sort(), [], 'is asked for and not allowed');
    assert.deepEqual([...own.difference(used)].sort(), [], 'is allowed and not asked for');
  });

  it('writes nothing after a restart without changes', async () => {
    await lab.program?.end();
    const count = lab.server.requests.length;
    const degraded = () =>
      new Map(
        lab.server.all(paths.controllers).map(({ metadata: { name } }) => [name, lab.condition(`${name}`, 'Degraded')]),
      );
    const before = degraded();
    lab.start([`--ingress-domain=${defaultDomain}`]);
    // Its first write of this object shows that it has seen the others.
    lab.put('last');
    await lab.awaitCondition('last', 'ConfigurationApplied', 'True AsExpected');
    const writes = lab.server.requests
      .slice(count)
      .filter((line) => !line.startsWith('GET ') && !/leases|last|events|default-ingress-cert/.test(line));
    // On a slow machine, a grace period may end in the meantime.
    const changed = [...degraded()].filter(([name, one]) => before.get(name)?.status !== one?.status);
    const expected = new Set(changed.map(([name]) => `PATCH ${objectsPath}/${name}/status`));
    assert.deepEqual(
      writes.filter((line) => !expected.has(line)),
      [],
    );
  });
});

/** Rights that no request shows: server-side apply of an object that is not there is a creation, too. */
const creations = [
  'core/secrets',
  'core/configmaps',
  'core/services',
  'apps/deployments',
  'apps/daemonsets',
  'policy/poddisruptionbudgets',
  'networking.k8s.io/networkpolicies',
].map((one) => `create ${one}`);

describe('The operator of IngressControllers', function () {
  this.timeout(30_000);

  it('refuses to start on OpenShift, and says why', async () => {
    const clusterOperators = '/apis/config.openshift.io/v1/clusteroperators';
    const lab = new OperatorLab([...Object.values(paths), clusterOperators]);
    await lab.up();
    try {
      lab.put('default');
      const program = lab.start();
      assert.equal(await program.ended, 1);
      assert.match(program.output, /this cluster is OpenShift .* remove --ingress-controllers/);
      assert.deepEqual(lab.routerObjects, []);
      assert.deepEqual(lab.controller('default')?.status, undefined);
    } finally {
      await lab.down();
    }
  });

  it('uses the domain of the option for an object without one', async () => {
    const lab = new OperatorLab();
    await lab.up();
    try {
      lab.put('mine', { domain: undefined });
      lab.start(['--ingress-domain=apps.cluster.test', '--cluster-networks=10.0.0.0/8,fd00::/48']);
      const workload = await lab.awaitRouter('deployments', 'router-mine');
      assert.equal(variable(workload, 'ROUTER_DOMAIN'), 'apps.cluster.test');
      assert.equal(variable(workload, 'ROUTER_IP_V4_V6_MODE'), 'v4v6');
      // Its domain is free again when it is gone.
      const output = () => lab.program?.output ?? '';
      await until(() => /default is not created: IngressController mine has the domain/.test(output()), output);
      assert.equal(lab.controller('default'), undefined);
      lab.delete('mine');
      await lab.awaitRouter('deployments', 'router-default');
    } finally {
      await lab.down();
    }
  });

  for (const [what, args, message] of [
    ['no domain is known', [], /default is not created: no domain is known; set --ingress-domain/],
    ['it must not', ['--ingress-domain=a.test', '--disable-default-ingress-controller'], undefined],
  ] as const) {
    it(`does not create the object "default" if ${what}`, async () => {
      const lab = new OperatorLab();
      await lab.up();
      try {
        lab.start(args);
        // The operator reconciles this object after all lists are complete.
        lab.put('other');
        await lab.awaitCondition('other', 'ConfigurationApplied', 'True AsExpected');
        const output = lab.program?.output ?? '';
        if (message === undefined) assert.doesNotMatch(output, /IngressController default/);
        else assert.match(output, message);
        assert.equal(lab.controller('default'), undefined);
      } finally {
        await lab.down();
      }
    });
  }
});

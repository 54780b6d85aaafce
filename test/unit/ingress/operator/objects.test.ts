import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { parseOptions } from '../../../../src/ingress/agent/options.ts';
import { agentNameOf, hashLabel, ownerLabel, podLabel } from '../../../../src/ingress/operator/names.ts';
import { bodyOf, noReferences, objectsOf, withLists } from './samples.ts';

const strategy = (type: string, more: object = {}) => ({ endpointPublishingStrategy: { type, ...more } });
const balancer = (more: object = {}) =>
  strategy('LoadBalancerService', { loadBalancer: { scope: 'External', dnsManagementPolicy: 'Managed', ...more } });

function deploymentOf(spec: object, context: object = {}) {
  return bodyOf(objectsOf(spec, {}, context), 'deployments', 'router-default');
}

function podOf(spec: object, context: object = {}) {
  const object = objectsOf(spec, {}, context).find(({ of }) => of === 'deployments' || of === 'daemonSets');
  assert.ok(object !== undefined);
  // biome-ignore lint/suspicious/noExplicitAny: an object of Kubernetes
  return (object.body as any).spec.template;
}

describe('The workload of an IngressController', () => {
  for (const [name, spec, replicas, rollingUpdate, hasAffinity] of [
    ['HostNetwork by default', {}, 2, { maxUnavailable: '25%', maxSurge: 0 }, false],
    ['HostNetwork with replicas', { replicas: 5 }, 5, { maxUnavailable: '25%', maxSurge: 0 }, false],
    ['NodePortService', strategy('NodePortService'), 2, { maxUnavailable: '50%', maxSurge: '25%' }, true],
    [
      'Private with three replicas',
      { ...strategy('Private'), replicas: 3 },
      3,
      { maxUnavailable: '50%', maxSurge: '25%' },
      true,
    ],
    [
      'LoadBalancerService with four replicas',
      { ...balancer(), replicas: 4 },
      4,
      { maxUnavailable: '25%', maxSurge: '25%' },
      true,
    ],
    ['one replica', { ...strategy('Private'), replicas: 1 }, 1, { maxUnavailable: '50%', maxSurge: '25%' }, true],
    ['no replica', { replicas: 0 }, 0, { maxUnavailable: '25%', maxSurge: 0 }, false],
  ] as const) {
    it(`rolls out as OpenShift’s operator does: ${name}`, () => {
      const { spec: written, metadata } = deploymentOf(spec);
      assert.equal(written.replicas, replicas);
      assert.deepEqual(written.strategy, { type: 'RollingUpdate', rollingUpdate });
      assert.equal(written.minReadySeconds, 30);
      assert.equal(written.progressDeadlineSeconds, 600);
      assert.deepEqual(written.selector, { matchLabels: { [podLabel]: 'default' } });
      assert.equal(metadata.labels[ownerLabel], 'default');
      const { affinity, topologySpreadConstraints } = written.template.spec;
      const hash = written.template.metadata.labels[hashLabel];
      assert.match(hash, /^[0-9a-f]{10}$/);
      const [zone] = topologySpreadConstraints;
      assert.equal(zone.topologyKey, 'topology.kubernetes.io/zone');
      assert.equal(zone.whenUnsatisfiable, 'ScheduleAnyway');
      assert.deepEqual(zone.labelSelector.matchExpressions, [{ key: hashLabel, operator: 'In', values: [hash] }]);
      if (!hasAffinity) {
        assert.equal(affinity.podAntiAffinity, undefined);
        return;
      }
      const [required] = affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution;
      const [preferred] = affinity.podAffinity.preferredDuringSchedulingIgnoredDuringExecution;
      for (const [term, operator] of [
        [required, 'In'],
        [preferred.podAffinityTerm, 'NotIn'],
      ]) {
        assert.equal(term.topologyKey, 'kubernetes.io/hostname');
        assert.deepEqual(term.labelSelector.matchExpressions, [
          { key: podLabel, operator: 'In', values: ['default'] },
          { key: hashLabel, operator, values: [hash] },
        ]);
      }
      assert.equal(preferred.weight, 100);
    });
  }

  it('has one replica without affinity on a cluster with one node', () => {
    const { replicas, strategy: rollout, template } = deploymentOf(strategy('Private'), { hasOneNode: true }).spec;
    assert.equal(replicas, 1);
    assert.deepEqual(rollout.rollingUpdate, { maxUnavailable: '25%', maxSurge: '25%' });
    assert.equal(template.spec.affinity, undefined);
  });

  it('is a DaemonSet with HostNetwork, a placement and no replicas', () => {
    const placement = { nodePlacement: { nodeSelector: { matchLabels: { ingress: 'a' } } } };
    const { spec } = bodyOf(objectsOf(placement), 'daemonSets', 'router-default');
    assert.deepEqual(spec.updateStrategy.rollingUpdate, { maxUnavailable: '25%', maxSurge: 0 });
    assert.equal(spec.replicas, undefined);
    assert.equal(
      objectsOf(placement).some(({ of }) => of === 'deployments' || of === 'budgets'),
      false,
    );
    for (const other of [
      { ...placement, replicas: 2 },
      { ...placement, ...strategy('Private') },
    ]) {
      assert.equal(bodyOf(objectsOf(other), 'deployments', 'router-default').kind, 'Deployment');
    }
  });

  for (const [name, spec, avoids] of [
    ['HostNetwork', {}, true],
    ['HostNetwork with replicas', { replicas: 3 }, true],
    ['HostNetwork with tolerations only', { nodePlacement: { tolerations: [{ operator: 'Exists' }] } }, true],
    ['HostNetwork with an empty selector', { nodePlacement: { nodeSelector: {} } }, true],
    ['HostNetwork on chosen nodes', { nodePlacement: { nodeSelector: { matchLabels: { a: 'b' } } } }, false],
    ['Private', strategy('Private'), false],
  ] as const) {
    it(`${avoids ? 'avoids' : 'does not avoid'} the nodes of the agent's DaemonSet with ${name}`, () => {
      const { affinity } = podOf(spec).spec;
      const [term] = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms ?? [];
      const { nodeSelector } = parse(readFileSync('manifests/ingress/daemonset.yaml', 'utf8')).spec.template.spec;
      const [label = ''] = Object.keys(nodeSelector).filter((key) => key.startsWith('egress-router.io/'));
      const want = avoids ? { matchExpressions: [{ key: label, operator: 'DoesNotExist' }] } : undefined;
      assert.deepEqual(term, want);
    });
  }

  it('is placed on Linux nodes, or where the placement says', () => {
    assert.deepEqual(podOf({}).spec.nodeSelector, { 'kubernetes.io/os': 'linux' });
    const tolerations = [{ key: 'a', operator: 'Exists', effect: 'NoSchedule' }];
    const matchExpressions = [{ key: 'zone', operator: 'In', values: ['b'] }];
    const { nodeSelector, tolerations: written } = podOf({
      nodePlacement: { nodeSelector: { matchLabels: { ingress: '' }, matchExpressions }, tolerations },
    }).spec;
    assert.deepEqual(nodeSelector, { ingress: '', zone: 'b' });
    assert.deepEqual(written, tolerations);
    assert.equal(podOf({ nodePlacement: { nodeSelector: {}, tolerations: [] } }).spec.nodeSelector, undefined);
  });

  for (const [name, spec, isHost, ports] of [
    ['HostNetwork', {}, true, [80, 443, 1936]],
    [
      'HostNetwork with ports',
      strategy('HostNetwork', { hostNetwork: { httpPort: 8080, httpsPort: 0, statsPort: 9001 } }),
      true,
      [8080, 443, 9001],
    ],
    ['Private', strategy('Private'), false, [80, 443, 1936]],
    ['NodePortService', strategy('NodePortService'), false, [80, 443, 1936]],
    ['LoadBalancerService', balancer(), false, [80, 443, 1936]],
  ] as const) {
    it(`has the ports, probes and network of ${name}`, () => {
      const { hostNetwork, dnsPolicy, containers, priorityClassName, terminationGracePeriodSeconds } = podOf(spec).spec;
      assert.equal(hostNetwork, isHost ? true : undefined);
      assert.equal(dnsPolicy, isHost ? 'ClusterFirstWithHostNet' : 'ClusterFirst');
      assert.equal(priorityClassName, 'system-cluster-critical');
      assert.equal(terminationGracePeriodSeconds, 3600);
      const [router] = containers;
      assert.deepEqual(
        router.ports,
        ['http', 'https', 'metrics'].map((label, index) => ({
          name: label,
          containerPort: ports[index],
          protocol: 'TCP',
          ...(isHost && { hostPort: ports[index] }),
        })),
      );
      const probe = (path: string, periodSeconds: number, failureThreshold: number) => ({
        httpGet: { path, port: ports[2], scheme: 'HTTP', ...(isHost && { host: 'localhost' }) },
        timeoutSeconds: 1,
        successThreshold: 1,
        periodSeconds,
        failureThreshold,
      });
      assert.deepEqual(router.livenessProbe, { ...probe('/healthz', 10, 3), terminationGracePeriodSeconds: 10 });
      assert.deepEqual(router.readinessProbe, probe('/healthz/ready', 10, 3));
      assert.deepEqual(router.startupProbe, probe('/healthz/ready', 1, 120));
      const words: readonly string[] = router.command;
      assert.equal(words.includes('--http-port=80'), !isHost);
      assert.ok(words.includes('--hosts-only') && words.includes('--cleanup-on-exit'));
      // The options of the DaemonSet that reserve ports of the node are not for routers.
      const known = ['--name=', '--shutdown-timeout=', '--http-port=', '--https-port='];
      const switches = ['--haproxy-container', '--hosts-only', '--cleanup-on-exit'];
      for (const word of words.slice(1)) {
        assert.ok(switches.includes(word) || known.some((start) => word.startsWith(start)), word);
      }
      const environment = { ROUTER_SERVICE_HTTP_PORT: '80', ROUTER_SERVICE_HTTPS_PORT: '443' };
      assert.equal(parseOptions(words.slice(1), environment)?.hostsOnly, true);
    });
  }

  it('mounts the certificate, credentials, authorities, lists and pages that the spec names', () => {
    const named = {
      defaultCertificate: { name: 'own' },
      clientTLS: { clientCertificatePolicy: 'Required', clientCA: { name: 'clients' } },
      httpErrorCodePages: { name: 'pages' },
    };
    const { volumes, containers } = podOf(named, withLists).spec;
    const sources = Object.fromEntries(
      volumes.map(({ name, secret, configMap }: Record<string, Record<string, string>>) => [
        name,
        secret?.secretName ?? configMap?.name,
      ]),
    );
    assert.deepEqual(sources, {
      run: undefined,
      'default-certificate': 'own',
      'metrics-certs': 'router-metrics-certs-default',
      'stats-auth': 'router-stats-default',
      'service-ca-bundle': 'service-ca-bundle',
      'client-ca': 'router-client-ca-default',
      'client-ca-crl': 'router-client-ca-crl-default',
      'error-pages': 'default-errorpages',
    });
    const mounts = containers[0].volumeMounts.map((one: { name: string }) => one.name);
    assert.deepEqual(mounts.sort(), Object.keys(sources).sort());
    assert.deepEqual(
      containers[1].volumeMounts.map((one: { name: string }) => one.name),
      ['run'],
    );
  });

  it('gets another hash for another variable or another copied file, and the same for the same', () => {
    const hash = (spec: object, context: object = {}) => podOf(spec, context).metadata.labels[hashLabel];
    assert.equal(hash({}), hash({}));
    assert.notEqual(hash({}), hash({ tuningOptions: { threadCount: 2 } }));
    assert.notEqual(hash({}), hash({}, { references: { ...noReferences, digest: 'a' } }));
    // The agent rereads renewed lists.
    assert.equal(hash({}, withLists), hash({}, { ...withLists, revocationLists: 'renewed lists' }));
  });

  it('gives the agent a name that is short enough and unique among similar routers', () => {
    assert.equal(agentNameOf('default'), 'ic-default');
    const names = ['a', 'b'].map((end) => agentNameOf(`internal-applications-${end}`));
    assert.ok(names.every((name) => name.length <= 20 && /^[a-z0-9-]+$/.test(name)));
    assert.notEqual(names[0], names[1]);
  });
});

describe('The disruption budget of an IngressController', () => {
  for (const [replicas, want] of [
    [undefined, '50%'],
    [0, undefined],
    [1, undefined],
    [2, 1],
    [3, '25%'],
    [10, '25%'],
  ] as const) {
    it(`allows ${want} for ${replicas} replicas`, () => {
      const budget = objectsOf(replicas === undefined ? {} : { replicas }).find(({ of }) => of === 'budgets');
      // biome-ignore lint/suspicious/noExplicitAny: an object of Kubernetes
      const spec = (budget?.body as any)?.spec;
      assert.equal(spec?.maxUnavailable, want);
      if (want !== undefined) {
        assert.deepEqual(spec.selector, { matchLabels: { [podLabel]: 'default' } });
        assert.equal(spec.unhealthyPodEvictionPolicy, 'AlwaysAllow');
      }
    });
  }
});

describe('The Services of an IngressController', () => {
  const port = (name: string, number: number) => ({ name, protocol: 'TCP', port: number, targetPort: name });
  const [http, https, metrics] = [port('http', 80), port('https', 443), port('metrics', 1936)];

  for (const [name, spec, names] of [
    ['HostNetwork', {}, ['router-internal-default']],
    ['Private', strategy('Private'), ['router-internal-default']],
    ['NodePortService', strategy('NodePortService'), ['router-internal-default', 'router-nodeport-default']],
    ['LoadBalancerService', balancer(), ['router-internal-default', 'router-default']],
  ] as const) {
    it(`are ${names.join(' and ')} with ${name}`, () => {
      const services = objectsOf(spec).filter(({ of }) => of === 'services');
      assert.deepEqual(
        services.map((one) => one.name),
        names,
      );
      for (const { body } of services) {
        // biome-ignore lint/suspicious/noExplicitAny: an object of Kubernetes
        const { selector, internalTrafficPolicy, sessionAffinity } = body.spec as any;
        assert.deepEqual(
          [selector, internalTrafficPolicy, sessionAffinity],
          [{ [podLabel]: 'default' }, 'Cluster', 'None'],
        );
      }
    });
  }

  it('have the ports of OpenShift’s, and keep clients’ addresses', () => {
    const internal = bodyOf(objectsOf({}), 'services', 'router-internal-default').spec;
    assert.deepEqual([internal.type, internal.ports], ['ClusterIP', [http, https, metrics]]);
    const nodePort = bodyOf(objectsOf(strategy('NodePortService')), 'services', 'router-nodeport-default').spec;
    assert.deepEqual(
      [nodePort.type, nodePort.ports, nodePort.externalTrafficPolicy],
      ['NodePort', [http, https, metrics], 'Local'],
    );
    const old = objectsOf(strategy('NodePortService'), {}, { hasMetricsNodePort: false });
    assert.deepEqual(bodyOf(old, 'services', 'router-nodeport-default').spec.ports, [http, https]);
  });

  it('pass source ranges, class and annotations to the load balancer', () => {
    const annotations = {
      'egress-router.io/load-balancer-class': 'example.com/lb',
      'egress-router.io/service-annotations': '{"service.beta.kubernetes.io/aws-load-balancer-internal": "true"}',
    };
    const ranges = ['192.0.2.0/24', '2001:db8::/32'];
    const { spec, metadata } = bodyOf(
      objectsOf(balancer({ allowedSourceRanges: ranges }), { annotations }),
      'services',
      'router-default',
    );
    assert.deepEqual([spec.type, spec.ports, spec.externalTrafficPolicy], ['LoadBalancer', [http, https], 'Local']);
    assert.deepEqual(spec.loadBalancerSourceRanges, ranges);
    assert.equal(spec.loadBalancerClass, 'example.com/lb');
    assert.equal(metadata.annotations['service.beta.kubernetes.io/aws-load-balancer-internal'], 'true');
    assert.equal(metadata.annotations['external-dns.alpha.kubernetes.io/hostname'], '*.apps.example.com');
    const unmanaged = bodyOf(objectsOf(balancer({ dnsManagementPolicy: 'Unmanaged' })), 'services', 'router-default');
    assert.equal(unmanaged.metadata.annotations['external-dns.alpha.kubernetes.io/hostname'], undefined);
  });
});

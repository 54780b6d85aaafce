import assert from 'node:assert/strict';
import { listIgnoredFields } from '../../../../src/ingress/operator/ignored-fields.ts';
import { admitSample, admitted, bodyOf, objectsOf, readSample } from './samples.ts';

const pool = { 'egress-router.io/address-pool': 'lan' };
const ours = { 'egress-router.io/load-balancer-class': 'egress-router.io/ingress-agent' };
const other = { 'egress-router.io/load-balancer-class': 'example.com/lb' };
const ports = { httpPort: 8080, httpsPort: 8443, statsPort: 1937 };
const host = { endpointPublishingStrategy: { type: 'HostNetwork', hostNetwork: ports } };
const balancer = { endpointPublishingStrategy: { type: 'LoadBalancerService' } };
const agentLabel = 'egress-router.io/ingress';

// biome-ignore lint/suspicious/noExplicitAny: an object of Kubernetes
function findService(spec: object, annotations: Readonly<Record<string, string>>): any {
  return objectsOf(spec, { annotations }).find(({ of, name }) => of === 'services' && name === 'router-default')?.body;
}

describe('The virtual address of an IngressController', () => {
  for (const [name, spec, annotations, className, wantedPool] of [
    ['HostNetwork with a pool', host, pool, 'egress-router.io/ingress-agent', 'lan'],
    ['HostNetwork with a pool of agents with another class', host, { ...pool, ...other }, 'example.com/lb', 'lan'],
    ['LoadBalancerService with a pool', balancer, pool, 'egress-router.io/ingress-agent', 'lan'],
    ['LoadBalancerService with the class of the agent', balancer, ours, 'egress-router.io/ingress-agent', undefined],
  ] as const) {
    it(`is that of a Service, on the nodes of the ingress agent: ${name}`, () => {
      const { spec: service, metadata } = findService(spec, annotations);
      assert.deepEqual(
        [service.type, service.loadBalancerClass, service.externalTrafficPolicy, service.allocateLoadBalancerNodePorts],
        ['LoadBalancer', className, 'Local', false],
      );
      assert.deepEqual(
        service.ports.map((one: { port: number; targetPort: string }) => [one.port, one.targetPort]),
        [
          [80, 'http'],
          [443, 'https'],
        ],
      );
      assert.equal(metadata.annotations['egress-router.io/address-pool'], wantedPool);
      const { template } = bodyOf(objectsOf(spec, { annotations }), 'deployments', 'router-default').spec;
      const { nodeAffinity } = template.spec.affinity;
      const [{ matchExpressions }] = nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms;
      assert.deepEqual(matchExpressions, [{ key: agentLabel, operator: 'Exists' }]);
    });
  }

  it('belongs to no Service without the annotation, and leaves load balancers of clouds alone', () => {
    assert.equal(findService(host, {}), undefined);
    assert.equal(findService(host, other), undefined);
    for (const annotations of [{}, other]) {
      const { spec } = findService(balancer, annotations);
      assert.equal(spec.allocateLoadBalancerNodePorts, undefined);
      const { template } = bodyOf(objectsOf(balancer, { annotations }), 'deployments', 'router-default').spec;
      assert.equal(template.spec.affinity.nodeAffinity, undefined);
    }
    assert.equal(findService(balancer, {}).spec.loadBalancerClass, undefined);
  });

  it('has both families if the routers do', () => {
    const policyOf = (ipMode: 'v4' | 'v4v6') =>
      bodyOf(objectsOf(host, { annotations: pool }, { ipMode }), 'services', 'router-default').spec.ipFamilyPolicy;
    assert.deepEqual([policyOf('v4'), policyOf('v4v6')], [undefined, 'PreferDualStack']);
  });

  it('leaves the choice of nodes to a selector', () => {
    const spec = { ...host, replicas: 2, nodePlacement: { nodeSelector: { matchLabels: { [agentLabel]: '' } } } };
    const { template } = bodyOf(objectsOf(spec, { annotations: pool }), 'deployments', 'router-default').spec;
    assert.equal(template.spec.affinity, undefined);
    assert.deepEqual(template.spec.nodeSelector, { [agentLabel]: '' });
    // Its author knows that the ports are free on these nodes.
    const { nodePlacement } = spec;
    assert.ok(admitSample(readSample({ nodePlacement }, { annotations: pool })).isAdmitted);
  });

  it('publishes no name for ExternalDNS with HostNetwork, whose names administrators publish', () => {
    const key = 'external-dns.alpha.kubernetes.io/hostname';
    assert.equal(findService(host, pool).metadata.annotations[key], undefined);
    assert.equal(findService(balancer, pool).metadata.annotations[key], '*.apps.example.com');
  });

  it('takes the pool of its own annotation, not of the annotations of the Service', () => {
    const more = { 'egress-router.io/service-annotations': '{"egress-router.io/address-pool": "dmz", "a": "b"}' };
    const { metadata } = findService(host, { ...pool, ...more });
    assert.deepEqual([metadata.annotations['egress-router.io/address-pool'], metadata.annotations.a], ['lan', 'b']);
  });

  for (const [name, spec, annotations, message] of [
    [
      'ports of the ingress agent',
      {},
      pool,
      /hostNetwork: port 80, 443, 1936 belongs to the DaemonSet ingress-agent.*set other values/,
    ],
    [
      'the port of its statistics',
      { endpointPublishingStrategy: { type: 'HostNetwork', hostNetwork: { ...ports, statsPort: 0 } } },
      pool,
      /port 1936 belongs/,
    ],
    [
      'a name of a pool that no pool can have',
      balancer,
      { 'egress-router.io/address-pool': 'Lan\n' },
      /annotation egress-router.io\/address-pool "Lan\\n": must be the name of an IngressAddressPool/,
    ],
  ] as const) {
    it(`is refused for ${name}, with the reason`, () => {
      const admission = admitSample(readSample(spec, { annotations }));
      assert.ok(!admission.isAdmitted);
      assert.match(admission.message, message);
    });
  }

  it('has no effect with other strategies, which is reported', () => {
    for (const type of ['Private', 'NodePortService']) {
      const object = readSample({ endpointPublishingStrategy: { type } }, { annotations: pool });
      assert.deepEqual(listIgnoredFields(admitted(object).spec, object), [
        'annotation egress-router.io/address-pool: only HostNetwork and LoadBalancerService have addresses of a pool',
      ]);
      assert.equal(findService({ endpointPublishingStrategy: { type } }, pool), undefined);
    }
    const object = readSample(host, { annotations: pool });
    assert.deepEqual(listIgnoredFields(admitted(object).spec, object), []);
  });
});

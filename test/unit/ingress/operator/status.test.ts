import assert from 'node:assert/strict';
import { textOf } from '../../../../src/ingress/operator/json.ts';
import { readRollout } from '../../../../src/ingress/operator/rollout.ts';
import { planStatus, type StatusParts } from '../../../../src/ingress/operator/status/status.ts';
import { chooseTlsProfile, serveTlsProfile } from '../../../../src/ingress/operator/tls-profile.ts';
import { admitSample, readSample } from './samples.ts';

const available = (status: string, reason = 'MinimumReplicasAvailable') => ({
  type: 'Available',
  status,
  reason,
  message: 'm',
});
const complete = { type: 'Progressing', status: 'True', reason: 'NewReplicaSetAvailable' };
const hostRollout = { rollingUpdate: { maxUnavailable: '25%', maxSurge: 0 } };

function deployment(status: object, spec: object = {}) {
  return readRollout('Deployment', {
    metadata: { generation: 2 },
    spec: { replicas: 2, strategy: hostRollout, ...spec },
    status: { observedGeneration: 2, ...status },
  });
}

const well = { replicas: 2, updatedReplicas: 2, availableReplicas: 2, conditions: [available('True'), complete] };
const balancer = { endpointPublishingStrategy: { type: 'LoadBalancerService' } };
const service = { metadata: { uid: 'u' }, status: { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } } };
const unscheduled = {
  metadata: { name: 'router-default-1' },
  status: { conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: '0/3 nodes' }] },
};

const at = new Date('2026-01-01T01:00:00Z');

function plan(
  parts: Partial<StatusParts>,
  spec: object = {},
  status: object = {},
  annotations: Readonly<Record<string, string>> = {},
) {
  const object = readSample(spec, { status, annotations });
  const admission = admitSample(object);
  return planStatus(
    object,
    {
      admission,
      rollout: deployment(well),
      pods: [],
      service: undefined,
      failure: undefined,
      obstacle: undefined,
      ignored: [],
      revocation: undefined,
      tlsProfile: serveTlsProfile(chooseTlsProfile(undefined)),
      certificate: undefined,
      areSelectorsApplied: true,
      ...parts,
    },
    at,
  );
}

function find(conditions: readonly Readonly<Record<string, unknown>>[], type: string): string | undefined {
  const found = conditions.find((one) => one.type === type);
  return found && `${textOf(found.status)} ${textOf(found.reason)}`.trim();
}

/** Conditions of a status, and their causes. */
const rows: readonly (readonly [
  name: string,
  parts: Partial<StatusParts>,
  spec: object,
  want: Readonly<Record<string, string | undefined>>,
])[] = [
  [
    'a router that works',
    {},
    {},
    {
      Admitted: 'True Valid',
      DeploymentAvailable: 'True DeploymentAvailable',
      DeploymentReplicasMinAvailable: 'True DeploymentMinimumReplicasMet',
      DeploymentReplicasAllAvailable: 'True DeploymentReplicasAvailable',
      DeploymentRollingOut: 'False DeploymentNotRollingOut',
      LoadBalancerManaged: 'False EndpointPublishingStrategyExcludesManagedLoadBalancer',
      LoadBalancerReady: undefined,
      LoadBalancerProgressing: 'False LoadBalancerNotProgressing',
      DNSManaged: 'False UnmanagedDNS',
      EvaluationConditionsDetected: 'False NoEvaluationCondition',
      Upgradeable: 'True Upgradeable',
      ConfigurationApplied: 'True AsExpected',
      FieldsIgnored: undefined,
      RevocationListsValid: undefined,
      Available: 'True',
      Progressing: 'False',
      Degraded: 'False',
    },
  ],
  [
    'a revocation list that is missing',
    { revocation: { missing: ['CN=A: expired'], stale: ['CN=B: no answer'] } },
    {},
    { RevocationListsValid: 'False ListMissing', Available: 'True', Degraded: 'True DegradedConditions' },
  ],
  [
    'a revocation list that cannot be renewed',
    { revocation: { missing: [], stale: ['CN=B: no answer'] } },
    {},
    { RevocationListsValid: 'True DownloadFailed', Degraded: 'False' },
  ],
  [
    'valid revocation lists',
    { revocation: { missing: [], stale: [] } },
    {},
    { RevocationListsValid: 'True AsExpected', Degraded: 'False' },
  ],
  [
    'a Deployment without a verdict',
    { rollout: deployment({}) },
    {},
    {
      DeploymentAvailable: 'Unknown DeploymentAvailabilityUnknown',
      DeploymentReplicasMinAvailable: 'False DeploymentMinimumReplicasNotMet',
      DeploymentReplicasAllAvailable: 'False DeploymentReplicasNotAvailable',
      DeploymentRollingOut: 'True DeploymentRollingOut',
      Available: 'False IngressControllerUnavailable',
      Progressing: 'True IngressControllerProgressing',
    },
  ],
  [
    'a Deployment that is not available',
    { rollout: deployment({ ...well, availableReplicas: 0, conditions: [available('False', 'Minimum'), complete] }) },
    {},
    {
      DeploymentAvailable: 'False DeploymentUnavailable',
      DeploymentRollingOut: 'True PodsStarting',
      Available: 'False IngressControllerUnavailable',
      Progressing: 'False',
    },
  ],
  [
    'one of two replicas, as many as may be missing',
    { rollout: deployment({ ...well, availableReplicas: 1 }) },
    {},
    {
      DeploymentReplicasMinAvailable: 'True DeploymentMinimumReplicasMet',
      DeploymentReplicasAllAvailable: 'False DeploymentReplicasNotAvailable',
    },
  ],
  [
    'an old pod that has not ended, after the rollout',
    { rollout: deployment({ ...well, replicas: 3 }) },
    {},
    { DeploymentRollingOut: 'True ReplicasStabilizing', Progressing: 'False' },
  ],
  [
    'a rollout',
    { rollout: deployment({ ...well, replicas: 3, updatedReplicas: 1 }) },
    {},
    { DeploymentRollingOut: 'True DeploymentRollingOut', Progressing: 'True IngressControllerProgressing' },
  ],
  [
    'a load balancer without its Service',
    {},
    balancer,
    {
      LoadBalancerManaged: 'True WantedByEndpointPublishingStrategy',
      LoadBalancerReady: 'False ServiceNotFound',
      LoadBalancerProgressing: 'True NoService',
      Available: 'False IngressControllerUnavailable',
      Progressing: 'True IngressControllerProgressing',
    },
  ],
  [
    'a load balancer that is pending',
    { service: { metadata: {} } },
    balancer,
    { LoadBalancerReady: 'False LoadBalancerPending', LoadBalancerProgressing: 'False LoadBalancerNotProgressing' },
  ],
  [
    'a load balancer that fails',
    { service: { metadata: {} }, failure: 'no quota' },
    balancer,
    { LoadBalancerReady: 'False SyncLoadBalancerFailed' },
  ],
  [
    'a load balancer',
    { service },
    balancer,
    { LoadBalancerReady: 'True LoadBalancerProvisioned', Available: 'True', Degraded: 'False' },
  ],
  [
    'an internal load balancer of an unknown cloud',
    { service },
    { endpointPublishingStrategy: { type: 'LoadBalancerService', loadBalancer: { scope: 'Internal' } } },
    { LoadBalancerProgressing: 'True OperandsProgressing', Progressing: 'True IngressControllerProgressing' },
  ],
  [
    'an obstacle',
    { obstacle: { reason: 'ObjectMissing', message: 'ConfigMap a does not exist' } },
    {},
    { ConfigurationApplied: 'False ObjectMissing' },
  ],
  [
    'ignored fields',
    { ignored: ['spec.haproxyVersion: one'] },
    {},
    { FieldsIgnored: 'True NoEffect', Degraded: 'False' },
  ],
  [
    'a refused object without a router',
    { rollout: undefined },
    { domain: '' },
    { Admitted: 'False Invalid', Degraded: undefined },
  ],
];

describe('The status of an IngressController', () => {
  for (const [name, parts, spec, want] of rows) {
    it(`has the conditions of ${name}`, () => {
      const { conditions } = plan(parts, spec);
      for (const [type, words] of Object.entries(want)) assert.equal(find(conditions, type), words, type);
    });
  }

  const host = {
    endpointPublishingStrategy: {
      type: 'HostNetwork',
      hostNetwork: { httpPort: 8080, httpsPort: 8443, statsPort: 1937 },
    },
  };
  const unheld = (reason: string, message: string) => ({
    status: { conditions: [{ type: 'egress-router.io/AddressHeld', status: 'False', reason, message }] },
  });
  for (const [name, spec, one, ready, message] of [
    ['a held address', host, service, 'True LoadBalancerProvisioned', /provisioned/],
    ['a Service that does not exist', host, undefined, 'False ServiceNotFound', /missing/],
    ['no report of the ingress agent', host, {}, 'False LoadBalancerPending', /DaemonSet ingress-agent/],
    ['a full pool', host, unheld('AddressNotAssigned', 'full'), 'False AddressNotAssigned', /no address: full$/],
    ['a missing pool', balancer, unheld('AddressNotUsable', 'no'), 'False AddressNotUsable', /no address: no$/],
  ] as const) {
    it(`says whether nodes hold its virtual address: ${name}`, () => {
      const { conditions } = plan({ service: one }, spec, {}, { 'egress-router.io/address-pool': 'lan' });
      const isHost = spec === host;
      assert.equal(
        find(conditions, 'LoadBalancerManaged'),
        isHost ? 'True WantedByAddressPool' : 'True WantedByEndpointPublishingStrategy',
      );
      assert.equal(find(conditions, 'LoadBalancerReady'), ready);
      assert.match(textOf(conditions.find(({ type }) => type === 'LoadBalancerReady')?.message), message);
      assert.equal(find(conditions, 'Available')?.startsWith('True'), ready.startsWith('True'));
      assert.equal(find(conditions, 'DNSManaged'), 'False UnmanagedDNS');
    });
  }

  it('needs no annotation of a cloud for an internal address of a pool', () => {
    const internal = {
      endpointPublishingStrategy: { type: 'LoadBalancerService', loadBalancer: { scope: 'Internal' } },
    };
    const { conditions } = plan({ service }, internal, {}, { 'egress-router.io/address-pool': 'lan' });
    assert.equal(find(conditions, 'LoadBalancerProgressing'), 'False LoadBalancerNotProgressing');
  });

  it('describes the load balancer in use when another type is refused', () => {
    const status = { selector: 'a=b', endpointPublishingStrategy: { type: 'LoadBalancerService' }, conditions: [] };
    const { conditions } = plan({ service }, {}, status);
    assert.equal(find(conditions, 'Admitted'), 'False Invalid');
    assert.equal(find(conditions, 'LoadBalancerManaged'), 'True WantedByEndpointPublishingStrategy');
    assert.equal(find(conditions, 'LoadBalancerReady'), 'True LoadBalancerProvisioned');
  });

  for (const [type, status, seconds] of [
    ['Admitted', 'False', 0],
    ['ConfigurationApplied', 'False', 0],
    ['DeploymentAvailable', 'Unknown', 30],
    ['DeploymentReplicasMinAvailable', 'False', 60],
    ['DeploymentReplicasAllAvailable', 'False', 3600],
    ['LoadBalancerReady', 'False', 90],
  ] as const) {
    it(`is Degraded by ${type}=${status} after ${seconds} s`, () => {
      const spec = type === 'Admitted' ? { domain: '' } : type === 'LoadBalancerReady' ? balancer : {};
      const rollout =
        type === 'DeploymentAvailable'
          ? deployment({ ...well, conditions: [] })
          : type === 'DeploymentReplicasMinAvailable'
            ? deployment({ ...well, availableReplicas: 0 })
            : type === 'DeploymentReplicasAllAvailable'
              ? deployment({ ...well, availableReplicas: 1 })
              : deployment(well);
      const obstacle = type === 'ConfigurationApplied' ? { reason: 'Conflict', message: 'm' } : undefined;
      const since = (age: number) => new Date(at.getTime() - age * 1000).toISOString();
      const judge = (age: number) =>
        plan({ rollout, obstacle, service: {} }, spec, {
          selector: 'a=b',
          // The other conditions began just now.
          conditions: [{ type, status, reason: 'Old', lastTransitionTime: since(age) }],
        });
      assert.equal(find(judge(seconds).conditions, 'Degraded'), 'True DegradedConditions');
      if (seconds === 0) return;
      const before = judge(seconds - 1);
      assert.equal(find(before.conditions, 'Degraded'), 'False');
      assert.equal(before.next, 1000);
    });
  }

  it('names pods that cannot be scheduled', () => {
    const { conditions } = plan({ rollout: deployment({ ...well, availableReplicas: 0 }), pods: [unscheduled] });
    const { message } = conditions.find(({ type }) => type === 'DeploymentReplicasMinAvailable') ?? {};
    assert.match(
      textOf(message),
      /^0\/2 of replicas are available, max unavailable is 1: Some pods are not scheduled: Pod "router-default-1" cannot be scheduled: 0\/3 nodes Make sure/,
    );
  });

  it('counts the pods of a DaemonSet', () => {
    const daemonSet = (status: object) =>
      readRollout('DaemonSet', {
        metadata: { generation: 1 },
        spec: { updateStrategy: { rollingUpdate: { maxUnavailable: '25%' } } },
        status: { observedGeneration: 1, desiredNumberScheduled: 4, currentNumberScheduled: 4, ...status },
      });
    const good = plan({ rollout: daemonSet({ updatedNumberScheduled: 4, numberAvailable: 4 }) });
    assert.equal(find(good.conditions, 'Available'), 'True');
    assert.equal(good.patch?.availableReplicas, 4);
    const bad = plan({ rollout: daemonSet({ updatedNumberScheduled: 4, numberAvailable: 2 }) });
    assert.equal(find(bad.conditions, 'DeploymentAvailable'), 'False DeploymentUnavailable');
    assert.equal(find(bad.conditions, 'DeploymentReplicasMinAvailable'), 'False DeploymentMinimumReplicasNotMet');
    const none = plan({ rollout: daemonSet({ desiredNumberScheduled: 0, currentNumberScheduled: 0 }) });
    assert.equal(find(none.conditions, 'DeploymentAvailable'), 'False DeploymentUnavailable');
  });

  it('has the fields that clients read, and replaces old members', () => {
    const spec = { routeSelector: { matchLabels: { b: '2' } } };
    const before = { routeSelector: { matchLabels: { a: '1' } }, namespaceSelector: { matchLabels: { c: '3' } } };
    const { patch } = plan({}, spec, before);
    assert.ok(patch !== undefined);
    const { conditions: _conditions, tlsProfile, ...fields } = patch;
    assert.deepEqual(fields, {
      domain: 'apps.example.com',
      endpointPublishingStrategy: {
        type: 'HostNetwork',
        hostNetwork: { protocol: 'TCP', httpPort: 80, httpsPort: 443, statsPort: 1936 },
      },
      availableReplicas: 2,
      selector: 'ingresscontroller.operator.openshift.io/deployment-ingresscontroller=default',
      namespaceSelector: null,
      routeSelector: { matchLabels: { a: null, b: '2' } },
      observedGeneration: 1,
    });
    assert.deepEqual(tlsProfile, serveTlsProfile(chooseTlsProfile(undefined)));
    assert.equal(plan({ areSelectorsApplied: false }, spec, before).patch?.routeSelector, undefined);
  });

  it('keeps what the router serves when a change is refused', () => {
    const status = {
      selector: 'a=b',
      domain: 'old.example.com',
      endpointPublishingStrategy: { type: 'HostNetwork' },
      conditions: [],
    };
    const { patch, conditions } = plan({}, { endpointPublishingStrategy: { type: 'Private' } }, status);
    assert.equal(find(conditions, 'Admitted'), 'False Invalid');
    assert.equal(find(conditions, 'Degraded'), 'True DegradedConditions');
    assert.deepEqual([patch?.domain, patch?.endpointPublishingStrategy], [undefined, undefined]);
  });

  it('keeps the TLS profile of the pods until all have the new one', () => {
    assert.equal(plan({ rollout: deployment({ ...well, updatedReplicas: 1 }) }).patch?.tlsProfile, undefined);
  });

  it('is not written without a change', () => {
    const first = plan({});
    const status = { ...first.patch, conditions: first.conditions };
    assert.equal(plan({}, {}, status).patch, undefined);
    assert.notEqual(plan({ rollout: deployment({ ...well, availableReplicas: 1 }) }, {}, status).patch, undefined);
  });
});

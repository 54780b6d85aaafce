import assert from 'node:assert/strict';
import { type DefaultParts, planDefault } from '../../../../src/ingress/operator/default-object.ts';
import { refuseIngressController } from '../../../cluster/manifests/admission.ts';
import { readSample } from './samples.ts';

const domain = 'apps.cluster.test';
const nodes = (...ids: readonly (string | undefined)[]): object[] =>
  ids.map((providerID) => ({ spec: { providerID } }));

describe('the IngressController "default" that the operator creates', () => {
  const specOf = (parts: Partial<DefaultParts> = {}): unknown => {
    const plan = planDefault({ objects: [], nodes: nodes('k3s://a', undefined), domain, ...parts });
    if ('obstacle' in plan) return plan.obstacle;
    assert.deepEqual(refuseIngressController(plan.body), []);
    return (plan.body as { spec: object }).spec;
  };
  const balanced = {
    endpointPublishingStrategy: {
      type: 'LoadBalancerService',
      loadBalancer: { scope: 'External', dnsManagementPolicy: 'Managed' },
    },
  };

  it('has two replicas, or one on a cluster with one node', () => {
    assert.deepEqual(specOf(), { replicas: 2 });
    assert.deepEqual(specOf({ nodes: nodes(undefined) }), { replicas: 1 });
    assert.deepEqual(specOf({ nodes: [] }), { replicas: 2 });
  });

  for (const [id, isBalanced] of [
    ['aws:///eu-west-1a/i-0abc', true],
    ['azure:///subscriptions/x', true],
    ['gce://project/zone/name', true],
    ['ibm://1///c/w', true],
    ['openstack:///uuid', false],
    ['vsphere://uuid', false],
    ['kind://docker/kind/kind-control-plane', false],
    ['my-aws://x', false],
  ] as const) {
    it(`has ${isBalanced ? 'a load balancer' : 'ports of nodes'} on nodes of ${id.split(':')[0]}`, () => {
      const want = isBalanced ? { replicas: 2, ...balanced } : { replicas: 2 };
      assert.deepEqual(specOf({ nodes: nodes(undefined, id) }), want);
    });
  }

  it('is not created without a domain, or while another object has it', () => {
    assert.match(String(specOf({ domain: undefined })), /^no domain is known; set --ingress-domain/);
    const taken = /^IngressController other has the domain apps\.cluster\.test$/;
    assert.match(String(specOf({ objects: [readSample({ domain }, { name: 'other' })] })), taken);
    assert.match(String(specOf({ objects: [readSample({ domain: undefined }, { name: 'other' })] })), taken);
    assert.deepEqual(specOf({ objects: [readSample({}, { name: 'other' })] }), { replicas: 2 });
  });
});

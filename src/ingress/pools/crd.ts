import * as z from 'zod/mini';
import { type Remarks, remark, type StructuralSchema, toStructural } from '../../base/kubernetes/structural-schema.ts';
import { maxPoolEntries } from './pool.ts';
import { poolSpecSchema } from './schema.ts';

const selector = (path: string, description: string): Remarks => ({
  [path]: { description },
  [`${path}.matchLabels`]: { description: 'Labels with their values.' },
  [`${path}.matchExpressions`]: { description: 'Conditions on labels. All of them must be true.' },
  [`${path}.matchExpressions[].operator`]: { enum: ['In', 'NotIn', 'Exists', 'DoesNotExist'] },
});

const remarks: Remarks = {
  '': {
    description: 'Desired state of the pool.',
    'x-kubernetes-validations': [
      {
        rule: "!(has(self.interface) && self.interface != '' && has(self.subnet) && self.subnet != '')",
        message: 'interface and subnet exclude each other, because both select the interface',
      },
    ],
  },
  addresses: {
    minItems: 1,
    maxItems: maxPoolEntries,
    'x-kubernetes-list-type': 'set',
    description: 'Addresses, ranges such as "192.0.2.10-192.0.2.19", and networks such as "192.0.2.16/28".',
  },
  'addresses[]': { minLength: 1, maxLength: 100, pattern: '^[0-9a-fA-F.:]+([ ]*-[ ]*[0-9a-fA-F.:]+|/[0-9]{1,3})?$' },
  interface: {
    maxLength: 15,
    description: 'Interface that carries the addresses on the nodes. If absent, the one whose network contains them.',
  },
  subnet: { maxLength: 50, description: 'Network of the interface, for nodes whose interface names differ.' },
  namespaces: { description: 'Namespaces whose Gateways and Services may use the addresses. If absent, all of them.' },
  'namespaces.names': { maxItems: 1000, description: 'Names of namespaces.' },
  ...selector('namespaces.selector', 'Labels of namespaces.'),
  ...selector('nodeSelector', 'Labels of the nodes that may hold the addresses. If absent, all ingress nodes.'),
};

/** Returns the CustomResourceDefinition of IngressAddressPool: the parser's own schema. */
export function makePoolDefinition(): object {
  const column = (name: string, type: string, jsonPath: string) => ({ name, type, jsonPath });
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'ingressaddresspools.egress-router.io' },
    spec: {
      group: 'egress-router.io',
      scope: 'Cluster',
      names: {
        kind: 'IngressAddressPool',
        listKind: 'IngressAddressPoolList',
        plural: 'ingressaddresspools',
        singular: 'ingressaddresspool',
      },
      versions: [
        {
          name: 'v1alpha1',
          served: true,
          storage: true,
          subresources: { status: {} },
          additionalPrinterColumns: [
            column('Addresses', 'string', '.spec.addresses'),
            column('Assigned', 'integer', '.status.assigned'),
            column('Free', 'integer', '.status.free'),
            column('Ready', 'string', '.status.conditions[?(@.type=="Ready")].status'),
            column('Age', 'date', '.metadata.creationTimestamp'),
          ],
          schema: { openAPIV3Schema: makeSchema() },
        },
      ],
    },
  };
}

function makeSchema(): StructuralSchema {
  const spec = remark(toStructural(z.toJSONSchema(poolSpecSchema, { io: 'input' })), remarks, addOwn);
  return {
    type: 'object',
    description: 'Virtual addresses that the ingress nodes hold for the router, for Gateways and for Services.',
    required: ['spec'],
    properties: { spec, status },
  };
}

/** Objects other than maps of labels accept unknown fields. */
function addOwn(
  { additionalProperties, propertyNames: _names, ...part }: StructuralSchema,
  path: string,
): StructuralSchema {
  const isMap = path.endsWith('matchLabels');
  return { ...part, ...(isMap && { additionalProperties }), ...remarks[path] };
}

const status: StructuralSchema = {
  type: 'object',
  description: 'Observed state of the pool.',
  properties: {
    assigned: { type: 'integer', description: 'Number of addresses with an owner.' },
    free: { type: 'integer', description: 'Number of addresses without an owner.' },
    conditions: {
      type: 'array',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['type'],
      items: {
        type: 'object',
        required: ['type', 'status', 'reason', 'message', 'lastTransitionTime'],
        properties: {
          type: { type: 'string' },
          status: { type: 'string', enum: ['True', 'False', 'Unknown'] },
          reason: { type: 'string' },
          message: { type: 'string' },
          observedGeneration: { type: 'integer', format: 'int64' },
          lastTransitionTime: { type: 'string', format: 'date-time' },
        },
      },
    },
  },
};

const integer = (description: string): object => ({ type: 'integer', format: 'int32', description });
const text = (description: string): object => ({ type: 'string', description });
const open = (description: string): object => ({
  type: 'object',
  description,
  'x-kubernetes-preserve-unknown-fields': true,
});
const strings = { type: 'array', items: { type: 'string' }, 'x-kubernetes-list-type': 'atomic' };

/** Schema of the `status` of an IngressController. */
export const statusSchema = {
  type: 'object',
  description: 'Observed state of the router.',
  properties: {
    availableReplicas: integer('Pods that are ready for at least thirty seconds.'),
    selector: text('Label selector of the pods.'),
    domain: text('Domain that the router serves.'),
    endpointPublishingStrategy: open('Strategy in use, with defaults.'),
    tlsProfile: {
      type: 'object',
      description: 'TLS settings in effect on every pod.',
      properties: { ciphers: strings, groups: strings, minTLSVersion: { type: 'string' } },
    },
    namespaceSelector: open(
      'Selector in effect. The statuses of Routes that it excludes have no entry of this router.',
    ),
    routeSelector: open('Selector in effect. The statuses of Routes that it excludes have no entry of this router.'),
    observedGeneration: { type: 'integer', format: 'int64', description: 'Generation that the status describes.' },
    conditions: {
      type: 'array',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['type'],
      items: {
        type: 'object',
        required: ['type', 'status', 'lastTransitionTime'],
        properties: {
          type: { type: 'string' },
          status: { type: 'string', enum: ['True', 'False', 'Unknown'] },
          lastTransitionTime: { type: 'string', format: 'date-time', nullable: true },
          reason: { type: 'string' },
          message: { type: 'string' },
        },
      },
    },
  },
};

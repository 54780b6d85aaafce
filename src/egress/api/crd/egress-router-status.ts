const text = (description: string): object => ({ type: 'string', description });

/** `status` of an EgressRouter: OpenShift's conditions, and where each address is. */
export const statusSchema = {
  type: 'object',
  description: 'What became of it.',
  properties: {
    conditions: {
      type: 'array',
      description: 'Available, Progressing and Degraded.',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['type'],
      items: {
        type: 'object',
        required: ['type', 'status', 'lastTransitionTime'],
        properties: {
          type: { type: 'string', enum: ['Available', 'Progressing', 'Degraded'] },
          status: { type: 'string', enum: ['True', 'False', 'Unknown'] },
          lastTransitionTime: { type: 'string', format: 'date-time', nullable: true },
          reason: { type: 'string' },
          message: { type: 'string' },
          observedGeneration: {
            type: 'integer',
            description: 'Available tells of a generation once that is in force in every router.',
          },
        },
      },
    },
    routers: {
      type: 'array',
      description: 'The routers of the pool, in the order of spec.addresses.',
      items: {
        type: 'object',
        properties: {
          addresses: { type: 'array', description: 'Its addresses, one a family.', items: { type: 'string' } },
          state: {
            type: 'string',
            description: 'Changing: it serves, with an older configuration.',
            enum: ['Ready', 'Changing', 'NotReady'],
          },
          pod: text('Its pod.'),
          node: text('The node of its pod.'),
        },
      },
    },
    addresses: text('All addresses in one line.'),
    nodes: text('All nodes with a router in one line.'),
    configuredSince: {
      type: 'string',
      format: 'date-time',
      description: 'Since when the configuration is in force in every router.',
    },
    configuration: text('Which configuration that is: a digest for each router.'),
  },
};

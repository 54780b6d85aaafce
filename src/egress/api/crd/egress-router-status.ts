const time = (description: string): object => ({ type: 'string', format: 'date-time', description });

const text = (description: string): object => ({ type: 'string', description });

/** Schema of the `status` of an EgressRouter: OpenShift's conditions and the location of each address. */
export const statusSchema = {
  type: 'object',
  description: 'Observed state of the egress router.',
  properties: {
    conditions: {
      type: 'array',
      description: 'Conditions Available, Progressing and Degraded.',
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
            description:
              'Generation that the condition describes; Available describes a generation once every router has applied it.',
          },
        },
      },
    },
    routers: {
      type: 'array',
      description: 'Routers of the pool, in the order of spec.addresses.',
      items: {
        type: 'object',
        properties: {
          addresses: {
            type: 'array',
            description: 'Reserved addresses of the router, one per family.',
            items: { type: 'string' },
          },
          state: {
            type: 'string',
            description: 'Changing means that the router serves with an older configuration.',
            enum: ['Ready', 'Changing', 'NotReady'],
          },
          pod: text('Pod of the router.'),
          node: text('Node of the pod.'),
          image: text('Image of the pod. A running pod keeps its image when the controller is upgraded.'),
          outdated: {
            type: 'boolean',
            description:
              'True if new pods would get another image. Set the annotation egress-router.io/rollout of the EgressRouter to a new value to replace the pods, one at a time.',
          },
          names: {
            type: 'array',
            description:
              'DNS names of the destinations, as the node daemon of the pod reports them in the annotation egress-router.io/names. At most 64 per pod and 256 in all.',
            items: {
              type: 'object',
              properties: {
                name: text('DNS name.'),
                addresses: {
                  type: 'array',
                  description:
                    'Addresses that new connections go to, at most 16. Without any, the ports refuse connections.',
                  items: { type: 'string' },
                },
                moreAddresses: { type: 'integer', description: 'Number of further addresses.' },
                expires: time(
                  'Time at which the TTL of the answer ends. The daemon refreshes an answer before that; the status shows a later time when addresses or error change, and at the latest five minutes after the shown time. While error shows that no server answers, the addresses stay in use for --stale-time after it.',
                ),
                changed: time('Time of the last change of the addresses.'),
                error: text(
                  'Why there is no current answer, or why some addresses are not used. Absent if there is no problem.',
                ),
              },
            },
          },
          namesOmitted: {
            type: 'integer',
            description:
              'Number of names that are not listed, because the node daemon has not reported them or they are too many.',
          },
        },
      },
    },
    addresses: text('All addresses, for kubectl get.'),
    nodes: text('All nodes with a router, for kubectl get.'),
    names: text('How many DNS names of destinations have addresses in every router, for kubectl get.'),
    configuredSince: {
      type: 'string',
      format: 'date-time',
      description: 'Time since which every router has the current configuration applied.',
    },
    configuration: text('Digests of the applied configuration, one per router.'),
  },
};

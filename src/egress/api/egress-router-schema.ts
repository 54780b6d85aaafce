import * as z from 'zod/mini';
import { lazily } from '../../base/read/lazily.ts';
import { text } from '../../base/read/text.ts';
import { modeCure } from './interface-args.ts';

const portCure = 'must be a port from 1 to 65535';
const getPortSchema = lazily(() =>
  z.number(portCure).check(z.int(portCure), z.gte(1, portCure), z.lte(65535, portCure)),
);

const getRedirectRuleSchema = lazily(() =>
  z.object(
    {
      destinationIP: z.nullish(text('must be the IPv4 or IPv6 address of the destination')),
      destinationName: z.nullish(text('must be the DNS name of the destination')),
      port: getPortSchema(),
      protocol: text('must be TCP, UDP or SCTP'),
      targetPort: z.nullish(getPortSchema()),
    },
    'must be an object with destinationIP or destinationName, port and protocol',
  ),
);

/** Schema of the `spec` of an EgressRouter (network.operator.openshift.io/v1), as OpenShift documents it. */
export const getEgressRouterSpecSchema = lazily(() =>
  z.object(
    {
      addresses: z.array(
        z.object(
          {
            ip: text('must be an address such as "192.168.12.99/24"'),
            gateway: z.nullish(text('must be the address of the gateway')),
          },
          'must be an object with ip and gateway',
        ),
        'must be a list of objects with ip and gateway',
      ),
      mode: z.nullish(text('must be Redirect')),
      redirect: z.nullish(
        z.object(
          {
            redirectRules: z.nullish(z.array(getRedirectRuleSchema(), 'must be a list of rules')),
            fallbackIP: z.nullish(text('must be the IPv4 or IPv6 address of the destination')),
            fallbackName: z.nullish(text('must be the DNS name of the destination')),
            balance: z.nullish(text('must be RoundRobin or Source')),
          },
          'must be an object with redirectRules or fallbackIP',
        ),
      ),
      networkInterface: z.nullish(
        z.object(
          {
            macvlan: z.nullish(
              z.object(
                {
                  mode: z.nullish(text(modeCure)),
                  master: z.nullish(text('must be the name of a network interface of the node')),
                },
                'must be an object with mode and master',
              ),
            ),
          },
          'must be an object with macvlan',
        ),
      ),
    },
    'must be an EgressRouter or its spec',
  ),
);

import * as z from 'zod/mini';
import { addressRangeCure } from '../../base/model/address-range.ts';
import { text } from '../../base/read/text.ts';

const selector = (cure: string) =>
  z.nullish(
    z.object(
      {
        matchLabels: z.nullish(z.record(z.string(), z.string(), 'must be an object with string values')),
        matchExpressions: z.nullish(
          z.array(
            z.object(
              {
                key: text('must be the key of a label'),
                operator: text('must be In, NotIn, Exists or DoesNotExist'),
                values: z.nullish(z.array(text('must be a value of a label'), 'must be a list of values')),
              },
              'must be an object with key and operator',
            ),
            'must be a list of conditions',
          ),
        ),
      },
      cure,
    ),
  );

/** Schema of the spec of an IngressAddressPool, for the parser and the CustomResourceDefinition. */
export const poolSpecSchema = z.object(
  {
    addresses: z.array(text(addressRangeCure), 'must be a list of addresses, ranges and networks'),
    interface: z.nullish(text('must be the name of an interface of the nodes')),
    subnet: z.nullish(text('must be a network such as "192.0.2.0/24"')),
    namespaces: z.nullish(
      z.object(
        {
          names: z.nullish(z.array(text('must be the name of a namespace'), 'must be a list of namespaces')),
          selector: selector('must be a label selector'),
        },
        'must be an object with names or selector',
      ),
    ),
    nodeSelector: selector('must be a label selector'),
  },
  'must be the spec of an IngressAddressPool',
);

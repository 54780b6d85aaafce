import * as z from 'zod/mini';
import { type Address, parseAddress } from '../../base/model/address.ts';
import type { Parsed } from '../../base/model/problem.ts';
import type { Protocol } from '../../base/model/redirect.ts';
import { escapeUnprintable } from '../../base/model/text.ts';
import { type ObjectMeta, readMeta } from '../../base/read/object-meta.ts';
import { parseProtocol } from '../../base/read/parse-port.ts';
import { portNumber } from '../../base/read/port-number.ts';
import { ProblemList } from '../../base/read/problem-list.ts';
import { isRecord, type Readable, readShape } from '../../base/read/shape.ts';
import { showValue } from '../../base/read/show-value.ts';
import { text } from '../../base/read/text.ts';
import { explainEndpointAddress } from './endpoint-address.ts';

/** Whether an endpoint accepts connections (KEP-1672). */
export type EndpointState =
  | 'ready'
  /** Terminating but still serving: used if no endpoint is ready. */
  | 'draining'
  /** Gets no new connections; existing ones continue. */
  | 'unready';

/** One pod of a Service. */
export interface SliceEndpoint {
  readonly address: Address;
  readonly state: EndpointState;
  /** Its node, if known. */
  readonly node?: string;
  /** Kind and name of its object, usually a pod. */
  readonly target?: string;
}

/** One port of every endpoint in the slice. */
export interface SlicePort {
  /** Name of the Service's port; empty for a single unnamed port. */
  readonly name: string;
  readonly protocol: Protocol;
  /** 1–65535. */
  readonly port: number;
  /** Application protocol, such as `kubernetes.io/h2c` (KEP-3726). */
  readonly appProtocol?: string;
}

/** An EndpointSlice (discovery.k8s.io/v1). */
export interface EndpointSlice {
  readonly meta: ObjectMeta;
  /** `NAMESPACE/NAME` of its Service. Absent: it belongs to none. */
  readonly service?: string;
  readonly ports: readonly SlicePort[];
  readonly endpoints: readonly SliceEndpoint[];
  /** Some of the addresses that were ignored, each with the reason: `"127.0.0.1" (a loopback address)`. */
  readonly leftOut: readonly string[];
}

const flag = z.nullish(z.boolean('must be true or false'));

const endpointSchema = z.object(
  {
    addresses: z.array(text('must be an address'), 'must be a list of addresses'),
    conditions: z.nullish(
      z.object({ ready: flag, serving: flag, terminating: flag }, 'must be an object with ready, serving, terminating'),
    ),
    nodeName: z.nullish(text('must be the name of a node')),
    targetRef: z.nullish(
      z.object(
        { kind: z.nullish(text('must be a kind')), name: z.nullish(text('must be a name')) },
        'must be an object',
      ),
    ),
  },
  'must be an object with addresses',
);

const sliceSchema = z.object(
  {
    addressType: z.nullish(text('must be IPv4, IPv6 or FQDN')),
    ports: z.nullish(
      z.array(
        z.object(
          {
            name: z.nullish(text('must be the name of the port')),
            protocol: z.nullish(text('must be TCP, UDP or SCTP')),
            port: z.nullish(portNumber),
            appProtocol: z.nullish(text('must be a protocol such as "kubernetes.io/h2c"')),
          },
          'must be an object with port',
        ),
        'must be a list of ports',
      ),
    ),
    endpoints: z.nullish(z.array(endpointSchema, 'must be a list of endpoints')),
  },
  'must be an EndpointSlice',
);

type WrittenEndpoint = Readable<z.output<typeof endpointSchema>>;

/** The label that associates a slice with its Service (KEP-752). */
const serviceLabel = 'kubernetes.io/service-name';

/**
 * Parses an EndpointSlice. Slices of host names (`FQDN`) have no endpoints for a kernel. Addresses that no pod can
 * have are ignored individually: connections to them would reach the node itself, its broadcast address, or the
 * cloud's metadata service.
 */
export function parseEndpointSlice(input: unknown): Parsed<EndpointSlice> {
  const problems = new ProblemList();
  const meta = readMeta(input, problems);
  const slice = isRecord(input) ? readShape(sliceSchema, input, '', problems) : undefined;
  const isNames = slice?.addressType === 'FQDN';
  const endpoints: SliceEndpoint[] = [];
  const leftOut: string[] = [];
  if (isNames && (slice?.endpoints ?? []).length > 0) leftOut.push('all host names (addressType FQDN)');
  for (const endpoint of isNames ? [] : (slice?.endpoints ?? [])) {
    const read = endpoint && readEndpoint(endpoint, leftOut);
    if (read !== undefined) endpoints.push(read);
  }
  const ports: SlicePort[] = [];
  for (const [index, written] of (slice?.ports ?? []).entries()) {
    const protocol = parseProtocol(written?.protocol ?? 'TCP');
    if (protocol === undefined) {
      problems.add(`ports[${index}].protocol`, written?.protocol, 'must be TCP, UDP or SCTP');
    } else if (written?.port !== undefined) {
      const { name = '', port, appProtocol } = written;
      ports.push({ name, protocol, port, ...(appProtocol && { appProtocol }) });
    }
  }
  return problems.finish(() => {
    const { namespace, labels } = meta as ObjectMeta;
    const service = labels[serviceLabel];
    return {
      meta: meta as ObjectMeta,
      ...(service !== undefined && { service: `${namespace}/${service}` }),
      ports,
      endpoints,
      leftOut,
    };
  });
}

/** Maximum number of ignored addresses in a message. */
const maxLeftOut = 5;

function readEndpoint(written: WrittenEndpoint, leftOut: string[]): SliceEndpoint | undefined {
  // All addresses of one endpoint belong to the same pod; kube-proxy uses the first one, too.
  const first = written.addresses?.[0];
  if (first === undefined) return undefined;
  const address = parseAddress(first);
  const problem = address === undefined ? 'not an IP address' : explainEndpointAddress(address);
  if (address === undefined || problem !== undefined) {
    if (leftOut.length < maxLeftOut) leftOut.push(`${showValue(first, 48)} (${problem})`);
    return undefined;
  }
  const { conditions, nodeName, targetRef } = written;
  return {
    address,
    state: stateOf(conditions),
    ...(nodeName !== undefined && { node: nodeName }),
    ...(targetRef?.name && {
      target: escapeUnprintable(`${(targetRef.kind || 'Pod').toLowerCase()}:${targetRef.name}`),
    }),
  };
}

/**
 * An unknown condition means ready, and serving defaults to ready. A terminating endpoint is ready only if it says
 * so: then its Service publishes unready addresses on purpose.
 */
function stateOf(conditions: WrittenEndpoint['conditions']): EndpointState {
  const terminating = conditions?.terminating ?? false;
  if (conditions?.ready ?? !terminating) return 'ready';
  return terminating && (conditions?.serving ?? true) ? 'draining' : 'unready';
}

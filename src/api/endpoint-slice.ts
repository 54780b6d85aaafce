import * as z from 'zod/mini';
import { type Address, isLinkLocal, isUnusable, parseAddress } from '../model/address.ts';
import type { Parsed } from '../model/problem.ts';
import type { Protocol } from '../model/redirect.ts';
import { parseProtocol } from './destination.ts';
import { type ObjectMeta, readMeta } from './object-meta.ts';
import { portNumber } from './port-number.ts';
import { ProblemList } from './problem-list.ts';
import { isRecord, type Readable, readShape } from './shape.ts';
import { text } from './text.ts';

/** Whether an endpoint takes connections (KEP-1672). */
type EndpointState =
  | 'ready'
  /** Shutting down, but still answering: used when nothing is ready. */
  | 'draining'
  /** Takes no new connections; those it has go on. */
  | 'unready';

/** One pod behind a Service. */
interface SliceEndpoint {
  readonly address: Address;
  readonly state: EndpointState;
  /** The node it runs on, when that is known. */
  readonly node?: string;
}

/** One port that every endpoint of the slice has. */
export interface SlicePort {
  /** The name of the Service's port; empty for the only one. */
  readonly name: string;
  readonly protocol: Protocol;
  /** 1–65535. */
  readonly port: number;
}

/** An EndpointSlice (discovery.k8s.io/v1). */
export interface EndpointSlice {
  readonly meta: ObjectMeta;
  /** `NAMESPACE/NAME` of its Service; absent: nobody's. */
  readonly service?: string;
  readonly ports: readonly SlicePort[];
  readonly endpoints: readonly SliceEndpoint[];
}

const flag = z.nullish(z.boolean('must be true or false'));

const endpointSchema = z.object(
  {
    addresses: z.array(text('must be an address'), 'must be a list of addresses'),
    conditions: z.nullish(
      z.object({ ready: flag, serving: flag, terminating: flag }, 'must be an object with ready, serving, terminating'),
    ),
    nodeName: z.nullish(text('must be the name of a node')),
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

/** The label that ties a slice to its Service (KEP-752). */
const serviceLabel = 'kubernetes.io/service-name';

/**
 * Reads an EndpointSlice. Slices of host names (`FQDN`) have no endpoints for a kernel. Addresses
 * that no pod can have (loopback, link-local, multicast) are refused: connections sent there would
 * reach the node itself, or all of its network.
 */
export function parseEndpointSlice(input: unknown): Parsed<EndpointSlice> {
  const problems = new ProblemList();
  const meta = readMeta(input, problems);
  const slice = isRecord(input) ? readShape(sliceSchema, input, '', problems) : undefined;
  const isNames = slice?.addressType === 'FQDN';
  const endpoints: SliceEndpoint[] = [];
  for (const [index, endpoint] of (isNames ? [] : (slice?.endpoints ?? [])).entries()) {
    const read = endpoint && readEndpoint(endpoint, `endpoints[${index}]`, problems);
    if (read !== undefined) endpoints.push(read);
  }
  const ports: SlicePort[] = [];
  for (const [index, written] of (slice?.ports ?? []).entries()) {
    const protocol = parseProtocol(written?.protocol ?? 'TCP');
    if (protocol === undefined) {
      problems.add(`ports[${index}].protocol`, written?.protocol, 'must be TCP, UDP or SCTP');
    } else if (written?.port !== undefined) ports.push({ name: written.name ?? '', protocol, port: written.port });
  }
  return problems.finish(() => {
    const { namespace, labels } = meta as ObjectMeta;
    const service = labels[serviceLabel];
    return {
      meta: meta as ObjectMeta,
      ...(service !== undefined && { service: `${namespace}/${service}` }),
      ports,
      endpoints,
    };
  });
}

function readEndpoint(written: WrittenEndpoint, path: string, problems: ProblemList): SliceEndpoint | undefined {
  // All addresses of one endpoint are the same pod; kube-proxy takes the first one too.
  const first = written.addresses?.[0];
  const address = first === undefined ? undefined : parseAddress(first);
  if (address === undefined || isUnusable(address) || isLinkLocal(address)) {
    if (written.addresses !== undefined) {
      problems.add(`${path}.addresses[0]`, first, 'must be the IPv4 or IPv6 address of a pod');
    }
    return undefined;
  }
  const { conditions, nodeName } = written;
  return { address, state: stateOf(conditions), ...(nodeName !== undefined && { node: nodeName }) };
}

/**
 * Unknown is ready, and serving as long as nothing else is said. A terminating endpoint is ready only
 * when it says so itself: then its Service publishes unready addresses on purpose.
 */
function stateOf(conditions: WrittenEndpoint['conditions']): EndpointState {
  const terminating = conditions?.terminating ?? false;
  if (conditions?.ready ?? !terminating) return 'ready';
  return terminating && (conditions?.serving ?? true) ? 'draining' : 'unready';
}

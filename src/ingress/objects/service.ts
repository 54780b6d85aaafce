import * as z from 'zod/mini';
import { clusterNames } from '../../base/kubernetes/names.ts';
import { type Address, type Family, parseAddress } from '../../base/model/address.ts';
import type { Parsed } from '../../base/model/problem.ts';
import type { Protocol } from '../../base/model/redirect.ts';
import { type ObjectMeta, readMeta } from '../../base/read/object-meta.ts';
import { parseProtocol } from '../../base/read/parse-port.ts';
import { portNumber } from '../../base/read/port-number.ts';
import { ProblemList } from '../../base/read/problem-list.ts';
import { isRecord, readShape } from '../../base/read/shape.ts';
import { text } from '../../base/read/text.ts';
import { isEndpointAddress } from './endpoint-address.ts';

/** The parts of a Service (v1) that decide where connections go. Its endpoints are in EndpointSlices. */
export interface Service {
  readonly meta: ObjectMeta;
  /** Whether it is an alias of an external name, without endpoints. */
  readonly isExternalName: boolean;
  /** `externalTrafficPolicy: Local`: only endpoints on the node that the client connected to. */
  readonly localOnly: boolean;
  readonly ports: readonly ServicePort[];
  /** Its own addresses in the cluster. */
  readonly clusterAddresses: readonly Address[];
  /** Present for type LoadBalancer. */
  readonly balancer?: LoadBalancer;
  /** Its own address if `oc idle` has idled it. A connection to it unidles the Service. */
  readonly idled?: Address;
}

/** The part of a Service of type LoadBalancer that concerns its addresses. */
export interface LoadBalancer {
  /** `spec.loadBalancerClass`: the implementation that serves it. Absent: the default of the cluster. */
  readonly className?: string;
  readonly families: readonly Family[];
  /** `spec.loadBalancerIP`, if it is an address. */
  readonly asked?: Address;
  /** Addresses in `status.loadBalancer`. */
  readonly recorded: readonly Address[];
  /** The only pool that may assign its addresses. */
  readonly pool?: string;
}

/** A port of a Service. */
export interface ServicePort {
  /** As in its EndpointSlices; empty for a single unnamed port. */
  readonly name: string;
  readonly protocol: Protocol;
  /** 1–65535. */
  readonly port: number;
  /** Name or number of the endpoints' port, if set. */
  readonly targetPort?: string | number;
  /** Application protocol, such as `kubernetes.io/h2c` (KEP-3726). */
  readonly appProtocol?: string;
}

/** Returns whether an `appProtocol` means HTTP/2 without TLS, whose endpoints understand no HTTP/1.1. */
export function isHttp2(appProtocol: string | undefined): boolean {
  return appProtocol === 'h2c' || appProtocol === 'kubernetes.io/h2c';
}

/** Set on a Service without pods until a connection unidles it (OpenShift). */
export const idledAnnotation = 'idling.alpha.openshift.io/idled-at';

const specSchema = z.object(
  {
    type: z.nullish(text('must be the type of the Service, such as "ClusterIP"')),
    clusterIP: z.unknown(),
    clusterIPs: z.unknown(),
    ipFamilies: z.unknown(),
    loadBalancerClass: z.unknown(),
    loadBalancerIP: z.unknown(),
    externalTrafficPolicy: z.nullish(text('must be "Cluster" or "Local"')),
    ports: z.nullish(
      z.array(
        z.object(
          {
            name: z.nullish(text('must be the name of the port')),
            protocol: z.nullish(text('must be TCP, UDP or SCTP')),
            port: portNumber,
            targetPort: z.unknown(),
            appProtocol: z.nullish(text('must be a protocol such as "kubernetes.io/h2c"')),
          },
          'must be an object with port',
        ),
        'must be a list of ports',
      ),
    ),
  },
  'must be the spec of a Service',
);

/** Parses a Service. Fields that do not concern an ingress node are ignored. */
export function parseService(input: unknown): Parsed<Service> {
  const problems = new ProblemList();
  const meta = readMeta(input, problems);
  const spec = readShape(z.nullish(specSchema), isRecord(input) ? input.spec : undefined, 'spec', problems);
  const idled = readIdled(input, spec?.clusterIP);
  const own = Array.isArray(spec?.clusterIPs) ? spec.clusterIPs : [spec?.clusterIP];
  const clusterAddresses = own.flatMap(parseOne);
  const balancer = spec?.type === 'LoadBalancer' ? readBalancer(input, spec, clusterAddresses) : undefined;
  return problems.finish(() => ({
    meta: meta as ObjectMeta,
    ...(idled !== undefined && { idled }),
    isExternalName: spec?.type === 'ExternalName',
    localOnly: spec?.externalTrafficPolicy === 'Local',
    clusterAddresses,
    ...(balancer !== undefined && { balancer }),
    ports: (spec?.ports ?? []).flatMap((written) => {
      const protocol = parseProtocol(written?.protocol ?? 'TCP');
      // An unsupported protocol needs no message, because no request can use it.
      return protocol === undefined || written?.port === undefined
        ? []
        : [
            {
              name: written.name ?? '',
              protocol,
              port: written.port,
              ...readTargetPort(written.targetPort),
              ...(written.appProtocol && { appProtocol: written.appProtocol }),
            },
          ];
    }),
  }));
}

function parseOne(written: unknown): readonly Address[] {
  const address = typeof written === 'string' ? parseAddress(written) : undefined;
  return address === undefined ? [] : [address];
}

function readBalancer(
  input: unknown,
  spec: { readonly loadBalancerClass?: unknown; readonly loadBalancerIP?: unknown; readonly ipFamilies?: unknown },
  clusterAddresses: readonly Address[],
): LoadBalancer {
  const { loadBalancerClass: className, ipFamilies } = spec;
  const [asked] = parseOne(spec.loadBalancerIP);
  const written = Array.isArray(ipFamilies) ? ipFamilies : [];
  const families = ([4, 6] as const).filter(
    (family) => written.includes(`IPv${family}`) || clusterAddresses.some((one) => one.family === family),
  );
  const listed = balancerStatusOf(input);
  const pool = readAnnotation(input, clusterNames.addressPool);
  return {
    ...(typeof className === 'string' && { className }),
    families: families.length === 0 ? [4] : families,
    ...(asked !== undefined && { asked }),
    recorded: (Array.isArray(listed) ? listed : []).flatMap((one) => (isRecord(one) ? parseOne(one.ip) : [])),
    ...(pool !== undefined && { pool }),
  };
}

/** Returns `status.loadBalancer.ingress` as received, the only part of a Service's status that the agent reads. */
export function balancerStatusOf(input: unknown): unknown {
  const status = isRecord(input) && isRecord(input.status) ? input.status : {};
  return isRecord(status.loadBalancer) ? status.loadBalancer.ingress : undefined;
}

function readTargetPort(written: unknown): Pick<ServicePort, 'targetPort'> {
  return typeof written === 'string' || typeof written === 'number' ? { targetPort: written } : {};
}

function readIdled(input: unknown, clusterIp: unknown): Address | undefined {
  if (readAnnotation(input, idledAnnotation) === undefined || typeof clusterIp !== 'string') return undefined;
  const address = parseAddress(clusterIp);
  return address !== undefined && isEndpointAddress(address) ? address : undefined;
}

/** Returns the value of an annotation. Undefined if it is absent or empty. */
function readAnnotation(input: unknown, key: string): string | undefined {
  const metadata = isRecord(input) && isRecord(input.metadata) ? input.metadata : {};
  const value = isRecord(metadata.annotations) ? metadata.annotations[key] : undefined;
  return typeof value === 'string' && value !== '' ? value : undefined;
}

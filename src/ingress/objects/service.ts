import * as z from 'zod/mini';
import { type Address, parseAddress } from '../../base/model/address.ts';
import type { Parsed } from '../../base/model/problem.ts';
import type { Protocol } from '../../base/model/redirect.ts';
import { type ObjectMeta, readMeta } from '../../base/read/object-meta.ts';
import { parseProtocol } from '../../base/read/parse-port.ts';
import { portNumber } from '../../base/read/port-number.ts';
import { ProblemList } from '../../base/read/problem-list.ts';
import { isRecord, readShape } from '../../base/read/shape.ts';
import { text } from '../../base/read/text.ts';
import { isEndpointAddress } from './endpoint-address.ts';

/** A Service (v1), as far as it decides where connections go; the endpoints are in its EndpointSlices. */
export interface Service {
  readonly meta: ObjectMeta;
  /** An alias of a name elsewhere: it has no endpoints. */
  readonly isExternalName: boolean;
  /** `externalTrafficPolicy: Local`: only endpoints of the node that the client reached. */
  readonly localOnly: boolean;
  readonly ports: readonly ServicePort[];
  /** It was idled by `oc idle`: its own address, by which a connection wakes it. */
  readonly idled?: Address;
}

/** A port of a Service. */
export interface ServicePort {
  /** As in its EndpointSlices; empty for the only one. */
  readonly name: string;
  readonly protocol: Protocol;
  /** 1–65535. */
  readonly port: number;
  /** Name or number of the endpoints' port, where it is written. */
  readonly targetPort?: string | number;
}

/** Written on a Service that has no pods until somebody wants it (OpenShift's unidling). */
export const idledAnnotation = 'idling.alpha.openshift.io/idled-at';

const specSchema = z.object(
  {
    type: z.nullish(text('must be the type of the Service, such as "ClusterIP"')),
    clusterIP: z.unknown(),
    externalTrafficPolicy: z.nullish(text('must be "Cluster" or "Local"')),
    ports: z.nullish(
      z.array(
        z.object(
          {
            name: z.nullish(text('must be the name of the port')),
            protocol: z.nullish(text('must be TCP, UDP or SCTP')),
            port: portNumber,
            targetPort: z.unknown(),
          },
          'must be an object with port',
        ),
        'must be a list of ports',
      ),
    ),
  },
  'must be the spec of a Service',
);

/** Reads a Service. Keys that do not concern an ingress node are not looked at. */
export function parseService(input: unknown): Parsed<Service> {
  const problems = new ProblemList();
  const meta = readMeta(input, problems);
  const spec = readShape(z.nullish(specSchema), isRecord(input) ? input.spec : undefined, 'spec', problems);
  const idled = readIdled(input, spec?.clusterIP);
  return problems.finish(() => ({
    meta: meta as ObjectMeta,
    ...(idled !== undefined && { idled }),
    isExternalName: spec?.type === 'ExternalName',
    localOnly: spec?.externalTrafficPolicy === 'Local',
    ports: (spec?.ports ?? []).flatMap((written) => {
      const protocol = parseProtocol(written?.protocol ?? 'TCP');
      // A protocol that is none of ours needs no message: nothing can be asked for by it.
      return protocol === undefined || written?.port === undefined
        ? []
        : [{ name: written.name ?? '', protocol, port: written.port, ...readTargetPort(written.targetPort) }];
    }),
  }));
}

function readTargetPort(written: unknown): Pick<ServicePort, 'targetPort'> {
  return typeof written === 'string' || typeof written === 'number' ? { targetPort: written } : {};
}

function readIdled(input: unknown, clusterIp: unknown): Address | undefined {
  const metadata = isRecord(input) && isRecord(input.metadata) ? input.metadata : {};
  const since = isRecord(metadata.annotations) ? metadata.annotations[idledAnnotation] : undefined;
  if (typeof since !== 'string' || since === '' || typeof clusterIp !== 'string') return undefined;
  const address = parseAddress(clusterIp);
  return address !== undefined && isEndpointAddress(address) ? address : undefined;
}

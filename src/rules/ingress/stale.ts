import type { IngressPort } from '../../model/ingress.ts';
import type { Protocol } from '../../model/redirect.ts';

/** A tracked connection to an open port, as far as it matters here. */
export interface TrackedConnection {
  readonly protocol: Protocol;
  /** The node's port. */
  readonly port: number;
  /** The endpoint that answers, `ADDRESS PORT`; undefined where the connection was not translated. */
  readonly endpoint?: string;
  readonly established: boolean;
}

/**
 * Tells which tracked connections a change of ports leaves without a way, from the ports that changed. TCP that is established stays: its
 * endpoint may be finishing. What is half open to an endpoint that went, and all UDP to it, must go,
 * or the client's next packets would go there still; and so must UDP that came before its port had
 * any endpoint, which would never be translated.
 */
export function selectStale(
  from: readonly IngressPort[] | undefined,
  to: readonly IngressPort[],
): (connection: TrackedConnection) => boolean {
  const before = endpointsByPort(from ?? []);
  const after = endpointsByPort(to);
  return ({ protocol, port, endpoint, established }) => {
    const key = `${protocol} ${port}`;
    const known = before.get(key);
    const wanted = after.get(key);
    // A port that the change is not about. After a start nothing is known, and all ports are.
    if (from !== undefined && known === undefined && wanted === undefined) return false;
    if (endpoint === undefined) return protocol !== 'tcp' && known?.served !== true && wanted?.served === true;
    // Nothing is known after a restart: whatever is not wanted now is stale.
    const gone = wanted?.endpoints.has(endpoint) !== true;
    return gone && !(protocol === 'tcp' && established);
  };
}

interface PortEndpoints {
  /** `ADDRESS PORT` of each, also of those with weight 0: they get nothing new, and keep what they have. */
  readonly endpoints: ReadonlySet<string>;
  readonly served: boolean;
}

function endpointsByPort(ports: readonly IngressPort[]): Map<string, PortEndpoints> {
  return new Map(
    ports.map(({ protocol, port, endpoints }) => [
      `${protocol} ${port}`,
      {
        endpoints: new Set(endpoints.map((one) => `${one.address.text} ${one.port}`)),
        served: endpoints.some(({ weight }) => weight > 0),
      },
    ]),
  );
}

import type { IngressPort } from '../../model/ingress.ts';
import type { Protocol } from '../../model/redirect.ts';

/** A tracked connection to an open port, as far as it matters here. */
export interface TrackedConnection {
  readonly protocol: Protocol;
  /** The node's port. */
  readonly port: number;
  /** The endpoint that answers, `ADDRESS PORT`. */
  readonly endpoint: string;
  readonly established: boolean;
}

/** What should become of a tracked connection. */
export type Verdict =
  | 'keep'
  /** Its endpoint is gone, but may be finishing: forgotten when the drain time is over. */
  | 'drain'
  /** The client's next packet would go to a place where nobody answers. */
  | 'forget';

/**
 * Judges tracked connections by the open ports. TCP that is established may go on for a while when
 * its endpoint goes; what is half open, and UDP, would be sent there for ever. UDP leaves an endpoint
 * that gets nothing new as soon as there is another.
 */
export function judgeConnections(ports: Iterable<IngressPort>): (connection: TrackedConnection) => Verdict {
  const wanted = new Map<string, { readonly all: ReadonlySet<string>; readonly active: ReadonlySet<string> }>();
  for (const { protocol, port, endpoints } of ports) {
    const place = ({ address, port: target }: (typeof endpoints)[number]): string => `${address.text} ${target}`;
    wanted.set(`${protocol} ${port}`, {
      all: new Set(endpoints.map(place)),
      active: new Set(endpoints.filter(({ weight }) => weight > 0).map(place)),
    });
  }
  return ({ protocol, port, endpoint, established }) => {
    const known = wanted.get(`${protocol} ${port}`);
    if (known?.all.has(endpoint) === true) {
      const isIdle = known.active.size > 0 && !known.active.has(endpoint);
      return protocol === 'udp' && isIdle ? 'forget' : 'keep';
    }
    return protocol === 'tcp' && established ? 'drain' : 'forget';
  };
}

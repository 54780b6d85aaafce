import type { GatewayListener } from './listener.ts';
import { NameIndex } from './name-index.ts';

/** Why two listeners at one address exclude each other. */
export type ListenerClash = 'ProtocolConflict' | 'HostnameConflict';

/** Protocols that can share a port: their listeners differ in hostname. */
const families = { http: 'http', https: 'tls', tls: 'tls', tcp: 'tcp', udp: 'udp' } as const;

type Family = (typeof families)[keyof typeof families];

/** Listeners at one address that can be searched for those that exclude another one, without comparing each. */
export class ListenerIndex {
  /** Number of listeners by hostname, by family, by port. UDP and TCP ports are separate. */
  readonly #ports = new Map<string, Map<Family, Map<string, number>>>();

  constructor(listeners: Iterable<GatewayListener> = []) {
    for (const one of listeners) this.add(one);
  }

  add(listener: GatewayListener): void {
    const key = portKeyOf(listener);
    const port = this.#ports.get(key) ?? new Map<Family, Map<string, number>>();
    this.#ports.set(key, port);
    const family = families[listener.protocol];
    const names = port.get(family) ?? new Map<string, number>();
    port.set(family, names);
    const name = nameOf(listener);
    names.set(name, (names.get(name) ?? 0) + 1);
  }

  /**
   * Returns why one of these listeners excludes another one: by protocol, or by hostname. Undefined: none does.
   *
   * @param isIncluded whether the listener itself is one of these
   */
  findClash(listener: GatewayListener, isIncluded = false): ListenerClash | undefined {
    if (this.hasOtherFamily(listener)) return 'ProtocolConflict';
    const same = this.#ports.get(portKeyOf(listener))?.get(families[listener.protocol]);
    if ((same?.get(nameOf(listener)) ?? 0) <= (isIncluded ? 1 : 0)) return undefined;
    return isForPort(listener) ? 'ProtocolConflict' : 'HostnameConflict';
  }

  /** Returns whether one of these listeners has the same port and a protocol that cannot share it with hostnames. */
  hasOtherFamily(listener: GatewayListener): boolean {
    const port = this.#ports.get(portKeyOf(listener));
    return port !== undefined && port.size > (port.has(families[listener.protocol]) ? 1 : 0);
  }
}

/** Returns the HTTPS listeners that have names in common with another one on their port. */
export function findOverlapping(listeners: readonly GatewayListener[]): ReadonlySet<GatewayListener> {
  const overlapping = new Set<GatewayListener>();
  const secure = listeners.filter(({ protocol }) => protocol === 'https');
  // In both directions, because a listener must not be compared with itself.
  for (const list of [secure, secure.toReversed()]) {
    const names = new Map<number, NameIndex>();
    for (const listener of list) {
      const { port } = listener;
      const hostname = 'hostname' in listener ? listener.hostname : undefined;
      const known = names.get(port) ?? new NameIndex();
      names.set(port, known);
      if (known.meets(hostname)) overlapping.add(listener);
      known.add(hostname);
    }
  }
  return overlapping;
}

function portKeyOf({ protocol, port }: GatewayListener): string {
  return `${protocol === 'udp' ? 'udp' : 'tcp'} ${port}`;
}

function isForPort({ protocol }: GatewayListener): boolean {
  return protocol === 'tcp' || protocol === 'udp';
}

/** The name of a listener among those that share a port; empty for every name. */
function nameOf(listener: GatewayListener): string {
  return 'hostname' in listener ? (listener.hostname ?? '') : '';
}

import type { Family } from '../../base/model/address.ts';
import { fallbackOf, type Protocol } from '../../base/model/redirect.ts';
import { parseDestination } from '../api/destination.ts';
import type { AttachmentSpec } from '../model/attachment.ts';
import type { AttachmentState, RememberedRedirects } from '../model/state.ts';
import { PlanError } from './error.ts';

/** A port that an attachment redirects for clients of a family. */
interface Taken {
  readonly family: Family;
  readonly protocol: Protocol;
  readonly port: number;
}

/** Ports that an attachment redirects. */
interface Ports {
  readonly ports: readonly Taken[];
  /** Families with a fallback, which redirects every port. */
  readonly fallbacks: readonly Family[];
}

/**
 * Rejects ports that another attachment of the pod redirects: clients reach both at the same address, so one of the
 * two redirects would have no effect. Throws {@link PlanError}.
 */
export function refuseOverlap(
  spec: Pick<AttachmentSpec, 'reserved' | 'redirects'>,
  others: readonly AttachmentState[],
): void {
  const wanted = listWanted(spec);
  for (const other of others) {
    const taken = listTaken(other);
    const keys = new Set(taken.ports.map(keyOf));
    const rival = wanted.ports.find((port) => keys.has(keyOf(port)) || taken.fallbacks.includes(port.family));
    if (rival !== undefined) {
      const why = keys.has(keyOf(rival)) ? 'redirects this port, too' : 'has a fallback, which redirects every port';
      throw new PlanError(
        'configuration',
        `ip.destinations: ${rival.port}/${rival.protocol}: attachment ${other.link} of this pod ${why}; ` +
          'use another port, or another pod',
      );
    }
    const family = wanted.fallbacks.find(
      (one) => taken.fallbacks.includes(one) || taken.ports.some((port) => port.family === one),
    );
    if (family === undefined) continue;
    throw new PlanError(
      'configuration',
      `ip.fallbackIP: redirects every port, but attachment ${other.link} of this pod redirects IPv${family} ports, too; ` +
        'use another pod',
    );
  }
}

function keyOf({ family, protocol, port }: Taken): string {
  return `${family} ${protocol} ${port}`;
}

function listWanted({ reserved, redirects }: Pick<AttachmentSpec, 'reserved' | 'redirects'>): Ports {
  const families = reserved.map(({ prefix }) => prefix.address.family);
  const { redirects: all, named = [], fallbackName } = redirects;
  return {
    ports: [
      ...all.map(({ target, protocol, port }) => ({ family: target.family, protocol, port })),
      ...named.flatMap(({ protocol, port }) => families.map((family) => ({ family, protocol, port }))),
    ],
    fallbacks: families.filter((family) => fallbackName !== undefined || fallbackOf(redirects, family) !== undefined),
  };
}

function listTaken({ router, pending, addresses }: AttachmentState): Ports {
  const families = addresses.map(({ address }) => address.family);
  // An older version did not record its redirects. An interrupted change may have installed the pending ones.
  const all = [router, pending].flatMap((one) => (one === undefined ? [] : [listRemembered(one, families)]));
  return { ports: all.flatMap(({ ports }) => ports), fallbacks: all.flatMap(({ fallbacks }) => fallbacks) };
}

function listRemembered(
  { destinations, fallbacks, fallbackName }: RememberedRedirects,
  families: readonly Family[],
): Ports {
  return {
    ports: destinations.flatMap((text): Taken[] => {
      const read = parseDestination(text);
      if (read.kind !== 'redirect' && read.kind !== 'named') return [];
      const { protocol, port } = read.redirect;
      const own = read.kind === 'redirect' ? [read.redirect.target.family] : families;
      return own.map((family) => ({ family, protocol, port }));
    }),
    fallbacks: fallbackName === undefined ? fallbacks.map(({ family }) => family) : families,
  };
}

import type { Family } from '../../base/model/address.ts';
import { fallbackOf } from '../../base/model/redirect.ts';
import { parseDestination } from '../api/destination.ts';
import type { AttachmentSpec } from '../model/attachment.ts';
import type { AttachmentState } from '../model/state.ts';
import { PlanError } from './error.ts';

/** Ports that an attachment redirects. */
interface Ports {
  /** `4 tcp 8080`. */
  readonly keys: ReadonlySet<string>;
  /** Families with a fallback, which redirects every port. */
  readonly fallbacks: ReadonlySet<Family>;
}

/**
 * Rejects ports that another attachment of the pod redirects: clients reach both at the same address, so one of the
 * two redirects would have no effect. Throws {@link PlanError}.
 */
export function refuseOverlap({ redirects }: AttachmentSpec, others: readonly AttachmentState[]): void {
  for (const other of others) {
    const taken = listPorts(other);
    if (taken === undefined) continue;
    for (const [index, { protocol, port, target }] of redirects.redirects.entries()) {
      const isSame = taken.keys.has(`${target.family} ${protocol} ${port}`);
      if (!isSame && !taken.fallbacks.has(target.family)) continue;
      const why = isSame ? 'redirects this port, too' : 'has a fallback, which redirects every port';
      throw new PlanError(
        'configuration',
        `ip.destinations[${index}] "${port} ${protocol.toUpperCase()} …": attachment ${other.link} of this pod ${why}; ` +
          'use another port, or another pod',
      );
    }
    for (const family of [4, 6] as const) {
      const isTaken = taken.fallbacks.has(family) || [...taken.keys].some((key) => key.startsWith(`${family} `));
      if (fallbackOf(redirects, family) === undefined || !isTaken) continue;
      throw new PlanError(
        'configuration',
        `ip.fallbackIP: redirects every port, but attachment ${other.link} of this pod redirects IPv${family} ports, too; ` +
          'use another pod',
      );
    }
  }
}

function listPorts({ router }: AttachmentState): Ports | undefined {
  // An older version did not record its redirects.
  if (router === undefined) return undefined;
  const keys = router.destinations.flatMap((text) => {
    const read = parseDestination(text);
    if (read.kind !== 'redirect') return [];
    const { target, protocol, port } = read.redirect;
    return [`${target.family} ${protocol} ${port}`];
  });
  return { keys: new Set(keys), fallbacks: new Set(router.fallbacks.map(({ family }) => family)) };
}

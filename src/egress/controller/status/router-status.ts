import { isRecord } from '../../../base/read/shape.ts';
import { isOutdated, isSettled, type MemberSituation, servingPod } from './conditions.ts';

/** The part of `status` other than conditions: each address with its node and state. */
export interface RouterSummary {
  /** One entry per router of the pool, in the order of `spec.addresses`. */
  readonly routers: readonly MemberSummary[];
  /** All addresses and nodes in one line, for `kubectl get`. */
  readonly addresses: string;
  readonly nodes: string;
  /** Since when the configuration has been applied everywhere; RFC 3339, UTC. */
  readonly configuredSince?: string;
  /** Digest of that configuration. */
  readonly configuration?: string;
}

interface MemberSummary {
  readonly addresses: readonly string[];
  readonly state: 'Ready' | 'Changing' | 'NotReady';
  readonly pod?: string;
  readonly node?: string;
  readonly image?: string;
  /** Present only if true. */
  readonly outdated?: true;
}

/**
 * Returns the part of a router's status for people and printer columns.
 *
 * @param before `status` as received
 * @param now RFC 3339, UTC
 */
export function summarize(members: readonly MemberSituation[], before: unknown, now: string): RouterSummary {
  const routers = members.map((member): MemberSummary => {
    const serving = servingPod(member);
    const pod = serving ?? member.pods.find(({ isEnding }) => !isEnding);
    return {
      addresses: member.addresses,
      state: serving === undefined ? 'NotReady' : isSettled(member) ? 'Ready' : 'Changing',
      ...(pod !== undefined && { pod: pod.name }),
      ...(pod?.node !== undefined && { node: pod.node }),
      ...(pod?.image !== undefined && { image: pod.image }),
      ...(isOutdated(member, pod) && { outdated: true as const }),
    };
  });
  const isInForce = members.length > 0 && members.every(isSettled);
  const configuration = digest(members);
  const { configuredSince, configuration: known } = isRecord(before) ? before : {};
  const isSame = known === configuration && typeof configuredSince === 'string';
  return {
    routers,
    addresses: routers.map(({ addresses }) => addresses.join('+')).join(', '),
    nodes: [...new Set(routers.flatMap(({ node }) => node ?? []))].join(', '),
    // Until it is applied everywhere, the previous values are kept, because they describe the applied configuration.
    ...(isInForce
      ? { configuredSince: isSame ? configuredSince : now, configuration }
      : typeof configuredSince === 'string' && typeof known === 'string' && { configuredSince, configuration: known }),
  };
}

/** Identifies the configuration of all members. */
function digest(members: readonly MemberSituation[]): string {
  return members.map(({ configuration }) => configuration).join();
}

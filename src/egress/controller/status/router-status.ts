import { isRecord } from '../../../base/read/shape.ts';
import { type NameReport, readNameReports } from '../../api/name-report.ts';
import type { RouterPod } from '../failover/pods.ts';
import { egressInterface } from '../objects/configuration.ts';
import { isOutdated, isSettled, type MemberSituation, servingPod } from './conditions.ts';

/** The part of `status` other than conditions: each address with its node and state. */
export interface RouterSummary {
  /** One entry per router of the pool, in the order of `spec.addresses`. */
  readonly routers: readonly MemberSummary[];
  /** All addresses and nodes in one line, for `kubectl get`. */
  readonly addresses: string;
  readonly nodes: string;
  /** How many names of destinations have addresses, for `kubectl get`. Absent if there are none. */
  readonly names?: string;
  /** Since when the configuration has been applied everywhere; RFC 3339, UTC. */
  readonly configuredSince?: string;
  /** Digest of that configuration. */
  readonly configuration?: string;
}

interface MemberSummary {
  readonly addresses: readonly string[];
  /** Names of destinations, in the order of the specification. Present if the daemon reported any. */
  readonly names?: readonly NameReport[];
  /** Number of names that are not in `names`: not reported yet, or too many. Present unless 0. */
  readonly namesOmitted?: number;
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
  const pods = members.map((member) => servingPod(member) ?? member.pods.find(({ isEnding }) => !isEnding));
  const reports = members.map(({ destinationNames = [] }, index) =>
    destinationNames.length === 0 ? new Map<string, NameReport>() : readReports(pods[index] ?? {}),
  );
  const names = countResolved(members, reports);
  let room = mostNames;
  const routers = members.map((member, index): MemberSummary => {
    const serving = servingPod(member);
    const pod = pods[index];
    const named = summarizeNames(member, reports[index] ?? new Map(), room);
    room -= named.names?.length ?? 0;
    return {
      addresses: member.addresses,
      state: serving === undefined ? 'NotReady' : isSettled(member) ? 'Ready' : 'Changing',
      ...(pod !== undefined && { pod: pod.name }),
      ...(pod?.node !== undefined && { node: pod.node }),
      ...(pod?.image !== undefined && { image: pod.image }),
      ...(isOutdated(member, pod) && { outdated: true as const }),
      ...named,
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
    ...(names !== undefined && { names }),
    // Until it is applied everywhere, the previous values are kept, because they describe the applied configuration.
    ...(isInForce
      ? { configuredSince: isSame ? configuredSince : now, configuration }
      : typeof configuredSince === 'string' && typeof known === 'string' && { configuredSince, configuration: known }),
  };
}

/** Maximum number of names in the status of an EgressRouter: an object may have a megabyte. */
const mostNames = 256;

/** Returns the names of a member, as many as there is room for. */
function summarizeNames(
  { destinationNames = [] }: MemberSituation,
  reported: ReadonlyMap<string, NameReport>,
  room: number,
): Pick<MemberSummary, 'names' | 'namesOmitted'> {
  if (destinationNames.length === 0) return {};
  // Only names of the specification: any author of the pod can forge the report.
  const names = destinationNames.flatMap((name) => reported.get(name) ?? []).slice(0, Math.max(0, room));
  const namesOmitted = destinationNames.length - names.length;
  return { ...(names.length > 0 && { names }), ...(namesOmitted > 0 && { namesOmitted }) };
}

/** A name counts if every router of the pool has an address of it. */
function countResolved(
  members: readonly MemberSituation[],
  reports: readonly ReadonlyMap<string, NameReport>[],
): string | undefined {
  const names = [...new Set(members.flatMap(({ destinationNames = [] }) => destinationNames))];
  if (names.length === 0) return undefined;
  const isResolved = (name: string): boolean =>
    members.every(
      (member, index) => servingPod(member) !== undefined && (reports[index]?.get(name)?.addresses.length ?? 0) > 0,
    );
  return `${names.filter(isResolved).length} of ${names.length} resolved`;
}

/** Returns the reports about a pod's router by name. */
function readReports({ nameReports }: Pick<RouterPod, 'nameReports'>): ReadonlyMap<string, NameReport> {
  return new Map(
    readNameReports(nameReports)
      .get(egressInterface)
      ?.map((report) => [report.name, report]),
  );
}

/** Identifies the configuration of all members. */
function digest(members: readonly MemberSituation[]): string {
  return members.map(({ configuration }) => configuration).join();
}

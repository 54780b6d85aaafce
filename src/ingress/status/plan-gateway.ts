import { isDeepStrictEqual } from 'node:util';
import {
  type ConditionContext,
  mergeConditions,
  mergeEntries,
  readRecords,
  writeTime,
} from '../../base/kubernetes/conditions.ts';
import type { SeenObject, StatusChange } from '../../base/kubernetes/status-writer.ts';
import { parseAddress } from '../../base/model/address.ts';
import type { GatewayClassReport, GatewayReport, ListenerSetReport, RouteReport } from '../gateway/gateway-status.ts';
import type { PolicyReport } from '../gateway/policy-status.ts';

type Status = SeenObject['status'];

const group = 'gateway.networking.k8s.io';

/** Types of conditions of this controller. Other types belong to other controllers and are preserved. */
const ownTypes: ReadonlySet<unknown> = new Set([
  'Accepted',
  'SupportedVersion',
  'Programmed',
  'ResolvedRefs',
  'Conflicted',
  'PartiallyInvalid',
  'OverlappingTLSConfig',
  'InsecureFrontendValidationMode',
]);

/**
 * Returns the status change of a GatewayClass. Undefined for a class of another controller, which has no report, and
 * as long as `select` does not know which features the cluster allows.
 */
export function planGatewayClass(
  report: GatewayClassReport | undefined,
  { status }: Pick<SeenObject, 'status'>,
  select: (features: readonly string[]) => readonly string[] | undefined,
  now: Date,
): StatusChange | undefined {
  const features = report && select(report.supportedFeatures);
  if (report === undefined || features === undefined) return undefined;
  const next = {
    conditions: mergeConditions(report.conditions, status.conditions, contextOf(report.generation, now)),
    supportedFeatures: features.map((name) => ({ name })),
  };
  return compare(next, status);
}

/** Returns the status change of a Gateway. Undefined for a Gateway of another controller, which has no report. */
export function planGateway(
  report: GatewayReport | undefined,
  { status }: Pick<SeenObject, 'status'>,
  now: Date,
): StatusChange | undefined {
  if (report === undefined) return undefined;
  const context = contextOf(report.generation, now);
  const next = {
    addresses: report.addresses.map((value) => ({ type: typeOfAddress(value), value })),
    conditions: mergeConditions(report.conditions, status.conditions, context),
    listeners: writeListeners(report.listeners, status, context),
    ...((report.attachedSets > 0 || status.attachedListenerSets !== undefined) && {
      attachedListenerSets: report.attachedSets,
    }),
  };
  return compare(next, status);
}

function writeListeners(listeners: GatewayReport['listeners'], status: Status, context: ConditionContext) {
  const seen = readRecords(status.listeners);
  return listeners.map(({ name, kinds, attachedRoutes, conditions }) => ({
    name,
    supportedKinds: kinds.map((kind) => ({ group, kind })),
    attachedRoutes,
    conditions: mergeConditions(conditions, seen.find((one) => one.name === name)?.conditions, context),
  }));
}

/** Returns the status change of a ListenerSet. Undefined for one of another controller, which has no report. */
export function planListenerSet(
  report: ListenerSetReport | undefined,
  { status }: Pick<SeenObject, 'status'>,
  now: Date,
): StatusChange | undefined {
  if (report === undefined) return undefined;
  const context = contextOf(report.generation, now);
  const next = {
    conditions: mergeConditions(report.conditions, status.conditions, context),
    listeners: writeListeners(report.listeners, status, context),
  };
  return compare(next, status);
}

function typeOfAddress(value: string): string {
  return parseAddress(value) === undefined ? 'Hostname' : 'IPAddress';
}

/** Returns the status change of a route. Entries of other controllers are preserved. */
export function planGatewayRoute(
  report: RouteReport | undefined,
  controllerName: string,
  { status }: Pick<SeenObject, 'status'>,
  now: Date,
): StatusChange | undefined {
  if (report === undefined) return undefined;
  const isOurs = (entry: Status): boolean => entry.controllerName === controllerName;
  const ours = readRecords(status.parents).filter(isOurs);
  const context = contextOf(report.generation, now);
  const isSameParent = (one: Status, other: Status): boolean => isDeepStrictEqual(one.parentRef, other.parentRef);
  const parents = report.parents.map(({ parentRef, conditions }) => {
    const before = ours.find((entry) => isSameParent(entry, { parentRef }));
    return { parentRef, controllerName, conditions: mergeConditions(conditions, before?.conditions, context) };
  });
  if (parents.length === 0 && ours.length === 0) return undefined;
  return compare({ parents: mergeEntries(parents, status.parents, isOurs, isSameParent) }, status);
}

/** Returns the status change of a BackendTLSPolicy. Entries of other controllers are preserved. */
export function planPolicy(
  report: PolicyReport | undefined,
  controllerName: string,
  { status }: Pick<SeenObject, 'status'>,
  now: Date,
): StatusChange | undefined {
  if (report === undefined) return undefined;
  const isOurs = (entry: Status): boolean => entry.controllerName === controllerName;
  const ours = readRecords(status.ancestors).filter(isOurs);
  const context = contextOf(report.generation, now);
  const isSame = (one: Status, other: Status): boolean => isDeepStrictEqual(one.ancestorRef, other.ancestorRef);
  const free = maxAncestors - (readRecords(status.ancestors).length - ours.length);
  const ancestors = report.ancestors.slice(0, Math.max(0, free)).map(({ ancestorRef, conditions }) => {
    const before = ours.find((entry) => isSame(entry, { ancestorRef }));
    return { ancestorRef, controllerName, conditions: mergeConditions(conditions, before?.conditions, context) };
  });
  if (ancestors.length === 0 && ours.length === 0) return undefined;
  return compare({ ancestors: mergeEntries(ancestors, status.ancestors, isOurs, isSame) }, status);
}

/** Limit of the API for the ancestors of a policy, those of all controllers together. */
const maxAncestors = 16;

function contextOf(generation: number | undefined, now: Date): ConditionContext {
  return { now: writeTime(now), generation, ownTypes };
}

/** @param before the existing status; its keys that are not in `next` are preserved */
function compare(next: Status, before: Status): StatusChange | undefined {
  if (Object.keys(next).every((key) => isDeepStrictEqual(next[key], before[key]))) return undefined;
  // Times differ between two attempts at the same status.
  const wanted = JSON.stringify(next, (key, value: unknown) => (key === 'lastTransitionTime' ? undefined : value));
  return { status: next, wanted };
}

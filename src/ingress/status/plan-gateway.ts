import { parseAddress } from '../../base/model/address.ts';
import { isRecord } from '../../base/read/shape.ts';
import type { ConditionDraft } from '../gateway/conditions.ts';
import type { GatewayClassReport, GatewayReport, RouteReport } from '../gateway/gateway-status.ts';
import type { SeenObject, StatusChange } from './status-writer.ts';

const group = 'gateway.networking.k8s.io';

/** The types of conditions that are this controller's; others of an object are somebody else's and stay. */
const ownTypes: ReadonlySet<unknown> = new Set([
  'Accepted',
  'SupportedVersion',
  'Programmed',
  'ResolvedRefs',
  'Conflicted',
  'PartiallyInvalid',
]);

/** What must be written of a GatewayClass's status; of another controller's class (no report) nothing. */
export function planGatewayClass(
  report: GatewayClassReport | undefined,
  { status }: Pick<SeenObject, 'status'>,
  now: Date,
): StatusChange | undefined {
  if (report === undefined) return undefined;
  const next = {
    conditions: dateConditions(report.conditions, status.conditions, report.generation, now),
    supportedFeatures: report.supportedFeatures.map((name) => ({ name })),
  };
  return compare(next, status);
}

/** What must be written of a Gateway's status; of another controller's Gateway (no report) nothing. */
export function planGateway(
  report: GatewayReport | undefined,
  { status }: Pick<SeenObject, 'status'>,
  now: Date,
): StatusChange | undefined {
  if (report === undefined) return undefined;
  const { generation } = report;
  const seenListeners = readRecords(status.listeners);
  const listeners = report.listeners.map(({ name, kinds, attachedRoutes, conditions }) => ({
    name,
    supportedKinds: kinds.map((kind) => ({ group, kind })),
    attachedRoutes,
    conditions: dateConditions(conditions, seenListeners.find((one) => one.name === name)?.conditions, generation, now),
  }));
  const next = {
    addresses: report.addresses.map((value) => ({ type: typeOfAddress(value), value })),
    conditions: dateConditions(report.conditions, status.conditions, generation, now),
    listeners,
  };
  return compare(next, status);
}

function typeOfAddress(value: string): string {
  return parseAddress(value) === undefined ? 'Hostname' : 'IPAddress';
}

/** What must be written of a route's status; entries of other controllers stay as they are. */
export function planL4Route(
  report: RouteReport | undefined,
  controllerName: string,
  { status }: Pick<SeenObject, 'status'>,
  now: Date,
): StatusChange | undefined {
  if (report === undefined) return undefined;
  const seen = readRecords(status.parents);
  const ours = seen.filter((entry) => entry.controllerName === controllerName);
  const parents = report.parents.map(({ parentRef, conditions }) => ({
    parentRef,
    controllerName,
    conditions: dateConditions(
      conditions,
      ours.find((entry) => isSame(entry.parentRef, parentRef))?.conditions,
      report.generation,
      now,
    ),
  }));
  if (parents.length === 0 && ours.length === 0) return undefined;
  return compare({ parents: [...seen.filter((entry) => !ours.includes(entry)), ...parents] }, status);
}

function readRecords(value: unknown): readonly Record<string, unknown>[] {
  return Array.isArray(value) ? value.filter(isRecord) : [];
}

/**
 * Conditions with their times: of one whose status stays, the time stays (Kubernetes API conventions).
 *
 * @param generation of the object that the drafts are about, which may be older than what is written
 */
function dateConditions(
  drafts: readonly ConditionDraft[],
  before: unknown,
  generation: number | undefined,
  now: Date,
): readonly unknown[] {
  const seen = readRecords(before);
  const own = drafts.map(({ type, status, reason, message }) => {
    const known = seen.find((one) => one.type === type && one.status === status);
    return {
      type,
      status,
      reason,
      message,
      lastTransitionTime:
        typeof known?.lastTransitionTime === 'string' ? known.lastTransitionTime : `${now.toISOString().slice(0, 19)}Z`,
      ...(generation !== undefined && { observedGeneration: generation }),
    };
  });
  return [...own, ...seen.filter(({ type }) => !ownTypes.has(type))];
}

/** @param before the status that is there; keys of it that are not in `next` stay */
function compare(
  next: Readonly<Record<string, unknown>>,
  before: Readonly<Record<string, unknown>>,
): StatusChange | undefined {
  if (Object.keys(next).every((key) => isSame(next[key], before[key]))) return undefined;
  // Times differ between two tries for the same.
  const wanted = JSON.stringify(next, (key, value: unknown) => (key === 'lastTransitionTime' ? undefined : value));
  return { status: next, wanted };
}

/** Whether two JSON values are equal, whatever the order of keys. */
function isSame(one: unknown, other: unknown): boolean {
  if (Array.isArray(one) && Array.isArray(other)) {
    return one.length === other.length && one.every((value, index) => isSame(value, other[index]));
  }
  if (!isRecord(one) || !isRecord(other)) return one === other;
  const keys = new Set([...Object.keys(one), ...Object.keys(other)]);
  return [...keys].every((key) => isSame(one[key], other[key]));
}

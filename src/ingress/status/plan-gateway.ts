import { isRecord } from '../../api/shape.ts';
import type { ConditionDraft, GatewayReport, ParentReport } from '../gateway/gateway-status.ts';
import type { SeenObject, StatusChange } from './status-writer.ts';

const group = 'gateway.networking.k8s.io';

/** What must be written of a Gateway's status; of another controller's Gateway (no report) nothing. */
export function planGateway(
  report: GatewayReport | undefined,
  { metadata, status }: SeenObject,
  now: Date,
): StatusChange | undefined {
  if (report === undefined) return undefined;
  const seenListeners = readRecords(status.listeners);
  const listeners = report.listeners.map(({ name, kinds, attachedRoutes, conditions }) => ({
    name,
    supportedKinds: kinds.map((kind) => ({ group, kind })),
    attachedRoutes,
    conditions: dateConditions(
      conditions,
      seenListeners.find((one) => one.name === name)?.conditions,
      metadata.generation,
      now,
    ),
  }));
  const next = {
    conditions: dateConditions(report.conditions, status.conditions, metadata.generation, now),
    listeners,
  };
  return compare(next, { conditions: status.conditions, listeners: status.listeners });
}

/** What must be written of a route's status; entries of other controllers stay as they are. */
export function planL4Route(
  reports: readonly ParentReport[] | undefined,
  controllerName: string,
  { metadata, status }: SeenObject,
  now: Date,
): StatusChange | undefined {
  if (reports === undefined) return undefined;
  const seen = readRecords(status.parents);
  const ours = seen.filter((entry) => entry.controllerName === controllerName);
  const parents = reports.map(({ parentRef, conditions }) => ({
    parentRef,
    controllerName,
    conditions: dateConditions(
      conditions,
      ours.find((entry) => isSame(entry.parentRef, parentRef))?.conditions,
      metadata.generation,
      now,
    ),
  }));
  if (parents.length === 0 && ours.length === 0) return undefined;
  return compare(
    { parents: [...seen.filter((entry) => !ours.includes(entry)), ...parents] },
    { parents: status.parents },
  );
}

function readRecords(value: unknown): readonly Record<string, unknown>[] {
  return Array.isArray(value) ? value.filter(isRecord) : [];
}

/** Conditions with their times: of one whose status stays, the time stays (Kubernetes API conventions). */
function dateConditions(
  drafts: readonly ConditionDraft[],
  before: unknown,
  generation: unknown,
  now: Date,
): readonly unknown[] {
  const seen = readRecords(before);
  return drafts.map(({ type, status, reason, message }) => {
    const known = seen.find((one) => one.type === type && one.status === status);
    return {
      type,
      status,
      reason,
      message,
      lastTransitionTime:
        typeof known?.lastTransitionTime === 'string' ? known.lastTransitionTime : `${now.toISOString().slice(0, 19)}Z`,
      ...(typeof generation === 'number' && { observedGeneration: generation }),
    };
  });
}

function compare(next: Readonly<Record<string, unknown>>, before: unknown): StatusChange | undefined {
  if (isSame(next, before)) return undefined;
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

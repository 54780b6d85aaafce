import { isRecord } from '../../api/shape.ts';
import type { KubeApi } from '../../cluster/port.ts';
import type { AgentLog } from '../../daemon/log.ts';
import type { ConditionDraft, GatewayReports, ParentReport } from '../gateway/gateway-status.ts';
import type { AgentKind } from '../objects/objects.ts';
import { type SeenObject, type StatusChange, StatusWriter, type Writer } from './status-writer.ts';

const group = 'gateway.networking.k8s.io';

/** How this router calls itself in statuses of routes (Gateway API, `controllerName`). */
const controllerName = 'egress-router.io/ingress-agent';

type Kind = 'Gateway' | 'TCPRoute' | 'UDPRoute';

/** Writes statuses of Gateways of our class and of the routes that want to be attached to them. */
export class GatewayStatusWriter {
  readonly #writers: Readonly<Record<Kind, StatusWriter>>;
  #reports: GatewayReports | undefined;

  constructor(api: KubeApi, writer: Writer, log: AgentLog) {
    const open = (kind: Kind, version: string, plan: (key: string, object: SeenObject) => StatusChange | undefined) =>
      new StatusWriter(
        api,
        { apiVersion: `${group}/${version}`, kind, plural: `${kind.toLowerCase()}s`, plan },
        writer,
        log,
      );
    this.#writers = {
      Gateway: open('Gateway', 'v1', (key, object) => this.#planGateway(key, object)),
      TCPRoute: open('TCPRoute', 'v1alpha2', (key, object) => planRoute(this.#reports?.routes.tcp.get(key), object)),
      UDPRoute: open('UDPRoute', 'v1alpha2', (key, object) => planRoute(this.#reports?.routes.udp.get(key), object)),
    };
  }

  /** Hears of an object as the API server shows it; of other kinds it makes nothing. */
  observe(kind: AgentKind, key: string, object: unknown): void {
    this.#writerOf(kind)?.observe(key, object);
  }

  /** Hears that an object is gone. */
  forget(kind: AgentKind, key: string): void {
    this.#writerOf(kind)?.forget(key);
  }

  publish(reports: GatewayReports): void {
    this.#reports = reports;
    this.review();
  }

  /** Looks at everything again: we may have become the writer. */
  review(): void {
    if (this.#reports === undefined) return;
    for (const writer of Object.values(this.#writers)) writer.review();
  }

  close(): void {
    for (const writer of Object.values(this.#writers)) writer.close();
  }

  #writerOf(kind: AgentKind): StatusWriter | undefined {
    return kind === 'Gateway' || kind === 'TCPRoute' || kind === 'UDPRoute' ? this.#writers[kind] : undefined;
  }

  /** The statuses of Gateways of other classes are their controllers'. */
  #planGateway(key: string, { metadata, status }: SeenObject): StatusChange | undefined {
    const report = this.#reports?.gateways.get(key);
    if (report === undefined) return undefined;
    const seenListeners = readRecords(status.listeners);
    const listeners = report.listeners.map(({ name, kinds, attachedRoutes, conditions }) => ({
      name,
      supportedKinds: kinds.map((kind) => ({ group, kind })),
      attachedRoutes,
      conditions: date(conditions, seenListeners.find((one) => one.name === name)?.conditions, metadata.generation),
    }));
    const next = { conditions: date(report.conditions, status.conditions, metadata.generation), listeners };
    return compare(next, { conditions: status.conditions, listeners: status.listeners });
  }
}

/** Entries of other controllers stay as they are. */
function planRoute(
  reports: readonly ParentReport[] | undefined,
  { metadata, status }: SeenObject,
): StatusChange | undefined {
  if (reports === undefined) return undefined;
  const seen = readRecords(status.parents);
  const ours = seen.filter((entry) => entry.controllerName === controllerName);
  const parents = reports.map(({ parentRef, conditions }) => ({
    parentRef,
    controllerName,
    conditions: date(
      conditions,
      ours.find((entry) => isSame(entry.parentRef, parentRef))?.conditions,
      metadata.generation,
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
function date(drafts: readonly ConditionDraft[], before: unknown, generation: unknown): readonly unknown[] {
  const seen = readRecords(before);
  const now = `${new Date().toISOString().slice(0, 19)}Z`;
  return drafts.map(({ type, status, reason, message }) => {
    const known = seen.find((one) => one.type === type && one.status === status);
    return {
      type,
      status,
      reason,
      message,
      lastTransitionTime: typeof known?.lastTransitionTime === 'string' ? known.lastTransitionTime : now,
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

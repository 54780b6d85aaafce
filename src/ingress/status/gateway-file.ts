import type { StatusChange } from '../../base/kubernetes/status-writer.ts';
import { isRecord } from '../../base/read/shape.ts';
import type { GatewayReports } from '../gateway/gateway-status.ts';
import { routeKinds } from '../gateway/route.ts';
import { writeEntry } from './file-text.ts';
import { planGateway, planGatewayClass, planGatewayRoute, planListenerSet, planPolicy } from './plan-gateway.ts';

type Status = Readonly<Record<string, unknown>>;
type Planner = (seen: { readonly status: Status }) => StatusChange | undefined;

/** The status of one object of the Gateway API in the status file. */
interface GatewayFileEntry {
  readonly kind: string;
  /** Absent for a GatewayClass. */
  readonly namespace?: string;
  readonly name: string;
  readonly status: Status;
}

/**
 * Statuses of GatewayClasses, Gateways and their routes for a file, in the form of the API. It keeps previous
 * statuses, so that transition times change only with their conditions.
 */
export class GatewayFileStatuses {
  readonly #controllerName: string;
  #entries: ReadonlyMap<string, Status>;
  /** The report from which each status was planned: few of 10,000 change, and the others are not planned again. */
  #planned: ReadonlyMap<string, object> = new Map();
  readonly #texts = new WeakMap<Status, string>();

  /** @param before `gateways` of an earlier file */
  constructor(controllerName: string, before: unknown) {
    this.#controllerName = controllerName;
    this.#entries = new Map(readEntries(before));
  }

  /** Returns the statuses as lines of JSON, sorted by kind, namespace and name. Equal texts are the same object. */
  list(reports: GatewayReports | undefined, now: Date): readonly string[] {
    const statuses = new Map<string, Status>();
    const planned = new Map<string, object>();
    const entries: { readonly place: string; readonly text: string }[] = [];
    const add = (kind: string, key: string, report: object, plan: Planner): void => {
      const place = `${kind} ${key}`;
      const before = this.#entries.get(place) ?? {};
      const isPlanned = this.#planned.get(place) === report;
      const status = (isPlanned ? undefined : plan({ status: before })?.status) ?? before;
      planned.set(place, report);
      if (Object.keys(status).length === 0) return;
      statuses.set(place, status);
      const names = splitKey(key);
      entries.push({
        place: `${kind} ${names.namespace ?? ''}/${names.name}`,
        text: this.#write({ kind, ...names, status }),
      });
    };
    // No API server drops fields of files.
    const all = (features: readonly string[]): readonly string[] => features;
    for (const [key, report] of reports?.classes ?? []) {
      add('GatewayClass', key, report, (seen) => planGatewayClass(report, seen, all, now));
    }
    for (const [key, report] of reports?.gateways ?? []) {
      add('Gateway', key, report, (seen) => (report.isPending ? undefined : planGateway(report, seen, now)));
    }
    for (const [key, report] of reports?.sets ?? []) {
      add('ListenerSet', key, report, (seen) => (report.isPending ? undefined : planListenerSet(report, seen, now)));
    }
    for (const [key, report] of reports?.policies ?? []) {
      const plan: Planner = (seen) => planPolicy(report, this.#controllerName, seen, now);
      if (report.ancestors.length > 0) add('BackendTLSPolicy', key, report, report.isPending ? () => undefined : plan);
    }
    for (const kind of routeKinds) {
      for (const [key, report] of reports?.routes[kind] ?? []) {
        if (report.parents.length === 0) continue;
        const plan: Planner = (seen) => planGatewayRoute(report, this.#controllerName, seen, now);
        add(kind, key, report, report.isPending ? () => undefined : plan);
      }
    }
    this.#entries = statuses;
    this.#planned = planned;
    return entries.sort((one, other) => (one.place < other.place ? -1 : 1)).map(({ text }) => text);
  }

  #write(entry: GatewayFileEntry): string {
    const known = this.#texts.get(entry.status);
    if (known !== undefined) return known;
    const text = writeEntry(entry);
    this.#texts.set(entry.status, text);
    return text;
  }
}

function splitKey(key: string): Pick<GatewayFileEntry, 'namespace' | 'name'> {
  const slash = key.indexOf('/');
  return slash < 0 ? { name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

function readEntries(before: unknown): readonly (readonly [place: string, status: Status])[] {
  return (Array.isArray(before) ? before : []).flatMap((entry): (readonly [string, Status])[] => {
    const { kind, namespace, name, status } = isRecord(entry) ? entry : {};
    if (typeof kind !== 'string' || typeof name !== 'string' || !isRecord(status)) return [];
    return [[`${kind} ${typeof namespace === 'string' ? `${namespace}/` : ''}${name}`, status]];
  });
}

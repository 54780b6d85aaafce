import { keyOf } from '../../api/object-meta.ts';
import { isRecord } from '../../api/shape.ts';
import type { KubeApi } from '../../cluster/port.ts';
import type { AgentLog } from '../../daemon/log.ts';
import { makeIngress, type RouteIngress, type RouterIdentity, type RouteStatus } from './status.ts';
import { type SeenObject, type StatusChange, StatusWriter, type Writer } from './status-writer.ts';

/**
 * Writes this router's entry into `status.ingress` of Routes, beside those of other routers, and takes
 * it out of Routes that are no longer for this router.
 */
export class RouteStatusWriter {
  readonly #identity: RouterIdentity;
  readonly #statuses: StatusWriter;
  #wanted: ReadonlyMap<string, RouteStatus> = new Map();
  #isPublished = false;

  constructor(api: KubeApi, identity: RouterIdentity, writer: Writer, log: AgentLog) {
    this.#identity = identity;
    const kind = { apiVersion: 'route.openshift.io/v1', kind: 'Route', plural: 'routes' };
    const plan = (key: string, route: SeenObject) => this.#plan(key, route);
    this.#statuses = new StatusWriter(api, { ...kind, plan }, writer, log);
  }

  /** Hears of a Route as the API server shows it. */
  observe(key: string, route: unknown): void {
    this.#statuses.observe(key, route);
  }

  /** Hears that a Route is gone. */
  forget(key: string): void {
    this.#statuses.forget(key);
  }

  publish(statuses: readonly RouteStatus[]): void {
    const routes = statuses.filter(({ listener }) => listener === undefined);
    this.#wanted = new Map(routes.map((status) => [keyOf(status.meta), status]));
    this.#isPublished = true;
    this.#statuses.review();
  }

  /** Looks at everything again: we may have become the writer. */
  review(): void {
    if (this.#isPublished) this.#statuses.review();
  }

  close(): void {
    this.#statuses.close();
  }

  #plan(key: string, { status: written }: SeenObject): StatusChange | undefined {
    const seen: readonly unknown[] = Array.isArray(written.ingress) ? written.ingress : [];
    const isOurs = (entry: unknown) => isRecord(entry) && entry.routerName === this.#identity.routerName;
    const before = seen.find(isOurs) as RouteIngress | undefined;
    const others = seen.filter((entry) => !isOurs(entry));
    const status = this.#wanted.get(key);
    if (status === undefined) return before === undefined ? undefined : { status: { ingress: others }, wanted: '' };
    const readable = before !== undefined && Array.isArray(before.conditions) ? before : undefined;
    const entry = makeIngress(status, this.#identity, readable, new Date());
    if (entry === before) return undefined;
    const { reason, message, status: admitted } = entry.conditions[0] ?? {};
    return {
      status: { ingress: [...others, entry] },
      wanted: JSON.stringify([entry.host, admitted, reason, message]),
      ...(status.reason !== undefined && { event: { reason: status.reason, message: status.message ?? '' } }),
    };
  }
}

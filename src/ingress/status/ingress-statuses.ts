import type { EventObject, EventRecorder } from '../../base/kubernetes/events.ts';
import type { Leadership } from '../../base/kubernetes/leadership.ts';
import type { SeenObject, StatusChange } from '../../base/kubernetes/status-writer.ts';
import { keyOf } from '../../base/read/object-meta.ts';
import { planIngress } from './plan-ingress.ts';
import type { RouteStatus } from './status.ts';

/** Addresses and Events of Ingresses. They have no conditions, so Events report refused settings. */
export class IngressStatuses {
  readonly #events: Pick<EventRecorder, 'tell'>;
  readonly #leadership: Pick<Leadership, 'isHeld'>;
  #statuses: ReadonlyMap<string, RouteStatus> = new Map();
  /** Undefined: not known yet, so stored statuses are preserved. */
  #addresses: readonly string[] | undefined;
  /** Keys of Ingresses that this process served earlier. All others belong to other controllers. */
  readonly #left = new Set<string>();

  constructor(events: Pick<EventRecorder, 'tell'>, leadership: Pick<Leadership, 'isHeld'>) {
    this.#events = events;
    this.#leadership = leadership;
  }

  /** Records the statuses and emits Events. Returns the keys of the Ingresses whose status may have changed. */
  publish(statuses: readonly RouteStatus[], addresses: readonly string[] | undefined): readonly string[] {
    const before = this.#statuses;
    const own = statuses.filter(({ kind }) => kind === 'Ingress');
    const now = new Map(own.map((status) => [keyOf(status.meta), status]));
    const areMoved = addresses?.join() !== this.#addresses?.join();
    this.#statuses = now;
    this.#addresses = addresses;
    for (const key of before.keys()) if (!now.has(key)) this.#left.add(key);
    for (const key of now.keys()) this.#left.delete(key);
    const changed = [...now.keys()].filter((key) => now.get(key) !== before.get(key));
    for (const key of changed) this.#tell(now.get(key), before.get(key));
    return [...this.#left, ...(areMoved ? now.keys() : changed)];
  }

  /** Emits the Events of all Ingresses again, because this process has become the writer. */
  tellAll(): void {
    for (const status of this.#statuses.values()) this.#tell(status, undefined);
  }

  plan(key: string, object: SeenObject): StatusChange | undefined {
    const status = this.#statuses.get(key);
    if (status === undefined) return this.#left.has(key) ? planIngress(undefined, [], object) : undefined;
    const { uid } = object.metadata;
    const isOther = typeof uid === 'string' && uid !== '' && uid !== status.meta.uid;
    if (status.isPending || isOther || this.#addresses === undefined) return undefined;
    return planIngress(status, this.#addresses, object);
  }

  #tell(status: RouteStatus | undefined, before: RouteStatus | undefined): void {
    const event = eventOf(status);
    if (status === undefined || event === undefined || !this.#leadership.isHeld) return;
    const last = before?.meta.uid === status.meta.uid ? eventOf(before) : undefined;
    if (last?.reason === event.reason && last.message === event.message) return;
    const { namespace, name, uid } = status.meta;
    const object: EventObject = { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', namespace, name, uid };
    void this.#events.tell(object, { type: 'Warning', ...event });
  }
}

/** Returns the message of an Ingress's Event. */
function eventOf(status: RouteStatus | undefined): { readonly reason: string; readonly message: string } | undefined {
  if (status === undefined || status.isPending) return undefined;
  if (status.reason !== undefined) return { reason: status.reason, message: status.message ?? '' };
  return status.missing === undefined ? undefined : { reason: 'AnnotationNotSupported', message: status.missing };
}

import type { EndpointSlice } from '../../api/endpoint-slice.ts';
import type { Gateway } from '../../api/gateway.ts';
import type { Labels } from '../../api/object-meta.ts';
import type { ReferenceGrant } from '../../api/reference-grant.ts';
import type { Route } from '../../api/route.ts';
import type { Service } from '../../api/service.ts';
import type { StreamRoute } from '../../api/stream-route.ts';
import { type AgentKind, type AgentObject, objectKey } from './objects.ts';

const noSlices: readonly EndpointSlice[] = [];

/**
 * All objects as they are now. Values are never changed in place: whoever kept one can see by
 * identity whether it is still the same.
 */
export class Inventory {
  readonly #routes = new Map<string, Route>();
  readonly #services = new Map<string, Service>();
  readonly #slices = new Map<string, EndpointSlice>();
  readonly #slicesOfServices = new Map<string, readonly EndpointSlice[]>();
  readonly #namespaces = new Map<string, Labels>();
  readonly #gateways = new Map<string, Gateway>();
  readonly #streamRoutes = new Map<string, StreamRoute>();
  readonly #grants = new Map<string, ReferenceGrant>();
  #claimsVersion = 0;
  #touched = new Set<string>();

  /** Grows whenever something changes that decides about claims. */
  get claimsVersion(): number {
    return this.#claimsVersion;
  }

  /** Names, as `NAMESPACE/NAME`, of the Services that changed, or whose slices did, since this was last asked. */
  takeTouched(): ReadonlySet<string> {
    const touched = this.#touched;
    this.#touched = new Set();
    return touched;
  }

  put(object: AgentObject): void {
    const key = objectKey(object);
    switch (object.kind) {
      case 'Route':
        this.#claimsVersion++;
        this.#routes.set(key, object.value);
        break;
      case 'Namespace':
        this.#claimsVersion++;
        this.#namespaces.set(key, object.value.meta.labels);
        break;
      case 'Gateway':
        this.#claimsVersion++;
        this.#gateways.set(key, object.value);
        break;
      case 'TCPRoute':
      case 'UDPRoute':
        this.#claimsVersion++;
        this.#streamRoutes.set(`${object.kind} ${key}`, object.value);
        break;
      case 'ReferenceGrant':
        this.#claimsVersion++;
        this.#grants.set(key, object.value);
        break;
      case 'Service':
        this.#services.set(key, object.value);
        this.#touched.add(key);
        break;
      case 'EndpointSlice':
        // The label that ties a slice to a Service can change.
        this.#dropSlice(key);
        this.#slices.set(key, object.value);
        this.#regroup(object.value.service, (slices) => [...slices, object.value]);
        break;
    }
  }

  remove(kind: AgentKind, key: string): void {
    switch (kind) {
      case 'Route':
        if (this.#routes.delete(key)) this.#claimsVersion++;
        break;
      case 'Namespace':
        if (this.#namespaces.delete(key)) this.#claimsVersion++;
        break;
      case 'Gateway':
        if (this.#gateways.delete(key)) this.#claimsVersion++;
        break;
      case 'TCPRoute':
      case 'UDPRoute':
        if (this.#streamRoutes.delete(`${kind} ${key}`)) this.#claimsVersion++;
        break;
      case 'ReferenceGrant':
        if (this.#grants.delete(key)) this.#claimsVersion++;
        break;
      case 'Service':
        this.#services.delete(key);
        this.#touched.add(key);
        break;
      case 'EndpointSlice':
        this.#dropSlice(key);
        break;
    }
  }

  get routes(): Iterable<Route> {
    return this.#routes.values();
  }

  get gateways(): Iterable<Gateway> {
    return this.#gateways.values();
  }

  get streamRoutes(): Iterable<StreamRoute> {
    return this.#streamRoutes.values();
  }

  get grants(): Iterable<ReferenceGrant> {
    return this.#grants.values();
  }

  /** Labels of a namespace, by name; undefined when it does not exist. */
  labelsOf(namespace: string): Labels | undefined {
    return this.#namespaces.get(namespace);
  }

  /** A Service, by `NAMESPACE/NAME`. */
  service(key: string): Service | undefined {
    return this.#services.get(key);
  }

  /** All slices of a Service, by its `NAMESPACE/NAME`; the same array until one of them changes. */
  slicesOf(service: string): readonly EndpointSlice[] {
    return this.#slicesOfServices.get(service) ?? noSlices;
  }

  #dropSlice(key: string): void {
    const slice = this.#slices.get(key);
    if (slice === undefined) return;
    this.#slices.delete(key);
    this.#regroup(slice.service, (slices) => slices.filter((other) => other !== slice));
  }

  #regroup(service: string | undefined, change: (slices: readonly EndpointSlice[]) => readonly EndpointSlice[]): void {
    if (service === undefined) return;
    this.#touched.add(service);
    const slices = change(this.slicesOf(service));
    if (slices.length === 0) this.#slicesOfServices.delete(service);
    else this.#slicesOfServices.set(service, slices);
  }
}

import type { Labels } from '../../base/read/object-meta.ts';
import type { AdmissionPolicy } from '../claims/policy.ts';
import type { SiteRequest } from '../intent/site-request.ts';
import type { ChangedObjects, SiteSource } from '../intent/site-source.ts';
import { type HostPolicy, hostOf } from './host.ts';
import type { Route } from './route.ts';
import { isSelected } from './selection.ts';
import { translateRoute } from './translate.ts';

/** Where Routes come from. */
export interface RouteObjects {
  all(kind: 'Route'): Iterable<Route>;
  keys(kind: 'Route'): Iterable<string>;
  get(kind: 'Route', key: string): Route | undefined;
  labelsOf(namespace: string): Labels | undefined;
}

const none: readonly SiteRequest[] = [];

/** Routes as a source of requests for hosts and paths. */
export class RouteSites implements SiteSource {
  readonly kind = 'Route';
  readonly #objects: RouteObjects;
  readonly #policy: AdmissionPolicy;
  readonly #hosts: HostPolicy;
  readonly #requests = new WeakMap<Route, readonly SiteRequest[]>();

  /** @param hosts how the router creates and changes hosts */
  constructor(objects: RouteObjects, policy: AdmissionPolicy, hosts: HostPolicy) {
    this.#objects = objects;
    this.#policy = policy;
    this.#hosts = hosts;
  }

  listChanged(changes: ChangedObjects | undefined): Iterable<string> {
    if (changes === undefined) return this.#objects.keys('Route');
    // Labels of a namespace may select all of its Routes.
    const isRelabelled = changes.has('Namespace') && this.#policy.namespaceLabels.length > 0;
    // Deleted Routes are included: a namespace changes during its deletion.
    return isRelabelled ? new Set([...changes.of('Route'), ...this.#objects.keys('Route')]) : changes.of('Route');
  }

  translate(key: string): readonly SiteRequest[] {
    const route = this.#objects.get('Route', key);
    if (route === undefined || !this.#wants(route)) return none;
    const known = this.#requests.get(route);
    if (known !== undefined) return known;
    const requests = [translateRoute(route, hostOf(route, this.#hosts))];
    this.#requests.set(route, requests);
    return requests;
  }

  *listSecrets(): Iterable<string> {
    for (const { meta, http } of this.#objects.all('Route')) {
      const name = http.ok ? http.value.tls?.externalCertificate : undefined;
      if (name !== undefined) yield `${meta.namespace}/${name}`;
    }
  }

  /** Returns whether this router serves the Route at layer 7. A Route for a port only has no host. */
  #wants(route: Route): boolean {
    const { ports, host, subdomain } = route;
    const makesHosts = this.#hosts.template !== undefined || this.#hosts.domain !== undefined;
    const hasHost = ports === undefined || host !== undefined || (subdomain !== undefined && makesHosts);
    return hasHost && isSelected(route, this.#policy, (namespace) => this.#objects.labelsOf(namespace));
  }
}

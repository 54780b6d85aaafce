import type { RouteBackend, RouteDemand } from '../../api/route.ts';
import type { IngressPort } from '../../model/ingress.ts';
import { endpointKey, type ResolvedBackend, type RouteDefaults, resolveRoute } from '../backends/resolve.ts';
import { type Admissions, type Admitted, type ClaimSurroundings, decideClaims } from '../claims/claims.ts';
import type { AdmissionPolicy } from '../claims/policy.ts';
import { listListenerRoutes } from '../gateway/gateways.ts';
import type { Inventory } from '../objects/inventory.ts';

/** Everything that follows from the objects, at one moment. */
export interface Desired {
  readonly admissions: Admissions;
  /** Ports of each admitted Route, in the order of `admissions.admitted`. */
  readonly portsOfRoutes: readonly (readonly IngressPort[])[];
}

/** What is known of the node and its endpoints when rules are computed. */
export interface NodeView {
  /** Ports with a listener on the node. */
  readonly listeners: ReadonlySet<string>;
  /** Dead endpoints, by key; another set when anything in it changed. */
  readonly dead: ReadonlySet<string>;
}

/** What was last computed, and what decides whether it still holds. */
interface Computed extends Desired {
  readonly dead: ReadonlySet<string>;
  /** Where in `admitted` the Routes of a Service are, by its `NAMESPACE/NAME`. */
  readonly users: ReadonlyMap<string, readonly number[]>;
}

/**
 * Computes what is desired from all objects, but works out only what a change is about: of 10,000
 * Routes one change costs one.
 */
export class RuleBook {
  readonly #policy: AdmissionPolicy;
  readonly #defaults: RouteDefaults;
  readonly #node: string;
  /** Ports of Routes for which nothing changed but who else there is. */
  #portsOf = new Map<RouteDemand, readonly IngressPort[]>();
  #computed: Computed | undefined;
  #claims:
    | { readonly version: number; readonly listeners: ReadonlySet<string>; readonly value: Admissions }
    | undefined;

  /** @param node name of this node, as EndpointSlices write it */
  constructor(policy: AdmissionPolicy, defaults: RouteDefaults, node: string) {
    this.#policy = policy;
    this.#defaults = defaults;
    this.#node = node;
  }

  compute(inventory: Inventory, view: NodeView): Desired {
    const admissions = this.#decide(inventory, view.listeners);
    const touched = inventory.takeTouched();
    const before = this.#computed;
    const stale = findStale(before, touched, view.dead);
    for (const index of stale) {
      const admitted = before?.admissions.admitted[index];
      if (admitted !== undefined) this.#portsOf.delete(admitted.demand);
    }
    if (before !== undefined && before.admissions === admissions) {
      if (stale.size === 0 && before.dead === view.dead) return before;
      const portsOfRoutes = [...before.portsOfRoutes];
      for (const index of stale) {
        const admitted = admissions.admitted[index];
        if (admitted !== undefined) portsOfRoutes[index] = this.#resolve(admitted, inventory, view.dead);
      }
      this.#computed = { ...before, portsOfRoutes, dead: view.dead };
      return this.#computed;
    }
    const known = this.#portsOf;
    this.#portsOf = new Map();
    const portsOfRoutes = admissions.admitted.map((admitted) => {
      const ports = known.get(admitted.demand);
      if (ports === undefined) return this.#resolve(admitted, inventory, view.dead);
      this.#portsOf.set(admitted.demand, ports);
      return ports;
    });
    this.#computed = { admissions, portsOfRoutes, dead: view.dead, users: listUsers(admissions) };
    return this.#computed;
  }

  #decide(inventory: Inventory, listeners: ReadonlySet<string>): Admissions {
    const known = this.#claims;
    if (known?.version === inventory.claimsVersion && known.listeners === listeners) return known.value;
    const surroundings: ClaimSurroundings = {
      policy: this.#policy,
      labelsOfNamespace: (namespace) => inventory.labelsOf(namespace),
      listeners,
    };
    const { gatewayClass } = this.#policy;
    const gatewayRoutes =
      gatewayClass === undefined
        ? []
        : listListenerRoutes(
            {
              gateways: inventory.gateways,
              streamRoutes: inventory.streamRoutes,
              grants: inventory.grants,
              labelsOfNamespace: surroundings.labelsOfNamespace,
            },
            gatewayClass,
          );
    const value = decideClaims([...inventory.routes, ...gatewayRoutes], surroundings);
    this.#claims = { version: inventory.claimsVersion, listeners, value };
    return value;
  }

  #resolve(admitted: Admitted, inventory: Inventory, dead: ReadonlySet<string>): readonly IngressPort[] {
    const { demand } = admitted;
    const ports = resolveRoute(demand, backendsOf(admitted, inventory), {
      node: this.#node,
      defaults: this.#defaults,
      isDead: (key) => dead.has(key),
    });
    this.#portsOf.set(demand, ports);
    return ports;
  }
}

function listUsers({ admitted }: Admissions): ReadonlyMap<string, readonly number[]> {
  const users = new Map<string, number[]>();
  for (const [index, one] of admitted.entries()) {
    for (const backend of one.demand.backends) {
      const key = serviceKey(one, backend);
      const list = users.get(key);
      if (list === undefined) users.set(key, [index]);
      else list.push(index);
    }
  }
  return users;
}

/** The Routes, by their place, whose Services changed, or any of whose endpoints died or came back. */
function findStale(
  before: Computed | undefined,
  touched: ReadonlySet<string>,
  dead: ReadonlySet<string>,
): ReadonlySet<number> {
  const stale = new Set<number>();
  if (before === undefined) return stale;
  for (const service of touched) for (const index of before.users.get(service) ?? []) stale.add(index);
  if (before.dead === dead) return stale;
  const changed = before.dead.symmetricDifference(dead);
  // Their addresses first: to write the keys of all endpoints takes longer than all the rest.
  const addresses = new Set(Array.from(changed, (key) => key.slice(0, key.indexOf(' '))));
  for (const [index, ports] of before.portsOfRoutes.entries()) {
    const concerns = ports.some(({ endpoints }) =>
      endpoints.some((endpoint) => addresses.has(endpoint.address.text) && changed.has(endpointKey(endpoint))),
    );
    if (concerns) stale.add(index);
  }
  return stale;
}

/** The Services and slices of an admitted Route, as they are now. */
export function backendsOf(admitted: Admitted, inventory: Inventory): readonly ResolvedBackend[] {
  return admitted.demand.backends.map((backend) => {
    const key = serviceKey(admitted, backend);
    const service = inventory.service(key);
    return { backend, ...(service !== undefined && { service }), slices: inventory.slicesOf(key) };
  });
}

function serviceKey({ route }: Admitted, { namespace, service }: RouteBackend): string {
  return `${namespace ?? route.meta.namespace}/${service}`;
}

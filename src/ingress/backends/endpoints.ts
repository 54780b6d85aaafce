import type { Address } from '../../base/model/address.ts';
import type { Protocol } from '../../base/model/redirect.ts';
import type { ServiceShare } from '../intent/service-share.ts';
import type { EndpointSlice, EndpointState, SlicePort } from '../objects/endpoint-slice.ts';
import type { Inventory } from '../objects/inventory.ts';
import type { Service, ServicePort } from '../objects/service.ts';
import type { HostGuard } from './host-guard.ts';

/** One address and port of a Service that can receive connections. */
export interface Endpoint {
  readonly address: Address;
  /** 1–65535. */
  readonly port: number;
  readonly state: EndpointState;
  /** Whether it runs on this node. */
  readonly local: boolean;
  /** Name of the Service's port; empty for a single unnamed port. */
  readonly portName: string;
  /** Application protocol (KEP-3726). */
  readonly appProtocol?: string;
  /** Kind and name of its object, such as `pod:web-1`. */
  readonly target?: string;
  /** The Service's own address, if it has no pods and a connection unidles it. */
  readonly isIdled?: true;
}

/** Selects ports of a Service's endpoints. */
export interface PortChoice {
  readonly protocol: Protocol;
  /** Name or number of the endpoints' port. Absent: all ports of the protocol. */
  readonly targetPort?: string | number;
}

/** Returns the key of an endpoint: `10.128.0.5 3306`. */
export function endpointKey({ address, port }: Pick<Endpoint, 'address' | 'port'>): string {
  return `${address.text} ${port}`;
}

/** Returns `NAMESPACE/NAME` of the Service that a backend refers to. */
export function serviceKeyOf({ namespace, service }: ServiceShare, home: string): string {
  return `${namespace ?? home}/${service}`;
}

/**
 * Resolves Services to endpoints, once per Service and choice of port, regardless of the number of Routes. It returns
 * the same array until the Service or one of its slices changes.
 */
export class EndpointFinder {
  readonly #inventory: Inventory;
  readonly #node: string;
  readonly #guard: HostGuard | undefined;
  readonly #found = new Map<string, Map<string, Found>>();

  /**
   * @param node name of this node, as in EndpointSlices
   * @param guard decides about endpoints with node addresses; absent: they are treated like any other
   */
  constructor(inventory: Inventory, node: string, guard?: HostGuard) {
    this.#inventory = inventory;
    this.#node = node;
    this.#guard = guard;
  }

  /** Forgets the endpoints of changed Services (`NAMESPACE/NAME`). */
  forget(services: Iterable<string>): void {
    for (const service of services) this.#found.delete(service);
  }

  serviceOf(backend: ServiceShare, home: string): Service | undefined {
    return this.#inventory.get('Service', serviceKeyOf(backend, home));
  }

  slicesOf(backend: ServiceShare, home: string): readonly EndpointSlice[] {
    return this.#inventory.slicesOf(serviceKeyOf(backend, home));
  }

  /**
   * Returns the endpoints of a backend without duplicates. Empty if its Service does not exist, is an ExternalName,
   * or may not be used.
   */
  find(backend: ServiceShare, home: string, choice: PortChoice): readonly Endpoint[] {
    return this.#look(backend, home, choice).endpoints;
  }

  /** Returns why the guard rejects endpoints of a backend: one sentence each, limited to a few. */
  listRefusals(backend: ServiceShare, home: string, choice: PortChoice): readonly string[] {
    const { refusals } = this.#look(backend, home, choice);
    if (refusals.length > 0) return refusals;
    return listIdledPorts(this, backend, home, choice).flatMap((one) => this.refusalOf(one, backend, home) ?? []);
  }

  /** Returns why connections to an endpoint are forbidden, or undefined if they are allowed. */
  refusalOf(endpoint: Endpoint, backend: ServiceShare, home: string): string | undefined {
    return this.#guard?.refusalOf(endpoint, serviceKeyOf(backend, home));
  }

  #look(backend: ServiceShare, home: string, choice: PortChoice): Found {
    const service = this.serviceOf(backend, home);
    if (service === undefined || service.isExternalName || backend.isForbidden === true) return nothing;
    const key = serviceKeyOf(backend, home);
    const name = `${choice.protocol} ${backend.servicePort ?? ''} ${choice.targetPort ?? ''}`;
    const choices = this.#found.get(key) ?? new Map<string, Found>();
    this.#found.set(key, choices);
    const known = choices.get(name);
    if (known !== undefined) return known;
    const slices = this.#inventory.slicesOf(key);
    const found = this.#sift(collectEndpoints(slices, selectPorts(backend, service, choice), this.#node), key);
    choices.set(name, found);
    return found;
  }

  #sift(all: readonly Endpoint[], service: string): Found {
    const refusals: string[] = [];
    const endpoints = all.filter((endpoint) => {
      const refusal = this.#guard?.refusalOf(endpoint, service);
      if (refusal !== undefined && refusals.length < maxRefusals) refusals.push(refusal);
      return refusal === undefined;
    });
    return { endpoints, refusals };
  }
}

/** The endpoints of a backend, and why others are excluded. */
interface Found {
  readonly endpoints: readonly Endpoint[];
  readonly refusals: readonly string[];
}

const nothing: Found = { endpoints: [], refusals: [] };

/** Maximum number of recorded rejections, because a status lists only a few. */
const maxRefusals = 3;

/**
 * Returns the ports of an idled Service at its own address; a connection there unidles it. Empty if it has endpoints
 * or is not idled.
 */
export function listIdled(
  finder: EndpointFinder,
  backend: ServiceShare,
  home: string,
  choice: PortChoice,
): readonly Endpoint[] {
  const ports = listIdledPorts(finder, backend, home, choice);
  return ports.filter((one) => finder.refusalOf(one, backend, home) === undefined);
}

function listIdledPorts(
  finder: EndpointFinder,
  backend: ServiceShare,
  home: string,
  { protocol, targetPort }: PortChoice,
): readonly Endpoint[] {
  const service = finder.serviceOf(backend, home);
  if (service?.idled === undefined || service.isExternalName || backend.isForbidden === true) return [];
  if (finder.slicesOf(backend, home).some(({ endpoints }) => endpoints.length > 0)) return [];
  const { idled: address, ports } = service;
  const isMeant = (port: ServicePort): boolean =>
    targetPort === undefined ||
    [port.name, port.port, port.targetPort].some((one) => `${one ?? ''}` === `${targetPort}`);
  return ports
    .filter((port) => port.protocol === protocol && isMeant(port))
    .map(({ name, port }) => ({ address, port, state: 'ready', local: false, portName: name, isIdled: true }));
}

/** Selects the matching ports of a Service's slices. */
export function selectPorts(
  { servicePort }: ServiceShare,
  service: Service | undefined,
  { protocol, targetPort }: PortChoice,
): (port: SlicePort) => boolean {
  if (servicePort !== undefined) {
    const meant = service?.ports.find((port) => isPort(port, servicePort) && port.protocol === protocol);
    return (port) => meant !== undefined && port.protocol === protocol && port.name === meant.name;
  }
  if (targetPort === undefined) return (port) => port.protocol === protocol;
  // As in OpenShift, a quoted number matches the number as well as the name.
  const number = typeof targetPort === 'number' || /^\d+$/.test(targetPort) ? Number(targetPort) : undefined;
  return (port) => port.protocol === protocol && (port.name === targetPort || port.port === number);
}

function isPort({ name, port }: ServicePort, written: string | number): boolean {
  return typeof written === 'number' ? port === written : name === written;
}

const rank = { ready: 2, draining: 1, unready: 0 } as const;

/** Returns every endpoint once. While slices are rebalanced, an endpoint may be in two of them. */
function collectEndpoints(
  slices: readonly EndpointSlice[],
  matches: (port: SlicePort) => boolean,
  node: string,
): readonly Endpoint[] {
  const found = new Map<string, Endpoint>();
  for (const slice of slices) {
    for (const { port, name, appProtocol } of slice.ports.filter(matches)) {
      for (const { address, state, node: home, target } of slice.endpoints) {
        const endpoint: Endpoint = {
          address,
          port,
          state,
          local: home === node,
          portName: name,
          ...(appProtocol !== undefined && { appProtocol }),
          ...(target !== undefined && { target }),
        };
        const key = endpointKey(endpoint);
        const known = found.get(key);
        if (known === undefined || rank[known.state] < rank[state]) found.set(key, endpoint);
      }
    }
  }
  return [...found.values()];
}

/** Returns the state of the endpoints to use: terminating pods are used if there are no others (KEP-1669). */
export function usedState(endpoints: readonly Endpoint[]): EndpointState {
  return endpoints.some(({ state }) => state === 'ready') ? 'ready' : 'draining';
}

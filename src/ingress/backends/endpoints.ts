import type { Address } from '../../base/model/address.ts';
import type { Protocol } from '../../base/model/redirect.ts';
import type { ServiceShare } from '../intent/service-share.ts';
import type { EndpointSlice, EndpointState, SlicePort } from '../objects/endpoint-slice.ts';
import type { Inventory } from '../objects/inventory.ts';
import type { Service, ServicePort } from '../objects/service.ts';
import type { HostGuard } from './host-guard.ts';

/** One place of a Service that connections can go to. */
export interface Endpoint {
  readonly address: Address;
  /** 1–65535. */
  readonly port: number;
  readonly state: EndpointState;
  /** Runs on this node. */
  readonly local: boolean;
  /** Name of the Service's port; empty for the only one. */
  readonly portName: string;
  /** What is spoken there (KEP-3726). */
  readonly appProtocol?: string;
  /** Kind and name of what is behind it, such as `pod:web-1`. */
  readonly target?: string;
  /** The address of a Service without pods, by which it is woken. */
  readonly isIdled?: true;
}

/** Which ports of a Service's endpoints are meant. */
export interface PortChoice {
  readonly protocol: Protocol;
  /** Name or number of the endpoints' port; absent: all of the protocol. */
  readonly targetPort?: string | number;
}

/** `10.128.0.5 3306`: one place that can be checked. */
export function endpointKey({ address, port }: Pick<Endpoint, 'address' | 'port'>): string {
  return `${address.text} ${port}`;
}

/** `NAMESPACE/NAME` of the Service that a backend means. */
export function serviceKeyOf({ namespace, service }: ServiceShare, home: string): string {
  return `${namespace ?? home}/${service}`;
}

/**
 * Finds the endpoints of Services, once for each Service and choice of port, however many Routes use
 * them: the same array is given out until the Service or one of its slices changes.
 */
export class EndpointFinder {
  readonly #inventory: Inventory;
  readonly #node: string;
  readonly #guard: HostGuard | undefined;
  readonly #found = new Map<string, Map<string, Found>>();

  /**
   * @param node name of this node, as EndpointSlices write it
   * @param guard decides about endpoints on addresses of nodes; absent: they are endpoints like any other
   */
  constructor(inventory: Inventory, node: string, guard?: HostGuard) {
    this.#inventory = inventory;
    this.#node = node;
    this.#guard = guard;
  }

  /** Forgets what was found for Services (`NAMESPACE/NAME`) that changed. */
  forget(services: Iterable<string>): void {
    for (const service of services) this.#found.delete(service);
  }

  serviceOf(backend: ServiceShare, home: string): Service | undefined {
    return this.#inventory.get('Service', serviceKeyOf(backend, home));
  }

  slicesOf(backend: ServiceShare, home: string): readonly EndpointSlice[] {
    return this.#inventory.slicesOf(serviceKeyOf(backend, home));
  }

  /** Endpoints of a backend, each place once; none where its Service is missing, an ExternalName, or not to be used. */
  find(backend: ServiceShare, home: string, choice: PortChoice): readonly Endpoint[] {
    return this.#look(backend, home, choice).endpoints;
  }

  /** Endpoints of a backend that the guard refuses, a few of them, a sentence each. */
  listRefusals(backend: ServiceShare, home: string, choice: PortChoice): readonly string[] {
    const { refusals } = this.#look(backend, home, choice);
    if (refusals.length > 0) return refusals;
    return listIdledPorts(this, backend, home, choice).flatMap((one) => this.refusalOf(one, backend, home) ?? []);
  }

  /** Returns why an endpoint must not be connected to; undefined where it may. */
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

/** The endpoints of a backend, and why others are not among them. */
interface Found {
  readonly endpoints: readonly Endpoint[];
  readonly refusals: readonly string[];
}

const nothing: Found = { endpoints: [], refusals: [] };

/** Further refusals are not kept: a status names a few. */
const maxRefusals = 3;

/**
 * The ports of a Service that was idled, at its own address: who connects there wakes it (reference: l7, servers).
 * None where it has endpoints, or was not idled.
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

/** Tells the ports of a Service's slices that are meant from the others. */
function selectPorts(
  { servicePort }: ServiceShare,
  service: Service | undefined,
  { protocol, targetPort }: PortChoice,
): (port: SlicePort) => boolean {
  if (servicePort !== undefined) {
    const meant = service?.ports.find((port) => port.port === servicePort && port.protocol === protocol);
    return (port) => meant !== undefined && port.protocol === protocol && port.name === meant.name;
  }
  if (targetPort === undefined) return (port) => port.protocol === protocol;
  // As OpenShift: a number in quotes means the number as well as the name.
  const number = typeof targetPort === 'number' || /^\d+$/.test(targetPort) ? Number(targetPort) : undefined;
  return (port) => port.protocol === protocol && (port.name === targetPort || port.port === number);
}

const rank = { ready: 2, draining: 1, unready: 0 } as const;

/** Every endpoint once: while slices are rearranged one can be in two of them. */
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

/** The state of the endpoints that are used: a pod that shuts down is when nothing else is there (KEP-1669). */
export function usedState(endpoints: readonly Endpoint[]): EndpointState {
  return endpoints.some(({ state }) => state === 'ready') ? 'ready' : 'draining';
}

/** What an author should know about the Services named, one sentence each. */
export function describeBackends(
  backends: readonly ServiceShare[],
  home: string,
  choices: readonly PortChoice[],
  finder: EndpointFinder,
): readonly string[] {
  const isWeightless = backends.length > 0 && backends.every(({ weight }) => weight === 0);
  const weightless = isWeightless ? ['every weight is 0, so nobody is served'] : [];
  const sentences = backends.flatMap((backend) => {
    const service = finder.serviceOf(backend, home);
    const name = `Service ${backend.service}`;
    if (service === undefined) return [`${name} does not exist`];
    if (service.isExternalName) return [`${name} is an ExternalName, which has no endpoints`];
    const slices = finder.slicesOf(backend, home);
    const leftOut = slices.flatMap((slice) => slice.leftOut);
    const refusals = new Set(choices.flatMap((choice) => finder.listRefusals(backend, home, choice)));
    const notes = [
      ...(leftOut.length === 0
        ? []
        : [`${name}: left out ${leftOut.slice(0, 3).join(', ')}: no pod has such an address`]),
      ...Array.from(refusals, (refusal) => `${name}: left out ${refusal}`),
    ];
    if (slices.every(({ endpoints }) => endpoints.length === 0)) {
      const why = service.idled === undefined ? 'has no endpoints' : 'is idled: it has no endpoints until it is woken';
      return [...notes, `${name} ${why}`];
    }
    const selects = choices.map((choice) => selectPorts(backend, service, choice));
    const hasPort = slices.some(({ ports }) => ports.some((port) => selects.some((select) => select(port))));
    if (!hasPort) return [...notes, `${name} has no endpoints with the port that is asked for`];
    const isServing = slices.some(({ endpoints }) => endpoints.some(({ state }) => state !== 'unready'));
    return isServing ? notes : [...notes, `${name} has no endpoint that is ready`];
  });
  return [...weightless, ...sentences];
}

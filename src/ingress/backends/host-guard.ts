import { type Address, containsAddress, type Prefix } from '../../base/model/address.ts';
import { includesPort, type PortRange } from '../claims/port-ranges.ts';
import { carriedAddress } from '../objects/endpoint-address.ts';
import type { Inventory, Journal } from '../objects/inventory.ts';
import { type HostPods, noPods } from './host-pods.ts';
import { readInterfaceAddresses } from './own-addresses.ts';

/** The administrator's rules for endpoints with node addresses. */
export interface HostGuardSettings {
  /** Networks whose addresses endpoints may have although they belong to nodes. */
  readonly openNetworks: readonly Prefix[];
  /** Ports of node addresses that no endpoint may have, not even a pod. */
  readonly closedPorts: readonly PortRange[];
}

/**
 * Control ports of a node's components: etcd (2379–2381), kubelet (10248, 10250, 10255), kube-proxy (10249, 10256),
 * controller manager, cloud controller and scheduler (10257–10259), and Calico's Felix (9099). The API server is not
 * included: it authenticates every request, and only Services of its own namespace can have it as endpoint.
 */
export const defaultClosedPorts: readonly PortRange[] = [
  { from: 2379, to: 2381 },
  { from: 9099, to: 9099 },
  { from: 10248, to: 10250 },
  { from: 10255, to: 10259 },
];

/** The parts of an endpoint that the guard checks. */
export interface GuardedEndpoint {
  readonly address: Address;
  /** 1–65535. */
  readonly port: number;
  /** Kind and name of its object, such as `pod:web-1`. */
  readonly target?: string;
  /** Whether this is the cluster address of an idled Service. */
  readonly isIdled?: true;
}

/** Dependencies of a guard. */
export interface HostGuardParts {
  readonly inventory: Inventory;
  /** Running pods with hostNetwork. Absent: none is known. */
  readonly pods?: HostPods;
  readonly readInterfaces?: typeof readInterfaceAddresses;
}

/** Interval between reads of the node's interfaces and of changed Nodes, in milliseconds. */
const interval = 1000;

/**
 * Decides about endpoints with node addresses. Authors of EndpointSlices can write any address, and programs on a
 * node trust its network: kubelets, daemons, HAProxy itself.
 */
export class HostGuard {
  readonly #settings: HostGuardSettings;
  readonly #inventory: Inventory;
  readonly #pods: HostPods;
  readonly #readInterfaces: typeof readInterfaceAddresses;
  readonly #journal: Journal;
  /** Addresses of nodes, except those on this node's IPVS interface. */
  #hosts: ReadonlySet<string> = new Set();
  #virtual: ReadonlySet<string> = new Set();
  #own: readonly string[] = [];
  #ofNodes: ReadonlySet<string> = new Set();
  #timer: NodeJS.Timeout | undefined;
  #onChange: () => void = () => undefined;

  constructor(settings: HostGuardSettings, { inventory, pods = noPods, readInterfaces }: HostGuardParts) {
    this.#settings = settings;
    this.#inventory = inventory;
    this.#pods = pods;
    this.#readInterfaces = readInterfaces ?? readInterfaceAddresses;
    this.#journal = inventory.openJournal();
    this.refresh();
  }

  /**
   * Follows addresses and pods. `onChange` is called after the Services with changed endpoints have been marked in
   * the inventory.
   */
  start(onChange: () => void): void {
    this.#onChange = onChange;
    this.#pods.start((service) => {
      this.#inventory.touch('Service', service);
      onChange();
    });
    this.#timer = setInterval(() => this.refresh(), interval);
    this.#timer.unref();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#pods.close();
  }

  /**
   * Resolves when the pods of endpoints with node addresses have been looked up, so that the first decisions after a
   * start do not drop their connections. Limited by the timeout of the pod lookups.
   */
  async settle(): Promise<void> {
    this.refresh();
    for (const slice of this.#inventory.all('EndpointSlice')) {
      if (slice.service === undefined) continue;
      for (const { address, target } of slice.endpoints) {
        if (this.#isHost(address)) this.#isPod(address, target, slice.service);
      }
    }
    await this.#pods.settle();
  }

  /** Reads addresses again and marks the Services with endpoints on changed addresses. */
  refresh(): void {
    const before = this.#hosts.union(this.#virtual);
    const isOther = this.#readOwn();
    const isNews = this.#journal.take().has('Node');
    if (!isOther && !isNews) return;
    if (isNews) {
      const all = Array.from(this.#inventory.all('Node'), ({ addresses }) => addresses.map(({ text }) => text));
      this.#ofNodes = new Set(all.flat());
    }
    this.#hosts = new Set([...this.#own, ...this.#ofNodes]);
    const changed = before.symmetricDifference(this.#hosts.union(this.#virtual));
    if (changed.size === 0) return;
    const services = new Set<string>();
    for (const { service, endpoints } of this.#inventory.all('EndpointSlice')) {
      const concerns = endpoints.some(({ address }) => changed.has((carriedAddress(address) ?? address).text));
      if (service !== undefined && concerns) services.add(service);
    }
    for (const service of this.#inventory.all('Service')) {
      if (service.idled !== undefined) services.add(`${service.meta.namespace}/${service.meta.name}`);
    }
    for (const service of services) this.#inventory.touch('Service', service);
    if (services.size > 0) this.#onChange();
  }

  /**
   * Returns why connections to an endpoint of a Service (`NAMESPACE/NAME`) are forbidden, or undefined if they are
   * allowed. The sentence begins with the endpoint.
   */
  refusalOf({ address, port, target, isIdled }: GuardedEndpoint, service: string): string | undefined {
    const plain = carriedAddress(address) ?? address;
    if (!this.#isHost(plain)) return undefined;
    const place = address.family === 4 ? `${address.text}:${port}` : `[${address.text}]:${port}`;
    if (includesPort(this.#settings.closedPorts, port)) {
      return `${place}: is a port of the node itself (--closed-node-ports)`;
    }
    if (this.#settings.openNetworks.some((network) => containsAddress(network, plain))) return undefined;
    // In IPVS mode a cluster address belongs to this node, and the Service's own port on it leads to the Service.
    if (isIdled === true && !this.#hosts.has(plain.text)) return undefined;
    if (address === plain && this.#isPod(plain, target, service)) return undefined;
    return `${place}: is an address of a node, but targetRef names no running pod with hostNetwork there`;
  }

  #isHost(address: Address): boolean {
    const { text } = carriedAddress(address) ?? address;
    return this.#hosts.has(text) || this.#virtual.has(text);
  }

  #isPod({ text }: Address, target: string | undefined, service: string): boolean {
    if (target?.startsWith('pod:') !== true) return false;
    return this.#pods.addressesOf(target.slice('pod:'.length), service).has(text);
  }

  /** Returns whether the node's own addresses have changed. */
  #readOwn(): boolean {
    const { own, virtual } = this.#readInterfaces();
    const texts = own.map(({ text }) => text);
    const isSame = texts.join() === this.#own.join() && virtual.length === this.#virtual.size;
    if (isSame && virtual.every(({ text }) => this.#virtual.has(text))) return false;
    this.#own = texts;
    this.#virtual = new Set(virtual.map(({ text }) => text));
    return true;
  }
}

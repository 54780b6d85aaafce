import { type Address, containsAddress, type Prefix } from '../../base/model/address.ts';
import { includesPort, type PortRange } from '../claims/port-ranges.ts';
import { carriedAddress } from '../objects/endpoint-address.ts';
import type { Inventory, Journal } from '../objects/inventory.ts';
import { type HostPods, noPods } from './host-pods.ts';
import { readInterfaceAddresses } from './own-addresses.ts';

/** What administrators decide about endpoints on addresses of nodes. */
export interface HostGuardSettings {
  /** Networks whose addresses endpoints may have although nodes have them. */
  readonly openNetworks: readonly Prefix[];
  /** Ports that no endpoint on a node's address may have, pods included. */
  readonly closedPorts: readonly PortRange[];
}

/**
 * Ports by which the components of a node are controlled: etcd (2379–2381), kubelet (10248, 10250, 10255), kube-proxy
 * (10249, 10256), controller manager, cloud controller and scheduler (10257–10259), and Calico's Felix (9099). The API server is not among them: it authenticates every request,
 * and only pods of its own namespace can be its endpoints.
 */
export const defaultClosedPorts: readonly PortRange[] = [
  { from: 2379, to: 2381 },
  { from: 9099, to: 9099 },
  { from: 10248, to: 10250 },
  { from: 10255, to: 10259 },
];

/** An endpoint, as far as the guard decides about it. */
export interface GuardedEndpoint {
  readonly address: Address;
  /** 1–65535. */
  readonly port: number;
  /** Kind and name of what is behind it, such as `pod:web-1`. */
  readonly target?: string;
  /** The cluster address of an idled Service. */
  readonly isIdled?: true;
}

/** What a guard works with. */
export interface HostGuardParts {
  readonly inventory: Inventory;
  /** Running pods with the node's network; absent: none is known. */
  readonly pods?: HostPods;
  readonly readInterfaces?: typeof readInterfaceAddresses;
}

/** Milliseconds between two reads of the node's interfaces and of what changed of Nodes. */
const interval = 1000;

/**
 * Decides about endpoints on addresses of nodes. Authors of EndpointSlices can write any address, and
 * what listens on a node trusts its network: kubelets, daemons, HAProxy itself.
 */
export class HostGuard {
  readonly #settings: HostGuardSettings;
  readonly #inventory: Inventory;
  readonly #pods: HostPods;
  readonly #readInterfaces: typeof readInterfaceAddresses;
  readonly #journal: Journal;
  /** Addresses of nodes that are not on IPVS's interface of this node. */
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

  /** Follows addresses and pods; `onChange` is called after Services whose endpoints changed were marked in the inventory. */
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
   * Resolves when the pods that endpoints on nodes' addresses name have been looked up, so that the first
   * decisions after a start do not drop their connections. Never takes longer than the pods' own limit.
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

  /** Reads addresses again, and marks the Services that have endpoints on those that changed. */
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
   * Returns why an endpoint of a Service (`NAMESPACE/NAME`) must not be connected to; undefined where it may.
   * The sentence begins with the endpoint.
   */
  refusalOf({ address, port, target, isIdled }: GuardedEndpoint, service: string): string | undefined {
    const plain = carriedAddress(address) ?? address;
    if (!this.#isHost(plain)) return undefined;
    const place = address.family === 4 ? `${address.text}:${port}` : `[${address.text}]:${port}`;
    if (includesPort(this.#settings.closedPorts, port)) {
      return `${place}: a port of the node itself (--closed-node-ports)`;
    }
    if (this.#settings.openNetworks.some((network) => containsAddress(network, plain))) return undefined;
    // By IPVS a cluster address is this node's, and the Service's own port on it leads to the Service.
    if (isIdled === true && !this.#hosts.has(plain.text)) return undefined;
    if (address === plain && this.#isPod(plain, target, service)) return undefined;
    return `${place}: the address of a node, and targetRef names no running pod with hostNetwork there`;
  }

  #isHost(address: Address): boolean {
    const { text } = carriedAddress(address) ?? address;
    return this.#hosts.has(text) || this.#virtual.has(text);
  }

  #isPod({ text }: Address, target: string | undefined, service: string): boolean {
    if (target?.startsWith('pod:') !== true) return false;
    return this.#pods.addressesOf(target.slice('pod:'.length), service).has(text);
  }

  /** Returns whether the node's own addresses are others than before. */
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

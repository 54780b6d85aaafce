import { parseAddress } from '../../base/model/address.ts';
import { isRecord } from '../../base/read/shape.ts';

/** Running pods with hostNetwork that endpoints refer to. */
export interface HostPods {
  /** Calls `onChange` with a Service (`NAMESPACE/NAME`) when {@link addressesOf} returns another value for it. */
  start(onChange: (service: string) => void): void;
  close(): void;
  /**
   * Returns the addresses of a pod in the namespace of a Service. Empty until the pod is known to run with
   * hostNetwork.
   */
  addressesOf(pod: string, service: string): ReadonlySet<string>;
  /** Resolves when every requested pod is known, or after a timeout. */
  settle(): Promise<void>;
}

const noAddresses: ReadonlySet<string> = new Set();

/** Used without a cluster: no pod is known. */
export const noPods: HostPods = {
  start: () => undefined,
  close: () => undefined,
  addressesOf: () => noAddresses,
  settle: () => Promise.resolve(),
};

/** Reads a pod. Resolves to undefined if it does not exist, and rejects if that is unknown. */
export type PodReader = (namespace: string, name: string) => Promise<unknown>;

interface Entry {
  readonly namespace: string;
  readonly name: string;
  readonly services: Set<string>;
  /** Undefined until the first answer. */
  addresses: ReadonlySet<string> | undefined;
  /** When it was last requested and when to read it again, in monotonic milliseconds. */
  due: number;
  isQueued: boolean;
}

/** Maximum number of pods per namespace that are looked up. Endpoints of further pods are rejected. */
const maxPods = 1000;

/** Milliseconds. */
const times = { tick: 1000, settle: 5000, retry: 5000, review: 60_000, perPod: 1000 };

/** Reads in a row after a pause, and reads per second after that. */
const burst = 200;
const perSecond = 20;
const maxParallel = 4;

/** Names of pods (DNS subdomains, RFC 1123). Anything else could be another path of the API. */
const podName = /^[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?$/;

/**
 * Looks up pods one by one, so that the agent needs no permission to list the pods of the cluster, and only those of
 * endpoints with node addresses. Namespaces take turns. Known pods are read again every minute, or less often if
 * there are many, because an unmaintained EndpointSlice outlives its pod.
 */
export class ReviewedHostPods implements HostPods {
  readonly #read: PodReader;
  readonly #report: (problem: string | undefined) => void;
  readonly #isUsed: (service: string, pod: string) => boolean;
  readonly #entries = new Map<string, Entry>();
  readonly #counts = new Map<string, number>();
  readonly #queues = new Map<string, Entry[]>();
  #onChange: (service: string) => void = () => undefined;
  #running = 0;
  #tokens = burst;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;
  #settled: (() => void) | undefined;

  /**
   * @param isUsed returns whether an endpoint of a Service still refers to a pod
   * @param report called with the reason why pods cannot be read, and with undefined when they can
   */
  constructor(
    read: PodReader,
    isUsed: (service: string, pod: string) => boolean,
    report: (problem: string | undefined) => void,
  ) {
    this.#read = read;
    this.#isUsed = isUsed;
    this.#report = report;
  }

  start(onChange: (service: string) => void): void {
    this.#onChange = onChange;
    this.#timer = setInterval(() => this.#tick(), times.tick);
    this.#timer.unref();
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#timer);
    this.#settled?.();
  }

  addressesOf(pod: string, service: string): ReadonlySet<string> {
    const namespace = service.slice(0, service.indexOf('/'));
    const key = `${namespace}/${pod}`;
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      const count = this.#counts.get(namespace) ?? 0;
      if (count >= maxPods || !podName.test(pod)) return noAddresses;
      this.#counts.set(namespace, count + 1);
      entry = { namespace, name: pod, services: new Set(), addresses: undefined, due: 0, isQueued: false };
      this.#entries.set(key, entry);
    }
    entry.services.add(service);
    // A slice that changes while its pod starts may mean that the pod has changed.
    if ((entry.addresses?.size ?? 0) === 0) this.#enqueue(entry);
    return entry.addresses ?? noAddresses;
  }

  async settle(): Promise<void> {
    if (this.#isIdle) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, times.settle);
    this.#settled = resolve;
    await promise;
    this.#settled = undefined;
    clearTimeout(timer);
  }

  get #isIdle(): boolean {
    return this.#running === 0 && this.#queues.size === 0;
  }

  #tick(): void {
    this.#tokens = Math.min(burst, this.#tokens + perSecond);
    const now = performance.now();
    for (const [key, entry] of this.#entries) {
      if (entry.isQueued || entry.due > now) continue;
      for (const service of entry.services) {
        if (!this.#isUsed(service, entry.name)) entry.services.delete(service);
      }
      if (entry.services.size > 0) this.#enqueue(entry);
      else this.#forget(key, entry.namespace);
    }
    this.#pump();
  }

  #forget(key: string, namespace: string): void {
    this.#entries.delete(key);
    const count = (this.#counts.get(namespace) ?? 1) - 1;
    if (count === 0) this.#counts.delete(namespace);
    else this.#counts.set(namespace, count);
  }

  #enqueue(entry: Entry): void {
    if (entry.isQueued || this.#isClosed) return;
    entry.isQueued = true;
    const queue = this.#queues.get(entry.namespace);
    if (queue === undefined) this.#queues.set(entry.namespace, [entry]);
    else queue.push(entry);
    this.#pump();
  }

  #pump(): void {
    while (this.#running < maxParallel && this.#tokens > 0) {
      const [namespace, queue] = this.#queues.entries().next().value ?? [];
      const entry = queue?.shift();
      if (namespace === undefined || queue === undefined || entry === undefined) break;
      // The namespace moves to the end of the queue, so that one with many pods does not delay others.
      this.#queues.delete(namespace);
      if (queue.length > 0) this.#queues.set(namespace, queue);
      this.#tokens--;
      this.#running++;
      void this.#review(entry);
    }
    if (this.#isIdle) this.#settled?.();
  }

  /** Reads a pod. Never rejects. */
  async #review(entry: Entry): Promise<void> {
    const { namespace, name, addresses: before } = entry;
    try {
      const pod = await this.#read(namespace, name);
      entry.addresses = readHostAddresses(pod);
      this.#report(undefined);
    } catch (error) {
      // The last known state is more likely to be true than the deletion of the pod during an outage of the API
      // server.
      this.#report(error instanceof Error ? error.message : String(error));
    }
    const isKnown = (entry.addresses?.size ?? 0) > 0;
    const pause = isKnown ? Math.max(times.review, this.#entries.size * times.perPod) : times.retry;
    entry.due = performance.now() + pause;
    entry.isQueued = false;
    this.#running--;
    if (this.#isClosed) return;
    if (!isSame(before ?? noAddresses, entry.addresses ?? noAddresses)) {
      for (const service of entry.services) this.#onChange(service);
    }
    this.#pump();
  }
}

/** Returns the addresses of a pod with hostNetwork. Only the kubelet writes a pod's status. */
function readHostAddresses(pod: unknown): ReadonlySet<string> {
  if (!isRecord(pod) || !isRecord(pod.spec) || !isRecord(pod.status)) return noAddresses;
  if (pod.spec.hostNetwork !== true || pod.status.phase !== 'Running') return noAddresses;
  const { podIP, podIPs } = pod.status;
  const written = [podIP, ...(Array.isArray(podIPs) ? podIPs.map((one) => (isRecord(one) ? one.ip : undefined)) : [])];
  return new Set(written.flatMap((one) => (typeof one === 'string' ? (parseAddress(one)?.text ?? []) : [])));
}

function isSame(one: ReadonlySet<string>, other: ReadonlySet<string>): boolean {
  return one.symmetricDifference(other).size === 0;
}

import { randomBytes } from 'node:crypto';
import * as z from 'zod/mini';
import type { KubeApi } from '../../base/kubernetes/cluster-api.ts';
import { patchLeaseAnnotations } from '../../base/kubernetes/lease-annotations.ts';
import { parseAddress } from '../../base/model/address.ts';
import { isRecord } from '../../base/read/shape.ts';

/** The object that lists the nodes, and the name of this node. */
export interface RosterSettings {
  readonly namespace: string;
  /** Name of the Lease whose annotations list the nodes. */
  readonly name: string;
  readonly node: string;
  readonly times?: RosterTimes;
}

/** Times in milliseconds. */
export interface RosterTimes {
  /** Interval between reports of a node. */
  readonly beat: number;
  /** Age of a report after which a node is not listed. */
  readonly lifetime: number;
  /** Age of a report after which a node's entry is removed. */
  readonly removal: number;
}

/** Exchanges the addresses of ingress nodes between their agents. */
export interface Roster {
  /**
   * Reports this node from now on, and follows the others.
   *
   * @param own returns addresses by which clients reach this node, or undefined while no Gateway needs them
   * @param onChange called when {@link others} is another map
   */
  start(own: () => readonly string[] | undefined, onChange: () => void): void;
  /** Addresses of the other serving nodes, by node. The map is immutable. */
  readonly others: ReadonlyMap<string, readonly string[]>;
  /** Reports immediately, because an address has changed or is needed for the first time. */
  request(): void;
}

const ordinaryTimes: RosterTimes = { beat: 10_000, lifetime: 30_000, removal: 600_000 };

/** Maximum number of addresses that are read from a node's entry. */
const maxAddresses = 16;

/** Only the part of an annotation key before the `/` may be as long as a node name. */
const suffix = '/ingress-agent';

const entrySchema = z.object({ addresses: z.array(z.string()) });

/**
 * The nodes with serving agents in the annotations of one Lease. Each agent writes its own key every few seconds with
 * a merge patch, which conflicts with no other, and reads all keys from the response. The age of entries is measured
 * with the local clock, because clocks of nodes differ.
 */
export class NodeRoster implements Roster {
  readonly #api: Pick<KubeApi, 'create' | 'mergePatch'>;
  readonly #settings: RosterSettings;
  readonly #times: RosterTimes;
  readonly #report: (problem: string | undefined) => void;
  readonly #seen = new Map<string, { readonly text: string; readonly at: number }>();
  readonly #start = randomBytes(4).toString('hex');
  #others: ReadonlyMap<string, readonly string[]> = new Map();
  #own: () => readonly string[] | undefined = () => undefined;
  #onChange: () => void = () => undefined;
  #beats = 0;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #isAskedAgain = false;
  #isClosed = false;

  constructor(
    api: Pick<KubeApi, 'create' | 'mergePatch'>,
    settings: RosterSettings,
    report: (problem: string | undefined) => void,
  ) {
    this.#api = api;
    this.#settings = settings;
    this.#times = settings.times ?? ordinaryTimes;
    this.#report = report;
  }

  get others(): ReadonlyMap<string, readonly string[]> {
    return this.#others;
  }

  start(own: () => readonly string[] | undefined, onChange: () => void): void {
    this.#own = own;
    this.#onChange = onChange;
    this.request();
  }

  request(): void {
    if (this.#isClosed) return;
    if (this.#running !== undefined) {
      this.#isAskedAgain = true;
      return;
    }
    clearTimeout(this.#timer);
    this.#running = this.#beat().finally(() => {
      this.#running = undefined;
      if (this.#isClosed) return;
      const pause = this.#isAskedAgain ? 0 : this.#times.beat;
      this.#isAskedAgain = false;
      this.#timer = setTimeout(() => this.request(), pause).unref();
    });
  }

  /** Stops. With `removes` the other agents learn at once that this node does not serve. Never rejects. */
  async close(removes: boolean): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#running;
    if (!removes || this.#beats === 0) return;
    await this.#patch({ [`${this.#settings.node}${suffix}`]: null }).catch(() => undefined);
  }

  /** Never rejects. */
  async #beat(): Promise<void> {
    const own = this.#own();
    if (own === undefined) return;
    try {
      const entry = { addresses: own.slice(0, maxAddresses), beat: `${this.#start}-${++this.#beats}` };
      const stale = this.#listStale().map((node) => [`${node}${suffix}`, null] as const);
      this.#read(
        await this.#patch({ ...Object.fromEntries(stale), [`${this.#settings.node}${suffix}`]: JSON.stringify(entry) }),
      );
      this.#report(undefined);
    } catch (error) {
      // Without a response nothing is known about the others, so their entries must not expire.
      const { message } = error as Error;
      this.#report(`cannot report the addresses of this node to the other agents: ${message}`);
    }
  }

  #patch(annotations: Readonly<Record<string, string | null>>): Promise<unknown> {
    return patchLeaseAnnotations(this.#api, this.#settings, annotations, AbortSignal.timeout(this.#times.beat));
  }

  #listStale(): readonly string[] {
    const now = performance.now();
    return [...this.#seen].flatMap(([node, { at }]) => (now - at >= this.#times.removal ? [node] : []));
  }

  #read(lease: unknown): void {
    const metadata = isRecord(lease) && isRecord(lease.metadata) ? lease.metadata : {};
    const annotations = isRecord(metadata.annotations) ? metadata.annotations : {};
    const now = performance.now();
    const others = new Map<string, readonly string[]>();
    const written = new Set<string>();
    for (const [key, text] of Object.entries(annotations).sort(([one], [other]) => (one < other ? -1 : 1))) {
      const node = key.slice(0, -suffix.length);
      if (!key.endsWith(suffix) || typeof text !== 'string' || node === this.#settings.node) continue;
      written.add(node);
      const known = this.#seen.get(node);
      const at = known?.text === text ? known.at : now;
      this.#seen.set(node, { text, at });
      if (now - at < this.#times.lifetime) others.set(node, readEntry(text));
    }
    for (const node of this.#seen.keys()) if (!written.has(node)) this.#seen.delete(node);
    if (JSON.stringify([...others]) === JSON.stringify([...this.#others])) return;
    this.#others = others;
    this.#onChange();
  }
}

/** Returns the addresses of an entry, or none if it is invalid. */
function readEntry(text: string): readonly string[] {
  try {
    const read = z.safeParse(entrySchema, JSON.parse(text));
    if (!read.success) return [];
    return read.data.addresses.slice(0, maxAddresses).flatMap((one) => parseAddress(one)?.text ?? []);
  } catch {
    return [];
  }
}

import { randomBytes } from 'node:crypto';
import * as z from 'zod/mini';
import { type KubeApi, KubeError } from '../../base/kubernetes/cluster-api.ts';
import { parseAddress } from '../../base/model/address.ts';
import { isRecord } from '../../base/read/shape.ts';

/** Which object lists the nodes, and under which name this node is there. */
export interface RosterSettings {
  readonly namespace: string;
  /** Name of the Lease whose annotations list the nodes. */
  readonly name: string;
  readonly node: string;
  readonly times?: RosterTimes;
}

/** Milliseconds. */
export interface RosterTimes {
  /** From one report of a node to the next. */
  readonly beat: number;
  /** A node that has not reported for this long is not listed. */
  readonly lifetime: number;
  /** The entry of a node that has not reported for this long is removed. */
  readonly removal: number;
}

/** How the agents of several nodes know each other's addresses. */
export interface Roster {
  /**
   * Reports this node from now on, and follows the others.
   *
   * @param own addresses that clients reach this node by; undefined while no Gateway needs them
   * @param onChange called when {@link others} is another map
   */
  start(own: () => readonly string[] | undefined, onChange: () => void): void;
  /** Addresses of the other nodes whose agents serve, by node; never changed in place. */
  readonly others: ReadonlyMap<string, readonly string[]>;
  /** Reports now, because an own address changed or is needed for the first time. */
  request(): void;
}

const ordinaryTimes: RosterTimes = { beat: 10_000, lifetime: 30_000, removal: 600_000 };

/** Addresses of one node that are taken from its entry at most. */
const maxAddresses = 16;

/** A key of annotations may be long before the `/` only, as names of nodes are. */
const suffix = '/ingress-agent';

const entrySchema = z.object({ addresses: z.array(z.string()) });

/**
 * The nodes whose agents serve, in the annotations of one Lease: each agent writes its own key every few seconds
 * by a merge patch, which conflicts with no other, and reads all keys in the answer. Judges the age of others'
 * entries by its own clock, since clocks of nodes differ.
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

  /** Stops; with `removes` the other agents learn at once that this node does not serve. Never rejects. */
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
      // Without an answer nothing is known about the others, whose entries must not run out for that.
      const { message } = error as Error;
      this.#report(`cannot report the addresses of this node to the other agents: ${message}`);
    }
  }

  async #patch(annotations: Readonly<Record<string, string | null>>): Promise<unknown> {
    const { namespace, name } = this.#settings;
    const folder = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`;
    const signal = AbortSignal.timeout(this.#times.beat);
    try {
      return await this.#api.mergePatch(`${folder}/${name}`, { metadata: { annotations } }, signal);
    } catch (error) {
      if (!(error instanceof KubeError && error.status === 404)) throw error;
      const present = Object.fromEntries(Object.entries(annotations).filter(([, value]) => value !== null));
      const object = {
        apiVersion: 'coordination.k8s.io/v1',
        kind: 'Lease',
        metadata: { namespace, name, annotations: present },
        spec: {},
      };
      return await this.#api.create(folder, object, signal);
    }
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

/** The addresses of an entry; none where it cannot be read. */
function readEntry(text: string): readonly string[] {
  try {
    const read = z.safeParse(entrySchema, JSON.parse(text));
    if (!read.success) return [];
    return read.data.addresses.slice(0, maxAddresses).flatMap((one) => parseAddress(one)?.text ?? []);
  } catch {
    return [];
  }
}

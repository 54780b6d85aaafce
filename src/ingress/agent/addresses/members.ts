import * as z from 'zod/mini';
import { pause } from '../../../base/daemon/pause.ts';
import type { KubeApi } from '../../../base/kubernetes/cluster-api.ts';
import { patchLeaseAnnotations } from '../../../base/kubernetes/lease-annotations.ts';
import { reflect } from '../../../base/kubernetes/reflector.ts';
import { parseAddress } from '../../../base/model/address.ts';
import { isName } from '../../../base/read/object-meta.ts';
import { isRecord } from '../../../base/read/shape.ts';

/** A node that takes part in the election of holders. */
export interface Member {
  readonly node: string;
  /** Addresses from which its heartbeats come. */
  readonly addresses: readonly string[];
  /** UDP port of its heartbeats. */
  readonly port: number;
  /** When it became a member, in milliseconds since 1970. */
  readonly since: number;
}

/** The members of the election. */
export interface Members {
  /**
   * Registers this node as a member, with its current addresses.
   *
   * @param onChange called when {@link list} has changed
   */
  join(own: Omit<Member, 'since'>, onChange: () => void): void;
  /** All members, sorted by node. While the API server does not answer, the last known ones. */
  readonly list: readonly Member[];
  /** Stops. With `leaves`, this node is no longer a member. Never rejects. */
  close(leaves: boolean): Promise<void>;
}

/** The Lease whose annotations list the members. */
interface MemberSettings {
  readonly namespace: string;
  readonly name: string;
  /** Returns whether a node has left the cluster, so that its entry is removed. */
  readonly isGone: (node: string) => boolean;
}

/** Only the part of an annotation key before the `/` may be as long as a node name. */
const suffix = '/ingress-addresses';
/** Limits of the parser for an entry. */
const maxAddresses = 16;
const maxMembers = 1000;
/** Milliseconds. */
const times = { retry: 2000, request: 10_000 } as const;

const entrySchema = z.object({ addresses: z.array(z.string()), port: z.number(), since: z.number() });

/**
 * Stores members in the annotations of one Lease, so that permissions can name it. A node writes its own key when it
 * joins or its addresses change, with a merge patch, which never conflicts. The Lease only lists the participants;
 * heartbeats show which of them are alive.
 */
export class LeaseMembers implements Members {
  readonly #api: KubeApi;
  readonly #settings: MemberSettings;
  readonly #report: (problem: string | undefined) => void;
  readonly #end = new AbortController();
  #own: Omit<Member, 'since'> | undefined;
  #onChange: () => void = () => undefined;
  #list: readonly Member[] = [];
  /** Whether the Lease has been read. */
  #isKnown = false;
  #writing: Promise<void> | undefined;
  #isReading = false;

  constructor(api: KubeApi, settings: MemberSettings, report: (problem: string | undefined) => void) {
    this.#api = api;
    this.#settings = settings;
    this.#report = report;
  }

  get list(): readonly Member[] {
    return this.#list;
  }

  join(own: Omit<Member, 'since'>, onChange: () => void): void {
    this.#own = own;
    this.#onChange = onChange;
    if (!this.#isReading) {
      this.#isReading = true;
      void this.#read();
    } else this.#reconcile();
  }

  async close(leaves: boolean): Promise<void> {
    this.#end.abort();
    await this.#writing;
    if (!leaves || this.#own === undefined) return;
    await this.#patch({ [`${this.#own.node}${suffix}`]: null }).catch(() => undefined);
  }

  /** Never rejects. */
  async #read(): Promise<void> {
    const { name } = this.#settings;
    await reflect(
      this.#api,
      `/apis/coordination.k8s.io/v1/namespaces/${this.#settings.namespace}/leases`,
      {
        replace: ([lease]) => this.#follow(lease),
        put: (lease) => this.#follow(lease),
        // The next write will create it again.
        remove: () => this.#follow(undefined),
        absent: () => undefined,
        report: (problem) => this.#report(problem && `cannot read the members of the election: ${problem}`),
      },
      this.#end.signal,
      undefined,
      undefined,
      { fieldSelector: `metadata.name=${name}` },
    );
  }

  #follow(lease: unknown): void {
    this.#isKnown = true;
    const next = readMembers(lease);
    const isSame = JSON.stringify(next) === JSON.stringify(this.#list);
    this.#list = next;
    this.#reconcile();
    if (!isSame) this.#onChange();
  }

  /** Writes this node's entry if it differs, and removes those of nodes that have left the cluster. */
  #reconcile(): void {
    if (!this.#isKnown || this.#writing !== undefined || this.#end.signal.aborted) return;
    const changes = this.#planChanges();
    if (Object.keys(changes).length === 0) return;
    this.#writing = this.#write(changes).finally(() => {
      this.#writing = undefined;
      this.#reconcile();
    });
  }

  #planChanges(): Readonly<Record<string, string | null>> {
    const own = this.#own;
    if (own === undefined) return {};
    const gone = this.#list.filter(({ node }) => node !== own.node && this.#settings.isGone(node));
    const changes: Record<string, string | null> = Object.fromEntries(
      gone.map(({ node }) => [`${node}${suffix}`, null]),
    );
    const known = this.#list.find(({ node }) => node === own.node);
    const isSame = known?.port === own.port && known.addresses.join() === own.addresses.join();
    if (!isSame) {
      const entry = { addresses: own.addresses, port: own.port, since: known?.since ?? Date.now() };
      changes[`${own.node}${suffix}`] = JSON.stringify(entry);
    }
    return changes;
  }

  /** Never rejects. */
  async #write(changes: Readonly<Record<string, string | null>>): Promise<void> {
    try {
      this.#follow(await this.#patch(changes));
      this.#report(undefined);
    } catch (error) {
      const { message } = error as Error;
      this.#report(`cannot join the election of holders of virtual addresses: ${message}`);
      await pause(times.retry, this.#end.signal);
    }
  }

  #patch(annotations: Readonly<Record<string, string | null>>): Promise<unknown> {
    return patchLeaseAnnotations(this.#api, this.#settings, annotations, AbortSignal.timeout(times.request));
  }
}

/** Members from the command line, for nodes without an API server. */
export class StaticMembers implements Members {
  readonly #others: readonly Omit<Member, 'since' | 'port'>[];
  #list: readonly Member[] = [];

  /** @param members all of them; if this node is not among them, it is the only one */
  constructor(members: readonly Omit<Member, 'since' | 'port'>[]) {
    this.#others = members;
  }

  get list(): readonly Member[] {
    return this.#list;
  }

  join(own: Omit<Member, 'since'>, onChange: () => void): void {
    const { node, port } = own;
    const isListed = this.#others.some((one) => one.node === node);
    const members = isListed ? this.#others.map((one) => ({ ...one, port })) : [own];
    const next = members.map((one) => ({ ...one, since: 0 }));
    if (JSON.stringify(next) === JSON.stringify(this.#list)) return;
    this.#list = next;
    onChange();
  }

  async close(): Promise<void> {}
}

/** Returns the members of a Lease. Invalid entries are ignored. */
function readMembers(lease: unknown): readonly Member[] {
  const metadata = isRecord(lease) && isRecord(lease.metadata) ? lease.metadata : {};
  const annotations = isRecord(metadata.annotations) ? metadata.annotations : {};
  return Object.entries(annotations)
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .flatMap(([key, text]): Member[] => {
      const node = key.slice(0, -suffix.length);
      const entry = key.endsWith(suffix) && isName(node) && typeof text === 'string' ? readEntry(text) : undefined;
      return entry === undefined ? [] : [{ node, ...entry }];
    })
    .slice(0, maxMembers);
}

function readEntry(text: string): Omit<Member, 'node'> | undefined {
  try {
    const read = z.safeParse(entrySchema, JSON.parse(text));
    if (!read.success) return undefined;
    const { addresses, port, since } = read.data;
    const valid = addresses.slice(0, maxAddresses).flatMap((one) => parseAddress(one)?.text ?? []);
    const isPort = Number.isInteger(port) && port >= 1 && port <= 65_535;
    return isPort && since >= 0 && valid.length > 0 ? { addresses: valid, port, since } : undefined;
  } catch {
    return undefined;
  }
}

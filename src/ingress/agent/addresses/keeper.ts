import { join } from 'node:path';
import { writeWhole } from '../../../base/files/write-whole.ts';
import type { Prefix } from '../../../base/model/address.ts';
import type { Labels } from '../../../base/read/object-meta.ts';
import { type AddressState, addressFiles, type Wanted } from '../../addresses/documents.ts';
import { FolderClaim } from '../../addresses/folder-claim.ts';
import type { AddressOwner, Assignments } from '../../pools/assign.ts';
import type { Holding } from '../../pools/holding.ts';
import type { HeartbeatKey } from './key-rotation.ts';
import type { KeySource } from './keys.ts';
import type { Members } from './members.ts';
import { StateReader } from './state-reader.ts';
import { describeWanted, type ServedPort } from './wanted.ts';

/** The agent's interface for the keeper of addresses. */
export interface KeeperParts {
  /** Folder of the documents. */
  readonly directory: string;
  /** `--name` of the agent. */
  readonly router: string;
  readonly node: string;
  readonly heartbeatPort: number;
  /** Sockets that accept connections while this node serves. */
  readonly checks: Wanted['checks'];
  readonly members: Members;
  readonly keys: KeySource;
  readonly assignments: () => Assignments;
  readonly portsOf: (owner: AddressOwner) => readonly ServedPort[];
  readonly nodesOf: (owner: AddressOwner) => ReadonlySet<string> | undefined;
  readonly labelsOfNode: (node: string) => Labels | undefined;
  readonly findInterface: (network: Prefix) => string | undefined;
  /** Addresses of this node, without virtual ones. */
  readonly nodeAddresses: () => readonly string[];
  readonly isReady: () => boolean;
  /** Whether the administrator has cordoned this node. */
  readonly isCordoned: () => boolean;
  readonly report: (problem: string | undefined) => void;
  /** Returns whether an ingress node holds an address. */
  readonly holdingOf: (address: string) => Holding;
  /** Called when holders have changed, even if only by the passage of time. */
  readonly onState: (state: AddressState | undefined) => void;
}

/** Milliseconds. */
const times = { tick: 250, renewal: 2000, unready: 5000 } as const;

/**
 * Writes the desired addresses for `ingress-addresses`, and reads which ones it holds. That process runs on its
 * own, so that a stalled agent does not lose addresses.
 */
export class AddressKeeper {
  readonly #parts: KeeperParts;
  readonly #state: StateReader;
  readonly #claim: FolderClaim;
  #timer: NodeJS.Timeout | undefined;
  #written = '';
  #writtenAt = Number.NEGATIVE_INFINITY;
  #isActive = false;
  #isStopping = false;
  #own = '';
  /** When the agent was last ready. */
  #readyAt = Number.NEGATIVE_INFINITY;
  /** The newest keys, which a paused agent does not write. */
  #keys: readonly HeartbeatKey[] | undefined;
  #holders = '';
  /** Why this router may not write documents. */
  #obstacle: string | undefined;
  /** Why a document could not be written. */
  #problem: string | undefined;

  constructor(parts: KeeperParts) {
    this.#parts = parts;
    this.#state = new StateReader(join(parts.directory, addressFiles.state));
    this.#claim = new FolderClaim(parts.directory, parts.router);
  }

  /** Starts, or continues after {@link pause}. */
  start(): void {
    clearInterval(this.#timer);
    this.#timer = setInterval(() => this.#tick(), times.tick);
    this.#timer.unref();
  }

  /** The report of `ingress-addresses`. Undefined: it is not running, or not needed, or serves another router. */
  get state(): AddressState | undefined {
    return this.#isActive && this.#obstacle === undefined ? this.#state.read() : undefined;
  }

  /** The reason why there is no report. */
  get problem(): string | undefined {
    return this.#obstacle ?? this.#problem ?? this.#state.problem;
  }

  /** Stops writing, because another agent of this node has taken over. */
  pause(): void {
    clearInterval(this.#timer);
    this.#claim.release();
  }

  /** Hands the addresses of this node over; with `removes`, it leaves the election. Never rejects. */
  async stop(removes: boolean): Promise<void> {
    clearInterval(this.#timer);
    this.#isStopping = true;
    this.#parts.keys.close();
    if (this.#isActive) this.#write(true);
    await this.#parts.members.close(removes);
    this.#claim.release();
  }

  #tick(): void {
    const { assignments, report } = this.#parts;
    if (!this.#isActive) {
      const { owners, pools } = assignments();
      // A document of a previous agent must not outlive the last pool.
      const isLeftover = this.#claim.readDocument()?.router === this.#parts.router;
      if (owners.size === 0 && pools.length === 0 && !isLeftover) return;
      this.#isActive = true;
      this.#parts.keys.start((keys) => this.#writeKeys(keys));
    }
    if (this.#parts.isReady()) this.#readyAt = performance.now();
    this.#takeFolder();
    if (this.#claim.isHeld) {
      this.#join();
      this.#write(false);
    }
    const { state } = this;
    report(assignments().owners.size === 0 ? undefined : this.problem);
    const { holdingOf } = this.#parts;
    const holders = JSON.stringify([
      state?.addresses.map((one) => [one.address, one.state, one.holder, one.rival]),
      Array.from(assignments().owners.keys(), (address) => [address, holdingOf(address)]),
    ]);
    if (holders !== this.#holders) this.#parts.onState(state);
    this.#holders = holders;
  }

  /**
   * Documents of another router of this node must not be replaced. An agent that was never ready does not keep the
   * folder from another router.
   */
  #takeFolder(): void {
    if (this.#readyAt === Number.NEGATIVE_INFINITY) {
      this.#obstacle = this.#claim.findRival();
      return;
    }
    const wasHeld = this.#claim.isHeld;
    this.#obstacle = this.#claim.take();
    if (!wasHeld && this.#claim.isHeld && this.#keys !== undefined) this.#writeKeys(this.#keys);
  }

  #join(): void {
    const { members, node, heartbeatPort: port, nodeAddresses } = this.#parts;
    const addresses = nodeAddresses();
    if (addresses.length === 0 || addresses.join() === this.#own) return;
    this.#own = addresses.join();
    members.join({ node, addresses, port }, () => this.#write(false));
  }

  #write(isUrgent: boolean): void {
    const { directory, members, node, isCordoned } = this.#parts;
    // Until this agent is ready and knows members, the document of the previous one stays in force: an empty document
    // would end the election of its addresses.
    const isMember = members.list.some((member) => member.node === node);
    if (!this.#claim.isHeld || !isMember) return;
    const wanted = describeWanted({
      ...this.#parts,
      members: members.list,
      assignments: this.#parts.assignments(),
      // A short failure, such as a slow large change of one tenant, must not move addresses.
      ready: performance.now() - this.#readyAt < times.unready,
      drain: this.#isStopping || isCordoned(),
    });
    const text = JSON.stringify(wanted);
    const now = performance.now();
    if (!isUrgent && text === this.#written && now - this.#writtenAt < times.renewal) return;
    const document: Wanted = { version: 1, ...wanted, writtenAt: Date.now() };
    try {
      writeWhole(join(directory, addressFiles.wanted), `${JSON.stringify(document)}\n`, 0o600);
      this.#written = text;
      this.#writtenAt = now;
      this.#problem = undefined;
    } catch (error) {
      this.#problem = `cannot write the desired addresses: ${(error as Error).message}`;
    }
  }

  #writeKeys(keys: readonly HeartbeatKey[]): void {
    this.#keys = keys;
    if (!this.#claim.isHeld) return;
    const { directory } = this.#parts;
    try {
      writeWhole(join(directory, addressFiles.keys), `${JSON.stringify({ version: 1, keys })}\n`, 0o600);
    } catch (error) {
      this.#problem = `cannot write the keys of the heartbeats: ${(error as Error).message}`;
    }
  }
}

import { type Allocation, allocate, findSuccessor, type Level, planShare } from './allocation.ts';
import type { MoveReason } from './documents.ts';
import { Observer } from './observer.ts';
import type { Claim, PeerReport } from './peer-report.ts';
import { beats, Peers } from './peers.ts';
import {
  type AddressView,
  type Command,
  claimOf,
  type ElectionInput,
  isHolding,
  type Phase,
  type ProbeResult,
} from './phase.ts';
import { timing as defaultTiming, type Timing } from './timing.ts';

/** An address as the election sees it. */
interface Entry {
  phase: Phase;
  /** Earliest time of the next probe or offer. */
  notBefore: number;
  /** The machine that owns the address, and the backoff after its next claim. */
  rival?: string | undefined;
  conflictWait: number;
  /** Whether a member claimed the address while this node held it. */
  contested: boolean;
  /** When a member that does not hear this node began to claim it, too. */
  deafSince?: number | undefined;
}

/** An allocation in which planned moves are recorded as they are decided. */
type MovingAllocation = Allocation & { readonly holders: Map<string, string> };

const idle: Phase = { is: 'idle' };

/**
 * One node's part of the election. Its inputs are values only: heartbeats of members, the time, and the results of
 * its commands. Rules: the holder keeps an address while it serves; an address that no living member claims goes to the
 * node that {@link allocate} names, after a probe; only the holder starts a planned move.
 */
export class Election {
  readonly self: string;
  readonly observer: Observer;
  readonly #timing: Timing;
  readonly #peers: Peers;
  readonly #entries = new Map<string, Entry>();
  /** The highest epoch ever heard for each address. */
  readonly #epochs = new Map<string, number>();
  #input: ElectionInput = { members: [], addresses: [], level: 0 };
  #eligible: ReadonlyMap<string, readonly string[] | undefined> = new Map();
  #levelSince: number;
  #settledAt: number;
  #lastTick: number;
  #nextShare: number;
  #commands: Command[] = [];

  /** @param now milliseconds of a monotonic clock */
  constructor(self: string, now: number, timing: Timing = defaultTiming) {
    this.self = self;
    this.observer = new Observer(self);
    this.#timing = timing;
    this.#peers = new Peers(timing);
    this.#settledAt = now + timing.settle;
    this.#lastTick = now;
    this.#levelSince = now;
    this.#nextShare = now + timing.share;
  }

  /** Replaces members, addresses and this node's level. */
  update(input: ElectionInput, now: number): void {
    if (input.level !== this.#input.level) this.#levelSince = now;
    this.#input = input;
    this.#eligible = new Map(input.addresses.map(({ address, eligibleNodes }) => [address, eligibleNodes]));
    this.#peers.retain(input.members);
    for (const { address } of input.addresses) this.#entryOf(address);
  }

  /** Continues to hold an address that this node's kernel still has, after a restart of the process. */
  adopt(address: string): void {
    this.#entryOf(address).phase = { is: 'held', epoch: 0 };
  }

  /** Records an accepted heartbeat. Returns whether it contains a change. */
  receive(from: string, report: PeerReport, now: number): boolean {
    if (!this.#input.members.includes(from)) return false;
    for (const { address, epoch } of report.claims) {
      this.#epochs.set(address, Math.max(epoch, this.#epochs.get(address) ?? 0));
    }
    return this.#peers.receive(from, report, now);
  }

  /** Advances the election and returns the commands. Call it at least every 50 ms and after every event. */
  tick(now: number): readonly Command[] {
    // After a pause of this process, heartbeats are missing only because it did not read them.
    if (now - this.#lastTick > this.#timing.dead - this.#timing.heartbeat) {
      this.#settledAt = Math.max(this.#settledAt, now + this.#timing.settle);
    }
    this.#lastTick = now;
    if (this.isSettled(now)) for (const name of this.#peers.expire(now)) this.observer.lostMember(name);
    const allocation = this.#allocation();
    const wanted = this.#eligible;
    const chosen = allocate(allocation);
    for (const [address, entry] of this.#entries) {
      if (wanted.has(address)) this.#decide(address, entry, allocation, chosen, now);
      else this.#drop(address, entry);
    }
    this.#share(allocation, now);
    this.observer.observe(
      [...wanted.keys()].map((address) => ({ address, ...this.#holderOf(address) })),
      (name) => name === this.self || this.#peers.has(name),
    );
    return this.#commands.splice(0);
  }

  /** Returns this node's report to a member. The caller adds links and draining addresses. */
  reportTo(member: string): Pick<PeerReport, 'level' | 'hears' | 'claims' | 'prepared'> {
    const prepared = [...this.#entries].filter(([, { phase }]) => phase.is === 'prepared').map(([address]) => address);
    return { level: this.#input.level, hears: this.#peers.has(member), claims: this.#claims(), prepared };
  }

  /** Records the result of a probe. */
  probed(address: string, result: ProbeResult, now: number): void {
    const entry = this.#entryOf(address);
    if (entry.phase.is !== 'probing') return;
    entry.phase = idle;
    if (result === 'free') {
      entry.rival = undefined;
      entry.conflictWait = this.#timing.conflict;
      // A member may have taken the address in the meantime, or this node may have become unfit.
      const allocation = this.#allocation();
      if (this.#mayTake(address, entry, allocate(allocation), now)) this.#take(address, entry);
      return;
    }
    // The kernel of a dead member answers until the lifetime ends: probe again at once.
    if (result !== 'member') this.#yieldTo(entry, result.rival, now);
  }

  /** Releases a held address because another machine owns it. */
  foreignOwner(address: string, rival: string, now: number): void {
    const entry = this.#entryOf(address);
    if (!isHolding(entry.phase)) return;
    this.#hide(address, entry, 'unheld');
    this.#yieldTo(entry, rival, now);
  }

  /** The address is on the interface. */
  took(address: string): void {
    const entry = this.#entryOf(address);
    if (entry.phase.is === 'taking') entry.phase = { is: 'held', epoch: entry.phase.epoch };
  }

  /** The address could not be added, or its lifetime ended. */
  lost(address: string, now: number): void {
    const entry = this.#entryOf(address);
    entry.phase = idle;
    entry.notBefore = now + this.#timing.take;
  }

  /** Rules now forward connections that this node does not know to the previous holder. */
  prepared(address: string): void {
    const entry = this.#entryOf(address);
    if (entry.phase.is === 'preparing') entry.phase = { is: 'prepared', from: entry.phase.from };
  }

  /** The address is no longer on the interface. */
  hid(address: string, now: number): void {
    const entry = this.#entryOf(address);
    if (entry.phase.is !== 'hiding') return;
    const { epoch, to, reason } = entry.phase;
    entry.phase = to === undefined ? idle : { is: 'released', epoch, to, reason, since: now };
  }

  /** Addresses that this node claims: they belong on the interface unless they are being hidden. */
  get held(): string[] {
    return [...this.#entries].filter(([, entry]) => isHolding(entry.phase)).map(([address]) => address);
  }

  /** Whether a hand-over that this node started is not complete: no other member claims the address yet. */
  get isHandingOver(): boolean {
    return [...this.#entries.values()].some(({ phase: { is } }) => is === 'hiding' || is === 'released');
  }

  /** Members to which this node forwards unknown connections of an address: those that drain it or hand it over. */
  drainersOf(address: string): string[] {
    const { phase } = this.#entryOf(address);
    const from = phase.is === 'preparing' || phase.is === 'prepared' ? [phase.from] : [];
    return [...new Set([...from, ...this.#peers.drainersOf(address)])].sort();
  }

  /** The node that holds or is about to get an address, as far as this node knows. */
  holderOf(address: string): string | undefined {
    const { holder, to } = this.#holderOf(address);
    return to ?? holder;
  }

  /** The member that answers for an address now. Absent while it is moving or at this node. */
  takenBy(address: string): string | undefined {
    return this.#peers.bestClaim(address, ({ phase }) => phase !== 'released')?.name;
  }

  /** A member's last report, if it is alive or exited gracefully. */
  reportOf(member: string): PeerReport | undefined {
    return this.#peers.reportOf(member);
  }

  /** Whether a member is alive. */
  isAlive(member: string): boolean {
    return this.#peers.has(member);
  }

  /** Whether this node has listened for long enough to decide. */
  isSettled(now: number): boolean {
    return now >= this.#settledAt;
  }

  /** Describes all wanted addresses. */
  views(): AddressView[] {
    const allocation = this.#allocation();
    return this.#input.addresses.map(({ address }) => {
      const { phase, rival } = this.#entryOf(address);
      const { holder, to } = this.#holderOf(address);
      const next = to ?? findSuccessor(allocation, address);
      const isMoving = phase.is === 'offering' || phase.is === 'hiding' || phase.is === 'released';
      const other = rival === undefined ? 'nobody' : 'conflict';
      const elsewhere = holder === undefined ? other : 'elsewhere';
      const state = isMoving ? 'handing-over' : holder === this.self ? 'held' : elsewhere;
      return { address, state, holder, next, ...(state === 'conflict' && { rival }) };
    });
  }

  #entryOf(address: string): Entry {
    let entry = this.#entries.get(address);
    if (entry === undefined) {
      entry = { phase: idle, notBefore: 0, conflictWait: this.#timing.conflict, contested: false };
      this.#entries.set(address, entry);
    }
    return entry;
  }

  #claims(): Claim[] {
    return [...this.#entries].flatMap(([address, entry]) => claimOf(address, entry.phase) ?? []);
  }

  /** The claim of an address that has precedence. */
  #holderOf(address: string): { holder?: string; to?: string | undefined; reason?: MoveReason | undefined } {
    const own = claimOf(address, this.#entryOf(address).phase);
    const mine = own && { name: this.self, claim: own };
    const other = this.#peers.bestClaim(address);
    const best = mine !== undefined && (other === undefined || beats(mine, other)) ? mine : other;
    return best === undefined ? {} : { holder: best.name, to: best.claim.to, reason: best.claim.reason };
  }

  #allocation(): MovingAllocation {
    const levels = new Map<string, Level>([[this.self, this.#input.level], ...this.#peers.levels()]);
    const holders = new Map<string, string>();
    for (const { address } of this.#input.addresses) {
      const holder = this.holderOf(address);
      if (holder !== undefined) holders.set(address, holder);
    }
    return { addresses: this.#input.addresses, levels, holders };
  }

  #levelFor(address: string): Level {
    return (this.#eligible.get(address)?.includes(this.self) ?? true) ? this.#input.level : 0;
  }

  #decide(
    address: string,
    entry: Entry,
    all: MovingAllocation,
    chosen: ReadonlyMap<string, string>,
    now: number,
  ): void {
    const { phase } = entry;
    switch (phase.is) {
      case 'idle':
      case 'prepared':
        if (this.#answerOffer(address, entry)) return;
        if (!this.#mayTake(address, entry, chosen, now)) return;
        entry.phase = { is: 'probing' };
        this.#commands.push({ do: 'probe', address });
        return;
      case 'preparing':
      case 'probing':
      case 'hiding':
        return;
      case 'taking':
      case 'held':
        if (this.#resolveConflict(address, entry, phase.epoch, now) || phase.is === 'taking') return;
        this.#leave(address, entry, phase.epoch, all, now);
        return;
      case 'offering':
        if (this.#resolveConflict(address, entry, phase.epoch, now)) return;
        if (this.#peers.get(phase.to)?.report.prepared.includes(address)) {
          this.#hide(address, entry, phase.reason, phase.to);
          return;
        }
        if (!this.#isBetter(phase.to, address, phase.reason)) entry.phase = { is: 'held', epoch: phase.epoch };
        else if (now - phase.since > this.#timing.prepare) {
          entry.phase = { is: 'held', epoch: phase.epoch };
          entry.notBefore = now + this.#timing.retry;
        }
        return;
      case 'released': {
        if (
          this.#peers.get(phase.to)?.claims.has(address) ||
          !this.#peers.has(phase.to) ||
          now - phase.since > this.#timing.take
        )
          entry.phase = idle;
      }
    }
  }

  /** Returns whether a member can still take an address that was offered to it. */
  #isBetter(name: string, address: string, reason: MoveReason): boolean {
    const { level } = this.#peers.get(name)?.report ?? {};
    if (level === undefined || level === 0) return false;
    return reason === 'share' ? level >= this.#levelFor(address) : level > this.#levelFor(address);
  }

  /** Reacts to a member that offers an address to this node or has released it. Returns whether there is one. */
  #answerOffer(address: string, entry: Entry): boolean {
    for (const [name, { claims }] of this.#peers.all()) {
      const claim = claims.get(address);
      if (claim?.to !== this.self || this.#levelFor(address) === 0) continue;
      const isPrepared = entry.phase.is === 'prepared' && entry.phase.from === name;
      if (claim.phase === 'released') {
        // Its holder released it, so there is no machine to probe for.
        if (isPrepared) this.#take(address, entry);
      } else if (!isPrepared) {
        entry.phase = { is: 'preparing', from: name };
        this.#commands.push({ do: 'prepare', address, from: name });
      }
      return true;
    }
    if (entry.phase.is === 'prepared') entry.phase = idle;
    return false;
  }

  #mayTake(address: string, entry: Entry, chosen: ReadonlyMap<string, string>, now: number): boolean {
    const isOurs = chosen.get(address) === this.self && this.#levelFor(address) > 0;
    return isOurs && this.isSettled(now) && now >= entry.notBefore;
  }

  #take(address: string, entry: Entry): void {
    const epoch = (this.#epochs.get(address) ?? 0) + 1;
    this.#epochs.set(address, epoch);
    entry.phase = { is: 'taking', epoch };
    entry.contested = false;
    this.#commands.push({ do: 'take', address });
  }

  #hide(address: string, entry: Entry, reason: MoveReason, to?: string): void {
    if (!('epoch' in entry.phase)) return;
    entry.phase = { is: 'hiding', epoch: entry.phase.epoch, reason, ...(to !== undefined && { to }) };
    this.#commands.push({ do: 'hide', address });
  }

  #yieldTo(entry: Entry, rival: string, now: number): void {
    entry.rival = rival;
    entry.notBefore = now + entry.conflictWait;
    entry.conflictWait = Math.min(this.#timing.longestConflict, entry.conflictWait * 2);
    this.observer.rival();
  }

  /** Releases an address that no object uses any more. */
  #drop(address: string, entry: Entry): void {
    if (isHolding(entry.phase)) this.#hide(address, entry, 'unheld');
    if (entry.phase.is === 'hiding') return;
    this.#entries.delete(address);
    this.#epochs.delete(address);
  }

  /** Resolves that two members hold one address after a partition. Returns whether this node releases it. */
  #resolveConflict(address: string, entry: Entry, epoch: number, now: number): boolean {
    const own = { name: this.self, claim: { address, epoch, phase: 'held' as const } };
    let isContested = false;
    let isDeaf = false;
    for (const [name, { report, claims }] of this.#peers.all()) {
      const claim = claims.get(address);
      if (claim === undefined || claim.phase === 'released') continue;
      isContested = true;
      isDeaf ||= !report.hears;
      if (report.hears && beats({ name, claim }, own)) {
        this.#hide(address, entry, 'partition-healed');
        return true;
      }
    }
    // A member that never hears this node never gives up.
    entry.deafSince = isDeaf ? (entry.deafSince ?? now) : undefined;
    if (entry.deafSince !== undefined && now - entry.deafSince > this.#timing.deaf) {
      entry.deafSince = undefined;
      this.#hide(address, entry, 'partition-healed');
      return true;
    }
    // Clients learned the other holder: the winner announces the address again once that holder has released it.
    if (entry.contested && !isContested) this.#commands.push({ do: 'announce', address });
    entry.contested = isContested;
    return false;
  }

  /** Starts a planned move if another node should hold the address. */
  #leave(address: string, entry: Entry, epoch: number, all: MovingAllocation, now: number): void {
    const level = this.#levelFor(address);
    if (level === 2) return;
    const to = now < entry.notBefore ? undefined : findSuccessor(all, address);
    if (to !== undefined && (all.levels.get(to) ?? 0) > level) {
      // The next address of this step must see the move.
      all.holders.set(address, to);
      this.#offer(entry, epoch, to, this.#input.why ?? 'not-ready', now);
    } else if (level === 0 && now - this.#levelSince > this.#timing.unserved) this.#hide(address, entry, 'not-ready');
  }

  #offer(entry: Entry, epoch: number, to: string, reason: MoveReason, now: number): void {
    entry.phase = { is: 'offering', epoch, to, reason, since: now };
  }

  /** Moves one address to a node that has returned. */
  #share(all: Allocation, now: number): void {
    if (this.#input.level !== 2 || now < this.#nextShare || this.#isAnyMoving()) return;
    const stable = [...this.#peers.all()]
      .filter(([, { since }]) => now - since >= this.#timing.share)
      .map(([name]) => name);
    const plan = planShare(all, this.self, new Set(stable));
    const entry = plan && this.#entries.get(plan.address);
    if (entry?.phase.is !== 'held' || plan === undefined || now < entry.notBefore) return;
    this.#nextShare = now + this.#timing.nextShare;
    this.#offer(entry, entry.phase.epoch, plan.to, 'share', now);
  }

  #isAnyMoving(): boolean {
    const all = [this.#claims(), ...Array.from(this.#peers.all(), ([, { report }]) => report.claims)];
    return all.flat().some(({ to }) => to !== undefined);
  }
}

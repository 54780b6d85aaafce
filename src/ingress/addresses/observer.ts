import type { MoveReason } from './documents.ts';

/** A change of an address's holder. */
export interface Move {
  readonly address: string;
  readonly from?: string | undefined;
  readonly to: string;
  readonly reason: MoveReason;
}

/** The observed state of an address. */
interface Sight {
  readonly address: string;
  readonly holder?: string;
  readonly to?: string | undefined;
  readonly reason?: MoveReason | undefined;
}

/** Derives moves, their reasons and counters from the observations of one node. */
export class Observer {
  readonly #self: string;
  readonly #last = new Map<string, Sight>();
  readonly #moves: Move[] = [];
  rivals = 0;
  lostMembers = 0;

  constructor(self: string) {
    this.#self = self;
  }

  rival(): void {
    this.rivals++;
  }

  lostMember(_name: string): void {
    this.lostMembers++;
  }

  /** Compares the observations with the previous ones. An address without a holder keeps its last one as `from`. */
  observe(sights: readonly Sight[], isAlive: (node: string) => boolean): void {
    const present = new Set(sights.map(({ address }) => address));
    for (const address of this.#last.keys()) if (!present.has(address)) this.#last.delete(address);
    for (const sight of sights) {
      if (sight.holder === undefined) continue;
      const before = this.#last.get(sight.address);
      this.#last.set(sight.address, sight);
      if (before?.holder === sight.holder) continue;
      this.#moves.push({
        address: sight.address,
        from: before?.holder,
        to: sight.holder,
        reason: reasonOf(before, isAlive),
      });
    }
  }

  /** Returns the moves since the last call. */
  takeMoves(): Move[] {
    return this.#moves.splice(0);
  }

  get self(): string {
    return this.#self;
  }
}

function reasonOf(before: Sight | undefined, isAlive: (node: string) => boolean): MoveReason {
  if (before?.holder === undefined) return 'unheld';
  if (before.reason !== undefined && before.to !== undefined) return before.reason;
  return isAlive(before.holder) ? 'partition-healed' : 'node-lost';
}

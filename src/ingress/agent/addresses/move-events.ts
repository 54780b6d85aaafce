import type { EventObject, EventWords } from '../../../base/kubernetes/events.ts';
import { isStored } from '../../../base/read/object-meta.ts';
import type { AddressState } from '../../addresses/documents.ts';
import { listApiVersions } from '../../objects/kinds.ts';
import type { Assignments } from '../../pools/assign.ts';

type Move = AddressState['moves'][number];

/** Reasons of planned moves and starts, reported as normal Events; the others are faults. */
const planned: ReadonlySet<Move['reason']> = new Set(['unheld', 'drain', 'share']);

/** Reports moves of virtual addresses in Events of their owners, and those of the router in Events of the pool. */
export class MoveEvents {
  readonly #tell: (object: EventObject, words: EventWords) => void;
  readonly #assignments: () => Assignments;
  readonly #startedAt: number;
  /** The moves of the previous report. Their times do not tell which are new, because the clock may jump back. */
  #known: ReadonlySet<string> | undefined;

  /** @param now milliseconds since 1970 */
  constructor(
    tell: (object: EventObject, words: EventWords) => void,
    assignments: () => Assignments,
    now: number = Date.now(),
  ) {
    this.#tell = tell;
    this.#assignments = assignments;
    this.#startedAt = now;
  }

  follow(state: AddressState | undefined): void {
    if (state === undefined) return;
    const known = this.#known;
    const isNew = (move: Move): boolean =>
      known === undefined ? move.at > this.#startedAt : !known.has(JSON.stringify(move));
    this.#known = new Set(state.moves.map((move) => JSON.stringify(move)));
    for (const move of state.moves.filter(isNew)) {
      const owner = this.#assignments().owners.get(move.address);
      if (owner === undefined) continue;
      const kind = owner.kind === 'Router' ? 'IngressAddressPool' : owner.kind;
      const meta = owner.meta ?? owner.pool.meta;
      // A pool of the command line is no object.
      if (!isStored(meta)) continue;
      const { namespace, name, uid } = meta;
      const [apiVersion = ''] = listApiVersions(kind);
      const type = planned.has(move.reason) ? 'Normal' : 'Warning';
      const object = { apiVersion, kind, namespace, name, uid };
      this.#tell(object, { type, reason: 'AddressMoved', message: describeMove(move) });
    }
  }
}

function describeMove({ address, from, to, reason }: Move): string {
  if (to === undefined) return `No ingress node holds ${address} any more: ${reason}`;
  if (from === undefined) return `Node ${to} holds ${address}: ${reason}`;
  return `${address} moved from node ${from} to node ${to}: ${reason}`;
}

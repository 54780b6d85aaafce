import type { EventObject, EventWords } from '../../../base/kubernetes/events.ts';
import type { AddressState } from '../../addresses/documents.ts';
import { kinds } from '../../objects/kinds.ts';
import type { Assignments } from '../../pools/assign.ts';

type Move = AddressState['moves'][number];

const apiVersions = {
  Gateway: 'gateway.networking.k8s.io/v1',
  Service: 'v1',
  IngressAddressPool: `${kinds.IngressAddressPool.group}/v1alpha1`,
} as const;

/** Reasons of planned moves and starts, reported as normal Events; the others are faults. */
const planned: ReadonlySet<Move['reason']> = new Set(['unheld', 'drain', 'share']);

/** Reports moves of virtual addresses in Events of their owners, and those of the router in Events of the pool. */
export class MoveEvents {
  readonly #tell: (object: EventObject, words: EventWords) => void;
  readonly #assignments: () => Assignments;
  /** Moves up to this moment were reported, or happened before this agent started. */
  #reportedUntil: number;

  /** @param now milliseconds since 1970 */
  constructor(
    tell: (object: EventObject, words: EventWords) => void,
    assignments: () => Assignments,
    now: number = Date.now(),
  ) {
    this.#tell = tell;
    this.#assignments = assignments;
    this.#reportedUntil = now;
  }

  follow(state: AddressState | undefined): void {
    const fresh = state?.moves.filter(({ at }) => at > this.#reportedUntil) ?? [];
    for (const move of fresh) {
      this.#reportedUntil = Math.max(this.#reportedUntil, move.at);
      const owner = this.#assignments().owners.get(move.address);
      if (owner === undefined) continue;
      const kind = owner.kind === 'Router' ? 'IngressAddressPool' : owner.kind;
      const { namespace, name, uid } = owner.meta ?? owner.pool.meta;
      // A pool of the command line is no object.
      if (uid === `${namespace}/${name}`) continue;
      const type = planned.has(move.reason) ? 'Normal' : 'Warning';
      const object = { apiVersion: apiVersions[kind], kind, namespace, name, uid };
      this.#tell(object, { type, reason: 'AddressMoved', message: describeMove(move) });
    }
  }
}

function describeMove({ address, from, to, reason }: Move): string {
  if (to === undefined) return `No ingress node holds ${address} any more: ${reason}`;
  if (from === undefined) return `Node ${to} holds ${address}: ${reason}`;
  return `${address} moved from node ${from} to node ${to}: ${reason}`;
}

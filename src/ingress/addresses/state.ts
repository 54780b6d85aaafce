import type { AddressState, MoveReason, RejectionReason, Wanted } from './documents.ts';
import { moveReasons, rejectionReasons } from './documents.ts';
import type { Move } from './observer.ts';
import type { AddressView } from './phase.ts';

const mostMoves = 50;

/** Moves and counters of this process, for `state.json`. */
export class History {
  readonly moves: AddressState['moves'] = [];
  readonly counters = {
    moves: Object.fromEntries(moveReasons.map((reason) => [reason, 0])) as Record<MoveReason, number>,
    rejected: Object.fromEntries(rejectionReasons.map((reason) => [reason, 0])) as Record<RejectionReason, number>,
    lostHeartbeats: 0,
  };
  readonly #since = new Map<string, { readonly key: string; readonly at: number }>();

  /** @param at milliseconds since 1970 */
  add(move: Move, at: number): void {
    const { address, from, to, reason } = move;
    this.moves.push({ address, ...(from !== undefined && { from }), to, at, reason });
    this.moves.splice(0, this.moves.length - mostMoves);
    this.counters.moves[reason]++;
  }

  reject(reason: RejectionReason): void {
    this.counters.rejected[reason]++;
  }

  /** Returns when an address got its current state and holder. */
  sinceOf({ address, state, holder }: AddressView, at: number): number {
    const key = `${state} ${holder ?? ''}`;
    const known = this.#since.get(address);
    if (known?.key === key) return known.at;
    this.#since.set(address, { key, at });
    return at;
  }
}

/** This node's knowledge of a member. */
export interface MemberSight {
  readonly node: string;
  readonly lastHeard?: number | undefined;
  readonly isAlive: boolean;
  readonly isReady: boolean;
}

/** Inputs of `state.json`. */
export interface StateInput {
  readonly wanted: Wanted;
  readonly at: number;
  readonly reason: string | undefined;
  readonly members: readonly MemberSight[];
  readonly views: readonly AddressView[];
  /** Number of connections that this node still serves, by address that another node holds. */
  readonly draining: ReadonlyMap<string, number>;
  /** Why this node cannot hold an address. */
  readonly obstacles: ReadonlyMap<string, string>;
  readonly rivals: number;
  readonly lostMembers: number;
}

/** Builds `state.json`. */
export function describeState(input: StateInput, history: History): AddressState {
  const { wanted, at, reason } = input;
  return {
    version: 1,
    node: wanted.node,
    writtenAt: at,
    ready: reason === undefined,
    ...(reason !== undefined && { reason }),
    members: input.members.map(({ node, lastHeard, isAlive, isReady }) => ({
      node,
      ...(lastHeard !== undefined && { lastHeard }),
      alive: isAlive,
      ready: isReady,
    })),
    addresses: input.views.map((view) => {
      const { address, state, holder, next, rival } = view;
      const draining = input.draining.get(address);
      return {
        address,
        ...(holder !== undefined && { holder }),
        since: history.sinceOf(view, at),
        state,
        ...(next !== undefined && { next }),
        ...(rival !== undefined && { rival }),
        ...(draining !== undefined && { draining }),
        reason: explain(view, wanted.node, draining, input.obstacles.get(address)),
      };
    }),
    moves: history.moves,
    counters: {
      moves: history.counters.moves,
      rivals: input.rivals,
      lostMembers: input.lostMembers,
      lostHeartbeats: history.counters.lostHeartbeats,
      rejectedHeartbeats: history.counters.rejected,
    },
  };
}

function explain(view: AddressView, self: string, draining: number | undefined, obstacle: string | undefined): string {
  const { state, holder, next, rival } = view;
  const rest = draining === undefined ? '' : ` This node still serves ${draining} of its connections.`;
  switch (state) {
    case 'held':
      return 'This node holds the address.';
    case 'elsewhere':
      return `Node ${holder} holds the address.${rest}`;
    case 'handing-over':
      return `Node ${self} hands the address over to ${next ?? 'another node'}.${rest}`;
    case 'conflict':
      return `The machine ${rival}, which is not a member, uses the address; remove the address from that machine.`;
    case 'nobody':
      if (obstacle !== undefined) return obstacle;
      return next === undefined
        ? `No ready node can hold the address.${rest}`
        : `Node ${next} takes the address after a probe.${rest}`;
  }
}

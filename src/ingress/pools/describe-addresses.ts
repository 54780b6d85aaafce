import { keyOf } from '../../base/read/object-meta.ts';
import type { AddressState } from '../addresses/documents.ts';
import type { AddressesDocument } from './addresses-document.ts';
import type { AddressOwner, Assignments } from './assign.ts';

/** Returns kind and name of an owner: `Gateway shop/web`, or `Router`. */
export function nameOwner({ kind, meta }: AddressOwner): string {
  return meta === undefined ? kind : `${kind} ${keyOf(meta)}`;
}

/** Sources of the answer to `/addresses`. */
interface DescriptionInput {
  readonly node: string;
  readonly assignments: Assignments;
  /** The report of `ingress-addresses`. */
  readonly state: AddressState | undefined;
  /** Why there is no report. */
  readonly problem: string | undefined;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** Returns all virtual addresses with owners and holders, as this node sees them. */
export function describeAddresses({ node, assignments, state, problem, now }: DescriptionInput): AddressesDocument {
  const seen = new Map(state?.addresses.map((one) => [one.address, one] as const));
  const addresses = Array.from(assignments.owners.values(), (owner): AddressesDocument['addresses'][number] => {
    const { text } = owner.address;
    const known = seen.get(text);
    return { ...(known ?? { state: 'unknown' }), address: text, pool: owner.pool.meta.name, owner: nameOwner(owner) };
  });
  return {
    schema: 'ingress-agent.addresses/v1',
    node,
    at: now,
    ...(state === undefined && problem !== undefined && { problem }),
    addresses: addresses.sort((one, other) => (one.address < other.address ? -1 : 1)),
    members: state?.members ?? [],
    moves: state?.moves ?? [],
    pools: assignments.pools.map(({ pool, assigned, free, problems }) => ({
      name: pool.meta.name,
      assigned,
      free,
      problems: [...problems],
    })),
  };
}

import type { Layout } from './layout.ts';
import type { ReloadBudget } from './reload-budget.ts';
import type { ReloadCause } from './steps.ts';

type Waiting = ReadonlyMap<ReloadCause, readonly string[]>;
type OwnerOf = (cause: ReloadCause, name: string) => string | undefined;

/** Returns how long a reload must wait because of budgets: until the first of the owners may cause one. */
export function reloadWait(
  waiting: Waiting,
  layout: Layout,
  ownerOf: OwnerOf,
  budget: ReloadBudget,
  now: number,
): number {
  const waits = ownersOf(waiting, layout, ownerOf).map((owner) =>
    owner === undefined ? 0 : budget.waitOf(owner, now),
  );
  return Math.min(...waits);
}

/**
 * Returns the owners of waiting changes that may cause a reload now, without duplicates. Undefined is the
 * administrator.
 */
export function dueOwners(
  waiting: Waiting,
  layout: Layout,
  ownerOf: OwnerOf,
  budget: ReloadBudget,
  now: number,
): readonly (string | undefined)[] {
  return ownersOf(waiting, layout, ownerOf).filter((owner) => owner === undefined || budget.waitOf(owner, now) === 0);
}

/**
 * Returns the owners of the waiting changes. If only spare sections run short, the owner that uses most of them is
 * charged.
 */
function ownersOf(waiting: Waiting, layout: Layout, ownerOf: OwnerOf): readonly (string | undefined)[] {
  const owners = new Set<string | undefined>();
  for (const [cause, names] of waiting) for (const name of names) owners.add(ownerOf(cause, name));
  if (owners.size > 0) return [...owners];
  const taken = new Map<string | undefined, number>();
  for (const [id, section] of layout.sections) {
    if (id === section) continue;
    const owner = ownerOf('spares', id);
    taken.set(owner, (taken.get(owner) ?? 0) + 1);
  }
  const [first] = [...taken].sort(([, a], [, b]) => b - a);
  return [first?.[0]];
}

/** Routing tables and rule priorities of an attachment. */
export interface SlotNumbers {
  /** Table with routes to the outside, for packets that arrive on the pod interface. */
  readonly outwardTable: number;
  /** Table with routes to the cluster, for replies. */
  readonly inwardTable: number;
  readonly tables: readonly number[];
  /** Priorities of the policy rules that select the tables. */
  readonly outwardPriority: number;
  readonly inwardPriority: number;
  readonly priorities: readonly number[];
}

/**
 * Returns the numbers of a slot. They avoid tables 1–252, which administrators use, the `sbr` plugin (from
 * 100) and the kernel's rules (from 32764).
 */
export function numbersOf(slot: number): SlotNumbers {
  const outward = 5200 + slot;
  const inward = 5300 + slot;
  return {
    outwardTable: outward,
    inwardTable: inward,
    tables: [outward, inward],
    outwardPriority: outward,
    inwardPriority: inward,
    priorities: [outward, inward],
  };
}

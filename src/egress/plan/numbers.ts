/** The routing tables and rule priorities of an attachment, by its slot. */
export interface SlotNumbers {
  /** Routes towards the outside, for what enters on the pod interface. */
  readonly outwardTable: number;
  /** Routes towards the cluster, for what goes back there. */
  readonly inwardTable: number;
  readonly tables: readonly number[];
  /** Priorities of the policy rules that lead to the tables. */
  readonly outwardPriority: number;
  readonly inwardPriority: number;
  readonly priorities: readonly number[];
}

/**
 * Far from what distributions and other network plugins take: tables 1–252 are people's, `sbr`
 * counts up from 100, and rules from 32764 are near the kernel's own.
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

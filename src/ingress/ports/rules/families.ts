import type { Family } from '../../../base/model/address.ts';

/** Both families in the order in which rules are written. */
export const families: readonly Family[] = [4, 6];

/** End of the names of sets and maps whose keys contain the virtual address. */
export const atSuffix = '-at';

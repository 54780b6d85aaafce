import type { Address } from '../../base/model/address.ts';

/**
 * What may leave by a link, and who answers for its addresses: frames with the link's own hardware
 * address and one of these addresses, and what address resolution needs.
 */
export interface LinkGuard {
  readonly link: string;
  /** Whose guard it is; written beside the rules, so that nobody removes another's. */
  readonly owner: string;
  /** At most one a family. */
  readonly addresses: readonly Address[];
}

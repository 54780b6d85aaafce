import type { Address } from '../../base/model/address.ts';

/**
 * Restricts the frames that leave a link to its own MAC address and these IP addresses, plus the packets that
 * address resolution needs.
 */
export interface LinkGuard {
  readonly link: string;
  /** Owner, stored with the rules, so that no other owner removes them. */
  readonly owner: string;
  /** At most one per family. */
  readonly addresses: readonly Address[];
}

import { hash } from 'node:crypto';
import type { EgressRouterSpec } from './egress-router.ts';

/** Returns the key of a pool member's addresses in labels and names. A single IPv4 address remains readable. */
export function memberKeyOf({ reserved }: Pick<EgressRouterSpec, 'reserved'>): string {
  const [first, ...more] = reserved.map(({ prefix }) => prefix.address);
  if (first?.family === 4 && more.length === 0) return first.text.replaceAll('.', '-');
  return `a-${hash('sha256', [first, ...more].map((address) => address?.text).join()).slice(0, 10)}`;
}

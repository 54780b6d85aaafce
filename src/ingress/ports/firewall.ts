import type { ForeignTable } from '../../base/firewall/chain.ts';
import { walkChain } from '../../base/firewall/walk.ts';
import type { IngressPort } from './model.ts';

/** More ports than these, and endpoints of each, are not followed: a firewall that singles out one of thousands is rare. */
const followed = 64;
const followedEndpoints = 8;

/**
 * Rules of others on the node that are sure to drop what the agent hands to endpoints: a port would be
 * open by all that the agent knows, and nobody would get through. Says which; undefined where there
 * are none.
 */
export function describeFirewall(tables: readonly ForeignTable[], ports: readonly IngressPort[]): string | undefined {
  const found = new Set<string>();
  for (const { protocol, port, endpoints } of ports.slice(0, followed)) {
    for (const { address, port: target, weight } of endpoints.slice(0, followedEndpoints)) {
      if (weight === 0) continue;
      const probe = {
        family: address.family,
        protocol,
        destination: address,
        destinationPort: target,
        state: 'new' as const,
        isRedirected: true,
      };
      for (const table of tables.filter(({ families }) => families.includes(address.family))) {
        for (const chain of table.chains.filter(({ hook }) => hook === 'forward')) {
          const fate = walkChain(table, chain, probe);
          if (fate.kind === 'drop' && fate.isCertain)
            found.add(`${table.title}, chain ${fate.chain} (port ${port}/${protocol})`);
        }
      }
    }
  }
  const [first, ...more] = found;
  if (first === undefined) return undefined;
  const rest = more.length === 0 ? '' : ` and ${more.length} more`;
  return `rules of another program drop connections to endpoints: ${first}${rest}; let connections whose destination was translated pass there ("ct status dnat accept")`;
}

import type { ForeignTable } from '../../base/firewall/chain.ts';
import { walkChain } from '../../base/firewall/walk.ts';
import type { IngressPort } from './model.ts';

/**
 * Maximum number of ports, and endpoints of each, that are traced. A firewall that affects only one of thousands is
 * rare.
 */
const followed = 64;
const followedEndpoints = 8;

/**
 * Returns a description of other programs' rules that certainly drop connections to endpoints: the port would be open
 * for the agent, but no client would get through. Undefined if there are none.
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
  return `rules of another program drop connections to endpoints: ${first}${rest}; accept connections with a translated destination there ("ct status dnat accept")`;
}

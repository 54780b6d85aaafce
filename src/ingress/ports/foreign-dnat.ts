import type { ForeignChain, ForeignRule, ForeignTable, Probe } from '../../base/firewall/chain.ts';
import type { Address } from '../../base/model/address.ts';
import { portKey } from '../claims/ports.ts';
import type { IngressPort } from './model.ts';

/** A rule of somebody else that translates connections to a port of the node. */
export interface ForeignDnat {
  /** `iptables -t nat, chain CNI-HOSTPORT-DNAT`. */
  readonly place: string;
}

/** More ports than these are not followed. */
const followed = 256;
const deepest = 16;

/**
 * Translations of others (hostPort, externalIPs, rules by hand) that take or would take connections to the
 * ports, by `tcp 13306`: where two translate one port, the one that came to the kernel first has it.
 *
 * @param own addresses of the node
 */
export function findForeignDnat(
  tables: readonly ForeignTable[],
  ports: readonly IngressPort[],
  own: readonly Address[],
): ReadonlyMap<string, ForeignDnat> {
  const found = new Map<string, ForeignDnat>();
  const bases = tables.flatMap((table) =>
    table.chains.filter(({ hook }) => hook === 'prerouting').map((base) => ({ table, base })),
  );
  if (bases.length === 0) return found;
  for (const { protocol, port } of ports.slice(0, followed)) {
    for (const { table, base } of bases) {
      const chain = own
        .filter(({ family }) => table.families.includes(family))
        .map((destination) => {
          const probe: Probe = {
            family: destination.family,
            protocol,
            destination,
            destinationPort: port,
            state: 'new',
            isRedirected: false,
          };
          return findTranslation(table, base, probe, false, 0);
        })
        .find((one) => one !== undefined);
      if (chain === undefined) continue;
      found.set(portKey({ protocol, port }), { place: `${table.title}, chain ${chain.name}` });
      break;
    }
  }
  return found;
}

/**
 * The chain with a rule that translates the probe and asks for its port, there or on the way: rules that
 * translate whatever comes are not about the port.
 */
function findTranslation(
  table: ForeignTable,
  chain: ForeignChain,
  probe: Probe,
  isAboutPort: boolean,
  depth: number,
): ForeignChain | undefined {
  if (depth > deepest) return undefined;
  for (const rule of chain.rules) {
    if (rule.conditions.some((condition) => condition(probe) === false)) continue;
    const isAbout = isAboutPort || asksForPort(rule, probe);
    const { verdict } = rule;
    if (verdict.kind === 'accept' && verdict.translates === true && isAbout) return chain;
    if (verdict.kind !== 'jump' && verdict.kind !== 'goto') continue;
    const next = table.chains.find(({ name }) => name === verdict.chain);
    const found = next && findTranslation(table, next, probe, isAbout, depth + 1);
    if (found !== undefined) return found;
  }
  return undefined;
}

function asksForPort(rule: ForeignRule, probe: Probe): boolean {
  // A port that nobody can ask for by itself.
  const other = { ...probe, destinationPort: 0 };
  return rule.conditions.some((condition) => condition(probe) === true && condition(other) === false);
}

/** What the node's administrator should know; undefined where nothing is wrong. */
export function describeForeignDnat(found: ReadonlyMap<string, ForeignDnat>): string | undefined {
  const [first, ...more] = found;
  if (first === undefined) return undefined;
  const [key, { place }] = first;
  const rest = more.length === 0 ? '' : ` and ${more.length} more ports`;
  return `rules of somebody else translate connections to ports of Routes, too: ${key} (${place})${rest}; whichever rule came first has them: move the Route, or remove the other rule`;
}

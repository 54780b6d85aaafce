import type { NftCollection } from '../../../base/rules/nftables/document.ts';
import type { IngressPort } from '../model.ts';

/** Maximum number of client addresses that a limit tracks. */
const rememberedClients = 65_535;

/**
 * The limits and timeouts of new connections to some ports, and the structure that they need. Equal policies are
 * shared.
 */
export interface Policy {
  /** Name of its chain. */
  readonly name: string;
  readonly rules: readonly string[];
  readonly collections: ReadonlyMap<string, NftCollection>;
  readonly objects: ReadonlyMap<string, readonly string[]>;
}

/** Returns the policy of a port, or undefined if it has neither limits nor its own timeout. */
export function describePolicy({ protocol, limits, idleTimeout }: IngressPort): Policy | undefined {
  const { concurrent, rate } = limits;
  const seconds = idleTimeout === undefined ? undefined : Math.max(1, Math.ceil(idleTimeout / 1000));
  if (concurrent === undefined && rate === undefined && seconds === undefined) return undefined;
  const name = ['policy', protocol, `c${concurrent ?? ''}`, `r${rate ?? ''}`, `t${seconds ?? ''}`].join('-');
  const rules: string[] = [];
  const collections = new Map<string, NftCollection>();
  const objects = new Map<string, readonly string[]>();
  for (const family of [4, 6] as const) {
    const client = `meta l4proto . th dport . ${family === 4 ? 'ip' : 'ip6'} saddr`;
    const type = `type inet_proto . inet_service . ipv${family}_addr`;
    const own = `meta nfproto ipv${family}`;
    if (rate !== undefined && rate <= 1) rules.push(`${own} goto refuse`);
    if (rate !== undefined && rate > 1) {
      const [paced, blocked] = [`rate${family}-${rate}`, `hasty${family}-${rate}`];
      const remember = (timeout: string): NftCollection => ({
        kind: 'set',
        head: [type, `size ${rememberedClients}`, 'flags dynamic,timeout', `timeout ${timeout}`],
        elements: new Map(),
      });
      collections.set(paced, remember('10s'));
      collections.set(blocked, remember('3s'));
      // HAProxy counts over three seconds, including rejected attempts. A bucket of one less that refills in that
      // time detects clients above the limit; they stay rejected until three seconds after their last excess.
      const over = `limit rate over ${(rate - 1) * 20}/minute burst ${rate - 1} packets`;
      rules.push(`${own} update @${paced} { ${client} ${over} } update @${blocked} { ${client} }`);
      rules.push(`${own} ${client} @${blocked} goto refuse`);
    }
    if (concurrent !== undefined) {
      const set = `open${family}-${concurrent}`;
      collections.set(set, {
        kind: 'set',
        head: [type, `size ${rememberedClients}`, 'flags dynamic'],
        elements: new Map(),
      });
      // The limit is exclusive, because HAProxy counts the new connection, too.
      rules.push(
        `meta nfproto ipv${family} add @${set} { ${client} ct count over ${Math.max(0, concurrent - 1)} } goto refuse`,
      );
    }
    if (seconds !== undefined && protocol !== 'sctp') {
      const object = `idle${family}-${protocol}-${seconds}`;
      const states = protocol === 'tcp' ? `established : ${seconds}` : `unreplied : ${seconds}, replied : ${seconds}`;
      objects.set(`ct timeout ${object}`, [
        `protocol ${protocol}`,
        `l3proto ${family === 4 ? 'ip' : 'ip6'}`,
        `policy = { ${states} }`,
      ]);
      rules.push(`meta nfproto ipv${family} ct timeout set "${object}"`);
    }
  }
  return { name, rules, collections, objects };
}

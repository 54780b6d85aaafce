import { type Family, parseAddress } from '../../../base/model/address.ts';
import type { NftChain, NftCollection, NftDocument } from '../../../base/rules/nftables/document.ts';
import { families } from './families.ts';
import { passLoopback } from './frame.ts';

/** Connections to a port that HAProxy serves at another port, so that a new port needs no reload. */
export interface ListenerTranslation {
  /** Canonical addresses. Empty: every address of the node but those that other translations reserve. */
  readonly addresses: readonly string[];
  /** The addresses are own ones of nodes, with other ports for others. Absent: these translations reserve them. */
  readonly ofNode?: true;
  readonly port: number;
  /** HAProxy's port. */
  readonly to: number;
}

/** Ports of HAProxy that accept only translated connections. */
export interface ListenerPorts {
  readonly from: number;
  readonly to: number;
}

/** Returns the name of an agent's table for listeners, with its family. */
export function listenerTable(agent: string): string {
  return `inet ingress-agent-${agent}-listeners`;
}

/**
 * Returns the table that translates ports of listeners. Only the port changes: REDIRECT would replace the address of
 * an IPv6 connection, which HAProxy then could not find out. The table needs no agent, because HAProxy serves without
 * one.
 */
export function compileListeners(
  agent: string,
  ports: ListenerPorts,
  translations: readonly ListenerTranslation[],
): NftDocument {
  const collections = new Map<string, NftCollection>();
  for (const family of families) {
    const address = `ipv${family}_addr`;
    const at = new Map<string, string>();
    const named = new Map<string, string>();
    for (const { addresses, ofNode, port, to } of translations) {
      for (const text of addresses) {
        if (parseAddress(text)?.family !== family) continue;
        at.set(`${text} . ${port}`, `goto ${chainOf(to)}`);
        if (ofNode !== true) named.set(text, '');
      }
    }
    collections.set(`at${family}`, { kind: 'map', head: [`type ${address} . inet_service : verdict`], elements: at });
    collections.set(`named${family}`, { kind: 'set', head: [`type ${address}`], elements: named });
  }
  const others = translations.filter(({ addresses }) => addresses.length === 0);
  const elements = new Map(others.map(({ port, to }) => [String(port), `goto ${chainOf(to)}`]));
  collections.set('others', { kind: 'map', head: ['type inet_service : verdict'], elements });
  const at = families.map((family) => `${wordOf(family)} daddr . tcp dport vmap @at${family}`);
  const other = families.map(
    (family) => `fib daddr type local ${wordOf(family)} daddr != @named${family} tcp dport vmap @others`,
  );
  const chains = new Map<string, NftChain>();
  for (const to of new Set(translations.map((one) => one.to)))
    chains.set(chainOf(to), { rules: [`meta l4proto tcp dnat to :${to}`] });
  for (const hook of ['prerouting', 'output'] as const) {
    const own = hook === 'output' ? passLoopback : [];
    // Addresses of Gateways come before the rules of other programs, the node's addresses after them.
    chains.set(`at-${hook}`, { base: `type nat hook ${hook} priority -104`, rules: [...own, ...at] });
    chains.set(`other-${hook}`, { base: `type nat hook ${hook} priority -99`, rules: [...own, ...other] });
  }
  chains.set('input', {
    base: 'type filter hook input priority -110',
    rules: [`tcp dport ${ports.from}-${ports.to} ct state new ct status & dnat == 0 reject with tcp reset`],
  });
  return { table: listenerTable(agent), comment: `ingress-agent ${agent}`, objects: new Map(), collections, chains };
}

function chainOf(port: number): string {
  return `to-${port}`;
}

function wordOf(family: Family): 'ip' | 'ip6' {
  return family === 4 ? 'ip' : 'ip6';
}

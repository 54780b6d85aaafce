import { existsSync, readdirSync, readFileSync } from 'node:fs';
import type { Family } from '../model/address.ts';

/** Bridges by the families whose frames bypass the rules while they stay on the bridge. */
export type UnfilteredBridges = Readonly<Record<Family, readonly string[]>>;

/** Settings of `br_netfilter`, for all bridges and for one. */
const settings = {
  4: ['bridge-nf-call-iptables', 'nf_call_iptables'],
  6: ['bridge-nf-call-ip6tables', 'nf_call_ip6tables'],
} as const;

/**
 * Returns the bridges of the namespace whose frames bypass netfilter: without the module, or if its settings are off
 * (kernel: `Documentation/networking/bridge`, br_netfilter). A reply that stays on such a bridge is never translated
 * back.
 */
export function readUnfilteredBridges(links = '/sys/class/net', sysctls = '/proc/sys/net/bridge'): UnfilteredBridges {
  const bridges = listNames(links).filter((name) => existsSync(`${links}/${name}/bridge`));
  const listOf = (family: Family): readonly string[] => {
    const [all, one] = settings[family];
    if (isOn(`${sysctls}/${all}`)) return [];
    return bridges.filter((name) => !isOn(`${links}/${name}/bridge/${one}`)).sort();
  };
  return { 4: listOf(4), 6: listOf(6) };
}

function listNames(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function isOn(path: string): boolean {
  try {
    return readFileSync(path, 'latin1').trim() === '1';
  } catch {
    return false;
  }
}

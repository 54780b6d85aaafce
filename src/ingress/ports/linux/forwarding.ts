import { readFileSync } from 'node:fs';
import type { Family } from '../../../base/model/address.ts';
import type { Forwarding } from '../model.ts';

const settings = { 4: 'ipv4/ip_forward', 6: 'ipv6/conf/all/forwarding' } as const;

/** Reads whether the kernel forwards packets. Unreadable settings count as yes. */
export function readForwarding(folder = '/proc/sys/net'): Forwarding {
  const isOn = (family: Family): boolean => {
    try {
      return readFileSync(`${folder}/${settings[family]}`, 'latin1').trim() !== '0';
    } catch {
      return true;
    }
  };
  return { 4: isOn(4), 6: isOn(6) };
}

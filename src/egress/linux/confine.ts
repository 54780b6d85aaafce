import { readFileSync } from 'node:fs';
import { call } from '../../base/linux/libc/calls.ts';

/** `PR_*` of `<linux/prctl.h>`. */
const control = { parentDeathSignal: 1, dropFromBounds: 24, noNewPrivileges: 38 } as const;

/** `CAP_*` of `<linux/capability.h>`: what this program or a rule program that it starts needs. */
const neededCapabilities: readonly number[] = [
  1, // DAC_OVERRIDE: runtimes keep namespaces where they like, files of root without rights for root among them
  2, // DAC_READ_SEARCH
  12, // NET_ADMIN
  13, // NET_RAW: the legacy variant of iptables speaks by a raw socket
  16, // SYS_MODULE: rule programs load the modules of what they match
  19, // SYS_PTRACE: a namespace given as /proc/PID/ns/net
  21, // SYS_ADMIN: to enter a namespace
];

/**
 * Gives up what is not needed, before anything is read that others wrote: no program that is started can
 * gain privileges, and neither has this thread nor they a capability that is of no use here. Where the
 * kernel refuses, all goes on as before.
 */
export function confine(): void {
  attempt(() => setControl(control.noNewPrivileges, 1));
  const last = lastCapability();
  const kept = new Set(neededCapabilities);
  for (let capability = 0; capability <= last; capability++) {
    if (!kept.has(capability)) attempt(() => setControl(control.dropFromBounds, capability));
  }
  attempt(dropCapabilities);
}

/**
 * The executable's runtime has itself killed when the thread that started it ends, which of a container
 * runtime in Go may be any; the programs that it starts still end with it.
 */
export function outliveParent(): void {
  attempt(() => setControl(control.parentDeathSignal, 0));
}

function setControl(option: number, value: number): void {
  call('prctl', option, value, 0, 0, 0);
}

/** `capset`: permitted and effective are what is needed of what there is; nothing is inheritable. */
function dropCapabilities(): void {
  const version3 = 0x20080522;
  const header = new Uint8Array(Uint32Array.of(version3, 0).buffer);
  const data = new Uint32Array(6);
  call('capget', header, new Uint8Array(data.buffer));
  const masks = [0, 0];
  for (const capability of neededCapabilities) {
    const word = capability >> 5;
    masks[word] = ((masks[word] ?? 0) | (1 << (capability & 31))) >>> 0;
  }
  const wanted = new Uint32Array(6);
  for (const word of [0, 1]) {
    const permitted = (data[word * 3 + 1] ?? 0) & (masks[word] ?? 0);
    wanted[word * 3] = permitted;
    wanted[word * 3 + 1] = permitted;
  }
  call('capset', header, new Uint8Array(wanted.buffer));
}

function lastCapability(): number {
  try {
    return Number(readFileSync('/proc/sys/kernel/cap_last_cap', 'utf8'));
  } catch {
    return 40;
  }
}

function attempt(run: () => void): void {
  try {
    run();
  } catch {
    // Less is given up; nothing that is needed is missing.
  }
}

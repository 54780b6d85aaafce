import { readFileSync } from 'node:fs';
import { call } from '../../base/linux/libc/calls.ts';

/** `PR_*` of `<linux/prctl.h>`. */
const control = { parentDeathSignal: 1, dropFromBounds: 24, noNewPrivileges: 38 } as const;

/** `CAP_*` of `<linux/capability.h>` that this program or its rule tools need. */
const neededCapabilities: readonly number[] = [
  1, // DAC_OVERRIDE: runtimes may store namespaces in files without permissions for root
  2, // DAC_READ_SEARCH
  12, // NET_ADMIN
  13, // NET_RAW: the legacy variant of iptables uses a raw socket
  16, // SYS_MODULE: rule tools load kernel modules
  19, // SYS_PTRACE: a namespace given as /proc/PID/ns/net
  21, // SYS_ADMIN: to enter a namespace
];

/**
 * Drops unneeded privileges before any external input is read: child processes cannot gain privileges, and neither
 * they nor this thread have unneeded capabilities. If the kernel refuses, execution continues unchanged.
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
 * Disables the parent death signal. The executable's runtime requests to be killed when the thread that started it
 * ends, and in a container runtime written in Go that can be any thread. Child processes still end with this process.
 */
export function outliveParent(): void {
  attempt(() => setControl(control.parentDeathSignal, 0));
}

function setControl(option: number, value: number): void {
  call('prctl', option, value, 0, 0, 0);
}

/** `capset`: keeps only the needed capabilities as permitted and effective, and makes none inheritable. */
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
    // Fewer capabilities are dropped; no needed one is missing.
  }
}

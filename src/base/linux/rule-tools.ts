import { accessSync, constants } from 'node:fs';
import type { RuleBackend, RuleBackendChoice, RuleScript, RuleTransaction } from '../rules/transaction.ts';
import { KernelError } from './kernel-error.ts';
import { lockForChildren } from './lock.ts';
import { NetlinkSocket, netlinkFamily } from './netlink/socket.ts';

/** Seconds that a rule program waits for the lock that all iptables of a node share. */
const lockWaitSeconds = 10;

const deadlineMilliseconds = 60_000;
const lockHeldStatus = 4;
const standardPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Finds the program that a backend needs; undefined where it is not installed. */
export function findTool(name: string): string | undefined {
  for (const folder of (process.env.PATH ?? standardPath).split(':')) {
    if (!folder.startsWith('/')) continue;
    const path = `${folder}/${name}`;
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not in this folder.
    }
  }
  return undefined;
}

/** Beyond so many redirects `auto` prefers nftables: nf_tables takes iptables rules one by one. */
const fewForIptables = 500;

/**
 * Decides which backend installs rules, `redirects` many. Throws {@link KernelError} (`no-rule-backend`)
 * naming what is missing.
 */
export function chooseBackend(choice: RuleBackendChoice, redirects = 0): RuleBackend {
  const iptables = findTool('iptables-restore') !== undefined;
  const nft = choice !== 'iptables' && findTool('nft') !== undefined;
  if (choice === 'auto' && iptables && nft && redirects > fewForIptables && hasNftables()) return 'nftables';
  if (choice !== 'nftables' && iptables) return 'iptables';
  if (nft) return 'nftables';
  const wanted = { auto: 'iptables-restore nor nft', iptables: 'iptables-restore', nftables: 'nft' }[choice];
  throw new KernelError(
    'no-rule-backend',
    `Cannot install rules: ${choice === 'auto' ? 'neither ' : ''}${wanted} is in PATH; ` +
      'install the package iptables or nftables on the node',
  );
}

/** Whether the kernel has nf_tables: nft may be there without, and then iptables is of the older kind. */
function hasNftables(): boolean {
  try {
    const socket = new NetlinkSocket(netlinkFamily.netfilter);
    try {
      // NFT_MSG_GETGEN
      socket.request(0xa10, 0, (out) => out.emit(Buffer.alloc(4)));
      return true;
    } finally {
      socket.close();
    }
  } catch {
    return false;
  }
}

/** Runs every script of a transaction in the namespace that the thread is in. Throws {@link KernelError}. */
export function runTransaction(transaction: RuleTransaction): void {
  for (const script of transaction.scripts) runScript(script);
}

function runScript(script: RuleScript): void {
  const args = script.tool === 'nft' ? ['-f', '-'] : ['--noflush', '-w', `${lockWaitSeconds}`];
  runTool(script.tool, args, script.input);
}

/** Runs a rule program and returns what it printed. Throws {@link KernelError} with its last words. */
export function runTool(tool: string, args: readonly string[], input = ''): string {
  const path = findTool(tool);
  if (path === undefined) {
    throw new KernelError('no-rule-backend', `Cannot run ${tool}: it is not in PATH; install it on the node`);
  }
  const lock = lockForChildren();
  // Not imported: calls that run no program, such as VERSION, do not pay for it.
  const result = process.getBuiltinModule('node:child_process').spawnSync(path, args, {
    input,
    ...(lock !== undefined && { stdio: ['pipe', 'pipe', 'pipe', lock] }),
    timeout: deadlineMilliseconds,
    killSignal: 'SIGKILL',
    maxBuffer: 256 * 1024 * 1024,
    env: { PATH: process.env.PATH ?? standardPath, LC_ALL: 'C' },
  });
  if (result.error !== undefined) {
    throw new KernelError('refused', `Cannot run ${path}: ${result.error.message}`, { cause: result.error });
  }
  if (result.status === 0) return result.stdout.toString();
  const words = lastWords(result.stderr.toString());
  const command = `${tool} ${args.join(' ')}`;
  if (tool !== 'nft' && result.status === lockHeldStatus) {
    throw new KernelError('busy', `${command} waited ${lockWaitSeconds} s for the xtables lock: ${words}`);
  }
  throw new KernelError('refused', `${command} failed with status ${result.status ?? result.signal}: ${words}`);
}

/** The end of what a program said on stderr, in one line. */
function lastWords(stderr: string): string {
  const words = stderr.trim().replaceAll(/\s+/g, ' ');
  return words.length > 400 ? `…${words.slice(-400)}` : words || 'it said nothing';
}

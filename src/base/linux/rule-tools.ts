import { accessSync, constants } from 'node:fs';
import type { RuleBackend, RuleBackendChoice, RuleScript, RuleTransaction } from '../rules/transaction.ts';
import { KernelError } from './kernel-error.ts';
import { lockForChildren } from './lock.ts';
import { NetlinkSocket, netlinkFamily } from './netlink/socket.ts';

/** Seconds that a rule tool waits for the xtables lock, which all iptables processes of a node share. */
const lockWaitSeconds = 10;

const deadlineMilliseconds = 60_000;
const lockHeldStatus = 4;
const standardPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Finds the executable that a backend needs. Undefined if it is not installed. */
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

/** Above this number of redirects `auto` prefers nftables, because iptables loads its rules one by one. */
const fewForIptables = 500;

/**
 * Selects the backend for a number of redirects. Throws {@link KernelError} (`no-rule-backend`) with the name of the
 * missing program.
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

/**
 * Returns whether the kernel has nf_tables. `nft` may be installed on kernels without it; iptables is then the legacy
 * variant.
 */
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

/** Runs every script of a transaction in the current network namespace. Throws {@link KernelError}. */
export function runTransaction(transaction: RuleTransaction): void {
  for (const script of transaction.scripts) runScript(script);
}

function runScript(script: RuleScript): void {
  const args = script.tool === 'nft' ? ['-f', '-'] : ['--noflush', '-w', `${lockWaitSeconds}`];
  runTool(script.tool, args, script.input);
}

/** Runs a rule tool and returns its output. Throws {@link KernelError} with the end of its standard error. */
export function runTool(tool: string, args: readonly string[], input = ''): string {
  const path = findTool(tool);
  if (path === undefined) {
    throw new KernelError('no-rule-backend', `Cannot run ${tool}: it is not in PATH; install it on the node`);
  }
  const lock = lockForChildren();
  // Loaded only when needed: calls that run no program, such as VERSION, avoid its cost.
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

/** Returns the end of a program's standard error in one line. */
function lastWords(stderr: string): string {
  const words = stderr.trim().replaceAll(/\s+/g, ' ');
  return words.length > 400 ? `…${words.slice(-400)}` : words || 'no output';
}

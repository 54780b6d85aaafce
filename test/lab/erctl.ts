import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import type { Lab } from './lab.ts';
import type { Host } from './names.ts';
import { pathFor, type Variant } from './plugin.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** How a call of erctl ended. */
export interface ErctlOutcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** How erctl is called. */
export interface ErctlCall {
  /** Absent: the node. */
  readonly host?: Host;
  /** Which programs list rules; absent: those that the machine's PATH leads to. */
  readonly variant?: Variant;
  readonly input?: string;
  readonly environment?: Readonly<Record<string, string>>;
}

/** The executable, or its source with EGRESS_ROUTER_RUN=source. */
function erctlCommand(): readonly [string, ...string[]] {
  const built = join(root, 'dist/erctl');
  if (process.env.EGRESS_ROUTER_RUN !== 'source' && existsSync(built)) return [built];
  return [process.execPath, join(root, 'cmd/erctl.ts')];
}

/** Runs erctl on a host of the lab. Never throws for a failing call. */
export async function runErctlOn(lab: Lab, args: readonly string[], call: ErctlCall = {}): Promise<ErctlOutcome> {
  const { exitCode, stdout, stderr } = await execa(
    '/sbin/ip',
    ['netns', 'exec', lab.netns(call.host ?? 'node'), ...erctlCommand(), ...args],
    {
      reject: false,
      extendEnv: false,
      input: call.input ?? '',
      env: { PATH: call.variant === undefined ? process.env.PATH : pathFor(call.variant), ...call.environment },
    },
  );
  return { status: exitCode ?? -1, stdout, stderr };
}

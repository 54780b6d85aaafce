import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** The programs that install rules on Debian. */
export const variants = ['iptables-nft', 'iptables-legacy', 'nftables'] as const;

/** One of them. */
export type Variant = (typeof variants)[number];

/** One call of the plugin. */
export interface PluginCall {
  /** The namespace of the container runtime. */
  readonly netns: string;
  readonly command: string;
  readonly containerId?: string;
  /** Path of the pod's namespace. */
  readonly podNetns?: string;
  readonly ifname?: string;
  readonly args?: string;
  readonly config: unknown;
  /** Which programs install rules; absent: those that the machine's PATH leads to. */
  readonly variant?: Variant;
  readonly environment?: Readonly<Record<string, string>>;
}

/** How a call ended. */
export interface PluginOutcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Standard output as JSON; undefined where it is empty. */
  readonly json: PluginAnswer | undefined;
}

/** What the plugin may print. */
export interface PluginAnswer {
  readonly cniVersion: string;
  readonly code?: number;
  readonly msg?: string;
  readonly details?: string;
  readonly interfaces?: readonly { readonly name: string; readonly mac: string; readonly mtu?: number }[];
  readonly [key: string]: unknown;
}

/** The executable, or its source with EGRESS_ROUTER_RUN=source. */
export function pluginCommand(): readonly [string, ...string[]] {
  const built = join(root, 'dist/egress-router');
  if (process.env.EGRESS_ROUTER_RUN !== 'source' && existsSync(built)) return [built];
  return [process.execPath, join(root, 'cmd/egress-router.ts')];
}

/** Runs the plugin in the runtime's namespace, as a container runtime does. Never throws for a failing plugin. */
export async function runPlugin(call: PluginCall): Promise<PluginOutcome> {
  const [program, ...args] = pluginCommand();
  const { exitCode, stdout, stderr } = await execa('/sbin/ip', ['netns', 'exec', call.netns, program, ...args], {
    input: typeof call.config === 'string' ? call.config : JSON.stringify(call.config),
    reject: false,
    extendEnv: false,
    env: {
      PATH: call.variant === undefined ? process.env.PATH : pathFor(call.variant),
      CNI_COMMAND: call.command,
      CNI_PATH: '/usr/lib/cni',
      ...(call.containerId === undefined ? {} : { CNI_CONTAINERID: call.containerId }),
      ...(call.podNetns === undefined ? {} : { CNI_NETNS: call.podNetns }),
      ...(call.ifname === undefined ? {} : { CNI_IFNAME: call.ifname }),
      ...(call.args === undefined ? {} : { CNI_ARGS: call.args }),
      ...call.environment,
    },
  });
  return {
    status: exitCode ?? -1,
    stdout,
    stderr,
    json: stdout === '' ? undefined : (JSON.parse(stdout) as PluginAnswer),
  };
}

let programs: string | undefined;

/** Returns a PATH in which the plain names are those of one variant, without another variant. */
export function pathFor(variant: Variant): string {
  programs ??= makePrograms();
  return join(programs, variant);
}

function makePrograms(): string {
  const folder = mkdtempSync(join(tmpdir(), 'erlab-path-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  for (const variant of variants) {
    mkdirSync(join(folder, variant));
    if (variant === 'nftables') {
      symlinkSync('/usr/sbin/nft', join(folder, variant, 'nft'));
      continue;
    }
    const multi = `/usr/sbin/xtables-${variant === 'iptables-nft' ? 'nft' : 'legacy'}-multi`;
    for (const family of ['iptables', 'ip6tables']) {
      for (const verb of ['save', 'restore']) symlinkSync(multi, join(folder, variant, `${family}-${verb}`));
    }
  }
  return folder;
}

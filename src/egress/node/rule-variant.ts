import { existsSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

type Variant = 'nft' | 'legacy';

const verbs = ['save', 'restore'] as const;

/**
 * iptables has two variants that do not see each other's rules, and the plugin took the node's. This process
 * brings both, and looks in each namespace which one has rules there.
 */
export class RuleVariants {
  #folder: string | undefined;

  /**
   * Runs something with the plain names of iptables in PATH meaning the variant of a namespace.
   *
   * @param look runs what it is given in the namespace
   */
  within<T>(look: <R>(read: () => R) => R, run: () => T): T {
    const path = process.env.PATH;
    const folder = this.#folderOf(look(readVariant));
    if (folder === undefined) return run();
    process.env.PATH = `${folder}:${path ?? ''}`;
    try {
      return run();
    } finally {
      process.env.PATH = path;
    }
  }

  /** A folder of links to one variant; undefined where it is not installed: then PATH must do. */
  #folderOf(variant: Variant): string | undefined {
    const program = `/usr/sbin/xtables-${variant}-multi`;
    if (!existsSync(program)) return undefined;
    this.#folder ??= mkdtempSync(join(tmpdir(), 'egress-router-node-'));
    const folder = join(this.#folder, variant);
    if (existsSync(folder)) return folder;
    mkdirSync(folder, { mode: 0o755 });
    for (const family of ['iptables', 'ip6tables']) {
      for (const verb of verbs) symlinkSync(program, join(folder, `${family}-${verb}`));
    }
    return folder;
  }
}

/** Which variant has tables in the namespace that the thread is in; the kernel lists those of the older one. */
export function readVariant(): Variant {
  const hasTables = ['ip', 'ip6'].some((family) => {
    try {
      return readFileSync(`/proc/self/net/${family}_tables_names`, 'utf8').includes('nat');
    } catch {
      // Not even the module is there.
      return false;
    }
  });
  return hasTables ? 'legacy' : 'nft';
}

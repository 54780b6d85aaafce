import { existsSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

type Variant = 'nft' | 'legacy';

const verbs = ['save', 'restore'] as const;

/**
 * Selects the variant of iptables. The two variants do not see each other's rules, and the plugin used the node's
 * variant. This process has both, and checks in each namespace which one has rules there.
 */
export class RuleVariants {
  #folder: string | undefined;

  /**
   * Runs a function with the plain names of iptables in PATH referring to the variant of a namespace.
   *
   * @param look runs its argument in the namespace
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

  /** Returns a folder of links to one variant, or undefined if it is not installed. Then PATH decides. */
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

/** Returns the variant with tables in the current network namespace. The kernel lists the tables of the legacy one. */
export function readVariant(): Variant {
  const hasTables = ['ip', 'ip6'].some((family) => {
    try {
      return readFileSync(`/proc/self/net/${family}_tables_names`, 'utf8').includes('nat');
    } catch {
      // The module is not loaded.
      return false;
    }
  });
  return hasTables ? 'legacy' : 'nft';
}

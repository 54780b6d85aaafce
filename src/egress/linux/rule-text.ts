import { KernelError } from '../../base/linux/kernel-error.ts';
import { findTool, runTool } from '../../base/linux/rule-tools.ts';
import type { Family } from '../../base/model/address.ts';

/** What one program of iptables lists: every table, with counters. */
export interface IptablesText {
  /** `iptables-save`, `ip6tables-legacy-save`, … */
  readonly tool: string;
  readonly family: Family;
  readonly text: string;
}

/** Every rule in the namespace that the thread is in, as the programs of this machine list them. */
export interface RuleText {
  readonly iptables: readonly IptablesText[];
  /** `nft -j list ruleset`; absent where there is no nft, or it cannot read what others installed. */
  readonly nftables?: unknown;
}

/** Both variants are asked: rules of the one are not seen by the other, and are in force all the same. */
const variants = ['', '-legacy', '-nft'] as const;

/** Lists all rules of the namespace, whoever installed them. Throws {@link KernelError}. */
export function listRuleText(): RuleText {
  const iptables = ([4, 6] as const).flatMap((family) => {
    const seen = new Set<string>();
    return variants.flatMap((variant): IptablesText[] => {
      const tool = `${family === 4 ? 'iptables' : 'ip6tables'}${variant}-save`;
      if (findTool(tool) === undefined) return [];
      const text = runTool(tool, ['-c']).replaceAll(/^#.*\n?/gm, '');
      // The plain name is one of the variants.
      if (text === '' || seen.has(text)) return [];
      seen.add(text);
      return [{ tool, family, text }];
    });
  });
  const nftables = listNftables();
  return { iptables, ...(nftables !== undefined && { nftables }) };
}

function listNftables(): unknown {
  if (findTool('nft') === undefined) return undefined;
  try {
    // Without elements: only chains are followed, and maps may have ten thousand.
    return JSON.parse(runTool('nft', ['-j', '-t', 'list', 'ruleset']));
  } catch (error) {
    if (error instanceof KernelError || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

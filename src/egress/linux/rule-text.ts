import { KernelError } from '../../base/linux/kernel-error.ts';
import { findTool, runTool } from '../../base/linux/rule-tools.ts';
import type { Family } from '../../base/model/address.ts';

/** Output of one iptables tool: every table, with counters. */
export interface IptablesText {
  /** `iptables-save`, `ip6tables-legacy-save`, … */
  readonly tool: string;
  readonly family: Family;
  readonly text: string;
}

/** Every rule in the current network namespace, as listed by the installed tools. */
export interface RuleText {
  readonly iptables: readonly IptablesText[];
  /** Output of `nft -j list ruleset`. Absent if nft is missing or cannot parse the rules of other programs. */
  readonly nftables?: unknown;
}

/** Both variants are queried: neither shows the rules of the other, but the rules of both are active. */
const variants = ['', '-legacy', '-nft'] as const;

/** Lists all rules of the namespace, regardless of who installed them. Throws {@link KernelError}. */
export function listRuleText(): RuleText {
  const iptables = ([4, 6] as const).flatMap((family) => {
    const seen = new Set<string>();
    return variants.flatMap((variant): IptablesText[] => {
      const tool = `${family === 4 ? 'iptables' : 'ip6tables'}${variant}-save`;
      if (findTool(tool) === undefined) return [];
      const text = runTool(tool, ['-c']).replaceAll(/^#.*\n?/gm, '');
      // The plain name refers to one of the variants.
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
    // Without elements: only chains are traced, and maps may have ten thousand elements.
    return JSON.parse(runTool('nft', ['-j', '-t', 'list', 'ruleset']));
  } catch (error) {
    if (error instanceof KernelError || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

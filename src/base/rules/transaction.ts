/** A program that installs rules, and what it is given on its standard input. */
export interface RuleScript {
  readonly tool: 'iptables-restore' | 'ip6tables-restore' | 'nft';
  readonly input: string;
}

/** What leads from one state of the rules to another: scripts, each of which is all or nothing, in order. */
export interface RuleTransaction {
  readonly scripts: readonly RuleScript[];
}

/** Which family of programs installs rules. */
export type RuleBackend = 'iptables' | 'nftables';

/** Which program installs the rules; `auto`: iptables where it is installed, else nftables. */
export type RuleBackendChoice = 'auto' | 'iptables' | 'nftables';

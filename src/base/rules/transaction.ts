/** A rule tool and its standard input. */
export interface RuleScript {
  readonly tool: 'iptables-restore' | 'ip6tables-restore' | 'nft';
  readonly input: string;
}

/** The change from one state of the rules to another: scripts in order, each of them atomic. */
export interface RuleTransaction {
  readonly scripts: readonly RuleScript[];
}

/** The family of tools that installs rules. */
export type RuleBackend = 'iptables' | 'nftables';

/** The configured backend. `auto` selects iptables if it is installed, otherwise nftables. */
export type RuleBackendChoice = 'auto' | 'iptables' | 'nftables';

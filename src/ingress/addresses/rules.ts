import { type Address, addressBytes, type Family, parseAddress } from '../../base/model/address.ts';
import type { WantedAddress } from './documents.ts';

/** A member of the segment that packets can be forwarded to. */
export interface Way {
  readonly gateway: string;
  readonly device: string;
}

/** An address that this node serves only for established connections, while another node holds it. */
export interface HiddenAddress {
  readonly address: string;
  /** The new holder, which gets new connections of clients with stale ARP entries. Absent while there is none. */
  readonly holder?: Way | undefined;
  /** Whether this node accepts new connections until the new holder does. */
  readonly isServing: boolean;
}

/** An address of this node with connections at previous holders. */
export interface DrainedAddress {
  readonly address: string;
  readonly drainers: readonly Way[];
}

/** Everything that the rules depend on. */
export interface RuleInput {
  /** `--name` of the router. */
  readonly router: string;
  readonly addresses: readonly Pick<WantedAddress, 'address' | 'ports' | 'translated'>[];
  readonly hidden: readonly HiddenAddress[];
  readonly drained: readonly DrainedAddress[];
  /** Hardware addresses of members, each with the addresses that belong to the member itself. */
  readonly members: readonly { readonly mac: string; readonly addresses: readonly string[] }[];
  /** This node's own IPv4 address on each interface, for ARP requests of hidden addresses. */
  readonly arpSources: readonly Way[];
}

/** Timeouts in seconds of rules that no process renews: those of a hand-over, and those that reject. */
const timeouts = { move: 60, reject: 600 } as const;

/** A packet with SYN and none of the other flags opens a connection. */
const opens = 'tcp flags & (fin | syn | rst | ack) == syn';

/** Returns the name of a router's tables. */
export function addressTableName(router: string): string {
  return `ingress-addresses-${router}`;
}

/** Renders the script that removes a router's tables if they exist. */
export function renderRemoval(router: string): string {
  const name = addressTableName(router);
  return ['arp', 'ip', 'ip6'].map((family) => `add table ${family} ${name}\ndelete table ${family} ${name}\n`).join('');
}

/**
 * Renders the script that replaces the content of a router's tables in one transaction. Base chains stay, because
 * removing one waits for grace periods of the kernel. README.md explains the rules.
 */
export function renderRules(input: RuleInput): string {
  const parts = [renderArp(input), renderFamily(input, 4), renderFamily(input, 6)];
  const lines = parts.join('\n').split('\n');
  return `${lines.filter((line) => line.trim() !== '').join('\n')}\n`;
}

/** The kernel answers ARP for every local address, including those on `lo`, and uses them as the sender of requests. */
function renderArp({ router, hidden, arpSources }: RuleInput): string {
  const name = addressTableName(router);
  const own = ofFamily(hidden, 4).map(({ address }) => `${address} timeout ${timeouts.move}s`);
  return `${emptied('arp', name, { hidden: 'type ipv4_addr; flags timeout;' }, [])}
table arp ${name} {
	set hidden {
		type ipv4_addr
		flags timeout
		${elements(own)}
	}
	chain input {
		type filter hook input priority 0
		arp daddr ip @hidden drop
	}
	chain output {
		type filter hook output priority 0
		arp operation reply arp saddr ip @hidden drop
${arpSources.map(({ gateway, device }) => `\t\toifname "${device}" arp saddr ip @hidden arp saddr ip set ${gateway}\n`).join('')}\t}
}`;
}

function renderFamily(input: RuleInput, family: Family): string {
  const [word, type, icmp] = family === 4 ? ['ip', 'ipv4_addr', 'icmp'] : ['ip6', 'ipv6_addr', 'icmpv6'];
  const l4 = family === 4 ? 'icmp' : 'ipv6-icmp';
  const addresses = ofFamily(input.addresses, family);
  const hidden = ofFamily(input.hidden, family);
  const drained = ofFamily(input.drained, family);
  const chains = new ForwardingChains();
  const move = `timeout ${timeouts.move}s`;
  const stay = `timeout ${timeouts.reject}s`;
  const unknown = [
    ...hidden.map(({ address, holder }) => [address, holder === undefined ? 'drop' : chains.to([holder])] as const),
    ...drained.map(({ address, drainers }) => [address, chains.to(drainers)] as const),
  ];
  const fresh = hidden.flatMap(({ address, holder, isServing }) => {
    if (holder === undefined) return isServing ? [] : [[address, 'drop'] as const];
    return [[address, chains.to([holder])] as const];
  });
  const served = addresses.flatMap(({ address, ports }) =>
    ports.map(({ protocol, port }) => `${address} . ${protocol.toLowerCase()} . ${port} ${stay}`),
  );
  const translated = addresses.filter((one) => one.translated === true);
  const own = input.members.flatMap(({ mac, addresses: texts }) =>
    texts.filter((text) => parseAddress(text)?.family === family).map((text) => `${mac} . ${text}`),
  );
  const macs = [...new Set(input.members.map(({ mac }) => mac))];
  const errors =
    family === 4
      ? 'destination-unreachable, time-exceeded, parameter-problem'
      : 'destination-unreachable, packet-too-big, time-exceeded, parameter-problem';
  const sets = {
    pool: `type ${type}; flags timeout;`,
    served: `type ${type} . inet_proto . inet_service; flags timeout;`,
    hidden: `type ${type}; flags timeout;`,
    translated: `type ${type}; flags timeout;`,
    members: 'type ether_addr;',
    own: `type ether_addr . ${type};`,
  };
  const map = `type ${type} : verdict; flags timeout;`;
  return `${emptied(word, addressTableName(input.router), sets, ['unknown', 'fresh'], map)}
table ${word} ${addressTableName(input.router)} {
	set pool {
		type ${type}
		flags timeout
		${elements(addresses.map(({ address }) => `${address} ${stay}`))}
	}
	set served {
		type ${type} . inet_proto . inet_service
		flags timeout
		${elements(served)}
	}
	set hidden {
		type ${type}
		flags timeout
		${elements(hidden.map(({ address }) => `${address} ${move}`))}
	}
	set translated {
		type ${type}
		flags timeout
		${elements(translated.map(({ address }) => `${address} ${stay}`))}
	}
	set members {
		type ether_addr
		${elements(macs)}
	}
	set own {
		type ether_addr . ${type}
		${elements([...new Set(own)])}
	}
${chains.render()}	map unknown {
		type ${type} : verdict
		flags timeout
		${elements(unknown.map(([address, verdict]) => `${address} ${move} : ${verdict}`))}
	}
	map fresh {
		type ${type} : verdict
		flags timeout
		${elements(fresh.map(([address, verdict]) => `${address} ${move} : ${verdict}`))}
	}
	chain unknown-connection {
		ether saddr @members ether saddr . ${word} saddr != @own drop
		${word} daddr vmap @unknown
		accept
	}
	chain new-connection {
		${word} daddr @hidden ether saddr @members ether saddr . ${word} saddr != @own drop
		${word} daddr vmap @fresh
		meta l4proto ${l4} accept
		${word} daddr . meta l4proto . th dport @served accept
		meta l4proto tcp reject with tcp reset
		reject with ${icmp} port-unreachable
	}
	chain prerouting {
		type filter hook prerouting priority -150
${family === 6 ? hidden.map(({ address }) => `\t\ticmpv6 type nd-neighbor-solicit @th,64,128 ${hexOf(address)} drop\n`).join('') : ''}		iifname "lo" accept
		${word} daddr != @pool accept
		ct state established,related accept
		meta l4proto tcp ${opens} goto new-connection
		meta l4proto tcp goto unknown-connection
		${icmp} type { ${errors} } goto unknown-connection
		goto new-connection
	}
${renderTranslated(addresses, word, l4, icmp)}}`;
}

/**
 * Rejects packets to addresses of Services that nothing has translated: before kube-proxy knows the address, and while
 * the Service has no endpoint, they would reach whatever listens on the port of the node. IPVS translates at this hook
 * with priorities up to 99.
 */
function renderTranslated(addresses: RuleInput['addresses'], word: string, l4: string, icmp: string): string {
  // Nodes without such Services need no look-up for every packet.
  if (!addresses.some((one) => one.translated === true)) return '';
  return `	chain input {
		type filter hook input priority 150
		${word} daddr != @translated accept
		ct state established,related accept
		meta l4proto ${l4} accept
		meta l4proto tcp reject with tcp reset
		reject with ${icmp} port-unreachable
	}
`;
}

/** Creates a table with its sets and maps if they do not exist, and empties all of them and all chains. */
function emptied(
  family: string,
  table: string,
  sets: Readonly<Record<string, string>>,
  maps: readonly string[],
  map = '',
): string {
  const all = [
    ...Object.entries(sets).map(([name, head]) => ['set', name, head] as const),
    ...maps.map((name) => ['map', name, map] as const),
  ];
  return [
    `add table ${family} ${table}`,
    ...all.map(([kind, name, head]) => `add ${kind} ${family} ${table} ${name} { ${head} }`),
    ...all.map(([kind, name]) => `flush ${kind} ${family} ${table} ${name}`),
    `flush table ${family} ${table}`,
  ].join('\n');
}

/** Chains that send a copy of a packet to other nodes and drop it here. Equal lists of nodes share a chain. */
class ForwardingChains {
  readonly #names = new Map<string, string>();

  /** Returns a verdict. */
  to(ways: readonly Way[]): string {
    const rule = ways.map(({ gateway, device }) => `dup to ${gateway} device "${device}"`).join(' ');
    if (rule === '') return 'drop';
    const name = this.#names.get(rule) ?? `forward-${this.#names.size}`;
    this.#names.set(rule, name);
    return `goto ${name}`;
  }

  render(): string {
    return [...this.#names].map(([rule, name]) => `\tchain ${name} {\n\t\t${rule} drop\n\t}\n`).join('');
  }
}

function ofFamily<T extends { readonly address: string }>(items: readonly T[], family: Family): T[] {
  return items.filter(({ address }) => parseAddress(address)?.family === family);
}

function elements(texts: readonly string[]): string {
  return texts.length === 0 ? '' : `elements = { ${texts.join(', ')} }`;
}

function hexOf(text: string): string {
  return `0x${Buffer.from(addressBytes(parseAddress(text) as Address)).toString('hex')}`;
}

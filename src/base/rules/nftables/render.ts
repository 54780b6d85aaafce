import type { Address, Family } from '../../model/address.ts';
import { renderEndpoint } from '../../model/endpoint.ts';
import type { Sharing } from '../../model/redirect.ts';
import type {
  Action,
  Chain,
  Hook,
  Match,
  RedirectEntry,
  RedirectTableKey,
  Rule,
  SharedPort,
  SharedTarget,
} from '../../model/rules.ts';

/** Prefix of every table of ours, followed by the program's name. */
const tablePrefix = 'egress-router-';

/** Returns the table of a program with its family: `inet egress-router-net1`. */
export function tableName(program: string): string {
  return `inet ${tableNameOf(program)}`;
}

/** Returns the table of a program without its family. */
export function tableNameOf(program: string): string {
  return `${tablePrefix}${program}`;
}

/**
 * Type, hook and priority of our base chains. Priorities are numbers, because not every hook accepts every priority
 * name.
 */
const bases: Readonly<Record<Hook, string>> = {
  'mangle-prerouting': 'type filter hook prerouting priority -150',
  'nat-prerouting': 'type nat hook prerouting priority -100',
  'filter-input': 'type filter hook input priority 0',
  'filter-forward': 'type filter hook forward priority 0',
  // Type `route`: the kernel looks up the route again when the mark changes.
  'mangle-output': 'type route hook output priority -150',
  'mangle-postrouting': 'type filter hook postrouting priority -150',
  'nat-postrouting': 'type nat hook postrouting priority 100',
};

/** Returns the type, hook and priority of a base chain, as written inside its braces. */
export function renderBase(chain: Chain): string {
  return bases[chain.hook];
}

/** Returns the name of the map of a redirect table: `tcp4`. */
export function mapName(key: RedirectTableKey): string {
  return `${key.protocol}${key.family}`;
}

/** Returns the type of the map of a redirect table. */
export function mapType(key: RedirectTableKey): string {
  return `type inet_service : ipv${key.family}_addr . inet_service`;
}

/** Renders the target of a redirect table's entry. */
export function renderEntry(entry: RedirectEntry): string {
  return `${entry.address.text} . ${entry.port}`;
}

/** Returns the name of the map from a shared port to its chain: `tcp4-shared`. */
export function sharedMapName(key: RedirectTableKey): string {
  return `${mapName(key)}-shared`;
}

/** Returns the name of the chain of a shared port: `tcp4-8443`. */
export function sharedChainName(key: RedirectTableKey, port: number): string {
  return `${mapName(key)}-${port}`;
}

/** Renders the rules of a shared port's chain. */
export function renderSharedPort({ family, protocol }: RedirectTableKey, { targets, sharing }: SharedPort): string[] {
  // Without a target the packet must not reach the fallback.
  if (targets.length === 0) return ['accept'];
  return renderShare(family, targets, sharing).map((action) => `meta l4proto ${protocol} ${action}`);
}

/** Any value; the same on every node, so that a moved router keeps clients at their targets. */
const hashSeed = '0x65726f75';

/**
 * Renders the actions of consecutive rules. The last one has no map: a transaction that replaces a rule deactivates the
 * elements of its map for all processors at once, also for packets that are still evaluated by the old rule. Their
 * lookup finds nothing, and without another rule their connections would be refused.
 */
function renderShare(family: Family, targets: readonly SharedTarget[], sharing: Sharing): string[] {
  const [first, ...more] = targets;
  if (first === undefined) return [];
  const toFirst = `dnat ${familyWord(family)} to ${renderEndpoint(first)}`;
  if (more.length === 0) return [toFirst];
  const choice =
    sharing === 'source'
      ? `jhash ${familyWord(family)} saddr mod ${targets.length} seed ${hashSeed}`
      : `numgen inc mod ${targets.length}`;
  const elements = targets.map(
    ({ address, port }, index) => `${index} : ${address.text}${port === undefined ? '' : ` . ${port}`}`,
  );
  return [`dnat ${familyWord(family)} to ${choice} map { ${elements.join(', ')} }`, toFirst];
}

/** Renders a rule in nft's syntax, which may need several. Names are validated, so nothing needs escaping. */
export function renderRule(rule: Rule): string[] {
  const family = rule.family === undefined ? [] : [`meta nfproto ipv${rule.family}`];
  const matches = rule.matches.map(renderMatch);
  return renderAction(rule.action).map((action) => [...family, ...matches, action].join(' '));
}

function renderMatch(match: Match): string {
  const not = 'not' in match && match.not === true;
  const equals = not ? '!= ' : '';
  switch (match.on) {
    case 'incoming':
      return `iifname ${equals}"${match.link}"`;
    case 'outgoing':
      return `oifname ${equals}"${match.link}"`;
    case 'protocol':
      return `meta l4proto ${equals}${match.protocol === 'icmpv6' ? 'ipv6-icmp' : match.protocol}`;
    case 'ports':
      return `${match.protocol} dport ${match.from === match.to ? match.from : `${match.from}-${match.to}`}`;
    case 'source':
      return `${match.prefix.address.family === 4 ? 'ip' : 'ip6'} saddr ${equals}${renderPrefix(match.prefix)}`;
    case 'source-bits':
    case 'turn':
      // Only iptables needs them; nft has maps.
      throw new Error(`Cannot render a match on ${match.on} for nftables`);
    case 'local-destination':
      return 'fib daddr type local';
    case 'mark':
      return `meta mark & ${hex(match.mask)} ${not ? '!=' : '=='} ${hex(match.value)}`;
    case 'connection-mark':
      return `ct mark & ${hex(match.mask)} ${not ? '!=' : '=='} ${hex(match.value)}`;
    case 'state':
      return `ct state ${match.states.join(',')}`;
    case 'translated': {
      const bit = match.part === 'destination' ? 'dnat' : 'snat';
      return `ct status & ${bit} ${not ? '!=' : '=='} ${bit}`;
    }
    case 'confirmed':
      return 'ct status & confirmed == confirmed';
    case 'direction':
      return `ct direction ${match.direction}`;
    case 'icmpv6-type':
      return `icmpv6 type ${match.type}`;
  }
}

function renderPrefix(prefix: { address: Address; length: number }): string {
  const whole = prefix.address.family === 4 ? 32 : 128;
  return prefix.length === whole ? prefix.address.text : `${prefix.address.text}/${prefix.length}`;
}

function renderAction(action: Action): string[] {
  switch (action.do) {
    case 'accept':
    case 'drop':
    case 'return':
      return [action.do];
    case 'reject':
      return [action.with === 'tcp-reset' ? 'reject with tcp reset' : 'reject with icmpx port-unreachable'];
    case 'set-mark':
      return [`meta mark set meta mark & ${hex(~action.mask >>> 0)} | ${hex(action.value)}`];
    case 'set-connection-mark':
      return [`ct mark set ct mark & ${hex(~action.mask >>> 0)} | ${hex(action.value)}`];
    case 'dnat':
    case 'snat':
      return [`${action.do} ${familyWord(action.address.family)} to ${renderEndpoint(action)}`];
    case 'redirect': {
      const { family, protocol } = action.table;
      return [`dnat ${familyWord(family)} to ${protocol} dport map @${mapName(action.table)}`];
    }
    case 'redirect-shared':
      return [`${action.table.protocol} dport vmap @${sharedMapName(action.table)}`];
    case 'share':
      return renderShare(action.targets[0]?.address.family ?? 4, action.targets, action.sharing);
  }
}

function familyWord(family: Family): 'ip' | 'ip6' {
  return family === 4 ? 'ip' : 'ip6';
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}

import { type Family, formatPrefix } from '../../model/address.ts';
import { renderEndpoint } from '../../model/endpoint.ts';
import type { Match } from '../../model/rules.ts';
import { ownerComment } from '../owner.ts';
import type { HookRule, LoweredAction, LoweredRule } from './lower.ts';

/** Renders a rule as `iptables-restore` expects it after `-A CHAIN`. Names are validated, so nothing needs quoting. */
export function renderRule(rule: LoweredRule, family: Family): string {
  return [...rule.matches.map((match) => renderMatch(match, family)), renderAction(rule.action, family)].join(' ');
}

/** Renders the hook rule after `-A BUILTIN`. Its comment names the owner. */
export function renderHook(hook: HookRule): string {
  return `-m comment --comment "${ownerComment(hook.owner)}" -j ${hook.chain}`;
}

function renderMatch(match: Match, family: Family): string {
  const not = 'not' in match && match.not === true ? '! ' : '';
  switch (match.on) {
    case 'incoming':
      return `${not}-i ${match.link}`;
    case 'outgoing':
      return `${not}-o ${match.link}`;
    case 'protocol':
      return `${not}-p ${match.protocol === 'icmpv6' ? 'ipv6-icmp' : match.protocol}`;
    case 'ports': {
      const range = match.from === match.to ? `${match.from}` : `${match.from}:${match.to}`;
      return `-p ${match.protocol} -m ${match.protocol} --dport ${range}`;
    }
    case 'source':
      return `${not}-s ${formatPrefix(match.prefix)}`;
    case 'source-bits': {
      // iptables accepts masks that are no prefix.
      const hex = (value: number): string => (family === 4 ? `0.0.0.${value}` : `::${value.toString(16)}`);
      return `-s ${hex(match.value)}/${hex(2 ** match.bits - 1)}`;
    }
    case 'turn':
      return `-m statistic --mode nth --every ${match.every} --packet 0`;
    case 'local-destination':
      return '-m addrtype --dst-type LOCAL';
    case 'mark':
      return `-m mark ${not}--mark ${renderBits(match)}`;
    case 'connection-mark':
      return `-m connmark ${not}--mark ${renderBits(match)}`;
    case 'state':
      return `-m conntrack --ctstate ${match.states.join(',').toUpperCase()}`;
    case 'translated':
      return `-m conntrack ${not}--ctstate ${match.part === 'destination' ? 'DNAT' : 'SNAT'}`;
    case 'confirmed':
      return '-m conntrack --ctstatus CONFIRMED';
    case 'direction':
      return `-m conntrack --ctdir ${match.direction.toUpperCase()}`;
    case 'icmpv6-type':
      return `-p ipv6-icmp -m icmp6 --icmpv6-type ${match.type}`;
  }
}

function renderAction(action: LoweredAction, family: Family): string {
  switch (action.do) {
    case 'accept':
    case 'drop':
    case 'return':
      return `-j ${action.do.toUpperCase()}`;
    case 'jump':
      return `-j ${action.chain}`;
    case 'goto':
      return `-g ${action.chain}`;
    case 'reject':
      if (action.with === 'tcp-reset') return '-j REJECT --reject-with tcp-reset';
      return `-j REJECT --reject-with ${family === 4 ? 'icmp' : 'icmp6'}-port-unreachable`;
    case 'set-mark':
      return `-j MARK --set-xmark ${renderBits(action)}`;
    case 'set-connection-mark':
      return `-j CONNMARK --set-xmark ${renderBits(action)}`;
    case 'dnat':
      return `-j DNAT --to-destination ${renderEndpoint(action)}`;
    case 'snat':
      return `-j SNAT --to-source ${renderEndpoint(action)}`;
  }
}

function renderBits({ value, mask }: { value: number; mask: number }): string {
  return `0x${value.toString(16)}/0x${mask.toString(16)}`;
}

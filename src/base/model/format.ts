import { formatPrefix } from './address.ts';
import { mainTable, type PolicyRule, type Route } from './network.ts';
import type { NamedRedirect, Redirect } from './redirect.ts';

/** Formats a route in the syntax of `ip route`. */
export function formatRoute(route: Route): string {
  const { destination } = route;
  const words = [
    ...(route.type === 'unreachable' ? ['unreachable'] : []),
    destination.length === 0 ? 'default' : formatPrefix(destination),
    ...(route.gateway === undefined ? [] : ['via', route.gateway.text]),
    ...(route.link === undefined ? [] : ['dev', route.link]),
    ...(route.table === mainTable ? [] : ['table', `${route.table}`]),
    ...(route.metric === undefined ? [] : ['metric', `${route.metric}`]),
  ];
  return words.join(' ');
}

/** Formats a policy rule in the syntax of `ip rule`. */
export function formatPolicyRule(rule: PolicyRule): string {
  const mark = `fwmark 0x${rule.mark.toString(16)}/0x${rule.mask.toString(16)}`;
  const incoming = rule.incoming === undefined ? '' : ` iif ${rule.incoming}`;
  return `${rule.priority}: from all ${mark}${incoming} lookup ${rule.table}`;
}

/**
 * Formats a destination as the Cluster Network Operator does: `8080 TCP 203.0.113.26 80`. A DNS name is in the place
 * of the address.
 */
export function formatDestination(redirect: Redirect | NamedRedirect): string {
  const { port, protocol, targetPort } = redirect;
  const target = 'name' in redirect ? redirect.name : redirect.target.text;
  const words = `${port} ${protocol.toUpperCase()} ${target}`;
  return targetPort === undefined ? words : `${words} ${targetPort}`;
}

import { formatPrefix } from '../../base/model/address.ts';
import { renderEndpoint } from '../../base/model/endpoint.ts';
import type { NamespaceSnapshot, Route } from '../../base/model/network.ts';
import { expandNames, fallbackOf, type Redirect, type RedirectSet } from '../../base/model/redirect.ts';
import type { RuleBackend } from '../../base/rules/transaction.ts';
import type { Operation } from '../model/operation.ts';
import type { Resolved } from '../plan/resolve.ts';

/** Returns the lines with which OpenShift's log begins an ADD; `destinations` as written in the configuration. */
export function describeRequest(resolved: Resolved, destinations: readonly string[]): string[] {
  return [
    ...resolved.reserved.map(({ gateway }) => `Gateway: ${gateway.text}`),
    `IP Source Addresses: [${resolved.reserved.map(({ prefix }) => formatPrefix(prefix)).join(' ')}]`,
    `IP Destinations: [${destinations.join(' ')}]`,
  ];
}

/** Returns the line for a completed operation, if OpenShift's log has one. */
export function describeDone(operation: Operation, pod: NamespaceSnapshot): string[] {
  switch (operation.do) {
    case 'create-link':
      return ['Created macvlan interface'];
    case 'claim-link':
      return [`Renamed macvlan to "${operation.name}"`];
    case 'add-route':
      return describeAddedRoute(operation.route);
    case 'delete-route':
      return [`deleted default route ${describeGoRoute(operation.route, pod)}`];
    default:
      return [];
  }
}

function describeAddedRoute(route: Route): string[] {
  const main = 254;
  if (route.table !== main) return [];
  if (route.destination.length === 0) return [`Added new default route with gateway ${route.gateway?.text}`];
  if (route.gateway === undefined) {
    return [`Adding route to gateway ${route.destination.address.text} on macvlan interface`];
  }
  return [`Added route to ${formatPrefix(route.destination)} by ${route.gateway.text} on ${route.link}`];
}

/** Formats a route as Go's netlink library does, because scripts search for it. */
function describeGoRoute(route: Route, pod: NamespaceSnapshot): string {
  const index = pod.links.find((link) => link.name === route.link)?.index ?? 0;
  return (
    `{Ifindex: ${index} Dst: <nil> Src: ${route.source?.text ?? '<nil>'} Gw: ${route.gateway?.text ?? '<nil>'} ` +
    `Flags: [${route.onlink ? 'onlink' : ''}] Table: ${route.table}}`
  );
}

/** Yields one line for each redirect, the fallback and the source address, in the format of OpenShift's log. */
export function* describeRules(resolved: Resolved, link: string, backend: RuleBackend): Generator<string> {
  const { podLinks, reserved, spec } = resolved;
  const all = [...spec.redirects.redirects, ...expandNames(spec.redirects.named)];
  yield* describeRedirects('Added', all, podLinks, link, backend);
  const describe = wordsOf(backend, 'Added', link);
  for (const { prefix } of reserved) {
    const { family, text } = prefix.address;
    const fallback = fallbackOf(spec.redirects, family);
    const podLink = podLinks[family];
    const named = spec.redirects.fallbackName?.targets.filter((address) => address.family === family) ?? [];
    for (const target of fallback === undefined ? named : [fallback]) {
      if (podLink !== undefined) yield describe.fallback(family, podLink, target.text);
    }
    yield describe.source(family, text);
  }
}

type PodLinks = Resolved['podLinks'];
/** Change of a rule. */
type Change = 'Added' | 'Removed';

/** Yields one line for each added or removed redirect and fallback, in the format of {@link describeRules}. */
export function* describeChangedRules(
  change: Change,
  { redirects, fallbacks }: RedirectSet,
  podLinks: PodLinks,
  link: string,
  backend: RuleBackend,
): Generator<string> {
  yield* describeRedirects(change, redirects, podLinks, link, backend);
  const describe = wordsOf(backend, change, link);
  for (const { family, text } of fallbacks) {
    const podLink = podLinks[family];
    if (podLink !== undefined) yield describe.fallback(family, podLink, text);
  }
}

function* describeRedirects(
  change: Change,
  redirects: readonly Redirect[],
  podLinks: PodLinks,
  link: string,
  backend: RuleBackend,
): Generator<string> {
  const describe = wordsOf(backend, change, link);
  for (const { target, targetPort, protocol, port } of redirects) {
    const podLink = podLinks[target.family];
    if (podLink === undefined) continue;
    const endpoint = renderEndpoint({ address: target, ...(targetPort === undefined ? {} : { port: targetPort }) });
    yield describe.redirect(target.family, podLink, protocol, port, endpoint);
  }
}

function wordsOf(backend: RuleBackend, change: Change, link: string): RuleWords {
  return backend === 'iptables' ? describeIptables(change, link) : describeNftables(change, link);
}

interface RuleWords {
  redirect(family: 4 | 6, podLink: string, protocol: string, port: number, endpoint: string): string;
  fallback(family: 4 | 6, podLink: string, target: string): string;
  source(family: 4 | 6, address: string): string;
}

function describeIptables(change: Change, link: string): RuleWords {
  const head = (family: 4 | 6): string => {
    const program = family === 4 ? 'iptables' : 'ip6tables';
    return `${change} iptables rule: ${program} -t nat`;
  };
  return {
    redirect: (family, podLink, protocol, port, endpoint) =>
      `${head(family)} PREROUTING -i ${podLink} -p ${protocol.toUpperCase()} --dport ${port} -j DNAT --to-destination ${endpoint}`,
    fallback: (family, podLink, target) =>
      `${head(family)} PREROUTING -i ${podLink} -j DNAT --to-destination ${target}`,
    source: (family, address) => `${head(family)} -o ${link} -j SNAT --to-source ${address}`,
  };
}

function describeNftables(change: Change, link: string): RuleWords {
  const head = `${change} nftables rule:`;
  const word = (family: 4 | 6): string => (family === 4 ? 'ip' : 'ip6');
  return {
    redirect: (family, podLink, protocol, port, endpoint) =>
      `${head} iifname ${podLink} ${protocol} dport ${port} dnat ${word(family)} to ${endpoint}`,
    fallback: (family, podLink, target) => `${head} iifname ${podLink} dnat ${word(family)} to ${target}`,
    source: (family, address) => `${head} oifname ${link} snat ${word(family)} to ${address}`,
  };
}

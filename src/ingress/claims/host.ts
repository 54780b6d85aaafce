import { parseAddress } from '../../base/model/address.ts';
import { isLabelName, isLabels } from '../../base/read/object-meta.ts';
import type { SiteRequest } from '../intent/site-request.ts';

/** Returns whether a host can be served: a host name without final dot, or an IPv4 address, as in OpenShift. */
export function isServableHost(host: string): boolean {
  return isLabels(host);
}

/** Returns what a host that cannot be served must be changed to. */
export function explainHost(host: string, wildcard: string): string {
  const parent = host.startsWith('*.') ? host.slice(2) : undefined;
  if (parent !== undefined && isServableHost(parent)) {
    return `must not contain "*"; for every host one label below ${parent}, set a host such as www.${parent} and ${wildcard}`;
  }
  if (host.length > 253) return 'must have at most 253 characters';
  if (host.endsWith('.')) return 'must not end with a dot';
  const label = host.split('.').find((one) => !isLabelName(one));
  if (label === '') return 'must not contain an empty label';
  if (label !== undefined && label.length > 63) {
    return `label "${label.slice(0, 12)}…" has ${label.length} characters; a label has at most 63`;
  }
  return `label "${label}" must consist of letters, digits and "-", and begin and end with a letter or digit`;
}

/** Returns whether a host is an IP address, which has no domain. */
function isAddress(host: string): boolean {
  return /\d$/.test(host) && parseAddress(host) !== undefined;
}

/** Returns the parent domain of a host, or undefined if there is none. */
export function parentOf(host: string): string | undefined {
  const dot = host.indexOf('.');
  return dot < 0 || dot === host.length - 1 || isAddress(host) ? undefined : host.slice(dot + 1);
}

/** Returns the domain of a request for the names below it, or undefined for any other request. */
export function wildcardDomainOf({ host, span }: Pick<SiteRequest, 'host' | 'span'>): string | undefined {
  if (host === undefined) return undefined;
  if (span === 'labels') return host;
  return span === 'label' ? parentOf(host) : undefined;
}

/** Returns whether a request is for the names one label below the domain of its host. */
export function isWildcard({ span }: Pick<SiteRequest, 'span'>): boolean {
  return span === 'label';
}

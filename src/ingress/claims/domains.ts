import type { AdmissionPolicy } from './policy.ts';

/**
 * Returns what is wrong with the domain of a host, or undefined if it may be served. A domain contains itself and all
 * names below it.
 *
 * @param field of the object, for the message
 */
export function findDomainProblem(
  host: string | undefined,
  field: string,
  { allowedDomains, deniedDomains }: Pick<AdmissionPolicy, 'allowedDomains' | 'deniedDomains'>,
): string | undefined {
  if (host !== undefined && deniedDomains.some((domain) => isWithin(host, domain))) {
    return `${field} "${host}": is in a domain that this router denies`;
  }
  if (allowedDomains.length === 0) return undefined;
  if (host === undefined) return `${field} is missing: must be in a domain that this router allows`;
  if (allowedDomains.some((domain) => isWithin(host, domain))) return undefined;
  return `${field} "${host}": must be in a domain that this router allows`;
}

/**
 * Returns why a request for many names would answer for a denied domain, or undefined if it would not.
 *
 * @param domain whose names below it are requested. Absent: every name.
 */
export function findDeniedBelow(
  domain: string | undefined,
  field: string,
  { deniedDomains }: Pick<AdmissionPolicy, 'deniedDomains'>,
): string | undefined {
  const denied = deniedDomains.find((one) => domain === undefined || isWithin(one, domain));
  if (denied === undefined) return undefined;
  const covered = domain === undefined ? `${field} is missing` : `${field} "*.${domain}"`;
  return `${covered}: this router denies a domain that it would cover; list the hosts`;
}

/** Returns whether a host is the domain or below it: `b.a.com` is within `a.com`, `ba.com` is not. */
function isWithin(host: string, domain: string): boolean {
  return host === domain || host.endsWith(`.${domain}`);
}

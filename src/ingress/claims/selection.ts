import type { Labels } from '../../base/read/object-meta.ts';
import type { Route } from '../route/route.ts';
import { matchesFields, type RouteField } from './field-selector.ts';
import { matchesLabels } from './label-selector.ts';
import type { AdmissionPolicy } from './policy.ts';

/** Returns the labels of a namespace, or undefined if it does not exist. */
export type LabelsOfNamespace = (namespace: string) => Labels | undefined;

/**
 * Returns whether this router serves a Route, by the router that it names, its labels and fields, and the labels of
 * its namespace.
 */
export function isSelected(
  { routerName, meta, fields }: Pick<Route, 'routerName' | 'meta' | 'fields'>,
  policy: AdmissionPolicy,
  labelsOfNamespace: LabelsOfNamespace,
): boolean {
  if (policy.routerName !== undefined && routerName !== policy.routerName) return false;
  if (!matchesLabels(policy.routeLabels, meta.labels)) return false;
  const { routeFields = [] } = policy;
  if (routeFields.length > 0 && !matchesFields(routeFields, (field) => readField(field, meta, fields))) return false;
  if (policy.namespaceLabels.length === 0) return true;
  const labels = labelsOfNamespace(meta.namespace);
  return labels !== undefined && matchesLabels(policy.namespaceLabels, labels);
}

function readField(field: RouteField, meta: Route['meta'], fields: Route['fields']): string | undefined {
  if (field === 'metadata.name') return meta.name;
  return field === 'metadata.namespace' ? meta.namespace : fields?.[field];
}

/**
 * Returns why the domain of a host is not served, or undefined if it is. A domain includes itself and everything
 * below.
 */
export function findDomainProblem(
  host: string | undefined,
  { allowedDomains, deniedDomains }: Pick<AdmissionPolicy, 'allowedDomains' | 'deniedDomains'>,
): string | undefined {
  if (host !== undefined && deniedDomains.some((domain) => isWithin(host, domain))) {
    return `spec.host "${host}": is in a domain that this router denies`;
  }
  if (allowedDomains.length === 0) return undefined;
  if (host === undefined) return 'spec.host is missing: must be in a domain that this router allows';
  if (allowedDomains.some((domain) => isWithin(host, domain))) return undefined;
  return `spec.host "${host}": must be in a domain that this router allows`;
}

/** Returns whether a host is the domain or below it: `b.a.com` is within `a.com`, `ba.com` is not. */
function isWithin(host: string, domain: string): boolean {
  return host === domain || host.endsWith(`.${domain}`);
}

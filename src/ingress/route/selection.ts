import type { Labels } from '../../base/read/object-meta.ts';
import { matchesFields, type RouteField } from '../claims/field-selector.ts';
import { matchesLabels } from '../claims/label-selector.ts';
import type { AdmissionPolicy } from '../claims/policy.ts';
import type { Route } from './route.ts';

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

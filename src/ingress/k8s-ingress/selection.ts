import type { Labels } from '../../base/read/object-meta.ts';
import { matchesLabels } from '../claims/label-selector.ts';
import type { AdmissionPolicy } from '../claims/policy.ts';
import type { Ingress } from './ingress.ts';
import type { IngressClass } from './ingress-class.ts';

/** Name of this controller in IngressClasses. */
export const ingressController = 'egress-router.io/ingress-agent';

/** The classes of this router. */
export interface OwnClasses {
  readonly names: ReadonlySet<string>;
  /** Whether Ingresses without a class belong to this router. */
  readonly hasDefault: boolean;
}

/**
 * Returns the classes of this router. If several classes of the cluster are the default, the newest one counts, as in
 * the API server.
 *
 * @param only the name of the only class to serve
 */
export function findClasses(classes: Iterable<IngressClass>, only: string | undefined): OwnClasses {
  const all = [...classes];
  const own = all.filter(({ meta, controller }) => {
    return controller === ingressController && (only === undefined || meta.name === only);
  });
  const [first] = all.filter(({ isDefault }) => isDefault).sort(byAge);
  return { names: new Set(own.map(({ meta }) => meta.name)), hasDefault: first !== undefined && own.includes(first) };
}

/** Newest first, then by name. */
function byAge({ meta: one }: IngressClass, { meta: other }: IngressClass): number {
  if (one.created !== other.created) return one.created > other.created ? -1 : 1;
  return one.name < other.name ? -1 : 1;
}

/**
 * Returns whether this router serves an Ingress, by its class, its labels and those of its namespace. An Ingress that
 * OpenShift has turned into Routes is served as these Routes.
 */
export function isSelected(
  { className, meta }: Ingress,
  classes: OwnClasses,
  policy: AdmissionPolicy,
  labelsOf: (namespace: string) => Labels | undefined,
): boolean {
  if (className === undefined ? !classes.hasDefault : !classes.names.has(className)) return false;
  if (!matchesLabels(policy.routeLabels, meta.labels)) return false;
  if (policy.namespaceLabels.length === 0) return true;
  const labels = labelsOf(meta.namespace);
  return labels !== undefined && matchesLabels(policy.namespaceLabels, labels);
}

import type { Labels } from '../../base/read/object-meta.ts';
import { matchesLabels } from '../claims/label-selector.ts';
import type { AllowedNamespaces } from './listener.ts';

/** Returns the labels of a namespace, or undefined if it does not exist. */
export type LabelsOfNamespace = (namespace: string) => Labels | undefined;

/** Returns whether a selection of namespaces includes one; `home` is that of the object with the selection. */
export function includesNamespace(
  allowed: AllowedNamespaces,
  namespace: string,
  home: string,
  labelsOf: LabelsOfNamespace,
): boolean {
  switch (allowed.from) {
    case 'All':
      return true;
    case 'None':
      return false;
    case 'Same':
      return namespace === home;
    case 'Selector': {
      const labels = labelsOf(namespace);
      return labels !== undefined && matchesLabels(allowed.selector, labels);
    }
  }
}

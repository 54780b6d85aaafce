import { type LabelRequirement, readLabelSelector } from '../../base/read/label-selector.ts';
import type { Labels } from '../../base/read/object-meta.ts';
import { matchesLabels } from '../claims/label-selector.ts';

/** Returns the conditions of a validated LabelSelector. */
function requirementsOf(selector: unknown): readonly LabelRequirement[] {
  return readLabelSelector(selector) ?? [];
}

/** Formats a LabelSelector like Go's `labels.Selector`. An empty one becomes an empty text. */
export function writeSelector(selector: { readonly matchLabels?: unknown }): string {
  const plain = requirementsOf({ matchLabels: selector.matchLabels }).length;
  const texts = requirementsOf(selector).map((requirement, index) => ({
    key: requirement.key,
    text: writeRequirement(requirement, index < plain),
  }));
  return texts
    .sort((one, other) => (one.key < other.key ? -1 : one.key > other.key ? 1 : 0))
    .map(({ text }) => text)
    .join(',');
}

function writeRequirement(requirement: LabelRequirement, isPlain: boolean): string {
  switch (requirement.is) {
    case 'present':
      return requirement.key;
    case 'absent':
      return `!${requirement.key}`;
    default: {
      const { key, is, values } = requirement;
      return isPlain ? `${key}=${values[0]}` : `${key} ${is} (${[...new Set(values)].sort().join(',')})`;
    }
  }
}

/** Returns whether labels match a LabelSelector. Absent: everything matches. */
export function matchesSelector(selector: unknown, labels: Labels): boolean {
  return matchesLabels(requirementsOf(selector ?? {}), labels);
}

/**
 * Returns the labels that a LabelSelector requires, for `spec.nodeSelector` of pods. Undefined if it cannot be written
 * as labels.
 */
export function selectorAsLabels(selector: unknown): Readonly<Record<string, string>> | undefined {
  const labels: Record<string, string> = {};
  for (const requirement of requirementsOf(selector)) {
    if (requirement.is !== 'in' || requirement.values.length !== 1) return undefined;
    labels[requirement.key] = requirement.values[0] ?? '';
  }
  return labels;
}

/** Whether a selector of nodes selects all of them. */
export function isAnywhere(selector: object | undefined): boolean {
  return selector === undefined || Object.keys(selectorAsLabels(selector) ?? {}).length === 0;
}

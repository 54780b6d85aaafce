import type { LabelRequirement as Requirement } from '../../base/read/label-selector.ts';
import type { Labels } from '../../base/read/object-meta.ts';

/** All conditions must hold. An empty selector matches everything. */
export type LabelSelector = readonly Requirement[];

/** Expected format of a label selector, for messages. */
export const labelSelectorCure = 'must be a label selector such as "app=web,tier!=test,zone in (a,b),!old"';

const key = String.raw`(?:[a-zA-Z0-9.-]+\/)?[a-zA-Z0-9](?:[\w.-]*[a-zA-Z0-9])?`;
const value = String.raw`[\w.-]*`;
const equality = new RegExp(`^(${key})\\s*(==|=|!=)\\s*(${value})$`);
const set = new RegExp(`^(${key})\\s+(in|notin)\\s*\\(([\\s\\w.,-]*)\\)$`);
const existence = new RegExp(`^(!?)\\s*(${key})$`);

/**
 * Parses a selector in the format of `kubectl --selector`. An empty text selects everything. Returns undefined for
 * anything else.
 */
export function parseLabelSelector(text: string): LabelSelector | undefined {
  if (text.length > 4096) return undefined;
  const selector: Requirement[] = [];
  // Commas inside parentheses separate values, not conditions.
  for (const part of text.trim() === '' ? [] : text.split(/,(?![^(]*\))/)) {
    const requirement = parseRequirement(part.trim());
    if (requirement === undefined) return undefined;
    selector.push(requirement);
  }
  return selector;
}

function parseRequirement(text: string): Requirement | undefined {
  const [, name, operator, word] = equality.exec(text) ?? [];
  if (name !== undefined && word !== undefined) {
    return { key: name, is: operator === '!=' ? 'notin' : 'in', values: [word] };
  }
  const [, setName, kind, words] = set.exec(text) ?? [];
  if (setName !== undefined && words !== undefined) {
    return { key: setName, is: kind === 'in' ? 'in' : 'notin', values: words.split(',').map((each) => each.trim()) };
  }
  const [, not, present] = existence.exec(text) ?? [];
  return present === undefined ? undefined : { key: present, is: not === '!' ? 'absent' : 'present' };
}

/** Returns whether labels match a selector. A missing label matches `!=` and `notin`, as in Kubernetes. */
export function matchesLabels(selector: LabelSelector, labels: Labels): boolean {
  return selector.every((requirement) => isMet(requirement, labels[requirement.key]));
}

function isMet(requirement: Requirement, label: string | undefined): boolean {
  switch (requirement.is) {
    case 'in':
      return label !== undefined && requirement.values.includes(label);
    case 'notin':
      return label === undefined || !requirement.values.includes(label);
    case 'present':
      return label !== undefined;
    case 'absent':
      return label === undefined;
  }
}

import type { LabelRequirement as Requirement } from '../../base/read/label-selector.ts';
import type { Labels } from '../../base/read/object-meta.ts';

/** All conditions must hold; without any everything matches. */
export type LabelSelector = readonly Requirement[];

/** What a selector must look like, for messages. */
export const labelSelectorCure = 'must be a label selector such as "app=web,tier!=test,zone in (a,b),!old"';

const key = String.raw`(?:[a-zA-Z0-9.-]+\/)?[a-zA-Z0-9](?:[\w.-]*[a-zA-Z0-9])?`;
const value = String.raw`[\w.-]*`;
const equality = new RegExp(`^(${key})\\s*(==|=|!=)\\s*(${value})$`);
const set = new RegExp(`^(${key})\\s+(in|notin)\\s*\\(([\\s\\w.,-]*)\\)$`);
const existence = new RegExp(`^(!?)\\s*(${key})$`);

/** Reads a selector in the form of `kubectl --selector`; empty: everything. Undefined for anything else. */
export function parseLabelSelector(text: string): LabelSelector | undefined {
  if (text.length > 4096) return undefined;
  const selector: Requirement[] = [];
  // Commas inside of parentheses separate values, not conditions.
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

/** Whether labels satisfy a selector; a missing label satisfies `!=` and `notin`, as in Kubernetes. */
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

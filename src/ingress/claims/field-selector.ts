/** A condition on a field of a Route. */
export interface FieldRequirement {
  readonly field: RouteField;
  readonly value: string;
  readonly isNegated: boolean;
}

/** Fields that OpenShift's API supports in field selectors of Routes. */
const fields = ['metadata.name', 'metadata.namespace', 'spec.host', 'spec.path', 'spec.to.name'] as const;

/** A field that a selector can name. */
export type RouteField = (typeof fields)[number];

/** Expected format of a field selector, for messages. */
export const fieldSelectorCure = `must be conditions such as "metadata.namespace!=test,spec.path=/api" on ${fields.join(', ')}`;

/**
 * Parses a selector in the format of `kubectl --field-selector`. An empty text selects every Route. Returns undefined
 * for any other text.
 */
export function parseFieldSelector(text: string): readonly FieldRequirement[] | undefined {
  const requirements: FieldRequirement[] = [];
  for (const part of text.split(',').map((word) => word.trim())) {
    if (part === '') continue;
    const [, name, operator, value = ''] = /^([a-zA-Z.]+)(==|=|!=)(.*)$/.exec(part) ?? [];
    const field = fields.find((one) => one === name);
    if (field === undefined) return undefined;
    requirements.push({ field, value, isNegated: operator === '!=' });
  }
  return requirements;
}

/** Returns whether the fields of a Route meet every condition. An absent field is empty, as in Kubernetes. */
export function matchesFields(
  selector: readonly FieldRequirement[],
  readField: (field: RouteField) => string | undefined,
): boolean {
  return selector.every(({ field, value, isNegated }) => ((readField(field) ?? '') === value) !== isNegated);
}

/** A condition on a field of a Route. */
export interface FieldRequirement {
  readonly field: RouteField;
  readonly value: string;
  readonly isNegated: boolean;
}

/** Fields that OpenShift's API lets a field selector of Routes name. */
const fields = ['metadata.name', 'metadata.namespace', 'spec.host', 'spec.path', 'spec.to.name'] as const;

/** A field that a selector can name. */
export type RouteField = (typeof fields)[number];

/** What a field selector must look like, for messages. */
export const fieldSelectorCure = `must be conditions such as "metadata.namespace!=test,spec.path=/api" on ${fields.join(', ')}`;

/** Reads a selector in the form of `kubectl --field-selector`; empty: every Route. Undefined for any other text. */
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

/** Returns whether the fields of a Route meet every condition; a field that is absent is empty, as in Kubernetes. */
export function matchesFields(
  selector: readonly FieldRequirement[],
  readField: (field: RouteField) => string | undefined,
): boolean {
  return selector.every(({ field, value, isNegated }) => ((readField(field) ?? '') === value) !== isNegated);
}

import { isRecord } from './shape.ts';

/** A condition on a label. */
export type LabelRequirement =
  | { readonly key: string; readonly is: 'in' | 'notin'; readonly values: readonly string[] }
  | { readonly key: string; readonly is: 'present' | 'absent' };

const operators: Readonly<Record<string, LabelRequirement['is']>> = {
  In: 'in',
  NotIn: 'notin',
  Exists: 'present',
  DoesNotExist: 'absent',
};

/**
 * Parses a LabelSelector (meta/v1): all conditions must hold, and an empty selector matches everything.
 * Undefined for an invalid selector.
 */
export function readLabelSelector(input: unknown): readonly LabelRequirement[] | undefined {
  if (!isRecord(input)) return undefined;
  const requirements: LabelRequirement[] = [];
  const { matchLabels = {}, matchExpressions = [] } = withoutNulls(input);
  if (!isRecord(matchLabels) || !Array.isArray(matchExpressions)) return undefined;
  for (const [key, value] of Object.entries(matchLabels)) {
    if (typeof value !== 'string') return undefined;
    requirements.push({ key, is: 'in', values: [value] });
  }
  for (const expression of matchExpressions) {
    const requirement = readExpression(expression);
    if (requirement === undefined) return undefined;
    requirements.push(requirement);
  }
  return requirements;
}

function readExpression(expression: unknown): LabelRequirement | undefined {
  if (!isRecord(expression)) return undefined;
  const { key, operator, values = [] } = withoutNulls(expression);
  const is = typeof operator === 'string' && Object.hasOwn(operators, operator) ? operators[operator] : undefined;
  if (typeof key !== 'string' || is === undefined || !Array.isArray(values)) return undefined;
  const needsValues = is === 'in' || is === 'notin';
  if (values.length > 0 !== needsValues || !values.every((value) => typeof value === 'string')) return undefined;
  return needsValues ? { key, is, values } : { key, is };
}

function withoutNulls(record: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== null));
}

import assert from 'node:assert/strict';
import { evaluate } from '@marcbachmann/cel-js';
import { type KubeDocument, renderFolder } from './rendered.ts';

/** An expression of a policy. */
export interface Expression {
  readonly name?: string;
  readonly expression: string;
}

/** The policies and their bindings. */
export const documents = renderFolder('policies');
/** The policy of a name. */
export function policyOf(name: string): KubeDocument {
  const policy = documents.find(({ kind, metadata }) => kind === 'ValidatingAdmissionPolicy' && metadata.name === name);
  assert.ok(policy !== undefined, name);
  return policy;
}

/** How many of a policy's validations say no; undefined where its conditions do not match. */
export function countRefusals(name: string, context: object): number | undefined {
  const { matchConditions = [], variables = [], validations } = policyOf(name).spec;
  if (!matchConditions.every(({ expression }: Expression) => evaluate(expression, { ...context }) === true))
    return undefined;
  const known: Record<string, unknown> = {};
  for (const { name: variable = '', expression } of variables as readonly Expression[])
    known[variable] = evaluate(expression, { ...context, variables: known });
  return (validations as readonly Expression[]).filter(
    ({ expression }) => evaluate(expression, { ...context, variables: known }) !== true,
  ).length;
}

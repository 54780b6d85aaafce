import { evaluate } from '@marcbachmann/cel-js';
import { Ajv } from 'ajv';
import { makeEgressRouterDefinition, type ValidationRule } from '../../src/api/crd/egress-router.ts';
import { isRecord } from '../../src/api/shape.ts';

type Schema = Readonly<Record<string, unknown>>;

/** The schema of an EgressRouter, as the API server is given it. */
export function readSchema(): Schema {
  // biome-ignore lint/suspicious/noExplicitAny: an object of Kubernetes
  return (makeEgressRouterDefinition() as any).spec.versions[0].schema.openAPIV3Schema;
}

/** Unknown keywords are mistakes; those of Kubernetes are known. */
const ajv = new Ajv({ allErrors: true, strict: true, strictTypes: false });
ajv.addVocabulary(['x-kubernetes-validations', 'x-kubernetes-list-type', 'x-kubernetes-list-map-keys']);
ajv.addFormat('date-time', true);
const check = ajv.compile(readSchema());

/** What an API server would say against an object; empty where it takes it. */
export function refuse(object: unknown): readonly string[] {
  if (!check(object)) return (check.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
  return applyRules(readSchema(), object, '');
}

/** Every rule at its place, with `self` as Kubernetes gives it. */
function applyRules(schema: Schema, value: unknown, path: string): string[] {
  if (value === undefined || value === null) return [];
  const rules = (schema['x-kubernetes-validations'] ?? []) as readonly ValidationRule[];
  const own = rules.flatMap(({ rule, message }) =>
    evaluate(rule, { self: toCel(value) }) === true ? [] : [`${path}: ${message}`],
  );
  const below: string[] = [];
  if (isRecord(value) && isRecord(schema.properties)) {
    for (const [key, part] of Object.entries(schema.properties)) {
      below.push(...applyRules(part as Schema, value[key], path === '' ? key : `${path}.${key}`));
    }
  }
  if (Array.isArray(value) && isRecord(schema.items)) {
    for (const [index, part] of value.entries()) below.push(...applyRules(schema.items, part, `${path}[${index}]`));
  }
  return [...own, ...below];
}

/** Whole numbers are integers in CEL. */
function toCel(value: unknown): unknown {
  if (typeof value === 'number') return BigInt(value);
  if (Array.isArray(value)) return value.map(toCel);
  if (!isRecord(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, one]) => one !== null)
      .map(([key, one]) => [key, toCel(one)]),
  );
}

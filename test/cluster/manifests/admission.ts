import { evaluate } from '@marcbachmann/cel-js';
import { Ajv, type ValidateFunction } from 'ajv';
import type { ValidationRule } from '../../../src/base/kubernetes/structural-schema.ts';
import { isRecord } from '../../../src/base/read/shape.ts';
import { makeEgressRouterDefinition } from '../../../src/egress/api/crd/egress-router.ts';
import { makeIngressControllerDefinition } from '../../../src/ingress/operator/crd.ts';
import { makeRouteDefinition } from '../../../src/ingress/route/crd.ts';

type Schema = Readonly<Record<string, unknown>>;

/** The schema of an EgressRouter, as the API server is given it. */
export function readSchema(): Schema {
  return schemaOf(makeEgressRouterDefinition());
}

/** The schema of a Route, as an API server without OpenShift's is given it. */
export function readRouteSchema(): Schema {
  return schemaOf(makeRouteDefinition());
}

/** The schema of an IngressController. */
export function readIngressControllerSchema(): Schema {
  return schemaOf(makeIngressControllerDefinition());
}

function schemaOf(definition: object): Schema {
  // biome-ignore lint/suspicious/noExplicitAny: an object of Kubernetes
  return (definition as any).spec.versions[0].schema.openAPIV3Schema;
}

/** Unknown keywords are mistakes; those of Kubernetes are known. */
const ajv = new Ajv({ allErrors: true, strict: true, strictTypes: false });
ajv.addVocabulary([
  'x-kubernetes-validations',
  'x-kubernetes-list-type',
  'x-kubernetes-list-map-keys',
  'x-kubernetes-int-or-string',
  'x-kubernetes-preserve-unknown-fields',
]);
for (const format of ['date-time', 'int32', 'int64']) ajv.addFormat(format, true);
const checkRouter = ajv.compile(readSchema());
const checkRoute = ajv.compile(readRouteSchema());
const checkIngressController = ajv.compile(readIngressControllerSchema());

/** What an API server would say against an EgressRouter; empty where it takes it. */
export function refuse(object: unknown): readonly string[] {
  return judge(checkRouter, readSchema(), object);
}

/** The same of a Route; with `before`, of a change. */
export function refuseRoute(object: unknown, before?: unknown): readonly string[] {
  return judge(checkRoute, readRouteSchema(), object, before);
}

/** The same of an IngressController. */
export function refuseIngressController(object: unknown): readonly string[] {
  return judge(checkIngressController, readIngressControllerSchema(), object);
}

function judge(check: ValidateFunction, schema: Schema, object: unknown, before?: unknown): readonly string[] {
  if (!check(object)) return (check.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
  return applyRules(schema, object, before, '');
}

/** Every rule at its place, with `self` as Kubernetes gives it; rules on `oldSelf` only where a value was before. */
function applyRules(schema: Schema, value: unknown, before: unknown, path: string): string[] {
  if (value === undefined || value === null) return [];
  const rules = (schema['x-kubernetes-validations'] ?? []) as readonly ValidationRule[];
  const own = rules
    .filter(({ rule }) => before !== undefined || !rule.includes('oldSelf'))
    .flatMap(({ rule, message }) =>
      evaluate(rule, { self: toCel(value), oldSelf: toCel(before) }) === true ? [] : [`${path}: ${message}`],
    );
  const below: string[] = [];
  if (isRecord(value) && isRecord(schema.properties)) {
    for (const [key, part] of Object.entries(schema.properties)) {
      const old = isRecord(before) ? before[key] : undefined;
      below.push(...applyRules(part as Schema, value[key], old, path === '' ? key : `${path}.${key}`));
    }
  }
  if (Array.isArray(value) && isRecord(schema.items)) {
    for (const [index, part] of value.entries())
      below.push(...applyRules(schema.items, part, undefined, `${path}[${index}]`));
  }
  return [...own, ...below];
}

/** A value as CEL has it: whole numbers are integers, and what is null is absent. */
export function toCel(value: unknown): unknown {
  if (typeof value === 'number') return BigInt(value);
  if (Array.isArray(value)) return value.map(toCel);
  if (!isRecord(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, one]) => one !== null)
      .map(([key, one]) => [key, toCel(one)]),
  );
}

import { readDocuments, type WrittenDocument } from '../../base/files/yaml-documents.ts';
import { formatProblem } from '../../base/model/problem.ts';
import { isRecord } from '../../base/read/shape.ts';
import { type ClusterObject, readObject } from '../../ingress/objects/kinds.ts';
import type { MigratedObject, MigrateFinding } from './migrate-document.ts';

/** An object in a file. */
export interface WrittenObject {
  readonly file: string;
  /** `Ingress shop/web`. */
  readonly title: string;
  readonly value: Readonly<Record<string, unknown>>;
  readonly object: ClusterObject;
  readonly lineOf: WrittenDocument['lineOf'];
}

/** Objects in a file, and verdicts about those that cannot be judged. */
export interface WrittenObjects {
  readonly objects: readonly WrittenObject[];
  readonly others: readonly MigratedObject[];
}

/** Reads all objects of a file. Kubernetes lists count as their items. */
export function readObjects(file: string, text: string): WrittenObjects {
  const written = readDocuments(text);
  if (!written.ok) {
    const finding: MigrateFinding = {
      subject: '(document)',
      outcome: 'refused',
      message: `must be YAML or JSON: ${written.reason}`,
      line: written.line,
    };
    return { objects: [], others: [{ file, title: 'document', verdict: 'invalid', hosts: [], findings: [finding] }] };
  }
  const objects: WrittenObject[] = [];
  const others: MigratedObject[] = [];
  for (const { value, lineOf } of written.documents) {
    const title = titleOf(value);
    const reading = readObject(upgrade(value));
    if (reading.outcome === 'object' && isRecord(value)) {
      objects.push({ file, title, value, object: reading.object, lineOf });
    } else if (reading.outcome === 'unreadable') {
      const findings = reading.problems.map((problem): MigrateFinding => {
        const line = lineOf(problem.path);
        const message = formatProblem(problem);
        return { subject: problem.path, outcome: 'refused', message, ...(line !== undefined && { line }) };
      });
      others.push({ file, title, verdict: 'invalid', hosts: [], findings });
    } else others.push({ file, title, verdict: 'skipped', hosts: [], findings: [] });
  }
  return { objects, others };
}

function titleOf(value: unknown): string {
  const { kind, metadata } = isRecord(value) ? value : {};
  const { namespace, name } = isRecord(metadata) ? metadata : {};
  const place = [namespace, name].filter((word) => typeof word === 'string').join('/');
  return typeof kind === 'string' ? `${kind} ${place}`.trim().slice(0, 300) : 'document';
}

/** Converts an Ingress of an API version before v1, which old files contain. */
function upgrade(value: unknown): unknown {
  if (!isRecord(value) || value.kind !== 'Ingress' || !isRecord(value.spec)) return value;
  if (value.apiVersion !== 'extensions/v1beta1' && value.apiVersion !== 'networking.k8s.io/v1beta1') return value;
  const { backend, rules, ...rest } = value.spec;
  return {
    ...value,
    apiVersion: 'networking.k8s.io/v1',
    spec: {
      ...rest,
      ...(backend !== undefined && { defaultBackend: upgradeBackend(backend) }),
      ...(Array.isArray(rules) && { rules: rules.map(upgradeRule) }),
    },
  };
}

function upgradeRule(rule: unknown): unknown {
  if (!isRecord(rule) || !isRecord(rule.http) || !Array.isArray(rule.http.paths)) return rule;
  const paths = rule.http.paths.map((path: unknown) =>
    isRecord(path) ? { ...path, backend: upgradeBackend(path.backend) } : path,
  );
  return { ...rule, http: { ...rule.http, paths } };
}

function upgradeBackend(backend: unknown): unknown {
  if (!isRecord(backend) || backend.serviceName === undefined) return backend;
  const port = backend.servicePort;
  return { service: { name: backend.serviceName, port: typeof port === 'number' ? { number: port } : { name: port } } };
}

/** Returns the verdict about an object from its findings. */
export function verdictOf(findings: readonly Pick<MigrateFinding, 'outcome'>[]): MigratedObject['verdict'] {
  const has = (outcome: MigrateFinding['outcome']) => findings.some((one) => one.outcome === outcome);
  if (has('closed')) return 'refused';
  if (has('refused')) return 'partly';
  return has('differs') ? 'differs' : 'works';
}

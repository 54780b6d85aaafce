import * as z from 'zod/mini';
import type { Parsed } from '../../base/model/problem.ts';
import { isLabelName, isLabels, isName, type ObjectMeta, readMeta } from '../../base/read/object-meta.ts';
import { portNumber } from '../../base/read/port-number.ts';
import { ProblemList } from '../../base/read/problem-list.ts';
import { isRecord, type Readable, readShape } from '../../base/read/shape.ts';
import { text } from '../../base/read/text.ts';

/** An Ingress (networking.k8s.io/v1). */
export interface Ingress {
  readonly meta: ObjectMeta;
  /** Name of its class. The old annotation takes precedence over `spec.ingressClassName`. */
  readonly className?: string;
  /** Annotations whose values are strings. */
  readonly annotations: Readonly<Record<string, string>>;
  /** The spec, or everything that is wrong with it. */
  readonly spec: Parsed<IngressSpec>;
}

/** The valid spec of an Ingress. */
export interface IngressSpec {
  readonly defaultBackend?: IngressBackend;
  readonly rules: readonly IngressRule[];
  readonly tls: readonly IngressTls[];
}

/** Paths of one host. */
export interface IngressRule {
  /** In lower case; may begin with `*.`. Absent: every host. */
  readonly host?: string;
  /** Empty: every path goes to the default backend. */
  readonly paths: readonly IngressPath[];
}

/** A path and its backend. */
export interface IngressPath {
  /** JSON path of its field, for messages. */
  readonly field: string;
  readonly path: string;
  readonly type: 'Exact' | 'Prefix' | 'ImplementationSpecific';
  readonly backend: IngressBackend;
}

/** A Service and its port by name or number, or an object of another kind. */
export type IngressBackend =
  | { readonly kind: 'service'; readonly service: string; readonly port: string | number }
  | { readonly kind: 'resource'; readonly name: string };

/** Hosts with TLS, and the Secret that contains their certificate. */
export interface IngressTls {
  /** In lower case; empty: all hosts of the Ingress. */
  readonly hosts: readonly string[];
  /** Absent: the default certificate. */
  readonly secret?: string;
}

/** The annotation that named a class before `spec.ingressClassName` existed. */
const classAnnotation = 'kubernetes.io/ingress.class';

const backendSchema = z.object(
  {
    service: z.nullish(
      z.object(
        {
          name: text('must be the name of a Service'),
          port: z.nullish(
            z.object(
              { name: z.nullish(text('must be the name of a port')), number: z.nullish(portNumber) },
              'must have a name or number',
            ),
          ),
        },
        'must have name and port',
      ),
    ),
    resource: z.nullish(
      z.object({ kind: text('must be a kind'), name: text('must be a name') }, 'must have kind and name'),
    ),
  },
  'must have a service',
);

const hostText = text('must be a host name');

const specSchema = z.object(
  {
    ingressClassName: z.nullish(text('must be the name of an IngressClass')),
    defaultBackend: z.nullish(backendSchema),
    rules: z.nullish(
      z.array(
        z.object(
          {
            host: z.nullish(hostText),
            http: z.nullish(
              z.object(
                {
                  paths: z.array(
                    z.object(
                      {
                        path: z.nullish(text('must be a path')),
                        pathType: z.nullish(text('must be Exact, Prefix or ImplementationSpecific')),
                        backend: backendSchema,
                      },
                      'must be an object with path, pathType and backend',
                    ),
                    'must be a list of paths',
                  ),
                },
                'must have paths',
              ),
            ),
          },
          'must be an object with host and http',
        ),
        'must be a list of rules',
      ),
    ),
    tls: z.nullish(
      z.array(
        z.object(
          {
            hosts: z.nullish(z.array(hostText, 'must be a list of hosts')),
            secretName: z.nullish(text('must be a name')),
          },
          'must be an object with hosts and secretName',
        ),
        'must be a list',
      ),
    ),
  },
  'must be the spec of an Ingress',
);

type WrittenSpec = Readable<z.output<typeof specSchema>>;
type WrittenBackend = Readable<z.output<typeof backendSchema>>;

const pathTypes = ['Exact', 'Prefix', 'ImplementationSpecific'] as const;

/** Parses an Ingress. Problems of its spec are part of the value. Fails only if it cannot be identified. */
export function parseIngress(input: unknown): Parsed<Ingress> {
  const identity = new ProblemList();
  const meta = readMeta(input, identity);
  const named = identity.finish(() => meta as ObjectMeta);
  if (!named.ok) return named;
  const problems = new ProblemList();
  const annotations = readAnnotations(input, problems);
  const written = readShape(specSchema, isRecord(input) ? (input.spec ?? {}) : {}, 'spec', problems) ?? {};
  const className = annotations[classAnnotation] ?? (written.ingressClassName || undefined);
  const spec = readSpec(written, problems);
  return {
    ok: true,
    value: {
      // Without an API server, UIDs are made of names; a Route of the same name must have another UID.
      meta: hasUid(input) ? named.value : { ...named.value, uid: `Ingress/${named.value.uid}` },
      ...(className !== undefined && { className }),
      annotations,
      spec: problems.finish(() => spec),
    },
  };
}

function hasUid(input: unknown): boolean {
  return (
    isRecord(input) && isRecord(input.metadata) && typeof input.metadata.uid === 'string' && input.metadata.uid !== ''
  );
}

function readAnnotations(input: unknown, problems: ProblemList): Readonly<Record<string, string>> {
  const metadata = isRecord(input) && isRecord(input.metadata) ? input.metadata : {};
  // No prototype, so that a lookup of the annotation `constructor` finds no inherited property.
  const annotations: Record<string, string> = Object.create(null);
  const written = metadata.annotations ?? {};
  if (!isRecord(written)) {
    problems.add('metadata.annotations', written, 'must be an object of strings');
    return annotations;
  }
  for (const [key, value] of Object.entries(written)) {
    if (typeof value === 'string') annotations[key] = value;
    else problems.add(`metadata.annotations[${key.slice(0, 120)}]`, value, 'must be a string; write it in quotes');
  }
  return annotations;
}

function readSpec(written: WrittenSpec, problems: ProblemList): IngressSpec {
  const defaultBackend = written.defaultBackend && readBackend(written.defaultBackend, 'spec.defaultBackend', problems);
  const rules = (written.rules ?? []).map((rule, index): IngressRule => {
    const field = `spec.rules[${index}]`;
    const host = readHost(rule?.host, `${field}.host`, problems);
    const paths = (rule?.http?.paths ?? []).flatMap((path, at) =>
      readPath(path ?? {}, `${field}.http.paths[${at}]`, problems),
    );
    return { ...(host !== undefined && { host }), paths };
  });
  const tls = (written.tls ?? []).map((entry, index): IngressTls => {
    const field = `spec.tls[${index}]`;
    const hosts = (entry?.hosts ?? []).flatMap((host, at) => readHost(host, `${field}.hosts[${at}]`, problems) ?? []);
    const secret = entry?.secretName || undefined;
    if (secret !== undefined && !isName(secret))
      problems.add(`${field}.secretName`, secret, 'must be the name of a Secret');
    return { hosts, ...(secret !== undefined && { secret }) };
  });
  if (defaultBackend === undefined && rules.length === 0 && problems.count === 0) {
    problems.add('spec', undefined, 'must have rules or a defaultBackend');
  }
  return { ...(defaultBackend !== undefined && { defaultBackend }), rules, tls };
}

function readHost(written: string | undefined, field: string, problems: ProblemList): string | undefined {
  if (!written) return undefined;
  const host = written.toLowerCase();
  const plain = host.startsWith('*.') ? host.slice(2) : host;
  if (isLabels(plain)) return host;
  problems.add(field, written, 'must be a host name; only its first label may be "*"');
  return undefined;
}

function readPath(
  written: NonNullable<NonNullable<NonNullable<NonNullable<WrittenSpec['rules']>[number]>['http']>['paths']>[number] &
    object,
  field: string,
  problems: ProblemList,
): readonly IngressPath[] {
  // networking.k8s.io/v1beta1 had a default; in v1 the API server requires a type.
  const type = pathTypes.find((one) => one === (written.pathType || 'ImplementationSpecific'));
  if (type === undefined) {
    problems.add(`${field}.pathType`, written.pathType, 'must be Exact, Prefix or ImplementationSpecific');
  }
  const path = written.path || '/';
  if (type !== 'ImplementationSpecific' && !path.startsWith('/')) {
    problems.add(`${field}.path`, path, 'must begin with "/"');
  }
  const backend = written.backend && readBackend(written.backend, `${field}.backend`, problems);
  return type === undefined || backend === undefined ? [] : [{ field: `${field}.path`, path, type, backend }];
}

function readBackend(written: WrittenBackend, field: string, problems: ProblemList): IngressBackend | undefined {
  const { service, resource } = written;
  if (resource !== undefined) {
    return { kind: 'resource', name: `${resource.kind ?? ''} ${resource.name ?? ''}` };
  }
  if (service?.name === undefined) {
    problems.add(`${field}.service`, service, 'must have the name of a Service');
    return undefined;
  }
  if (!isLabelName(service.name)) problems.add(`${field}.service.name`, service.name, 'must be the name of a Service');
  const port = service.port?.number ?? (service.port?.name || undefined);
  if (port === undefined) {
    problems.add(`${field}.service.port`, service.port, 'must have the number or name of a port of the Service');
    return undefined;
  }
  if (typeof port === 'string' && !isLabelName(port)) {
    problems.add(`${field}.service.port.name`, port, 'must be the name of a port of the Service');
  }
  return { kind: 'service', service: service.name, port };
}

import assert from 'node:assert/strict';
import { type Admission, admit, assignDomains } from '../../../../src/ingress/operator/admission.ts';
import { createAuthority, createCertificate } from '../../../../src/ingress/operator/certificates.ts';
import { makeObjects, type RouterContext } from '../../../../src/ingress/operator/desired.ts';
import { type IngressController, readIngressController } from '../../../../src/ingress/operator/ingress-controller.ts';
import type { RouterObject } from '../../../../src/ingress/operator/objects.ts';
import type { References } from '../../../../src/ingress/operator/references.ts';
import type { IpMode, Variables } from '../../../../src/ingress/operator/variables/model.ts';
import { writeVariables } from '../../../../src/ingress/operator/variables/variables.ts';

/** What a test says of an IngressController beside its spec. */
export interface SampleWords {
  readonly name?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly status?: object;
  /** Seconds after others. */
  readonly age?: number;
  readonly metadata?: object;
}

/** An IngressController as the API server has it. */
export function readSample(spec: object, words: SampleWords = {}): IngressController {
  const { name = 'default', annotations = {}, status = {}, age = 0, metadata = {} } = words;
  const creationTimestamp = new Date(Date.UTC(2026, 0, 1) + age * 1000).toISOString();
  const object = readIngressController({
    apiVersion: 'operator.openshift.io/v1',
    kind: 'IngressController',
    metadata: {
      namespace: 'openshift-ingress-operator',
      name,
      uid: `uid-${name}`,
      creationTimestamp,
      generation: 1,
      annotations,
      ...metadata,
    },
    spec: { domain: 'apps.example.com', ...spec },
    status,
  });
  assert.ok(object !== undefined);
  return object;
}

export type Admitted = Extract<Admission, { readonly isAdmitted: true }>;

/** Admits an object alone. */
export function admitSample(object: IngressController, others: readonly IngressController[] = []): Admission {
  return admit(object, assignDomains([object, ...others], undefined), undefined);
}

export function admitted(object: IngressController): Admitted {
  const admission = admitSample(object);
  assert.ok(admission.isAdmitted, admission.isAdmitted ? '' : admission.message);
  return admission;
}

/** The variables of the router of a spec. */
export function variablesOf(spec: object, words: SampleWords = {}, ipMode: IpMode = 'v4'): Variables {
  const object = readSample(spec, words);
  const { strategy, domain, spec: read } = admitted(object);
  const { annotations, meta } = object;
  return writeVariables({
    name: meta.name,
    annotations,
    spec: read,
    strategy,
    domain,
    ipMode,
    errorPages: undefined,
    hasRevocationLists: false,
  });
}

export const noReferences: References = {
  copies: [],
  errorPages: undefined,
  digest: '',
  missing: [],
  ignored: [],
  revocation: { plan: { kind: 'none' }, bundle: '' },
  isBlocked: false,
};

/** A cluster whose client certificates have revocation lists. */
export const withLists: Partial<RouterContext> = {
  references: { ...noReferences, revocation: { plan: { kind: 'used', issuers: [] }, bundle: '' } },
  revocationLists: 'lists',
};

const authority = await createAuthority();
const certificate = await createCertificate(authority, ['*.apps.example.com']);
const metricsCertificate = await createCertificate(authority, ['metrics.example']);

/** The objects of the router of a spec. */
export function objectsOf(
  spec: object,
  words: SampleWords = {},
  context: Partial<RouterContext> = {},
): readonly RouterObject[] {
  const object = readSample(spec, words);
  return makeObjects(object, admitted(object), {
    image: 'registry.example/egress-router:1',
    ipMode: 'v4',
    hasOneNode: false,
    references: noReferences,
    revocationLists: undefined,
    certificate,
    metricsCertificate,
    stats: undefined,
    hasMetricsNodePort: true,
    ...context,
  });
}

/** The body of one object. */
// biome-ignore lint/suspicious/noExplicitAny: an object of Kubernetes
export function bodyOf(objects: readonly RouterObject[], of: RouterObject['of'], name: string): any {
  const found = objects.find((one) => one.of === of && one.name === name);
  assert.ok(found !== undefined, `${of} ${name}`);
  return found.body;
}

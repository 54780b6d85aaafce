import type { Problem } from '../../base/model/problem.ts';
import { lazily } from '../../base/read/lazily.ts';
import { ProblemList } from '../../base/read/problem-list.ts';
import { isRecord } from '../../base/read/shape.ts';
import { makeEgressRouterDefinition } from '../../egress/api/crd/egress-router.ts';
import { getEgressRouterSpecSchema } from '../../egress/api/egress-router-schema.ts';
import { getNetConfSchema } from '../../egress/api/net-conf.ts';
import { makeRouteDefinition } from '../../ingress/route/crd.ts';
import { isUnknownAnnotation, suggestAnnotation } from '../../ingress/route/known-annotations.ts';
import { type FieldSchema, fieldsOf, findUnknownFields } from './unknown-fields.ts';

const any: FieldSchema = {};
const fields = (...names: readonly string[]): Readonly<Record<string, FieldSchema>> =>
  Object.fromEntries(names.map((name) => [name, any]));

/** Fields of Kubernetes' ObjectMeta. */
const metadata: FieldSchema = {
  properties: {
    ...fields('name', 'generateName', 'namespace', 'labels', 'annotations', 'finalizers', 'ownerReferences', 'uid'),
    ...fields('resourceVersion', 'generation', 'creationTimestamp', 'deletionTimestamp', 'deletionGracePeriodSeconds'),
    ...fields('managedFields', 'selfLink'),
  },
};

/** Returns the schema of the whole object from its CustomResourceDefinition. */
function schemaOf(definition: object): FieldSchema {
  const { spec } = definition as { spec: { versions: readonly { schema: { openAPIV3Schema: FieldSchema } }[] } };
  const { properties = {} } = spec.versions[0]?.schema.openAPIV3Schema ?? {};
  return { properties: { ...properties, ...fields('apiVersion', 'kind', 'status'), metadata } };
}

const getSchemas = lazily(
  (): Readonly<Record<string, FieldSchema>> => ({
    EgressRouter: schemaOf(makeEgressRouterDefinition()),
    Route: schemaOf(makeRouteDefinition()),
  }),
);

/** Returns unknown fields of an object, and annotations that have our prefix but are unknown. */
export function listStrangeParts(document: Record<string, unknown>): readonly Problem[] {
  const problems = new ProblemList();
  const kind = String(document.kind);
  const schema = Object.hasOwn(getSchemas(), kind) ? getSchemas()[kind] : undefined;
  if (schema !== undefined) findUnknownFields(schema, document, '', problems);
  const { annotations } = isRecord(document.metadata) ? document.metadata : {};
  if (kind === 'Route' && isRecord(annotations)) {
    for (const [key, value] of Object.entries(annotations)) {
      if (!isUnknownAnnotation(key)) continue;
      problems.add(`metadata.annotations[${key}]`, value, `is not a known annotation${suggestAnnotation(key)}`);
    }
  }
  return problems.list;
}

/** Keys that the CNI specification, containerd or Multus add to a configuration. */
const runtimeKeys = fields(
  'cniVersion',
  'cniVersions',
  'type',
  'capabilities',
  'prevResult',
  'dns',
  'ipam',
  'ipMasq',
  'disableCheck',
  'disableGC',
  'cni.dev/valid-attachments',
  'cni.dev/attachments',
  'name',
  'args',
  'runtimeConfig',
);

const getConfiguration = lazily(
  (): FieldSchema => ({
    properties: {
      ...fieldsOf(getNetConfSchema()).properties,
      // A whole EgressRouter, or only its spec.
      egressRouter: any,
      ...runtimeKeys,
    },
  }),
);
const getRouterSpec = lazily(() => fieldsOf(getEgressRouterSpecSchema()));

/** Returns keys of a network configuration that neither the plugin nor a runtime reads. */
export function listStrangeSettings(conf: Record<string, unknown>): readonly Problem[] {
  const problems = new ProblemList();
  findUnknownFields(getConfiguration(), conf, '', problems);
  const { egressRouter } = conf;
  if (isRecord(egressRouter)) {
    const isWhole = ['spec', 'kind', 'apiVersion'].some((key) => Object.hasOwn(egressRouter, key));
    const schema = isWhole ? getSchemas().EgressRouter : getRouterSpec();
    if (schema !== undefined) findUnknownFields(schema, egressRouter, 'egressRouter', problems);
  }
  return problems.list;
}

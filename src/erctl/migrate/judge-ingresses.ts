import { isRecord } from '../../base/read/shape.ts';
import { decideHosts } from '../../ingress/claims/hosts.ts';
import { defaultPolicy } from '../../ingress/claims/policy.ts';
import { nginxPrefix } from '../../ingress/k8s-ingress/annotation-reader.ts';
import { describeEquivalent, type ForeignAnnotation, listForeign } from '../../ingress/k8s-ingress/foreign.ts';
import type { Ingress } from '../../ingress/k8s-ingress/ingress.ts';
import { ingressController } from '../../ingress/k8s-ingress/selection.ts';
import type { Finding } from '../../ingress/k8s-ingress/settings.ts';
import { IngressSites } from '../../ingress/k8s-ingress/sites.ts';
import { Inventory } from '../../ingress/objects/inventory.ts';
import { objectKey } from '../../ingress/objects/kinds.ts';
import type { MigratedObject, MigrateFinding } from './migrate-document.ts';
import { verdictOf, type WrittenObject } from './written-objects.ts';

/**
 * Judges Ingresses with the agent's own code, as if all of them had its class. Ingresses and Services of all files
 * count together.
 *
 * @param className name of the agent's IngressClass
 * @param converts whether annotations of HAProxy's controllers are replaced by their equivalents
 */
export function judgeIngresses(
  written: readonly WrittenObject[],
  className: string,
  converts: boolean,
): readonly MigratedObject[] {
  const inventory = new Inventory();
  const meta = { namespace: '', name: className, uid: className, created: 0, labels: {} };
  inventory.put({ kind: 'IngressClass', value: { meta, controller: ingressController, isDefault: false } });
  for (const { object } of written) {
    if (object.kind === 'Service') inventory.put(object);
    if (object.kind !== 'Ingress') continue;
    const converted = converts ? convert(object.value) : object.value;
    inventory.put({ kind: 'Ingress', value: { ...converted, className } });
  }
  const sites = new IngressSites(inventory, { ...defaultPolicy, ingressClass: className });
  const keys = new Set(sites.listChanged(undefined));
  const requests = [...keys].flatMap((key) => sites.translate(key));
  const { refused } = decideHosts(requests, defaultPolicy, { allowsWildcards: true, sharesHosts: false });
  return written.flatMap((one): MigratedObject[] => {
    const { file, title, object, lineOf } = one;
    if (object.kind === 'IngressClass') return [judgeClass(one, object.value.controller)];
    if (object.kind !== 'Ingress') return [];
    const key = objectKey(object);
    const explained = sites.explain(key) ?? { requests: [], findings: [] };
    const losses = refused.filter(({ request }) => explained.requests.includes(request));
    const foreign = converts ? listForeign(object.value.annotations) : [];
    const findings: readonly Finding[] = [
      ...judgeVersion(one),
      ...judgeClassName(object.value, className),
      ...rename(explained.findings, foreign),
      ...losses.map(({ message }): Finding => ({ subject: 'spec', outcome: 'closed', message })),
      ...listExternal(object.value, inventory),
    ];
    const hosts = explained.requests.map(({ host, span }) =>
      span === 'all' ? '*' : span === 'label' ? `*${host?.slice(3)}` : (host ?? ''),
    );
    const shown = findings.map((finding): MigrateFinding => {
      const line = lineOf(lineKey(finding.subject));
      const { subject, value, outcome, message, suggestion } = finding;
      return {
        subject,
        ...(value !== undefined && { value }),
        outcome,
        ...(message !== '' && { message }),
        ...(suggestion !== undefined && { suggestion }),
        ...(line !== undefined && { line }),
      };
    });
    const verdict = explained.requests.length === 0 ? 'refused' : verdictOf(findings);
    return [{ file, title, verdict, hosts, findings: shown }];
  });
}

/** All annotations share the line of `metadata.annotations`, because their names contain dots. */
function lineKey(subject: string): string {
  return subject.startsWith('spec') || subject === 'apiVersion' ? subject : 'metadata.annotations';
}

function judgeClass({ file, title }: WrittenObject, controller: string): MigratedObject {
  if (controller === ingressController) return { file, title, verdict: 'works', hosts: [], findings: [] };
  const finding: MigrateFinding = {
    subject: 'spec.controller',
    value: JSON.stringify(controller),
    outcome: 'differs',
    message: 'belongs to another controller, and is immutable',
    suggestion: `delete the class and create it again with controller ${ingressController}, or create another class`,
  };
  return { file, title, verdict: 'differs', hosts: [], findings: [finding] };
}

/** Kubernetes 1.22 removed the versions before v1. */
function judgeVersion({ value: { apiVersion } }: WrittenObject): readonly Finding[] {
  if (apiVersion === 'networking.k8s.io/v1') return [];
  return [
    {
      subject: 'apiVersion',
      value: JSON.stringify(apiVersion),
      outcome: 'differs',
      message: 'was removed from Kubernetes in version 1.22',
      suggestion: 'write networking.k8s.io/v1, with backend.service',
    },
  ];
}

function judgeClassName(ingress: Ingress, className: string): readonly Finding[] {
  if (ingress.className === className) return [];
  const written = ingress.annotations['kubernetes.io/ingress.class'];
  return [
    {
      subject: written === undefined ? 'spec.ingressClassName' : 'kubernetes.io/ingress.class',
      value: ingress.className === undefined ? 'missing' : JSON.stringify(ingress.className),
      outcome: 'differs',
      message: 'is not the class of this router',
      suggestion: `write spec.ingressClassName: ${className}${written === undefined ? '' : ', and remove the annotation'}`,
    },
  ];
}

/** Replaces annotations of HAProxy's controllers with their equivalents. */
function convert(ingress: Ingress): Ingress {
  const annotations: Record<string, string> = { ...ingress.annotations };
  for (const { key, equivalent } of listForeign(ingress.annotations)) {
    if (equivalent === undefined) continue;
    delete annotations[key];
    for (const [name, value] of Object.entries(equivalent)) annotations[`${nginxPrefix}${name}`] ??= value;
  }
  return { ...ingress, annotations };
}

/** Findings about equivalents, under the names of the annotations that they replace. */
function rename(findings: readonly Finding[], foreign: readonly ForeignAnnotation[]): readonly Finding[] {
  const renamed = foreign.flatMap(({ key, value, equivalent }): Finding[] => {
    if (equivalent === undefined) return [];
    const names = Object.keys(equivalent).map((name) => `${nginxPrefix}${name}`);
    const about = findings.filter(({ subject }) => names.includes(subject));
    const worst = ranks.toReversed().find((outcome) => about.some((one) => one.outcome === outcome)) ?? 'works';
    const messages = about.flatMap(({ message }) => (message === '' ? [] : [message]));
    const common = { subject: key, value: JSON.stringify(value.slice(0, 60)) };
    if (names.length === 0)
      return [{ ...common, outcome: 'ignored', message: 'is not needed', suggestion: 'remove it' }];
    return [
      {
        ...common,
        outcome: worst === 'works' ? 'differs' : worst,
        message: ['has a different name here', ...messages].join('; '),
        suggestion: `write ${describeEquivalent(equivalent)}`,
      },
    ];
  });
  const replaced = new Set(
    foreign.flatMap(({ equivalent }) => Object.keys(equivalent ?? {}).map((name) => `${nginxPrefix}${name}`)),
  );
  const lost = new Map(foreign.flatMap((one) => (one.equivalent === undefined ? [[one.key, one] as const] : [])));
  const rest = findings.filter(({ subject }) => !replaced.has(subject));
  return [...rest.map((finding) => describeLost(finding, lost.get(finding.subject))), ...renamed];
}

/** Changes that require more than another annotation, by annotation. */
const hints: Readonly<Record<string, string>> = {
  'path-rewrite': 'write the path as PREFIX(/|$)(.*), pathType ImplementationSpecific, and rewrite-target as NEW/$2',
  'request-set-header': 'set the header in the application, or write a Route with spec.httpHeaders',
  'response-set-header': 'set the header in the application, or write a Route with spec.httpHeaders',
  'rewrite-target': 'write the path as PREFIX(/|$)(.*), pathType ImplementationSpecific, and rewrite-target as NEW/$2',
};

/** Describes an annotation of HAProxy's controllers without an equivalent. */
function describeLost(finding: Finding, lost: ForeignAnnotation | undefined): Finding {
  if (lost === undefined || finding.outcome === 'closed') return finding;
  const suggestion = Object.hasOwn(hints, lost.name) ? hints[lost.name] : undefined;
  return {
    ...finding,
    outcome: 'refused',
    message: 'has no equivalent here',
    ...(suggestion !== undefined && { suggestion }),
  };
}

const ranks: readonly Finding['outcome'][] = ['works', 'ignored', 'differs', 'refused', 'closed'];

/** Services that are aliases of external names have no endpoints. */
function listExternal({ meta, spec }: Ingress, inventory: Inventory): readonly Finding[] {
  if (!spec.ok) return [];
  const { rules, defaultBackend } = spec.value;
  const backends = [...rules.flatMap(({ paths }) => paths.map(({ backend }) => backend)), defaultBackend];
  const names = new Set(backends.flatMap((backend) => (backend?.kind === 'service' ? [backend.service] : [])));
  return [...names].flatMap((name): Finding[] => {
    const service = inventory.get('Service', `${meta.namespace}/${name}`);
    if (!isRecord(service) || service.isExternalName !== true) return [];
    return [
      {
        subject: `spec: Service ${name}`,
        outcome: 'refused',
        message: 'is an ExternalName, which has no endpoints',
        suggestion: 'write a Service without selector and an EndpointSlice with the addresses',
      },
    ];
  });
}

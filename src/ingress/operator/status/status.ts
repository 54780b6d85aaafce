import { isDeepStrictEqual } from 'node:util';
import {
  type ConditionDraft,
  type Json,
  mergeConditions,
  saySame,
  writeTime,
} from '../../../base/kubernetes/conditions.ts';
import { isRecord } from '../../../base/read/shape.ts';
import type { Admission } from '../admission.ts';
import { isDeployed } from '../admission.ts';
import { hasOnlyCommonName } from '../certificates.ts';
import type { IngressController } from '../ingress-controller.ts';
import { podLabel } from '../names.ts';
import { isComplete, type Rollout } from '../rollout.ts';
import { readAppliedStrategy } from '../strategy.ts';
import type { TlsProfile } from '../tls-profile.ts';
import { readVirtualAddress } from '../virtual-address.ts';
import { describePublishing, type PublishingParts } from './publishing-conditions.ts';
import { describeRevocation, type RevocationReport } from './revocation-condition.ts';
import { summarize } from './summary-conditions.ts';
import { describeWorkload } from './workload-conditions.ts';

/** Inputs of the status of an IngressController. */
export interface StatusParts {
  readonly admission: Admission;
  /** Undefined if there is no router. */
  readonly rollout: Rollout | undefined;
  readonly pods: readonly unknown[];
  readonly service: PublishingParts['service'];
  readonly failure: PublishingParts['failure'];
  /** The obstacle to the desired state, with a reason. */
  readonly obstacle: { readonly reason: string; readonly message: string } | undefined;
  readonly ignored: readonly string[];
  /** Revocation lists of client certificates, if the router uses them. */
  readonly revocation: RevocationReport | undefined;
  /** The profile of the newest template. */
  readonly tlsProfile: TlsProfile | undefined;
  /** The default certificate, PEM. */
  readonly certificate: string | undefined;
  /** Whether Routes that the selectors exclude have no entry of this router. */
  readonly areSelectorsApplied: boolean;
}

/** Types of conditions that this operator writes. */
const ownTypes = new Set([
  'Admitted',
  'DeploymentAvailable',
  'DeploymentReplicasMinAvailable',
  'DeploymentReplicasAllAvailable',
  'DeploymentRollingOut',
  'LoadBalancerManaged',
  'LoadBalancerReady',
  'LoadBalancerProgressing',
  'DNSManaged',
  'DNSReady',
  'Available',
  'Progressing',
  'Degraded',
  'Upgradeable',
  'EvaluationConditionsDetected',
  'ConfigurationApplied',
  'FieldsIgnored',
  'RevocationListsValid',
]);

/** The result: a status to write. */
export interface PlannedStatus {
  /** A merge patch for `status`. Undefined if the stored one is up to date. */
  readonly patch: Readonly<Record<string, unknown>> | undefined;
  readonly conditions: readonly Json[];
  /** Milliseconds after which the conditions may change without an event. */
  readonly next: number | undefined;
}

/** Returns the status of an object. */
export function planStatus(object: IngressController, parts: StatusParts, date = new Date()): PlannedStatus {
  const { status, meta } = object;
  const context = { now: writeTime(date), ownTypes };
  const drafts = describe(object, parts);
  const dated = mergeConditions(drafts, status.conditions, context);
  const { conditions: summary, next } =
    parts.rollout === undefined ? { conditions: [], next: undefined } : summarize(dated, date.getTime());
  const conditions = mergeConditions([...drafts, ...summary], status.conditions, context);
  const fields = describeFields(object, parts);
  const wanted: Json = { ...fields, observedGeneration: meta.generation ?? 0 };
  const isSame =
    saySame(conditions, status.conditions) &&
    Object.entries(wanted).every(([key, value]) => isDeepStrictEqual(value ?? undefined, status[key] ?? undefined));
  const patch = Object.fromEntries(Object.entries(wanted).map(([key, value]) => [key, replaceBy(value, status[key])]));
  return { patch: isSame ? undefined : { ...patch, conditions }, conditions, next };
}

function describe(object: IngressController, parts: StatusParts): readonly ConditionDraft[] {
  const { meta } = object;
  const { admission, rollout, pods, obstacle, ignored, revocation, service, failure, certificate } = parts;
  const admitted: ConditionDraft = admission.isAdmitted
    ? { type: 'Admitted', status: 'True', reason: 'Valid', message: '' }
    : { type: 'Admitted', status: 'False', reason: 'Invalid', message: admission.message };
  const applied: readonly ConditionDraft[] = admission.isAdmitted
    ? [
        obstacle === undefined
          ? { type: 'ConfigurationApplied', status: 'True', reason: 'AsExpected', message: '' }
          : { type: 'ConfigurationApplied', status: 'False', ...obstacle },
      ]
    : [];
  const lists = revocation === undefined ? [] : [describeRevocation(revocation)];
  const fields: readonly ConditionDraft[] =
    ignored.length === 0
      ? []
      : [{ type: 'FieldsIgnored', status: 'True', reason: 'NoEffect', message: ignored.join('; ') }];
  if (rollout === undefined) return [admitted, ...applied, ...lists, ...fields];
  return [
    admitted,
    ...describeWorkload(rollout, pods),
    ...describePublishing({ ...describePublished(object, parts), service, failure }),
    describeUpgrade(certificate, admission.domain, meta.name),
    {
      type: 'EvaluationConditionsDetected',
      status: 'False',
      reason: 'NoEvaluationCondition',
      message: 'No evaluation condition is detected.',
    },
    ...applied,
    ...lists,
    ...fields,
  ];
}

/** A refused change leaves the router and its Service unchanged. */
function describePublished(
  { status, annotations }: IngressController,
  { admission, service }: StatusParts,
): Pick<PublishingParts, 'strategy' | 'virtual'> {
  if (admission.isAdmitted) {
    const { strategy } = admission;
    return { strategy, virtual: readVirtualAddress(strategy, annotations) };
  }
  const strategy = readAppliedStrategy(status) ?? admission.strategy;
  return { strategy, virtual: service === undefined ? undefined : readVirtualAddress(strategy, annotations) };
}

function describeUpgrade(certificate: string | undefined, domain: string, name: string): ConditionDraft {
  const type = 'Upgradeable';
  if (certificate === undefined || !hasOnlyCommonName(certificate, domain)) {
    return { type, status: 'True', reason: 'Upgradeable', message: 'IngressController is upgradeable.' };
  }
  const message = `One or more managed resources are not upgradeable: the default certificate of ${name} has legacy Common Name (CN) but has no Subject Alternative Name (SAN) for domain: *.${domain}`;
  return { type, status: 'False', reason: 'OperandsNotUpgradeable', message };
}

/** The fields besides conditions. Null removes a field. */
function describeFields({ meta, status, written }: IngressController, parts: StatusParts): Json {
  const { admission, rollout, tlsProfile, areSelectorsApplied } = parts;
  // A refused change leaves the router and its description in the status unchanged.
  const keepsOld = !admission.isAdmitted && isDeployed(status);
  const published = keepsOld
    ? {}
    : {
        ...(admission.domain !== '' && { domain: admission.domain }),
        endpointPublishingStrategy: admission.strategy,
      };
  if (rollout === undefined) return published;
  return {
    ...published,
    availableReplicas: rollout.available,
    selector: `${podLabel}=${meta.name}`,
    ...(tlsProfile !== undefined && isComplete(rollout) && { tlsProfile: { ...tlsProfile } }),
    ...(areSelectorsApplied && {
      namespaceSelector: written.namespaceSelector ?? null,
      routeSelector: written.routeSelector ?? null,
    }),
  };
}

/** Returns a merge patch that replaces a value: null for every member that the new value lacks, at any depth. */
function replaceBy(wanted: unknown, before: unknown): unknown {
  if (!isRecord(wanted) || !isRecord(before)) return wanted;
  const gone = Object.keys(before).filter((key) => !Object.hasOwn(wanted, key));
  const members = Object.entries(wanted).map(([key, value]) => [key, replaceBy(value, before[key])] as const);
  return { ...Object.fromEntries(gone.map((key) => [key, null])), ...Object.fromEntries(members) };
}

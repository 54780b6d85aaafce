import { hash } from 'node:crypto';
import { clusterNames } from '../../../base/kubernetes/names.ts';
import { readinessCondition } from '../../model/readiness.ts';
import {
  configurationAnnotation,
  manifestAnnotation,
  networksAnnotation,
  type ObjectSettings,
  rolloutAnnotation,
  structureAnnotation,
  writeConfig,
} from './configuration.ts';
import type { Member } from './members.ts';
import { memberLabel, type RouterNames } from './names.ts';
import type { Router } from './router.ts';
import { avoidNodes, noteAvoided, type PodTemplate, type Template, writeNetworks } from './templates.ts';

export type { ObjectSettings } from './configuration.ts';

/** An object to be applied. */
export interface DesiredObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly namespace: string;
    readonly name: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations: Readonly<Record<string, string>>;
    readonly ownerReferences: readonly Readonly<Record<string, unknown>>[];
  };
  readonly [part: string]: unknown;
}

/** Marks objects that this controller created. */
export const managedLabels = { 'app.kubernetes.io/managed-by': clusterNames.controller } as const;

/** An unprivileged user that owns no files. */
const user = 65532;

/** Returns the NetworkAttachmentDefinition of a router of a pool. */
export function makeDefinition(router: Router, member: Member, settings: ObjectSettings): DesiredObject {
  return seal(router, member, member.names.definition, {
    apiVersion: 'k8s.cni.cncf.io/v1',
    kind: 'NetworkAttachmentDefinition',
    spec: { config: writeConfig(member, settings) },
  });
}

/** Returns the Deployment of a router of a pool: one pod at a time, which leaves its node quickly, even a dead one. */
export function makeDeployment(
  router: Router,
  member: Member,
  settings: ObjectSettings,
  template: Template,
): DesiredObject {
  const { names } = member;
  const pods = template.kept ?? makeTemplate(member, settings, template);
  const deployment = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    spec: {
      replicas: 1,
      revisionHistoryLimit: 2,
      // Two pods must not have the same address.
      strategy: { type: 'Recreate' },
      selector: { matchLabels: names.selector },
      template: pods,
    },
  };
  return seal(router, member, names.deployment, deployment, JSON.stringify(pods));
}

/** A pod template of this version. */
function makeTemplate(member: Member, settings: ObjectSettings, template: Template): PodTemplate {
  const { rollout, avoidedNodes } = template;
  return {
    metadata: {
      labels: { ...managedLabels, ...member.names.podLabels },
      annotations: {
        [networksAnnotation]: writeNetworks(member, settings),
        [configurationAnnotation]: template.configuration,
        [structureAnnotation]: template.structure,
        ...(rollout !== undefined && { [rolloutAnnotation]: rollout }),
        ...noteAvoided(avoidedNodes),
      },
    },
    spec: makePod(member, settings, avoidedNodes),
  };
}

/** Spreads the routers of a pool over nodes, and away from some. */
function placePod({ identity }: RouterNames, avoidedNodes: readonly string[]): object {
  return {
    topologySpreadConstraints: [
      {
        maxSkew: 1,
        topologyKey: 'kubernetes.io/hostname',
        whenUnsatisfiable: 'ScheduleAnyway',
        labelSelector: { matchLabels: identity },
      },
    ],
    ...avoidNodes(avoidedNodes),
  };
}

function makePod(
  { names }: Member,
  { image, nodeFailureSeconds, nodeSelector }: ObjectSettings,
  avoidedNodes: readonly string[],
): Readonly<Record<string, unknown>> {
  return {
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    // The node daemon reports whether the router works. A probe that starts a program costs 50 ms of a core each time.
    readinessGates: [{ conditionType: readinessCondition }],
    // The pod keeps working for at most four seconds, until its successor has started. Never zero: Kubernetes would
    // forget the pod before it has ended.
    terminationGracePeriodSeconds: 5,
    tolerations: ['not-ready', 'unreachable'].map((state) => ({
      key: `node.kubernetes.io/${state}`,
      operator: 'Exists',
      effect: 'NoExecute',
      tolerationSeconds: nodeFailureSeconds,
    })),
    ...(Object.keys(nodeSelector).length > 0 && { nodeSelector }),
    ...placePod(names, avoidedNodes),
    securityContext: {
      runAsNonRoot: true,
      runAsUser: user,
      runAsGroup: user,
      seccompProfile: { type: 'RuntimeDefault' },
    },
    containers: [
      {
        name: 'egress-router-cni-pod',
        image,
        command: ['egress-router-pod', 'run'],
        resources: { requests: { cpu: '10m', memory: '64Mi' } },
        securityContext: {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        },
      },
    ],
  };
}

function seal(
  { meta }: Router,
  { key }: Member,
  name: string,
  object: { readonly apiVersion: string; readonly kind: string; readonly [part: string]: unknown },
  record?: string,
): DesiredObject {
  const metadata = {
    namespace: meta.namespace,
    name,
    labels: { ...managedLabels, [memberLabel]: key },
    // The object is deleted with its owner and cannot be adopted.
    ownerReferences: [
      {
        apiVersion: 'network.operator.openshift.io/v1',
        kind: 'EgressRouter',
        name: meta.name,
        uid: meta.uid,
        controller: true,
        blockOwnerDeletion: true,
      },
    ],
  };
  const applied = hash('sha256', JSON.stringify([metadata, object])).slice(0, 16);
  const manifest = record === undefined ? applied : `${applied} ${record}`;
  return { ...object, metadata: { ...metadata, annotations: { [manifestAnnotation]: manifest } } };
}

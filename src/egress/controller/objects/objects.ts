import { hash } from 'node:crypto';
import { clusterNames } from '../../../base/kubernetes/names.ts';
import { formatPrefix } from '../../../base/model/address.ts';
import { isRecord } from '../../../base/read/shape.ts';
import { type NetConfSettings, writeNetConf } from '../../api/net-conf-writer.ts';
import type { Member } from './members.ts';
import { memberLabel, type RouterNames } from './names.ts';
import type { Router } from './router.ts';

/** What of a router's objects its EgressRouter does not say. */
export interface ObjectSettings extends NetConfSettings {
  /** Image of the router's pod: this project's. */
  readonly image: string;
  /** Whole seconds after which a pod leaves a node that is not ready or not reachable. */
  readonly nodeFailureSeconds: number;
  /** Whether the Multus annotation contains the gateway, as OpenShift's operator writes it; the plugin does not need it. */
  readonly hasDefaultRouteAnnotation: boolean;
  readonly nodeSelector: Readonly<Record<string, string>>;
  /** Names inside the cluster that are allowed as destinations: suffixes such as `db.svc.cluster.local`. */
  readonly allowedNames: readonly string[];
  /** Milliseconds that a node's daemon has to apply a configuration to a living router. */
  readonly liveTimeout: number;
}

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

/** Marks what this controller made. */
export const managedLabels = { 'app.kubernetes.io/managed-by': clusterNames.controller } as const;

/** Of a pod's template: the configuration that its pods begin with; of a pod: the same, as long as nothing is applied. */
export const configurationAnnotation = 'egress-router.io/configuration';
/** Of a pod's template: all of a configuration that cannot change while a pod lives. Another value is another pod. */
const structureAnnotation = 'egress-router.io/structure';
/** Of a pod's template: nodes that its pods stay away from, after one died or was to be left. */
const avoidedAnnotation = 'egress-router.io/avoided-nodes';

/**
 * Of an object that this controller made: the digest of what it last applied, so that a field that is no longer
 * wanted is noticed. Objects of version 0.1.0 have it as `egress-router.io/applied`, and get this in its place by
 * an update that does not touch their pods.
 */
export const manifestAnnotation = 'egress-router.io/manifest';

/** Of a pod: which definitions Multus makes further interfaces of. */
export const networksAnnotation = 'k8s.v1.cni.cncf.io/networks';

/** The first of Multus's interfaces; a router pod has no other. */
export const egressInterface = 'net1';

/** An unprivileged user that owns no files. */
const user = 65532;

/** The NetworkAttachmentDefinition of a router of a pool. */
export function makeDefinition(router: Router, member: Member, settings: ObjectSettings): DesiredObject {
  return seal(router, member, member.names.definition, {
    apiVersion: 'k8s.cni.cncf.io/v1',
    kind: 'NetworkAttachmentDefinition',
    spec: { config: writeConfig(member, settings) },
  });
}

/** The network configuration of a router of a pool, as its definition has it. */
function writeConfig({ names, spec }: Member, settings: ObjectSettings): string {
  return JSON.stringify(writeNetConf(names.definition, spec, settings));
}

/** Tells one configuration from another: the digest of the definition's text, which the node's daemon makes, too. */
export function hashConfiguration(member: Member, settings: ObjectSettings): string {
  return hashText(writeConfig(member, settings));
}

/** As {@link hashConfiguration}, of what a living pod cannot change: everything but redirects and fallback. */
function hashStructure(member: Member, settings: ObjectSettings): string {
  const spec = { ...member.spec, redirects: { redirects: [], fallbacks: [] } };
  return hashText(writeConfig({ ...member, spec }, settings));
}

function hashText(text: string): string {
  return hash('sha256', text).slice(0, 16);
}

/** What of a Deployment's template is as it was until its pod must be replaced. */
export interface Template {
  /** The configuration that its pods began with. */
  readonly configuration: string;
  readonly structure: string;
  readonly avoidedNodes: readonly string[];
}

/** The template of a Deployment that is there; undefined where there is none of this version. */
export function readTemplate(deployment: unknown): Template | undefined {
  const spec = isRecord(deployment) && isRecord(deployment.spec) ? deployment.spec : {};
  const template = isRecord(spec.template) && isRecord(spec.template.metadata) ? spec.template.metadata : {};
  const annotations = isRecord(template.annotations) ? template.annotations : {};
  const { [configurationAnnotation]: configuration, [structureAnnotation]: structure } = annotations;
  if (typeof configuration !== 'string' || typeof structure !== 'string') return undefined;
  const avoided = annotations[avoidedAnnotation];
  return { configuration, structure, avoidedNodes: typeof avoided === 'string' ? avoided.split(',') : [] };
}

/**
 * The template that a member's Deployment is to have. One whose structure stays, stays: its pods learn of
 * redirects while they live.
 *
 * @param replaces whether the pod must be replaced although only its redirects changed
 * @param avoidedNodes where the pods of another template are not to run
 */
export function chooseTemplate(
  member: Member,
  settings: ObjectSettings,
  current: Template | undefined,
  replaces: boolean,
  avoidedNodes: readonly string[],
): Template {
  const structure = hashStructure(member, settings);
  if (current?.structure === structure && !replaces) return current;
  return { configuration: hashConfiguration(member, settings), structure, avoidedNodes };
}

/** The Deployment of a router of a pool: one pod at a time, which leaves at once, also a node that died. */
export function makeDeployment(
  router: Router,
  member: Member,
  settings: ObjectSettings,
  template: Template,
): DesiredObject {
  const { names, spec } = member;
  const gateways = spec.reserved.flatMap(({ gateway }) => gateway?.text ?? []);
  const network = {
    name: names.definition,
    ...(settings.hasDefaultRouteAnnotation && gateways.length > 0 && { 'default-route': gateways }),
  };
  return seal(router, member, names.deployment, {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    spec: {
      replicas: 1,
      revisionHistoryLimit: 2,
      // Two pods must not have one address.
      strategy: { type: 'Recreate' },
      selector: { matchLabels: names.selector },
      template: {
        metadata: {
          labels: { ...managedLabels, ...names.podLabels },
          annotations: {
            [networksAnnotation]: JSON.stringify([network]),
            [configurationAnnotation]: template.configuration,
            [structureAnnotation]: template.structure,
            ...(template.avoidedNodes.length > 0 && { [avoidedAnnotation]: template.avoidedNodes.join() }),
          },
        },
        spec: makePod(member, settings, template.avoidedNodes),
      },
    },
  });
}

/** Routers of a pool on as many nodes as there are, and away from some. */
function placePod({ identity }: RouterNames, avoidedNodes: readonly string[]): object {
  const terms = avoidedNodes.map((name) => ({ key: 'metadata.name', operator: 'NotIn', values: [name] }));
  const nodeAffinity = {
    requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchFields: terms }] },
  };
  return {
    topologySpreadConstraints: [
      {
        maxSkew: 1,
        topologyKey: 'kubernetes.io/hostname',
        whenUnsatisfiable: 'ScheduleAnyway',
        labelSelector: { matchLabels: identity },
      },
    ],
    ...(terms.length > 0 && { affinity: { nodeAffinity } }),
  };
}

function makePod(
  { spec, names }: Member,
  { image, nodeFailureSeconds, nodeSelector }: ObjectSettings,
  avoidedNodes: readonly string[],
): object {
  const checks = spec.reserved.flatMap(({ prefix, gateway }) => [
    '--address',
    formatPrefix(prefix),
    ...(gateway === undefined ? [] : ['--gateway', gateway.text]),
  ]);
  return {
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    // One second, not none: with none the pod is forgotten before it has ended, and the next takes its address.
    terminationGracePeriodSeconds: 1,
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
        readinessProbe: {
          exec: { command: ['egress-router-pod', 'ready', '--interface', egressInterface, ...checks] },
          periodSeconds: 5,
          timeoutSeconds: 5,
          failureThreshold: 2,
        },
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
): DesiredObject {
  const metadata = {
    namespace: meta.namespace,
    name,
    labels: { ...managedLabels, [memberLabel]: key },
    // The object is deleted with its owner, and cannot be adopted.
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
  return { ...object, metadata: { ...metadata, annotations: { [manifestAnnotation]: applied } } };
}

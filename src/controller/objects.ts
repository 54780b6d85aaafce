import { hash } from 'node:crypto';
import type { EgressRouterSpec } from '../api/egress-router.ts';
import { type NetConfSettings, writeNetConf } from '../api/net-conf-writer.ts';
import { clusterNames } from '../cluster/names.ts';
import { formatPrefix } from '../model/address.ts';
import type { RouterNames } from './names.ts';
import type { Router } from './router.ts';

/** What of a router's objects its EgressRouter does not say. */
export interface ObjectSettings extends NetConfSettings {
  /** Image of the router's pod: this project's. */
  readonly image: string;
  /** Whole seconds after which a pod leaves a node that is not ready or not reachable. */
  readonly nodeFailureSeconds: number;
  /** Whether Multus is told the gateway, as OpenShift's operator does; the plugin does without. */
  readonly hasDefaultRouteAnnotation: boolean;
  readonly nodeSelector: Readonly<Record<string, string>>;
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

/** Of a pod's template: another value is another configuration, and a reason for another pod. */
export const configurationAnnotation = 'egress-router.io/configuration';
/** Of an object: what was last applied, so that a field that is no longer wanted is noticed. */
export const appliedAnnotation = 'egress-router.io/applied';

const networksAnnotation = 'k8s.v1.cni.cncf.io/networks';

/** The first of Multus's interfaces; a router pod has no other. */
export const egressInterface = 'net1';

/** Nobody: an image's user that owns nothing. */
const user = 65532;

/** The NetworkAttachmentDefinition of a router. */
export function makeDefinition(
  router: Router,
  spec: EgressRouterSpec,
  names: RouterNames,
  settings: ObjectSettings,
): DesiredObject {
  return seal(router, names.definition, {
    apiVersion: 'k8s.cni.cncf.io/v1',
    kind: 'NetworkAttachmentDefinition',
    spec: { config: JSON.stringify(writeNetConf(names.definition, spec, settings)) },
  });
}

/** Tells one configuration from another: a pod has the one that it was made with. */
export function hashConfiguration(spec: EgressRouterSpec, names: RouterNames, settings: ObjectSettings): string {
  return hash('sha256', JSON.stringify(writeNetConf(names.definition, spec, settings))).slice(0, 16);
}

/** The Deployment of a router: one pod at a time, which leaves at once, also a node that died. */
export function makeDeployment(
  router: Router,
  spec: EgressRouterSpec,
  names: RouterNames,
  settings: ObjectSettings,
): DesiredObject {
  const gateways = spec.reserved.flatMap(({ gateway }) => gateway?.text ?? []);
  const network = {
    name: names.definition,
    ...(settings.hasDefaultRouteAnnotation && gateways.length > 0 && { 'default-route': gateways }),
  };
  const configuration = hashConfiguration(spec, names, settings);
  const template = {
    metadata: {
      labels: { ...managedLabels, ...names.podLabels },
      annotations: { [networksAnnotation]: JSON.stringify([network]), [configurationAnnotation]: configuration },
    },
    spec: makePod(spec, settings),
  };
  return seal(router, names.deployment, {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    spec: {
      replicas: 1,
      revisionHistoryLimit: 2,
      // Two pods must not have one address.
      strategy: { type: 'Recreate' },
      selector: { matchLabels: names.selector },
      template,
    },
  });
}

function makePod(spec: EgressRouterSpec, { image, nodeFailureSeconds, nodeSelector }: ObjectSettings): object {
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
  name: string,
  object: { readonly apiVersion: string; readonly kind: string; readonly [part: string]: unknown },
): DesiredObject {
  const metadata = {
    namespace: meta.namespace,
    name,
    labels: managedLabels,
    // With the owner goes the object, and nobody else may have it.
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
  return { ...object, metadata: { ...metadata, annotations: { [appliedAnnotation]: applied } } };
}

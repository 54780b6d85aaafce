import { hash } from 'node:crypto';
import { type NetConfSettings, writeNetConf } from '../../api/net-conf-writer.ts';
import type { Member } from './members.ts';

/** Settings of a router's objects that are not in its EgressRouter. */
export interface ObjectSettings extends NetConfSettings {
  /** Image of the router pod: that of this project. */
  readonly image: string;
  /** Whole seconds after which a pod leaves a node that is not ready or unreachable. */
  readonly nodeFailureSeconds: number;
  /** Whether the Multus annotation contains the gateway, as OpenShift's operator writes it; the plugin does not need it. */
  readonly hasDefaultRouteAnnotation: boolean;
  readonly nodeSelector: Readonly<Record<string, string>>;
  /** Names inside the cluster that are allowed as destinations: suffixes such as `db.svc.cluster.local`. */
  readonly allowedNames: readonly string[];
  /** Milliseconds for a node daemon to apply a configuration to a running router. */
  readonly liveTimeout: number;
}

/** In a pod template: the initial configuration of its pods. In a pod: the same, until another one is applied. */
export const configurationAnnotation = 'egress-router.io/configuration';
/**
 * In a pod template: everything in a configuration that cannot change while a pod runs. Another value creates another
 * pod.
 */
export const structureAnnotation = 'egress-router.io/structure';
/** In a pod template: nodes that its pods avoid, because they died or were cordoned. */
export const avoidedAnnotation = 'egress-router.io/avoided-nodes';

/**
 * In an EgressRouter: a new value replaces the pods of its routers, one at a time, with pods of this version and
 * image. In a pod template: the value that it was created for.
 */
export const rolloutAnnotation = 'egress-router.io/rollout';

/**
 * In an object of this controller: the digest of what it last applied, which reveals fields that are no longer
 * desired. In a Deployment, a space and the applied pod template as JSON follow. Objects of version 0.1.0 have
 * `egress-router.io/applied` instead, and get this annotation by an update that does not affect their pods.
 */
export const manifestAnnotation = 'egress-router.io/manifest';

/** In a pod: the definitions from which Multus creates additional interfaces. */
export const networksAnnotation = 'k8s.v1.cni.cncf.io/networks';

/** The first interface that Multus creates; a router pod has no other. */
export const egressInterface = 'net1';

/** Renders the network configuration of a router of a pool. */
export function writeConfig({ names, spec }: Member, settings: ObjectSettings): string {
  return JSON.stringify(writeNetConf(names.definition, spec, settings));
}

/** Identifies a configuration: the digest of the definition's text, which the node daemon computes, too. */
export function hashConfiguration(member: Member, settings: ObjectSettings): string {
  return hashText(writeConfig(member, settings));
}

/** Like {@link hashConfiguration}, for what a running pod cannot change: everything except redirects and fallback. */
export function hashStructure(member: Member, settings: ObjectSettings): string {
  const spec = { ...member.spec, redirects: { redirects: [], fallbacks: [] } };
  return hashText(writeConfig({ ...member, spec }, settings));
}

/** Returns a short digest of a text. */
export function hashText(text: string): string {
  return hash('sha256', text).slice(0, 16);
}

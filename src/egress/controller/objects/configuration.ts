import { hash } from 'node:crypto';
import { type NetConfSettings, writeNetConf } from '../../api/net-conf-writer.ts';
import type { Member } from './members.ts';

/** What of a router's objects its EgressRouter does not say. */
export interface ObjectSettings extends NetConfSettings {
  /** Image of the router's pod: this project's. */
  readonly image: string;
  /** Whole seconds after which a pod leaves a node that is not ready or not reachable. */
  readonly nodeFailureSeconds: number;
  /** Whether the Multus annotation contains the gateway, as OpenShift's operator writes it; the plugin does not need it. */
  readonly hasDefaultRouteAnnotation: boolean;
  readonly nodeSelector: Readonly<Record<string, string>>;
  /** Milliseconds that a node's daemon has to apply a configuration to a living router. */
  readonly liveTimeout: number;
}

/** Of a pod's template: the configuration that its pods begin with; of a pod: the same, as long as nothing is applied. */
export const configurationAnnotation = 'egress-router.io/configuration';
/** Of a pod's template: all of a configuration that cannot change while a pod lives. Another value is another pod. */
export const structureAnnotation = 'egress-router.io/structure';
/** Of a pod's template: nodes that its pods stay away from, after one died or was to be left. */
export const avoidedAnnotation = 'egress-router.io/avoided-nodes';

/**
 * Of an EgressRouter: another value replaces the pods of its routers, one at a time, by ones of this version and
 * image. Of a pod's template: the value for which it was made.
 */
export const rolloutAnnotation = 'egress-router.io/rollout';

/**
 * Of an object that this controller made: the digest of what it last applied, so that a field that is no longer
 * wanted is noticed; of a Deployment, a blank and the pod template as it was applied, in JSON, behind it. Objects of
 * version 0.1.0 have the digest as `egress-router.io/applied`, and get this in its place by an update that does not
 * touch their pods.
 */
export const manifestAnnotation = 'egress-router.io/manifest';

/** Of a pod: which definitions Multus makes further interfaces of. */
export const networksAnnotation = 'k8s.v1.cni.cncf.io/networks';

/** The first of Multus's interfaces; a router pod has no other. */
export const egressInterface = 'net1';

/** The network configuration of a router of a pool, as its definition has it. */
export function writeConfig({ names, spec }: Member, settings: ObjectSettings): string {
  return JSON.stringify(writeNetConf(names.definition, spec, settings));
}

/** Tells one configuration from another: the digest of the definition's text, which the node's daemon makes, too. */
export function hashConfiguration(member: Member, settings: ObjectSettings): string {
  return hashText(writeConfig(member, settings));
}

/** As {@link hashConfiguration}, of what a living pod cannot change: everything but redirects and fallback. */
export function hashStructure(member: Member, settings: ObjectSettings): string {
  const spec = { ...member.spec, redirects: { redirects: [], fallbacks: [] } };
  return hashText(writeConfig({ ...member, spec }, settings));
}

/** Returns a short digest of a text. */
export function hashText(text: string): string {
  return hash('sha256', text).slice(0, 16);
}

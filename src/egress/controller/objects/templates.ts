import { isDeepStrictEqual } from 'node:util';
import { isRecord } from '../../../base/read/shape.ts';
import {
  avoidedAnnotation,
  configurationAnnotation,
  hashConfiguration,
  hashStructure,
  hashText,
  manifestAnnotation,
  networksAnnotation,
  type ObjectSettings,
  rolloutAnnotation,
  structureAnnotation,
} from './configuration.ts';
import { isCovered } from './coverage.ts';
import type { Member } from './members.ts';

type Json = Readonly<Record<string, unknown>>;

/** A pod template as this controller, or an older version of it, applied it. */
export interface PodTemplate {
  readonly metadata: Json & { readonly annotations: Json };
  readonly spec: Json;
}

/** The parts of a Deployment's template that stay unchanged until its pod must be replaced. */
export interface Template {
  /** The initial configuration of its pods. */
  readonly configuration: string;
  readonly structure: string;
  readonly avoidedNodes: readonly string[];
  /** The explicit rollout for which it was made. */
  readonly rollout?: string | undefined;
  /** The whole template, where it stays as an earlier version of this program made it. */
  readonly kept?: PodTemplate | undefined;
}

/** What becomes of a template: it stays; its pods go to other nodes; or it is made by this version, with its image. */
export type TemplateChange = 'none' | 'move' | 'renew';

/**
 * The template of a Deployment that is there; undefined where there is none of ours.
 *
 * What was applied is in an annotation, because the live template also has defaults and fields of other managers. It
 * counts only while the live template has it all, so the annotation cannot bring in anything. Deployments of
 * version 0.1.0 have no such record: of those, the live template counts.
 */
export function readTemplate(deployment: unknown): Template | undefined {
  const { metadata, spec } = isRecord(deployment) ? deployment : {};
  const live = isRecord(spec) ? readPodTemplate(spec.template) : undefined;
  if (live === undefined) return undefined;
  const { [configurationAnnotation]: configuration, [structureAnnotation]: structure } = live.metadata.annotations;
  if (typeof configuration !== 'string' || typeof structure !== 'string') return undefined;
  const own =
    isRecord(metadata) && isRecord(metadata.annotations) ? metadata.annotations[manifestAnnotation] : undefined;
  const record = typeof own === 'string' ? /^\w+ (.*)$/s.exec(own)?.[1] : undefined;
  const applied = record === undefined ? live : parsePodTemplate(record);
  const { [avoidedAnnotation]: avoided, [rolloutAnnotation]: rollout } = live.metadata.annotations;
  return {
    configuration,
    structure,
    avoidedNodes: typeof avoided === 'string' ? avoided.split(',') : [],
    rollout: typeof rollout === 'string' ? rollout : undefined,
    kept: applied !== undefined && isCovered(applied, live) ? applied : undefined,
  };
}

function parsePodTemplate(text: string): PodTemplate | undefined {
  try {
    return readPodTemplate(JSON.parse(text));
  } catch {
    // Another program wrote it.
    return undefined;
  }
}

function readPodTemplate(input: unknown): PodTemplate | undefined {
  if (!isRecord(input) || !isRecord(input.metadata) || !isRecord(input.spec)) return undefined;
  // API servers add a time that is null.
  const { creationTimestamp: _none, annotations, ...metadata } = input.metadata;
  if (!isRecord(annotations)) return undefined;
  return { metadata: { ...metadata, annotations }, spec: input.spec };
}

/**
 * The template that a member's Deployment is to have. It stays as it is, with the image and all that the version of
 * this program that made it wrote, until the configuration changes, an administrator asks for a rollout, or its pod
 * cannot run: pods learn of redirects while they live, and an upgrade must not interrupt connections.
 *
 * @param avoidedNodes where the pods of another template are not to run
 * @param rollout the rollout that is asked for, see {@link readRollout}
 */
export function chooseTemplate(
  member: Member,
  settings: ObjectSettings,
  current: Template | undefined,
  change: TemplateChange,
  avoidedNodes: readonly string[],
  rollout?: string,
): Template {
  const structure = hashStructure(member, settings);
  const isSame = current?.structure === structure && isOfSettings(current.kept, member, settings);
  const configuration = hashConfiguration(member, settings);
  if (isSame && change === 'none') return current;
  if (isSame && change === 'move' && current.kept !== undefined)
    return { ...current, configuration, avoidedNodes, kept: moveTemplate(current.kept, configuration, avoidedNodes) };
  return { configuration, structure, avoidedNodes, rollout: rollout ?? current?.rollout };
}

/** Whether a template was made with the options that the controller has now, as far as they are not in the structure. */
function isOfSettings(kept: PodTemplate | undefined, member: Member, settings: ObjectSettings): boolean {
  if (kept === undefined) return true;
  const { tolerations, nodeSelector } = kept.spec;
  const seconds = (Array.isArray(tolerations) ? tolerations.filter(isRecord) : []).find(
    ({ key }) => key === 'node.kubernetes.io/unreachable',
  )?.tolerationSeconds;
  return (
    kept.metadata.annotations[networksAnnotation] === writeNetworks(member, settings) &&
    seconds === settings.nodeFailureSeconds &&
    isDeepStrictEqual(nodeSelector ?? {}, settings.nodeSelector)
  );
}

/** Value of Multus's annotation for a member. */
export function writeNetworks({ names, spec }: Member, { hasDefaultRouteAnnotation }: ObjectSettings): string {
  const gateways = spec.reserved.flatMap(({ gateway }) => gateway?.text ?? []);
  const hasRoute = hasDefaultRouteAnnotation && gateways.length > 0;
  return JSON.stringify([{ name: names.definition, ...(hasRoute && { 'default-route': gateways }) }]);
}

/** The same template for pods that run on other nodes. */
function moveTemplate(
  { metadata, spec }: PodTemplate,
  configuration: string,
  avoidedNodes: readonly string[],
): PodTemplate {
  const { [avoidedAnnotation]: _before, ...annotations } = metadata.annotations;
  const { affinity: _old, ...rest } = spec;
  return {
    metadata: {
      ...metadata,
      annotations: { ...annotations, [configurationAnnotation]: configuration, ...noteAvoided(avoidedNodes) },
    },
    spec: { ...rest, ...avoidNodes(avoidedNodes) },
  };
}

/** The annotation that says which nodes a template's pods stay away from. */
export function noteAvoided(nodes: readonly string[]): Readonly<Record<string, string>> {
  return nodes.length > 0 ? { [avoidedAnnotation]: nodes.join() } : {};
}

/** The part of a pod that keeps it away from nodes. */
export function avoidNodes(nodes: readonly string[]): object {
  if (nodes.length === 0) return {};
  const matchFields = nodes.map((name) => ({ key: 'metadata.name', operator: 'NotIn', values: [name] }));
  const required = { nodeSelectorTerms: [{ matchFields }] };
  return { affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: required } } };
}

/** Characters of a value that is recorded as it is. */
const longestRollout = 63;

/** The rollout that an EgressRouter's annotation asks for; undefined where it asks for none. */
export function readRollout(annotations: Json): string | undefined {
  const value = annotations[rolloutAnnotation];
  if (typeof value !== 'string' || value === '') return undefined;
  return value.length <= longestRollout ? value : hashText(value);
}

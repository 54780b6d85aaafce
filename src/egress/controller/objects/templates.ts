import { isDeepStrictEqual } from 'node:util';
import { isCovered } from '../../../base/kubernetes/coverage.ts';
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
import type { Member } from './members.ts';

type Json = Readonly<Record<string, unknown>>;

/** A pod template that this controller, or another version of it, applied. */
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
  /** The explicit rollout that it was created for. */
  readonly rollout?: string | undefined;
  /** The whole template as it was applied. Undefined: render it again. */
  readonly kept?: PodTemplate | undefined;
}

/** A change of a template: `move` sends its pods to other nodes; `renew` renders it with this version and image. */
export type TemplateChange = 'none' | 'move' | 'renew';

/**
 * Returns the template of an existing Deployment, or undefined if it is not one of this controller.
 *
 * An annotation records what was applied, because the live template also contains defaults and fields of other
 * managers. The record is used only if the live template contains all of it, so editing the annotation cannot
 * introduce anything. Deployments of version 0.1.0 have no record; their live template is used.
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
    // Another program edited the annotation.
    return undefined;
  }
}

function readPodTemplate(input: unknown): PodTemplate | undefined {
  if (!isRecord(input) || !isRecord(input.metadata) || !isRecord(input.spec)) return undefined;
  // API servers add a null creationTimestamp.
  const { creationTimestamp: _none, annotations, ...metadata } = input.metadata;
  if (!isRecord(annotations)) return undefined;
  return { metadata: { ...metadata, annotations }, spec: input.spec };
}

/**
 * Returns the desired template of a member's Deployment. The template stays unchanged, including image and shape, until
 * the configuration changes, an administrator requests a rollout, or its pod cannot run: running pods get new redirects
 * from their node daemon, and an upgrade must not interrupt connections.
 *
 * @param avoidedNodes nodes that the pods of another template must avoid
 * @param rollout the requested rollout, see {@link readRollout}
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

/** Whether a template matches the controller's options that are not part of the structure. */
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

/** Renders the value of Multus's annotation for a member. */
export function writeNetworks({ names, spec }: Member, { hasDefaultRouteAnnotation }: ObjectSettings): string {
  const gateways = spec.reserved.flatMap(({ gateway }) => gateway?.text ?? []);
  const hasRoute = hasDefaultRouteAnnotation && gateways.length > 0;
  return JSON.stringify([{ name: names.definition, ...(hasRoute && { 'default-route': gateways }) }]);
}

/** Returns the same template with other avoided nodes. */
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

/** Returns the annotation that records the avoided nodes of a template. */
export function noteAvoided(nodes: readonly string[]): Readonly<Record<string, string>> {
  return nodes.length > 0 ? { [avoidedAnnotation]: nodes.join() } : {};
}

/** Returns the fields of a pod spec that keep the pod away from nodes. */
export function avoidNodes(nodes: readonly string[]): object {
  if (nodes.length === 0) return {};
  const matchFields = nodes.map((name) => ({ key: 'metadata.name', operator: 'NotIn', values: [name] }));
  const required = { nodeSelectorTerms: [{ matchFields }] };
  return { affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: required } } };
}

/** Characters; longer values are recorded as digests. */
const longestRollout = 63;

/** Returns the rollout that an EgressRouter's annotation requests, or undefined if it requests none. */
export function readRollout(annotations: Json): string | undefined {
  const value = annotations[rolloutAnnotation];
  if (typeof value !== 'string' || value === '') return undefined;
  return value.length <= longestRollout ? value : hashText(value);
}

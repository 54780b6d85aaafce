import { isRecord } from '../../base/read/shape.ts';
import { readinessCondition } from '../model/readiness.ts';

/** The parts of a pod of this node that concern its router's configuration. */
export interface NodePod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly isEnding: boolean;
  readonly annotations: Readonly<Record<string, unknown>>;
  /** Whether the pod has the readiness gate whose condition the daemon sets. */
  readonly hasReadinessGate: boolean;
  /** The condition that the daemon last set; undefined before the first time. */
  readonly readiness: ShownCondition | undefined;
}

/** A condition in the status of a pod. */
export interface ShownCondition {
  readonly status: string;
  readonly message: string | undefined;
  readonly lastTransitionTime: string | undefined;
}

/** Parses a pod. Returns undefined if it is invalid. */
export function readPod(object: unknown): NodePod | undefined {
  const metadata = isRecord(object) && isRecord(object.metadata) ? object.metadata : {};
  const { namespace, name, uid, deletionTimestamp, annotations } = metadata;
  if (typeof namespace !== 'string' || typeof name !== 'string' || typeof uid !== 'string') return undefined;
  const isEnding = (deletionTimestamp ?? undefined) !== undefined;
  const spec = isRecord(object) && isRecord(object.spec) ? object.spec : {};
  const status = isRecord(object) && isRecord(object.status) ? object.status : {};
  const find = (list: unknown, key: string): Record<string, unknown> | undefined =>
    (Array.isArray(list) ? list : []).filter(isRecord).find((one) => one[key] === readinessCondition);
  return {
    namespace,
    name,
    uid,
    isEnding,
    annotations: isRecord(annotations) ? annotations : {},
    hasReadinessGate: find(spec.readinessGates, 'conditionType') !== undefined,
    readiness: readCondition(find(status.conditions, 'type')),
  };
}

function readCondition(condition: Record<string, unknown> | undefined): ShownCondition | undefined {
  const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
  const status = text(condition?.status);
  if (condition === undefined || status === undefined) return undefined;
  return { status, message: text(condition.message), lastTransitionTime: text(condition.lastTransitionTime) };
}

/**
 * Parses a definition. The configuration is kept only if it names our plugin; others may be large and are not
 * relevant.
 */
export function readDefinition(object: unknown): { readonly key?: string; readonly config?: string } {
  const metadata = isRecord(object) && isRecord(object.metadata) ? object.metadata : {};
  const { namespace, name } = metadata;
  if (typeof namespace !== 'string' || typeof name !== 'string') return {};
  const spec = isRecord(object) && isRecord(object.spec) ? object.spec : {};
  const isOurs = typeof spec.config === 'string' && spec.config.includes('"egress-router"');
  return { key: `${namespace}/${name}`, ...(isOurs && { config: spec.config as string }) };
}

/**
 * Returns the configuration as Multus passes it to the plugin: with the definition's name if it has none; from a
 * plugin list (CNI spec 1.1.0 §1) our own entry with the list's name and version.
 */
export function readConfig(text: string, name: string): unknown {
  let config: unknown;
  try {
    config = JSON.parse(text);
  } catch {
    // The plugin's own parser reports the problem.
    return text;
  }
  if (!isRecord(config)) return config;
  const plugins = Array.isArray(config.plugins) ? config.plugins.filter(isRecord) : [];
  const own = plugins.find(({ type }) => type === 'egress-router');
  const { cniVersion } = config;
  if (own !== undefined) return { ...own, name: config.name ?? name, ...(cniVersion !== undefined && { cniVersion }) };
  return config.name === undefined ? { ...config, name } : config;
}

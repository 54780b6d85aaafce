import { hash } from 'node:crypto';
import { isRecord } from '../api/shape.ts';
import type { EventRecorder } from '../cluster/events.ts';
import type { KubeApi } from '../cluster/port.ts';
import { isStatus } from '../cluster/status-patch.ts';
import { WorkQueue } from '../cluster/work-queue.ts';
import type { DaemonLog } from '../daemon/log.ts';
import { appliedAnnotation, type LiveRefusal, readRefusal, refusedAnnotation } from '../model/live-change.ts';
import type { AttachmentState } from '../model/state.ts';
import { describeError } from '../model/text.ts';
import { findDefinition } from './networks.ts';
import type { ApplyOutcome, NodeRouters } from './port.ts';

/** A pod of this node, as far as its router's configuration goes. */
interface NodePod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly isEnding: boolean;
  readonly annotations: Readonly<Record<string, unknown>>;
}

/** With what routers are kept at their definitions. */
export interface LiveParts {
  readonly api: KubeApi;
  readonly routers: NodeRouters;
  readonly events: EventRecorder;
  readonly log: DaemonLog;
  readonly count: (outcome: ApplyOutcome['kind'] | 'failed') => void;
  readonly signal: AbortSignal;
}

/** Milliseconds after which what was said on a pod is said again, if the API server still does not show it. */
const repeatAfter = 30_000;

/**
 * Leads the living routers of this node to what their definitions say now, and says on their pods which
 * configuration is in force. Level-triggered: what a pod says is compared with its definition, whatever
 * happened in between.
 */
export class LiveRouters {
  readonly #parts: LiveParts;
  readonly #pods = new Map<string, NodePod>();
  /** `spec.config` by `NAMESPACE/NAME`. */
  readonly #definitions = new Map<string, string>();
  #attachments = new Map<string, AttachmentState>();
  readonly #queue: WorkQueue;
  /** What was last said on each pod, by UID: the API server shows it a little later. */
  readonly #said = new Map<string, { readonly words: string; readonly at: number }>();

  constructor(parts: LiveParts) {
    this.#parts = parts;
    this.#queue = new WorkQueue(
      (key) => this.#sync(key),
      (key, error, retry) =>
        parts.log.warn(
          { err: error, attachment: key, retryMilliseconds: retry },
          'Cannot apply a configuration; retrying',
        ),
    );
  }

  /** Looks at which routers live on this node. */
  rescan(): void {
    const states = this.#parts.routers.list();
    const before = this.#attachments;
    this.#attachments = new Map(states.map((state) => [keyOf(state), state]));
    for (const key of this.#attachments.keys()) if (!before.has(key)) this.#queue.add(key);
  }

  /** Those that lived at the last look, by a key of their own; after the next look another map. */
  get known(): ReadonlyMap<string, AttachmentState> {
    return this.#attachments;
  }

  /** Those that live now; one whose namespace is gone is not, whatever is remembered. */
  get attachments(): readonly AttachmentState[] {
    return [...this.#attachments.values()].filter((state) => this.#parts.routers.isAlive(state));
  }

  /** The pod of a router; undefined where the API server has none of its name. */
  podOf({ pod }: AttachmentState): { readonly uid: string; readonly isEnding: boolean } | undefined {
    return pod && this.#pods.get(`${pod.namespace}/${pod.name}`);
  }

  /** Hears of a pod of this node. */
  putPod(object: unknown): void {
    const pod = readPod(object);
    if (pod === undefined) return;
    const place = `${pod.namespace}/${pod.name}`;
    this.#pods.set(place, pod);
    this.#addWhere(({ pod: own }) => own !== undefined && `${own.namespace}/${own.name}` === place);
  }

  removePod(object: unknown): void {
    const pod = readPod(object);
    if (pod === undefined) return;
    this.#pods.delete(`${pod.namespace}/${pod.name}`);
    this.#said.delete(pod.uid);
  }

  replacePods(objects: readonly unknown[]): void {
    this.#pods.clear();
    for (const object of objects) this.putPod(object);
  }

  /** Hears of a NetworkAttachmentDefinition. */
  putDefinition(object: unknown): void {
    const { key, config } = readDefinition(object);
    if (key === undefined || this.#definitions.get(key) === config) return;
    if (config === undefined) this.#definitions.delete(key);
    else this.#definitions.set(key, config);
    this.#addWhere((state) => this.#definitionOf(state) === key);
  }

  /** One that is gone leaves its routers as they are. */
  removeDefinition(object: unknown): void {
    const { key } = readDefinition(object);
    if (key !== undefined) this.#definitions.delete(key);
  }

  replaceDefinitions(objects: readonly unknown[]): void {
    const keys = new Set(objects.map((object) => readDefinition(object).key));
    for (const key of this.#definitions.keys()) if (!keys.has(key)) this.#definitions.delete(key);
    for (const object of objects) this.putDefinition(object);
  }

  close(): void {
    this.#queue.close();
  }

  #addWhere(isMeant: (state: AttachmentState) => boolean): void {
    for (const [key, state] of this.#attachments) if (isMeant(state)) this.#queue.add(key);
  }

  #definitionOf({ pod, id }: AttachmentState): string | undefined {
    const known = pod && this.#pods.get(`${pod.namespace}/${pod.name}`);
    return known && findDefinition(known.annotations['k8s.v1.cni.cncf.io/networks'], known.namespace, id.ifname);
  }

  async #sync(key: string): Promise<undefined> {
    const state = this.#attachments.get(key);
    const pod = state?.pod && this.#pods.get(`${state.pod.namespace}/${state.pod.name}`);
    const name = state && this.#definitionOf(state);
    const text = name && this.#definitions.get(name);
    if (state === undefined || pod === undefined || pod.isEnding || !text) return;
    const configuration = hash('sha256', text).slice(0, 16);
    if (pod.annotations[appliedAnnotation] === configuration) return;
    const refused = readRefusal(pod.annotations[refusedAnnotation]);
    if (refused?.configuration === configuration && refused.needsReplacement) return;
    const said = this.#said.get(pod.uid);
    if (said?.words === configuration && performance.now() - said.at < repeatAfter) return;
    await this.#apply(state, pod, configuration, { text, name: name.split('/')[1] ?? '' });
  }

  async #apply(
    state: AttachmentState,
    pod: NodePod,
    configuration: string,
    definition: { readonly text: string; readonly name: string },
  ): Promise<void> {
    const { routers, count, log } = this.#parts;
    const begun = performance.now();
    let outcome: ApplyOutcome;
    try {
      outcome = routers.apply(state.id, readConfig(definition.text, definition.name));
    } catch (error) {
      count('failed');
      const message = describeError(error);
      await this.#say(pod, configuration, { configuration, needsReplacement: false, message });
      // Tried again, later each time: what keeps the kernel from it may be over soon.
      throw error;
    }
    count(outcome.kind);
    switch (outcome.kind) {
      case 'applied': {
        const { added, removed } = outcome;
        const milliseconds = Math.round(performance.now() - begun);
        log.info(
          { pod: `${pod.namespace}/${pod.name}`, configuration, added, removed, milliseconds },
          'A configuration is in force',
        );
        await this.#say(
          pod,
          configuration,
          undefined,
          added + removed === 0 ? undefined : `${added} redirects added, ${removed} removed`,
        );
        return;
      }
      case 'needs-replacement':
      case 'invalid': {
        const needsReplacement = outcome.kind === 'needs-replacement';
        await this.#say(pod, configuration, { configuration, needsReplacement, message: outcome.message });
        return;
      }
      case 'gone':
        return;
    }
  }

  /** Writes on the pod what is in force, or what is not and why; an Event where that is news. */
  async #say(pod: NodePod, configuration: string, refusal: LiveRefusal | undefined, news?: string): Promise<void> {
    const { api, events, signal } = this.#parts;
    const { namespace, name, uid } = pod;
    const annotations =
      refusal === undefined
        ? { [appliedAnnotation]: configuration, [refusedAnnotation]: null }
        : { [refusedAnnotation]: JSON.stringify({ ...refusal, message: refusal.message.slice(0, 1000) }) };
    try {
      await api.mergePatch(`/api/v1/namespaces/${namespace}/pods/${name}`, { metadata: { uid, annotations } }, signal);
      this.#said.set(uid, { words: configuration, at: performance.now() });
    } catch (error) {
      // It is gone, or another has its name now.
      if (isStatus(error, 404) || isStatus(error, 409)) return;
      throw error;
    }
    const object = { apiVersion: 'v1', kind: 'Pod', namespace, name, uid };
    if (refusal !== undefined) {
      const reason = refusal.needsReplacement ? 'ConfigurationNeedsNewPod' : 'ConfigurationNotApplied';
      await events.tell(object, { type: 'Warning', reason, message: refusal.message }, signal);
    } else if (news !== undefined) {
      await events.tell(
        object,
        { type: 'Normal', reason: 'ConfigurationApplied', message: `${news}; ${configuration}` },
        signal,
      );
    }
  }
}

function keyOf({ id }: AttachmentState): string {
  return `${id.containerId}@${id.ifname}`;
}

function readPod(object: unknown): NodePod | undefined {
  const metadata = isRecord(object) && isRecord(object.metadata) ? object.metadata : {};
  const { namespace, name, uid, deletionTimestamp, annotations } = metadata;
  if (typeof namespace !== 'string' || typeof name !== 'string' || typeof uid !== 'string') return undefined;
  const isEnding = (deletionTimestamp ?? undefined) !== undefined;
  return { namespace, name, uid, isEnding, annotations: isRecord(annotations) ? annotations : {} };
}

/** Only definitions that name our plugin are kept: others may be large, and hold what is not for us. */
function readDefinition(object: unknown): { readonly key?: string; readonly config?: string } {
  const metadata = isRecord(object) && isRecord(object.metadata) ? object.metadata : {};
  const { namespace, name } = metadata;
  if (typeof namespace !== 'string' || typeof name !== 'string') return {};
  const spec = isRecord(object) && isRecord(object.spec) ? object.spec : {};
  const isOurs = typeof spec.config === 'string' && spec.config.includes('"egress-router"');
  return { key: `${namespace}/${name}`, ...(isOurs && { config: spec.config as string }) };
}

/** The configuration as Multus hands it to the plugin: with the definition's name where it has none. */
function readConfig(text: string, name: string): unknown {
  let config: unknown;
  try {
    config = JSON.parse(text);
  } catch {
    // The plugin's own parser says what is wrong with it.
    return text;
  }
  return isRecord(config) && config.name === undefined ? { ...config, name } : config;
}

import { hash } from 'node:crypto';
import type { DaemonLog } from '../../base/daemon/log.ts';
import { backoff } from '../../base/kubernetes/backoff.ts';
import type { KubeApi } from '../../base/kubernetes/cluster-api.ts';
import type { EventRecorder, EventWords } from '../../base/kubernetes/events.ts';
import { isStatus } from '../../base/kubernetes/status-patch.ts';
import { WorkQueue } from '../../base/kubernetes/work-queue.ts';
import { KernelError } from '../../base/linux/kernel-error.ts';
import { describeError } from '../../base/model/text.ts';
import type { AnswerNames } from '../cni/change.ts';
import { appliedAnnotation, type LiveRefusal, refusedAnnotation } from '../model/live-change.ts';
import type { AttachmentState } from '../model/state.ts';
import { findDefinition } from './networks.ts';
import { type NodePod, readConfig, readDefinition, readPod } from './objects.ts';
import { keyOf } from './pod-namespace.ts';
import type { ApplyOutcome, NodeRouters } from './routers-api.ts';

/** Dependencies of {@link LiveRouters}. */
export interface LiveParts {
  readonly api: KubeApi;
  readonly routers: NodeRouters;
  readonly events: EventRecorder;
  readonly log: DaemonLog;
  readonly count: (outcome: ApplyOutcome['kind'] | 'failed') => void;
  /** Resolves new DNS names of a configuration, within two seconds. Never rejects. */
  readonly prepare: (key: string, state: AttachmentState, configuration: unknown) => Promise<void>;
  readonly answerNames: AnswerNames;
  readonly signal: AbortSignal;
}

/** Milliseconds after which a write to a pod is repeated if the API server still does not show it. */
const repeatAfter = 30_000;

/** Maximum milliseconds between write attempts, because the controller replaces a pod after ten seconds of silence. */
const longestSilence = 2000;

/** Initial and maximum backoff in milliseconds after the kernel rejected a change. */
const retry = { first: 500, last: 60_000 };

/** Attempts before a locked namespace is reported as a failure, and maximum milliseconds between them. */
const mostBusy = 20;
const busyPause = 500;

/** What this process applied to an attachment. Never read from annotations, which any author of the pod can forge. */
interface Tried {
  readonly configuration: string;
  readonly refusal?: Omit<LiveRefusal, 'configuration'>;
  /** Another call holds the lock of the namespace, so the outcome is not known yet. */
  readonly isPending?: true;
  /** Another router of the pod has a port of it. A change of that one is awaited. */
  readonly isConflict?: true;
  /** A retry may succeed. */
  readonly failed?: { readonly times: number; readonly retryAt: number };
}

/**
 * Generic reason for a definition from another namespace. Anyone who can write a pod's annotations can reference any
 * definition, and the actual reason would reveal its content.
 */
const foreignWords = 'the definition of another namespace cannot be applied to a running router';

/** Desired configuration of a router and its digest. */
interface Wanted {
  readonly name: string;
  /** Whether the definition and the pod are in different namespaces. */
  readonly isForeign: boolean;
  readonly text: string;
  readonly configuration: string;
}

/**
 * Applies the current definitions to the running routers of this node, and writes the applied configuration to their
 * pods. It is level-triggered: the pod's annotation is compared with its definition, regardless of what happened in
 * between.
 */
export class LiveRouters {
  readonly #parts: LiveParts;
  readonly #pods = new Map<string, NodePod>();
  /** `spec.config` by `NAMESPACE/NAME`. */
  readonly #definitions = new Map<string, string>();
  #attachments = new Map<string, AttachmentState>();
  readonly #queue: WorkQueue;
  /** By attachment. */
  readonly #tried = new Map<string, Tried>();
  /** The last text written to each pod, by UID, because the API server shows it with a delay. */
  readonly #said = new Map<string, { readonly words: string; readonly at: number }>();

  constructor(parts: LiveParts) {
    this.#parts = parts;
    this.#queue = new WorkQueue(
      (key) => this.#sync(key),
      (key, error, milliseconds) =>
        parts.log.warn(
          { err: error, attachment: key, retryMilliseconds: milliseconds },
          'Failed to update the pod annotation with the applied configuration; retrying',
        ),
      longestSilence,
    );
  }

  /** Updates the list of routers that run on this node. */
  rescan(): void {
    const states = this.#parts.routers.list();
    const before = this.#attachments;
    this.#attachments = new Map(states.map((state) => [keyOf(state), state]));
    for (const key of this.#attachments.keys()) if (!before.has(key)) this.#queue.add(key);
    for (const [key, { pod }] of before) {
      if (this.#attachments.has(key)) continue;
      this.#tried.delete(key);
      // The pod's annotation now describes its other routers, which may use the ports of this one.
      if (pod !== undefined) this.#tryAgain(`${pod.namespace}/${pod.name}`);
    }
  }

  /** Routers at the last scan by key. Every scan creates a new map. */
  get known(): ReadonlyMap<string, AttachmentState> {
    return this.#attachments;
  }

  /** Currently running routers. One whose namespace is gone is not included, even if it has a state file. */
  get attachments(): readonly AttachmentState[] {
    return [...this.#attachments.values()].filter((state) => this.#parts.routers.isAlive(state));
  }

  /** Returns the pod of a router, or undefined if the API server has no pod of its name. */
  podOf({ pod }: AttachmentState): NodePod | undefined {
    return pod && this.#pods.get(`${pod.namespace}/${pod.name}`);
  }

  /** Records a pod of this node. */
  putPod(object: unknown): void {
    const pod = readPod(object);
    if (pod === undefined) return;
    const place = `${pod.namespace}/${pod.name}`;
    this.#pods.set(place, pod);
    this.#addOf(place);
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

  /** Records a NetworkAttachmentDefinition. */
  putDefinition(object: unknown): void {
    const { key, config } = readDefinition(object);
    if (key === undefined || this.#definitions.get(key) === config) return;
    if (config === undefined) this.#definitions.delete(key);
    else this.#definitions.set(key, config);
    this.#addWhere((state) => this.#definitionOf(state) === key);
  }

  /** Records the deletion of a definition. Its routers stay unchanged. */
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

  #addOf(place: string): void {
    this.#addWhere(({ pod }) => pod !== undefined && `${pod.namespace}/${pod.name}` === place);
  }

  /** Processes the routers of a pod again, and applies configurations that conflicted with another one. */
  #tryAgain(place: string): void {
    for (const [key, { pod }] of this.#attachments) {
      if (pod === undefined || `${pod.namespace}/${pod.name}` !== place) continue;
      if (this.#tried.get(key)?.isConflict === true) this.#tried.delete(key);
      this.#queue.add(key);
    }
  }

  #addWhere(isMeant: (state: AttachmentState) => boolean): void {
    for (const [key, state] of this.#attachments) if (isMeant(state)) this.#queue.add(key);
  }

  #definitionOf({ pod, id }: AttachmentState): string | undefined {
    const known = pod && this.#pods.get(`${pod.namespace}/${pod.name}`);
    return known && findDefinition(known.annotations['k8s.v1.cni.cncf.io/networks'], known.namespace, id.ifname);
  }

  #wantedOf(state: AttachmentState): Wanted | undefined {
    const place = this.#definitionOf(state);
    const text = place && this.#definitions.get(place);
    if (!place || !text) return undefined;
    const [namespace, name = ''] = place.split('/');
    const isForeign = namespace !== state.pod?.namespace;
    return { name, isForeign, text, configuration: hash('sha256', text).slice(0, 16) };
  }

  async #sync(key: string): Promise<number | undefined> {
    const state = this.#attachments.get(key);
    const pod = state?.pod && this.#pods.get(`${state.pod.namespace}/${state.pod.name}`);
    const wanted = state && this.#wantedOf(state);
    if (state === undefined || pod === undefined || pod.isEnding || wanted === undefined) return undefined;
    const known = this.#tried.get(key);
    const now = performance.now();
    if (known?.configuration !== wanted.configuration || (known.failed !== undefined && known.failed.retryAt <= now)) {
      await this.#parts.prepare(key, state, readConfig(wanted.text, wanted.name));
      const tried = this.#apply(state, pod, wanted, known);
      if (tried === undefined) return undefined;
      this.#tried.set(key, tried);
    }
    const next = [await this.#say(pod), this.#tried.get(key)?.failed?.retryAt].filter((at) => at !== undefined);
    return next.length === 0 ? undefined : Math.max(0, Math.min(...next) - performance.now());
  }

  /** Applies a definition. Returns undefined if the router is gone. */
  #apply(
    state: AttachmentState,
    pod: NodePod,
    { name, isForeign, text, configuration }: Wanted,
    known: Tried | undefined,
  ): Tried | undefined {
    const { routers, count, log, answerNames } = this.#parts;
    const begun = performance.now();
    let outcome: ApplyOutcome;
    try {
      outcome = routers.apply(state.id, readConfig(text, name), answerNames);
    } catch (error) {
      const times = known?.configuration === configuration ? (known.failed?.times ?? 0) + 1 : 1;
      const milliseconds = backoff(times, retry);
      // ADD or DEL holds the lock for a moment. This is no failure of the configuration.
      if (isBusy(error) && times <= mostBusy) {
        return {
          configuration,
          isPending: true,
          failed: { times, retryAt: performance.now() + Math.min(milliseconds, busyPause) },
        };
      }
      count('failed');
      log.warn(
        { err: error, attachment: keyOf(state), retryMilliseconds: milliseconds },
        'Failed to apply a configuration; retrying',
      );
      const refusal = { needsReplacement: false, message: isForeign ? foreignWords : describeError(error) };
      this.#tellRefusal(pod, refusal);
      return { configuration, refusal, failed: { times, retryAt: performance.now() + milliseconds } };
    }
    count(outcome.kind);
    switch (outcome.kind) {
      case 'applied': {
        const { added, removed } = outcome;
        const milliseconds = Math.round(performance.now() - begun);
        const words = { pod: `${pod.namespace}/${pod.name}`, configuration, added, removed, milliseconds };
        log.info(words, 'Applied a configuration');
        if (added + removed > 0) {
          const message = `${added} redirects added, ${removed} removed; ${configuration}`;
          this.#tell(pod, { type: 'Normal', reason: 'ConfigurationApplied', message });
          this.#tryAgain(`${pod.namespace}/${pod.name}`);
        }
        return { configuration };
      }
      case 'conflict': {
        const refusal = { needsReplacement: false, message: isForeign ? foreignWords : outcome.message };
        const isNew = known?.configuration !== configuration || known.refusal?.message !== refusal.message;
        if (isNew) this.#tellRefusal(pod, refusal);
        return { configuration, refusal, isConflict: true };
      }
      case 'needs-replacement':
      case 'invalid': {
        const message = isForeign ? foreignWords : outcome.message;
        const refusal = { needsReplacement: outcome.kind === 'needs-replacement', message };
        this.#tellRefusal(pod, refusal);
        return { configuration, refusal };
      }
      case 'gone':
        return undefined;
    }
  }

  /**
   * Writes to the pod which configuration is applied, or which one is not and why, if its annotations differ. A pod
   * with several routers has the digests of all, in the order of their interfaces. Resolves to the time of the next
   * check.
   */
  async #say(pod: NodePod): Promise<number | undefined> {
    const annotations = this.#composeWords(pod);
    const { namespace, name, uid } = pod;
    // Compare with the pod's current annotations, which may have changed since this call began.
    const shown = this.#pods.get(`${namespace}/${name}`)?.annotations ?? pod.annotations;
    if (annotations === undefined) return undefined;
    if (Object.entries(annotations).every(([key, value]) => (shown[key] ?? null) === value)) return undefined;
    const words = JSON.stringify(annotations);
    const said = this.#said.get(uid);
    if (said?.words === words && performance.now() - said.at < repeatAfter) return said.at + repeatAfter;
    const { api, signal } = this.#parts;
    const at = performance.now();
    this.#said.set(uid, { words, at });
    try {
      await api.mergePatch(`/api/v1/namespaces/${namespace}/pods/${name}`, { metadata: { uid, annotations } }, signal);
    } catch (error) {
      this.#said.delete(uid);
      // The pod is gone, or another pod has its name.
      if (isStatus(error, 404) || isStatus(error, 409)) return undefined;
      throw error;
    }
    return at + repeatAfter;
  }

  /** Returns annotations of a pod; null removes one. Returns undefined until all its routers have been processed. */
  #composeWords({ namespace, name }: NodePod): Readonly<Record<string, string | null>> | undefined {
    const byLink = new Map<string, { readonly wanted: Wanted; readonly tried: Tried | undefined }>();
    for (const [key, state] of this.#attachments) {
      if (state.pod?.namespace !== namespace || state.pod.name !== name || !this.#parts.routers.isAlive(state))
        continue;
      const wanted = this.#wantedOf(state);
      if (wanted !== undefined) byLink.set(state.id.ifname, { wanted, tried: this.#tried.get(key) });
    }
    const all = [...byLink].toSorted(([one], [other]) => one.localeCompare(other, 'en', { numeric: true }));
    if (all.length === 0) return undefined;
    const isKnown = ({ wanted, tried }: { readonly wanted: Wanted; readonly tried: Tried | undefined }): boolean =>
      tried?.configuration === wanted.configuration && tried.isPending !== true;
    if (!all.every(([, one]) => isKnown(one))) return undefined;
    const configuration = all.map(([, { wanted }]) => wanted.configuration).join();
    const refusals = all.flatMap(([, { tried }]) => tried?.refusal ?? []);
    const [refusal] = refusals;
    if (refusal === undefined) return { [appliedAnnotation]: configuration, [refusedAnnotation]: null };
    const words: LiveRefusal = {
      configuration,
      needsReplacement: refusals.some(({ needsReplacement }) => needsReplacement),
      message: refusal.message.slice(0, 1000),
    };
    return { [refusedAnnotation]: JSON.stringify(words) };
  }

  #tellRefusal(pod: NodePod, { needsReplacement, message }: Omit<LiveRefusal, 'configuration'>): void {
    const reason = needsReplacement ? 'ConfigurationNeedsNewPod' : 'ConfigurationNotApplied';
    this.#tell(pod, { type: 'Warning', reason, message });
  }

  /** Emits an Event without delaying the change. */
  #tell({ namespace, name, uid }: NodePod, words: EventWords): void {
    const { events, signal } = this.#parts;
    void events.tell({ apiVersion: 'v1', kind: 'Pod', namespace, name, uid }, words, signal);
  }
}

/** Returns whether another call holds the lock of a router's namespace. */
export function isBusy(error: unknown): boolean {
  return error instanceof KernelError && error.kind === 'busy';
}

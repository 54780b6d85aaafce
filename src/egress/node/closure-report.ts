import type { DaemonLog } from '../../base/daemon/log.ts';
import type { KubeApi } from '../../base/kubernetes/cluster-api.ts';
import { closedAnnotation } from '../model/live-change.ts';
import type { AddressRival, AttachmentState } from '../model/state.ts';
import type { NodePod } from './objects.ts';

/** Dependencies of {@link ClosureReport}. */
export interface ClosureReportParts {
  readonly api: KubeApi;
  readonly log: DaemonLog;
  readonly signal: AbortSignal;
  readonly podOf: (state: AttachmentState) => NodePod | undefined;
}

/** Milliseconds after which a write is repeated if the API server still does not show it. */
const repeatAfter = 30_000;

/**
 * Annotates pods with their closed routers and the claims that keep them closed. The report is level-triggered: it is
 * called in every round and writes if the annotation differs. A later round retries a failed write.
 */
export class ClosureReport {
  readonly #parts: ClosureReportParts;
  /** Texts by interface, by UID of the pod. */
  readonly #words = new Map<string, Map<string, string>>();
  readonly #written = new Map<string, { readonly text: string | null; readonly at: number }>();

  constructor(parts: ClosureReportParts) {
    this.#parts = parts;
  }

  /** Records the claim that keeps a router closed, or undefined if it is open. Never throws. */
  show(state: AttachmentState, rival: AddressRival | undefined): void {
    const pod = this.#parts.podOf(state);
    if (pod === undefined || pod.isEnding) return;
    const words = this.#words.get(pod.uid) ?? new Map<string, string>();
    if (rival === undefined) words.delete(state.link);
    else words.set(state.link, `${state.link}: ${rival.address} is in use by ${rival.mac}`);
    if (words.size === 0) this.#words.delete(pod.uid);
    else this.#words.set(pod.uid, words);
    const text = words.size === 0 ? null : [...words.values()].sort().join('; ');
    if ((pod.annotations[closedAnnotation] ?? null) === text) {
      this.#written.delete(pod.uid);
      return;
    }
    const written = this.#written.get(pod.uid);
    if (written?.text === text && performance.now() - written.at < repeatAfter) return;
    void this.#write(pod, text);
  }

  async #write({ namespace, name, uid }: NodePod, text: string | null): Promise<void> {
    const { api, log, signal } = this.#parts;
    this.#written.set(uid, { text, at: performance.now() });
    const metadata = { uid, annotations: { [closedAnnotation]: text } };
    try {
      await api.mergePatch(`/api/v1/namespaces/${namespace}/pods/${name}`, { metadata }, signal);
    } catch (error) {
      this.#written.delete(uid);
      log.debug({ err: error, pod: `${namespace}/${name}` }, 'Failed to annotate a pod with its closed routers');
    }
  }
}

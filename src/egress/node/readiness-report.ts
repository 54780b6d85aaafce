import type { DaemonLog } from '../../base/daemon/log.ts';
import type { KubeApi } from '../../base/kubernetes/cluster-api.ts';
import { readinessCondition } from '../model/readiness.ts';
import type { AttachmentState } from '../model/state.ts';
import type { NodePod } from './objects.ts';

/** Dependencies of {@link ReadinessReport}. */
export interface ReadinessReportParts {
  readonly api: KubeApi;
  readonly log: DaemonLog;
  readonly signal: AbortSignal;
  readonly podOf: (state: AttachmentState) => NodePod | undefined;
  /** Called when a pod with a router stops being ready. */
  readonly onUnready: (state: AttachmentState, message: string) => void;
}

/** Milliseconds after which a write is repeated if the API server still does not show it. */
const repeatAfter = 10_000;

/** Maximum characters of a condition's message. */
const longestMessage = 1000;

/** The last reported state of a router. */
interface Reported {
  readonly state: AttachmentState;
  /** Empty if the router is ready, undefined if its state is not known yet. */
  readonly problems: readonly string[] | undefined;
}

/**
 * Sets the condition that the readiness gate of router pods refers to. The report is level-triggered: it writes only if
 * the pod's condition differs, so it may be called at any rate. While the daemon does not run, the condition keeps its
 * last value.
 */
export class ReadinessReport {
  readonly #parts: ReadinessReportParts;
  /** Routers by pod UID and interface name. A pod is ready when all its routers are. */
  readonly #routers = new Map<string, Map<string, Reported>>();
  readonly #written = new Map<string, { readonly text: string; readonly at: number }>();

  constructor(parts: ReadinessReportParts) {
    this.#parts = parts;
  }

  /**
   * Reports what keeps a router from being ready. Never throws.
   *
   * @param problems empty if the router is ready; undefined if its state is not known yet, which changes nothing
   */
  show(state: AttachmentState, problems: readonly string[] | undefined): void {
    const pod = this.#parts.podOf(state);
    if (pod === undefined || pod.isEnding || !pod.hasReadinessGate) return;
    const routers = this.#routers.get(pod.uid) ?? new Map<string, Reported>();
    routers.set(state.link, { state, problems });
    this.#routers.set(pod.uid, routers);
    const all = [...routers.values()].map((one) => one.problems);
    if (all.includes(undefined)) return;
    const found = all.flatMap((list) => list ?? []);
    const status = found.length === 0 ? 'True' : 'False';
    const message = found.join('; ').slice(0, longestMessage);
    const shown = pod.readiness;
    if (shown?.status === status && (shown.message ?? '') === message) {
      this.#written.delete(pod.uid);
      return;
    }
    const text = `${status} ${message}`;
    const written = this.#written.get(pod.uid);
    if (written?.text === text && performance.now() - written.at < repeatAfter) return;
    this.#written.set(pod.uid, { text, at: performance.now() });
    if (status === 'False' && written?.text !== text) this.#parts.onUnready(state, message);
    const since = shown?.status === status ? shown.lastTransitionTime : undefined;
    void this.#write(pod, {
      type: readinessCondition,
      status,
      reason: status === 'True' ? 'RouterReady' : 'RouterNotReady',
      message,
      lastTransitionTime: since ?? new Date().toISOString().replace(/\.\d+/, ''),
    });
  }

  /** Forgets a router that is gone. */
  forget(state: AttachmentState): void {
    for (const [uid, routers] of this.#routers) {
      for (const [link, { state: known }] of routers)
        if (known.id.containerId === state.id.containerId && link === state.link) routers.delete(link);
      if (routers.size > 0) continue;
      this.#routers.delete(uid);
      this.#written.delete(uid);
    }
  }

  async #write({ namespace, name, uid }: NodePod, condition: object): Promise<void> {
    const { api, log, signal } = this.#parts;
    const path = `/api/v1/namespaces/${namespace}/pods/${name}/status`;
    try {
      await api.strategicPatch(path, { metadata: { uid }, status: { conditions: [condition] } }, signal);
    } catch (error) {
      this.#written.delete(uid);
      log.debug(
        { err: error, pod: `${namespace}/${name}` },
        'Failed to update the readiness condition of a router pod',
      );
    }
  }
}

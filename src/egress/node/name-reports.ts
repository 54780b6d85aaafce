import { BoundedFrequencyRunner } from '../../base/daemon/bounded-frequency-runner.ts';
import type { DaemonLog } from '../../base/daemon/log.ts';
import type { KubeApi } from '../../base/kubernetes/cluster-api.ts';
import { isStatus } from '../../base/kubernetes/status-patch.ts';
import {
  limitReport,
  type NameReport,
  type NameReports,
  readNameReports,
  writeNameReports,
} from '../api/name-report.ts';
import { namesAnnotation } from '../model/live-change.ts';
import type { AttachmentState } from '../model/state.ts';
import type { NodePod } from './objects.ts';

/** Dependencies of {@link PodNameReports}. */
export interface PodNameReportsParts {
  readonly api: KubeApi;
  readonly log: DaemonLog;
  readonly signal: AbortSignal;
  readonly podOf: (state: AttachmentState) => NodePod | undefined;
}

/**
 * Milliseconds. `between`: minimum between two writes to one pod, because the owner of a DNS zone decides how often its
 * addresses change. `lag`: how long a reported expiry may be in the past before it alone causes a write; a hundred
 * routers whose TTLs end every few seconds would otherwise keep the API server busy. `repeat`: after which a write is
 * repeated if the API server still does not show it. `tolerance`: difference of two times that are the same.
 */
const times = { combine: 50, between: 5000, lag: 300_000, repeat: 30_000, tolerance: 10_000 } as const;

interface Reported {
  state: AttachmentState;
  readonly byLink: Map<string, readonly NameReport[]>;
  readonly runner: BoundedFrequencyRunner;
  written?: { readonly text: string | null; readonly at: number };
}

/**
 * Annotates pods with the DNS names of their routers. The report is level-triggered: it may be called at any rate, and
 * writes if addresses or errors differ from the annotation.
 */
export class PodNameReports {
  readonly #parts: PodNameReportsParts;
  /** By UID of the pod. */
  readonly #pods = new Map<string, Reported>();

  constructor(parts: PodNameReportsParts) {
    this.#parts = parts;
  }

  /** Reports the names of a router; an empty list removes a previous report. Never throws. */
  show(state: AttachmentState, reports: readonly NameReport[]): void {
    const pod = this.#parts.podOf(state);
    if (pod === undefined || pod.isEnding) return;
    const known = this.#pods.get(pod.uid);
    if (known === undefined && reports.length === 0 && pod.annotations[namesAnnotation] === undefined) return;
    const reported = known ?? {
      state,
      byLink: new Map<string, readonly NameReport[]>(),
      runner: new BoundedFrequencyRunner(() => this.#sync(pod.uid), times.combine, times.between),
    };
    this.#pods.set(pod.uid, reported);
    reported.state = state;
    if (reports.length === 0) reported.byLink.delete(state.id.ifname);
    else reported.byLink.set(state.id.ifname, reports.map(limitReport));
    const text = compose(reported.byLink);
    if (!isShown(pod.annotations[namesAnnotation], text, Date.now())) reported.runner.request();
    else delete reported.written;
  }

  /** Forgets a router that is gone. */
  forget({ id }: AttachmentState): void {
    for (const [uid, { state, byLink, runner }] of this.#pods) {
      if (state.id.containerId !== id.containerId) continue;
      byLink.delete(id.ifname);
      if (byLink.size > 0) continue;
      runner.cancel();
      this.#pods.delete(uid);
    }
  }

  close(): void {
    for (const { runner } of this.#pods.values()) runner.cancel();
  }

  #sync(uid: string): void {
    const reported = this.#pods.get(uid);
    const pod = reported && this.#parts.podOf(reported.state);
    // Another pod may have the name by now.
    if (reported === undefined || pod === undefined || pod.uid !== uid || pod.isEnding) return;
    const text = compose(reported.byLink);
    if (isShown(pod.annotations[namesAnnotation], text, Date.now())) return;
    const { written, runner } = reported;
    const age = written?.text === text ? performance.now() - written.at : Number.POSITIVE_INFINITY;
    if (age < times.repeat) runner.request(times.repeat - age);
    else void this.#write(pod, text, reported);
  }

  async #write({ namespace, name, uid }: NodePod, text: string | null, reported: Reported): Promise<void> {
    const { api, log, signal } = this.#parts;
    reported.written = { text, at: performance.now() };
    const metadata = { uid, annotations: { [namesAnnotation]: text } };
    try {
      await api.mergePatch(`/api/v1/namespaces/${namespace}/pods/${name}`, { metadata }, signal);
    } catch (error) {
      delete reported.written;
      if (signal.aborted || isStatus(error, 404) || isStatus(error, 409)) return;
      log.debug({ err: error, pod: `${namespace}/${name}` }, 'Failed to annotate a pod with its DNS names; retrying');
      reported.runner.request(times.between);
    }
  }
}

function compose(byLink: NameReports): string | null {
  return byLink.size === 0 ? null : writeNameReports(byLink);
}

/** Returns whether an annotation shows a report, apart from times that need no write of their own. */
function isShown(shown: unknown, text: string | null, now: number): boolean {
  if (text === null || typeof shown !== 'string') return (shown ?? null) === text;
  if (shown === text) return true;
  const [is, wanted] = [readNameReports(shown), readNameReports(text)].map((reports) =>
    [...reports].flatMap(([link, own]) => own.map((report) => ({ link, report }))),
  );
  if (is === undefined || wanted === undefined || is.length !== wanted.length) return false;
  return wanted.every(({ link, report }, index) => {
    const other = is[index];
    return other !== undefined && other.link === link && isSameReport(other.report, report, now);
  });
}

function isSameReport(shown: NameReport, wanted: NameReport, now: number): boolean {
  const { expires, changed, ...rest } = wanted;
  const { expires: shownExpires, changed: shownChanged, ...shownRest } = shown;
  if (JSON.stringify(rest) !== JSON.stringify(shownRest) || !isNear(shownChanged, changed)) return false;
  if (shownExpires === undefined || expires === undefined) return shownExpires === expires;
  // A later expiry than the real one would promise too much.
  if (Date.parse(shownExpires) > Date.parse(expires) + times.tolerance) return false;
  return isNear(shownExpires, expires) || Date.parse(shownExpires) > now - times.lag;
}

function isNear(one: string | undefined, other: string | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  return Math.abs(Date.parse(one) - Date.parse(other)) <= times.tolerance;
}

import { type FSWatcher, mkdirSync, watch } from 'node:fs';
import { BoundedFrequencyRunner } from '../../base/daemon/bounded-frequency-runner.ts';
import { createDaemonServer, listen } from '../../base/daemon/http-server.ts';
import type { DaemonLog } from '../../base/daemon/log.ts';
import { isLoopback } from '../../base/daemon/metrics-access.ts';
import type { RunningDaemon } from '../../base/daemon/run.ts';
import type { KubeApi, Query } from '../../base/kubernetes/cluster-api.ts';
import { EventRecorder } from '../../base/kubernetes/events.ts';
import { clusterNames } from '../../base/kubernetes/names.ts';
import { ProblemBook } from '../../base/kubernetes/problem-book.ts';
import { reflect } from '../../base/kubernetes/reflector.ts';
import { judgeTokens } from '../../base/kubernetes/token-access.ts';
import { ClosureReport } from './closure-report.ts';
import { Installer } from './installer.ts';
import { LiveRouters } from './live-routers.ts';
import { NodeMetrics } from './metrics.ts';
import { PodNameReports } from './name-reports.ts';
import type { NodeOptions } from './node-options.ts';
import { readPod } from './objects.ts';
import { ReadinessReport } from './readiness-report.ts';
import { RouterNames } from './router-names.ts';
import type { NodeRouters } from './routers-api.ts';
import { askStanding } from './standing.ts';
import { RouterWatch } from './watch.ts';
import type { Wires } from './wires-api.ts';

/** Dependencies of the daemon. */
export interface NodeParts {
  readonly api: KubeApi;
  readonly routers: NodeRouters;
  readonly wires: Wires;
  readonly log: DaemonLog;
  /** Folder of the plugin's state files. */
  readonly stateFolder: string;
}

const definitionPath = '/apis/k8s.cni.cncf.io/v1/network-attachment-definitions';

/** Milliseconds to wait for the API server. A slower answer may mean that this node is the one that is cut off. */
const standingPatience = 1500;

/** Milliseconds. */
const rescan = { delay: 20, interval: 50, always: 30_000 };

/**
 * Starts the node daemon. It serves HTTP at once, and is ready when the plugin is installed and the pods and
 * definitions are listed. Rejects with an Error if it cannot listen on its port.
 */
export async function startNode(options: NodeOptions, parts: NodeParts): Promise<RunningDaemon> {
  const { api, routers, wires, log } = parts;
  const end = new AbortController();
  const problems = new ProblemBook(log, 'Cannot watch the API server');
  const waiting = new Set(['pods', 'definitions']);
  const events = new EventRecorder(api, clusterNames.node, log, options.node);
  const metrics = new NodeMetrics(() => live.attachments.length);
  const count = (outcome: string): void => metrics.changes.inc({ outcome });
  const names = new RouterNames({
    settings: options.names,
    routers,
    metrics,
    log,
    stateFolder: parts.stateFolder,
    tell: (state, words) => {
      const pod = live.podOf(state);
      if (pod === undefined) return;
      const { namespace, name, uid } = pod;
      void events.tell({ apiVersion: 'v1', kind: 'Pod', namespace, name, uid }, words, end.signal);
    },
    show: (state, reports) => nameReports.show(state, reports),
  });
  const nameReports = new PodNameReports({ api, log, signal: end.signal, podOf: (state) => live.podOf(state) });
  const live: LiveRouters = new LiveRouters({
    api,
    routers,
    events,
    log,
    count,
    prepare: (key, state, configuration) => names.prepare(key, state, configuration),
    answerNames: names.answerNames,
    signal: end.signal,
  });
  const installer = new Installer(options.installer, log);
  const closures = new ClosureReport({ api, log, signal: end.signal, podOf: (state) => live.podOf(state) });
  const readiness = new ReadinessReport({
    api,
    log,
    signal: end.signal,
    podOf: (state) => live.podOf(state),
    // The Event resembles the kubelet's for a failed probe. The controller shows it in the router's status.
    onUnready: (state, message) => {
      const pod = live.podOf(state);
      if (pod === undefined) return;
      const { namespace, name, uid } = pod;
      const about = { apiVersion: 'v1', kind: 'Pod', namespace, name, uid };
      void events.tell(about, { type: 'Warning', reason: 'Unhealthy', message }, end.signal);
    },
  });
  const watcher = new RouterWatch({
    routers,
    wires,
    metrics,
    events,
    log,
    times: options.times,
    routersOf: () => live.known,
    uidOf: (state) => live.podOf(state)?.uid,
    showClosure: (state, rival) => closures.show(state, rival),
    showReadiness: (state, problems) => readiness.show(state, problems),
    forgetReadiness: (state) => {
      readiness.forget(state);
      nameReports.forget(state);
    },
    isMissing: (state) => !waiting.has('pods') && state.pod !== undefined && live.podOf(state) === undefined,
    isEnding: (state) => live.podOf(state)?.isEnding === true,
    standingOf: (state, patience = standingPatience) => {
      const pod = live.podOf(state);
      if (state.pod === undefined || pod?.isEnding === true) return Promise.resolve('replaced');
      const meant = pod === undefined ? { node: options.node } : { uid: pod.uid };
      // A stale view cannot tell whether another node has taken over a router.
      return askStanding(api, state.pod, meant, patience, end.signal);
    },
  });
  const server = createDaemonServer({
    metrics: metrics.registry,
    ...(options.listen !== undefined &&
      !isLoopback(options.listen.address) && { judgeToken: judgeTokens(api, '/metrics', log) }),
    unreadiness: () => {
      const [first] = waiting;
      const place = first === undefined ? undefined : `${first} are not listed yet`;
      const reason = [place, installer.problem, problems.lines[0], routers.blindness].find((one) => one !== undefined);
      return reason === place && problems.lines[0] !== undefined ? `${place}: ${problems.lines[0]}` : reason;
    },
  });
  if (options.listen !== undefined) await listen(server, options.listen, ['--listen-address', '--listen-port']);
  const installing = installer.start();
  const follow = (place: string, path: string, sink: Sink, selection: Query): void => {
    const handler = {
      replace: (objects: readonly unknown[]) => {
        sink.replace(objects);
        waiting.delete(place);
      },
      put: sink.put,
      remove: sink.remove,
      absent: () => {
        waiting.delete(place);
        problems.report(place, 'the cluster has no such API');
      },
      report: (problem: string | undefined) => problems.report(place, problem),
    };
    void reflect(api, path, handler, end.signal, undefined, undefined, selection);
  };
  follow(
    'definitions',
    definitionPath,
    {
      replace: (objects) => live.replaceDefinitions(objects),
      put: (object) => live.putDefinition(object),
      remove: (object) => live.removeDefinition(object),
    },
    {},
  );
  follow(
    'pods',
    '/api/v1/pods',
    {
      replace: (objects) => {
        live.replacePods(objects);
        names.showAgain();
      },
      put: (object) => {
        live.putPod(object);
        const pod = readPod(object);
        if (pod !== undefined) names.showAgain(pod);
      },
      remove: (object) => live.removePod(object),
    },
    { fieldSelector: `spec.nodeName=${options.node}` },
  );
  await names.start();
  watcher.start();
  const blindness = new ProblemBook(log, 'Routers of this node cannot be seen');
  const rescanAll = (): void => {
    live.rescan();
    names.follow(live.known);
    blindness.report(parts.stateFolder, routers.blindness);
    watcher.look();
  };
  const states = watchStates(parts.stateFolder, rescanAll, log);
  return {
    stop: () => {
      end.abort();
      states.close();
      watcher.close();
      live.close();
      names.close();
      nameReports.close();
      server.close();
      server.closeAllConnections();
      return installing.stop();
    },
  };
}

interface Sink {
  readonly replace: (objects: readonly unknown[]) => void;
  readonly put: (object: unknown) => void;
  readonly remove: (object: unknown) => void;
}

/**
 * Calls `look` soon after the plugin wrote or deleted a state file, and every few seconds regardless of file system
 * notifications.
 */
function watchStates(folder: string, look: () => void, log: DaemonLog): { close(): void } {
  const runner = new BoundedFrequencyRunner(look, rescan.delay, rescan.interval);
  let watching: FSWatcher | undefined;
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    watching = watch(folder, () => runner.request());
    watching.on('error', (error) => log.debug({ err: error }, 'Failed to watch the folder of state files; polling it'));
  } catch (error) {
    log.warn({ err: error, folder }, 'Failed to watch the folder of state files; polling it every few seconds');
  }
  const timer = setInterval(look, rescan.always);
  look();
  return {
    close: () => {
      watching?.close();
      clearInterval(timer);
      runner.cancel();
    },
  };
}

import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import type { EngineReport } from '../haproxy/report.ts';
import type { HaproxyReport } from './haproxy-report-document.ts';

/**
 * State of HAProxy, with problems and cures.
 *
 * @param blockingWorkers old workers that leave too little memory for another worker
 */
export function describeHaproxy(report: EngineReport, blockingWorkers: number, directory: string): HaproxyReport {
  const { pid, version, workers, oldWorkers, reloads, restarts, waiting } = report;
  return {
    schema: 'ingress-agent.haproxy/v1',
    directory,
    ...(pid !== undefined && { pid }),
    ...(version !== undefined && { version }),
    workers,
    oldWorkers,
    reloads,
    restarts,
    waiting: Object.fromEntries(Array.from(waiting, ([cause, parts]) => [cause, [...parts]])),
    problems: [...judgeProcess(report, blockingWorkers), ...judgeFiles(directory)],
  };
}

type Problems = HaproxyReport['problems'];

function judgeProcess({ pid, workers, problem, refused }: EngineReport, blockingWorkers: number): Problems {
  const problems: { what: string; cure: string }[] = [];
  if (problem !== undefined) problems.push({ what: problem, cure: 'the agent tries again by itself; see its log' });
  if (pid === undefined || workers === 0) {
    problems.push({
      what: 'no worker of HAProxy runs',
      cure: 'the agent starts one again; see haproxy.log in the folder',
    });
  }
  if (blockingWorkers > 0) {
    const what = `${blockingWorkers} old workers still have connections and leave too little memory for another worker`;
    problems.push({ what, cure: 'raise the memory limit, or end old workers after a time with --hard-stop-after' });
  }
  for (const { kind, name, reason } of refused.slice(0, 10)) {
    problems.push({
      what: `${kind} ${name} is not served: ${reason}`,
      cure: 'mend the Route, whose status says the same',
    });
  }
  return problems;
}

/** The folder contains keys and the runtime socket, so only root may read it. */
function judgeFiles(directory: string): Problems {
  const problems: { what: string; cure: string }[] = [];
  const inspect = (path: string, isFolder: boolean) => {
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (stats === undefined) {
      problems.push({ what: `${path} is missing`, cure: 'restart the agent' });
    } else if ((stats.mode & 0o077) !== 0 || stats.isSymbolicLink()) {
      const cure = `chmod ${isFolder ? '0700' : '0600'} ${path}, and find out who changed it`;
      problems.push({ what: `${path} can be reached by others`, cure });
    }
  };
  inspect(directory, true);
  for (const name of ['admin.sock', 'master.sock']) inspect(join(directory, name), false);
  return problems;
}

import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import type { EngineReport } from '../haproxy/report.ts';
import type { HaproxyReport } from './haproxy-report-document.ts';

/**
 * Describes the state of HAProxy, with problems and how to fix them.
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
  if (problem !== undefined) problems.push({ what: problem, cure: 'wait until the agent retries, and read its log' });
  if (pid === undefined || workers === 0) {
    problems.push({
      what: 'no HAProxy worker is running',
      cure: 'wait until the agent restarts it, and read haproxy.log in the folder',
    });
  }
  if (blockingWorkers > 0) {
    const what = `${blockingWorkers} old workers still have connections and leave too little memory for another worker`;
    problems.push({ what, cure: 'raise the memory limit, or end old workers after a time with --hard-stop-after' });
  }
  for (const { kind, name, reason } of refused.slice(0, 10)) {
    problems.push({
      what: `${kind} ${name} is not served: ${reason}`,
      cure: 'fix the Route, whose status has the same message',
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
      const cure = `chmod ${isFolder ? '0700' : '0600'} ${path}and find out what changed it`;
      problems.push({ what: `${path} is accessible to other users`, cure });
    }
  };
  inspect(directory, true);
  for (const name of ['admin.sock', 'master.sock']) inspect(join(directory, name), false);
  return problems;
}

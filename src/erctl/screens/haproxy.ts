import type { HaproxyReport } from '../../ingress/http/haproxy-report-document.ts';
import type { Screen } from '../console.ts';
import { capitalise, renderText } from '../table.ts';

/** Renders `erctl inspect --ingress`. */
export function renderHaproxy(report: HaproxyReport, screen: Screen): string {
  const { pid, version, workers, oldWorkers, reloads, restarts, waiting, directory, problems } = report;
  const reloaded = Object.entries(reloads).filter(([, count]) => count > 0);
  const causes = reloaded.map(([cause, count]) => `${count} for ${cause}`).join(', ');
  const waits = Object.entries(waiting).map(([cause, parts]) => `${cause}: ${parts.slice(0, 3).join(', ')}`);
  const lines = [
    renderText(`HAProxy${version === undefined ? '' : ` ${version}`} of the ingress agent`, screen, '', 'bold'),
    renderText(`  process    ${pid === undefined ? 'none' : `${pid}, ${workers} worker, ${oldWorkers} old`}`, screen),
    renderText(`  files      ${directory}`, screen),
    renderText(
      `  reloads    ${causes === '' ? 'none' : causes}${restarts === 0 ? '' : `; restarted ${restarts} times`}`,
      screen,
    ),
    renderText(`  waiting    ${waits.length === 0 ? 'nothing' : waits.join('; ')}`, screen),
  ];
  if (problems.length === 0) return [...lines, renderText('Healthy.', screen, '', 'green')].join('');
  const count = `${problems.length} ${problems.length === 1 ? 'problem' : 'problems'}`;
  const told = problems.map(({ what, cure }, index) =>
    renderText(`${index + 1}. ${capitalise(what)}. Cure: ${cure}.`, screen, '   '),
  );
  return [...lines, renderText(`Not healthy: ${count}`, screen, '', 'red'), ...told].join('');
}

import type { TraceDocument } from '../../inspect/trace-document.ts';
import { paint, type Screen } from '../console.ts';
import { renderText } from '../table.ts';

/** The screen of `erctl trace`. */
export function renderTrace(document: TraceDocument, screen: Screen): string {
  const { packet, steps, attempt, problems, arrives, target } = document;
  const title = `${packet.protocol} ${packet.port} from ${packet.client}`;
  const tried =
    attempt === undefined
      ? ''
      : renderText(`Tried from the pod: ${attempt.target} ${attempt.outcome}, ${attempt.milliseconds} ms`, screen);
  const trouble = problems.map(({ what, cure }, index) =>
    paint(screen, 'red', renderText(`${index + 1}. ${what}. Cure: ${cure}.`, screen, '   ').trimEnd()),
  );
  return [
    paint(screen, 'bold', renderText(title, screen)),
    ...steps.map((step) => renderText(`  → ${step}`, screen, '    ')),
    tried,
    arrives
      ? paint(screen, 'green', renderText(`It gets to ${target}.`, screen))
      : paint(screen, 'red', renderText(describeFailure(document), screen)),
    trouble.length === 0 ? '' : `${trouble.join('\n')}\n`,
  ].join('');
}

function describeFailure({ goes, problems, attempt, target }: TraceDocument): string {
  if (goes !== 'redirected') return 'It goes to no destination.';
  if (problems.length > 0) return 'It does not get there, or is at risk:';
  return `It does not get there: ${attempt?.outcome ?? 'unknown'} from ${target}.`;
}

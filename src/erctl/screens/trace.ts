import type { TraceDocument } from '../../egress/inspect/trace-document.ts';
import type { Screen } from '../console.ts';
import { capitalise, renderText } from '../table.ts';

/** Renders `erctl trace`. */
export function renderTrace(document: TraceDocument, screen: Screen): string {
  const { packet, steps, attempt, problems, notes = [], arrives, target } = document;
  const title = `${packet.protocol} ${packet.port} from ${packet.client}`;
  const tried =
    attempt === undefined
      ? ''
      : renderText(`Tried from the pod: ${attempt.target} ${attempt.outcome}, ${attempt.milliseconds} ms`, screen);
  const trouble = problems.map(({ what, cure }, index) =>
    renderText(`${index + 1}. ${capitalise(what)}. Cure: ${cure}.`, screen, '   ', 'red'),
  );
  return [
    renderText(title, screen, '', 'bold'),
    ...steps.map((step) => renderText(`  → ${step}`, screen, '    ')),
    tried,
    ...notes.map((note) => renderText(`Note: ${note}.`, screen, '  ', 'yellow')),
    arrives
      ? renderText(
          `The connection reaches ${target}${notes.length === 0 ? '.' : ', unless a rule of the notes changes it.'}`,
          screen,
          '',
          'green',
        )
      : renderText(describeFailure(document), screen, '', 'red'),
    ...trouble,
  ].join('');
}

function describeFailure({ goes, problems, attempt, target }: TraceDocument): string {
  if (goes !== 'redirected') return 'The connection reaches no destination.';
  if (problems.length > 0) return 'The connection does not reach its destination, or is at risk:';
  return `The connection does not reach ${target}: ${attempt?.outcome ?? 'unknown'}.`;
}

import { escapeUnprintable } from '../../base/model/text.ts';
import type { Screen, Style } from '../console.ts';
import type { MigrateDocument, MigratedObject, MigrateFinding } from '../migrate/migrate-document.ts';
import { renderText } from '../table.ts';

const verdicts: Readonly<Record<MigratedObject['verdict'], readonly [words: string, style: Style]>> = {
  works: ['works as before', 'green'],
  differs: ['works, with differences', 'green'],
  partly: ['works, but functions are missing', 'yellow'],
  refused: ['is not served', 'red'],
  invalid: ['cannot be read', 'red'],
  skipped: ['skipped', 'dim'],
};

const outcomes: Readonly<Record<MigrateFinding['outcome'], Style>> = {
  works: 'green',
  differs: 'cyan',
  ignored: 'dim',
  refused: 'yellow',
  closed: 'red',
};

/** Renders `erctl migrate`: each object with its verdict, then what differs or is missing, and a summary. */
export function renderMigration({ objects }: MigrateDocument, screen: Screen): string {
  const shown = objects.filter(({ verdict }) => verdict !== 'skipped');
  const text = shown.map((one) => renderObject(one, screen)).join('');
  const count = (...wanted: readonly MigratedObject['verdict'][]) =>
    objects.filter(({ verdict }) => wanted.includes(verdict)).length;
  const skipped = count('skipped');
  const summary = [
    `${shown.length} ${shown.length === 1 ? 'object' : 'objects'}: ${count('works', 'differs')} work`,
    `${count('partly')} lack functions`,
    `${count('refused', 'invalid')} are not served`,
    ...(skipped === 0 ? [] : [`${skipped} of other kinds skipped`]),
  ].join(', ');
  return `${text}${renderText(`${summary}.`, screen, '', 'bold')}`;
}

function renderObject({ file, title, verdict, hosts, findings }: MigratedObject, screen: Screen): string {
  const [words, style] = verdicts[verdict];
  const where = hosts.length === 0 ? '' : ` (${hosts.slice(0, 5).join(', ')}${hosts.length > 5 ? ', …' : ''})`;
  const head = renderText(`${file === '-' ? 'standard input' : file}: ${title}${where}: ${words}`, screen, '', style);
  return `${head}${findings.map((finding) => renderFinding(finding, screen)).join('')}`;
}

function renderFinding({ subject, value, outcome, message, suggestion, line }: MigrateFinding, screen: Screen): string {
  const place = line === undefined ? '' : `line ${line}: `;
  const what = `${subject}${value === undefined ? '' : ` ${value}`}`;
  const text = `  ${outcome.padEnd(8)} ${place}${what}${message === undefined ? '' : `: ${message}`}`;
  const cure = suggestion === undefined ? '' : renderText(`           -> ${suggestion}`, screen, '             ');
  return `${renderText(escapeUnprintable(text), screen, '           ', outcomes[outcome])}${cure}`;
}

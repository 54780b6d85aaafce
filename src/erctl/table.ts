import stringWidth from 'string-width';
import wrapAnsi from 'wrap-ansi';
import { escapeUnprintable } from '../base/model/text.ts';
import { paint, type Screen, type Style } from './console.ts';

/** A cell: text from any source, and its style. */
export type Cell = string | number | { readonly text: string; readonly style: Style };

/** A column: its head, its alignment, and its behaviour on a narrow screen. */
export interface Column {
  readonly head: string;
  readonly align?: 'right';
  /** The column may be folded to this width. */
  readonly fold?: number;
  /** The column may be dropped; the lowest number is dropped first. */
  readonly drop?: number;
}

const gap = '  ';
/** If dropping and folding do not suffice, every column is folded to at least this width. */
const leastWidth = 7;

/**
 * Renders a table of text. On a narrow screen, columns that may be dropped are dropped first, then columns are
 * folded. In a pipe, everything is shown. No control character of a cell reaches the screen.
 */
export function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  screen: Screen,
  indent = '',
): string {
  const heads = columns.map(({ head }): Cell => (head === '' ? '' : { text: head, style: 'bold' }));
  const all = columns.every(({ head }) => head === '') ? rows : [heads, ...rows];
  const widths = columns.map((_, index) => Math.max(0, ...all.map((row) => stringWidth(plainText(row[index] ?? '')))));
  const room = screen.width === undefined ? Number.POSITIVE_INFINITY : screen.width - indent.length;
  const kept = chooseColumns(columns, widths, room);
  const keptColumns = kept.flatMap((index) => columns[index] ?? []);
  const fitted = fitWidths(
    keptColumns,
    kept.map((index) => widths[index] ?? 0),
    room - gap.length * (kept.length - 1),
  );
  return all
    .map((row) =>
      renderRow(
        keptColumns,
        kept.map((index) => row[index] ?? ''),
        fitted,
        screen,
        indent,
      ),
    )
    .join('');
}

/** Returns the positions of the columns to show. */
function chooseColumns(columns: readonly Column[], widths: readonly number[], room: number): number[] {
  let kept = columns.map((_, index) => index);
  const least = (): number =>
    kept.reduce(
      (sum, index) => sum + Math.min(widths[index] ?? 0, columns[index]?.fold ?? Number.POSITIVE_INFINITY),
      0,
    ) +
    gap.length * (kept.length - 1);
  while (least() > room) {
    const [first] = kept
      .filter((index) => columns[index]?.drop !== undefined)
      .sort((one, other) => (columns[one]?.drop ?? 0) - (columns[other]?.drop ?? 0));
    if (first === undefined) break;
    kept = kept.filter((index) => index !== first);
  }
  return kept;
}

/** Narrows the widest column that may be folded until all columns fit, and if necessary any column. */
function fitWidths(columns: readonly Column[], natural: readonly number[], room: number): number[] {
  const widths = [...natural];
  const { POSITIVE_INFINITY: unfolded } = Number;
  const stages = [
    columns.map(({ fold: to }) => to ?? unfolded),
    columns.map(({ fold: to }) => (to === undefined ? unfolded : leastWidth)),
    columns.map(() => leastWidth),
  ];
  for (const least of stages) {
    let excess = widths.reduce((sum, width) => sum + width, 0) - room;
    while (excess > 0) {
      const spare = widths.map((width, index) => (width > (least[index] ?? 0) ? width : 0));
      const widest = spare.indexOf(Math.max(...spare));
      if ((spare[widest] ?? 0) === 0) break;
      widths[widest] = (widths[widest] ?? 0) - 1;
      excess--;
    }
  }
  return widths;
}

function plainText(cell: Cell): string {
  return escapeUnprintable(typeof cell === 'object' ? cell.text : `${cell}`);
}

function renderRow(
  columns: readonly Column[],
  row: readonly Cell[],
  widths: readonly number[],
  screen: Screen,
  indent: string,
): string {
  const folded = columns.map((_, index) => fold(plainText(row[index] ?? ''), widths[index] ?? 0));
  const height = Math.max(1, ...folded.map((lines) => lines.length));
  let text = '';
  for (let line = 0; line < height; line++) {
    const cells = columns.map(({ align }, index) => {
      const part = folded[index]?.[line] ?? '';
      const padding = ' '.repeat(Math.max(0, (widths[index] ?? 0) - stringWidth(part)));
      const cell = row[index];
      const painted = typeof cell === 'object' && part !== '' ? paint(screen, cell.style, part) : part;
      const isLast = index === columns.length - 1;
      if (align === 'right') return padding + painted;
      return isLast ? painted : painted + padding;
    });
    text += `${indent}${cells.join(gap)}`.trimEnd();
    text += '\n';
  }
  return text;
}

function fold(text: string, width: number): string[] {
  return stringWidth(text) <= width ? [text] : wrapAnsi(text, width, { hard: true, trim: true }).split('\n');
}

/** Folds a paragraph to the width of the screen. Lines after the first are indented. */
export function renderText(text: string, screen: Screen, indent = '', style?: Style): string {
  const safe = escapeUnprintable(text);
  const lines =
    screen.width === undefined
      ? [safe]
      : wrapAnsi(safe, screen.width - indent.length, { hard: true, trim: false }).split('\n');
  return lines
    .map((line, index) => {
      // Leading blanks belong to the first line. Blanks at a fold are dropped.
      const part = index === 0 ? line.trimEnd() : line.trim();
      return `${index === 0 ? '' : indent}${style === undefined ? part : paint(screen, style, part)}\n`;
    })
    .join('');
}

/** Returns the text with a capital first letter. */
export function capitalise(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

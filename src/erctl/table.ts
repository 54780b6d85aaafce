import stringWidth from 'string-width';
import wrapAnsi from 'wrap-ansi';
import { escapeUnprintable } from '../base/model/text.ts';
import { paint, type Screen, type Style } from './console.ts';

/** One piece of a table: text from anywhere, and how it looks. */
export type Cell = string | number | { readonly text: string; readonly style: Style };

/** A column: its head, on which side its cells begin, and what becomes of it on a narrow screen. */
export interface Column {
  readonly head: string;
  readonly align?: 'right';
  /** May be folded down to so many characters. */
  readonly fold?: number;
  /** May be left out; the lowest number goes first. */
  readonly drop?: number;
}

const gap = '  ';
/** Where nothing else helps, every column is folded, but to no less than this. */
const leastWidth = 7;

/**
 * A table of text. Where the screen is too narrow, columns that may be left out are, and then those
 * that may be folded are; in a pipe all is shown. Whatever is in the cells, no control character
 * reaches the screen.
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

/** The columns that are shown, by their positions. */
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

/** Takes from the widest column that may be folded until all fit; in need from any. */
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

/** A paragraph folded to the screen; what follows the first line is indented. */
export function renderText(text: string, screen: Screen, indent = '', style?: Style): string {
  const safe = escapeUnprintable(text);
  const lines =
    screen.width === undefined
      ? [safe]
      : wrapAnsi(safe, screen.width - indent.length, { hard: true, trim: false }).split('\n');
  return lines
    .map((line, index) => {
      // Blanks at the beginning are the first line's own; those at a fold are not.
      const part = index === 0 ? line.trimEnd() : line.trim();
      return `${index === 0 ? '' : indent}${style === undefined ? part : paint(screen, style, part)}\n`;
    })
    .join('');
}

/** The text as a sentence begins. */
export function capitalise(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

import stringWidth from 'string-width';
import wrapAnsi from 'wrap-ansi';
import { escapeUnprintable } from '../model/text.ts';
import { paint, type Screen, type Style } from './console.ts';

/** One piece of a table: text from anywhere, and how it looks. */
export type Cell = string | number | { readonly text: string; readonly style: Style };

/** A column: its head, and on which side its cells begin. */
export interface Column {
  readonly head: string;
  readonly align?: 'right';
}

const gap = '  ';
/** No column gets narrower than this on a narrow screen, in characters. */
const leastWidth = 7;

/**
 * A table of text. Where the screen is too narrow the widest columns are folded; in a pipe nothing
 * is. Whatever is in the cells, no control character reaches the screen.
 */
export function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  screen: Screen,
  indent = '',
): string {
  const heads = columns.map(({ head }): Cell => (head === '' ? '' : { text: head, style: 'bold' }));
  const shown = columns.every(({ head }) => head === '') ? rows : [heads, ...rows];
  const widths = columns.map((_, index) =>
    Math.max(0, ...shown.map((row) => stringWidth(plainText(row[index] ?? '')))),
  );
  if (screen.width !== undefined) {
    shrink(widths, screen.width - indent.length - gap.length * (columns.length - 1));
  }
  return shown.map((row) => renderRow(columns, row, widths, screen, indent)).join('');
}

function plainText(cell: Cell): string {
  return escapeUnprintable(typeof cell === 'object' ? cell.text : `${cell}`);
}

/** Takes from the widest column until all fit, or none can give any more. */
function shrink(widths: number[], room: number): void {
  let excess = widths.reduce((sum, width) => sum + width, 0) - room;
  while (excess > 0) {
    const widest = widths.indexOf(Math.max(...widths));
    const width = widths[widest] ?? 0;
    if (width <= leastWidth) return;
    widths[widest] = width - 1;
    excess--;
  }
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
      const painted = typeof cell === 'object' ? paint(screen, cell.style, part) : part;
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

/** Paragraphs folded to the screen; what follows the first line is indented. */
export function renderText(text: string, screen: Screen, indent = ''): string {
  const safe = escapeUnprintable(text);
  if (screen.width === undefined) return `${safe}\n`;
  const lines = wrapAnsi(safe, screen.width - indent.length, { hard: true }).split('\n');
  return `${lines.map((line, index) => (index === 0 ? line : indent + line)).join('\n')}\n`;
}

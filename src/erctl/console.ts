import { readFileSync, writeSync } from 'node:fs';
import { styleText } from 'node:util';

/** What a terminal shows, or a pipe takes. */
export interface Screen {
  /** Columns; absent: lines may be as long as they are, as in a pipe. */
  readonly width?: number;
  readonly colour: boolean;
}

/** How a piece of text looks on a screen with colours. */
export type Style = 'red' | 'green' | 'yellow' | 'cyan' | 'bold' | 'dim';

/** Where a command reads and writes. */
export interface Console {
  readonly screen: Screen;
  /** Lines of the terminal; of a pipe, as many as there are. */
  readonly rows: number;
  /** Whether standard output is a terminal. */
  readonly isTerminal: boolean;
  out(text: string): void;
  err(text: string): void;
  /** A file, or standard input for `-`. Throws the file system's error. */
  read(path: string): string;
}

/** Of terminals that do not tell their size. */
const usualWidth = 80;
const usualHeight = 24;

/** On narrower terminals lines are broken by the terminal. */
const leastWidth = 40;

/** Colours only on a terminal, and not when NO_COLOR is set to anything (no-color.org). */
export function openConsole(environment: Readonly<Record<string, string | undefined>>): Console {
  const isTerminal = process.stdout.isTTY === true;
  const plain = (environment.NO_COLOR ?? '') !== '' || environment.TERM === 'dumb';
  return {
    // Asked each time: a terminal changes its size while we watch.
    get screen() {
      return {
        ...(isTerminal && { width: Math.max(process.stdout.columns || usualWidth, leastWidth) }),
        colour: isTerminal && !plain,
      };
    },
    get rows() {
      return isTerminal ? process.stdout.rows || usualHeight : Number.POSITIVE_INFINITY;
    },
    isTerminal,
    out: (text) => write(1, text),
    err: (text) => write(2, text),
    read: (path) => readFileSync(path === '-' ? 0 : path, 'utf8'),
  };
}

/** Synchronously, so that nothing is lost when the process ends; a reader that went away ends us quietly. */
function write(fd: 1 | 2, text: string): void {
  let rest = Buffer.from(text);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(fd, rest));
    } catch (error) {
      const code = (error as { code?: unknown }).code;
      if (code === 'EPIPE') process.exit(0);
      if (code !== 'EAGAIN') throw error;
    }
  }
}

/** The text in a style, where the screen has colours. */
export function paint(screen: Screen, style: Style, text: string): string {
  return screen.colour ? styleText(style, text, { validateStream: false }) : text;
}

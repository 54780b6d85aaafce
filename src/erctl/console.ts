import { readFileSync, writeSync } from 'node:fs';
import { styleText } from 'node:util';

/** Properties of a terminal or pipe. */
export interface Screen {
  /** Columns. Absent: lines have no maximum length, as in a pipe. */
  readonly width?: number;
  readonly colour: boolean;
}

/** Style of a text on a screen with colors. */
export type Style = 'red' | 'green' | 'yellow' | 'cyan' | 'bold' | 'dim';

/** Input and output of a command. */
export interface Console {
  readonly screen: Screen;
  /** Rows of the terminal; unlimited for a pipe. */
  readonly rows: number;
  /** Whether standard output is a terminal. */
  readonly isTerminal: boolean;
  out(text: string): void;
  err(text: string): void;
  /** Reads a file, or standard input for `-`. Throws the file system's error. */
  read(path: string): string;
}

/** Width of terminals that do not report one. */
const usualWidth = 80;
const usualHeight = 24;

/** Narrower terminals wrap the lines themselves. */
const leastWidth = 40;

/** Opens the console. Colors are used on a terminal only, and not if NO_COLOR is set (no-color.org). */
export function openConsole(environment: Readonly<Record<string, string | undefined>>): Console {
  const isTerminal = process.stdout.isTTY === true;
  const plain = (environment.NO_COLOR ?? '') !== '' || environment.TERM === 'dumb';
  return {
    // Read each time, because a terminal can be resized during `watch`.
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

/** Writes synchronously, so that nothing is lost on exit. If the reader has gone, the process exits silently. */
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

/** Returns the text in a style if the screen has colors. */
export function paint(screen: Screen, style: Style, text: string): string {
  return screen.colour ? styleText(style, text, { validateStream: false }) : text;
}

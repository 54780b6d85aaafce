import type { Console, Screen } from '../../../src/erctl/console.ts';
import { runErctl } from '../../../src/erctl/program.ts';

/** How a command ended, and what it wrote. */
export interface Called {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

/** Runs erctl in this process. `files` are what it may read, by name; `-` is standard input. */
export async function call(
  args: readonly string[],
  files: Readonly<Record<string, string>> = {},
  screen: Screen = { colour: false },
): Promise<Called> {
  const written = { out: '', err: '' };
  const console: Console = {
    screen,
    rows: 24,
    isTerminal: false,
    out: (text) => {
      written.out += text;
    },
    err: (text) => {
      written.err += text;
    },
    read: (path) => {
      const text = files[path];
      if (text === undefined) throw new Error('ENOENT: no such file or directory');
      return text;
    },
  };
  const status = await runErctl(args, '1.2.3', console);
  return { status, ...written };
}

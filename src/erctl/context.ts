import type { Console } from './console.ts';
import type { ExitCode } from './failure.ts';

/** Everything that a command works with. */
export interface CommandContext {
  readonly console: Console;
  /** Tells how the command ended; the last word counts. */
  readonly finish: (code: ExitCode) => void;
}

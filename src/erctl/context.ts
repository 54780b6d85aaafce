import type { Console } from './console.ts';
import type { ExitCode } from './failure.ts';

/** Dependencies of a command. */
export interface CommandContext {
  readonly console: Console;
  /** Sets the exit code. The last call wins. */
  readonly finish: (code: ExitCode) => void;
}

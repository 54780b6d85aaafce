import { writeSync } from 'node:fs';
import { basename } from 'node:path';
import { type Environment, OptionsError } from './reader.ts';
import { version } from './version.ts';

/**
 * The options of this process. Ends it where help or the version was asked for (0), and where options cannot be
 * followed (2), which is told on standard error.
 *
 * @param parse throws an {@link OptionsError}; undefined: help was asked for
 */
export function readCommandLine<Options>(
  parse: (args: readonly string[], environment: Environment) => Options | undefined,
  formatHelp: () => string,
): Options {
  if (process.argv.slice(2).includes('--version')) {
    writeSync(1, `${basename(process.argv0)} ${version}\n`);
    process.exit(0);
  }
  try {
    const options = parse(process.argv.slice(2), process.env);
    if (options !== undefined) return options;
  } catch (error) {
    if (!(error instanceof OptionsError)) throw error;
    writeSync(2, `${error.message}\n`);
    process.exit(2);
  }
  writeSync(1, formatHelp());
  process.exit(0);
}

import { writeSync } from 'node:fs';
import { basename } from 'node:path';
import { type Environment, OptionsError } from './reader.ts';
import { version } from './version.ts';

/**
 * Returns the options of this process. Exits with 0 after printing help or the version, or with 2 after printing
 * invalid options to standard error.
 *
 * @param parse throws an {@link OptionsError}; returns undefined for --help
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

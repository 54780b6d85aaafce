import type { Command } from 'commander';
import type { CommandContext } from '../context.ts';

/** `erctl version`: prints the version of the programs, which are released together. */
export function addVersion(program: Command, { console }: CommandContext): void {
  program
    .command('version')
    .description('print the version')
    .addHelpText('after', '\nExamples:\n  $ erctl version\n')
    .action(() => console.out(`${program.version() ?? ''}\n`));
}

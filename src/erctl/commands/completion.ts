import { Argument, type Command } from 'commander';
import { renderCompletion, type Shell, shells } from '../completion.ts';
import type { CommandContext } from '../context.ts';

/** `erctl completion`: prints a shell completion script. */
export function addCompletion(program: Command, { console }: CommandContext): void {
  program
    .command('completion')
    .description('print a completion script for a shell')
    .addArgument(new Argument('<shell>', 'the shell').choices(shells))
    .addHelpText(
      'after',
      '\nExamples:\n  $ source <(erctl completion bash)\n  $ source <(erctl completion zsh)\n  $ erctl completion fish | source\n',
    )
    .action((shell: Shell) => console.out(renderCompletion(program, shell)));
}

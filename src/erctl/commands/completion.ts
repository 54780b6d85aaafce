import { Argument, type Command } from 'commander';
import { renderCompletion, type Shell, shells } from '../completion.ts';
import type { CommandContext } from '../context.ts';

/** `erctl completion`: teaches a shell the commands and options. */
export function addCompletion(program: Command, { console }: CommandContext): void {
  program
    .command('completion')
    .description('print the completion of commands and options for a shell')
    .addArgument(new Argument('<shell>', 'which shell').choices(shells))
    .addHelpText(
      'after',
      '\nExamples:\n  $ source <(erctl completion bash)\n  $ source <(erctl completion zsh)\n  $ erctl completion fish | source\n',
    )
    .action((shell: Shell) => console.out(renderCompletion(program, shell)));
}

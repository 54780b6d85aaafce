import { Command, CommanderError } from 'commander';
import { KernelError } from '../base/linux/kernel-error.ts';
import { escapeLines, escapeUnprintable } from '../base/model/text.ts';
import { addAddresses } from './commands/addresses.ts';
import { addCompletion } from './commands/completion.ts';
import { addInspect } from './commands/inspect.ts';
import { addList } from './commands/list.ts';
import { addLogs } from './commands/logs.ts';
import { addRender } from './commands/render.ts';
import { addRoutes } from './commands/routes.ts';
import { addSchema } from './commands/schema.ts';
import { addTrace } from './commands/trace.ts';
import { addValidate } from './commands/validate.ts';
import { addVersion } from './commands/version.ts';
import { addTop, addWatch } from './commands/watch.ts';
import type { Console } from './console.ts';
import type { CommandContext } from './context.ts';
import { ErctlError, type ExitCode, exitCodes } from './failure.ts';

/** Builds the whole command line. Commands report their exit code through the context. */
export function makeProgram(version: string, context: CommandContext): Command {
  const { console } = context;
  const program = new Command('erctl')
    .description('Shows egress routers, their traffic and their problems.')
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .showHelpAfterError('(add --help for help)')
    .configureOutput({
      writeOut: (text) => console.out(text),
      // The text repeats arguments, which may contain control characters.
      writeErr: (text) => console.err(escapeLines(text)),
      getOutHelpWidth: () => console.screen.width ?? 100,
      getErrHelpWidth: () => console.screen.width ?? 100,
      getOutHasColors: () => console.screen.colour,
      getErrHasColors: () => false,
    })
    .exitOverride();
  const commands = [
    addInspect,
    addTrace,
    addList,
    addWatch,
    addTop,
    addLogs,
    addRoutes,
    addAddresses,
    addValidate,
    addRender,
    addSchema,
    addCompletion,
    addVersion,
  ];
  for (const add of commands) add(program, context);
  // The list of commands shows the first sentence of each description; the command's own help shows all.
  for (const command of program.commands) command.summary(firstSentence(command.description()));
  return program;
}

function firstSentence(text: string): string {
  return text.split(/[.:] /, 1)[0]?.replace(/\.$/, '') ?? '';
}

/** Runs one command line. Never throws: errors are written to standard error with exit code 2. */
export async function runErctl(args: readonly string[], version: string, console: Console): Promise<ExitCode> {
  let code: ExitCode = exitCodes.healthy;
  const program = makeProgram(version, {
    console,
    finish: (ended) => {
      code = ended;
    },
  });
  try {
    await program.parseAsync(args, { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.healthy : exitCodes.cannotLook;
    const known = error instanceof ErctlError || error instanceof KernelError;
    const words = error instanceof Error ? error.message : String(error);
    console.err(`erctl: ${known ? '' : 'internal error: '}${escapeUnprintable(words)}\n`);
    return exitCodes.cannotLook;
  }
}

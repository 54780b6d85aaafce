import { type Command, InvalidArgumentError } from 'commander';
import { escapeUnprintable } from '../../base/model/text.ts';
import { selectCalls } from '../../egress/inspect/log-calls.ts';
import { FileStateStore } from '../../egress/linux/state/state-store.ts';
import type { AttachmentState } from '../../egress/model/state.ts';
import type { CommandContext } from '../context.ts';
import { ErctlError, exitCodes } from '../failure.ts';
import { findTarget, type TargetOptions } from '../target.ts';

interface LogsOptions extends TargetOptions {
  readonly tail?: number;
}

/** Used for routers whose state does not record the file: the plugin's default. */
const defaultFile = '/tmp/egress-router-log';

/** `erctl logs`: prints what the plugin logged about one router. */
export function addLogs(program: Command, { console, finish }: CommandContext): void {
  const command = program
    .command('logs')
    .description(
      "print the plugin's log of a router, with the calls that set it up and changed it. The log names no pods: a call " +
        'belongs to the router if it mentions a reserved address of the router.',
    )
    .option('--pod <namespace/name>', 'the router of this pod')
    .option('--attachment <id>', 'container ID or its beginning; CONTAINER@INTERFACE selects one of several routers')
    .option('--interface <name>', 'only the router of this interface')
    .option('--tail <lines>', 'only the last lines', readLines)
    .addHelpText(
      'after',
      `
Examples:
  $ erctl logs                               # the node's only router
  $ erctl logs --pod shop/egress-1 --tail 20 # the last 20 lines
`,
    );
  command.action((options: LogsOptions) => {
    const store = new FileStateStore();
    const target = findTarget(options, store);
    const states = store
      .list()
      .filter(({ netns, link }) => netns.inode === target.inode && (target.link ?? link) === link);
    const lines = readFiles(states).flatMap(({ text, addresses }) => selectCalls(text, addresses));
    if (lines.length === 0) {
      console.err('No call of the plugin in the log mentions an address of this router.\n');
      finish(exitCodes.problems);
      return;
    }
    for (const text of lines.slice(-(options.tail ?? lines.length))) console.out(`${escapeUnprintable(text)}\n`);
  });

  /** Reads each file once, with the one that was rotated before it. */
  function readFiles(states: readonly AttachmentState[]): { text: string; addresses: string[] }[] {
    const byFile = Map.groupBy(states, (state) => state.router?.logFile ?? defaultFile);
    return Array.from(byFile, ([file, owners]) => ({
      text: `${read(`${file}.1`, true)}${read(file, false)}`,
      addresses: owners.flatMap(({ addresses }) => addresses.map(({ address }) => address.text)),
    }));
  }

  function read(file: string, isOptional: boolean): string {
    try {
      return console.read(file);
    } catch (error) {
      if (isOptional) return '';
      const reason = error instanceof Error ? error.message : String(error);
      throw new ErctlError(`Cannot read the plugin's log ${file}: ${reason}`);
    }
  }
}

function readLines(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError('Must be a number of lines from 1 to 999999.');
  return Number(text);
}

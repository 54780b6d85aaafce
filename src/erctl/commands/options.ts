import { type Command, InvalidArgumentError, Option } from 'commander';
import { parseSuffixes, suffixesCure } from '../../egress/api/dns-name.ts';

/** Output format of a document. */
export type OutputFormat = 'text' | 'json';

/** Adds `--output` and examples to the help. */
export function withOutput(command: Command, examples: readonly (readonly [line: string, meaning: string])[]): Command {
  const width = Math.max(...examples.map(([line]) => line.length));
  const lines = examples.map(([line, meaning]) => `  $ erctl ${line.padEnd(width)}  # ${meaning}\n`);
  return command
    .addOption(new Option('-o, --output <format>', 'output format').choices(['text', 'json']).default('text'))
    .addHelpText('after', `\nExamples:\n${lines.join('')}`);
}

/** Adds the options that select a router. */
export function withTarget(command: Command): Command {
  return command
    .option('--pod <namespace/name>', 'the router of this pod')
    .option('--attachment <id>', 'container ID or its beginning; CONTAINER@INTERFACE selects one of several routers')
    .option('--netns <path>', 'path of the network namespace, or its name in "ip netns"')
    .option('--pid <number>', 'process ID in the pod')
    .option('--interface <name>', 'only the router of this interface');
}

/** Adds `--allow-names`, which has the value and the variable of the node daemon's option. */
export function withAllowedNames(command: Command): Command {
  const read = (text: string): readonly string[] => {
    const suffixes = parseSuffixes(text);
    if (suffixes === undefined) throw new InvalidArgumentError(`It ${suffixesCure}.`);
    return suffixes;
  };
  const option = new Option('--allow-names <suffix,...>', 'names inside the cluster that are allowed as destinations');
  return command.addOption(option.argParser(read).default([], 'none').env('ALLOW_NAMES'));
}

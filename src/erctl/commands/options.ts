import { type Command, Option } from 'commander';

/** How a document is written. */
export type OutputFormat = 'text' | 'json';

/** Adds `--output`, and examples to the help. */
export function withOutput(command: Command, examples: readonly (readonly [line: string, meaning: string])[]): Command {
  const width = Math.max(...examples.map(([line]) => line.length));
  const lines = examples.map(([line, meaning]) => `  $ erctl ${line.padEnd(width)}  # ${meaning}\n`);
  return command
    .addOption(new Option('-o, --output <format>', 'how to write the answer').choices(['text', 'json']).default('text'))
    .addHelpText('after', `\nExamples:\n${lines.join('')}`);
}

/** Adds the ways to say which router is meant. */
export function withTarget(command: Command): Command {
  return command
    .option('--pod <namespace/name>', 'the router of this pod')
    .option('--attachment <id>', 'the container, or the beginning of its ID; CONTAINER@INTERFACE for one of several')
    .option('--netns <path>', 'the network namespace, as a path or as "ip netns" names it')
    .option('--pid <number>', 'a process in the pod')
    .option('--interface <name>', 'only the router of this interface');
}

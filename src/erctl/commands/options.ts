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

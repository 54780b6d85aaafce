/** One option of a command line. */
export interface OptionRow {
  /** What stands for the value in `--help`, with its unit; absent: a switch. */
  readonly value?: string;
  /** What it does. */
  readonly help: string;
  /** The environment variable that is its default. */
  readonly variable?: string;
  /** The default, in the form in which it would be written. */
  readonly initial?: string;
  /** A wrong value of the variable counts as absent, with a warning, as in the program that defined the variable. */
  readonly fallsBack?: true;
}

/** Every option of a program by name, without the dashes, in the order of `--help`. */
export type OptionTable<Name extends string> = Readonly<Record<Name, OptionRow>>;

/** A table whose keys are the names of the options: `keyof typeof table` is their type. */
export function defineOptions<Name extends string>(table: Record<Name, OptionRow>): OptionTable<Name> {
  return table;
}

/** The text of `--help`: `usage` and what the program does, then a line for each option. */
export function formatOptionHelp(head: readonly string[], table: OptionTable<string>): string {
  const rows = Object.entries(table).map(([name, row]) => {
    const left = row.value === undefined ? `--${name}` : `--${name} ${row.value}`;
    const notes = [
      ...(row.initial === undefined ? [] : [`default ${row.initial}`]),
      ...(row.variable === undefined ? [] : [`$${row.variable}`]),
    ];
    return `  ${left.padEnd(32)} ${row.help}${notes.length === 0 ? '' : ` (${notes.join(', ')})`}`;
  });
  return [...head, '', 'A flag takes precedence over its environment variable, shown as $NAME.', '', ...rows, ''].join(
    '\n',
  );
}

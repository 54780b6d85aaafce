/** One option of a command line. */
export interface OptionRow {
  /** Placeholder of the value in `--help`, with its unit; absent for a switch. */
  readonly value?: string;
  /** What the option does. */
  readonly help: string;
  /** Environment variable that supplies the default. */
  readonly variable?: string;
  /** Default value, as written on the command line. */
  readonly initial?: string;
  /** Heading in `--help` above this option and those that follow. */
  readonly heading?: string;
  /** May be given several times. */
  readonly repeats?: true;
  /** An invalid variable is ignored with a warning, as in the program that defined the variable. */
  readonly fallsBack?: true;
}

/** Options of a program by name, without dashes, in the order of `--help`. */
export type OptionTable<Name extends string> = Readonly<Record<Name, OptionRow>>;

/** Defines a table and infers the type of its option names. */
export function defineOptions<Name extends string>(table: Record<Name, OptionRow>): OptionTable<Name> {
  return table;
}

/** The format of durations. */
const timeHelp = 'TIME is a duration such as 30s or 1m30s, in us, ms, s, m, h or d; without a unit in milliseconds.';

/** Formats the text of `--help`: the head, then a line for each option. */
export function formatOptionHelp(head: readonly string[], table: OptionTable<string>): string {
  const rows = Object.entries(table).flatMap(([name, row]) => {
    const left = row.value === undefined ? `--${name}` : `--${name} ${row.value}`;
    const notes = [
      ...(row.initial === undefined ? [] : [`default ${row.initial}`]),
      ...(row.variable === undefined ? [] : [`$${row.variable}`]),
    ];
    const line = `  ${left.padEnd(32)} ${row.help}${notes.length === 0 ? '' : ` (${notes.join(', ')})`}`;
    return row.heading === undefined ? [line] : ['', `${row.heading}:`, line];
  });
  const times = Object.values(table).some(({ value }) => value === 'TIME') ? [timeHelp] : [];
  const notes = ['A flag takes precedence over its environment variable, shown as $NAME.', ...times];
  const isGrouped = Object.values(table)[0]?.heading !== undefined;
  return [...head, '', ...notes, ...(isGrouped ? [] : ['']), ...rows, ''].join('\n');
}

import { parseArgs } from 'node:util';
import { boolCure, parseBool } from '../read/parse-bool.ts';
import { showValue } from '../read/show-value.ts';
import type { OptionTable } from './table.ts';

/** Environment variables of a process. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Thrown for invalid options; the message has one line for each. */
export class OptionsError extends Error {}

type Flags = Readonly<Record<string, string | boolean | readonly string[] | undefined>>;

/** Reads options from the flag, the environment variable or the default, in this order. Collects problems. */
export class OptionReader<Name extends string> {
  readonly problems: string[] = [];
  /** Variables that are ignored because their values are invalid, one line each. */
  readonly warnings: string[] = [];
  readonly #table: OptionTable<Name>;
  readonly #flags: Flags;
  readonly #environment: Environment;

  /** Throws an {@link OptionsError} for a flag that is not in the table. */
  constructor(table: OptionTable<Name>, args: readonly string[], environment: Environment) {
    this.#table = table;
    this.#flags = parseFlags(table, args);
    this.#environment = environment;
  }

  /** Returns the value; undefined if it is absent or invalid. `cure` states the expected value. */
  read<Value>(name: Name, parse: (text: string) => Value | undefined, cure = ''): Value | undefined {
    const { variable, initial, fallsBack } = this.#table[name];
    const flag = this.#flags[name];
    // Manifests write an empty variable for "not set".
    const fromVariable = variable === undefined ? undefined : this.#environment[variable] || undefined;
    const text = typeof flag === 'string' ? flag : (fromVariable ?? initial);
    if (text === undefined) return undefined;
    const value = parse(text);
    if (value !== undefined) return value;
    const isFlag = typeof flag === 'string' || variable === undefined;
    if (!isFlag && fallsBack === true && fromVariable !== undefined) {
      const used = initial === undefined ? 'ignoring it' : `using the default ${showValue(initial)}`;
      this.warnings.push(`${variable} ${showValue(text)}: ${cure}; ${used}`);
      return initial === undefined ? undefined : parse(initial);
    }
    this.problems.push(`${isFlag ? `--${name}` : variable} ${showValue(text)}: ${cure}`);
    return undefined;
  }

  /** Returns the values of a flag that may be given several times, as written. */
  readAll(name: Name): readonly string[] {
    const flag = this.#flags[name];
    return Array.isArray(flag) ? (flag as readonly string[]) : [];
  }

  /** Returns whether a switch is set: by its flag, or by a variable that means true to {@link parseBool}. */
  isSet(name: Name): boolean {
    if (this.#flags[name] === true) return true;
    const { variable } = this.#table[name];
    const text = variable === undefined ? undefined : this.#environment[variable];
    if (!text) return false;
    const value = parseBool(text);
    if (value === undefined) this.warnings.push(`${variable} ${showValue(text)}: ${boolCure}; the option stays off`);
    return value === true;
  }

  /** Returns whether the variable of an option is explicitly false, and no flag sets the option. */
  isDenied(name: Name): boolean {
    const { variable } = this.#table[name];
    const text = variable === undefined ? undefined : this.#environment[variable];
    return this.#flags[name] !== true && text !== undefined && parseBool(text) === false;
  }

  /** Throws an {@link OptionsError} that names each invalid option, its value and the expected value. */
  finish(): void {
    if (this.problems.length > 0) throw new OptionsError(this.problems.join('\n'));
  }
}

function parseFlags(table: OptionTable<string>, args: readonly string[]): Flags {
  const options = Object.fromEntries(
    Object.entries(table).map(([name, { value, repeats = false }]) => [
      name,
      { type: value === undefined ? ('boolean' as const) : ('string' as const), multiple: repeats },
    ]),
  );
  try {
    return parseArgs({ args: [...args], options, strict: true, allowPositionals: false }).values as Flags;
  } catch (error) {
    throw new OptionsError(`${error instanceof Error ? error.message : String(error)} (--help lists all options)`);
  }
}

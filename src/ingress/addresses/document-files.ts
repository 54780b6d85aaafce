import { readFileSync, statSync } from 'node:fs';
import * as z from 'zod/mini';
import { addressFiles, type Keys, keysSchema, type Wanted, wantedSchema } from './documents.ts';

/** The agent's files, read again after each replacement. An invalid file changes nothing and is reported once. */
export class DocumentFiles {
  wanted: Wanted | undefined;
  keys: Keys['keys'] = [];
  readonly #folder: string;
  readonly #onProblem: (message: string) => void;
  readonly #seen = new Map<string, string>();
  /** The last error of each file that could not be read. */
  readonly #errors = new Map<string, string>();
  #changedAt: number;

  /** @param now milliseconds of a monotonic clock */
  constructor(folder: string, now: number, onProblem: (message: string) => void) {
    this.#folder = folder;
    this.#onProblem = onProblem;
    this.#changedAt = now;
  }

  /** Milliseconds since the agent last replaced `wanted.json`, or since this process started. */
  ageAt(now: number): number {
    return now - this.#changedAt;
  }

  /** Reads files that changed. Returns whether any did. */
  poll(now: number): boolean {
    const isChanged = this.#read(addressFiles.wanted, wantedSchema, false, (wanted) => {
      this.wanted = wanted;
      this.#changedAt = now;
    });
    return this.#read(addressFiles.keys, keysSchema, true, ({ keys }) => (this.keys = keys)) || isChanged;
  }

  #read<Schema extends z.core.$ZodType>(
    name: string,
    schema: Schema,
    isSecret: boolean,
    use: (value: z.output<Schema>) => void,
  ): boolean {
    const path = `${this.#folder}/${name}`;
    let text: string;
    try {
      const { ino, mtimeNs, size, mode } = statSync(path, { bigint: true });
      // The mode, too: a file that other users could read counts as soon as they no longer can.
      const version = `${ino} ${mtimeNs} ${size} ${mode}`;
      if (this.#seen.get(name) === version) return false;
      text = readFileSync(path, 'utf8');
      this.#seen.set(name, version);
      this.#errors.delete(name);
      if (isSecret && (mode & 0o077n) !== 0n) {
        this.#onProblem(`Cannot use ${path}: other users can read it; run "chmod 0600 ${path}"`);
        return false;
      }
    } catch (error) {
      if ((error as { code?: unknown }).code === 'ENOENT' || this.#errors.get(name) === String(error)) return false;
      // The next poll tries again, because the cause may be temporary.
      this.#errors.set(name, String(error));
      this.#onProblem(`Cannot read ${path}: ${String(error)}`);
      return false;
    }
    try {
      const result = z.safeParse(schema, JSON.parse(text));
      if (result.success) {
        use(result.data);
        return true;
      }
      const [issue] = result.error.issues;
      this.#onProblem(`Cannot use ${path}: ${issue?.path.join('.')}: ${issue?.message}`);
    } catch {
      // The error would quote the text, which may be secret.
      this.#onProblem(`Cannot use ${path}: it is not JSON`);
    }
    return false;
  }
}

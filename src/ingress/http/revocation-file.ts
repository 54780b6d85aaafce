import { readFileSync } from 'node:fs';
import type { OptionReader } from '../../base/daemon/reader.ts';
import { readRevocationLists } from '../../base/read/revocation-list.ts';
import type { HttpOptionName } from './option-table.ts';

/** Interval between checks of the file, in milliseconds. */
const pollInterval = 5000;

/**
 * The file with the revocation lists of client certificates (`--mutual-tls-auth-crl`). It is read periodically: lists
 * are renewed every few hours. While it is unreadable or has no lists, the last ones stay in use, because HAProxy would
 * reject every change of its configuration.
 */
export class RevocationFile {
  readonly #path: string;
  #timer: NodeJS.Timeout | undefined;
  #text: string;

  /** Throws an Error if the file cannot be read or has no lists. */
  constructor(path: string) {
    this.#path = path;
    this.#text = readFileSync(path, 'utf8');
    checkLists(this.#text);
  }

  /** The lists in PEM. */
  get text(): string {
    return this.#text;
  }

  /**
   * Starts watching for changes.
   *
   * @param onChange called when {@link text} has changed
   */
  start(onChange: () => void, report: (problem: string | undefined) => void): void {
    const read = (): void => {
      try {
        const text = readFileSync(this.#path, 'utf8');
        const isOther = text !== this.#text;
        if (isOther) checkLists(text);
        report(undefined);
        this.#text = text;
        if (isOther) onChange();
      } catch (error) {
        report(`Cannot use the revocation lists in ${this.#path}, keeping the last ones: ${(error as Error).message}`);
      }
    };
    read();
    this.#timer = setInterval(read, pollInterval);
    this.#timer.unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }
}

function checkLists(text: string): void {
  if (readRevocationLists(text).length === 0) throw new Error('the file has no block X509 CRL');
}

/** Opens the file that `--mutual-tls-auth-crl` names. */
export function readRevocationFile(reader: OptionReader<HttpOptionName>): RevocationFile | undefined {
  const name = 'mutual-tls-auth-crl';
  const path = reader.read(name, (text) => text);
  if (path === undefined) return undefined;
  try {
    return new RevocationFile(path);
  } catch (error) {
    reader.problems.push(`--${name} ${path}: cannot be used: ${(error as Error).message}`);
    return undefined;
  }
}

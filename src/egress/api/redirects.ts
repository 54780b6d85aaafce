import type { Address, Family } from '../../base/model/address.ts';
import { protocols, type Redirect, type RedirectSet } from '../../base/model/redirect.ts';
import type { ProblemList } from '../../base/read/problem-list.ts';

/**
 * Collects the redirects of a document. Adds a problem for a duplicate family, protocol and port, a second
 * fallback of a family, and a target whose family has no reserved address.
 */
export class RedirectCollector {
  readonly #redirects: Redirect[] = [];
  readonly #fallbacks: Address[] = [];
  /** Index of the first redirect for each family, protocol and port. */
  readonly #firstRedirects = new Map<number, number>();
  readonly #firstFallbacks = new Map<Family, string>();
  readonly #families: ReadonlySet<Family> | undefined;
  readonly #problems: ProblemList;

  /**
   * @param families families of the reserved addresses; undefined if an address is invalid, to avoid
   *   follow-up problems
   */
  constructor(families: ReadonlySet<Family> | undefined, problems: ProblemList) {
    this.#families = families;
    this.#problems = problems;
  }

  /** Adds the entry `list[index]`. Builds paths only for problems, because there may be 10,000 entries. */
  addRedirect(redirect: Redirect, list: string, index: number, written: unknown): void {
    const { family } = redirect.target;
    if (!this.#hasFamily(family)) this.#problems.add(`${list}[${index}]`, written, cureForFamily(family));
    const key = keyOf(redirect);
    const first = this.#firstRedirects.get(key);
    if (first !== undefined) {
      this.#problems.add(`${list}[${index}]`, written, describeRepetition(redirect, `${list}[${first}]`));
      return;
    }
    this.#firstRedirects.set(key, index);
    this.#redirects.push(redirect);
  }

  addFallback(target: Address, path: string, written: unknown): void {
    const { family } = target;
    if (!this.#hasFamily(family)) this.#problems.add(path, written, cureForFamily(family));
    const first = this.#firstFallbacks.get(family);
    if (first !== undefined) {
      this.#problems.add(path, written, `is a second IPv${family} fallback, after ${first}; remove one of them`);
      return;
    }
    this.#firstFallbacks.set(family, path);
    this.#fallbacks.push(target);
  }

  finish(): RedirectSet {
    return { redirects: this.#redirects, fallbacks: this.#fallbacks };
  }

  #hasFamily(family: Family): boolean {
    return this.#families === undefined || this.#families.has(family);
  }
}

function cureForFamily(family: Family): string {
  return `needs a reserved IPv${family} address as its source; add one or remove this destination`;
}

function describeRepetition({ port, protocol, target }: Redirect, firstPath: string): string {
  const what = `IPv${target.family} port ${port}/${protocol.toUpperCase()}`;
  return `redirects ${what} again, after ${firstPath}; remove one of them`;
}

/** Returns a number for a family, protocol and port, which is cheaper than a string for 10,000 redirects. */
function keyOf({ port, protocol, target }: Redirect): number {
  return (target.family * protocols.length + protocols.indexOf(protocol)) * 65536 + port;
}

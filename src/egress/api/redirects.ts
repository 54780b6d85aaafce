import type { Address, Family } from '../../base/model/address.ts';
import {
  type NamedRedirect,
  type Protocol,
  protocols,
  type Redirect,
  type RedirectSet,
  type Sharing,
} from '../../base/model/redirect.ts';
import type { ProblemList } from '../../base/read/problem-list.ts';
import type { Target } from './destination.ts';
import { refuseName } from './dns-name.ts';

/** Where a redirect was written, as a path that is only built for problems. */
interface Place {
  readonly list: string;
  readonly index: number;
}

/**
 * Collects the redirects of a document. Adds a problem for a duplicate family, protocol and port, a second
 * fallback of a family, a target whose family has no reserved address, and a name inside the cluster.
 */
export class RedirectCollector {
  readonly #redirects: Redirect[] = [];
  readonly #named: NamedRedirect[] = [];
  readonly #fallbacks: Address[] = [];
  #fallbackName: string | undefined;
  /** Place of the first redirect for each family, protocol and port. */
  readonly #firstRedirects = new Map<number, Place>();
  readonly #firstFallbacks = new Map<Family, string>();
  readonly #families: ReadonlySet<Family> | undefined;
  readonly #problems: ProblemList;
  readonly #allowedSuffixes: readonly string[];
  #sharing: Sharing | undefined;

  /**
   * @param families families of the reserved addresses; undefined if an address is invalid, to avoid
   *   follow-up problems
   * @param allowedSuffixes names inside the cluster that an administrator allows
   */
  constructor(families: ReadonlySet<Family> | undefined, problems: ProblemList, allowedSuffixes: readonly string[]) {
    this.#families = families;
    this.#problems = problems;
    this.#allowedSuffixes = allowedSuffixes;
  }

  /** Sets how the addresses of names share connections. */
  share(sharing: Sharing): void {
    this.#sharing = sharing;
  }

  /** Adds a redirect to a name, which takes the port for every family. */
  addNamed(redirect: NamedRedirect, list: string, index: number, written: unknown): void {
    const refusal = refuseName(redirect.name, this.#allowedSuffixes);
    if (refusal !== undefined) this.#problems.add(`${list}[${index}]`, written, refusal);
    const keys = ([4, 6] as const).map((family) => keyOf(redirect, family));
    const first = keys.map((key) => this.#firstRedirects.get(key)).find((one) => one !== undefined);
    if (first !== undefined) {
      const what = `port ${redirect.port}/${redirect.protocol.toUpperCase()}`;
      this.#problems.add(`${list}[${index}]`, written, describeRepetition(what, `${first.list}[${first.index}]`));
      return;
    }
    for (const key of keys) this.#firstRedirects.set(key, { list, index });
    this.#named.push(redirect);
  }

  /** Adds the entry `list[index]`. Builds paths only for problems, because there may be 10,000 entries. */
  addRedirect(redirect: Redirect, list: string, index: number, written: unknown): void {
    const { family } = redirect.target;
    if (!this.#hasFamily(family)) this.#problems.add(`${list}[${index}]`, written, cureForFamily(family));
    const key = keyOf(redirect, family);
    const first = this.#firstRedirects.get(key);
    if (first !== undefined) {
      const what = `IPv${family} port ${redirect.port}/${redirect.protocol.toUpperCase()}`;
      this.#problems.add(`${list}[${index}]`, written, describeRepetition(what, `${first.list}[${first.index}]`));
      return;
    }
    this.#firstRedirects.set(key, { list, index });
    this.#redirects.push(redirect);
  }

  addFallback(target: Target, path: string, written: unknown): void {
    if ('name' in target) {
      this.#addFallbackName(target.name, path, written);
      return;
    }
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

  #addFallbackName(name: string, path: string, written: unknown): void {
    const refusal = refuseName(name, this.#allowedSuffixes);
    if (refusal !== undefined) this.#problems.add(path, written, refusal);
    const [first] = this.#firstFallbacks.values();
    if (first !== undefined) {
      this.#problems.add(path, written, `is a second fallback, after ${first}; remove one of them`);
      return;
    }
    for (const family of [4, 6] as const) this.#firstFallbacks.set(family, path);
    this.#fallbackName = name;
  }

  finish(): RedirectSet {
    const hasNames = this.#named.length > 0 || this.#fallbackName !== undefined;
    return {
      redirects: this.#redirects,
      fallbacks: this.#fallbacks,
      ...(this.#named.length > 0 && { named: this.#named }),
      ...(this.#fallbackName !== undefined && { fallbackName: { name: this.#fallbackName, targets: [] } }),
      // Without names it has no effect, and a configuration that says it is the same as one that does not.
      ...(hasNames && this.#sharing === 'source' && { sharing: this.#sharing }),
    };
  }

  #hasFamily(family: Family): boolean {
    return this.#families === undefined || this.#families.has(family);
  }
}

function cureForFamily(family: Family): string {
  return `needs a reserved IPv${family} address as its source; add one or remove this destination`;
}

function describeRepetition(what: string, firstPath: string): string {
  return `redirects ${what} again, after ${firstPath}; remove one of them`;
}

/** Returns a number for a family, protocol and port, which is cheaper than a string for 10,000 redirects. */
function keyOf({ port, protocol }: { readonly port: number; readonly protocol: Protocol }, family: Family): number {
  return (family * protocols.length + protocols.indexOf(protocol)) * 65536 + port;
}

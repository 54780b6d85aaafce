import type { Address, Family } from '../model/address.ts';
import { protocols, type Redirect, type RedirectSet } from '../model/redirect.ts';
import type { ProblemList } from './problem-list.ts';

/** Something read, with where it stands and what was written there, for messages. */
export interface Found<T> {
  readonly value: T;
  /** JSON path. */
  readonly path: string;
  readonly written: unknown;
}

/**
 * Makes one set of what a document redirects. Notes a problem for a second redirect of one family,
 * protocol and port, a second fallback of one family, and a target whose family has no reserved
 * address. `families`: those of the reserved addresses; undefined when they could not be read, so
 * that one mistake is not told many times.
 */
export function collectRedirects(
  redirects: readonly Found<Redirect>[],
  fallbacks: readonly Found<Address>[],
  families: ReadonlySet<Family> | undefined,
  problems: ProblemList,
): RedirectSet {
  const firstOf = new Map<number, Found<Redirect>>();
  for (const found of redirects) {
    checkFamily(found.value.target.family, found, families, problems);
    const key = keyOf(found.value);
    const first = firstOf.get(key);
    if (first === undefined) firstOf.set(key, found);
    else problems.add(found.path, found.written, describeRepetition(found.value, first.path));
  }
  return {
    redirects: redirects.map(({ value }) => value),
    fallbacks: collectFallbacks(fallbacks, families, problems),
  };
}

function describeRepetition({ port, protocol, target }: Redirect, firstPath: string): string {
  const what = `IPv${target.family} port ${port}/${protocol.toUpperCase()}`;
  return `redirects ${what} a second time, after ${firstPath}; remove one of them`;
}

function collectFallbacks(
  fallbacks: readonly Found<Address>[],
  families: ReadonlySet<Family> | undefined,
  problems: ProblemList,
): Address[] {
  const firstOf = new Map<Family, string>();
  for (const found of fallbacks) {
    const { family } = found.value;
    checkFamily(family, found, families, problems);
    const first = firstOf.get(family);
    if (first === undefined) firstOf.set(family, found.path);
    else
      problems.add(found.path, found.written, `is a second IPv${family} fallback, after ${first}; remove one of them`);
  }
  return fallbacks.map(({ value }) => value);
}

function checkFamily(
  family: Family,
  found: Found<unknown>,
  families: ReadonlySet<Family> | undefined,
  problems: ProblemList,
): void {
  if (families === undefined || families.has(family)) return;
  problems.add(
    found.path,
    found.written,
    `needs a reserved IPv${family} address to leave from; add one, or remove this`,
  );
}

/** A number for each family, protocol and port: cheaper than text for 10,000 redirects. */
function keyOf({ port, protocol, target }: Redirect): number {
  return (target.family * protocols.length + protocols.indexOf(protocol)) * 65536 + port;
}

import type { Address } from '../../base/model/address.ts';
import { parseAddress } from '../../base/model/address.ts';
import { formatDestination } from '../../base/model/format.ts';
import { type RedirectSet, withAnswers } from '../../base/model/redirect.ts';
import type { RememberedRedirects } from '../model/state.ts';
import { parseDestination } from './destination.ts';

/** Converts redirects to the form of the state file, with the addresses of their names. */
export function rememberRedirects(set: RedirectSet): RememberedRedirects {
  const { redirects, fallbacks, named = [], fallbackName, sharing } = set;
  const answers = new Map<string, readonly string[]>();
  for (const { name, targets } of [...named, ...(fallbackName === undefined ? [] : [fallbackName])]) {
    answers.set(
      name,
      targets.map(({ text }) => text),
    );
  }
  return {
    destinations: [...redirects, ...named].map(formatDestination),
    fallbacks,
    ...(fallbackName !== undefined && { fallbackName: fallbackName.name }),
    ...(sharing !== undefined && { sharing }),
    ...(answers.size > 0 && { answers: Array.from(answers, ([name, addresses]) => ({ name, addresses })) }),
  };
}

/** Parses the redirects of a state file; skips lines that it cannot parse. */
export function recallRedirects(remembered: RememberedRedirects): RedirectSet {
  const { destinations, fallbacks, fallbackName, sharing } = remembered;
  const parsed = destinations.map(parseDestination);
  const named = parsed.flatMap((one) => (one.kind === 'named' ? [one.redirect] : []));
  const set: RedirectSet = {
    redirects: parsed.flatMap((one) => (one.kind === 'redirect' ? [one.redirect] : [])),
    fallbacks,
    ...(named.length > 0 && { named }),
    ...(fallbackName !== undefined && { fallbackName: { name: fallbackName, targets: [] } }),
    ...(sharing !== undefined && { sharing }),
  };
  return withAnswers(set, recallAnswers(remembered));
}

/** Returns the addresses of each name of a state file. */
export function recallAnswers({ answers = [] }: RememberedRedirects): ReadonlyMap<string, readonly Address[]> {
  return new Map(
    answers.map(({ name, addresses }) => [name, addresses.flatMap((address) => parseAddress(address) ?? [])]),
  );
}

import { type Address, defaultPrefix, type Family } from '../../base/model/address.ts';
import { formatDestination } from '../../base/model/format.ts';
import type { NamespaceSnapshot } from '../../base/model/network.ts';
import {
  expandNames,
  fallbackOf,
  type NamedRedirect,
  namesOf,
  portKey,
  type Redirect,
  type RedirectSet,
} from '../../base/model/redirect.ts';
import { ownerComment } from '../../base/rules/owner.ts';
import { recallRedirects, rememberRedirects } from '../api/remembered.ts';
import type { Step } from '../model/operation.ts';
import type { AttachmentState, RememberedRedirects } from '../model/state.ts';
import { describeProgram, ownerOf } from './desired.ts';
import { PlanError } from './error.ts';
import { inwardMark, markMask } from './marks.ts';

/** Plan for changing a live attachment. */
export interface ChangePlan {
  /** Empty if the configuration is already applied. */
  readonly steps: readonly Step[];
  /** State after the change. */
  readonly state: AttachmentState;
  readonly added: RedirectSet;
  readonly removed: RedirectSet;
  /** Changed addresses of names, as redirects. Established connections to removed ones stay. */
  readonly answers: { readonly added: readonly Redirect[]; readonly removed: readonly Redirect[] };
}

/**
 * Plans new redirects and fallbacks for a live attachment: the smallest rule change, in one transaction, and
 * the removal of connections whose redirect is gone. The new configuration is saved first, so that after a
 * kill the next call can complete the change or replace it. Throws {@link PlanError}.
 *
 * @param state saved state, including an interrupted change
 * @param pod current state of the pod's namespace
 * @param logFile absolute path of the plugin's log
 */
export function planChange(
  state: AttachmentState,
  next: RedirectSet,
  pod: NamespaceSnapshot,
  logFile: string,
): ChangePlan {
  const { router } = state;
  if (router === undefined) {
    throw new PlanError(
      'environment',
      `the state file does not record the redirects of ${state.link}; replace the pod`,
    );
  }
  checkPlace(state, next, pod);
  const { pending, ...settled } = state;
  const wanted = rememberRedirects(next);
  const after: AttachmentState = { ...settled, router: { ...router, ...wanted, logFile } };
  const added = listNew(wanted, router);
  const removed = listNew(router, wanted);
  const isSame = [added, removed].every(isEmpty) && describeNames(wanted) === describeNames(router);
  const answers = compareAnswers(recallRedirects(router), next);
  if (isSame && pending === undefined) return { steps: [], state, added, removed, answers };
  const steps = listSteps({ state, after, router, wanted, next, added, removed });
  return { steps, state: after, added, removed, answers };
}

function compareAnswers(before: RedirectSet, next: RedirectSet): ChangePlan['answers'] {
  if (before.named === undefined && next.named === undefined) return { added: [], removed: [] };
  const [old, now] = [before, next].map(({ named }) => {
    return new Map(expandNames(named).map((one) => [formatDestination(one), one]));
  }) as [Map<string, Redirect>, Map<string, Redirect>];
  return {
    added: [...now].filter(([line]) => !old.has(line)).map(([, redirect]) => redirect),
    removed: [...old].filter(([line]) => !now.has(line)).map(([, redirect]) => redirect),
  };
}

function isEmpty({ redirects, fallbacks, named = [], fallbackName }: RedirectSet): boolean {
  return redirects.length + fallbacks.length + named.length === 0 && fallbackName === undefined;
}

/** Everything about names that lines do not show. */
function describeNames({ fallbackName, sharing, answers }: RememberedRedirects): string {
  return JSON.stringify([fallbackName, sharing, answers]);
}

/** A change and the values derived from it. */
interface Change {
  readonly state: AttachmentState;
  readonly after: AttachmentState;
  readonly router: RememberedRedirects;
  readonly wanted: RememberedRedirects;
  readonly next: RedirectSet;
  readonly added: RedirectSet;
  readonly removed: RedirectSet;
}

function listSteps({ state, after, router, wanted, next, added, removed }: Change): Step[] {
  const place = {
    id: state.id,
    link: state.link,
    podLinks: Object.fromEntries(state.podLinks.map(({ family, link }) => [family, link])),
    reserved: state.addresses,
    slot: state.slot,
  };
  const { pending } = state;
  const before = recallRedirects(router);
  // An interrupted change may have left either program; one with the ports of both covers all chain names.
  const known = pending === undefined ? before : union(before, recallRedirects(pending));
  const gone = pending === undefined ? removed : union(removed, listNew(pending, wanted));
  const to = describeProgram(place, next);
  const kept = {
    // Without names, every redirect that is gone is gone with its connections.
    redirects: [...(gone.named === undefined ? [] : next.redirects), ...expandNames(next.named)],
    fallbacks: [...next.fallbacks, ...(next.fallbackName?.targets ?? [])],
  };
  const keptLines = new Set(kept.redirects.map(formatDestination));
  const isKept = (redirect: Redirect): boolean => keptLines.has(formatDestination(redirect));
  const isKeptFallback = (text: string): boolean => kept.fallbacks.some((address) => address.text === text);
  const endsFallbacks = gone.fallbacks.length > 0 || gone.fallbackName !== undefined;
  const hasNewFallback = JSON.stringify(next.fallbackName) !== JSON.stringify(before.fallbackName);
  return [
    {
      operation: { do: 'save-state', state: { ...state, pending: wanted } },
      undo: { do: 'save-state', state },
    },
    {
      operation: { do: 'change-rules', from: describeProgram(place, known), to, unsure: pending !== undefined },
      undo: { do: 'change-rules', from: to, to: describeProgram(place, before) },
    },
    {
      operation: {
        do: 'forget-redirected',
        value: inwardMark(state.slot),
        mask: markMask,
        redirects: gone.redirects.filter((redirect) => !isKept(redirect)),
        fallbacks: gone.fallbacks.filter(({ text }) => !isKeptFallback(text)),
        ports: new Set(endsFallbacks ? listPorts(known) : []),
        endedPorts: new Set(namedPorts(gone)),
        endsFallback: gone.fallbackName !== undefined,
        kept,
      },
    },
    {
      operation: {
        do: 'forget-untranslated',
        ports: [...added.redirects, ...listReanswered(next, before)],
        fallback: added.fallbacks.length > 0 || hasNewFallback,
        // Since ADD, everything that leaves the pod is translated.
        kept: [defaultPrefix(4), defaultPrefix(6)],
      },
    },
    { operation: { do: 'save-state', state: after }, undo: { do: 'save-state', state } },
  ];
}

/** Names need one family that is served; of others, their connections are refused. */
function checkPlace(state: AttachmentState, next: RedirectSet, pod: NamespaceSnapshot): void {
  const link = pod.links.find((one) => one.name === state.link);
  if (link?.alias !== ownerComment(ownerOf(state.id))) {
    throw new PlanError('environment', `interface ${state.link} is missing or incomplete; replace the pod`);
  }
  const served = (family: Family): boolean => state.podLinks.some((one) => one.family === family);
  const families = state.addresses.map(({ address }) => address.family);
  const needsAny = namesOf(next).length > 0 && !families.some(served);
  for (const family of [4, 6] as const) {
    const isWanted =
      (needsAny && families.includes(family)) ||
      next.redirects.some(({ target }) => target.family === family) ||
      fallbackOf(next, family) !== undefined;
    if (!isWanted || served(family)) continue;
    throw new PlanError(
      'environment',
      `the pod has no IPv${family} address on which clients can connect, but the configuration has redirects to ` +
        `IPv${family} destinations; give the pod an IPv${family} address on the cluster network or remove the redirects`,
    );
  }
}

/**
 * Returns the entries of one set that the other lacks, with addresses of names that both have. Compares lines, so that
 * only differing ones are parsed.
 */
function listNew(set: RememberedRedirects, other: RememberedRedirects): RedirectSet {
  const lines = new Set(other.destinations);
  const addresses = new Set(other.fallbacks.map(({ text }) => text));
  const { fallbackName } = set;
  return recallRedirects({
    destinations: set.destinations.filter((line) => !lines.has(line)),
    fallbacks: set.fallbacks.filter(({ text }) => !addresses.has(text)),
    ...(fallbackName !== undefined && fallbackName !== other.fallbackName && { fallbackName }),
    ...(set.answers !== undefined && { answers: set.answers }),
  });
}

/** Returns the redirects to names whose addresses differ, as they are in the first set. */
function listReanswered(set: RedirectSet, other: RedirectSet): readonly NamedRedirect[] {
  const before = new Map((other.named ?? []).map((one) => [keyOfNamed(one), JSON.stringify(one)]));
  return (set.named ?? []).filter((one) => before.get(keyOfNamed(one)) !== JSON.stringify(one));
}

function keyOfNamed({ protocol, port }: NamedRedirect): string {
  return `${protocol} ${port}`;
}

function union(one: RedirectSet, other: RedirectSet): RedirectSet {
  const ports = new Set(one.redirects.map(portKey));
  const families = new Set(one.fallbacks.map(({ family }: Address) => family));
  const named = [...(one.named ?? [])];
  const names = new Set(named.map(keyOfNamed));
  named.push(...(other.named ?? []).filter((redirect) => !names.has(keyOfNamed(redirect))));
  const fallbackName = one.fallbackName ?? other.fallbackName;
  return {
    redirects: [...one.redirects, ...other.redirects.filter((redirect) => !ports.has(portKey(redirect)))],
    fallbacks: [...one.fallbacks, ...other.fallbacks.filter(({ family }) => !families.has(family))],
    ...(named.length > 0 && { named }),
    ...(fallbackName !== undefined && { fallbackName }),
  };
}

/** Returns the ports with a redirect, as `portKey`. Connections to others belong to the fallback. */
export function listPorts(set: RedirectSet): string[] {
  return [...set.redirects.map(portKey), ...namedPorts(set)];
}

/** Returns the ports of names in every family, as `portKey`. */
function namedPorts({ named = [] }: RedirectSet): string[] {
  return named.flatMap(({ protocol, port }) =>
    ([4, 6] as const).map((family) => portKey({ protocol, port, target: { family, text: '' } })),
  );
}

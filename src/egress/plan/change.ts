import { type Address, defaultPrefix, type Family } from '../../base/model/address.ts';
import type { NamespaceSnapshot } from '../../base/model/network.ts';
import { fallbackOf, portKey, type RedirectSet } from '../../base/model/redirect.ts';
import { ownerComment } from '../../base/rules/owner.ts';
import { parseDestination } from '../api/destination.ts';
import type { Step } from '../model/operation.ts';
import type { AttachmentState, RememberedRedirects } from '../model/state.ts';
import { rememberRedirects } from './add.ts';
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
  const isSame = [added, removed].every(({ redirects, fallbacks }) => redirects.length + fallbacks.length === 0);
  if (isSame && pending === undefined) return { steps: [], state, added, removed };
  return { steps: listSteps({ state, after, router, wanted, next, added, removed }), state: after, added, removed };
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
  const before = readRedirects(router);
  // An interrupted change may have left either program; one with the ports of both covers all chain names.
  const known = pending === undefined ? before : union(before, readRedirects(pending));
  const gone = pending === undefined ? removed : union(removed, listNew(pending, wanted));
  const to = describeProgram(place, next);
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
        ...gone,
        ports: new Set(gone.fallbacks.length === 0 ? [] : known.redirects.map(portKey)),
      },
    },
    {
      operation: {
        do: 'forget-untranslated',
        redirects: added.redirects,
        fallback: added.fallbacks.length > 0,
        // Since ADD, everything that leaves the pod is translated.
        kept: [defaultPrefix(4), defaultPrefix(6)],
      },
    },
    { operation: { do: 'save-state', state: after }, undo: { do: 'save-state', state } },
  ];
}

function checkPlace(state: AttachmentState, next: RedirectSet, pod: NamespaceSnapshot): void {
  const link = pod.links.find((one) => one.name === state.link);
  if (link?.alias !== ownerComment(ownerOf(state.id))) {
    throw new PlanError('environment', `interface ${state.link} is missing or incomplete; replace the pod`);
  }
  const served = (family: Family): boolean => state.podLinks.some((one) => one.family === family);
  for (const family of [4, 6] as const) {
    const isWanted =
      next.redirects.some(({ target }) => target.family === family) || fallbackOf(next, family) !== undefined;
    if (!isWanted || served(family)) continue;
    throw new PlanError(
      'environment',
      `the pod has no IPv${family} address on which clients can connect, but the configuration has redirects to ` +
        `IPv${family} destinations; give the pod an IPv${family} address on the cluster network or remove the redirects`,
    );
  }
}

/** Parses the redirects of a state file; skips lines that it cannot parse. */
function readRedirects({ destinations, fallbacks }: RememberedRedirects): RedirectSet {
  const redirects = destinations.flatMap((line) => {
    const destination = parseDestination(line);
    return destination.kind === 'redirect' ? [destination.redirect] : [];
  });
  return { redirects, fallbacks };
}

/** Returns the entries of one set that the other lacks. Compares lines, so that only differing ones are parsed. */
function listNew(set: RememberedRedirects, other: RememberedRedirects): RedirectSet {
  const lines = new Set(other.destinations);
  const addresses = new Set(other.fallbacks.map(({ text }) => text));
  return readRedirects({
    destinations: set.destinations.filter((line) => !lines.has(line)),
    fallbacks: set.fallbacks.filter(({ text }) => !addresses.has(text)),
  });
}

function union(one: RedirectSet, other: RedirectSet): RedirectSet {
  const ports = new Set(one.redirects.map(portKey));
  const families = new Set(one.fallbacks.map(({ family }: Address) => family));
  return {
    redirects: [...one.redirects, ...other.redirects.filter((redirect) => !ports.has(portKey(redirect)))],
    fallbacks: [...one.fallbacks, ...other.fallbacks.filter(({ family }) => !families.has(family))],
  };
}

import { readRuleGeneration } from '../../base/linux/rule-generation.ts';
import type { NamespaceSnapshot } from '../../base/model/network.ts';
import { resolveRemembered } from '../inspect/remembered.ts';
import type { Kernel } from '../linux/kernel-api.ts';
import { listRules } from '../linux/rule-listing.ts';
import type { AttachmentState } from '../model/state.ts';
import { type Desired, describeDesired, ownerOf } from '../plan/desired.ts';
import type { Resolved } from '../plan/resolve.ts';
import { readVariant } from './rule-variant.ts';

/** Reconstructs from the state file the router that ADD created. */
export function describeRouter(
  kernel: Kernel,
  state: AttachmentState,
  pod: NamespaceSnapshot,
  rules: readonly string[],
): { readonly resolved: Resolved; readonly desired: Desired } {
  const node = kernel.readNode({ routes: false, ...(state.master !== '' && { master: state.master }) });
  const resolved = resolveRemembered(state, node, pod, rules);
  return { resolved, desired: describeDesired(state.id, state.link, resolved, pod) };
}

/** Returns a value that changes whenever a rule of the current namespace changes. */
export function identifyRules(state: AttachmentState): unknown {
  const generation = readVariant() === 'legacy' ? undefined : readRuleGeneration();
  return generation ?? listOwnRules(state);
}

/** Returns the rules of a router in the current namespace. */
export function listOwnRules(state: AttachmentState): string[] {
  const names = { name: state.link, owner: ownerOf(state.id), families: [4, 6] as const, chains: [], tables: [] };
  return listRules(state.backend, names);
}

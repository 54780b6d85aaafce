import { formatPrefix } from '../../base/model/address.ts';
import { formatDestination } from '../../base/model/format.ts';
import type { RouterSpec } from './ip-section.ts';

/** The `ip` section of a network configuration. */
export interface NetConfIp {
  readonly addresses: readonly string[];
  /** A string for one family, as OpenShift writes it; an array for two. */
  readonly gateway?: string | readonly string[];
  readonly destinations: readonly string[];
  readonly fallbackIP?: string | readonly string[];
  readonly fallbackName?: string;
  readonly balance?: string;
}

/** Renders the `ip` section as the Cluster Network Operator does. Parsing it returns the same router. */
export function toNetConfIp({ reserved, redirects }: RouterSpec): NetConfIp {
  const gateway = oneOrList(reserved.flatMap((address) => address.gateway?.text ?? []));
  const fallbackIP = oneOrList(redirects.fallbacks.map(({ text }) => text));
  return {
    addresses: reserved.map(({ prefix }) => formatPrefix(prefix)),
    ...(gateway !== undefined && { gateway }),
    destinations: [...redirects.redirects, ...(redirects.named ?? [])].map(formatDestination),
    ...(fallbackIP !== undefined && { fallbackIP }),
    ...(redirects.fallbackName !== undefined && { fallbackName: redirects.fallbackName.name }),
    ...(redirects.sharing !== undefined && { balance: redirects.sharing }),
  };
}

function oneOrList(texts: readonly string[]): string | readonly string[] | undefined {
  return texts.length > 1 ? texts : texts[0];
}

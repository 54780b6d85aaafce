import type { SiteSource } from '../intent/site-source.ts';
import { IngressSites } from '../k8s-ingress/sites.ts';
import type { Inventory } from '../objects/inventory.ts';
import { RouteSites } from '../route/sites.ts';
import type { AgentOptions } from './options.ts';

type HttpOptions = NonNullable<AgentOptions['http']>;

/** The kinds of objects that request hosts and paths. A new kind is one row. */
const kinds: readonly ((inventory: Inventory, options: HttpOptions) => SiteSource)[] = [
  (inventory, { settings, hosts }) => new RouteSites(inventory, settings.policy, hosts),
  (inventory, { settings }) => new IngressSites(inventory, settings.policy),
];

/** Opens all sources of requests for hosts and paths. */
export function openSiteSources(inventory: Inventory, options: HttpOptions): readonly SiteSource[] {
  return kinds.map((open) => open(inventory, options));
}

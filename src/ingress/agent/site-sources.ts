import { type GatewaySiteSettings, GatewaySites } from '../gateway/gateway-sites.ts';
import type { SiteSource } from '../intent/site-source.ts';
import { IngressSites } from '../k8s-ingress/sites.ts';
import type { Inventory } from '../objects/inventory.ts';
import { RouteSites } from '../route/sites.ts';
import type { AgentOptions } from './options.ts';

type HttpOptions = NonNullable<AgentOptions['http']>;

/** Everything that requests hosts and paths. */
export interface SiteSources {
  readonly sources: readonly SiteSource[];
  /** Gateways and their routes, whose conditions follow from its decisions. Absent: their listeners are not served. */
  readonly gateways?: GatewaySites;
}

/** Opens all sources of requests for hosts and paths. A new kind of objects is one line here. */
export function openSiteSources(
  inventory: Inventory,
  { settings, hosts }: HttpOptions,
  settingsOfGateways: Omit<GatewaySiteSettings, 'ownPorts'>,
): SiteSources {
  const own = [
    new RouteSites(inventory, settings.policy, hosts),
    new IngressSites(inventory, settings.policy, settingsOfGateways.references),
  ];
  if (settings.gateways === undefined) return { sources: own };
  const gateways = new GatewaySites(inventory, { ...settingsOfGateways, ownPorts: settings.gateways.own });
  return { sources: [...own, ...gateways.sources], gateways };
}

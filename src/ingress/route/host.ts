import type { Route } from './route.ts';

/** How hosts are made and changed by the router (OpenShift's ROUTER_DOMAIN, ROUTER_SUBDOMAIN, ROUTER_OVERRIDE_*). */
export interface HostPolicy {
  /** The domain below which `spec.subdomain` is. */
  readonly domain?: string;
  /** Makes a host of a Route: `${name}-${namespace}.apps.example.com`. */
  readonly template?: string;
  /** The template makes every host, whatever a Route says. */
  readonly overridesAll: boolean;
  /** The template makes the hosts in these domains. */
  readonly overriddenDomains: readonly string[];
}

/**
 * The host that a Route is served under, in lower case; undefined where it has none. What the router
 * makes is only shown in the status, never written to the Route.
 */
export function hostOf(
  { meta, host, subdomain }: Pick<Route, 'meta' | 'host' | 'subdomain'>,
  policy: HostPolicy,
): string | undefined {
  const { domain, template, overridesAll, overriddenDomains } = policy;
  const written = host ?? (subdomain !== undefined && domain !== undefined ? `${subdomain}.${domain}` : undefined);
  const isOverridden =
    overridesAll ||
    (written !== undefined && overriddenDomains.some((one) => written === one || written.endsWith(`.${one}`)));
  if (template === undefined || (written !== undefined && !isOverridden)) return written;
  return expandTemplate(template, meta) ?? written;
}

/** Undefined for a template with an unknown key, which is not used. */
function expandTemplate(
  template: string,
  { name, namespace }: { readonly name: string; readonly namespace: string },
): string | undefined {
  const values: Readonly<Record<string, string>> = { name, namespace };
  let isKnown = true;
  const host = template.replace(/\$\{([^}]*)\}/g, (_, key: string) => {
    const value = Object.hasOwn(values, key) ? values[key] : undefined;
    if (value === undefined) isKnown = false;
    return value ?? '';
  });
  return isKnown ? host.toLowerCase() : undefined;
}

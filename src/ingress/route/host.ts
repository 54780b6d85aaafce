import type { Route } from './route.ts';

/** How the router derives and changes hosts (OpenShift's ROUTER_DOMAIN, ROUTER_SUBDOMAIN, ROUTER_OVERRIDE_*). */
export interface HostPolicy {
  /** The domain that `spec.subdomain` is relative to. */
  readonly domain?: string;
  /** Template for hosts: `${name}-${namespace}.apps.example.com`. */
  readonly template?: string;
  /** Whether the template replaces every host. */
  readonly overridesAll: boolean;
  /** Domains in which the template replaces hosts. */
  readonly overriddenDomains: readonly string[];
}

/**
 * Returns the host of a Route in lower case, or undefined if it has none. A derived host appears only in the status
 * and is never written to the Route.
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

/** Returns undefined for a template with an unknown key, which is ignored. */
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

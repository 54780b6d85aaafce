import { makeRoute } from './features.ts';
import type { InForce } from './layout.ts';

/** Returns the route of a backend, or undefined if it has no section. */
export function routeOf({ state, layout }: InForce, id: string, redirect = false): string | undefined {
  const backend = state.backends.get(id);
  const section = layout.sections.get(id);
  if (backend === undefined || section === undefined) return undefined;
  const tenancy = section === id ? undefined : layout.tenancies.get(section);
  return makeRoute(backend, section, state.settings.forwarded, { redirect, tenancy: tenancy?.number });
}

import { hash } from 'node:crypto';
import type { SiteDemand } from '../intent/site-request.ts';

/**
 * Returns a name of the rules that decide who may use a path, or undefined if anyone may. Equal rules have the same name. A
 * closed path may have rules that the router does not know.
 */
export function nameRules({ access: { allowed, denied, login }, closed }: SiteDemand): string | undefined {
  if (allowed === undefined && denied === undefined && login === undefined && closed === undefined) return undefined;
  // Not the users: a changed list takes effect later than the guard.
  const parts = [allowed, denied, login?.source, closed !== undefined];
  return hash('sha1', JSON.stringify(parts)).slice(0, 16);
}

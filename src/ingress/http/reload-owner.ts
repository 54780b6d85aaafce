import type { ReloadCause } from '../haproxy/steps.ts';

/**
 * Returns the namespace whose change waits for a reload. Undefined for settings and shared objects.
 *
 * Names of backends are `KIND:NAMESPACE:NAME[:INDEX]`. Names of certificates, authorities and files of listeners with an
 * owner begin with `NAMESPACE:`.
 */
export function reloadOwner(cause: ReloadCause, name: string): string | undefined {
  // A rejected command does not always reveal its owner; those without share one budget.
  if (cause === 'refused') return /\b(?:be_[a-z_]+:|certs\/)([a-z0-9-]+)[:+]/.exec(name)?.[1] ?? '(refused)';
  const parts = cause === 'settings' ? [] : name.replace(/^be_[a-z_]+:/, '').split(':');
  return parts.length < 2 ? undefined : parts[0];
}

import type { Command } from './command.ts';
import type { MapName, Maps } from './maps.ts';

/** Causes of reloads, as named in metrics and the log. */
export const reloadCauses = [
  /** {@link Settings} changed. */
  'settings',
  /** A backend needs individual rules in its section: header actions, header case, passthrough timeouts. */
  'shape',
  /** A backend changes a header that none of the loaded ones changes. */
  'header',
  /** Few or no spare sections of the kind are left. */
  'spares',
  /** A certificate or authority exceeds the limit of the runtime socket. */
  'size',
  /** A certificate of a frontend whose client authorities changed: HAProxy would keep presenting the old one. */
  'frozen',
  /** HAProxy rejected a command, so its state differed from the expected one. */
  'refused',
] as const;
export type ReloadCause = (typeof reloadCauses)[number];

/** Records that a change must wait for a reload. */
export type Wait = (cause: ReloadCause, name: string) => void;

/** Commands in their order: objects exist before something refers to them, and are removed after their last use. */
export interface Steps {
  readonly prepare: Command[];
  /** Assigns certificates to names, after the authorities of the frontend have changed. */
  readonly list: Command[];
  readonly route: Command[];
  readonly unroute: Command[];
  readonly adjust: Command[];
  readonly remove: Command[];
}

const nothing: ReadonlyMap<string, string> = new Map();

/**
 * Adds the commands between two versions of map entries. Features are added before routes change and removed
 * afterwards.
 */
export function diffEntries(before: Maps, after: Maps, steps: Steps, kind: 'route' | 'feature'): void {
  const [added, changed, deleted] =
    kind === 'route' ? [steps.route, steps.route, steps.unroute] : [steps.prepare, steps.adjust, steps.remove];
  const names: Set<MapName> = new Set([...before.keys(), ...after.keys()]);
  for (const map of names) {
    const old = before.get(map) ?? nothing;
    const now = after.get(map) ?? nothing;
    for (const [key, value] of now) {
      const known = old.get(key);
      if (known === undefined) added.push({ kind: 'add-entry', map, key, value });
      else if (known !== value) changed.push({ kind: 'set-entry', map, key, value });
    }
    for (const key of old.keys()) if (!now.has(key)) deleted.push({ kind: 'delete-entry', map, key });
  }
}

import type { Command } from './command.ts';
import type { MapName, Maps } from './entries.ts';

/** Why a change waits for a reload; what metrics and the log call it. */
export const reloadCauses = [
  /** Of {@link Settings}. */
  'settings',
  /** A backend has something of its own in its section: header actions, header case, timeouts of passthrough. */
  'shape',
  /** No spare section of the kind was left, or few are. */
  'spares',
  /** A certificate or authority larger than the runtime socket takes. */
  'size',
  /** HAProxy refused a command; it must have been in another state than we thought. */
  'refused',
] as const;
export type ReloadCause = (typeof reloadCauses)[number];

/** Notes that something must wait for a reload. */
export type Wait = (cause: ReloadCause, name: string) => void;

/** Commands by the order in which they are given: nothing is pointed at before it is there, or taken away before it is unused. */
export interface Steps {
  readonly prepare: Command[];
  readonly route: Command[];
  readonly unroute: Command[];
  readonly adjust: Command[];
  readonly remove: Command[];
}

const nothing: ReadonlyMap<string, string> = new Map();

/** What leads from some entries of maps to others: routes are pointed elsewhere, features are there before and after. */
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

/** Keys whose value is another object, or that only one has. */
export function changedKeys<V>(before: ReadonlyMap<string, V>, after: ReadonlyMap<string, V>): Set<string> {
  const changed = new Set<string>();
  if (before === after) return changed;
  for (const [key, value] of after) if (before.get(key) !== value) changed.add(key);
  for (const key of before.keys()) if (!after.has(key)) changed.add(key);
  return changed;
}

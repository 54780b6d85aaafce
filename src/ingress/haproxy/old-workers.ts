import type { Command } from './command.ts';
import { mapFile } from './files.ts';
import { clientEntries } from './gateway-entries.ts';
import type { HttpState } from './model.ts';

/**
 * After a reload, old workers keep their connections, with the authorities that verified the clients. Without its entry in
 * the map, an inner frontend closes its connections before their next request. Old workers accept no new ones, so an
 * entry of other authorities is not needed there.
 */
const map = 'clients';

/** Returns the commands for old workers that follow from commands for the present one. */
export function endClients(commands: readonly Command[]): readonly string[] {
  const keys = commands.flatMap((command) =>
    (command.kind === 'set-entry' || command.kind === 'delete-entry') && command.map === map ? [command.key] : [],
  );
  return [...new Set(keys)].map(endClient);
}

/**
 * Returns the commands for old workers after a reload.
 *
 * @param before the state of the last worker; undefined if it is not known
 */
export function endClientsBetween(before: HttpState | undefined, after: HttpState): readonly string[] {
  if (before === undefined) return [`clear map ${mapFile(map)}`];
  const [old, now] = [before, after].map(({ gateways }) => clientEntries(gateways).get(map));
  return [...(old ?? [])].flatMap(([key, digest]) => (now?.get(key) === digest ? [] : [endClient(key)]));
}

function endClient(key: string): string {
  return `del map ${mapFile(map)} ${key}`;
}

import type { Command } from './command.ts';
import type { MapName, Maps } from './maps.ts';

/**
 * HAProxy 2.6 searches for a deleted entry from the beginning of the map, about 30 ns per entry: deleting an
 * allow-list of 8,000 networks takes a minute, during which nothing else changes. Beyond this number of steps the map
 * is replaced as a whole, in time linear in its entries.
 */
const mostSteps = 10_000_000;

/** Returns the maps to replace instead of running their deletions. `maps` are the previous ones. */
export function findBulk(commands: readonly Command[], maps: Maps): ReadonlySet<MapName> {
  const deletions = new Map<MapName, number>();
  for (const command of commands) {
    if (command.kind === 'delete-entry') deletions.set(command.map, (deletions.get(command.map) ?? 0) + 1);
  }
  const bulk = [...deletions].filter(([map, count]) => count * (maps.get(map)?.size ?? 0) > mostSteps);
  return new Set(bulk.map(([map]) => map));
}

/** Prepares a new version of a map, which takes effect when it is complete. */
export function renderNewVersion(map: MapName): string {
  return `prepare map maps/${map}.map`;
}

/** Returns the number of the new version, or undefined for any other answer. */
export function readNewVersion(answer: string): string | undefined {
  return /^New version created: (\d+)$/.exec(answer)?.[1];
}

/** Returns the commands that fill a version of a map and activate it, each of at most `room` bytes. */
export function renderContent(
  map: MapName,
  version: string,
  entries: ReadonlyMap<string, string>,
  room: number,
): string[] {
  const begin = `add map @${version} maps/${map}.map <<\n`;
  const commands: string[] = [];
  let lines: string[] = [];
  let size = 0;
  const end = (): void => {
    if (lines.length > 0) commands.push(`${begin}${lines.join('')}`);
    lines = [];
    size = 0;
  };
  for (const [key, value] of entries) {
    const line = `${key} ${value}\n`;
    const bytes = Buffer.byteLength(line);
    if (size + bytes > room) end();
    lines.push(line);
    size += bytes;
  }
  end();
  return [...commands, `commit map @${version} maps/${map}.map`];
}

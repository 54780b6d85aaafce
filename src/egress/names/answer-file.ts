import { mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import * as z from 'zod/mini';
import { writeWhole } from '../../base/files/write-whole.ts';
import { parseAddress } from '../../base/model/address.ts';
import { parseDnsName } from '../api/dns-name.ts';
import { NameEntry, type NameTimes } from './entry.ts';

const schema = z.object({
  version: z.literal(1),
  answers: z.array(
    z.object({
      name: z.string(),
      family: z.union([z.literal(4), z.literal(6)]),
      addresses: z.array(z.string()),
      /** Milliseconds since 1970. */
      expires: z.number(),
      changed: z.number(),
    }),
  ),
});

/** Writes the answers of a resolver to a file, atomically. Throws the system's error. */
export function writeAnswers(path: string, entries: Iterable<NameEntry>): void {
  const [now, clock] = [performance.now(), Date.now()];
  const answers = [...entries].flatMap((entry) => {
    const remaining = entry.remaining(now);
    if (remaining === undefined || entry.addresses.length === 0) return [];
    const { name, family } = entry;
    const addresses = entry.addresses.map(({ text }) => text);
    const changed = Math.round(clock - (entry.sinceChange(now) ?? 0));
    return [{ name, family, addresses, expires: Math.round(clock + remaining), changed }];
  });
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeWhole(path, `${JSON.stringify({ version: 1, answers }, undefined, 1)}\n`, 0o600);
}

/** Reads the answers of a previous process that are still valid. A missing or corrupt file contains none. */
export function readAnswers(path: string, times: NameTimes): readonly NameEntry[] {
  let document: unknown;
  try {
    document = JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return [];
  }
  const parsed = schema.safeParse(document);
  if (!parsed.success) return [];
  const clock = Date.now();
  return parsed.data.answers.flatMap(({ name, family, addresses, expires, changed }) => {
    const known = addresses.map(parseAddress).filter((address) => address?.family === family);
    if (parseDnsName(name) !== name || known.includes(undefined)) return [];
    const stored = {
      name,
      family,
      addresses: known.filter((address) => address !== undefined),
      remaining: expires - clock,
      sinceChange: clock - changed,
    };
    return NameEntry.restore(stored, times) ?? [];
  });
}

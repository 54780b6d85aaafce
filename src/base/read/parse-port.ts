import { type Protocol, protocols } from '../model/redirect.ts';

/** Parses a port, 1–65535, in decimal without leading zeros. */
export function parsePort(word: string): number | undefined {
  if (!/^[1-9]\d{0,4}$/.test(word)) return undefined;
  const port = Number(word);
  return port <= 65535 ? port : undefined;
}

/** Parses the name of a protocol, case-insensitively. */
export function parseProtocol(word: string): Protocol | undefined {
  const name = word.toLowerCase() as Protocol;
  return protocols.includes(name) ? name : undefined;
}

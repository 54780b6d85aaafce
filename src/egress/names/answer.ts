import type { Address, Family } from '../../base/model/address.ts';
import { type DnsResponse, responseCodes, typeOf } from './dns-message.ts';

/** Maximum number of aliases (CNAME records) to follow. */
export const mostAliases = 16;

/** Meaning of a response. */
export type Reading =
  /** Every address of the name, in the order of the response. `ttl`: seconds, the lowest of the chain. */
  | { readonly kind: 'addresses'; readonly addresses: readonly Address[]; readonly ttl: number }
  /** The response ends with an alias, for which another query is needed. */
  | { readonly kind: 'alias'; readonly name: string; readonly ttl: number; readonly followed: number }
  /** The name does not exist or has no address of this family. `ttl`: seconds, if the server sent one. */
  | { readonly kind: 'none'; readonly reason: string; readonly ttl: number | undefined }
  /** The server could not answer. Another server or a later query may succeed. */
  | { readonly kind: 'failed'; readonly reason: string };

/** Returns whether a response matches a query. Others may be forged and are ignored. */
export function isAnswerTo({ id, question, code }: DnsResponse, asked: number, name: string, family: Family): boolean {
  if (id !== asked) return false;
  // A server that cannot parse a query cannot repeat its question.
  if (question === undefined) return code === responseCodes.formatError;
  return question.name === name && question.type === typeOf(family);
}

/**
 * Interprets a response. Follows aliases from the queried name and ignores all other records, because a server may add
 * arbitrary ones.
 */
export function readAnswer({ code, records, negativeTtl }: DnsResponse, name: string, family: Family): Reading {
  if (code === responseCodes.nameError) return { kind: 'none', reason: 'the name does not exist', ttl: negativeTtl };
  if (code !== responseCodes.noError) return { kind: 'failed', reason: `the server answered ${nameCode(code)}` };
  let owner = name;
  let ttl = Number.POSITIVE_INFINITY;
  const seen = new Set<string>();
  for (;;) {
    if (seen.has(owner)) return { kind: 'failed', reason: `the aliases of the name lead back to ${owner}` };
    if (seen.size > mostAliases) return { kind: 'failed', reason: `more than ${mostAliases} aliases` };
    seen.add(owner);
    const own = records.filter((record) => record.owner === owner);
    const addresses = own.flatMap((record) =>
      record.kind === 'address' && record.address.family === family ? [record] : [],
    );
    if (addresses.length > 0) {
      return {
        kind: 'addresses',
        addresses: addresses.map(({ address }) => address),
        ttl: Math.min(ttl, ...addresses.map((record) => record.ttl)),
      };
    }
    const alias = own.find((record) => record.kind === 'alias');
    if (alias === undefined) break;
    ttl = Math.min(ttl, alias.ttl);
    owner = alias.target;
  }
  if (owner !== name && negativeTtl === undefined) return { kind: 'alias', name: owner, ttl, followed: seen.size - 1 };
  return { kind: 'none', reason: `the name has no IPv${family} address`, ttl: negativeTtl };
}

function nameCode(code: number): string {
  const names: Readonly<Record<number, string>> = {
    [responseCodes.formatError]: 'FORMERR',
    [responseCodes.serverFailure]: 'SERVFAIL',
    4: 'NOTIMP',
    [responseCodes.refused]: 'REFUSED',
  };
  return names[code] ?? `code ${code}`;
}

import * as z from 'zod/mini';
import type { Address, Family, Prefix } from '../../base/model/address.ts';
import type { RedirectSet, Sharing } from '../../base/model/redirect.ts';
import { readChoice } from '../../base/read/choice.ts';
import { lazily } from '../../base/read/lazily.ts';
import type { ProblemList } from '../../base/read/problem-list.ts';
import type { Readable } from '../../base/read/shape.ts';
import { maxTextCharacters, text } from '../../base/read/text.ts';
import type { ReservedAddress } from '../model/attachment.ts';
import { parseDestination, parseTarget } from './destination.ts';
import { dnsNameCure, parseDnsName } from './dns-name.ts';
import { RedirectCollector } from './redirects.ts';
import {
  checkGateway,
  claimFamily,
  makeReservedAddress,
  readGateway,
  readReservedAddress,
  type Written,
} from './reserved.ts';

/** Addresses and redirects of a router, common to both configuration forms. */
export interface RouterSpec {
  readonly reserved: readonly ReservedAddress[];
  readonly redirects: RedirectSet;
}

/** How addresses of a name share connections, in lower case. */
export const sharings: readonly Sharing[] = ['roundrobin', 'source'];

const listCure = 'must be an address, or a list of one IPv4 and one IPv6 address';
const getAddressList = lazily(() => z.nullish(z.custom<string | readonly string[]>(isAddressList, listCure)));

function isAddressList(value: unknown): boolean {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  return list.length <= 2 && list.every((text) => typeof text === 'string' && text.length <= maxTextCharacters);
}

/**
 * Schema of `ip` of the network configuration, as the Cluster Network Operator writes it. For dual stack,
 * `gateway` and `fallbackIP` may hold one address of each family, as an array or separated by commas.
 */
export const getIpSchema = lazily(() =>
  z.object(
    {
      addresses: z.array(text('must be an address such as "192.168.12.99/24"'), 'must be a list of addresses'),
      gateway: getAddressList(),
      // Checks only that it is a list: for 10,000 entries zod takes longer than parseDestination.
      destinations: z.nullish(z.custom<readonly unknown[]>(Array.isArray, 'must be a list of destinations')),
      fallbackIP: getAddressList(),
      fallbackName: z.nullish(text('must be the DNS name of the destination')),
      balance: z.nullish(text(`must be one of ${sharings.join(', ')}`)),
    },
    'must be an object with addresses, gateway and destinations',
  ),
);

/** Reads `ip` at the JSON path `path` and adds problems. */
export function readIpSection(
  ip: Readable<z.output<ReturnType<typeof getIpSchema>>>,
  path: string,
  problems: ProblemList,
  allowedSuffixes: readonly string[],
): RouterSpec {
  const prefixes = readAddresses(ip.addresses, `${path}.addresses`, problems);
  const gateways = readGateways(prefixes, listWritten(ip.gateway, `${path}.gateway`), problems);
  const families = prefixes === undefined ? undefined : new Set(prefixes.map(({ address }) => address.family));
  const redirects = new RedirectCollector(families, problems, allowedSuffixes);
  redirects.share(readChoice(ip.balance, sharings, 'roundrobin', `${path}.balance`, problems));
  readDestinations(ip.destinations ?? [], `${path}.destinations`, redirects, problems);
  readFallbacks(listWritten(ip.fallbackIP, `${path}.fallbackIP`), redirects, problems);
  readFallbackName(ip.fallbackName, `${path}.fallbackName`, redirects, problems);
  return {
    reserved: (prefixes ?? []).map((prefix) => makeReservedAddress(prefix, gateways.get(prefix.address.family))),
    redirects: redirects.finish(),
  };
}

/** Returns undefined families if an address is invalid, because its family is unknown. */
function readAddresses(
  texts: readonly (string | undefined)[] | undefined,
  path: string,
  problems: ProblemList,
): Prefix[] | undefined {
  if (texts === undefined) return undefined;
  if (texts.length === 0) problems.add(path, texts, 'must contain a reserved address such as "192.168.12.99/24"');
  const prefixes: Prefix[] = [];
  const taken = new Set<Family>();
  for (const [index, text] of texts.entries()) {
    if (text === undefined) continue;
    const written = { path: `${path}[${index}]`, text };
    const prefix = readReservedAddress(written, problems);
    if (prefix !== undefined && claimFamily(taken, prefix.address.family, written, 'address', problems)) {
      prefixes.push(prefix);
    }
  }
  return prefixes.length > 0 && prefixes.length === texts.length ? prefixes : undefined;
}

function readGateways(
  prefixes: readonly Prefix[] | undefined,
  list: readonly Written[],
  problems: ProblemList,
): ReadonlyMap<Family, Address> {
  const gateways = new Map<Family, Address>();
  const taken = new Set<Family>();
  for (const written of list) {
    const gateway = readGateway(written, problems);
    if (gateway === undefined || !claimFamily(taken, gateway.family, written, 'gateway', problems)) continue;
    if (prefixes === undefined) continue;
    const prefix = prefixes.find(({ address }) => address.family === gateway.family);
    if (prefix === undefined) {
      problems.add(
        written.path,
        written.text,
        `needs a reserved IPv${gateway.family} address in the same network; add one or remove this gateway`,
      );
    } else if (checkGateway(prefix, gateway, written, problems)) gateways.set(gateway.family, gateway);
  }
  return gateways;
}

/** Reads destinations in the syntax of {@link parseDestination}. */
export function readDestinations(
  list: readonly unknown[],
  path: string,
  redirects: RedirectCollector,
  problems: ProblemList,
): void {
  for (const [index, written] of list.entries()) {
    if (problems.isFull) return;
    const destination = parseDestination(written);
    if (destination.kind === 'redirect') redirects.addRedirect(destination.redirect, path, index, written);
    else if (destination.kind === 'named') redirects.addNamed(destination.redirect, path, index, written);
    else if (destination.kind === 'fallback') redirects.addFallback(destination.target, `${path}[${index}]`, written);
    else if (destination.kind === 'error') problems.add(`${path}[${index}]`, written, destination.expected);
  }
}

/** Reads fallbacks from a separate list of addresses. */
export function readFallbacks(list: readonly Written[], redirects: RedirectCollector, problems: ProblemList): void {
  for (const { path, text } of list) {
    const target = parseTarget(text);
    if (typeof target === 'string') problems.add(path, text, target);
    else redirects.addFallback(target, path, text);
  }
}

/** Reads a fallback that must be a name. */
export function readFallbackName(
  written: string | undefined,
  path: string,
  redirects: RedirectCollector,
  problems: ProblemList,
): void {
  if (written === undefined || written === '') return;
  const name = parseDnsName(written);
  if (name === undefined) problems.add(path, written, dnsNameCure);
  else redirects.addFallback({ name }, path, written);
}

/** Returns the entries of a setting that is a string, a comma-separated list or an array. */
export function listWritten(
  value: string | readonly (string | undefined)[] | undefined,
  path: string,
): readonly Written[] {
  if (value === undefined || value === '') return [];
  if (typeof value === 'string') return value.split(',', 4).map((text) => ({ path, text: text.trim() }));
  return value.flatMap((text, index) => (text === undefined ? [] : [{ path: `${path}[${index}]`, text }]));
}

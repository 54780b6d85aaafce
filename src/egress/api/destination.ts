import {
  type Address,
  addressBits,
  type Family,
  isLinkLocal,
  isUnusable,
  parseAddress,
} from '../../base/model/address.ts';
import type { NamedRedirect, Protocol, Redirect } from '../../base/model/redirect.ts';
import { parsePort, parseProtocol } from '../../base/read/parse-port.ts';
import { showValue } from '../../base/read/show-value.ts';
import { parseDnsName } from './dns-name.ts';

/** A parsed line of `destinations`. */
export type Destination =
  | { readonly kind: 'redirect'; readonly redirect: Redirect }
  /** A redirect to a DNS name, without its addresses. */
  | { readonly kind: 'named'; readonly redirect: NamedRedirect }
  /** A bare address or name: the target of all connections that match no redirect. */
  | { readonly kind: 'fallback'; readonly target: Target }
  /** Only white space or a comment. */
  | { readonly kind: 'blank' }
  | { readonly kind: 'error'; readonly expected: string };

/** A target as written: an address, or a DNS name in canonical form. */
export type Target = Address | { readonly name: string };

/** The accepted forms, for messages. */
const grammar = '"IP", "PORT PROTOCOL IP" or "PORT PROTOCOL IP TARGETPORT"';

/**
 * Optional port and protocol, target, optional target port, optional comment. Only spaces and tabs separate
 * words: a line break would hide a second destination.
 */
const form = /^[ \t]*(?:([^\s#]+)[ \t]+([^\s#]+)[ \t]+)?([^\s#]+)(?:[ \t]+([^\s#]+))?[ \t]*(?:#.*)?$/;

const blank = /^[ \t]*(?:#.*)?$/;

/** Limits the cost of hostile input. */
const maxCharacters = 1024;

/**
 * Parses a destination: `IP[/MASK]`, `PORT PROTOCOL IP[/MASK]` or `PORT PROTOCOL IP[/MASK] TARGETPORT`,
 * with a DNS name or an address in place of `IP`, separated by spaces or tabs, with an optional `#` comment. The protocol is case-insensitive; IPv6 may have
 * brackets. The mask is checked and ignored: OpenShift's documentation shows destinations such as
 * `203.0.113.26/30` that mean the address itself.
 */
export function parseDestination(text: unknown): Destination {
  if (typeof text !== 'string') return failed(`must be a string: ${grammar}`);
  if (text.length > maxCharacters) return failed(`must be ${grammar}, with at most ${maxCharacters} characters`);
  const [, port, protocol, target, targetPort] = form.exec(text) ?? [];
  if (target === undefined) return blank.test(text) ? { kind: 'blank' } : failed(`must be ${grammar}`);
  if (port !== undefined && protocol !== undefined) return readRedirect(port, protocol, target, targetPort);
  if (targetPort !== undefined) return failed(`must be ${grammar}`);
  const address = parseTarget(target);
  return typeof address === 'string' ? failed(`must be ${grammar}; ${address}`) : { kind: 'fallback', target: address };
}

function readRedirect(
  portWord: string,
  protocolWord: string,
  targetWord: string,
  targetPortWord?: string,
): Destination {
  const port = parsePort(portWord);
  if (port === undefined) return failed(`must begin with a port from 1 to 65535, not ${showValue(portWord, 24)}`);
  const protocol = parseProtocol(protocolWord);
  if (protocol === undefined) return failed(`must name TCP, UDP or SCTP, not ${showValue(protocolWord, 24)}`);
  const target = parseTarget(targetWord);
  if (typeof target === 'string') return failed(target);
  const targetPort = targetPortWord === undefined ? port : parsePort(targetPortWord);
  if (targetPort === undefined) {
    return failed(`must end with a target port from 1 to 65535, not ${showValue(targetPortWord, 24)}`);
  }
  if ('name' in target) {
    return { kind: 'named', redirect: makeNamedRedirect(protocol, port, target.name, targetPort) };
  }
  return { kind: 'redirect', redirect: makeRedirect(protocol, port, target, targetPort) };
}

/** Makes a redirect to a name in canonical form, without addresses. */
export function makeNamedRedirect(
  protocol: Protocol,
  port: number,
  name: string,
  targetPort: number | undefined,
): NamedRedirect {
  const redirect = { protocol, port, name, targets: [] };
  return targetPort === undefined || targetPort === port ? redirect : { ...redirect, targetPort };
}

/** Makes a redirect in canonical form: without a target port that equals the port. */
export function makeRedirect(
  protocol: Protocol,
  port: number,
  target: Address,
  targetPort: number | undefined,
): Redirect {
  return targetPort === undefined || targetPort === port
    ? { protocol, port, target }
    : { protocol, port, target, targetPort };
}

function failed(expected: string): Destination {
  return { kind: 'error', expected };
}

/**
 * Parses a target: a DNS name, or `IP` or `IP/MASK` with the mask ignored. Returns the expected form as a string on
 * failure.
 */
export function parseTarget(word: string): Target | string {
  const address = parseTargetAddress(word);
  if (typeof address !== 'string') return address;
  const name = parseDnsName(word);
  if (name !== undefined) return { name };
  return parseAddress(word.replace(/\/.*/s, '')) === undefined
    ? `${address}, or a fully qualified DNS name without a mask`
    : address;
}

/** Parses a target that must be an address. Returns the expected form as a string on failure. */
export function parseTargetAddress(word: string): Address | string {
  const slash = word.indexOf('/');
  const address = parseAddress(slash < 0 ? word : word.slice(0, slash));
  if (address === undefined) return `must contain an IPv4 or IPv6 address, not ${showValue(word, 48)}`;
  if (slash >= 0 && !isMask(word.slice(slash + 1), address.family)) {
    return `must have a mask from 0 to ${addressBits(address.family)} after the address, not ${showValue(word, 48)}`;
  }
  // Routers must not forward to link-local addresses (RFC 4291 §2.5.6).
  if (isUnusable(address) || isLinkLocal(address)) {
    return `must contain a routable unicast address, not ${showValue(word, 48)}`;
  }
  return address;
}

function isMask(digits: string, family: Family): boolean {
  return /^\d{1,3}$/.test(digits) && Number(digits) <= addressBits(family);
}

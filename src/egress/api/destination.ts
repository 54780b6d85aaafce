import {
  type Address,
  addressBits,
  type Family,
  isLinkLocal,
  isUnusable,
  parseAddress,
} from '../../base/model/address.ts';
import type { Protocol, Redirect } from '../../base/model/redirect.ts';
import { parsePort, parseProtocol } from '../../base/read/parse-port.ts';
import { showValue } from '../../base/read/show-value.ts';

/** What one line of `destinations` says. */
export type Destination =
  | { readonly kind: 'redirect'; readonly redirect: Redirect }
  /** A bare address: where everything goes that no redirect matches. */
  | { readonly kind: 'fallback'; readonly target: Address }
  /** Nothing but blanks or a comment. */
  | { readonly kind: 'blank' }
  | { readonly kind: 'error'; readonly expected: string };

/** The forms of a destination, for messages. */
const grammar = '"IP", "PORT PROTOCOL IP" or "PORT PROTOCOL IP TARGETPORT"';

/**
 * Optional port and protocol, target, optional target port, optional comment. Only blanks and tabs
 * separate: a line break inside would be a second destination that nobody reads.
 */
const form = /^[ \t]*(?:([^\s#]+)[ \t]+([^\s#]+)[ \t]+)?([^\s#]+)(?:[ \t]+([^\s#]+))?[ \t]*(?:#.*)?$/;

const blank = /^[ \t]*(?:#.*)?$/;

/** Longer lines are no destinations; the bound keeps the cost of hostile ones down. */
const maxCharacters = 1024;

/**
 * Reads one destination: `IP[/MASK]`, `PORT PROTOCOL IP[/MASK]` or `PORT PROTOCOL IP[/MASK] TARGETPORT`,
 * words separated by blanks or tabs, the protocol in any case, IPv6 with or without brackets, a
 * trailing `#` comment. A mask is checked and dropped: OpenShift's documentation shows destinations
 * such as `203.0.113.26/30`, where the address itself is meant.
 */
export function parseDestination(text: unknown): Destination {
  if (typeof text !== 'string') return failed(`must be a text: ${grammar}`);
  if (text.length > maxCharacters) return failed(`must be ${grammar}, of at most ${maxCharacters} characters`);
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
  return { kind: 'redirect', redirect: makeRedirect(protocol, port, target, targetPort) };
}

/** A redirect in its one form: a target port equal to the port says nothing, so it is left out. */
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
 * Reads the address of a target, `IP` or `IP/MASK` with the mask dropped. Otherwise says what was
 * expected.
 */
export function parseTarget(word: string): Address | string {
  const slash = word.indexOf('/');
  const address = parseAddress(slash < 0 ? word : word.slice(0, slash));
  if (address === undefined) return `needs an IPv4 or IPv6 address, not ${showValue(word, 48)}`;
  if (slash >= 0 && !isMask(word.slice(slash + 1), address.family)) {
    return `needs a mask from 0 to ${addressBits(address.family)} after the address, not ${showValue(word, 48)}`;
  }
  // Link-local targets are refused because no router may forward to them (RFC 4291 §2.5.6).
  if (isUnusable(address) || isLinkLocal(address)) {
    return `needs the address of a host that can be routed to, not ${showValue(word, 48)}`;
  }
  return address;
}

function isMask(digits: string, family: Family): boolean {
  return /^\d{1,3}$/.test(digits) && Number(digits) <= addressBits(family);
}

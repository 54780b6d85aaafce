import { isHostName } from '../../base/read/object-meta.ts';
import { isRecord } from '../../base/read/shape.ts';
import type { Filters, HeaderEdits, HeaderValue, PathRewrite, Redirect } from '../intent/match.ts';
import { readCors } from './cors.ts';
import { type Fault, isFault, wrong } from './matches.ts';
import { readMirror } from './mirror.ts';
import { isAbsent, isPort, listOf } from './parts.ts';

/** Filters of a rule that are not served, for the condition `Accepted`. */
export interface FilterFault extends Fault {
  readonly reason: 'UnsupportedValue' | 'IncompatibleFilters';
}

/** No filters. */
export const noFilters: Filters = { requestHeaders: [], responseHeaders: [], adjustsCase: false };

/** Filters that the API allows in a rule of an HTTPRoute or GRPCRoute. */
const supported = {
  HTTPRoute: [
    'RequestHeaderModifier',
    'ResponseHeaderModifier',
    'RequestRedirect',
    'URLRewrite',
    'CORS',
    'RequestMirror',
  ],
  GRPCRoute: ['RequestHeaderModifier', 'ResponseHeaderModifier'],
} as const;

/** Where filters are, and what they may contain. */
export interface FilterPlace {
  readonly kind: keyof typeof supported;
  /** Namespace of the route. */
  readonly home: string;
  /** Field, for messages. */
  readonly at: string;
  /** The filters of a backend: a preflight request would be answered by another one, so there is no CORS. */
  readonly isBackend?: true;
}

/** Returns a filter that a redirect would skip, because no backend answers. Undefined: there is none. */
export function findSkipped({ redirect, cors, mirrors, responseEdits }: Filters): string | undefined {
  if (redirect === undefined) return undefined;
  if (cors !== undefined) return 'CORS';
  if (mirrors !== undefined) return 'RequestMirror';
  return responseEdits === undefined ? undefined : 'ResponseHeaderModifier';
}

/** Maximum number of mirrors of a rule: the API allows 16 filters. */
const mostMirrors = 16;

/**
 * Parses the filters of a rule. A filter is never skipped: with one that is unknown, invalid or unsupported, the rule
 * answers with an error.
 */
export function readFilters(
  written: unknown,
  { kind, home, at: place, isBackend }: FilterPlace,
): Filters | FilterFault {
  if (isAbsent(written)) return noFilters;
  if (!Array.isArray(written)) return unsupported(wrong(place, written, 'must be a list of filters'));
  let filters = noFilters;
  const seen = new Set<unknown>();
  for (const [index, one] of listOf(written).entries()) {
    const at = `${place}[${index}]`;
    const type = isRecord(one) ? one.type : undefined;
    const known = supported[kind].filter((each) => isBackend !== true || each !== 'CORS');
    const name = known.find((each) => each === type);
    if (!isRecord(one) || name === undefined) {
      return unsupported(wrong(`${at}.type`, type, `must be one of ${known.join(', ')}`));
    }
    if (name === 'RequestMirror') {
      const mirror = readMirror(one.requestMirror, `${at}.requestMirror`, home);
      if (isFault(mirror)) return unsupported(mirror);
      seen.add(name);
      filters = { ...filters, mirrors: [...(filters.mirrors ?? []), mirror] };
      if ((filters.mirrors ?? []).length > mostMirrors) {
        return unsupported(wrong(`${at}.type`, name, `must not appear more than ${mostMirrors} times`));
      }
      continue;
    }
    if (seen.has(name)) return unsupported(wrong(`${at}.type`, name, 'must not appear twice'));
    seen.add(name);
    const read = readFilter(name, one, at);
    if (isFault(read)) return unsupported(read);
    filters = { ...filters, ...read };
  }
  const isBoth = filters.redirect !== undefined && seen.has('URLRewrite');
  const clash = isBoth ? 'URLRewrite' : findSkipped(filters);
  if (clash !== undefined) {
    return { reason: 'IncompatibleFilters', fault: `${place}: RequestRedirect and ${clash} exclude each other` };
  }
  return filters;
}

function unsupported({ fault }: Fault): FilterFault {
  return { reason: 'UnsupportedValue', fault };
}

function readFilter(
  type: Exclude<(typeof supported)[keyof typeof supported][number], 'RequestMirror'>,
  one: Record<string, unknown>,
  at: string,
): Partial<Filters> | Fault {
  switch (type) {
    case 'RequestHeaderModifier': {
      const edits = readEdits(one.requestHeaderModifier, `${at}.requestHeaderModifier`);
      return isFault(edits) ? edits : { requestEdits: edits };
    }
    case 'ResponseHeaderModifier': {
      const edits = readEdits(one.responseHeaderModifier, `${at}.responseHeaderModifier`);
      return isFault(edits) ? edits : { responseEdits: edits };
    }
    case 'RequestRedirect': {
      const redirect = readRedirect(one.requestRedirect, `${at}.requestRedirect`);
      return isFault(redirect) ? redirect : { redirect };
    }
    case 'CORS': {
      const cors = readCors(one.cors, `${at}.cors`);
      return isFault(cors) ? cors : { cors };
    }
    case 'URLRewrite':
      return readRewrite(one.urlRewrite, `${at}.urlRewrite`);
  }
}

/** Limit of the API for each action. */
const maxEdits = 16;

/**
 * Headers that only the router may set. HAProxy's part rejects a backend that changes one of them, and requests would
 * fall through to the next rule.
 */
const protectedNames = [
  'connection',
  'content-length',
  'egress-router-hop',
  'host',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
];

/** Parses header changes (HTTPHeaderFilter). Names are case-insensitive and have at most one action. */
function readEdits(modifier: unknown, at: string): HeaderEdits | Fault {
  if (!isRecord(modifier)) return wrong(at, modifier, 'must be an object with set, add and remove');
  const names = new Set<string>();
  const readName = (name: unknown, place: string): Fault | undefined => {
    // HAProxy's configuration contains names: "#" would begin a comment there, and "'" a quotation.
    if (typeof name !== 'string' || !/^[A-Za-z0-9!$%&*+\-.^_`|~]{1,255}$/.test(name)) {
      return wrong(place, name, 'must be the name of a header of at most 255 characters, without "#" and "\'"');
    }
    const lower = name.toLowerCase();
    if (protectedNames.includes(lower)) return wrong(place, name, `must not be one of ${protectedNames.join(', ')}`);
    if (names.has(lower)) return wrong(place, name, 'must have only one action');
    names.add(lower);
    return undefined;
  };
  const edits: { set: readonly HeaderValue[]; add: readonly HeaderValue[]; remove: readonly string[] } = {
    set: [],
    add: [],
    remove: [],
  };
  for (const action of ['set', 'add', 'remove'] as const) {
    const list = modifier[action];
    if (isAbsent(list)) continue;
    if (!Array.isArray(list) || list.length > maxEdits) {
      return wrong(`${at}.${action}`, list, `must be a list of at most ${maxEdits} headers`);
    }
    for (const [index, one] of list.entries()) {
      const place = `${at}.${action}[${index}]`;
      const written = isRecord(one) ? one : {};
      const { name, value } = action === 'remove' ? { name: one, value: undefined } : written;
      const fault = readName(name, action === 'remove' ? place : `${place}.name`);
      if (fault !== undefined) return fault;
      if (action === 'remove') {
        edits.remove = [...edits.remove, name as string];
        continue;
      }
      if (typeof value !== 'string' || value.length > 4096 || /\p{Cc}/u.test(value.replaceAll('\t', ''))) {
        return wrong(`${place}.value`, value, 'must be at most 4096 characters without control characters');
      }
      edits[action] = [...edits[action], { name: name as string, value }];
    }
  }
  return edits;
}

const redirectCodes = [301, 302, 303, 307, 308] as const;

function readRedirect(written: unknown, at: string): Redirect | Fault {
  if (!isRecord(written)) return wrong(at, written, 'must be an object');
  const { scheme, hostname, port, statusCode } = written;
  if (!isAbsent(scheme) && scheme !== 'http' && scheme !== 'https') {
    return wrong(`${at}.scheme`, scheme, 'must be http or https');
  }
  const host = readHost(hostname, `${at}.hostname`);
  if (typeof host === 'object') return host;
  if (!isAbsent(port) && !isPort(port)) return wrong(`${at}.port`, port, 'must be a port from 1 to 65535');
  const status = redirectCodes.find((code) => code === (isAbsent(statusCode) ? 302 : statusCode));
  if (status === undefined) {
    return wrong(`${at}.statusCode`, statusCode, `must be one of ${redirectCodes.join(', ')}`);
  }
  const path = readPathRewrite(written.path, `${at}.path`);
  if (path !== undefined && isFault(path)) return path;
  return {
    status,
    ...(!isAbsent(scheme) && { scheme }),
    ...(host !== undefined && { host }),
    ...(!isAbsent(port) && { port }),
    ...(path !== undefined && { path }),
  };
}

function readRewrite(written: unknown, at: string): Partial<Filters> | Fault {
  if (!isRecord(written)) return wrong(at, written, 'must be an object');
  const host = readHost(written.hostname, `${at}.hostname`);
  if (typeof host === 'object') return host;
  const path = readPathRewrite(written.path, `${at}.path`);
  if (path !== undefined && isFault(path)) return path;
  return {
    ...(host !== undefined && { rewriteHost: host }),
    ...(path !== undefined && { rewritePath: path }),
  };
}

function readHost(written: unknown, at: string): string | undefined | Fault {
  if (isAbsent(written)) return undefined;
  if (typeof written !== 'string' || !isHostName(written)) return wrong(at, written, 'must be a host name');
  return written.toLowerCase();
}

function readPathRewrite(written: unknown, at: string): PathRewrite | undefined | Fault {
  if (isAbsent(written)) return undefined;
  const { type, replaceFullPath, replacePrefixMatch } = isRecord(written) ? written : {};
  const isFull = type === 'ReplaceFullPath';
  if (!isFull && type !== 'ReplacePrefixMatch') {
    return wrong(`${at}.type`, type, 'must be ReplaceFullPath or ReplacePrefixMatch');
  }
  const value = isFull ? replaceFullPath : replacePrefixMatch;
  if (typeof value !== 'string' || value.length > 1024 || !/^(?:\/[\x21\x22\x24-\x3e\x40-\x7e]*)?$/.test(value)) {
    return wrong(`${at}.${isFull ? 'replaceFullPath' : 'replacePrefixMatch'}`, value, 'must be a path');
  }
  return { type: isFull ? 'full' : 'prefix', value };
}

import { isRecord } from '../../base/read/shape.ts';
import type { CorsRules } from '../intent/match.ts';
import { type Fault, isFault, wrong } from './matches.ts';
import { isAbsent } from './parts.ts';

/** Limits of the API. */
const most = { origins: 64, methods: 9, headers: 64 };

/** Seconds, the API's default. */
const usualAge = 5;

/** Parses a CORS filter (HTTPCORSFilter). */
export function readCors(written: unknown, at: string): CorsRules | Fault {
  if (!isRecord(written)) return wrong(at, written, 'must be an object');
  const { allowCredentials, maxAge } = written;
  const origins = readList(written.allowOrigins, `${at}.allowOrigins`, most.origins, readOrigin);
  if (isFault(origins)) return origins;
  const methods = readList(written.allowMethods, `${at}.allowMethods`, most.methods, readMethod);
  if (isFault(methods)) return methods;
  const headers = readList(written.allowHeaders, `${at}.allowHeaders`, most.headers, readHeader);
  if (isFault(headers)) return headers;
  const exposed = readList(written.exposeHeaders, `${at}.exposeHeaders`, most.headers, readHeader);
  if (isFault(exposed)) return exposed;
  if (!isAbsent(allowCredentials) && typeof allowCredentials !== 'boolean') {
    return wrong(`${at}.allowCredentials`, allowCredentials, 'must be true or false');
  }
  const isAge = typeof maxAge === 'number' && Number.isInteger(maxAge) && maxAge >= 1 && maxAge < 2 ** 31;
  if (!isAbsent(maxAge) && !isAge) return wrong(`${at}.maxAge`, maxAge, 'must be a positive number of seconds');
  return {
    byFetch: true,
    origins,
    methods: joinNames(methods),
    headers: joinNames(headers),
    ...(exposed.length > 0 && { exposed: joinNames(exposed) }),
    credentials: allowCredentials === true,
    maxAge: isAge ? maxAge : usualAge,
  };
}

/** Joins names. A wildcard among others allows everything. */
function joinNames(names: readonly string[]): string {
  return names.includes('*') ? '*' : names.join(', ');
}

function readList(
  written: unknown,
  at: string,
  longest: number,
  read: (one: unknown, place: string) => string | Fault,
): readonly string[] | Fault {
  if (isAbsent(written)) return [];
  if (!Array.isArray(written) || written.length > longest) {
    return wrong(at, written, `must be a list of at most ${longest} entries`);
  }
  const values = new Set<string>();
  for (const [index, one] of written.entries()) {
    const value = read(one, `${at}[${index}]`);
    if (typeof value !== 'string') return value;
    values.add(value);
  }
  return [...values];
}

/** Parses an origin. Browsers omit the well-known port of a scheme, so it is removed. */
function readOrigin(one: unknown, at: string): string | Fault {
  const origin = typeof one === 'string' ? one.toLowerCase() : '';
  if (origin === '*') return origin;
  const parts = /^(https?):\/\/(\*|(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*)(?::(\d{1,5}))?$/.exec(origin);
  const [, scheme = '', host = '', port] = parts ?? [];
  const isValid = parts !== null && host.length <= 253 && (port === undefined || isBetween(Number(port), 1, 65_535));
  if (!isValid) return wrong(at, one, 'must be "*", or scheme, host and optional port such as "https://*.example.com"');
  const isUsual = port === undefined || Number(port) === (scheme === 'http' ? 80 : 443);
  return `${scheme}://${host}${isUsual ? '' : `:${Number(port)}`}`;
}

function isBetween(value: number, least: number, largest: number): boolean {
  return value >= least && value <= largest;
}

function readMethod(one: unknown, at: string): string | Fault {
  if (typeof one === 'string' && /^(?:\*|[A-Z]{1,16})$/.test(one)) return one;
  return wrong(at, one, 'must be a method such as "GET", or "*"');
}

function readHeader(one: unknown, at: string): string | Fault {
  if (typeof one === 'string' && /^[A-Za-z0-9!#$%&'*+.^_`~-]{1,256}$/.test(one)) return one;
  return wrong(at, one, 'must be the name of a header, or "*"');
}

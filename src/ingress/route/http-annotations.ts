import { checkIntervalCure, durationCure, parseCheckInterval, parseDuration } from '../../base/read/duration.ts';
import { boolCure, parseBool } from '../../base/read/parse-bool.ts';
import { ProblemList } from '../../base/read/problem-list.ts';
import type { SiteBalance } from '../intent/group.ts';
import type { ForwardedMode } from '../intent/match.ts';
import type { ClientLimits } from '../intent/site-request.ts';
import { collectNetworks } from './allow-list.ts';
import { AnnotationReader, haproxyPrefix, type Refuse, routerPrefix } from './annotation-reader.ts';

/** Parsed annotations of a Route for its host and path. Absent fields use the router's default. */
export interface HttpAnnotations {
  readonly balance?: SiteBalance;
  readonly hasCookies: boolean;
  readonly cookieName?: string;
  readonly sameSite: 'Lax' | 'Strict' | 'None';
  /** Sorted networks of allowed clients (`10.0.0.0/8`). Absent: any client; empty: none. */
  readonly allowed?: readonly string[];
  /** Milliseconds. */
  readonly serverTimeout?: number;
  /** Milliseconds. */
  readonly tunnelTimeout?: number;
  readonly limits: ClientLimits;
  /** Maximum concurrent connections per server. */
  readonly serverConnections?: number;
  readonly forwarded?: ForwardedMode;
  /** Begins with `/`. */
  readonly rewriteTarget?: string;
  /** Value of Strict-Transport-Security. */
  readonly hsts?: string;
  readonly adjustsCase: boolean;
  /** Interval between checks of a server, in milliseconds. */
  readonly checkInterval?: number;
  /** Sorted names of router annotations without effect on hosts and paths. */
  readonly ignored: readonly string[];
}

const limitsKey = `${haproxyPrefix}rate-limit-connections`;
const sameSiteWords = ['Lax', 'Strict', 'None'] as const;
const balanceWords = ['roundrobin', 'leastconn', 'source', 'random'] as const;
const forwardedWords = ['append', 'replace', 'if-none', 'never'] as const;

/** Longer rewrite targets and HSTS headers do not fit into a line of HAProxy's configuration. */
const maxText = 1024;

/**
 * Parses the annotations of a Route as OpenShift's router does: a value must match completely, otherwise it is
 * ignored and recorded in `problems`.
 */
export function readHttpAnnotations(input: unknown, routerNameKey: string, problems: ProblemList): HttpAnnotations {
  const reader = new AnnotationReader(input, problems);
  reader.skip(routerNameKey);
  return readAll(reader);
}

/** Returns the names of all annotations that {@link readHttpAnnotations} reads. */
export function listHttpAnnotations(): readonly string[] {
  const reader = new AnnotationReader({}, new ProblemList());
  readAll(reader);
  return reader.asked;
}

function readAll(reader: AnnotationReader): HttpAnnotations {
  const time = (key: string) => reader.read(key, (text, refuse) => parseDuration(text) ?? refuse(durationCure));
  const word = <Word extends string>(key: string, words: readonly Word[]) =>
    reader.read(key, (text, refuse) => words.find((one) => one === text) ?? refuse(`must be ${words.join(', ')}`));
  const flag = (key: string) => reader.read(key, readFlag) ?? false;
  return {
    ...given('balance', word(`${haproxyPrefix}balance`, balanceWords)),
    hasCookies: !flag(`${haproxyPrefix}disable_cookies`),
    ...given('cookieName', reader.read(`${routerPrefix}cookie_name`, readCookieName)),
    sameSite: word(`${routerPrefix}cookie-same-site`, sameSiteWords) ?? 'None',
    ...given('allowed', readAllowed(reader)),
    ...given('serverTimeout', time(`${haproxyPrefix}timeout`)),
    ...given('tunnelTimeout', time(`${haproxyPrefix}timeout-tunnel`)),
    limits: readLimits(reader),
    ...given('serverConnections', reader.read(`${haproxyPrefix}pod-concurrent-connections`, readCount)),
    ...given('forwarded', word(`${haproxyPrefix}set-forwarded-headers`, forwardedWords)),
    ...given('rewriteTarget', reader.read(`${haproxyPrefix}rewrite-target`, readRewriteTarget)),
    ...given('hsts', reader.read(`${haproxyPrefix}hsts_header`, readHsts)),
    adjustsCase: flag(`${haproxyPrefix}h1-adjust-case`),
    ...given(
      'checkInterval',
      reader.read(
        `${routerPrefix}haproxy.health.check.interval`,
        (text, refuse) => parseCheckInterval(text) ?? refuse(checkIntervalCure),
      ),
    ),
    ignored: reader.listIgnored(),
  };
}

function given<Key extends string, Value>(key: Key, value: Value | undefined): { readonly [K in Key]?: Value } {
  return (value === undefined ? {} : { [key]: value }) as { readonly [K in Key]?: Value };
}

function readFlag(text: string, refuse: Refuse): boolean | undefined {
  return parseBool(text) ?? refuse(boolCure);
}

function readCookieName(text: string, refuse: Refuse): string | undefined {
  return /^[A-Za-z0-9_-]{1,200}$/.test(text) ? text : refuse('must be letters, digits, "_" and "-"');
}

function readCount(text: string, refuse: Refuse): number | undefined {
  return /^[1-9]\d{0,8}$/.test(text) ? Number(text) : refuse('must be a number above 0');
}

function readRewriteTarget(text: string, refuse: Refuse): string | undefined {
  const isPath = text.length <= maxText && /^\/[\x21-\x7e]*$/.test(text);
  return isPath ? text : refuse('must be a path that begins with "/" and has no blanks');
}

/** RFC 6797 §6.1, as far as OpenShift's router supports it. */
function readHsts(text: string, refuse: Refuse): string | undefined {
  const cure = 'must be like "max-age=31536000;includeSubDomains;preload"';
  // Blanks are allowed between directives, but nothing that ends a header line.
  if (text.length > maxText || !/^[\x20-\x7e]*$/.test(text.trim())) return refuse(cure);
  const directives = text.split(';').map((part) => part.trim().toLowerCase());
  const ages = directives.filter((one) => /^max-age=(?:\d+|"\d+")$/.test(one));
  const others = directives.filter((one) => one === 'includesubdomains' || one === 'preload');
  return ages.length === 1 && ages.length + others.length === directives.length ? text.trim() : refuse(cure);
}

/** Limits apply only if they are enabled; otherwise they are not read. */
function readLimits(reader: AnnotationReader): ClientLimits {
  const isOn = reader.read(limitsKey, readFlag) ?? false;
  const names = ['concurrentTcp', 'rateTcp', 'rateHttp'] as const;
  const keys = [`${limitsKey}.concurrent-tcp`, `${limitsKey}.rate-tcp`, `${limitsKey}.rate-http`];
  const limits: { -readonly [Key in keyof ClientLimits]: ClientLimits[Key] } = {};
  for (const [index, name] of names.entries()) {
    const key = keys[index] as string;
    const limit = reader.read(key, (text, refuse) => (isOn ? readCount(text, refuse) : undefined));
    if (limit !== undefined) limits[name] = limit;
    if (!isOn) reader.ignore(key);
  }
  return limits;
}

/**
 * Returns the networks of allowed clients. Invalid entries are ignored and reported. A list without valid entries
 * admits no client, whereas OpenShift's router would admit every client.
 */
function readAllowed(reader: AnnotationReader): readonly string[] | undefined {
  const lists = ['ip_allowlist', 'ip_whitelist'].flatMap((name) => {
    const list = reader.read(`${haproxyPrefix}${name}`, readNetworks);
    return list === undefined ? [] : [list];
  });
  return lists.find((list) => list.length > 0) ?? lists[0];
}

function readNetworks(text: string, refuse: Refuse): readonly string[] {
  const { networks, wrong } = collectNetworks(text, 'commas');
  if (networks.length === 0) refuse('must contain an address or CIDR; without a valid entry no client can connect');
  else if (wrong.length > 0)
    refuse(`must be addresses and CIDRs; ignored ${wrong.map((word) => word.slice(0, 48)).join(' ')}`);
  return networks;
}

import type { Prefix } from '../model/address.ts';
import type { SourceLimits } from '../model/ingress.ts';
import { type Protocol, protocols } from '../model/redirect.ts';
import { parseAllowList } from './allow-list.ts';
import { parsePort } from './destination.ts';
import { durationCure, parseDuration } from './duration.ts';
import type { ProblemList } from './problem-list.ts';
import { isRecord } from './shape.ts';

/** One port that a Route asks for. */
export interface AskedPort {
  readonly protocol: Protocol;
  /** 1–65535. */
  readonly port: number;
}

/** Ways to spread connections that a Route may name. */
export type AskedBalance = 'source' | 'roundrobin' | 'random';

/** What the annotations of a Route say, as far as it means something without HTTP. */
export interface RouteAnnotations {
  readonly ports: readonly AskedPort[];
  /** Absent: the router's default. */
  readonly balance?: AskedBalance;
  readonly limits: SourceLimits;
  /** Milliseconds; absent: the router's default. */
  readonly idleTimeout?: number;
  /** Absent: everybody. Never empty. */
  readonly allowed?: readonly Prefix[];
  /** Milliseconds between two checks of an endpoint; absent: the router's default. */
  readonly checkInterval?: number;
  /** Names of annotations for routers that have no effect on this one, sorted. */
  readonly ignored: readonly string[];
}

/** Where the annotations of HAProxy's router begin. */
const haproxyPrefix = 'haproxy.router.openshift.io/';
const otherPrefix = 'router.openshift.io/';

const limitsKey = `${haproxyPrefix}rate-limit-connections`;
const checkKey = `${otherPrefix}haproxy.health.check.interval`;

/** More limits than this a second or at a time are none. */
const maxLimit = 1_000_000;

/** More names than this are not told: nobody reads them. */
const maxIgnored = 20;

/**
 * Reads the annotations of a Route that concern a router; each that is wrong is noted under its own
 * name. `routerNameKey` is the annotation that {@link readRouterName} reads.
 */
export function readRouteAnnotations(input: unknown, routerNameKey: string, problems: ProblemList): RouteAnnotations {
  const reader = new AnnotationReader(input, problems);
  reader.skip(routerNameKey);
  const ports = protocols.flatMap((protocol) => {
    const port = reader.read(
      `${haproxyPrefix}external-${protocol}-port`,
      (text, refuse) => parsePort(text) ?? refuse('must be a port from 1 to 65535'),
    );
    return port === undefined ? [] : [{ protocol, port }];
  });
  const balance = reader.read(`${haproxyPrefix}balance`, readBalance);
  const limits = readLimits(reader);
  const readTime = (key: string) => reader.read(key, (text, refuse) => parseDuration(text) ?? refuse(durationCure));
  // HAProxy's `timeout tunnel` rules as soon as both sides have spoken, so it comes first.
  const timeout = readTime(`${haproxyPrefix}timeout`);
  const idleTimeout = readTime(`${haproxyPrefix}timeout-tunnel`) ?? timeout;
  const oldList = reader.read(`${haproxyPrefix}ip_whitelist`, readAllowList);
  const allowed = reader.read(`${haproxyPrefix}ip_allowlist`, readAllowList) ?? oldList;
  const checkInterval = readTime(checkKey);
  return {
    ports,
    ...(balance !== undefined && { balance }),
    limits,
    ...(idleTimeout !== undefined && { idleTimeout }),
    ...(allowed !== undefined && { allowed }),
    ...(checkInterval !== undefined && { checkInterval }),
    ignored: reader.listIgnored(),
  };
}

/** Reads the annotation that names the router a Route is for; its key is the administrator's choice. */
export function readRouterName(input: unknown, key: string): string | undefined {
  const value = isRecord(input) && Object.hasOwn(input, key) ? input[key] : undefined;
  return typeof value === 'string' && value.length <= 253 ? value : undefined;
}

/** Whether any annotation asks for a port: a Route without one is not for this router. */
export function asksForPort(input: unknown): boolean {
  return (
    isRecord(input) && protocols.some((protocol) => Object.hasOwn(input, `${haproxyPrefix}external-${protocol}-port`))
  );
}

/** Says what was expected instead of a value; the annotation is then as if absent, and its Route not admitted. */
type Refuse = (cure: string) => undefined;

function readBalance(text: string, refuse: Refuse): AskedBalance | undefined {
  if (text === 'source' || text === 'roundrobin' || text === 'random') return text;
  const choices = 'must be source, roundrobin or random';
  return refuse(text === 'leastconn' ? `${choices}: this router does not count connections` : choices);
}

function readAllowList(text: string, refuse: Refuse): readonly Prefix[] | undefined {
  const list = parseAllowList(text);
  return typeof list === 'string' ? refuse(list) : list;
}

/** The limits count only when they are switched on, as in OpenShift. */
function readLimits(reader: AnnotationReader): SourceLimits {
  const isOn = reader.read(limitsKey, readSwitch) ?? false;
  const concurrent = reader.read(`${limitsKey}.concurrent-tcp`, readLimit);
  const rate = reader.read(`${limitsKey}.rate-tcp`, readLimit);
  if (isOn) return { ...(concurrent !== undefined && { concurrent }), ...(rate !== undefined && { rate }) };
  reader.ignore(`${limitsKey}.concurrent-tcp`);
  reader.ignore(`${limitsKey}.rate-tcp`);
  return {};
}

function readLimit(text: string, refuse: Refuse): number | undefined {
  const limit = /^[1-9]\d{0,6}$/.test(text) ? Number(text) : 0;
  return limit >= 1 && limit <= maxLimit ? limit : refuse(`must be a number from 1 to ${maxLimit}`);
}

function readSwitch(text: string, refuse: Refuse): boolean | undefined {
  if (text === 'true' || text === 'TRUE') return true;
  return text === 'false' || text === 'FALSE' || text === '' ? false : refuse('must be "true" or "false"');
}

/** Reads annotations one by one and remembers which have no reader. */
class AnnotationReader {
  readonly #annotations: Readonly<Record<string, unknown>>;
  readonly #problems: ProblemList;
  readonly #known = new Set<string>();

  constructor(input: unknown, problems: ProblemList) {
    if (input !== undefined && input !== null && !isRecord(input)) {
      problems.add('metadata.annotations', input, 'must be an object of texts');
    }
    this.#annotations = isRecord(input) ? input : {};
    this.#problems = problems;
  }

  read<Value>(key: string, parse: (text: string, refuse: Refuse) => Value | undefined): Value | undefined {
    this.#known.add(key);
    const written = Object.hasOwn(this.#annotations, key) ? this.#annotations[key] : undefined;
    if (written === undefined || written === null) return undefined;
    const refuse = (cure: string): undefined => {
      this.#problems.add(`metadata.annotations[${key}]`, written, cure);
    };
    return typeof written === 'string' ? parse(written, refuse) : refuse('must be a text: write it in quotes');
  }

  /** Leaves an annotation to somebody else. */
  skip(key: string): void {
    this.#known.add(key);
  }

  /** Counts an annotation that was read among those without effect. */
  ignore(key: string): void {
    this.#known.delete(key);
  }

  listIgnored(): readonly string[] {
    const names: string[] = [];
    for (const key in this.#annotations) {
      const isForRouters = key.startsWith(haproxyPrefix) || key.startsWith(otherPrefix);
      if (isForRouters && !this.#known.has(key) && /^[\x21-\x7e]{1,120}$/.test(key)) names.push(key);
      if (names.length === maxIgnored) break;
    }
    return names.sort();
  }
}

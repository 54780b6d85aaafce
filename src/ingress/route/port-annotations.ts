import type { Prefix } from '../../base/model/address.ts';
import { protocols } from '../../base/model/redirect.ts';
import { checkIntervalCure, durationCure, parseCheckInterval, parseDuration } from '../../base/read/duration.ts';
import { boolCure, parseBool } from '../../base/read/parse-bool.ts';
import { parsePort } from '../../base/read/parse-port.ts';
import { ProblemList } from '../../base/read/problem-list.ts';
import { isRecord } from '../../base/read/shape.ts';
import type { PortBalance, PortSettings, SourceLimits } from '../intent/port-request.ts';
import { parseAllowList } from './allow-list.ts';
import { AnnotationReader, haproxyPrefix, type Refuse, routerPrefix } from './annotation-reader.ts';

const limitsKey = `${haproxyPrefix}rate-limit-connections`;
const checkKey = `${routerPrefix}haproxy.health.check.interval`;

/** More limits than this a second or at a time are none. */
const maxLimit = 1_000_000;

/**
 * Reads the annotations of a Route that concern a router; each that is wrong is noted under its own
 * name. `routerNameKey` is the annotation that {@link readRouterName} reads.
 */
export function readPortAnnotations(input: unknown, routerNameKey: string, problems: ProblemList): PortSettings {
  const reader = new AnnotationReader(input, problems);
  reader.skip(routerNameKey);
  return readAll(reader);
}

/** Names of all annotations that {@link readPortAnnotations} reads. */
export function listPortAnnotations(): readonly string[] {
  const reader = new AnnotationReader({}, new ProblemList());
  readAll(reader);
  return reader.asked;
}

function readAll(reader: AnnotationReader): PortSettings {
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
  const checkInterval = reader.read(checkKey, (text, refuse) => parseCheckInterval(text) ?? refuse(checkIntervalCure));
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

function readBalance(text: string, refuse: Refuse): PortBalance | undefined {
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
  return text === '' ? false : (parseBool(text) ?? refuse(boolCure));
}

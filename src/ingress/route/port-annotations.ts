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

/** Larger limits per second or at the same time mean no limit. */
const maxLimit = 1_000_000;

/**
 * Parses the annotations of a Route that concern ports, and records each invalid one under its name. `routerNameKey`
 * is the annotation that {@link readRouterName} reads.
 */
export function readPortAnnotations(input: unknown, routerNameKey: string, problems: ProblemList): PortSettings {
  const reader = new AnnotationReader(input, problems);
  reader.skip(routerNameKey);
  return readAll(reader);
}

/** Returns the names of all annotations that {@link readPortAnnotations} reads. */
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
  // HAProxy's `timeout tunnel` applies as soon as both sides have sent data, so it takes precedence.
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

/** Returns the router that a Route names. The administrator chooses the annotation. */
export function readRouterName(input: unknown, key: string): string | undefined {
  const value = isRecord(input) && Object.hasOwn(input, key) ? input[key] : undefined;
  return typeof value === 'string' && value.length <= 253 ? value : undefined;
}

/** Returns whether an annotation requests a port. Without one, ports ignore the Route. */
export function asksForPort(input: unknown): boolean {
  return (
    isRecord(input) && protocols.some((protocol) => Object.hasOwn(input, `${haproxyPrefix}external-${protocol}-port`))
  );
}

function readBalance(text: string, refuse: Refuse): PortBalance | undefined {
  if (text === 'source' || text === 'roundrobin' || text === 'random') return text;
  const choices = 'must be source, roundrobin or random';
  return refuse(text === 'leastconn' ? `${choices}, because ports do not count connections` : choices);
}

function readAllowList(text: string, refuse: Refuse): readonly Prefix[] | undefined {
  const list = parseAllowList(text);
  return typeof list === 'string' ? refuse(list) : list;
}

/** Limits apply only if they are enabled, as in OpenShift. */
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

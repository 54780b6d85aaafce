import type { Parsed } from '../../base/model/problem.ts';
import { type ObjectMeta, readMeta } from '../../base/read/object-meta.ts';
import { ProblemList } from '../../base/read/problem-list.ts';
import { isRecord } from '../../base/read/shape.ts';
import { showValue } from '../../base/read/show-value.ts';
import type { ExchangeDemand } from '../intent/group.ts';
import type { Filters } from '../intent/match.ts';
import { type FilterFault, noFilters, readFilters } from './filters.ts';
import { parseHostname } from './hostname.ts';
import { readPlainRules } from './l4-route.ts';
import { anything, type Conditions, isFault, readGrpcMatch, readHttpMatch, wrong } from './matches.ts';
import { mergeFilters } from './merge-filters.ts';
import { isAbsent, listOf } from './parts.ts';
import {
  type GatewayRoute,
  type ParentRef,
  type RouteBackend,
  type RouteRefusal,
  readBackend,
  readParent,
} from './route.ts';
import { readExchange } from './timeouts.ts';

/** A route for hosts: HTTPRoute, GRPCRoute or TLSRoute (gateway.networking.k8s.io). */
export interface SiteRoute extends GatewayRoute {
  readonly kind: 'HTTPRoute' | 'GRPCRoute' | 'TLSRoute';
  readonly hostnames: readonly string[];
  readonly rules: readonly RouteRule[];
}

/** Requests with the same backends and filters. */
export interface RouteRule {
  /** Never empty. */
  readonly matches: readonly Conditions[];
  readonly filters: Filters;
  readonly backends: readonly RouteBackend[];
  /** Filters of rule and backend, for backends with filters of their own, by their index. */
  readonly own?: ReadonlyMap<number, Filters>;
  readonly exchange?: ExchangeDemand;
  /** Its requests get an error, because part of the rule is invalid or unsupported. */
  readonly isBroken?: true;
}

/** Parses an HTTPRoute or GRPCRoute. Invalid rules answer with an error and do not affect the others. */
export function parseHttpRoute(input: unknown, kind: 'HTTPRoute' | 'GRPCRoute'): Parsed<SiteRoute> {
  return parseRoute(input, kind, (rules, home) => {
    const read = rules.map((rule, index) => readRule(rule, kind, home, `spec.rules[${index}]`));
    const faults = read.flatMap(({ fault }) => fault ?? []);
    const dropped = faults.map(({ fault }) => fault);
    const [first] = faults;
    const isWhole = read.every(({ fault }) => fault !== undefined);
    return {
      rules: read.flatMap(({ rule }) => rule ?? []),
      dropped,
      ...(first !== undefined && (isWhole || first.reason === 'IncompatibleFilters')
        ? { refusal: { reason: first.reason, message: first.fault } }
        : {}),
    };
  });
}

/** Parses a TLSRoute. Rules have no conditions, so only the first valid one can apply. */
export function parseTlsRoute(input: unknown): Parsed<SiteRoute> {
  return parseRoute(input, 'TLSRoute', (rules, home) => {
    const { backends, dropped } = readPlainRules(rules, home);
    return { rules: [{ matches: [anything], filters: noFilters, backends }], dropped };
  });
}

interface ReadRules {
  readonly rules: readonly RouteRule[];
  readonly dropped: readonly string[];
  readonly refusal?: RouteRefusal;
}

function parseRoute(
  input: unknown,
  kind: SiteRoute['kind'],
  readRules: (rules: readonly unknown[], home: string) => ReadRules,
): Parsed<SiteRoute> {
  const problems = new ProblemList();
  const meta = readMeta(input, problems);
  const spec = isRecord(input) ? input.spec : undefined;
  if (!isRecord(spec)) problems.add('spec', spec, 'must be the spec of a route');
  const { parentRefs, hostnames, rules } = isRecord(spec) ? spec : {};
  const names = readHostnames(hostnames);
  const home = meta?.namespace ?? '';
  return problems.finish(() => {
    const read = readRules(readRuleList(rules, kind), home);
    return {
      kind,
      meta: meta as ObjectMeta,
      parents: readParents(parentRefs, home),
      hostnames: names.value,
      backends: read.rules.flatMap((rule) => [...rule.backends, ...listMirrors(rule)]),
      ...read,
      // Without valid hostnames, the route might serve every name, so none of its rules is served.
      ...(names.fault !== undefined && {
        rules: [],
        refusal: { reason: 'UnsupportedValue' as const, message: names.fault },
      }),
    };
  });
}

function readParents(written: unknown, home: string): readonly ParentRef[] {
  return listOf(written).flatMap((parent) => readParent(parent, home));
}

/** An HTTPRoute without rules has one that matches everything, the API's default. */
function readRuleList(written: unknown, kind: SiteRoute['kind']): readonly unknown[] {
  return isAbsent(written) && kind === 'HTTPRoute' ? [{}] : listOf(written);
}

/** Reads hostnames up to the first invalid one. */
function readHostnames(written: unknown): { readonly value: readonly string[]; readonly fault?: string } {
  const names = new Set<string>();
  if (!isAbsent(written) && !Array.isArray(written)) {
    return { value: [], fault: wrong('spec.hostnames', written, 'must be a list of host names').fault };
  }
  for (const [index, one] of listOf(written).entries()) {
    const name = parseHostname(one);
    if (name === undefined) {
      const { fault } = wrong(`spec.hostnames[${index}]`, one, 'must be a host name such as "*.example.com"');
      return { value: [...names], fault };
    }
    names.add(name);
  }
  return { value: [...names] };
}

interface ReadRule {
  readonly rule?: RouteRule;
  readonly fault?: FilterFault;
}

/** Settings of a rule that change or restrict requests and are not supported. */
const unsupportedFields = {
  HTTPRoute: ['sessionPersistence'],
  GRPCRoute: ['timeouts', 'retry', 'sessionPersistence'],
} as const;

function readRule(written: unknown, kind: 'HTTPRoute' | 'GRPCRoute', home: string, path: string): ReadRule {
  const unsupported = (fault: string): FilterFault => ({ reason: 'UnsupportedValue', fault });
  if (!isRecord(written)) return { fault: unsupported(wrong(path, written, 'must be a rule').fault) };
  const faults: FilterFault[] = [];
  const matches = readMatches(written.matches, kind, `${path}.matches`, (fault) => faults.push(unsupported(fault)));
  const read = readFilters(written.filters, { kind, home, at: `${path}.filters` });
  if (isFault(read)) faults.push(read);
  const filters = isFault(read) ? noFilters : read;
  for (const field of unsupportedFields[kind]) {
    if (!isIdle(written[field]))
      faults.push(unsupported(`${path}.${field} ${showValue(written[field])}: is not supported`));
  }
  const exchange = kind === 'HTTPRoute' ? readExchange(written, path) : {};
  if (isFault(exchange)) faults.push(unsupported(exchange.fault));
  const checkPrefix = (some: Filters, place: string): void => {
    if (!replacesPrefix(some) || matches.every((one) => one.path.type === 'element')) return;
    faults.push(unsupported(`${place}: ReplacePrefixMatch needs matches of type PathPrefix`));
  };
  checkPrefix(filters, `${path}.filters`);
  const { backendRefs } = written;
  if (!isAbsent(backendRefs) && !Array.isArray(backendRefs)) {
    faults.push(unsupported(wrong(`${path}.backendRefs`, backendRefs, 'must be a list of Services').fault));
  }
  const own = new Map<number, Filters>();
  const backends = listOf(backendRefs).map((one, index) => {
    const place = `${path}.backendRefs[${index}]`;
    const at = `${place}.filters`;
    const some = isRecord(one) ? readFilters(one.filters, { kind, home, at, isBackend: true }) : noFilters;
    const merged = isFault(some) ? some : mergeFilters(filters, some, at);
    if (isFault(merged)) faults.push(merged);
    else if (some !== noFilters) {
      own.set(index, merged);
      checkPrefix(merged, at);
    }
    return readBackend(one, home, place);
  });
  const [fault] = faults;
  const rule: RouteRule = {
    matches,
    filters,
    backends,
    ...(own.size > 0 && { own }),
    ...(!isFault(exchange) && Object.keys(exchange).length > 0 && { exchange }),
    ...(fault !== undefined && { isBroken: true }),
  };
  return { ...(matches.length > 0 && { rule }), ...(fault !== undefined && { fault }) };
}

/** Returns whether filters replace the prefix that a match names. */
export function replacesPrefix({ rewritePath, redirect }: Filters): boolean {
  return (rewritePath ?? redirect?.path)?.type === 'prefix';
}

/** Returns the mirrors of a rule and its backends. */
function listMirrors({ filters, own }: RouteRule): readonly RouteBackend[] {
  const all = [filters, ...(own?.values() ?? [])].flatMap(({ mirrors = [] }) => mirrors);
  return [...new Set(all)].map(({ share }) => share);
}

/** Returns whether a setting is absent or without effect: timeouts of zero mean none. */
function isIdle(value: unknown): boolean {
  if (isAbsent(value)) return true;
  return isRecord(value) && Object.values(value).every((one) => isAbsent(one) || one === '0s' || one === '0');
}

/** Limit of the API for the matches of one rule. */
const maxMatches = 64;

function readMatches(
  written: unknown,
  kind: 'HTTPRoute' | 'GRPCRoute',
  path: string,
  report: (fault: string) => void,
): readonly Conditions[] {
  if (isAbsent(written)) return [anything];
  if (!Array.isArray(written) || written.length > maxMatches) {
    report(wrong(path, written, `must be a list of at most ${maxMatches} matches`).fault);
    return [];
  }
  if (written.length === 0) return [anything];
  return written.flatMap((one, index) => {
    const read =
      kind === 'HTTPRoute' ? readHttpMatch(one, `${path}[${index}]`) : readGrpcMatch(one, `${path}[${index}]`);
    if (!isFault(read)) return [read];
    report(read.fault);
    return [];
  });
}

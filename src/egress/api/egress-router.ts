import type * as z from 'zod/mini';
import type { Family, Prefix } from '../../base/model/address.ts';
import { linkModes, type MacvlanMode } from '../../base/model/link-kind.ts';
import type { Parsed } from '../../base/model/problem.ts';
import type { NamedRedirect, Redirect } from '../../base/model/redirect.ts';
import { presentText, readChoice } from '../../base/read/choice.ts';
import { parseProtocol } from '../../base/read/parse-port.ts';
import { ProblemList } from '../../base/read/problem-list.ts';
import { isRecord, type Readable, readShape } from '../../base/read/shape.ts';
import type { ReservedAddress } from '../model/attachment.ts';
import { makeNamedRedirect, makeRedirect, parseTargetAddress, type Target } from './destination.ts';
import { dnsNameCure, parseDnsName } from './dns-name.ts';
import { getEgressRouterSpecSchema } from './egress-router-schema.ts';
import { readMaster } from './interface-args.ts';
import {
  listWritten,
  type RouterSpec,
  readDestinations,
  readFallbackName,
  readFallbacks,
  sharings,
} from './ip-section.ts';
import { RedirectCollector } from './redirects.ts';
import {
  checkGateway,
  claimFamily,
  makeReservedAddress,
  readGateway,
  readReservedAddress,
  type Written,
} from './reserved.ts';

/** A validated EgressRouter. */
export interface EgressRouterSpec extends RouterSpec {
  /** `networkInterface.macvlan.mode`; default: that of interfaceArgs, or bridge. */
  readonly mode?: MacvlanMode;
  /** `networkInterface.macvlan.master`. */
  readonly master?: string;
}

type WrittenSpec = Readable<z.output<ReturnType<typeof getEgressRouterSpecSchema>>>;
type WrittenAddress = NonNullable<NonNullable<WrittenSpec['addresses']>[number]>;
type WrittenRule = NonNullable<NonNullable<NonNullable<WrittenSpec['redirect']>['redirectRules']>[number]>;

/** Names that may be used besides those outside the cluster, and further destinations from an annotation. */
export interface RouterReading {
  /** Names inside the cluster that an administrator allows as destinations; default none. */
  readonly allowedSuffixes?: readonly string[];
  /** Annotations of the object, where only its `spec` is parsed. */
  readonly annotations?: unknown;
}

/**
 * Annotation of an EgressRouter with further destinations, one a line, in the syntax of `ip.destinations`. OpenShift's
 * CRD has no field for names.
 */
export const destinationsAnnotation = 'egress-router.io/destinations';

const apiVersion = 'network.operator.openshift.io/v1';

/**
 * Parses an EgressRouter as a pool of routers that differ only in their addresses: one router for each address
 * of a family. IPv4 and IPv6 addresses are paired by position. One address, or one of each family, is a pool
 * of one router.
 */
export function parseEgressRouterPool(
  input: unknown,
  path = '',
  reading: RouterReading = {},
): Parsed<readonly EgressRouterSpec[]> {
  const problems = new ProblemList();
  const router = readSpec(input, path, problems, reading, checkDistinct);
  const [ones, others] = ([4, 6] as const).map((family) =>
    router.reserved.filter(({ prefix }) => prefix.address.family === family),
  ) as [ReservedAddress[], ReservedAddress[]];
  if (ones.length > 0 && others.length > 0 && ones.length !== others.length) {
    const seen = `${ones.length} of IPv4, ${others.length} of IPv6`;
    problems.add(
      join(path, 'addresses'),
      seen,
      'must be one family only, or equally many IPv4 and IPv6 addresses, which are paired by position',
    );
  }
  return problems.finish(() =>
    (ones.length > 0 ? ones : others).map((one, index) => {
      const pair = ones.length > 0 ? others[index] : undefined;
      return { ...router, reserved: pair === undefined ? [one] : [one, pair] };
    }),
  );
}

/** Parses a whole EgressRouter object as a pool, as the controller does. */
export function parseEgressRouterObject(
  input: Readonly<Record<string, unknown>>,
  allowedSuffixes: readonly string[] = [],
): Parsed<readonly EgressRouterSpec[]> {
  const header = new ProblemList();
  checkHeader(input, '', header);
  const annotations = isRecord(input.metadata) ? input.metadata.annotations : undefined;
  const pool = parseEgressRouterPool(input.spec, 'spec', { allowedSuffixes, annotations });
  const checked = header.finish(() => undefined);
  if (checked.ok) return pool;
  return { ok: false, problems: [...checked.problems, ...(pool.ok ? [] : pool.problems)] };
}

/** Reads an EgressRouter inside a larger document. The value is only valid if no problem was added. */
export function readEgressRouter(
  input: unknown,
  path: string,
  problems: ProblemList,
  allowedSuffixes: readonly string[],
): EgressRouterSpec {
  const isWhole = isRecord(input) && ['spec', 'kind', 'apiVersion'].some((key) => Object.hasOwn(input, key));
  if (!isWhole) return readSpec(input, path, problems, { allowedSuffixes });
  checkHeader(input, path, problems);
  const annotations = isRecord(input.metadata) ? input.metadata.annotations : undefined;
  return readSpec(input.spec, join(path, 'spec'), problems, { allowedSuffixes, annotations });
}

function checkHeader(input: Record<string, unknown>, path: string, problems: ProblemList): void {
  for (const [key, expected] of [
    ['apiVersion', apiVersion],
    ['kind', 'EgressRouter'],
  ] as const) {
    const value = input[key];
    if (value !== undefined && value !== expected) problems.add(join(path, key), value, `must be "${expected}"`);
  }
}

function readSpec(
  input: unknown,
  path: string,
  problems: ProblemList,
  { allowedSuffixes = [], annotations }: RouterReading,
  mayFollow: MayFollow = isOneOfFamily,
): EgressRouterSpec {
  const spec = readShape(getEgressRouterSpecSchema(), input, path, problems) ?? {};
  readChoice(spec.mode, ['redirect'], 'redirect', join(path, 'mode'), problems);
  const { reserved, families } = readAddresses(spec.addresses, join(path, 'addresses'), problems, mayFollow);
  const redirects = new RedirectCollector(families, problems, allowedSuffixes);
  const redirectPath = join(path, 'redirect');
  redirects.share(readChoice(spec.redirect?.balance, sharings, 'roundrobin', `${redirectPath}.balance`, problems));
  readRules(spec.redirect?.redirectRules ?? [], `${redirectPath}.redirectRules`, redirects, problems);
  readFallbacks(listWritten(spec.redirect?.fallbackIP, `${redirectPath}.fallbackIP`), redirects, problems);
  readFallbackName(spec.redirect?.fallbackName, `${redirectPath}.fallbackName`, redirects, problems);
  const further = isRecord(annotations) ? annotations[destinationsAnnotation] : undefined;
  if (typeof further === 'string') {
    readDestinations(further.split('\n'), `metadata.annotations["${destinationsAnnotation}"]`, redirects, problems);
  }
  return {
    reserved,
    redirects: redirects.finish(),
    ...readInterface(spec.networkInterface?.macvlan, join(path, 'networkInterface.macvlan'), problems),
  };
}

function readInterface(
  macvlan: { mode?: string | undefined; master?: string | undefined } | undefined,
  path: string,
  problems: ProblemList,
): { mode?: MacvlanMode; master?: string } {
  const hasMode = presentText(macvlan?.mode) !== undefined;
  const mode = readChoice(macvlan?.mode, linkModes.macvlan, 'bridge', `${path}.mode`, problems);
  const master = readMaster(macvlan?.master, `${path}.master`, problems);
  return { ...(hasMode && { mode }), ...(master !== undefined && { master }) };
}

/** Returns whether an address may follow the previous ones; otherwise adds a problem. */
type MayFollow = (read: readonly ReservedAddress[], one: Placed, problems: ProblemList) => boolean;
type Placed = { readonly prefix: Prefix; readonly place: Written };

function isOneOfFamily(read: readonly ReservedAddress[], { prefix, place }: Placed, problems: ProblemList): boolean {
  const families = new Set(read.map((one) => one.prefix.address.family));
  return claimFamily(families, prefix.address.family, place, 'address', problems);
}

function checkDistinct(read: readonly ReservedAddress[], { prefix, place }: Placed, problems: ProblemList): boolean {
  const isNew = !read.some((one) => one.prefix.address.text === prefix.address.text);
  if (!isNew)
    problems.add(
      place.path,
      place.text,
      'appears twice; each router of a pool needs its own address, so remove one of them',
    );
  return isNew;
}

/** `families` is undefined if an address is invalid, because its family is unknown. */
function readAddresses(
  addresses: readonly (WrittenAddress | undefined)[] | undefined,
  path: string,
  problems: ProblemList,
  mayFollow: MayFollow,
): { reserved: readonly ReservedAddress[]; families: ReadonlySet<Family> | undefined } {
  if (addresses?.length === 0)
    problems.add(path, addresses, 'must contain a reserved address such as "192.168.12.99/24"');
  const reserved: ReservedAddress[] = [];
  for (const [index, address] of (addresses ?? []).entries()) {
    const read = address && readAddress(address, `${path}[${index}]`, reserved, problems, mayFollow);
    if (read !== undefined) reserved.push(read);
  }
  const isComplete = reserved.length > 0 && reserved.length === addresses?.length;
  const families = new Set<Family>(reserved.map(({ prefix }) => prefix.address.family));
  return { reserved, families: isComplete ? families : undefined };
}

function readAddress(
  { ip, gateway: gatewayText }: WrittenAddress,
  path: string,
  before: readonly ReservedAddress[],
  problems: ProblemList,
  mayFollow: MayFollow,
): ReservedAddress | undefined {
  const text = presentText(gatewayText);
  const written: Written | undefined = text === undefined ? undefined : { path: `${path}.gateway`, text };
  const gateway = written && readGateway(written, problems);
  if (ip === undefined) return undefined;
  const place = { path: `${path}.ip`, text: ip };
  const prefix = readReservedAddress(place, problems);
  if (prefix === undefined || !mayFollow(before, { prefix, place }, problems)) return undefined;
  if (written && gateway) checkGateway(prefix, gateway, written, problems);
  return makeReservedAddress(prefix, gateway);
}

function readRules(
  rules: readonly (WrittenRule | undefined)[],
  path: string,
  redirects: RedirectCollector,
  problems: ProblemList,
): void {
  for (const [index, rule] of rules.entries()) {
    const redirect = rule && readRule(rule, path, index, problems);
    if (redirect === undefined) continue;
    if ('name' in redirect) redirects.addNamed(redirect, path, index, rule);
    else redirects.addRedirect(redirect, path, index, rule);
  }
}

function readRule(
  rule: WrittenRule,
  path: string,
  index: number,
  problems: ProblemList,
): Redirect | NamedRedirect | undefined {
  const { targetPort, port } = rule;
  const protocol = rule.protocol === undefined ? undefined : parseProtocol(rule.protocol);
  const target = readTarget(rule, `${path}[${index}]`, problems);
  if (protocol === undefined && rule.protocol !== undefined) {
    problems.add(`${path}[${index}].protocol`, rule.protocol, 'must be TCP, UDP or SCTP');
  }
  if (target === undefined || protocol === undefined || port === undefined) return undefined;
  return 'name' in target
    ? makeNamedRedirect(protocol, port, target.name, targetPort)
    : makeRedirect(protocol, port, target, targetPort);
}

/** Exactly one of destinationIP and destinationName; Go programs write empty strings for unset fields. */
function readTarget(rule: WrittenRule, path: string, problems: ProblemList): Target | undefined {
  const address = presentText(rule.destinationIP);
  const name = presentText(rule.destinationName);
  if (address !== undefined && name !== undefined) {
    problems.add(`${path}.destinationName`, name, 'cannot be combined with destinationIP; remove one of them');
    return undefined;
  }
  if (name !== undefined) {
    const parsed = parseDnsName(name);
    if (parsed === undefined) problems.add(`${path}.destinationName`, name, dnsNameCure);
    return parsed === undefined ? undefined : { name: parsed };
  }
  if (address === undefined) {
    problems.add(
      `${path}.destinationIP`,
      rule.destinationIP,
      'must be the IPv4 or IPv6 address of the destination, unless destinationName is set',
    );
    return undefined;
  }
  const target = parseTargetAddress(address);
  if (typeof target !== 'string') return target;
  problems.add(`${path}.destinationIP`, rule.destinationIP, target);
  return undefined;
}

function join(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`;
}

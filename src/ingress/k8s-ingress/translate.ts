import { hash } from 'node:crypto';
import type { Group } from '../intent/group.ts';
import { defaultListener } from '../intent/listener.ts';
import type { Match } from '../intent/match.ts';
import type { UsersState } from '../intent/references.ts';
import type { SiteDemand, SiteFields, SiteOwner, SiteRequest } from '../intent/site-request.ts';
import { isAccessRule, nginxPrefix } from './annotation-reader.ts';
import { readIngressAnnotations } from './annotations.ts';
import { type ClientStates, type DecidedClients, decideClients, describeClients } from './host-clients.ts';
import { translateTls } from './hosts.ts';
import type { Ingress, IngressPath, IngressSpec } from './ingress.ts';
import { makeFilters, makeGroup } from './parts.ts';
import { planPaths } from './paths.ts';
import type { Peers } from './peers.ts';
import type { Finding, IngressSettings } from './settings.ts';

/** An Ingress with its parsed annotations. */
export interface ReadIngress {
  readonly ingress: Ingress;
  readonly settings: IngressSettings;
  readonly findings: readonly Finding[];
}

/** Requests of an Ingress for hosts, and findings about its fields. */
export interface Translation {
  readonly requests: readonly SiteRequest[];
  readonly findings: readonly Finding[];
}

const fields: SiteFields = {
  host: 'spec.rules.host',
  path: 'spec.rules.http.paths.path',
  wildcard: 'host "*."',
};

/** Reads the annotations of an Ingress. */
export function readIngress(ingress: Ingress): ReadIngress {
  return { ingress, ...readIngressAnnotations(ingress.annotations, ingress.meta.namespace) };
}

/** Returns the paths of each host of an Ingress. The empty host means all. */
export function listHosts(spec: IngressSpec): ReadonlyMap<string, readonly IngressPath[]> {
  const hosts = new Map<string, IngressPath[]>();
  for (const { host = '', paths } of spec.rules) hosts.set(host, [...(hosts.get(host) ?? []), ...paths]);
  const { defaultBackend: backend } = spec;
  if (backend === undefined) return hosts;
  if (!hosts.has('')) hosts.set('', []);
  // The default backend also serves paths of a host that no rule matches.
  const rest: IngressPath = { field: 'spec.defaultBackend', path: '/', type: 'Prefix', backend };
  for (const paths of hosts.values()) if (!paths.some(isEverything)) paths.push(rest);
  return hosts;
}

function isEverything({ path, type }: IngressPath): boolean {
  return path === '/' && type !== 'Exact';
}

/** Returns a path as the key of its owner: a prefix without final slash, or `=` and an exact path. */
export function placeOf({ type, value }: Match['path']): string {
  if (type === 'exact') return `=${value}`;
  return type === 'element' ? value.replace(/\/+$/, '') : value;
}

/**
 * Translates an Ingress into requests for its hosts. A canary requests none: its main Ingress serves it.
 *
 * @param users for its basic authentication. Absent: not known
 * @param states of Secrets with client authorities
 */
export function translateIngress(
  { ingress, settings, findings }: ReadIngress,
  peers: Peers,
  users?: UsersState,
  states: ClientStates = () => undefined,
): Translation {
  const { spec } = ingress;
  if (!spec.ok) return { requests: [makeRequest(ingress, '', spec)], findings };
  if (settings.canary !== undefined) return { requests: [], findings };
  const noted = [...findings, ...describeUsers(settings, users)];
  const requests: SiteRequest[] = [];
  const hosts = listHosts(spec.value);
  const [first = ''] = hosts.keys();
  let isWaiting = users?.state === 'waiting';
  for (const [host, paths] of addAliases(hosts, settings, peers)) {
    // An alias has the clients of the first host; a redirect to the other name needs none.
    const named = hosts.has(host) ? host : first;
    const found = paths === 'www' ? undefined : peers.clientsOf(named);
    const clients = found && decideClients(found, host, states);
    if (found !== undefined && clients !== undefined) {
      const own = settings.clients === 'off' ? undefined : settings.clients;
      noted.push(...describeClients(ingress.meta.name, own, named, found, clients));
      isWaiting ||= clients.isWaiting === true;
    }
    const demand = translateHost(spec.value, host, paths, settings, peers, noted, users, clients);
    if (demand !== undefined) requests.push(makeRequest(ingress, host, { ok: true, value: demand }));
  }
  // After all paths, because one that cannot be served closes all others if there are access rules.
  const closed = findClosed(noted, isWaiting);
  return { requests: requests.map((request) => complete(request, closed, noted)), findings: noted };
}

function addAliases(
  hosts: ReadonlyMap<string, readonly IngressPath[]>,
  { aliases, redirectsWww }: IngressSettings,
  peers: Peers,
): ReadonlyMap<string, readonly IngressPath[] | 'www'> {
  const all = new Map<string, readonly IngressPath[] | 'www'>(hosts);
  const [first] = hosts.values();
  for (const alias of aliases)
    if (first !== undefined && !all.has(alias) && !peers.hasHost(alias)) all.set(alias, first);
  if (!redirectsWww) return all;
  for (const host of hosts.keys()) {
    const other = alternateOf(host);
    const isName = host !== '' && !host.startsWith('*.');
    if (isName && !all.has(other) && !peers.hasHost(other)) all.set(other, 'www');
  }
  return all;
}

function translateHost(
  spec: IngressSpec,
  host: string,
  paths: readonly IngressPath[] | 'www',
  settings: IngressSettings,
  peers: Peers,
  findings: Finding[],
  users: UsersState | undefined,
  clients: DecidedClients | undefined,
): SiteDemand | undefined {
  const matches: Match[] = [];
  const groups: Group[] = [];
  const keys: string[] = [];
  const add: Add = (path, filters, group, covers) => {
    const place = placeOf(path);
    if (matches.some((one) => placeOf(one.path) === place)) return;
    // A backend replaces one prefix.
    const prefix = filters.rewritePath?.type === 'prefix' ? path.value : undefined;
    const key = JSON.stringify([filters, group, prefix]);
    const known = keys.indexOf(key);
    if (known < 0) {
      groups.push(group);
      keys.push(key);
    }
    matches.push({
      path,
      filters,
      group: known < 0 ? groups.length - 1 : known,
      ...(covers !== undefined && { covers }),
    });
  };
  if (paths === 'www') {
    const redirect = { host: alternateOf(host), status: 308 as const };
    add({ type: 'element', value: '/' }, makeFilters({ redirect }), { shares: [] });
  } else {
    // The frontend of the host tells servers about the client.
    const { clients: _own, ...others } = settings;
    addPaths(host, paths, clients === undefined ? settings : others, peers, findings, add);
  }
  if (matches.length === 0) return undefined;
  const tls = translateTls(spec, host, settings, paths === 'www' ? alternateOf(host) : host, clients?.demand);
  return {
    matches,
    groups,
    tls,
    access: {
      ...(settings.allowed !== undefined && { allowed: settings.allowed }),
      ...(settings.denied !== undefined && { denied: settings.denied }),
      ...(settings.login !== undefined && {
        login: {
          source: settings.login.secret,
          realm: settings.login.realm,
          // Without users, the Ingress is closed.
          users: users?.state === 'valid' ? users.users : [],
        },
      }),
      limits: {
        ...(settings.limits.concurrent !== undefined && { concurrentTcp: settings.limits.concurrent }),
        ...(settings.limits.rate !== undefined && { rateHttp: settings.limits.rate }),
      },
      ...(settings.bodySize !== undefined && { bodySize: settings.bodySize }),
      answers: true,
    },
    ...(clients?.problem !== undefined && { closed: closeHost(host, clients) }),
    spelling: settings.usesRegex ? 'caseless' : 'normalized',
    warnings: [],
    ignored: [],
  };
}

function closeHost(host: string, { problem, isWaiting, demand }: DecidedClients): NonNullable<SiteDemand['closed']> {
  return {
    reason: 'AnnotationNotSupported',
    message: `every path of ${host === '' ? 'other hosts' : host} answers 503: auth-tls-secret ${JSON.stringify(demand.name)}: ${problem}`,
    ...(isWaiting && { isWaiting }),
  };
}

function alternateOf(host: string): string {
  return host.startsWith('www.') ? host.slice(4) : `www.${host}`;
}

type Add = (path: Match['path'], filters: Match['filters'], group: Group, covers?: string) => void;

function addPaths(
  host: string,
  paths: readonly IngressPath[],
  settings: IngressSettings,
  peers: Peers,
  findings: Finding[],
  add: Add,
): void {
  const { appRoot, passthrough, redirect } = settings;
  // Nothing can answer inside passthrough TLS, whose connections go to the first backend.
  if (appRoot !== undefined && !passthrough && peers.ownerOf(host, '=/') === undefined) {
    add({ type: 'exact', value: '/' }, makeFilters({ redirect: { path: appRoot, status: 302 } }), { shares: [] });
  }
  const planned = paths.flatMap((path) => planPaths(path, settings).map((plan) => ({ path, plan })));
  for (const { path, plan } of planned) {
    if (plan.finding !== undefined && !findings.some((one) => one.subject === plan.finding?.subject)) {
      findings.push(plan.finding);
    }
    const place = placeOf(plan.match);
    if (plan.isUnservable === true) {
      // Requests for this path must not reach a server without the access rules of this Ingress.
      if (hasAccessRules(settings)) add(plan.match, makeFilters({}), { shares: [] }, plan.covers);
      else if (isRestricted(findings)) add(standIn(path), makeFilters({}), { shares: [] }, plan.covers);
      continue;
    }
    const owner = peers.ownerOf(host, place);
    if (owner !== undefined) {
      findings.push(describeRival(path, host, owner));
      continue;
    }
    if (redirect !== undefined) {
      add(
        plan.match,
        makeFilters({ redirect: { ...redirect.location, status: redirect.status } }),
        { shares: [] },
        plan.covers,
      );
      continue;
    }
    if (path.backend.kind === 'resource') findings.push(describeResource(path, path.backend.name));
    const filters = makeFilters({ ...(plan.rewrite !== undefined && { rewrite: plan.rewrite }), settings });
    add(plan.match, filters, makeGroup(path.backend, settings, peers.canaryOf(host, place)), plan.covers);
  }
}

/** Returns whether the Ingress has rules without which its paths must not be served. */
export function hasAccessRules({ allowed, denied, login }: IngressSettings): boolean {
  return allowed !== undefined || denied !== undefined || login !== undefined;
}

/** Returns whether an access rule that this router cannot enforce closes the Ingress. */
function isRestricted(findings: readonly Finding[]): boolean {
  return findings.some(({ outcome, subject }) => outcome === 'closed' && isAccessRule(subject));
}

/**
 * Returns an exact path in place of one that cannot be served, so that the guard of the host knows the requests that it
 * covers. The closed Ingress takes no path of others.
 */
function standIn({ path }: IngressPath): Match['path'] {
  return { type: 'exact', value: `/${path.replace(/^\//, '').replace(/[^\x21-\x7e]/g, '_')}`.slice(0, 1000) };
}

/** Returns what does not work about the users of an Ingress. */
function describeUsers({ login, passthrough }: IngressSettings, users: UsersState | undefined): readonly Finding[] {
  if (login === undefined) return [];
  const make = (outcome: Finding['outcome'], message: string): Finding => ({
    subject: `${nginxPrefix}auth-secret`,
    value: JSON.stringify(login.secret),
    outcome,
    message,
  });
  if (passthrough) return [make('closed', 'users cannot log in inside TLS that a server ends')];
  switch (users?.state) {
    case 'valid':
      return users.note === undefined ? [] : [make('refused', users.note)];
    case 'invalid':
      return [make('closed', users.message)];
    case 'waiting':
      return [make('closed', 'this Secret has not been read yet')];
    case undefined:
      return [
        make(
          'differs',
          'the hashes in this Secret must begin with $1$, $5$, $6$ or $2y$; others, such as $apr1$, are rejected',
        ),
      ];
  }
}

function describeRival({ field, path }: IngressPath, host: string, owner: string): Finding {
  return {
    subject: field,
    value: JSON.stringify(path),
    outcome: 'refused',
    message: `host ${host === '' ? '*' : host} and path ${path} belong to the older Ingress ${owner}`,
    suggestion: 'remove one of the two',
  };
}

function describeResource({ field }: IngressPath, name: string): Finding {
  return {
    subject: field.replace(/\.path$/, '.backend.resource'),
    value: JSON.stringify(name),
    outcome: 'refused',
    message: 'only a Service can be a backend; the path answers 503',
    suggestion: 'write backend.service',
  };
}

function findClosed(findings: readonly Finding[], isWaiting: boolean): SiteDemand['closed'] {
  const found = findings.filter(({ outcome }) => outcome === 'closed');
  if (found.length === 0) return undefined;
  const sentences = found.slice(0, 3).map(describeFinding);
  return {
    reason: 'AnnotationNotSupported',
    message: `every path answers 503: ${sentences.join('; ')}`,
    ...(isWaiting && found.length === 1 && { isWaiting }),
  };
}

/** Returns a finding as one sentence without a full stop. */
export function describeFinding({ subject, value, message, suggestion }: Finding): string {
  const short = subject.replace(/^nginx\.ingress\.kubernetes\.io\//, '');
  return `${short}${value === undefined ? '' : ` ${value}`}: ${message}${suggestion === undefined ? '' : ` (${suggestion})`}`;
}

/** Maximum number of sentences in a status. */
const maxNotes = 8;

function complete(request: SiteRequest, closed: SiteDemand['closed'], findings: readonly Finding[]): SiteRequest {
  if (!request.demand.ok) return request;
  const describe = (wanted: Finding['outcome']) =>
    findings
      .filter(({ outcome }) => outcome === wanted)
      .slice(0, maxNotes)
      .map(describeFinding);
  const [missing, notes] = [describe('refused'), describe('differs')];
  const ignored = findings.flatMap(({ outcome, subject }) => (outcome === 'ignored' ? [subject] : [])).sort();
  return {
    ...request,
    demand: {
      ok: true,
      value: { ...request.demand.value, missing, notes, ignored, ...(closed !== undefined && { closed }) },
    },
  };
}

function makeRequest(ingress: Ingress, host: string, demand: SiteRequest['demand']): SiteRequest {
  const isWildcard = host.startsWith('*.');
  return {
    owner: makeOwner(ingress, host),
    listener: defaultListener,
    // Only the domain of a wildcard counts; "any" is a placeholder for its first label.
    ...(host !== '' && { host: isWildcard ? `any${host.slice(1)}` : host }),
    span: host === '' ? 'all' : isWildcard ? 'label' : 'host',
    demand,
  };
}

/** Maximum length of a host in a label. HAProxy limits names of sections to 512 characters. */
const longestHost = 120;

function makeOwner({ meta }: Ingress, host: string): SiteOwner {
  // Hosts contain no underscore, so that no host has the name of another one.
  const name = host.replace('*', '_') || '_all';
  const short = name.length > longestHost ? hash('sha1', name).slice(0, 16) : name;
  return {
    kind: 'Ingress',
    meta,
    // Names of objects contain no underscore, so no Route has such a label.
    label: `${meta.namespace}:ingress_${meta.name}_${short}`,
    fields,
    merge: `Ingress ${meta.namespace}`,
  };
}

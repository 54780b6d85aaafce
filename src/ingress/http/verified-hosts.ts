import { isDeepStrictEqual } from 'node:util';
import { innerFiles, innerSpans, ownedFile } from '../haproxy/gateway-names.ts';
import type { GatewaySettings, SiteClients } from '../haproxy/model.ts';
import { UnfitValue } from '../haproxy/quote.ts';
import type { ClientAuthorities, Gateways, InnerOwners } from '../haproxy/rule.ts';
import { checkSubject } from '../haproxy/verified-sites.ts';
import type { ClientDemand } from '../intent/site-request.ts';
import { assignSlots } from './gateway-places.ts';
import type { ServedSite } from './served-site.ts';
import { nameOf } from './sites.ts';

/** The frontends of hosts whose clients are verified, at one moment. */
export interface VerifiedPlan {
  /** By host in HAProxy's form. */
  readonly hosts: ReadonlyMap<string, SiteClients>;
  /** Authorities by number of the inner frontend. */
  readonly clients: ReadonlyMap<number, ClientAuthorities>;
  readonly owners: ReadonlyMap<number, InnerOwners>;
  /** Why a host with valid authorities is closed. */
  readonly lacks: ReadonlyMap<string, string>;
}

const none: VerifiedPlan = { hosts: new Map(), clients: new Map(), owners: new Map(), lacks: new Map() };

/** Beginning of the scopes of such hosts; those of listeners begin with their place. */
const scopePrefix = 'site ';

/** Assigns inner frontends to the hosts of the default listener whose clients are verified: one to each set of authorities. */
export class VerifiedHosts {
  readonly #settings: GatewaySettings | undefined;
  readonly #requests = new Map<string, Map<string, ServedSite>>();
  #slots: ReadonlyMap<string, number> = new Map();
  #isChanged = false;
  #plan = none;

  /** @param settings absent: there are no such frontends, and the hosts are closed */
  constructor(settings: GatewaySettings | undefined) {
    this.#settings = settings;
  }

  add(one: ServedSite): void {
    if (one.demand.tls?.clients === undefined) return;
    const host = nameOf(one);
    const known = this.#requests.get(host) ?? new Map<string, ServedSite>();
    this.#requests.set(host, known.set(one.request.owner.label, one));
    this.#isChanged = true;
  }

  remove(one: ServedSite): void {
    if (one.demand.tls?.clients === undefined) return;
    const host = nameOf(one);
    const known = this.#requests.get(host);
    known?.delete(one.request.owner.label);
    if (known?.size === 0) this.#requests.delete(host);
    this.#isChanged = true;
  }

  /** Returns the same object until something changes. */
  plan(): VerifiedPlan {
    if (!this.#isChanged) return this.#plan;
    this.#isChanged = false;
    const demands = new Map<string, ClientDemand>();
    for (const [host, requests] of this.#requests) {
      const found = [...requests.values()].flatMap(({ demand }) => demand.tls?.clients ?? []);
      // One without authorities closes the host.
      const [demand] = found.toSorted((one, other) => Number(one.pem !== undefined) - Number(other.pem !== undefined));
      if (demand !== undefined) demands.set(host, demand);
    }
    const lacks = findUnfit(demands);
    const wanted = [...demands].flatMap(([host, demand]) =>
      demand.pem === undefined || lacks.has(host) ? [] : demand,
    );
    const count = this.#settings?.sites ?? 0;
    this.#slots =
      this.#settings === undefined || count === 0
        ? new Map()
        : assignSlots(chooseNames(wanted, count, this.#slots), innerSpans(this.#settings).site, this.#slots);
    const clients = new Map<number, ClientAuthorities>();
    const owners = new Map<number, InnerOwners>();
    for (const { name, pem } of wanted) {
      const inner = this.#slots.get(name);
      if (inner === undefined || pem === undefined) continue;
      clients.set(inner, { scope: `${scopePrefix}${name}`, pem });
      owners.set(inner, { clients: name.slice(0, name.indexOf('/')) });
    }
    const lack =
      count === 0
        ? 'every path answers 503: the agent cannot verify clients of single hosts without --listener-ports, or if it verifies those of all hosts'
        : `every path answers 503: all ${count} TLS frontends for client certificates of Ingresses, or the ${limitOf(count)} of this namespace, are in use; share a Secret, or ask the administrator for a larger range of --listener-ports`;
    const hosts = new Map(
      Array.from(demands, ([host, { name, pem, mode, passesCertificate, subject }]): [string, SiteClients] => {
        const isUnfit = pem === undefined || lacks.has(host);
        const inner = isUnfit ? 0 : (this.#slots.get(name) ?? 0);
        if (!isUnfit && inner === 0) lacks.set(host, lack);
        const made = {
          inner,
          mode,
          ...(passesCertificate && { passesCertificate }),
          ...(inner > 0 && subject !== undefined && { subject }),
        };
        const known = this.#plan.hosts.get(host);
        return [host, isDeepStrictEqual(known, made) && known !== undefined ? known : made];
      }),
    );
    this.#plan = { hosts, clients, owners, lacks };
    return this.#plan;
  }
}

/** Returns the maximum number of frontends of a namespace, so that none takes all of them. */
function limitOf(count: number): number {
  return Math.ceil(count / 2);
}

/** Returns the names of authorities that may have a frontend. Those that have one come first. */
function chooseNames(
  wanted: readonly ClientDemand[],
  count: number,
  slots: ReadonlyMap<string, number>,
): readonly string[] {
  const names = [...new Set(wanted.map(({ name }) => name))].sort();
  const sorted = names.toSorted((one, other) => Number(slots.has(other)) - Number(slots.has(one)));
  const byOwner = Map.groupBy(sorted, (name) => name.slice(0, name.indexOf('/')));
  return [...byOwner.values()].flatMap((own) => own.slice(0, limitOf(count)));
}

/** Maximum number of patterns of a namespace: HAProxy compares a subject with all of them in turn. */
const mostPatterns = 100;

/** Returns why hosts are closed although their authorities are valid: their patterns are not allowed. */
function findUnfit(demands: ReadonlyMap<string, ClientDemand>): Map<string, string> {
  const found = new Map<string, string>();
  const used = new Map<string, number>();
  for (const [host, { name, subject }] of demands) {
    if (subject === undefined) continue;
    const namespace = name.slice(0, name.indexOf('/'));
    const count = (used.get(namespace) ?? 0) + 1;
    used.set(namespace, count);
    const problem =
      count > mostPatterns ? `the namespace has more than ${mostPatterns} hosts with patterns` : findFault(subject);
    if (problem !== undefined) found.set(host, `every path answers 503: auth-tls-match-cn: ${problem}`);
  }
  return found;
}

function findFault(pattern: string): string | undefined {
  try {
    checkSubject(pattern);
    return undefined;
  } catch (error) {
    if (error instanceof UnfitValue) return error.message;
    throw error;
  }
}

/** Adds the frontends of verified hosts to those of listeners. */
export function joinClients(gateways: Gateways, { clients, owners }: VerifiedPlan): Gateways {
  if (clients.size === 0) return gateways;
  return {
    ...gateways,
    clients: new Map([...gateways.clients, ...clients]),
    owners: new Map([...gateways.owners, ...owners]),
  };
}

/** Returns why a request is closed although its authorities are valid, or undefined. */
export function findLack({ lacks }: VerifiedPlan, one: ServedSite): string | undefined {
  return lacks.size === 0 || one.demand.closed !== undefined ? undefined : lacks.get(nameOf(one));
}

/** Returns the names of the client authorities of a request among pending changes. */
export function listClientFiles({ hosts, owners }: VerifiedPlan, one: ServedSite): readonly string[] {
  const inner = hosts.size === 0 ? undefined : hosts.get(nameOf(one))?.inner;
  return inner === undefined || inner === 0
    ? []
    : [ownedFile(innerFiles(inner).authorities, owners.get(inner)?.clients)];
}

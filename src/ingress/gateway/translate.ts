import type { CertificateSource } from '../intent/certificate-source.ts';
import type { Group } from '../intent/group.ts';
import type { ClientVerification, ListenerTls, SiteListener } from '../intent/listener.ts';
import type { Match } from '../intent/match.ts';
import type { ServiceShare } from '../intent/service-share.ts';
import type { HostSpan, SiteDemand, SiteFields, SiteRequest } from '../intent/site-request.ts';
import type { L7Listener } from './listener.ts';
import { type ListenerHolder, listenerId } from './listener-holder.ts';
import type { SiteRoute } from './site-route.ts';

const fields: SiteFields = {
  host: 'spec.hostnames',
  path: 'spec.rules',
  wildcard: 'spec.hostnames "*."',
};

/** A name of a route on a listener. */
export interface Place {
  /** ID of the listener. */
  readonly listener: string;
  /** Absent: every name. */
  readonly hostname: string | undefined;
}

/** A form of a route for some of its places. */
export interface Variant {
  /** Empty for the usual form. */
  readonly name: string;
  /** Of the backends of each rule. */
  readonly shares: readonly (readonly ServiceShare[])[];
}

/** Translates a route into requests for its names on listeners. */
export function translateRoute(
  route: SiteRoute,
  { name, shares, places }: Variant & { readonly places: readonly Place[] },
): readonly SiteRequest[] {
  const { kind, meta } = route;
  const demand = { ok: true, value: translateDemand(route, shares) } as const;
  // The capital letters of the kind make the label unique: names of objects have none.
  const label = `${meta.namespace}:${kind}.${meta.name}${name === '' ? '' : `:${name}`}`;
  const owner = { kind, meta, label, fields, merge: 'Gateway' };
  return places.map(({ listener, hostname }) => ({ owner, listener, ...spanOf(hostname), demand }));
}

function spanOf(hostname: string | undefined): { readonly host?: string; readonly span: HostSpan } {
  if (hostname === undefined) return { span: 'all' };
  return hostname.startsWith('*.') ? { host: hostname.slice(2), span: 'labels' } : { host: hostname, span: 'host' };
}

function translateDemand(route: SiteRoute, shares: Variant['shares']): SiteDemand {
  const { kind, rules, refusal } = route;
  return {
    matches: rules.flatMap(({ matches, filters }, group) =>
      matches.map((conditions): Match => ({ ...conditions, filters, group })),
    ),
    groups: rules.map((rule, index) =>
      translateGroup(kind, rule.isBroken || refusal !== undefined ? [] : (shares[index] ?? [])),
    ),
    ...(kind === 'TLSRoute' && { tls: { end: 'endpoint', plain: 'reject' } }),
    access: { limits: {} },
    warnings: [],
    ignored: [],
  };
}

function translateGroup(kind: SiteRoute['kind'], shares: readonly ServiceShare[]): Group {
  return {
    shares,
    // gRPC maps 503 to UNAVAILABLE, and 500 to UNKNOWN.
    errors: { invalid: kind === 'GRPCRoute' ? 503 : 500 },
    // Other balancing algorithms do not respect weights.
    ...(shares.length > 1 && { balance: 'roundrobin' }),
    ...(kind === 'GRPCRoute' && { isH2c: true }),
  };
}

/**
 * Translates a listener.
 *
 * @param addresses empty: the node's own
 */
export function translateListener(
  holder: ListenerHolder,
  { name, port, protocol, hostname, tls }: L7Listener,
  addresses: readonly string[],
  clients?: ClientVerification,
): SiteListener {
  return {
    id: listenerId(holder, name),
    owner: { kind: holder.kind, meta: holder.meta },
    addresses,
    port,
    protocol: ({ http: 'HTTP', https: 'HTTPS', tls: 'TLS' } as const)[protocol],
    ...(hostname !== undefined && { hostname }),
    ...(tls !== undefined && { tls: { ...translateTls(tls), ...(clients !== undefined && { clients }) } }),
  };
}

function translateTls({ isPassthrough, certificates }: NonNullable<L7Listener['tls']>): ListenerTls {
  if (isPassthrough) return { end: 'endpoint', certificates: [] };
  return {
    end: 'router',
    certificates: certificates.flatMap(({ path, name, namespace }): CertificateSource[] =>
      namespace === undefined ? [] : [{ from: 'secret', name, namespace, field: path }],
    ),
  };
}

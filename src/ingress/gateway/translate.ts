import type { CertificateSource } from '../intent/certificate-source.ts';
import type { ClientVerification, ListenerTls, SiteListener } from '../intent/listener.ts';
import type { HostSpan, SiteDemand, SiteFields, SiteRequest } from '../intent/site-request.ts';
import type { OwnPlace } from './gateway-addresses.ts';
import type { L7Listener } from './listener.ts';
import { type ListenerHolder, listenerId } from './listener-holder.ts';
import { type Permit, RuleGroups } from './rule-groups.ts';
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
  readonly permit: Permit;
}

/** Translates a route into requests for its names on listeners. */
export function translateRoute(
  route: SiteRoute,
  { name, permit, places }: Variant & { readonly places: readonly Place[] },
): readonly SiteRequest[] {
  const { kind, meta } = route;
  const demand = { ok: true, value: translateDemand(route, permit) } as const;
  // The capital letters of the kind make the label unique: names of objects have none.
  const label = `${meta.namespace}:${kind}.${meta.name}${name === '' ? '' : `:${name}`}`;
  const owner = { kind, meta, label, fields, merge: 'Gateway' };
  return places.map(({ listener, hostname }) => ({ owner, listener, ...spanOf(hostname), demand }));
}

function spanOf(hostname: string | undefined): { readonly host?: string; readonly span: HostSpan } {
  if (hostname === undefined) return { span: 'all' };
  return hostname.startsWith('*.') ? { host: hostname.slice(2), span: 'labels' } : { host: hostname, span: 'host' };
}

function translateDemand(route: SiteRoute, permit: Permit): SiteDemand {
  const { kind, rules, refusal } = route;
  const groups = new RuleGroups(kind, rules.length, permit);
  const matches = rules.flatMap((rule, index) =>
    groups.add(refusal === undefined ? rule : { ...rule, isBroken: true }, index),
  );
  return {
    matches,
    groups: groups.list,
    ...(kind === 'TLSRoute' && { tls: { end: 'endpoint', plain: 'reject' } }),
    access: { limits: {} },
    warnings: [],
    ignored: [],
  };
}

/**
 * Translates a listener.
 *
 * @param places the only addresses; absent: the node's own
 */
export function translateListener(
  holder: ListenerHolder,
  { name, port, protocol, hostname, tls }: L7Listener,
  places: readonly OwnPlace[] | undefined,
  clients?: ClientVerification,
): SiteListener {
  return {
    id: listenerId(holder, name),
    owner: { kind: holder.kind, meta: holder.meta },
    addresses: places?.map(({ address }) => address.text) ?? [],
    ...(places?.some(({ ofNode }) => ofNode) && { ofNode: true as const }),
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
